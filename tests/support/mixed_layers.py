"""A small Keras network of every convolution, in each form that the AI Edge Quantizer can write."""

import contextlib
import functools
import io
import os
from pathlib import Path

import numpy as np
from ai_edge_quantizer import qtyping, recipe_manager

from helpers.lab.quietly import stderr_muted
from helpers.quantize.recipes.edge_quantizer import apply_recipe
from helpers.quantize.recipes.float16 import HALF_WEIGHTS

SHAPE = (1, 8, 8, 3)
PER_TENSOR = qtyping.QuantGranularity.TENSORWISE


def steps(kind: str, **settings) -> list[dict]:
    """A recipe for every operator: ``kind`` is dynamic, static or weight_only."""
    manager = recipe_manager.RecipeManager()
    add = getattr(manager, f"add_{kind}_config")
    add(regex=".*", operation_name=qtyping.TFLOperationName.ALL_SUPPORTED, **settings)
    return manager.get_quantization_recipe()


# Form -> recipe, and dtypes that the file must have: storage, compute.
FORMS = {
    "float32": ([], "float32", "float32"),
    "float16": (HALF_WEIGHTS, "float16", "float32"),
    "int8-dynamic": (steps("dynamic", num_bits=8), "int8", "int8-dynamic"),
    "int8-dynamic, one scale": (
        steps("dynamic", num_bits=8, granularity=PER_TENSOR), "int8", "int8-dynamic"
    ),
    "int8": (steps("static", activation_num_bits=8, weight_num_bits=8), "int8", "int8"),
    "int8, one scale": (
        steps("static", activation_num_bits=8, weight_num_bits=8, weight_granularity=PER_TENSOR),
        "int8", "int8",
    ),
    "int8 weights alone": (steps("weight_only", num_bits=8), "int8", "float32"),
    "int4 weights alone": (steps("weight_only", num_bits=4), "int4", "float32"),
    "int16x8": (steps("static", activation_num_bits=16, weight_num_bits=8), "int8", "int16x8"),
    "int4-dynamic": (steps("dynamic", num_bits=4), "int4", "int4-dynamic"),
    "int8x4": (steps("static", activation_num_bits=8, weight_num_bits=4), "int4", "int8x4"),
    "int16x4": (steps("static", activation_num_bits=16, weight_num_bits=4), "int4", "int16x4"),
    "int2-dynamic": (steps("dynamic", num_bits=2), "int2", "int2-dynamic"),
}  # fmt: skip

# Those whose activations are integers in the file: their ranges are measured on photos.
CALIBRATED = ("int8", "int16x8", "int8x4", "int16x4")


@functools.cache
def float_bytes() -> bytes:
    """Convolution, depthwise, transposed, and two fully connected layers: ``image`` to ``heads``."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with contextlib.redirect_stderr(io.StringIO()):
        import tensorflow as tf
    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(0)
    image = tf.keras.Input(SHAPE[1:], batch_size=1, name="image")
    values = layers.Conv2DTranspose(4, 2)(layers.DepthwiseConv2D(3)(layers.Conv2D(8, 3)(image)))
    values = layers.Dense(32)(layers.Dense(64)(layers.Flatten()(values)))
    network = tf.keras.Model(image, {"heads": values})
    with contextlib.redirect_stdout(io.StringIO()), stderr_muted():
        return tf.lite.TFLiteConverter.from_keras_model(network).convert()


def write_form(form: str, folder: Path) -> Path:
    (recipe, _, computed), path = FORMS[form], folder / "made.tflite"
    path.write_bytes(float_bytes())
    if recipe:
        images = np.random.default_rng(0).uniform(-1, 1, (3, *SHAPE)).astype(np.float32)
        path.write_bytes(apply_recipe(path, recipe, images if computed in CALIBRATED else []))
    return path
