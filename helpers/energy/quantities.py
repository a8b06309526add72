"""What 04 adds to the quantities: latency, memory and energy."""

from helpers.lab.quantities import Quantity, taken

LATENCY = Quantity(
    "latency_ms_p50", "Latency p50 (ms)", "Median latency (ms)", 1, 2, better="less",
    of=taken("latency", lambda latency: latency.p50_ms),
)  # fmt: skip
P99 = Quantity(
    "latency_ms_p99", "p99 (ms)", "Latency, 99th percentile (ms)", 1, 2, better="less",
    of=taken("latency", lambda latency: latency.p99_ms),
)  # fmt: skip
LATENCY_RATIO = Quantity(
    "latency_ratio", "Latency ratio", "← faster    Latency / float32    slower →", 1, 3, better="less",
    of=taken("latency", lambda latency: latency.ratio),
)  # fmt: skip
# Its bounds are the lowest and the highest probe.
MEMORY = Quantity(
    "peak_rss_bytes", "Memory (MB)", "Peak memory above the bare runtime (MB)", 1e-6, 1, better="less",
    bounds="range", of=taken("memory", lambda memory: memory.peak_rss_bytes),
)  # fmt: skip
ENERGY = Quantity(
    "energy_j_per_image", "Energy (mJ/image)", "Energy per image (mJ)", 1e3, 1, better="less",
    low="energy_low", high="energy_high", of=taken("energy", lambda energy: energy.gross_j),
)  # fmt: skip
ENERGY_RATIO = Quantity(
    "energy_ratio", "Energy ratio", "Energy / float32", 1, 3, better="less",
    of=taken("energy", lambda energy: energy.ratio),
)  # fmt: skip
ENERGY_NET = Quantity(
    "energy_net_j", "Net energy (mJ/image)", "Energy per image, idle power taken off (mJ)", 1e3, 1,
    better="less", of=taken("energy", lambda energy: energy.net_j),
)  # fmt: skip
QUANTITIES = (LATENCY, P99, LATENCY_RATIO, MEMORY, ENERGY, ENERGY_RATIO, ENERGY_NET)
