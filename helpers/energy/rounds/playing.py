"""Rounds over variants: one that fails stops no other, and a killed run goes on where it was."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from helpers.energy.rounds.loading import RUNTIME_FAILURES, one_line
from helpers.energy.rounds.records import M
from helpers.lab.errors import LabError
from helpers.lab.progress import progress
from helpers.runtimes.catalogue import load_core
from helpers.runtimes.contract import Session

RoundCallback = Callable[[Any], None]  # with the raw result so far
# Photos as every core takes them, or by the core's file.
Inputs = Sequence[np.ndarray] | Mapping[Path, Sequence[np.ndarray]]


class Cores:
    """The cores of several variants, each loaded for every visit; one that fails is not visited again.

    A loaded core keeps its place in memory, and by luck of that place the same file runs some percent faster
    or slower until it is loaded again (seen: 3 %, in 5 of 15 comparisons of a file with itself more than the
    interval allowed; in none of 15 when loaded afresh). Loading for every visit makes this luck part of the
    spread between rounds, which intervals show.

    Args:
        files: variant -> ``.tflite``. The control is the baseline's file under its own name.
        threads: threads of the runtime's kernels.

    Attributes:
        failures: variant -> why it could not be loaded or run.
        loading_s: seconds that loading has taken so far, in all visits.
    """

    def __init__(self, files: Mapping[str, Path], threads: int):
        self._files, self._threads = files, threads
        self.failures: dict[str, str] = {}
        self.loading_s = 0.0

    def load(self, variant: str) -> Session:
        started_s = time.perf_counter()
        try:
            return load_core(Path(self._files[variant]), self._threads)
        finally:
            self.loading_s += time.perf_counter() - started_s

    def visit(self, variant: str, measure: Callable[[Session], Any]) -> Any:
        """``measure(core)``; None if the variant has failed, now or before."""
        if variant in self.failures:
            return None
        try:
            return measure(self.load(variant))
        except RUNTIME_FAILURES as error:
            self.failures[variant] = one_line(error)
            return None

    def visit_all(self, order: Sequence[str], measure: Callable[[Session], Any]) -> dict[str, Any]:
        """Visit variants in this order: variant -> result, without those that have failed."""
        results = {variant: self.visit(variant, measure) for variant in order}
        return {variant: result for variant, result in results.items() if result is not None}


def inputs_of(core: Session, inputs: Inputs) -> Sequence[np.ndarray]:
    """The photos as this core takes them."""
    return inputs[core.path] if isinstance(inputs, Mapping) else inputs


def require_inputs(inputs: Inputs) -> Inputs:
    if len(inputs):
        return inputs
    raise LabError("no input images.", "at least one real photo to measure on", "run 01_download.ipynb.")


def begin(fresh: M, done: M | None) -> M:
    """A raw result without rounds, or with those of ``done`` to go on from, which must be of its settings."""
    if done is None:
        return fresh
    if done.settings != fresh.settings:
        raise LabError(
            f"earlier rounds of {fresh.quantity} with other settings: {done.settings}.",
            str(fresh.settings),
            "delete the unfinished measurement and run 04_energy.ipynb again.",
        )
    return replace(fresh, rounds=done.rounds)


def run_rounds(
    begun: M,
    rounds: int,
    play: Callable[[int], Any],
    failures: Mapping[str, str],
    shown: bool,
    on_round: RoundCallback | None,
    stop: Callable[[M], bool] | None = None,
) -> M:
    """``begun`` with the rounds that ``play(number)`` gives, up to ``rounds``; ``on_round(raw)`` after each.

    Stops early when every variant has failed, or before a round for which ``stop(raw)`` is true.

    Args:
        failures: variant -> why it has failed; playing adds to it.
    """
    raw, first = begun, len(begun.rounds)
    numbers = range(first, rounds)
    for number in progress(numbers, raw.quantity, "round", total=rounds, initial=first, disable=not shown):
        if stop and stop(raw):
            break
        raw = replace(raw, rounds=(*raw.rounds, play(number)), failures=dict(failures))
        if on_round:
            on_round(raw)
        if raw.failures.keys() >= set(raw.settings.variants):
            break
    return raw
