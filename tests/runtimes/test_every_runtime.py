"""Every runtime keeps the contract, and so does one that these tests make up."""

import contextlib
import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent
from helpers.lab.processes import probe_environment
from helpers.quantize.recipes.catalogue import quantize_file
from helpers.quantize.recipes.contract import sizes
from helpers.run.variants import VARIANTS
from helpers.runtimes import catalogue
from helpers.runtimes.catalogue import RUNTIMES, get_runtime, load_core, require_runtime, runtime_of
from helpers.runtimes.contract import Runtime
from helpers.runtimes.ends import as_dtype, as_real, image_for, numbered
from helpers.runtimes.file_facts import FileFacts, StoredBytes
from helpers.runtimes.kinds_of_operators import ALL_KINDS
from tests.support.onnx_models import SIZE, stack_onnx
from tests.support.tiny_models import tiny_core

PROFILED = ("litert", "openvino", "onnxruntime")


class Doubling:
    """A core that gives its image twice as large."""

    input_shape, output_shapes, input_dtype = (1, 4, 4, 3), {"heads": (1, 4, 4, 3)}, np.dtype(np.float32)

    def __init__(self, path: Path):
        self.path = path

    def set_input(self, image):
        self.image = image

    def invoke(self):
        self.made = 2 * self.image

    def outputs(self):
        return {"heads": self.made.copy()}

    def __call__(self, image):
        self.set_input(image)
        self.invoke()
        return self.outputs()


class MadeUp(Runtime):
    """A runtime that tells no more than it must."""

    def load(self, path, threads=1):
        if not path.is_file():
            raise LabError(f"{path} does not exist.", "a file", "make it.")
        return Doubling(path)

    def import_all(self):
        pass

    def facts(self, path):
        return FileFacts("float32", "float32", {}, {}, {}, False)


MADE_UP = MadeUp("made-up", "Made Up", ".double", "x", ("json",), "madeup")


@pytest.fixture(scope="module")
def runtimes():
    """All that there are, and the made-up one, which the catalogue knows meanwhile."""
    known = dict(RUNTIMES) | {MADE_UP.id: MADE_UP}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "RUNTIMES", known)
        yield known


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Runtime -> a small float32 core of its own."""
    folder = tmp_path_factory.mktemp("cores")
    tflite, onnx = tiny_core(folder / "core.tflite"), stack_onnx(folder / "core.onnx")
    form = replace(VARIANTS["float32"], id="float32@openvino", recipe="none@openvino")
    quantize_file(tflite, form, (), folder / "core.xml")
    made_up = folder / "core.double"
    made_up.write_bytes(b"any")
    return {"litert": tflite, "onnxruntime": onnx, "openvino": folder / "core.xml", MADE_UP.id: made_up}


every = pytest.mark.parametrize("name", [*RUNTIMES, MADE_UP.id])


def test_entries_are_told_apart(runtimes):
    for each in ("id", "title", "ending", "marker", "extra"):
        assert len({getattr(runtime, each) for runtime in runtimes.values()}) == len(runtimes)


@every
def test_a_file_is_of_the_runtime_of_its_ending(runtimes, files, name):
    assert runtime_of(files[name]) == name
    assert get_runtime(name).files(files[name])[0] == files[name]
    assert all(file.is_file() for file in runtimes[name].files(files[name]))


@every
def test_all_three_are_setting_the_input_inference_and_copies_of_the_outputs(runtimes, files, name):
    core = load_core(files[name])
    image = image_for(core)
    heads = core(image)
    assert {key: value.shape for key, value in heads.items()} == core.output_shapes
    assert image.shape == core.input_shape
    assert image.dtype == core.input_dtype
    assert all(value.dtype == np.float32 for value in heads.values())
    kept = {key: value.copy() for key, value in heads.items()}
    other = core(image * 0.5)
    assert all(np.array_equal(heads[key], kept[key]) for key in kept)
    assert any(not np.array_equal(heads[key], other[key]) for key in kept)
    core.set_input(image)
    core.invoke()
    assert all(np.array_equal(value, kept[key]) for key, value in core.outputs().items())


@every
def test_the_caller_keeps_its_image(runtimes, files, name):
    core = load_core(files[name])
    image = image_for(core)
    before = image.copy()
    core(image)
    core(np.zeros_like(image))
    assert np.array_equal(image, before)


@every
def test_threads_change_no_more_than_rounding(runtimes, files, name):
    alone, together = (load_core(files[name], threads) for threads in (1, 2))
    image = image_for(alone)
    for key, value in alone(image).items():
        np.testing.assert_allclose(together(image)[key], value, rtol=1e-4, atol=1e-4)


@every
def test_two_sessions_of_one_file_do_not_share_their_ends(runtimes, files, name):
    first, second = load_core(files[name]), load_core(files[name])
    image = image_for(first)
    expected = first(image)
    second(image * 0)
    assert all(np.array_equal(value, expected[key]) for key, value in first.outputs().items())


@every
def test_what_a_file_holds_is_told_or_absent_with_a_reason(runtimes, files, name):
    runtime, file = runtimes[name], files[name]
    facts = runtime.facts(file)
    assert (facts.storage_dtype, facts.compute_dtype) == ("float32", "float32")
    stored = runtime.stored(file)
    if isinstance(stored, StoredBytes):
        assert stored.file_bytes == sizes(file)["size_bytes"]
        assert 0 < stored.weights_bytes <= stored.file_bytes
    else:
        assert stored.reason
    assert set(runtime.versions()) <= set(runtime.packages)


@pytest.mark.parametrize("name", PROFILED)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_operators_and_what_is_between_them_add_up_to_the_whole(runtimes, files, name):
    profile = runtimes[name].profile(files[name], 4, 1)
    total = sum(operator["us"] for operator in profile["operators"])
    assert total + profile["between_us"] == pytest.approx(profile["whole_mean_us"])
    assert len(profile["plain_us"]) == profile["invocations"] == 4
    assert {operator["kind"] for operator in profile["operators"]} <= set(ALL_KINDS)
    assert all(operator["us"] >= 0 and operator["runs_by"] for operator in profile["operators"])


def test_a_runtime_without_a_profiler_says_so(runtimes, files):
    assert "no time by operator" in MADE_UP.profile(files[MADE_UP.id], 1, 1)["absent"]
    assert isinstance(MADE_UP.stored(files[MADE_UP.id]), Absent)


@pytest.mark.parametrize("name", PROFILED)
def test_a_damaged_file_gives_a_reason_instead_of_a_profile(runtimes, tmp_path, name):
    broken = tmp_path / f"broken{runtimes[name].ending}"
    broken.write_bytes(b"\0\0\0\0TFL3 and nothing more")
    assert "failed" in runtimes[name].profile(broken, 1, 1)["absent"] or name == "litert"


@every
def test_a_file_that_is_absent_is_told(runtimes, tmp_path, name):
    with pytest.raises(LabError, match="does not exist"):
        load_core(tmp_path / f"none{runtimes[name].ending}")


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_damaged_file_is_told_with_its_name(tmp_path, name):
    for file in get_runtime(name).files(tmp_path / f"broken{RUNTIMES[name].ending}"):
        file.write_bytes(b"no model at all")
    with pytest.raises(LabError, match="broken"):
        load_core(tmp_path / f"broken{RUNTIMES[name].ending}")


def test_a_file_of_no_runtime_is_told(tmp_path):
    with pytest.raises(LabError, match="of no runtime"):
        runtime_of(tmp_path / "core.bin")


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_without_its_packages_a_runtime_is_a_reason_and_a_cure(monkeypatch, files, name):
    there = importlib.util.find_spec
    lacking = RUNTIMES[name].packages[0]
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *rest: None if n == lacking else there(n, *rest)
    )
    assert RUNTIMES[name].why_absent() == (
        f"{lacking} is not installed; `make setup RUNTIMES={name}` adds {RUNTIMES[name].title}."
    )
    with pytest.raises(LabError) as found:
        require_runtime(name)
    assert found.value.cure.startswith(f"`make setup RUNTIMES={name}`")
    with pytest.raises(LabError, match="is not installed"):
        load_core(files[name])


def test_a_runtime_that_there_is_not_is_told_with_those_that_there_are():
    with pytest.raises(LabError, match="Did you mean 'openvino'"):
        get_runtime("openvin")


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_bare_process_imports_its_runtime_alone(name):
    code = f"""
import sys
from helpers.runtimes.catalogue import get_runtime
get_runtime({name!r}).import_all()
names = {{"openvino", "onnxruntime", "ai_edge_litert", "nncf", "onnx", "tensorflow"}}
telemetry = [each for each in sys.modules if each.startswith("openvino_telemetry") and sys.modules[each]]
print(*names & set(sys.modules), *telemetry)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=probe_environment()
    )
    assert done.stdout.split() == [get_runtime(name).packages[0]]


@given(
    arrays(np.float32, (3, 5), elements=st.floats(-1000, 1000, width=32)), st.sampled_from(["u1", "i1", "f2"])
)
def test_real_numbers_become_the_nearest_that_the_input_can_hold(image, dtype):
    made = as_dtype(image, np.dtype(dtype))
    assert made.dtype == dtype
    if made.dtype.kind in "iu":
        limits = np.iinfo(dtype)
        assert np.abs(made.astype(float) - np.clip(image, limits.min, limits.max)).max() <= 0.5


def test_outputs_are_copies_of_real_numbers():
    values = np.arange(3, dtype=np.float32)
    made = as_real(values)
    values[0] = 9
    assert made[0] == 0
    assert as_real(np.arange(3, dtype=np.uint8)).dtype == np.float32


def test_shapes_of_whole_numbers_are_told_from_free_ones():
    assert numbered([1, 3, SIZE]) == (1, 3, SIZE)
    assert numbered(["batch", 3]) is None
    assert numbered([None, 3]) is None
    with contextlib.suppress(TypeError):
        assert numbered([]) == ()
