"""The search for cures: from cheap to dear, keeping what helps by more than its noise."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from helpers.lab.errors import LabError, found_of, reason_of
from helpers.lab.files import read_json, write_json
from helpers.lab.intervals import NAN, Interval
from helpers.lab.progress import progress
from helpers.lab.records import jsonable, structured
from helpers.quantize.cures.agreement import Judge, gain_of
from helpers.quantize.cures.records import CureCourse, CureStep, KeptFloat, Trial
from helpers.quantize.cures.timing import fastest_ms

NONE, UNKNOWN = Interval(0.0, 0.0, 0.0, 0.9), Interval(NAN, NAN, NAN, 0.9)
# AP points lost where detections agree by A points with float32's: 10 (1 - A / 100), or less, up to losses
# of 2 points, of the detectors in tests/bench/bench_cures.py. What is farther off may lose more.
LOSS_SCALE = 10.0
LEAST_GAIN = 0.5  # of agreement in points: what less would win in AP is nothing
SLOWER = 1.10  # than plain int8, that a cured file may be for whatever gain
POINTS_FOR_TWICE = 100.0  # of agreement over plain int8: for which it may take twice as long
NEARLY_FLOAT = 0.9  # of float32's time: a slower file has no sense
FASTER = 0.98  # a ratio of times that is more than their noise
MIXED = "mixed"
STATE = "search.json"
STEPS_OF_ALL = 2  # the plain form, and what all cures build on
# They cost no inference time and seconds to try, so they are tried even where the goal is met.
FREE = ("kernels", "equalize", "ranges", "bias", "rounding")


class Shop(Protocol):
    """What makes drafts for one runtime: states on the way to a file, with methods ``write`` and ``save``.

    Attributes:
        ending: of its files, with the dot.
        cures: by name, from cheap to dear: what each would make of a draft.
    """

    ending: str
    cures: Mapping[str, Callable[[Any], Any]]

    def start(self) -> Any:
        """The first draft."""

    def load(self, folder: Path) -> Any:
        """The draft that was saved there."""

    def floats(self, draft: Any) -> tuple[KeptFloat, ...]:
        """Operators that are float in a draft's file."""


@dataclass(frozen=True)
class State:
    """How far a search is; written after every cure.

    Attributes:
        key: of what it searches with; a state of another key is of another search.
        done: cures that were tried.
        draws: agreement of the last step, on the photos and their resamples.
    """

    key: str
    steps: tuple[CureStep, ...] = ()
    trials: tuple[Trial, ...] = ()
    done: tuple[str, ...] = ()
    draws: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Tried:
    """A candidate, its file, and how it does."""

    candidate: Any
    file: Path
    draws: np.ndarray
    gain: Interval
    ratio: float


@dataclass(eq=False)
class Search:
    """
    Attributes:
        shop: makes drafts; ``judge``: tells how good their files are.
        folder: where the files of the steps and the recipe are kept.
        float_file: the float32 core in the runtime of the files.
        plain: writes the plain form's file, the first step; ``plain_name``: of it.
        goal_points: AP points that may be lost.
        key: of all inputs; what was searched with the same is not searched again.
        photos: how many calibration photos the files are made by.
        blind: why nothing can be chosen by the judge's photos; empty where it can.
        only: cures that are applied whether they help or not, in the shop's order; empty to search among all.
    """

    shop: Shop
    judge: Judge
    folder: Path
    float_file: Path
    plain: Callable[[Path], None]
    plain_name: str
    goal_points: float
    key: str
    photos: int
    only: Sequence[str] = ()
    blind: str = ""
    state: State = field(init=False, default_factory=lambda: State(""))

    def run(self) -> CureCourse:
        """Search on from where it was left."""
        self.state = self.known_state() or self.begun()
        for left in self.folder.glob("try-*"):  # of a search that was interrupted
            left.unlink()
        draft = self.shop.load(self.folder) if self.state.done else self.shop.start()
        left = [name for name in self.names() if name not in self.state.done]
        bar = progress(left, "cures", "cure", disable=not left)
        for name in bar:
            if name not in FREE and self.reached():
                break
            bar.set_postfix_str(name)
            draft = self.after(name, draft)
        bar.close()
        draft.save(self.folder)
        return CureCourse(
            steps=self.state.steps,
            trials=self.state.trials,
            floats=self.shop.floats(draft),
            calibration_photos=self.photos,
            held_back_photos=0 if self.blind else len(self.judge.inputs),
            goal_points=self.goal_points,
            stopped=self.why_stopped(),
        )

    def names(self) -> list[str]:
        """Of the cures, in order; the first is what every draft has."""
        names = list(self.shop.cures)
        return [name for name in names if not self.only or name in self.only or name == names[0]]

    def known_state(self) -> State | None:
        """What an interrupted search of the same inputs left."""
        try:
            found = structured(State, read_json(self.folder / STATE, ""))
        except (LabError, KeyError, TypeError, ValueError):
            return None
        there = all((self.folder / step.file).is_file() for step in found.steps)
        return found if found.key == self.key and there and found.done else None

    def begun(self) -> State:
        """With the plain form as the first step."""
        start = time.perf_counter()
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.iterdir():
            left.unlink()
        file = self.folder / f"0-{self.plain_name}{self.shop.ending}"
        self.plain(file)
        draws = self.judge.draws(file)
        [latency_ms] = fastest_ms([file])
        told = "as the runtime's own quantizer makes it"
        seconds = round(time.perf_counter() - start, 1)
        step = CureStep(self.plain_name, told, file.name, float(draws[0]), NONE, latency_ms, seconds)
        return State(self.key, (step,), draws=tuple(map(float, draws)))

    def after(self, name: str, draft: Any) -> Any:
        """The draft after a cure: as it was, where no candidate helps. The state is kept."""
        start, tried, failed = time.perf_counter(), [], []
        try:
            for candidate in self.shop.cures[name](draft):
                tried.append(self.judged(name, candidate, len(tried)))
        except Exception as error:  # of a network that one cure cannot take: the others may
            if name == self.names()[0]:
                raise
            failed = [Trial(name, "could not be tried", NAN, UNKNOWN, NAN, False, found_of(reason_of(error)))]
        kept = self.chosen(name, tried)
        trials = [told_of(name, each, kept, self.why(name, each, kept)) for each in tried] + failed
        state = dataclasses.replace(
            self.state, trials=(*self.state.trials, *trials), done=(*self.state.done, name)
        )
        if kept is not None:
            seconds = round(time.perf_counter() - start, 1)
            state, draft = self.with_step(state, name, kept, seconds), kept.candidate.draft
        for each in tried:
            remove(each.file)
        draft.save(self.folder)
        write_json(self.folder / STATE, jsonable(state))
        self.state = state
        return draft

    def judged(self, name: str, candidate: Any, number: int) -> Tried:
        file = self.folder / f"try-{name}-{number}{self.shop.ending}"
        candidate.draft.write(file)
        draws, ratio = self.judge.draws(file), 1.0
        if candidate.retimed:
            now, before = fastest_ms([file, self.folder / self.state.steps[-1].file])
            ratio = now / before
        gain = UNKNOWN if self.blind else gain_of(draws, np.array(self.state.draws))
        return Tried(candidate, file, draws, gain, ratio)

    def chosen(self, name: str, tried: Sequence[Tried]) -> Tried | None:
        """The candidate that helps most; of those that help about as much the fastest."""
        able = [each for each in tried if self.helps(name, each)]
        if not able:
            return None
        best = max(able, key=lambda each: each.draws[0])
        equal = [each for each in able if gain_of(best.draws, each.draws).low <= 0]
        return min((best, *equal), key=lambda each: (each.ratio > FASTER * best.ratio, each.ratio))

    def helps(self, name: str, each: Tried) -> bool:
        """Whether a candidate is kept if none is better: it gains more than its noise, and not too little."""
        if name == self.names()[0] or name in self.only:
            return True
        if each.ratio > 1 / FASTER and not self.fast_enough(name, each):
            return False
        return each.gain.low > 0 and each.gain.value >= LEAST_GAIN

    def fast_enough(self, name: str, each: Tried) -> bool:
        """Against the plain form, by what it gains; of layers in float, as fast as it or clearly faster than
        float32."""
        now, first, whole = fastest_ms([each.file, self.folder / self.state.steps[0].file, self.float_file])
        if name == MIXED:
            return now <= max(SLOWER * first, NEARLY_FLOAT * whole)
        gain = max(0.0, each.draws[0] - self.state.steps[0].agreement)
        return now <= (SLOWER + gain / POINTS_FOR_TWICE) * first

    def why(self, name: str, each: Tried, kept: Tried | None) -> str:
        """A clause on why a candidate was kept or not."""
        if each is kept:
            if self.blind:
                return "applied without a choice"
            if each.gain.low > 0:
                return "gains more than its noise"
            return "what the other cures build on" if name == self.names()[0] else "asked for"
        if kept is not None:
            where = ", on the photos that made it" if self.blind else ""
            return f"another one does better, or as well{where}"
        if each.gain.low > 0:
            return "too slow for what it gains"
        return "gains nothing beyond noise"

    def with_step(self, state: State, name: str, kept: Tried, seconds: float) -> State:
        file = self.folder / f"{len(state.steps)}-{name}{self.shop.ending}"
        kept.candidate.draft.write(file)
        latency_ms = state.steps[-1].latency_ms * kept.ratio
        told, agreement = kept.candidate.told, float(kept.draws[0])
        step = CureStep(name, told, file.name, agreement, kept.gain, latency_ms, seconds)
        return dataclasses.replace(state, steps=(*state.steps, step), draws=tuple(map(float, kept.draws)))

    @property
    def goal_agreement(self) -> float:
        """Agreement in points at which no more than the goal is lost."""
        return 100 * (1 - min(1.0, self.goal_points / LOSS_SCALE))

    def reached(self) -> bool:
        """Whether the goal is met with confidence."""
        if self.only or self.names()[0] not in self.state.done:
            return False
        return float(np.nanpercentile(self.state.draws[1:], 5)) >= self.goal_agreement

    def why_stopped(self) -> str:
        if self.blind:
            return self.blind
        if self.only:
            return "The cures that were asked for are applied; none was searched for."
        if self.reached():
            sure = np.nanpercentile(self.state.draws[1:], 5)
            return (
                f"The detections agree with float32's by {self.state.steps[-1].agreement:.0f} points, by "
                f"{sure:.0f} or more with 95 %: to lose at most {self.goal_points:g} AP points asks for "
                f"{self.goal_agreement:.0f}."
            )
        if len(self.state.steps) <= STEPS_OF_ALL:
            return "Every cure was tried: none is shown to help by more than its noise."
        return "Every cure was tried: what is shown to help is kept."


def told_of(name: str, each: Tried, kept: Tried | None, why: str) -> Trial:
    ratio, told = round(each.ratio, 4), each.candidate.told
    return Trial(name, told, float(each.draws[0]), each.gain, ratio, each is kept, why)


def remove(file: Path) -> None:
    """With what lies beside it under the same name."""
    for part in file.parent.glob(f"{file.stem}.*"):
        part.unlink()
