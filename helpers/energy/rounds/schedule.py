"""In which order variants are measured: every round has each once, in a random order of its own.

Interleaving lets slow drift (heat, other load) fall on all variants alike; the random order keeps one variant
from always following the same other one.

Fresh processes make the luck that rounds of one process share part of the spread. How many rounds share one
is a matter of cost: with the same time, more processes of fewer rounds give the narrower interval, as long as
a process starts quickly. Measured with LiteRT on the embedded detector (2.5 ms per inference, five names of
one file, 60 processes of 4 rounds): a start takes 0.09 s, loading 5 cores 0.05 s, a round 0.2 s. Log ratios
of the same file vary by 0.7 to 1.5 % between rounds of a process, and no more between rounds of two (rank
correlation of rounds of one process 0.04 with cores loaded once, 0.00 with cores loaded for every visit). So
there every round has a process of its own, in which a core is loaded for its visit and dropped after it. With
those spreads an interval that 6 s buy is as wide as with 2 or 3 rounds per process (1.36, 1.36, 1.65 %),
narrower where one visit in ten is disturbed (2.1, 3.7, 2.4 %), and narrower by a third where processes differ
by more. A runtime that takes seconds to start and to load all files is the other case: three rounds share a
process and its loaded cores, and their median leaves one disturbed round out.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from helpers.runtimes.catalogue import LITERT, runtime_of

# On a MobileNetV2 of 1.5 ms the first four invocations after a switch are slower (by 30 % to 3 %), then none.
WARMUPS = 5
SHARED_ROUNDS = 3
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


def rounds_in_process(files: Iterable[Path]) -> int:
    """Rounds that share their processes: one, or more where further runtimes start beside LiteRT's."""
    return 1 if len({runtime_of(Path(file)) for file in files}) <= 1 else SHARED_ROUNDS
