"""A small Keras model of every kind of layer with weights, and its ``.tflite`` file."""

import contextlib
import io

import keras
import numpy as np
import tensorflow as tf

SHAPE = (1, 16, 16, 4)


def built() -> keras.Model:
    """Every kind of layer with weights, one of them used twice; two outputs, one of them reshaped."""
    keras.utils.set_random_seed(0)
    layers, start = keras.layers, keras.Input(SHAPE[1:], batch_size=1)
    made = layers.Conv2D(8, 3, 2, "same", activation="relu", name="first")(start)
    made = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="deep")(made)
    middle = layers.Conv2D(16, 3, padding="same", groups=4, name="grouped")(made)
    wide = layers.Conv2DTranspose(8, 3, 2, "same", name="up")(middle)
    shared = layers.Conv2D(8, 1, name="shared")
    head = layers.Conv2D(3, 1, name="head")(shared(layers.ReLU()(shared(wide))))
    vector = layers.Dense(5, name="dense")(layers.Flatten()(middle))
    model = keras.Model(start, {"grid": layers.Reshape((-1, 3))(head), "vector": vector})
    generator = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([generator.normal(size=w.shape).astype(np.float32) for w in layer.get_weights()])
    return model


def converted(model: keras.Model) -> bytes:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return tf.lite.TFLiteConverter.from_keras_model(model).convert()
