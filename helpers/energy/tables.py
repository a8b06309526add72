"""Tables of what 04 measured, computed from the raw samples on load."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd

from helpers.energy.quantities import energy_row
from helpers.energy.records import Energy, Latency, Memory, read_measurement
from helpers.energy.rounds.records import why_nothing
from helpers.energy.stage import measured_files
from helpers.energy.summary import summarize_latency, summarize_memory
from helpers.energy.windows_summary import idle_powers_w, summarize_energy
from helpers.lab import host
from helpers.lab.intervals import Absent, Interval
from helpers.lab.units import how_many
from helpers.meters.base import GRADES
from helpers.meters.carbon import gco2e_per_image
from helpers.meters.choose import choose_meter
from helpers.models.registry import Model
from helpers.run.experiment import Run
from helpers.run.standing import made_models
from helpers.runtimes.catalogue import get_runtime, runtime_of
from helpers.runtimes.file_facts import StoredBytes
from helpers.show.context import Context, picture_context


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
    raw = read_measurement(run, model, Latency).values
    return rows_of(
        summarize_latency(raw, run.profile.resamples, run.profile.seed),
        lambda s: {
            "p50 (ms)": bracketed(s.p50_ms),
            "p90 (ms)": bracketed(s.p90_ms),
            "p99 (ms)": bracketed(s.p99_ms),
            "ratio": bracketed(s.ratio),
            "rounds": s.rounds,
            "processes": s.processes,
            "disturbed rounds": s.disturbed.reason if isinstance(s.disturbed, Absent) else s.disturbed,
            "warm-ups": s.warmups,
            "samples": s.samples,
        },
    )


def latency_note(run: Run, model: Model) -> str:
    """After how many processes the rounds ended and why, and how wide the widest interval of a ratio is."""
    raw = read_measurement(run, model, Latency).values
    stopping = raw.stopping
    if stopping is None:
        return f"Ended after 0 rounds: {why_nothing(raw)}."
    widths = [width for width in stopping.reached_widths.values() if width is not None]
    widest = f"; the widest interval of a ratio is {max(widths):.1%} of it" if widths else ""
    processes = how_many(raw.process_count, "fresh process", "fresh processes")
    return f"Ended after {how_many(len(raw.rounds), 'round')} in {processes}: {stopping.why}{widest}."


def memory_table(run: Run, model: Model) -> pd.DataFrame:
    raw = read_measurement(run, model, Memory).values
    stored = {
        name: get_runtime(runtime_of(path)).stored(path) for name, path in measured_files(run, model).items()
    }
    return rows_of(
        summarize_memory(raw),
        lambda s: {
            "above the bare runtime (MB)": bracketed(s.peak_rss_bytes, factor=1e-6),
            "bare runtime (MB)": s.bare_rss_bytes / 1e6,
            "arena": bracketed(s.arena_bytes, factor=1e-6),
            **stored_columns(stored[s.variant]),
            "probes": s.probes,
        },
    )


def stored_columns(stored: StoredBytes | Absent) -> dict[str, float | str]:
    """What the file itself says of the memory that its core takes."""
    columns = {
        "file (MB)": "file_bytes",
        "weights in it (MB)": "weights_bytes",
        "activations alive at once (MB)": "alive_bytes",
    }
    if isinstance(stored, Absent):
        return dict.fromkeys(columns, f"n/a: {stored.reason}")
    found = {title: getattr(stored, name) for title, name in columns.items()}
    return {title: f"n/a: {n.reason}" if isinstance(n, Absent) else n / 1e6 for title, n in found.items()}


def energy_table(run: Run, model: Model) -> pd.DataFrame:
    raw = read_measurement(run, model, Energy).values
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


def idle_note(run: Run, model: Model) -> str:
    """What the idle machine took, before the rounds, between them and after."""
    raw = read_measurement(run, model, Energy).values
    if not raw.rounds:
        return f"Idle power: n/a: {why_nothing(raw)}."
    powers = idle_powers_w(raw)
    absent = [power.reason for power in powers if isinstance(power, Absent)]
    if absent:
        return f"Idle power: n/a in {len(absent)} of {len(powers)} windows: {absent[-1]}."
    before_w, *between_w, after_w = (power.value for power in powers)
    span = f"{min(between_w):.3g} to {max(between_w):.3g} W" if between_w else "no window"
    return f"Idle power: {before_w:.3g} W before, {span} between the rounds, {after_w:.3g} W after."


def energy_picture(run: Run) -> tuple[pd.DataFrame, dict[str, pd.DataFrame], Context]:
    """What the figure of energy is drawn from: energy columns, no frames, context."""
    rows = []
    for model in made_models(run):
        raw = read_measurement(run, model, Energy).values
        meter = raw.settings.meter
        for variant, summary in summarize_energy(raw, run.profile.resamples, run.profile.seed).items():
            row = {"model": model.id, "variant": variant, "failed": raw.failures.get(variant, "")}
            rows.append(row | energy_row(summary, meter.grade))
    context = replace(picture_context(run), meter=meter.name, meter_sentence=meter.description)
    return pd.DataFrame(rows), {}, context


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
