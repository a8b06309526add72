"""Variants hold what they promise, as read from the file; a file that does not is refused."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from helpers.lab.errors import LabError
from helpers.quantize.recipes.catalogue import quantize_file
from helpers.quantize.recipes.contract import require_promised
from helpers.run.variants import get_variant
from helpers.runtimes.litert.core import Core
from helpers.runtimes.litert.reader import read_facts
from tests.support.made_alone import ALONE
from tests.support.tiny_models import SIZE, tiny_core, tiny_images

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")

CHANNELS = 32
WEIGHTS = 3 * 3 * 3 * CHANNELS + 3 * 3 * CHANNELS * 8


@pytest.fixture(scope="module")
def float_core(tmp_path_factory):
    return tiny_core(tmp_path_factory.mktemp("cores") / "float32.tflite", CHANNELS)


@pytest.fixture(scope="module")
def made(float_core):
    """Every variant of the tiny core: id -> file."""
    files = {name: float_core.with_name(f"made-{name}.tflite") for name in ALONE}
    for name, file in files.items():
        quantize_file(float_core, ALONE[name], tiny_images(8), file)
    return files


def tensor_dtypes(path) -> list[str]:
    """Dtypes of all tensors of more than 100 values, as the interpreter sees them."""
    interpreter = Interpreter(model_path=str(path), experimental_preserve_all_tensors=True)
    details = interpreter.get_tensor_details()
    return [np.dtype(d["dtype"]).name for d in details if np.prod(d["shape"]) > 100]


def test_the_tiny_core_has_the_names_that_the_recipes_use(float_core):
    signatures = Interpreter(model_path=str(float_core)).get_signature_list()
    assert signatures == {"serving_default": {"inputs": ["image"], "outputs": ["heads"]}}


@pytest.mark.parametrize("name", ALONE)
def test_each_variant_stores_and_computes_what_it_promises(made, name):
    facts, variant = read_facts(made[name]), get_variant(name)
    assert facts.storage_dtype == variant.storage_dtype
    assert facts.compute_dtype == variant.compute_dtype
    assert facts.weights == {variant.storage_dtype: WEIGHTS}
    assert require_promised(made[name], variant) == facts


def test_kernels_are_read_from_the_file(made):
    facts = {name: read_facts(file) for name, file in made.items()}
    assert facts["float32"].kernels == {"CONV_2D float32/float32": 2}
    assert facts["float16"].kernels == {"CONV_2D float32/float32": 2}
    assert facts["float16"].operators["DEQUANTIZE"] == 2
    assert facts["int8-dynamic"].kernels == {"CONV_2D float32/int8": 2}
    assert facts["int8"].kernels == {"CONV_2D int8/int8": 2}
    assert {name: f.per_channel for name, f in facts.items()} == {
        "float32": False, "float16": False, "int8-dynamic": True, "int8": True,
    }  # fmt: skip


def test_the_interpreter_sees_the_same_dtypes(made):
    assert set(tensor_dtypes(made["float32"])) == {"float32"}
    assert tensor_dtypes(made["float16"]).count("float16") == 2
    assert tensor_dtypes(made["int8-dynamic"]).count("int8") == 2
    # Weights, quantized input, hidden layer and quantized output; float input and output remain.
    assert tensor_dtypes(made["int8"]).count("int8") == 5
    assert tensor_dtypes(made["int8"]).count("float32") == 2


def test_files_shrink_with_their_weights(made):
    sizes = {name: file.stat().st_size for name, file in made.items()}
    saved = sizes["float32"] - sizes["float16"]
    assert saved == pytest.approx(2 * WEIGHTS, rel=0.2)
    assert sizes["float32"] - sizes["int8-dynamic"] == pytest.approx(3 * WEIGHTS, rel=0.2)
    assert sizes["int8"] < 0.5 * sizes["float32"]


@pytest.mark.parametrize("name", ALONE)
def test_every_variant_takes_and_gives_float_and_computes_nearly_the_same(made, name):
    core, base = Core(made[name]), Core(made["float32"])
    assert core.input_dtype == np.float32
    assert core.input_shape == (1, SIZE, SIZE, 3)
    for image in tiny_images(8):
        expected, got = base(image)["heads"], core(image)["heads"]
        assert got.dtype == np.float32
        # Calibration averages the photos' ranges, so int8 clips the few values beyond the average range.
        gap = np.abs(got - expected) / np.abs(expected).max()
        assert np.quantile(gap, 0.95) < 0.02
        assert gap.max() < (0.25 if name == "int8" else 0.02)
    if name.startswith("int8"):
        assert not np.array_equal(got, expected)


def test_the_float32_core_computes_what_tensorflow_does(made):
    image = tiny_images()[0]
    converted = Core(made["float32"])(image)["heads"]
    graph = Interpreter(model_path=str(made["float32"]), experimental_preserve_all_tensors=True)
    graph.allocate_tensors()
    by_shape = {tuple(d["shape"]): graph.get_tensor(d["index"]) for d in graph.get_tensor_details()}
    first, second = by_shape[(CHANNELS, 3, 3, 3)], by_shape[(8, 3, 3, CHANNELS)]
    hidden = tf.nn.relu(tf.nn.conv2d(image, np.transpose(first, (1, 2, 3, 0)), 2, "SAME"))
    expected = tf.nn.conv2d(hidden, np.transpose(second, (1, 2, 3, 0)), 2, "SAME").numpy()
    np.testing.assert_allclose(converted, expected, rtol=1e-4, atol=1e-3)


def test_the_baseline_is_the_file_itself(float_core, made):
    assert made["float32"].read_bytes() == float_core.read_bytes()


def test_calibration_decides_int8s_ranges(float_core, made, tmp_path):
    narrow = tmp_path / "narrow.tflite"
    quantize_file(float_core, get_variant("int8"), 0.05 * tiny_images(8), narrow)
    image = tiny_images()[0]
    expected = Core(float_core)(image)["heads"]
    gap = {path: np.abs(Core(path)(image)["heads"] - expected).max() for path in (narrow, made["int8"])}
    assert gap[narrow] > 5 * gap[made["int8"]]


def test_int8_without_calibration_photos_is_refused(float_core, tmp_path):
    with pytest.raises(LabError, match="no calibration photos") as caught:
        quantize_file(float_core, get_variant("int8"), [], tmp_path / "x.tflite")
    assert "calibration_images" in caught.value.cure
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("recipe", "promised"),
    [("int8-dynamic", "int8"), ("none", "float16"), ("float16", "float32"), ("int8", "int8-dynamic")],
)
def test_a_recipe_that_makes_another_dtype_than_promised_is_refused(float_core, tmp_path, recipe, promised):
    wrong = dataclasses.replace(get_variant(promised), recipe=recipe)
    with pytest.raises(LabError) as caught:
        quantize_file(float_core, wrong, tiny_images(), tmp_path / "x.tflite")
    made = next(v for v in ALONE.values() if v.recipe == recipe)
    assert f"stores {made.storage_dtype} and computes in {made.compute_dtype}" in caught.value.found
    assert repr(promised) in caught.value.expected


def test_an_unknown_recipe_is_refused(float_core, tmp_path):
    wrong = dataclasses.replace(get_variant("int8"), recipe="int3")
    with pytest.raises(LabError, match="recipe 'int3'"):
        quantize_file(float_core, wrong, [], tmp_path / "x.tflite")


@pytest.mark.parametrize("content", [b"", b"hello, this is text", bytes(100)])
def test_a_file_that_is_not_tflite_is_refused(tmp_path, content):
    (tmp_path / "x.tflite").write_bytes(content)
    with pytest.raises(LabError, match=r"not a \.tflite file"):
        read_facts(tmp_path / "x.tflite")


def test_a_file_without_convolutions_is_described_by_what_it_has(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec((1, 4))], autograph=False)
    def double(image):
        return {"heads": image + image}

    converter = tf.lite.TFLiteConverter.from_concrete_functions([double.get_concrete_function()])
    (tmp_path / "x.tflite").write_bytes(converter.convert())
    facts = read_facts(tmp_path / "x.tflite")
    assert (facts.storage_dtype, facts.compute_dtype, facts.kernels) == ("float32", "float32", {})
    assert facts.operators == {"ADD": 1}


def test_a_missing_core_names_the_notebook_that_makes_it(tmp_path):
    with pytest.raises(LabError, match="does not exist") as caught:
        Core(tmp_path / "x.tflite")
    assert "02_quantize" in caught.value.cure


@pytest.mark.parametrize("share", [0, 0.002, 0.3])
def test_a_truncated_core_is_refused(float_core, tmp_path, share):
    content = float_core.read_bytes()
    (tmp_path / "x.tflite").write_bytes(content[: int(share * len(content))])
    with pytest.raises(LabError, match="cannot be loaded") as caught:
        Core(tmp_path / "x.tflite")
    assert "02_quantize" in caught.value.cure


def test_outputs_are_named_and_are_copies(made):
    core = Core(made["float32"])
    first = core(tiny_images()[0])
    kept = {name: values.copy() for name, values in first.items()}
    second = core(tiny_images()[1])
    assert list(first) == ["heads"]
    np.testing.assert_array_equal(first["heads"], kept["heads"])
    assert not np.array_equal(first["heads"], second["heads"])


def test_threads_do_not_change_the_answer(made):
    image = tiny_images()[0]
    np.testing.assert_allclose(
        Core(made["float32"], threads=2)(image)["heads"], Core(made["float32"])(image)["heads"], rtol=1e-5
    )


def test_int8s_ranges_do_not_depend_on_the_order_of_the_photos(float_core, tmp_path):
    images = [image * scale for image, scale in zip(tiny_images(4), (0.1, 1.0, 0.3, 3.0), strict=True)]
    files = [tmp_path / "forwards.tflite", tmp_path / "backwards.tflite"]
    for path, order in zip(files, (images, images[::-1]), strict=True):
        quantize_file(float_core, get_variant("int8"), order, path)
    assert files[0].read_bytes() == files[1].read_bytes()
