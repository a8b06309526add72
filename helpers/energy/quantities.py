"""What 04 adds to the quantities: latency, memory and energy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from helpers.energy.windows_summary import EnergySummary
from helpers.lab.intervals import Absent
from helpers.lab.quantities import Quantity, as_result, taken, wide_row

LATENCY = Quantity(
    "latency_ms_p50", "Latency p50 (ms)", "Median latency (ms)", 1, 2, better="less",
    table="speed", summary=True, by_machine=True, reason="latency_reason",
    of=taken("latency", lambda latency: latency.p50_ms),
)  # fmt: skip
P99 = Quantity(
    "latency_ms_p99", "p99 (ms)", "Latency, 99th percentile (ms)", 1, 2, better="less",
    table="speed", reason="latency_reason",
    of=taken("latency", lambda latency: latency.p99_ms),
)  # fmt: skip
LATENCY_RATIO = Quantity(
    "latency_ratio", "Latency ratio", "← faster    Latency / float32    slower →", 1, 3, better="less",
    against=True, table="speed", summary=True, by_machine=True, reason="latency_reason",
    of=taken("latency", lambda latency: latency.ratio),
)  # fmt: skip
# Across runtimes; of the home runtime it is the ratio above.
LATENCY_ACROSS = Quantity(
    "latency_across_ratio", "Across runtimes", "← faster    Latency / float32 at home    slower →", 1, 3,
    better="less", table="speed", reason="latency_reason",
    of=taken("latency", lambda latency: latency.across),
)  # fmt: skip
# Its bounds are the lowest and the highest probe.
MEMORY = Quantity(
    "peak_rss_bytes", "Memory (MB)", "Peak memory above the bare runtime (MB)", 1e-6, 1, better="less",
    bounds="range", table="energy", by_machine=True, reason="memory_reason",
    of=taken("memory", lambda memory: memory.peak_rss_bytes),
    caption="Peak resident memory less that of a process which only loads the runtime; median of "
    "{memory_probes} fresh processes per variant. Whiskers, where drawn: lowest and highest. In brackets: "
    "ratio to float32.",
)  # fmt: skip
ENERGY = Quantity(
    "energy_j_per_image", "Energy (mJ/image)", "Energy per image (mJ)", 1e3, 1, better="less",
    low="energy_low", high="energy_high", table="energy", summary=True, by_machine=True,
    reason="energy_reason", of=taken("energy", lambda energy: energy.gross_j),
)  # fmt: skip
ENERGY_RATIO = Quantity(
    "energy_ratio", "Energy ratio", "Energy / float32", 1, 3, better="less",
    against=True, table="energy", reason="energy_reason", of=taken("energy", lambda energy: energy.ratio),
)  # fmt: skip
ENERGY_NET = Quantity(
    "energy_net_j", "Net energy (mJ/image)", "Energy per image, idle power taken off (mJ)", 1e3, 1,
    better="less", table="energy", of=taken("energy", lambda energy: energy.net_j),
)  # fmt: skip
QUANTITIES = (LATENCY, P99, LATENCY_RATIO, LATENCY_ACROSS, MEMORY, ENERGY, ENERGY_RATIO, ENERGY_NET)


@dataclass(frozen=True)
class EnergyAlone:
    """The sources of the energy quantities, where nothing else is known."""

    energy: EnergySummary | Absent


def energy_row(summary: EnergySummary | Absent, meter_grade: str) -> Mapping[str, Any]:
    """Columns of one variant's energy, as in the results."""
    sources, asked = EnergyAlone(summary), (ENERGY, ENERGY_RATIO, ENERGY_NET)
    found = {each.id: as_result(("", "", ""), each, each.of(sources)) for each in asked}
    grade = meter_grade if isinstance(summary, Absent) else summary.grade
    return {**wide_row(asked, found), "energy_grade": grade}
