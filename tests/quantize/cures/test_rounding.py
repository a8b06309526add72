"""Codes and steps that are learnt layer by layer."""

from functools import partial

import numpy as np
import pytest

from helpers.quantize.cures.plan import Plan
from helpers.quantize.cures.planned import met
from helpers.quantize.cures.quadratic import descended, learned, nearest_codes, quadratic
from helpers.quantize.cures.rounding import rounded
from helpers.quantize.cures.samples import samples_of
from helpers.quantize.cures.writing import integer_content
from helpers.quantize.kinds.groups import by_channel
from tests.support.planned_networks import (
    error,
    min_max_plan,
    photos,
    rounded_down,
    with_planned_weights,
    with_weights,
)
from tests.support.training_networks import network_bytes

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
HELD = photos(8, seed=77)
INT4 = Plan({}, weight_bits=4)


def drawn(seed, groups=2, rows=3, n=6, samples=400):
    generator = np.random.default_rng(seed)
    mixed = generator.normal(size=(groups, n, n))
    inputs = generator.normal(size=(groups, samples, n)) @ mixed
    weights = generator.normal(size=(groups, rows, n))
    return quadratic(weights, inputs, inputs @ weights.transpose(0, 2, 1), centred=False)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("top", [1, 7, 127])
def test_learned_codes_are_never_worse_than_the_nearest(seed, top):
    form = drawn(seed)
    steps = np.abs(form.weights).max(-1) / top
    plain = form.error(nearest_codes(form.weights, steps, top) * steps[..., None])
    codes, chosen = learned(form, steps, top, np.linspace(0.5, 1, 4))
    assert (form.error(codes * chosen[..., None]) <= plain + 1e-9).all()
    assert np.abs(codes).max() <= top
    assert (codes == np.rint(codes)).all()


def test_descent_goes_down_from_any_start_and_ends_where_no_code_helps():
    form = drawn(1)
    steps = np.abs(form.weights).max(-1) / 7
    start = np.random.default_rng(0).integers(-7, 8, form.weights.shape).astype(float)
    found = descended(form, start, steps, 7, 50)
    least = form.error(found * steps[..., None])
    assert (least <= form.error(start * steps[..., None])).all()
    for n in range(found.shape[-1]):
        for move in (-1, 1):
            other = found.copy()
            other[..., n] = np.clip(other[..., n] + move, -7, 7)
            assert (form.error(other * steps[..., None]) >= least - 1e-9).all()


def test_weights_on_the_grid_are_found_again():
    generator = np.random.default_rng(4)
    codes = generator.integers(-7, 8, (1, 5, 9)).astype(float)
    codes[..., 0] = 7
    inputs = generator.normal(size=(1, 500, 9))
    weights = codes * 0.3
    form = quadratic(weights, inputs, inputs @ weights.transpose(0, 2, 1), centred=False)
    found, steps = learned(form, np.full((1, 5), 0.3), 7, np.linspace(0.5, 1, 4))
    np.testing.assert_array_equal(found, codes)
    np.testing.assert_allclose(steps, 0.3, rtol=1e-6)


@pytest.mark.parametrize(
    "case", ["CONV_2D", "CONV_2D dilated", "CONV_2D grouped", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"]
)
def test_samples_times_weights_are_the_layers_outputs(case):
    def look(meeting, plan):
        found = samples_of(meeting, sequential=False)
        groups = len(found.inputs)
        rows = by_channel(meeting.weights, meeting.axis).reshape(groups, -1, found.inputs.shape[-1])
        made = found.inputs @ rows.transpose(0, 2, 1) + meeting.bias.reshape(groups, 1, -1)
        np.testing.assert_allclose(made, found.wanted, atol=1e-4)
        return plan

    met(network_bytes(case), INT4, photos(3), look)


@pytest.mark.parametrize("sequential", [True, False])
@pytest.mark.parametrize("biases", [True, False])
def test_four_bits_answer_nearer_to_float32(sequential, biases):
    content = network_bytes()
    before = error(with_planned_weights(content, INT4), content, HELD)
    plan = rounded(content, INT4, photos(48), sequential, biases)
    assert error(with_planned_weights(content, plan), content, HELD) < 0.7 * before


def test_layers_too_large_to_be_learnt_stay_as_they_are(monkeypatch):
    """Their moments would take more memory than there is; the others are learnt all the same."""
    content, sizes = network_bytes(), {}

    def look(meeting, plan):
        sizes[meeting.operator.weights.name] = meeting.weights.size // meeting.weights.shape[meeting.axis]
        return plan

    met(content, INT4, photos(3), look)
    most = sorted(sizes.values())[-2]
    monkeypatch.setattr("helpers.quantize.cures.rounding.MOST_WEIGHTS", most)
    large = {name for name, size in sizes.items() if size > most}
    assert set(rounded(content, INT4, photos(8)).codes) == set(sizes) - large != set(sizes)


def test_a_biased_rounding_of_eight_bits_is_cured_and_a_good_one_kept():
    content, seen = network_bytes(), photos(48)
    plan = min_max_plan(content, seen)
    good = error(integer_content(content, plan), content, HELD)
    for start in (plan, rounded_down(content, plan)):
        found = error(integer_content(content, rounded(content, start, seen)), content, HELD)
        assert found < 1.15 * good


def test_one_weight_a_thousand_times_the_others_is_clipped_if_that_is_better():
    """The large weight meets an input that never moves: covering it costs all the others."""
    generator = np.random.default_rng(2)
    weights = generator.normal(size=(1, 4, 8))
    weights[..., 3] *= 1000
    inputs = generator.normal(size=(1, 500, 8))
    inputs[..., 3] *= 1e-6
    form = quadratic(weights, inputs, inputs @ weights.transpose(0, 2, 1), centred=False)
    steps = np.abs(weights).max(-1) / 7
    plain = form.error(nearest_codes(weights, steps, 7) * steps[..., None])
    codes, chosen = learned(form, steps, 7, np.linspace(0.45, 1, 8))
    assert (form.error(codes * chosen[..., None]) <= plain).all()


@pytest.mark.parametrize("plan_of", [lambda content, seen: INT4, min_max_plan])
def test_channels_of_zeros_keep_zeros(plan_of):
    def first_gone(values):
        values[:1] = 0
        return values

    content, seen = with_weights(network_bytes(), first_gone), photos(8)
    plan = rounded(content, plan_of(content, seen), seen)
    assert all(np.isfinite(steps).all() and (steps > 0).all() for steps in plan.steps.values())
    assert np.isfinite(error(with_planned_weights(content, plan), content, HELD))


def test_it_is_the_same_every_time():
    content, seen = network_bytes(), photos(8)
    first, second = (rounded(content, INT4, seen) for _ in range(2))
    for name, codes in first.codes.items():
        np.testing.assert_array_equal(codes, second.codes[name])
    assert partial(rounded, content)(INT4, seen).weight_bits == 4
