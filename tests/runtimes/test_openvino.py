"""OpenVINO's representation: an .xml that is tied to its .bin and says what it is computed in."""

import hashlib
import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from helpers.lab.errors import LabError
from helpers.lab.host import isa_flags
from helpers.lab.processes import probe_environment
from helpers.quantize.recipes.catalogue import quantize_file
from helpers.quantize.recipes.openvino_files import BFLOAT16_FLAGS
from helpers.quantize.recipes.openvino_graph import core_graph
from helpers.run.variants import VARIANTS
from helpers.runtimes.catalogue import OPENVINO, load_core
from helpers.runtimes.kinds_of_operators import DENSE, DEPTHWISE, POINTWISE
from helpers.runtimes.openvino.operator_times import since
from helpers.runtimes.openvino.representation import read_ir, weights_file, write_ir
from tests.support.onnx_models import WEIGHTS, stack_onnx
from tests.support.tiny_models import tiny_core, tiny_images

FLOAT = replace(VARIANTS["float32"], id="float32@openvino", recipe="none@openvino")


@pytest.fixture
def core(tmp_path):
    quantize_file(tiny_core(tmp_path / "core.tflite"), FLOAT, (), tmp_path / "core.xml")
    return tmp_path / "core.xml"


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return core_graph(stack_onnx(tmp_path_factory.mktemp("onnx") / "core.onnx"))[0]


def test_its_outputs_are_those_of_litert_by_name_and_value(core):
    theirs = load_core(core.with_suffix(".tflite"))
    for image in tiny_images():
        heads, expected = load_core(core)(image), theirs(image)
        assert heads.keys() == expected.keys() == {"heads"}
        np.testing.assert_allclose(heads["heads"], expected["heads"], rtol=1e-4, atol=1e-3)


def test_the_hash_of_the_bin_stands_in_the_xml(core):
    assert hashlib.sha256(weights_file(core).read_bytes()).hexdigest() in core.read_text()
    assert OPENVINO.files(core) == (core, weights_file(core))


def test_the_same_core_gives_the_same_two_files(core, tmp_path):
    again = tmp_path / "again" / core.name
    quantize_file(core.with_suffix(".tflite"), FLOAT, (), again)
    pairs = zip(OPENVINO.files(core), OPENVINO.files(again), strict=True)
    assert all(first.read_bytes() == second.read_bytes() for first, second in pairs)


def test_a_bin_of_another_core_is_told(core, tmp_path):
    content = bytearray(weights_file(core).read_bytes())
    content[-1] ^= 1
    weights_file(core).write_bytes(content)
    with pytest.raises(LabError, match=r"core\.bin is not the one that core\.xml was written with"):
        load_core(core)


@pytest.mark.parametrize("lacking", [".xml", ".bin"])
def test_each_of_the_two_files_is_asked_for(core, lacking):
    core.with_suffix(lacking).unlink()
    with pytest.raises(LabError, match=rf"core\{lacking} does not exist"):
        load_core(core)


def test_a_cut_bin_is_told(core):
    weights_file(core).write_bytes(weights_file(core).read_bytes()[:10])
    with pytest.raises(LabError, match="core"):
        load_core(core)


def test_a_representation_that_others_wrote_is_refused(core, tmp_path):
    from helpers.runtimes.openvino.library import openvino

    other = tmp_path / "other.xml"
    openvino().save_model(core_graph(core.with_suffix(".tflite"))[0], str(other), compress_to_fp16=False)
    with pytest.raises(LabError, match="was not written by this project"):
        load_core(other)


def test_a_precision_that_there_is_not_is_told(graph, tmp_path):
    with pytest.raises(LabError, match="precision 'int3'"):
        write_ir(graph, tmp_path / "core.xml", "int3")


def test_writing_leaves_the_graph_as_it_was(graph, tmp_path):
    names = [node.get_friendly_name() for node in graph.get_ordered_ops()]
    write_ir(graph, tmp_path / "core.xml", "f32")
    assert [node.get_friendly_name() for node in graph.get_ordered_ops()] == names
    assert not graph.has_rt_info(["quantlab", "precision"])


def test_a_session_takes_what_it_was_told_and_no_more(graph, tmp_path):
    write_ir(graph, tmp_path / "core.xml", "f32")
    compiled = load_core(tmp_path / "core.xml", 2).compiled
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 2
    assert compiled.get_property("NUM_STREAMS") == 1
    assert compiled.get_property("ENABLE_CPU_PINNING") is False
    assert str(compiled.get_property("INFERENCE_PRECISION_HINT")) == "<Type: 'float32'>"
    assert compiled.get_property("PERF_COUNT") == "NO"


@pytest.mark.parametrize(
    ("precision", "half", "dtypes"),
    [("f32", False, ("float32", "float32")), ("f32", True, ("float16", "float32"))],
)
def test_what_is_stored_and_what_it_is_multiplied_in_are_told_apart(graph, tmp_path, precision, half, dtypes):
    write_ir(graph, tmp_path / "core.xml", precision, half)
    facts = OPENVINO.facts(tmp_path / "core.xml")
    assert (facts.storage_dtype, facts.compute_dtype) == dtypes
    assert facts.weights == {dtypes[0]: WEIGHTS}
    assert facts.kernels == {"Convolution float32/float32": 3, "GroupConvolution float32/float32": 1}
    assert OPENVINO.stored(tmp_path / "core.xml").weights_bytes == WEIGHTS * (2 if half else 4)


def test_bfloat16_is_told_only_where_it_is_what_ran(graph, tmp_path):
    write_ir(graph, tmp_path / "core.xml", "bf16")
    there = bool(set(BFLOAT16_FLAGS) & set(isa_flags()))
    assert OPENVINO.facts(tmp_path / "core.xml").compute_dtype == ("bfloat16" if there else "float32")


def test_every_convolution_is_in_the_profile_with_its_kind(graph, tmp_path):
    write_ir(graph, tmp_path / "core.xml", "f32")
    kinds = [operator["kind"] for operator in OPENVINO.profile(tmp_path / "core.xml", 2, 1)["operators"]]
    assert [kinds.count(kind) for kind in (DENSE, DEPTHWISE, POINTWISE)] == [1, 1, 2]


def test_means_since_the_warm_ups_are_of_the_rest():
    told = {"a": (10.0, 6.0), "b": (9.0, 6.0), "once": (2.0, 0.0), "fused": (0.0, 0.0)}
    first, last = ([{"name": name, "us": times[at]} for name, times in told.items()] for at in (0, 1))
    means = {operator["name"]: operator["us"] for operator in since(first, last, 15)}
    assert means == {"a": 4.0, "b": 4.5, "once": 0.0}


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_times_by_operator_are_told_whatever_is_computed_once(graph, tmp_path, precision):
    write_ir(graph, tmp_path / "core.xml", precision)
    assert OPENVINO.profile(tmp_path / "core.xml", 20, 1)["operators"]


def test_names_that_the_library_counts_up_are_settled(core):
    names = [node.get_friendly_name() for node in read_ir(core).get_ordered_ops()]
    assert len(set(names)) == len(names)


def test_importing_nncf_leaves_loggers_and_telemetry_alone():
    code = """
import logging, sys
from helpers.runtimes.openvino.library import nncf, openvino
nncf()
assert logging.getLoggerClass() is logging.Logger
assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
import nncf.telemetry.wrapper as wrapper
assert not isinstance(wrapper.telemetry, wrapper.NNCFTelemetry)
"""
    environment = {name: value for name, value in probe_environment().items() if "PYTEST" not in name}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_loggers_made_here_are_the_usual_ones():
    assert logging.getLoggerClass() is logging.Logger
