"""Uniform grids: by hand, against a dense search, and against the file quantizer's own codes."""

import itertools

import ml_dtypes
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer import recipe
from hypothesis import given, settings

from helpers.quantize.kinds.coding import decode
from helpers.quantize.kinds.groups import by_channel, in_groups
from helpers.quantize.kinds.uniform import Uniform
from helpers.quantize.recipes.edge_quantizer import apply_recipe
from helpers.runtimes.litert.operator_kinds import CONVOLUTIONS, WEIGHTS
from helpers.runtimes.litert.reader import operator_name
from tests.support.drawn_weights import error, weights
from tests.support.why_models import stack_core

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
GRANULARITIES = ("tensor", "channel", "block")


def decoded(kind: Uniform, tensor: tuple[np.ndarray, int]) -> np.ndarray:
    return decode(kind.encode(*tensor))


def weight_tensors(content: bytes) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Operator, stored weights and scales of every layer, in order."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph, found = model.subgraphs[0], []
    for operator in graph.operators:
        name = operator_name(model, operator)
        if name in CONVOLUTIONS:
            tensor = graph.tensors[operator.inputs[WEIGHTS]]
            dtype = np.int8 if tensor.type == schema.TensorType.INT8 else np.float32
            stored = np.asarray(model.buffers[tensor.buffer].data, np.uint8).view(dtype).reshape(tensor.shape)
            scales = tensor.quantization.scale if tensor.quantization else None
            found.append((name, stored, np.float32([] if scales is None else scales)))
    return found


@pytest.mark.parametrize("steps", [recipe.dynamic_wi8_afp32, recipe.weight_only_wi8_afp32])
def test_8_bits_per_channel_are_the_file_quantizers_to_the_last_code(tmp_path, steps):
    base = stack_core(tmp_path / "float32.tflite")
    plain = weight_tensors(base.read_bytes())
    model = schema.ModelT.InitFromPackedBuf(apply_recipe(base, steps(), ()), 0)
    stored = {}
    for tensor in model.subgraphs[0].tensors:
        if tensor.type == schema.TensorType.INT8 and model.buffers[tensor.buffer].data is not None:
            codes = np.asarray(model.buffers[tensor.buffer].data, np.uint8).view(np.int8)
            stored[tuple(tensor.shape)] = codes.reshape(tensor.shape), np.float32(tensor.quantization.scale)
    assert len(stored) == len(plain) == 4
    for name, values, _ in plain:
        axis = 3 if name == "DEPTHWISE_CONV_2D" else 0
        coded = Uniform(8, "channel", "min-max").encode(values, axis)
        codes, scales = stored[values.shape]
        np.testing.assert_array_equal(coded["codes"], np.moveaxis(codes, axis, 0).reshape(len(scales), -1))
        np.testing.assert_array_equal(coded["scales"], scales)


def test_min_max_by_hand():
    tensor = np.float32([[-3.5, 1, 0.24, 0.26], [0, 7, -14, 4]])
    coded = Uniform(4, "channel", "min-max").encode(tensor, 0)
    assert coded["scales"].tolist() == [0.5, 2]
    assert coded["codes"].tolist() == [[-7, 2, 0, 1], [0, 4, -7, 2]]  # 3.5 is a tie: to even
    assert decode(coded).tolist() == [[-3.5, 1, 0, 0.5], [0, 8, -14, 4]]
    assert coded.bits == 8 * 4 + 2 * 32


def test_the_lowest_code_is_never_used():
    tensor = np.random.default_rng(0).standard_t(3, (64, 50)).astype(np.float32)
    for bits in range(2, 9):
        codes = Uniform(bits, "block", "least-squares").encode(tensor, 0)["codes"]
        assert np.abs(codes.astype(int)).max() <= 2 ** (bits - 1) - 1


@given(weights(scales=(1e-30, 1.0, 1e30)))
@settings(max_examples=100)
def test_least_squares_is_never_worse_than_min_max_nor_than_one_bit_less(tensor):
    for granularity in GRANULARITIES:
        before = np.inf
        for bits in range(2, 9):
            best, plain = (
                error(tensor[0], decoded(Uniform(bits, granularity, range_), tensor))
                for range_ in ("least-squares", "min-max")
            )
            assert best <= plain * (1 + 1e-12)
            assert best <= before * (1 + 1e-12)
            before = best


@given(weights(scales=(1.0,)))
@settings(max_examples=30)
def test_up_to_four_bits_no_scale_on_a_dense_grid_is_better(tensor):
    rows = by_channel(*tensor).astype(np.float64)
    for bits in (2, 3, 4):
        top = 2 ** (bits - 1) - 1
        found = by_channel(decoded(Uniform(bits), tensor), tensor[1])
        for row, ours in zip(rows, found, strict=True):
            scales = (np.abs(row).max() * np.linspace(0.02, 1.5, 3000) + 1e-12)[:, None]
            others = ((np.clip(np.rint(row / scales), -top, top) * scales - row) ** 2).sum(1)
            assert error(row, ours) <= others.min() + 1e-6 * (row**2).sum()


@pytest.mark.parametrize("bits", [5, 6, 7, 8])
@pytest.mark.parametrize("kind", ["normal", "laplace", "uniform", "standard_cauchy"])
def test_the_search_is_nearly_as_good_as_a_dense_one(bits, kind):
    rows = getattr(np.random.default_rng(1), kind)(size=(12, 144)).astype(np.float32)
    top = 2 ** (bits - 1) - 1
    ours = error(rows, decoded(Uniform(bits), (rows, 0)))
    scales = np.abs(rows).max(1) / top * np.linspace(0.02, 1.2, 4000)[:, None]
    others = [
        ((np.clip(np.rint(rows / s[:, None]), -top, top) * s[:, None] - rows) ** 2).sum(1) for s in scales
    ]
    assert ours <= 1.03 * np.min(others, 0).sum()


def test_blocks_lie_within_a_channel_and_the_last_may_be_short():
    tensor = np.random.default_rng(2).normal(size=(3, 40)).astype(np.float32)
    tensor[:, 32:] *= 1e-3
    coded = Uniform(4, "block", "min-max").encode(tensor, 0)
    assert coded["scales"].dtype == ml_dtypes.bfloat16
    assert coded.bits == 3 * 40 * 4 + 3 * 2 * 16
    expected = np.stack([np.abs(tensor[:, :32]).max(1), np.abs(tensor[:, 32:]).max(1)], 1).ravel() / 7
    np.testing.assert_allclose(coded["scales"].astype(float), expected, rtol=2**-8)
    values = decode(coded)
    assert error(tensor[:, 32:], values[:, 32:]) < 0.05 * (tensor[:, 32:] ** 2).sum()


def test_a_depthwise_channel_is_one_block():
    tensor = np.random.default_rng(3).normal(size=(1, 3, 3, 8)).astype(np.float32)
    assert Uniform(3, "block").encode(tensor, 3).bits == 72 * 3 + 8 * 16
    assert Uniform(3, "channel").encode(tensor, 3).bits == 72 * 3 + 8 * 32
    assert Uniform(3, "tensor").encode(tensor, 3).bits == 72 * 3 + 32


def test_finer_granularity_has_less_error():
    generator = np.random.default_rng(4)
    tensor = (generator.normal(size=(16, 64)) * generator.uniform(0.1, 3, (16, 1))).astype(np.float32)
    for bits, range_ in itertools.product((3, 4, 6), ("min-max", "least-squares")):
        errors = [error(tensor, decoded(Uniform(bits, g, range_), (tensor, 0))) for g in GRANULARITIES]
        assert errors == sorted(errors, reverse=True)


def test_groups_are_padded_with_zeros():
    assert in_groups(np.ones((2, 33), np.float32), "block").sum(1).tolist() == [32, 1, 32, 1]
