"""The order of measuring: interleaved, random, reproducible."""

from collections import Counter
from itertools import pairwise

from helpers.energy.rounds.schedule import interleaved, round_order
from helpers.run.variants import BASELINE, CONTROL

VARIANTS = (BASELINE, CONTROL, "float16", "int8-dynamic", "int8")


def test_every_round_has_every_variant_once():
    assert all(sorted(order) == sorted(VARIANTS) for order in interleaved(VARIANTS, 50, seed=1))


def test_order_is_random():
    orders = interleaved(VARIANTS, 600, seed=2)
    for place in range(len(VARIANTS)):
        counts = Counter(order[place] for order in orders)
        # Expected 120 of 600 each; four standard deviations are 39.
        assert all(80 < counts[variant] < 160 for variant in VARIANTS)


def test_no_variant_always_follows_the_same_one():
    pairs = Counter(pair for order in interleaved(VARIANTS, 600, seed=3) for pair in pairwise(order))
    assert len(pairs) == len(VARIANTS) * (len(VARIANTS) - 1)
    assert max(pairs.values()) < 2 * min(pairs.values())


def test_the_seed_decides():
    assert interleaved(VARIANTS, 9, seed=4) == interleaved(VARIANTS, 9, seed=4)
    assert interleaved(VARIANTS, 9, seed=4) != interleaved(VARIANTS, 9, seed=5)


def test_more_rounds_leave_the_first_as_they_were():
    assert interleaved(VARIANTS, 20, seed=6)[:5] == interleaved(VARIANTS, 5, seed=6)
    assert round_order(VARIANTS, 3, seed=6) == interleaved(VARIANTS, 5, seed=6)[3]
