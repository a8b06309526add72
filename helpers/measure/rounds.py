"""Rounds over loaded variants: one that fails stops no other, and a killed run goes on where it was."""

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from helpers.errors import LabError
from helpers.runtime import Core

RUNTIME_FAILURES = (LabError, RuntimeError, ValueError, OSError, MemoryError)

RoundCallback = Callable[[dict[str, Any]], None]


class LoadedCores:
    """The cores of several variants, all in memory; those that fail are dropped, with their reason.

    Args:
        files: variant -> ``.tflite``. The control is the baseline's file under its own name.
        threads: threads of the runtime's kernels.

    Attributes:
        failures: variant -> why it could not be loaded or run.
    """

    def __init__(self, files: Mapping[str, Path], threads: int):
        self.failures: dict[str, str] = {}
        self._cores: dict[str, Core] = {}
        for variant, path in files.items():
            self._guard(variant, lambda v=variant, p=path: self._cores.update({v: Core(Path(p), threads)}))

    def __bool__(self) -> bool:
        return bool(self._cores)

    def visit(self, variant: str, measure: Callable[[Core], Any]) -> Any:
        """``measure(core)``; None if the variant has failed, now or before."""
        core = self._cores.get(variant)
        return None if core is None else self._guard(variant, lambda: measure(core))

    def visit_all(self, order: Sequence[str], measure: Callable[[Core], Any]) -> dict[str, Any]:
        """Visit variants in this order: variant -> result, without those that have failed."""
        results = {variant: self.visit(variant, measure) for variant in order}
        return {variant: result for variant, result in results.items() if result is not None}

    def _guard(self, variant: str, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except RUNTIME_FAILURES as error:
            self.failures[variant] = " ".join(str(error).split()) or type(error).__name__
            self._cores.pop(variant, None)
            return None


def require_inputs(inputs: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    if len(inputs):
        return inputs
    raise LabError("no input images.", "at least one real photo to measure on", "run 01_download.ipynb.")


def begin(quantity: str, settings: dict[str, Any], done: Mapping[str, Any] | None) -> dict[str, Any]:
    """An empty raw result, or a copy of ``done`` to go on from; ``done`` must have the same settings."""
    if done is None:
        return {"quantity": quantity, "settings": settings, "rounds": [], "failures": {}}
    if done["quantity"] != quantity or done["settings"] != settings:
        raise LabError(
            f"earlier rounds of {done['quantity']} with other settings: {done['settings']}.",
            f"{quantity} with {settings}",
            "delete the unfinished measurement and run 04_energy.ipynb again.",
        )
    return copy.deepcopy(dict(done))


def run_rounds(
    raw: dict[str, Any],
    rounds: int,
    play: Callable[[int], dict[str, Any]],
    progress: bool,
    on_round: RoundCallback | None,
) -> None:
    """Append ``play(number)`` to ``raw["rounds"]`` up to ``rounds``; ``on_round(raw)`` after each."""
    first = len(raw["rounds"])
    bar = tqdm(
        range(first, rounds), raw["quantity"], rounds, unit="round", initial=first, disable=not progress
    )
    for number in bar:
        raw["rounds"].append(play(number))
        if on_round:
            on_round(raw)
