"""Latency by thread count: every variant on 1, 2, 4, ... and all cores, each count with its own control."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from helpers.energy.next_process import LEVEL, drawn_rounds, over_processes, stretch, stretched
from helpers.energy.quantities import LATENCY, LATENCY_RATIO
from helpers.energy.records import NOTEBOOK, Latency
from helpers.energy.rounds.disturbance import disturbed_count
from helpers.energy.summary import (
    latency_ratio,
    percentile_over_samples,
    sample_processes,
    samples_of,
)
from helpers.lab.errors import LabError
from helpers.lab.intervals import NAN, Absent, Interval, percentile_interval, spread
from helpers.lab.quantities import Quantity
from helpers.lab.records import Record, read_record, require_same_setting
from helpers.models.registry import Model
from helpers.run.experiment import Run
from helpers.run.standing import made_models
from helpers.show.context import Context, picture_context
from helpers.show.rows import missing_text
from helpers.show.values import reference_cell

SPEEDUP = Quantity("speedup", "times as fast", digits=2)
COLUMNS = (
    "model", "variant", "threads", "rounds", "processes", "disturbed",
    "latency_ms_p50", "latency_ms_p50_low", "latency_ms_p50_high",
    "latency_ratio", "latency_ratio_low", "latency_ratio_high",
    "speedup", "speedup_low", "speedup_high", "failed",
)  # fmt: skip
MEDIAN = percentile_over_samples(50)


@dataclass(frozen=True)
class AtThreads:
    """Latency of one variant at one thread count; a quantity is there, or why there is none.

    Attributes:
        disturbed: of how many rounds the system says that they were; they count in all the rest.
        p50_ms: over the samples of all rounds.
        ratio: to float32 at the same thread count, paired by round, as in the main measurement.
        speedup: as in the function of that name.
    """

    threads: int
    variant: str
    rounds: int
    processes: int
    disturbed: int | Absent
    p50_ms: Interval | Absent
    ratio: Interval | Absent
    speedup: Interval | Absent


def thread_counts(cores: int) -> list[int]:
    """1, 2, 4, 8, ... and all ``cores``, ascending: 6 -> ``[1, 2, 4, 6]``."""
    if cores < 1:
        raise LabError(f"{cores} cores.", "at least one", "pass how many cores the process may use.")
    return sorted({2**power for power in range(cores.bit_length())} | {cores})


def counts_of(main: int, cores: int) -> list[int]:
    """Thread counts of a run: those of the cores, and its main one as long as there are cores for it."""
    return sorted({*thread_counts(cores), *([main] if main <= cores else [])})


def record_name(main: int, threads: int) -> str:
    """The main thread count is that of the main latency measurement, and is not taken twice."""
    return "latency" if threads == main else f"latency-{threads}-threads"


def other_counts(run: Run, cores: int) -> list[int]:
    return [threads for threads in counts_of(run.threads, cores) if threads != run.threads]


def read_threads(run: Run, model: Model) -> dict[int, Record[Latency]]:
    """Thread count -> record, for the cores that the main latency measurement could use.

    Raises:
        LabError: a record is missing, or they are of different files, hosts or library versions.
    """
    main = read_latency(run, model, "latency")
    # 05 is not told how many threads were measured on: the record says it.
    measured = main.values.settings.threads
    counts = counts_of(measured, main.provenance["usable_cores"])
    records = {threads: read_latency(run, model, record_name(measured, threads)) for threads in counts}
    named = {record_name(measured, threads): record for threads, record in records.items()}
    require_same_setting(named, f"run {NOTEBOOK} again, on one machine.")
    require_same_files(named, main)
    return records


def read_latency(run: Run, model: Model, name: str) -> Record[Latency]:
    return read_record(run.paths.measurement_record(model.id, name), Latency, f"run {NOTEBOOK} first.")


def require_same_files(records: Mapping[str, Record], main: Record) -> None:
    odd = [name for name, record in records.items() if record.origin.inputs != main.origin.inputs]
    if odd:
        raise LabError(
            f"{', '.join(odd)}: measured of other variants than latency.",
            "one set of variants at all thread counts",
            f"run {NOTEBOOK} again.",
        )


@dataclass(frozen=True)
class Samples:
    """Timed samples of one variant at one thread count.

    Attributes:
        ms: float64 ``[rounds, samples]``, warm-ups left out.
        processes: number of the process of each round.
    """

    ms: np.ndarray
    processes: tuple[int, ...]


def samples_at(raw: Latency, variant: str) -> Samples | Absent:
    own = samples_of(raw, variant)
    return own if isinstance(own, Absent) else Samples(own, sample_processes(raw, variant))


def resampled_medians(samples: Samples, resamples: int, seed: int) -> np.ndarray:
    """Medians over all samples of resampled processes: ``[resamples]``."""
    return MEDIAN(samples.ms[drawn_rounds(samples.processes, resamples, seed)])


def speedup(
    alone: Samples | Absent, together: Samples | Absent, resamples: int, seed: int
) -> Interval | Absent:
    """How many times faster ``together`` is than ``alone``: the quotient of their medians.

    The two were measured one after the other, so their processes are resampled independently of one another;
    percentile bootstrap, stretched as for the fewer processes of the two (``next_process``). What changed
    between the two measurements is not in the interval.

    Args:
        alone, together: at one thread and at several. Of one and the same measurement the quotient is
            exactly 1.
    """
    if isinstance(alone, Absent) or isinstance(together, Absent):
        return alone if isinstance(alone, Absent) else together
    if np.array_equal(alone.ms, together.ms):
        return Interval(1, 1, 1)
    slow = resampled_medians(alone, resamples, seed)
    # Another seed: with the same one, equally many processes would be drawn in pairs.
    fast = resampled_medians(together, resamples, seed + 1)
    value = float(np.median(alone.ms) / np.median(together.ms))
    fewest = min(len(set(each.processes)) for each in (alone, together))
    return stretched(percentile_interval(value, slow / fast, LEVEL), stretch(fewest))


def summarize_threads(raws: Mapping[int, Latency], resamples: int, seed: int) -> list[AtThreads]:
    """One entry per thread count and variant.

    Args:
        raws: thread count -> latency of the same variants; 1 must be among them.
    """
    alone = {variant: samples_at(raws[1], variant) for variant in raws[1].settings.variants}
    return [
        summary_at(threads, raw, variant, samples, resamples, seed)
        for threads, raw in raws.items()
        for variant, samples in alone.items()
    ]


def summary_at(
    threads: int, raw: Latency, variant: str, alone: Samples | Absent, resamples: int, seed: int
) -> AtThreads:
    own, disturbed = samples_at(raw, variant), disturbed_count(raw)
    faster = speedup(alone, own, resamples, seed)
    if isinstance(own, Absent):
        return AtThreads(threads, variant, 0, 0, disturbed, own, own, faster)
    p50_ms = over_processes(own.ms, own.processes, MEDIAN, resamples, seed)
    rounds, processes, ratio = len(own.ms), len(set(own.processes)), latency_ratio(raw, variant)
    return AtThreads(threads, variant, rounds, processes, disturbed, p50_ms, ratio, faster)


def summaries_of(run: Run, model: Model) -> list[AtThreads]:
    raws = {threads: record.values for threads, record in read_threads(run, model).items()}
    return summarize_threads(raws, run.profile.resamples, run.profile.seed)


def threads_frame(run: Run, models: Sequence[Model]) -> pd.DataFrame:
    """Latency by thread count, tidy: one row per model, thread count and variant, the control included.

    Columns: ``COLUMNS``. ``latency_ratio`` is to float32 at the same thread count, ``speedup`` to the same
    variant at one thread; ``failed`` says why a variant has no numbers at a count, and is empty else.
    """
    rows = [{"model": m.id, **frame_row(entry)} for m in models for entry in summaries_of(run, m)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def frame_row(entry: AtThreads) -> dict[str, Any]:
    p50_ms, disturbed = entry.p50_ms, entry.disturbed
    return {
        **{name: getattr(entry, name) for name in ("variant", "threads", "rounds", "processes")},
        "disturbed": NAN if isinstance(disturbed, Absent) else disturbed,
        **spread("latency_ms_p50", p50_ms),
        **spread("latency_ratio", entry.ratio),
        **spread("speedup", entry.speedup),
        "failed": p50_ms.reason if isinstance(p50_ms, Absent) else "",
    }


def threads_table(run: Run, model: Model) -> pd.DataFrame:
    """For reading: one row per thread count and variant, bounds in brackets, or why there is no number."""
    return pd.DataFrame([table_row(row) for row in threads_frame(run, [model]).to_dict("records")])


def table_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Texts of a row of ``threads_frame``."""
    return {
        "threads": row["threads"],
        "variant": row["variant"],
        "p50 (ms)": missing_text(row) if row["failed"] else LATENCY.cell(row),
        "ratio to float32": reference_cell(LATENCY_RATIO, row),
        "times as fast as on 1 thread": "reference" if row["threads"] == 1 else SPEEDUP.cell(row),
        "rounds": row["rounds"],
        "processes": row["processes"],
        "disturbed rounds": row["disturbed"],
    }


def threads_picture(run: Run) -> tuple[pd.DataFrame, dict[str, pd.DataFrame], Context]:
    """What the figure of thread counts is drawn from: which variants there are, frames, context."""
    frame = threads_frame(run, made_models(run))
    results = frame[["model", "variant"]].drop_duplicates().assign(failed="")
    return results, {"threads": frame}, picture_context(run)
