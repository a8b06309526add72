"""Label-free fine-tuning of a plan."""

import numpy as np
import pytest

from helpers.lab.errors import LabError
from helpers.quantize.cures.plan import Plan
from helpers.quantize.cures.tuning import Schedule, Tuning, tuned
from helpers.quantize.cures.writing import integer_content
from tests.support.planned_networks import error, min_max_plan, photos, rounded_down, with_planned_weights
from tests.support.training_networks import network_bytes

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
HELD = photos(8, seed=77)
SHORT = Schedule(steps=60, rate=3e-3, checks=4)


def test_four_bits_come_nearer_to_float32():
    content, plan = network_bytes(), Plan({}, weight_bits=4)
    before = error(with_planned_weights(content, plan), content, HELD)
    found = tuned(content, plan, photos(40), SHORT)
    assert error(with_planned_weights(content, found), content, HELD) < 0.8 * before
    assert max(np.abs(codes).max() for codes in found.codes.values()) <= 7


def test_a_biased_rounding_of_eight_bits_is_cured():
    content, seen = network_bytes(), photos(40)
    plan = rounded_down(content, min_max_plan(content, seen))
    before = error(integer_content(content, plan), content, HELD)
    assert error(integer_content(content, tuned(content, plan, seen, SHORT)), content, HELD) < 0.7 * before


def test_where_training_makes_it_worse_the_plan_stays():
    content, seen = network_bytes(), photos(16)
    plan = min_max_plan(content, seen)
    wild = Schedule(steps=4, rate=10.0, checks=1)
    assert tuned(content, plan, seen, wild) is plan


def test_its_start_is_the_plan():
    content, seen = network_bytes(), photos(16)
    plan = min_max_plan(content, seen)
    tuning = Tuning(content, plan, seen, SHORT)
    tuning.kept = []
    first = tuning.plan()
    np.testing.assert_array_equal(
        np.frombuffer(integer_content(content, first), np.uint8),
        np.frombuffer(integer_content(content, plan), np.uint8),
    )


def test_it_is_the_same_every_time():
    content, plan = network_bytes(), Plan({}, weight_bits=4)
    short = Schedule(steps=5, rate=3e-3, checks=1)
    first, second = (tuned(content, plan, photos(16), short) for _ in range(2))
    for name, codes in first.codes.items():
        np.testing.assert_array_equal(codes, second.codes[name])


def test_too_few_photos_are_refused():
    with pytest.raises(LabError, match="7 photos to tune by"):
        tuned(network_bytes(), Plan({}, weight_bits=4), photos(7))
