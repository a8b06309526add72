"""The made layers compute what they should, peaks and copies are measured, and the bound is the formula's."""

import math
from dataclasses import replace

import numpy as np
import pytest

from helpers.energy.why import roofline
from helpers.energy.why.layer import fully_connected
from helpers.energy.why.records import Bound, Copy, Machine
from helpers.energy.why.roofline import bandwidth_for, bound_of, fastest_s, measure_machine
from helpers.lab.intervals import Absent
from helpers.runtimes.kinds_of_operators import POINTWISE
from helpers.runtimes.litert.core import Core
from helpers.runtimes.litert.reader import read_graph

MACHINE = Machine({"float32": 1e6, "int8": 4e6}, (Copy(10_000, 1e6), Copy(100, 1e7)))
ROWS, INPUTS, OUTPUTS = 4, 64, 16


@pytest.fixture
def layer(tmp_path):
    def make(dtype, rows=ROWS, inputs=INPUTS, outputs=OUTPUTS):
        file = tmp_path / f"{dtype}-{rows}.tflite"
        file.write_bytes(fully_connected(dtype, rows, inputs, outputs))
        return file

    return make


def weights_of(dtype):
    generator, shape = np.random.default_rng(0), (OUTPUTS, INPUTS)
    if dtype == "float32":
        return generator.uniform(-1, 1, shape)
    return 0.01 * generator.integers(-127, 128, shape, np.int8)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("int8-dynamic", 0.3)])
def test_layers_multiply(layer, dtype, tolerance):
    image = np.random.default_rng(1).uniform(-1, 1, (ROWS, INPUTS)).astype(np.float32)
    (result,) = Core(layer(dtype))(image).values()
    np.testing.assert_allclose(result, image @ weights_of(dtype).T, atol=tolerance)


def test_the_int8_layer_multiplies_in_int8(layer):
    image = np.random.default_rng(1).integers(-9, 10, (ROWS, INPUTS), np.int8)
    (result,) = Core(layer("int8"))(image).values()
    expected = np.clip((0.05 * image) @ weights_of("int8").T / 0.05, -128, 127)
    steps = result / 0.05
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)
    np.testing.assert_allclose(steps, expected, atol=1)


def test_peaks_and_copies_are_measured_and_finite(monkeypatch):
    monkeypatch.setattr(roofline, "COPY_BYTES", (2**12, 2**14))
    monkeypatch.setattr(roofline, "SHAPES", ((8, 64, 64),))
    machine = measure_machine(0.005)
    assert set(machine.peak_macs_per_s) == {"float32", "int8", "int8-dynamic"}
    speeds = [*machine.peak_macs_per_s.values(), *(copy.bytes_per_s for copy in machine.bandwidth)]
    assert all(math.isfinite(speed) and speed > 0 for speed in speeds)
    assert [copy.size_bytes for copy in machine.bandwidth] == [2**12, 2**14]


def test_the_fastest_call_counts_and_warm_ups_do_not():
    ticks = iter([0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 9.0, 9.0, 12.0, 20.0, 25.0])

    class Clock:
        perf_counter = staticmethod(lambda: next(ticks))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(roofline, "time", Clock)
        assert fastest_s(lambda: None, 5.0) == 3.0


@pytest.mark.parametrize(
    ("moved", "speed"), [(50, 1e7), (100, 1e7), (9_999, 1e7), (10_000, 1e6), (10**9, 1e6)]
)
def test_the_bandwidth_is_that_of_a_copy_no_larger(moved, speed):
    assert bandwidth_for(MACHINE, moved) == speed


def test_arithmetic_sets_the_bound_of_many_rows(layer):
    macs = 256 * INPUTS * OUTPUTS
    bound = bound_of(read_graph(layer("float32", rows=256)), MACHINE)
    assert bound.ms == pytest.approx(1e3 * macs / 1e6)
    assert bound == Bound(bound.ms, {POINTWISE: bound.ms}, arithmetic_ms=bound.ms, bytes_ms=0.0)


def test_bytes_set_the_bound_where_arithmetic_is_fast(layer):
    machine = replace(MACHINE, peak_macs_per_s={"int8": 1e12})
    moved = ROWS * INPUTS + INPUTS * OUTPUTS + ROWS * OUTPUTS
    bound = bound_of(read_graph(layer("int8")), machine)
    assert bound.ms == pytest.approx(1e3 * moved / 1e7)
    assert bound.arithmetic_ms == 0.0


def test_without_a_peak_there_is_a_reason_and_no_bound(layer):
    bound = bound_of(read_graph(layer("int8-dynamic")), MACHINE)
    assert bound == Absent("no peak was measured for int8-dynamic arithmetic")
