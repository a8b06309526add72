"""Noise of the shape of a core's input, whatever the order of its axes."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.photos.decoding import core_input
from helpers.photos.preprocessing import Preprocessing
from helpers.pitfalls.bench import Bench
from helpers.pitfalls.noise import PIXELS, UNIT, draws

BEFORE = Preprocessing(8, 6, (0.5, 1.0, 2.0), (-1.0, 0.0, 1.0))


def bench_of(preprocessing: Preprocessing) -> Bench:
    run = SimpleNamespace(profile=SimpleNamespace(seed=0))
    interface = SimpleNamespace(preprocessing=preprocessing)
    return Bench(run, None, interface, None, None, {}, ["a", "b"])


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("kind", [UNIT, PIXELS])
def test_noise_is_what_the_core_takes(layout, kind):
    before = dataclasses.replace(BEFORE, layout=layout)
    bench = bench_of(before)
    made = list(bench.noise(draws(bench)[kind]))
    assert len(made) == len(bench.calibration)
    assert {(each.shape, each.dtype) for each in made} == {(before.input_shape, np.dtype(np.float32))}


def test_pixels_are_brought_to_the_range_of_each_channel():
    channels = {}
    for layout, axis in (("NHWC", 3), ("NCHW", 1)):
        bench = bench_of(dataclasses.replace(BEFORE, layout=layout))
        [first, _] = bench.noise(draws(bench)[PIXELS])
        channels[layout] = np.moveaxis(first, axis, 0).reshape(3, -1)
        white = core_input(np.full((6, 8, 3), 255, np.uint8), bench.interface.preprocessing)
        most = np.moveaxis(white, axis, 0).reshape(3, -1).max(1)
        assert (channels[layout].max(1) <= most).all()
        assert (channels[layout].max(1) > 0.5 * most).all()
    assert all((each.min(1) >= BEFORE.offset).all() for each in channels.values())
