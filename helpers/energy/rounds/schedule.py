"""In which order variants are measured: every round has each once, in a random order of its own.

Interleaving lets slow drift (heat, other load) fall on all variants alike; the random order keeps one variant
from always following the same other one.
"""

from collections.abc import Sequence

import numpy as np

from helpers.runtimes.catalogue import LITERT

# On a MobileNetV2 of 1.5 ms the first four invocations after a switch are slower (by 30 % to 3 %), then none.
WARMUPS = 5
BARE = "bare"  # LiteRT with nothing loaded: what memory is measured against


def bare_of(runtime: str) -> str:
    """What stands for a runtime (by its id) with nothing loaded."""
    return BARE if runtime == LITERT.id else f"{BARE}@{runtime}"


def round_order(variants: Sequence[str], number: int, seed: int) -> tuple[str, ...]:
    """Order of round ``number``, by the seed and the number alone, so that more rounds can follow later."""
    generator = np.random.default_rng([seed, number])
    return tuple(variants[place] for place in generator.permutation(len(variants)))


def interleaved(variants: Sequence[str], rounds: int, seed: int) -> list[tuple[str, ...]]:
    """``rounds`` random orders of ``variants``; the control is a variant like any other."""
    return [round_order(variants, number, seed) for number in range(rounds)]
