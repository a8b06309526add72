"""Tables of what 04 measured, computed from the raw samples on load."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from helpers import host
from helpers.compare import latency_columns, latency_frame
from helpers.experiment import Run, picture_context
from helpers.intervals import Interval
from helpers.measure.energy_summary import summarize_energy
from helpers.measure.summary import summarize_latency, summarize_memory
from helpers.meters.base import GRADES, Absent
from helpers.meters.carbon import gco2e_per_image
from helpers.meters.choose import choose_meter
from helpers.models import Model
from helpers.stages.measure import read_measurement


def machine_facts(run: Run) -> dict[str, Any]:
    """The machine, and its energy meter."""
    facts, meter = host.provenance(), choose_meter(run.meter, run.power_w)
    return {
        "processor": facts["cpu"],
        "cores": facts["usable_cores"],
        "instructions that matter": ", ".join(facts["isa_flags"]),
        "virtual machine": facts["hypervisor"] or "no sign of one",
        "threads while measuring": run.threads,
        "energy meter": f"{meter.name}, grade {meter.grade} ({GRADES[meter.grade]})",
        "what it is": meter.describe(),
    }


def bracketed(quantity: Interval | Absent, digits: int = 3, factor: float = 1) -> str:
    """``value [low, high]``, or why there is none."""
    if isinstance(quantity, Absent):
        return f"n/a: {quantity.reason}"
    scaled = quantity.scaled(factor)
    return f"{scaled.value:.{digits}g} [{scaled.low:.{digits}g}, {scaled.high:.{digits}g}]"


def rows_of(summaries: dict, columns: Callable[[Any], dict[str, Any]]) -> pd.DataFrame:
    """One row per variant; a variant without numbers shows its reason."""
    rows = []
    for variant, summary in summaries.items():
        absent = isinstance(summary, Absent)
        rows.append({"variant": variant, **({"failed": summary.reason} if absent else columns(summary))})
    return pd.DataFrame(rows).fillna("")


def latency_table(run: Run, model: Model) -> pd.DataFrame:
    raw = read_measurement(run, model, "latency").values
    return rows_of(
        summarize_latency(raw, run.profile.resamples, run.profile.seed),
        lambda s: {
            "p50 (ms)": bracketed(s.p50_ms),
            "p90 (ms)": bracketed(s.p90_ms),
            "p99 (ms)": bracketed(s.p99_ms),
            "ratio": bracketed(s.ratio),
            "rounds": s.rounds,
            "disturbed rounds": s.disturbed.reason if isinstance(s.disturbed, Absent) else s.disturbed,
            "warm-ups": s.warmups,
            "samples": s.samples,
        },
    )


def latency_note(run: Run, model: Model) -> str:
    """Why the rounds ended, and how wide the widest interval of a ratio is then."""
    raw = read_measurement(run, model, "latency").values
    stopping = raw["stopping"]
    widths = [width for width in stopping["reached_widths"].values() if width is not None]
    widest = f"; the widest interval of a ratio is {max(widths):.1%} of it" if widths else ""
    return f"Ended after {len(raw['rounds'])} rounds: {stopping['why']}{widest}."


def latency_picture(run: Run) -> tuple[pd.DataFrame, dict[str, pd.DataFrame], dict[str, Any]]:
    """What the figure of the distributions is drawn from: latency columns, frames, context."""
    rows, frames = [], []
    for model in run.models:
        raw = read_measurement(run, model, "latency").values
        frames.append(latency_frame(raw, model.id))
        for variant, summary in summarize_latency(raw, run.profile.resamples, run.profile.seed).items():
            reason = summary.reason if isinstance(summary, Absent) else ""
            row = {"model": model.id, "variant": variant, "failed": reason}
            rows.append(row | latency_columns(summary))
    context = {**picture_context(run), "rounds": len(raw["rounds"]), "threads": run.threads}
    return pd.DataFrame(rows), {"latency_samples": pd.concat(frames, ignore_index=True)}, context


def memory_table(run: Run, model: Model) -> pd.DataFrame:
    raw = read_measurement(run, model, "memory").values
    return rows_of(
        summarize_memory(raw),
        lambda s: {
            "above the bare runtime (MB)": bracketed(s.peak_rss_bytes, factor=1e-6),
            "bare runtime (MB)": s.bare_rss_bytes / 1e6,
            "arena": bracketed(s.arena_bytes, factor=1e-6),
            "probes": s.probes,
        },
    )


def energy_table(run: Run, model: Model) -> pd.DataFrame:
    raw = read_measurement(run, model, "energy").values
    return rows_of(
        summarize_energy(raw, run.profile.resamples, run.profile.seed),
        lambda s: {
            "energy (J per image)": bracketed(s.gross_j),
            "net of idle (J per image)": bracketed(s.net_j),
            "images per J": bracketed(s.images_per_j),
            "ratio": bracketed(s.ratio),
            **carbon_columns(run, s.gross_j),
            "grade": s.grade,
            "rounds": s.rounds,
            "disturbed windows": s.disturbed.reason if isinstance(s.disturbed, Absent) else s.disturbed,
        },
    )


def carbon_columns(run: Run, energy_j: Interval) -> dict[str, str]:
    """CO2 equivalents by the mean grid of the run's region; nothing without one."""
    if not run.region:
        return {}
    found = gco2e_per_image(energy_j, run.region)
    name = f"gCO2e per million images ({found.region} {found.year})"
    return {name: bracketed(found.gco2e, factor=1e6)}


def carbon_note(run: Run) -> str:
    """Where the CO2 equivalents come from, or how to get them."""
    if not run.region:
        return "For CO2 equivalents set region to the country of the machine, three letters."
    return gco2e_per_image(Interval(1, 1, 1), run.region).source
