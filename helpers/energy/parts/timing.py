"""Where a detector's time goes: decode, resize, core, tail and store of photo after photo, timed apart."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.energy.parts.summary import PER_PHOTO
from helpers.energy.rounds.disturbance import Watch, disturbance_facts
from helpers.energy.rounds.playing import RUNTIME_FAILURES, Cores, RoundCallback, begin, one_line, run_rounds
from helpers.energy.rounds.schedule import WARMUPS, round_order
from helpers.energy.rounds.stopping import Plan, spent_s, why_stop
from helpers.lab.conditions import conditions, moment, no_garbage_collection, pinned, require_at_least
from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent
from helpers.runtimes.litert.core import Core

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


def around_of(core: Core, around: Arounds) -> Around:
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
    done: Mapping[str, Any] | None = None,
    budget_s: float | None = None,
    least_rounds: int = LEAST_ROUNDS,
) -> dict[str, Any]:
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

    Returns:
        ``{"quantity": "parts", "settings", "conditions", "rounds": [{"order", "started_unix_s",
        "load_average_1min", "observed", "wall_s", "visits": {variant: {"warmup": times, "timed": times}}}],
        "failures": {variant: reason}, "store_absent": reason or "", "stopping": {"most_rounds",
        "least_rounds", "width": None, "budget_s", "why", "spent_s"}, "disturbed"}``, where times are
        ``{"decode_ns": [..], "resize_ns": [..], "core_ns": [..], "tail_ns": [..], "store_ns"}``: a number
        for each photo, and one for storing all together, or None. JSON-serializable.

    Raises:
        LabError: no photos, one cannot be read, or a number out of range.
    """
    require_at_least(1, rounds=rounds, threads=threads, least_rounds=least_rounds)
    require_at_least(0, warmups=warmups, budget_s=budget_s or 0)
    fill_page_cache(require_photos(photos))
    settings = {
        "variants": list(files),
        "photos": [path.name for path in photos],
        "warmups": min(warmups, len(photos)),
        "threads": threads,
        "seed": seed,
    }
    plan = Plan(rounds, min(least_rounds, rounds), budget_s=budget_s)
    raw = begin("parts", settings, done)
    store = next(iter(around.values())).store if isinstance(around, Mapping) else around.store
    keeper = Keeper(store)
    with pinned(threads) as cpus, no_garbage_collection():
        cores = Cores(files, threads)
        raw |= {"conditions": conditions(threads, cpus), "failures": cores.failures}
        play = parts_round(cores, photos, around, keeper, settings, cpus)
        run_rounds(raw, rounds, play, progress, on_round, lambda raw: why_stop(raw, plan) is not None)
    stopping = {**asdict(plan), "why": why_stop(raw, plan), "spent_s": spent_s(raw)}
    return raw | {"store_absent": keeper.absent, "stopping": stopping, "disturbed": disturbance_facts(raw)}


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
    settings: Mapping[str, Any],
    cpus: Sequence[int] | None,
) -> Callable[[int], dict[str, Any]]:
    """The function that plays round ``number``."""

    def visit(core: Core) -> dict[str, dict[str, Any]]:
        mine = around_of(core, around)
        warmup, _ = time_loop(core, photos[: settings["warmups"]], mine, keeper, cpus)
        timed, observed = time_loop(core, photos, mine, keeper, cpus)
        return {"warmup": warmup, "timed": timed, "observed": observed}

    def play(number: int) -> dict[str, Any]:
        order = round_order(settings["variants"], number, settings["seed"])
        started_s, noted = time.perf_counter(), moment()
        visits = cores.visit_all(order, visit)
        observed = joined([seen.pop("observed") for seen in visits.values()])
        wall_s = time.perf_counter() - started_s
        return {"order": order, **noted, "observed": observed, "wall_s": wall_s, "visits": visits}

    return play


def time_loop(
    core: Core, photos: Sequence[Path], around: Around, keeper: Keeper, cpus: Sequence[int] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Nanoseconds of each part for every photo and of storing what was found, and what disturbed the photos.

    Storing is not watched: the database, a process of its own, takes the processor from this one then.
    """
    spent: dict[str, Any] = {f"{part}_ns": [] for part in PER_PHOTO}
    found, watch = [], Watch(cpus)
    for path in photos:
        times_ns, seen = time_photo(core, path, around)
        found.append(seen)
        for part, part_ns in zip(PER_PHOTO, times_ns, strict=True):
            spent[f"{part}_ns"].append(part_ns)
    observed = watch.observed()
    return spent | {"store_ns": keeper.store_ns(found)}, observed


def joined(observed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What ``Watch`` noted in several stretches, as if they had been one; {} of none.

    Seconds and switches add up, the share of steal is their mean by length, the rest is that of the last.
    """
    if not observed:
        return {}
    whole, lengths_s = dict(observed[-1]), [entry["watched_s"] for entry in observed]
    for name in ("watched_s", "voluntary_switches", "involuntary_switches"):
        values = [entry[name] for entry in observed]
        whole[name] = None if None in values else sum(values)
    shares = [entry["steal_share"] for entry in observed]
    whole["steal_share"] = None if None in shares else float(np.average(shares, weights=lengths_s))
    return whole


def time_photo(core: Core, path: Path, around: Around) -> tuple[tuple[int, ...], Found]:
    """Nanoseconds of ``PER_PHOTO``, one part right after the other, and what was found."""
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
