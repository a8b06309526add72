"""Where a detector's time goes: decode, resize, core, tail and store of photo after photo, timed apart."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from helpers.energy.records import LoopTimes, LoopVisit, Parts, PartsRound, PartsSettings
from helpers.energy.rounds.disturbance import Watch, disturbance_facts
from helpers.energy.rounds.loading import RUNTIME_FAILURES, one_line
from helpers.energy.rounds.playing import Cores, RoundCallback, begin, run_rounds
from helpers.energy.rounds.records import Observed, Plan
from helpers.energy.rounds.schedule import WARMUPS, round_order
from helpers.energy.rounds.stopping import stopping_facts, why_stop
from helpers.lab.conditions import conditions, moment, no_garbage_collection, pinned, require_at_least
from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent
from helpers.runtimes.contract import Session

LEAST_ROUNDS = 5  # played even if the budget is spent


@dataclass(frozen=True)
class Found:
    """What one photo gave, as it is stored.

    Attributes:
        photo: its file.
        height, width: of the photo, in pixels.
        detections: what the tail returned.
        core: file of the core that found them.
    """

    photo: Path
    height: int
    width: int
    detections: Any
    core: Path | None = None


Store = Callable[[Sequence[Found]], None]


@dataclass(frozen=True)
class Around:
    """What stands around a core.

    Attributes:
        read: file -> RGB uint8 ``[H, W, 3]``: reads and decodes it.
        prepare: photo -> the core's input ``[1, H, W, 3]``: resizes and normalizes it.
        tail: the core's outputs by name -> detections.
        store: writes the detections of some photos at once; absent where there is nothing to write to.
    """

    read: Callable[[Path], np.ndarray]
    prepare: Callable[[np.ndarray], np.ndarray]
    tail: Callable[[dict[str, np.ndarray]], Any]
    store: Store | Absent


# The same around every core, or by the core's file.
Arounds = Around | Mapping[Path, Around]


def around_of(core: Session, around: Arounds) -> Around:
    return around[core.path] if isinstance(around, Mapping) else around


def measure_parts(
    files: Mapping[str, Path],
    photos: Sequence[Path],
    around: Arounds,
    rounds: int,
    threads: int = 1,
    seed: int = 0,
    warmups: int = WARMUPS,
    progress: bool = True,
    on_round: RoundCallback | None = None,
    done: Parts | None = None,
    budget_s: float | None = None,
    least_rounds: int = LEAST_ROUNDS,
) -> Parts:
    """Raw times of every part of a detector's loop, of every variant.

    Each round visits each variant once, in a random order of its own. A visit loads the core afresh and takes
    the photos one after another, as a user's loop does: decode, resize, core (input set, invoked, outputs
    copied), tail. Then it stores the detections of all photos in one write. The first ``warmups`` photos go
    through all of it beforehand, marked. Nothing runs side by side but the threads of the kernels.

    All photos are read once before the first round: decoding finds them in the system's page cache, so the
    disk is not in it.

    Args:
        files: variant -> ``.tflite``; the control is the baseline's file under ``variants.CONTROL``.
        photos: files of real photos; every visit takes all of them, in this order.
        around: what stands around the cores, with one ``store``; where that fails, it is absent from then on.
        rounds: largest number of rounds in all, those in ``done`` included; their number without a budget.
        threads: threads of the runtime; the process is pinned to as many processor cores.
        warmups: photos that go through the loop untimed at the start of a visit; at most all of them.
        progress, on_round, done, budget_s, least_rounds: as for ``latency.measure_latency``. Rounds end by
            the clock alone, never by what they show.

    Raises:
        LabError: no photos, one cannot be read, or a number out of range.
    """
    require_at_least(1, rounds=rounds, threads=threads, least_rounds=least_rounds)
    require_at_least(0, warmups=warmups, budget_s=budget_s or 0)
    fill_page_cache(require_photos(photos))
    settings = parts_settings(files, photos, threads, seed, warmups)
    plan = Plan(rounds, min(least_rounds, rounds), None, budget_s)
    store = next(iter(around.values())).store if isinstance(around, Mapping) else around.store
    keeper = Keeper(store)
    with pinned(threads) as cpus, no_garbage_collection():
        cores = Cores(files, threads)
        begun = begin(Parts.begun(settings, conditions(threads, cpus)), done)
        play = parts_round(cores, photos, around, keeper, settings, cpus)
        raw = run_rounds(
            begun, rounds, play, cores.failures, progress, on_round, lambda raw: bool(why_stop(raw, plan))
        )
    stopping, disturbed = stopping_facts(raw, plan), disturbance_facts(raw)
    return replace(raw, store_absent=keeper.absent, stopping=stopping, disturbed=disturbed)


def parts_settings(
    variants: Iterable[str], photos: Sequence[Path], threads: int, seed: int, warmups: int = WARMUPS
) -> PartsSettings:
    names = tuple(path.name for path in photos)
    return PartsSettings(tuple(variants), threads, seed, names, min(warmups, len(photos)))


def require_photos(photos: Sequence[Path]) -> Sequence[Path]:
    if photos:
        return photos
    raise LabError("no photos.", "at least one real photo to measure on", "run 01_download.ipynb.")


def fill_page_cache(photos: Sequence[Path]) -> None:
    """Read every file once, so that no visit has to wait for the disk."""
    for path in photos:
        try:
            path.read_bytes()
        except OSError as error:
            cure = "run 01_download.ipynb again, or put the file in place."
            raise LabError(f"{path} cannot be read: {error.strerror}.", "a photo", cure) from error


class Keeper:
    """Times the store; one that fails is not called again, and stops no variant.

    Args:
        store: what to call.

    Attributes:
        absent: why nothing is stored; empty while everything is.
    """

    def __init__(self, store: Store | Absent):
        self._store = store
        self.absent = store.reason if isinstance(store, Absent) else ""

    def store_ns(self, found: Sequence[Found]) -> int | None:
        """Nanoseconds of storing all of ``found``; None where that cannot be done, or there is nothing."""
        if self.absent or isinstance(self._store, Absent) or not found:
            return None
        started_ns = time.perf_counter_ns()
        try:
            self._store(found)
        except RUNTIME_FAILURES as error:
            self.absent = one_line(error)
            return None
        return time.perf_counter_ns() - started_ns


def parts_round(
    cores: Cores,
    photos: Sequence[Path],
    around: Arounds,
    keeper: Keeper,
    settings: PartsSettings,
    cpus: Sequence[int] | None,
) -> Callable[[int], PartsRound]:
    """The function that plays round ``number``."""

    def visit(core: Session) -> tuple[LoopVisit, Observed]:
        mine = around_of(core, around)
        warmup, _ = time_loop(core, photos[: settings.warmups], mine, keeper, cpus)
        timed, observed = time_loop(core, photos, mine, keeper, cpus)
        return LoopVisit(warmup, timed), observed

    def play(number: int) -> PartsRound:
        order = round_order(settings.variants, number, settings.seed)
        started_s, noted = time.perf_counter(), moment()
        found = cores.visit_all(order, visit)
        observed = joined([seen for _, seen in found.values()])
        visits = {variant: seen for variant, (seen, _) in found.items()}
        return PartsRound(order, noted, observed, time.perf_counter() - started_s, visits)

    return play


def time_loop(
    core: Session, photos: Sequence[Path], around: Around, keeper: Keeper, cpus: Sequence[int] | None
) -> tuple[LoopTimes, Observed]:
    """Nanoseconds of each part for every photo and of storing what was found, and what disturbed the photos.

    Storing is not watched: the database, a process of its own, takes the processor from this one then.
    """
    watch = Watch(cpus)
    timed = [time_photo(core, path, around) for path in photos]
    observed = watch.observed()
    of_part = zip(*(times_ns for times_ns, _ in timed), strict=True) if timed else [()] * 4
    return LoopTimes(*of_part, keeper.store_ns([found for _, found in timed])), observed


def joined(observed: Sequence[Observed]) -> Observed:
    """What ``Watch`` noted in several stretches, as if they had been one; of none, nothing is known.

    Seconds and switches add up, the share of steal is their mean by length, the rest is that of the last.
    """
    if not observed:
        return Observed(0.0, None, None, None, None, None)
    whole, shares = {}, [seen.steal_share for seen in observed]
    for name in ("watched_s", "voluntary_switches", "involuntary_switches"):
        values = [getattr(seen, name) for seen in observed]
        whole[name] = None if None in values else sum(values)
    weights = [seen.watched_s for seen in observed]
    share = None if None in shares else float(np.average(shares, weights=weights))
    return replace(observed[-1], **whole, steal_share=share)


def time_photo(core: Session, path: Path, around: Around) -> tuple[tuple[int, int, int, int], Found]:
    """Nanoseconds of the first four of ``LoopTimes``, one part right after the other, and what was found."""
    started_ns = time.perf_counter_ns()
    photo = around.read(path)
    decoded_ns = time.perf_counter_ns()
    image = around.prepare(photo)
    resized_ns = time.perf_counter_ns()
    heads = core(image)
    invoked_ns = time.perf_counter_ns()
    detections = around.tail(heads)
    ended_ns = time.perf_counter_ns()
    times_ns = (
        decoded_ns - started_ns,
        resized_ns - decoded_ns,
        invoked_ns - resized_ns,
        ended_ns - invoked_ns,
    )
    return times_ns, Found(path, *photo.shape[:2], detections, core.path)
