"""The int8 writer: every operator, float islands, silent channels, what LiteRT reads of it."""

import numpy as np
import pytest

from helpers.quantize.cures.grids import integer_operators
from helpers.quantize.cures.observed import observe
from helpers.quantize.cures.plan import Plan, Range
from helpers.quantize.cures.ranges import minmax
from helpers.quantize.cures.workshop import heads_of
from helpers.quantize.cures.writing import integer_content
from helpers.quantize.recipes.edge_quantizer import recipe_applied
from helpers.quantize.recipes.integers import INT8
from helpers.quantize.trained.constants import whole_model
from helpers.runtimes.litert.reader import graph_of, read_facts
from tests.support import training_networks
from tests.support.faulty_networks import NETWORKS, faulty, images


def graph(content: bytes):
    return graph_of(whole_model(content), len(content))


def plan_of(content: bytes, photos, **changes) -> Plan:
    seen = observe(content, graph(content), photos)
    return Plan({name: minmax(each) for name, each in seen.items()}, **changes)


def worst(content: bytes, made: bytes, photos) -> float:
    """Largest error of an output in steps of its int8 grid."""
    pairs = zip(heads_of(content, photos), heads_of(made, photos), strict=True)
    errors = [np.abs(a[n] - b[n]).max() / max(np.ptp(a[n]) / 255, 1e-9) for a, b in pairs for n in a]
    return float(max(errors))


@pytest.mark.parametrize("name", sorted(training_networks.CASES))
def test_an_operator_in_8_bits_gives_what_float32_gives(name):
    content = training_networks.network_bytes(name)
    photos = images(6, shape=training_networks.SHAPE)
    made = integer_content(content, plan_of(content, photos))
    found = graph(made)
    assert {tensor.dtype for tensor in (*found.inputs, *found.outputs)} == {"float32"}
    assert [t.given_name for t in found.outputs] == [t.given_name for t in graph(content).outputs]
    assert worst(content, made, photos) < 14


@pytest.mark.parametrize("name", ["plain", "silenced", "silu"])
def test_a_network_without_a_fault_is_nearly_float32(name):
    content, photos = faulty(name), images(12)
    made = integer_content(content, plan_of(content, photos))
    assert worst(content, made, photos) < 12


def test_the_file_says_int8_and_its_leaky_relus_are_too(tmp_path):
    content = faulty("plain")
    (tmp_path / "int8.tflite").write_bytes(integer_content(content, plan_of(content, images(4))))
    facts = read_facts(tmp_path / "int8.tflite")
    assert (facts.storage_dtype, facts.compute_dtype, facts.per_channel) == ("int8", "int8", True)
    assert facts.operators["QUANTIZE"] == facts.operators["DEQUANTIZE"] == 1
    leaky = [op for op in graph((tmp_path / "int8.tflite").read_bytes()).operators if op.type == "LEAKY_RELU"]
    assert {op.compute_dtype for op in leaky} == {"int8"}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_stays_float_the_answers_stay(seed):
    content, photos = faulty("joined_branches"), images(6)
    generator = np.random.default_rng(seed)
    names = [op.outputs[0].name for op in graph(content).operators]
    kept = frozenset(name for name in names if generator.random() < 0.5)
    plan = plan_of(content, photos, floats=kept)
    made = integer_content(content, plan)
    floats = {op.outputs[0].name for op in graph(made).operators if op.outputs[0].dtype == "float32"}
    assert kept <= floats
    # Loud and still share a grid in the concatenation, unless it is float: a coarse bound.
    assert worst(content, made, photos) < 200


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_of_the_float32_file_is_left_in_it(name):
    content, photos = faulty(name), images(6)
    made = integer_content(content, plan_of(content, photos))
    found = graph(made)
    used = {t.index for op in found.operators for t in (*op.inputs, *op.outputs)}
    assert {t.index for t in found.tensors} == used | {t.index for t in (*found.inputs, *found.outputs)}
    assert not [t.name for t in found.tensors if t.constant and t.dtype == "float32"]
    assert len(made) < 1.1 * len(recipe_applied(content, INT8.steps(), photos)) + 1000


def test_all_in_float_is_float32_itself():
    content, photos = faulty("plain"), images(3)
    names = frozenset(op.outputs[0].name for op in graph(content).operators)
    made = integer_content(content, plan_of(content, photos, floats=names))
    for a, b in zip(heads_of(content, photos), heads_of(made, photos), strict=True):
        np.testing.assert_array_equal(a[0], b[0])


def test_a_silent_channel_keeps_its_bias():
    content, photos = faulty("silenced"), images(8)
    made = integer_content(content, plan_of(content, photos))
    assert worst(content, made, photos) < 12


def test_a_tensor_without_a_range_leaves_its_operators_float():
    content = faulty("plain")
    plan = plan_of(content, images(2))
    lost = graph(content).operators[3].outputs[0].name
    less = Plan({name: each for name, each in plan.ranges.items() if name != lost})
    assert len(integer_operators(graph(content), less)) < len(integer_operators(graph(content), plan))
    assert worst(content, integer_content(content, less), images(2)) < 12


@pytest.mark.parametrize(("low", "high"), [(-3.0, 5.0), (0.0, 6.0), (-1e-9, 0.0), (0.0, 0.0), (-700.0, 0.25)])
def test_zero_is_a_level_of_every_range(low, high):
    grid = Range.around(low, high)
    assert -128 <= grid.zero_point <= 127
    ends = [(level - grid.zero_point) * grid.step for level in (-128, 127)]
    assert ends[0] <= low + grid.step
    assert ends[1] >= high - grid.step


def test_a_plan_is_the_same_after_json():
    import json

    content = faulty("plain")
    plan = plan_of(content, images(2), floats=frozenset({"a"}), apart=frozenset({"b"}))
    known = graph(content).convolutions[0].weights
    codes = {known.name: np.zeros(known.shape, np.int8)}
    plan = Plan(
        plan.ranges,
        plan.floats,
        plan.apart,
        {known.name: np.float32([0.5] * 8)},
        codes,
        {"c": np.float32([1])},
    )
    again = Plan.from_json(json.loads(json.dumps(plan.as_json())))
    assert (again.ranges, again.floats, again.apart) == (plan.ranges, plan.floats, plan.apart)
    np.testing.assert_array_equal(again.codes[known.name], codes[known.name])
    np.testing.assert_array_equal(again.steps[known.name], plan.steps[known.name])


def test_every_network_can_be_written():
    for name in NETWORKS:
        content = faulty(name)
        heads_of(integer_content(content, plan_of(content, images(2))), images(1))
