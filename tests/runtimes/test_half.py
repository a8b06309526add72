"""Float16 arithmetic: outputs against NumPy's float16, against float32, and who respects what a file asks."""

import keras
import numpy as np
import pytest

from helpers.lab.errors import LabError, UnavailableError
from helpers.lab.intervals import Absent
from helpers.quantize.layers.measure import layer_errors
from helpers.quantize.recipes import float16
from helpers.quantize.recipes.catalogue import quantize_file
from helpers.quantize.recipes.float16 import INTERFACE, arithmetic_notes, require_half
from helpers.run.forms import FLOAT16_COMPUTE, NOT_TIMED, NOT_WEIGHED, get_form, why_unmeasured
from helpers.runtimes.litert.core import Core
from helpers.runtimes.litert.half import asks_for_half
from helpers.runtimes.litert.operator_times import profile_file
from helpers.runtimes.litert.reader import read_facts, read_graph
from tests.support.branched_keras import converted

SHAPE, CHANNELS = (1, 5, 7, 32), 24
HALF = get_form(FLOAT16_COMPUTE)


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(0).normal(size=(SHAPE[-1], CHANNELS)).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory, weights):
    """A product per place of the image, as float32, as float16 weights alone, and in float16 arithmetic."""
    folder = tmp_path_factory.mktemp("half")
    start = keras.Input(SHAPE[1:], batch_size=1, name="image")
    layer = keras.layers.Conv2D(CHANNELS, 1, use_bias=False)
    model = keras.Model(start, {"heads": layer(start)})
    layer.set_weights([weights[None, None]])
    made = {name: folder / f"{name}.tflite" for name in ("float32", "float16", FLOAT16_COMPUTE)}
    made["float32"].write_bytes(converted(model))
    for name in ("float16", FLOAT16_COMPUTE):
        quantize_file(made["float32"], get_form(name), (), made[name])
    return made


def image(scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(1).normal(size=SHAPE)).astype(np.float32)


def heads(path, given: np.ndarray, **how) -> np.ndarray:
    return Core(path, **how)(given)["heads"]


def test_the_arithmetic_is_numpys_float16(files, weights):
    given = image()
    halves = [values.astype(np.float16).astype(np.float64) for values in (given, weights)]
    found = heads(files[FLOAT16_COMPUTE], given)
    # Sums may be rounded after each product: 32 steps of half a unit in the last of 11 bits.
    bound = SHAPE[-1] * 2.0**-11 * (np.abs(halves[0]) @ np.abs(halves[1]))
    assert (np.abs(found - halves[0] @ halves[1]) <= bound).all()
    assert np.median(np.abs(found - halves[0] @ halves[1])) > 1e-4
    np.testing.assert_array_equal(found, found.astype(np.float16).astype(np.float32))


def test_weights_alone_in_float16_are_multiplied_in_float32(files, weights):
    given = image()
    expected = given.astype(np.float64) @ weights.astype(np.float16).astype(np.float64)
    for found in (heads(files["float16"], given), heads(files[FLOAT16_COMPUTE], given, half=False)):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
        assert (found != found.astype(np.float16).astype(np.float32)).mean() > 0.9
        assert (found != heads(files[FLOAT16_COMPUTE], given)).mean() > 0.9


def test_what_float16_cannot_hold_overflows(files):
    given = image(2e4)
    assert np.abs(heads(files["float16"], given)).max() > np.finfo(np.float16).max
    found = heads(files[FLOAT16_COMPUTE], given)
    assert not np.isfinite(found).all()


def test_two_threads_give_the_same_and_a_core_is_used_again(files):
    core = Core(files[FLOAT16_COMPUTE], threads=2)
    assert (core.input_shape, core.output_shapes) == (SHAPE, {"heads": (*SHAPE[:3], CHANNELS)})
    for scale in (1.0, 3.0, 1.0):
        np.testing.assert_array_equal(
            core(image(scale))["heads"], heads(files[FLOAT16_COMPUTE], image(scale))
        )


def test_nothing_is_printed_while_files_are_loaded_run_and_let_go(files, capfd):
    for _ in range(2):
        heads(files[FLOAT16_COMPUTE], image())
    assert capfd.readouterr() == ("", "")


def test_the_file_says_that_it_asks_and_the_reader_that_it_computes_in_float16(files):
    assert {name: asks_for_half(path) for name, path in files.items()} == {
        "float32": False, "float16": False, FLOAT16_COMPUTE: True
    }  # fmt: skip
    facts = read_facts(files[FLOAT16_COMPUTE])
    assert (facts.storage_dtype, facts.compute_dtype) == ("float16", "float16")
    assert [each.compute_dtype for each in read_graph(files["float16"]).convolutions] == ["float32"]


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 400, b"\0" * 400, None])
def test_what_is_no_tflite_file_asks_for_nothing_and_fails_as_before(tmp_path, content):
    path = tmp_path / "x.tflite"
    if content is not None:
        path.write_bytes(content)
    assert not asks_for_half(path)
    with pytest.raises(LabError, match=r"x\.tflite"):
        Core(path)


def test_a_runtime_that_computes_in_float32_all_the_same_is_found_out(files, monkeypatch):
    require_half(files[FLOAT16_COMPUTE])
    monkeypatch.setattr(float16, "Core", lambda path, half=True: Core(path, half=False))
    with pytest.raises(UnavailableError, match="XNNPACK computes in float32"):
        require_half(files[FLOAT16_COMPUTE])


def test_the_profiler_sees_xnnpacks_float16_operators(files):
    found = {name: profile_file(files[name], invocations=4) for name in ("float16", FLOAT16_COMPUTE)}
    if "absent" in found["float16"]:
        pytest.skip(found["float16"]["absent"])
    names = {name: " ".join(each["name"] for each in one["operators"]) for name, one in found.items()}
    assert "F16" in names[FLOAT16_COMPUTE]
    assert "F16" not in names["float16"]


def test_layers_are_not_compared_with_other_arithmetic(files):
    found = layer_errors(files["float32"], files[FLOAT16_COMPUTE], [image()])
    assert isinstance(found, Absent)
    assert "cannot keep the tensors" in found.reason


def test_notes_say_whether_the_processor_multiplies_float16():
    native, emulated = (arithmetic_notes(flags) for flags in (["avx512_fp16"], ["f16c", "avx2"]))
    assert native == ("This processor multiplies float16 (avx512_fp16).", INTERFACE)
    assert "XNNPACK emulates it" in emulated[0]
    assert "latency and energy are those of the emulation" in emulated[0]


def test_its_memory_has_a_reason_and_its_latency_is_measured():
    assert why_unmeasured(HALF, "memory") == NOT_WEIGHED
    assert why_unmeasured(HALF, "latency") == why_unmeasured(get_form("int8"), "memory") == ""
    assert why_unmeasured(get_form("ternary+edges"), "memory") == NOT_TIMED
