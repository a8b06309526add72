"""Invented results in the form that the comparison writes, for tests of figures, tables and report."""

import numpy as np
import pandas as pd

from helpers.compare.results import COLUMNS
from helpers.compare.verdict import FEW_IMAGES, NO, YES
from helpers.energy.parts.summary import PARTS
from helpers.quantize.layers.frame import COLUMNS as LAYER_COLUMNS
from helpers.run.variants import BASELINE, CONTROL
from helpers.runtimes.kinds_of_operators import DEPTHWISE, POINTWISE
from helpers.runtimes.litert.operator_kinds import XNNPACK
from helpers.show.context import Context
from helpers.tasks.detection.attribution import SIZES
from helpers.tasks.detection.error_kinds import KINDS

NAN = float("nan")
MODEL = "ssd_mobilenet_v2_small"
REASON = "kernels for this dtype are absent from the runtime, so the file cannot be loaded"
CONTEXT = Context(
    profile="quick",
    run="quick-example",
    images=500,
    rounds=30,
    resamples=1000,
    level=0.95,
    host="Example CPU (2 cores)",
    threads=1,
    commit="0123456789abcdef",
    created_utc="2026-01-31T12:00:00+00:00",
    meter="estimate",
    meter_sentence="Estimate from CPU time and a stated 10 W per core.",
    seed=20,
    margin_points=1.0,
)
# variant: storage, compute, size in MB, AP, AP difference, latency in ms, memory in MB, energy in J
_VARIANTS = {
    "float32": ("float32", "float32", 2.91, 0.62, 0.0, 6.10, 14.6, 0.090),
    "float16": ("float16", "float32", 1.48, 0.6201, 0.0001, 6.11, 15.9, 0.0905),
    "int8-dynamic": ("int8", "int8-dynamic", 0.852, 0.615, -0.005, 7.0, 11.2, 0.103),
    "int8": ("int8", "int8", 0.905, 0.60, -0.02, 3.6, 6.3, 0.054),
    "int4-weights-block-wise-with-a-long-name": ("int4", "float32", 0.6, 0.58, -0.04, 9.2, 9.0, 0.13),
    "int16x8": ("int8", "int16", 0.95, 0.6195, -0.0005, 6.05, 9.0, 0.088),
    "float32-control": ("float32", "float32", 2.91, 0.62, 0.0, 6.13, 14.6, 0.0907),
}
USUAL = ("float32", "float16", "int8-dynamic", "int8", "float32-control")
ALL = tuple(_VARIANTS)


# variant: whether its loss is within the margin, images needed, AP by the order of ties, distinct scores
_VERDICTS = {
    "float16": (YES, None, None, 48_000),
    "int8-dynamic": (FEW_IMAGES, 1300, None, 47_000),
    "int8": (NO, None, (0.593, 0.609), 80),
    "int4-weights-block-wise-with-a-long-name": (NO, None, None, 46_000),
}
_SHARES = (0.1, 0.5, 0.4, 0.05, -0.05)  # of an AP difference, by kind of error


def with_bounds(column: str, value: float, below: float, above: float) -> dict[str, float]:
    return {column: value, f"{column}_low": value - below, f"{column}_high": value + above}


def result_row(model: str, variant: str) -> dict:
    storage, compute, size_mb, ap, ap_diff, latency_ms, memory_mb, energy_j = _VARIANTS[variant]
    base = _VARIANTS["float32"]
    latency_ratio, energy_ratio = latency_ms / base[5], energy_j / base[7]
    spread = 0 if variant == "float32" else 1
    row = {
        "model": model, "variant": variant, "storage_dtype": storage, "compute_dtype": compute,
        "size_bytes": size_mb * 1e6, "download_bytes": 0.9 * size_mb * 1e6, "images": 500,
        **with_bounds("throughput_images_per_s", 1800 / latency_ms, 20, 10),
        **with_bounds("ap", ap, 0.014, 0.013), "ap50": ap + 0.2, "ap75": ap + 0.08,
        **differences(variant, ap_diff), **verdict_cells(variant, ap, ap_diff),
        **with_bounds("ap_small", ap - 0.4, 0.03, 0.04), **with_bounds("ap_medium", ap - 0.02, 0.02, 0.025),
        **with_bounds("ap_large", ap + 0.1, 0.02, 0.025), "ar100": ap + 0.1,
        **with_bounds("latency_ms_p50", latency_ms, 0.006 * latency_ms, 0.006 * latency_ms),
        "latency_ms_p99": 1.3 * latency_ms,
        **with_bounds("latency_ratio", latency_ratio, 0.008 * latency_ratio * spread, 0.01 * spread),
        "peak_rss_bytes": memory_mb * 1e6,
        "energy_j_per_image": energy_j, "energy_low": 0.96 * energy_j, "energy_high": 1.05 * energy_j,
        "energy_grade": "C",
        **with_bounds("energy_ratio", energy_ratio, 0.03 * spread, 0.03 * spread),
        "failed": "",
    }  # fmt: skip
    return row


def differences(variant: str, ap_diff: float) -> dict[str, float]:
    """Of every metric to float32; of float32 itself and of the same file there is no interval."""
    below, above = (NAN, NAN) if variant in ("float32", "float32-control") else (0.0035, 0.0033)
    names = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
    found = [with_bounds(f"{name}_diff", ap_diff, below, above) for name in names]
    return {column: value for columns in found for column, value in columns.items()}


def verdict_cells(variant: str, ap: float, ap_diff: float) -> dict:
    ties = {"ap_ties_low": ap, "ap_ties_high": ap, "distinct_scores": 48_000}
    if variant in ("float32", "float32-control"):
        empty = ("ap_margin", "ap_joint_low", "ap_joint_high", "ap_worse_share", "ap_images_needed")
        return ties | {"ap_within": NAN, **dict.fromkeys(empty, NAN)}
    answer, needed, range_of_ties, scores = _VERDICTS.get(variant, (YES, None, None, 48_000))
    low, high = range_of_ties or (ap, ap)
    return {
        "ap_margin": 0.01, "ap_within": answer, "ap_images_needed": needed,
        "ap_joint_low": ap_diff - 0.0045, "ap_joint_high": ap_diff + 0.0042,
        "ap_worse_share": 0.5 if abs(ap_diff) < 0.001 else 0.992,
        "ap_ties_low": low, "ap_ties_high": high, "distinct_scores": scores,
    }  # fmt: skip


def example_losses(results: pd.DataFrame) -> pd.DataFrame:
    """Where each difference lies: shares of it by kind, a remainder, thirds by size, two classes."""
    rows = []
    for row in results.dropna(subset="ap").itertuples():
        if row.variant not in ("float32", "float32-control"):
            names = {"model": row.model, "variant": row.variant}
            rows += [names | entry for entry in loss_entries(100 * row.ap_diff)]
    columns = ["model", "variant", "group", "name", "points", "low", "high", "objects", "false alarms"]
    return pd.DataFrame(rows, columns=columns)


def loss_entries(points: float) -> list[dict]:
    def entry(group: str, name: str, value: float, spread: float = NAN) -> dict:
        bounds = {"low": value - spread, "high": value + spread}
        return {"group": group, "name": name, "points": value, **bounds}

    kinds = [entry("kind", k, points * share, 0.1) for k, share in zip(KINDS, _SHARES, strict=True)]
    parted = [e | {"objects": 0.75 * e["points"], "false alarms": 0.25 * e["points"]} for e in kinds]
    remainder = [entry("kind", "remainder", points * (1 - sum(_SHARES))), entry("kind", "total", points)]
    sizes = [entry("size", size, points * sum(_SHARES) / 3, 0.1) for size in SIZES]
    classes = [entry("class", "cup", points / 2), entry("class", "t_shirt & tie", points / 4)]
    return parted + remainder + sizes + classes


def example_frames(results: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {
        "latency_samples": example_samples(results),
        "losses": example_losses(results),
        "classes": example_classes(results),
        "operators": example_operators(results),
        "threads": example_threads(results),
        "parts": example_parts(results),
        "layers": example_layers(results),
    }


def example_classes(results: pd.DataFrame, count: int = 12) -> pd.DataFrame:
    """AP by class around each variant's, the first class with most objects and the largest difference."""
    rows = []
    for row in results[results["variant"] != CONTROL].dropna(subset="ap").to_dict("records"):
        for place in range(count):
            ap = row["ap"] - 0.02 * place + row["ap_diff"] * (2 - place / 6)
            name = "a_class_with_quite_a_long_name" if place == 1 else f"class {place}"
            rows.append((row["model"], row["variant"], name, 340 // (place + 1), ap))
    return pd.DataFrame(rows, columns=["model", "variant", "class", "objects", "ap"])


def example_layers(results: pd.DataFrame, count: int = 60) -> pd.DataFrame:
    """SQNR that wanders along the layers; the drop of each layer is what it loses on the one before."""
    generator, rows = np.random.default_rng(0), []
    for number, row in enumerate(results[~results["variant"].isin([BASELINE, CONTROL])].itertuples()):
        if row.failed:
            rows.append({"model": row.model, "variant": row.variant, "failed": row.failed})
            continue
        level = 45 - 6 * number + 20 * np.exp(-np.arange(count) / 5)
        ratios = level + generator.normal(0, 1.5, count)
        for place, (ratio, before) in enumerate(zip(ratios, [NAN, *ratios[:-1]], strict=True)):
            values = (row.model, row.variant, place, f"block_{place}", "CONV_2D", "convolution k×k",
                      ratio, ratio - 2, ratio + 3, ratio + 8, before - ratio, 8, "", "")  # fmt: skip
            rows.append(dict(zip(LAYER_COLUMNS, values, strict=True)))
    return pd.DataFrame(rows, columns=list(LAYER_COLUMNS))


def example_threads(results: pd.DataFrame, counts: tuple[int, ...] = (1, 2, 4, 8)) -> pd.DataFrame:
    """Latency by thread count after Amdahl (1967), from each variant's median in the results."""
    rows = []
    for row in results.to_dict("records"):
        serial = 0.35 if row["variant"] == "int8-dynamic" else 0.08
        for count in counts:
            shrink, failed = serial + (1 - serial) / count, row["failed"]
            p50_ms = NAN if failed else row["latency_ms_p50"] * shrink
            rows.append(
                {"model": row["model"], "variant": row["variant"], "threads": count,
                 "rounds": 0 if failed else 75 if count == 1 else 20,
                 "processes": 0 if failed else 25 if count == 1 else 7, "disturbed": 1, "failed": failed,
                 **with_bounds("latency_ms_p50", p50_ms, 0.006 * p50_ms, 0.009 * p50_ms),
                 **with_bounds("latency_ratio", row["latency_ratio"], 0.01, 0.01),
                 **with_bounds("speedup", 1 / shrink, 0.02, 0.02)}
            )  # fmt: skip
    columns = ("latency_ms_p50", "latency_ratio", "speedup")
    names = [f"{column}{end}" for column in columns for end in ("", "_low", "_high")]
    return pd.DataFrame(
        rows, columns=["model", "variant", "threads", "rounds", "processes", "disturbed", "failed", *names]
    )


def example_parts(results: pd.DataFrame) -> pd.DataFrame:
    """Time per photo by part: each variant's latency as the core's, the rest the same for all."""
    rows = []
    for model, frame in results.groupby("model", sort=False):
        loops = {row["variant"]: 2.4 + row["latency_ms_p50"] for row in frame.to_dict("records")}
        for row in frame.to_dict("records"):
            total = loops[row["variant"]]
            bounds = with_bounds("total_ms", total, 0.05, 0.08)
            bounds |= with_bounds("ratio", total / loops["float32"], 0.01, 0.01)
            about = {"model": model, "variant": row["variant"], "failed": row["failed"], "absent": ""}
            about |= {"photos": 16, "rounds": 12, "threads": 1}
            if row["failed"]:
                rows.append(about | dict.fromkeys(bounds, NAN) | {"part": "", "ms": NAN})
                continue
            times = (0.7, 0.5, row["latency_ms_p50"], 0.5, 0.7)
            rows += [about | bounds | {"part": p, "ms": ms} for p, ms in zip(PARTS, times, strict=True)]
    return pd.DataFrame(rows)


def example_operators(results: pd.DataFrame) -> pd.DataFrame:
    """Time by kind of operator: each variant's latency, two thirds of it in pointwise convolutions."""
    rows = []
    for row in results[results["variant"] != CONTROL].to_dict("records"):
        nothing = {"kind": "", "runs_by": "", "time_ms": NAN, "failed": row["failed"]}
        parts = [
            {"kind": kind, "runs_by": XNNPACK, "time_ms": share * row["latency_ms_p50"], "failed": ""}
            for kind, share in ((POINTWISE, 2 / 3), (DEPTHWISE, 1 / 3))
        ]
        whole = {"bound_ms": 0.4 * row["latency_ms_p50"], "measured_ms": row["latency_ms_p50"]}
        names = {"model": row["model"], "variant": row["variant"]}
        rows += [names | whole | part for part in ([nothing] if row["failed"] else parts)]
    return pd.DataFrame(rows)


def example_results(variants: tuple[str, ...] = USUAL, model: str = MODEL) -> pd.DataFrame:
    rows = [result_row(model, variant) for variant in variants]
    return pd.DataFrame(rows, columns=list(dict.fromkeys([*COLUMNS, *rows[0]])))


def fail(results: pd.DataFrame, variant: str, reason: str = REASON) -> pd.DataFrame:
    """The same table with one variant failed: numbers empty, reason stated."""
    changed = results.copy()
    texts = {"model", "variant", "storage_dtype", "compute_dtype", "energy_grade", "failed", "ap_within"}
    numbers = [column for column in changed.columns if column not in texts]
    changed[numbers] = changed[numbers].astype(float)
    changed.loc[changed["variant"] == variant, numbers] = NAN
    changed.loc[changed["variant"] == variant, "ap_within"] = NAN
    changed.loc[changed["variant"] == variant, "failed"] = reason
    return changed


def without_energy(results: pd.DataFrame) -> pd.DataFrame:
    """The same table from a host without any energy figure."""
    columns = [c for c in results.columns if c.startswith("energy") and c != "energy_grade"]
    return results.assign(**dict.fromkeys(columns, NAN), energy_grade="D")


def example_samples(results: pd.DataFrame, rounds: int = 10, repeats: int = 15) -> pd.DataFrame:
    """Latency samples around each variant's median, with slow warm-ups and a few interruptions."""
    generator = np.random.default_rng(1)
    parts = []
    for row in results.dropna(subset="latency_ms_p50").itertuples():
        count = rounds * repeats
        latency_ms = row.latency_ms_p50 * (1 + 0.02 * np.abs(generator.normal(size=count)))
        latency_ms[:2] += 40
        warmup = np.arange(count) % repeats == 2
        latency_ms[warmup] *= 50
        parts.append(
            pd.DataFrame(
                {
                    "model": row.model,
                    "variant": row.variant,
                    "round": np.arange(count) // repeats,
                    "latency_ms": latency_ms,
                    "warmup": warmup,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
