"""Small ``.tflite`` detectors, with and without ``TFLite_Detection_PostProcess``, for tests."""

import contextlib
import functools
import io
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from helpers.runtimes.litert.postprocess import NAME

# 8 * 7 * 3 values of the image are 24 candidates of 4 encodings and 3 scores.
HEIGHT, WIDTH, CANDIDATES, CLASSES = 8, 7, 24, 3
OPTIONS = {
    "max_detections": 5, "max_classes_per_detection": 1, "num_classes": 3, "nms_score_threshold": 0.2,
    "nms_iou_threshold": 0.5, "y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0,
}  # fmt: skip
CUSTOM = schema.BuiltinOperator.CUSTOM


@functools.cache
def heads_bytes(kind: str = "float32", sigmoid: bool = False, shape: tuple = (1, HEIGHT, WIDTH, 3)) -> bytes:
    """The image's own values as box encodings and scores; ``kind`` is the dtype of its ends."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with contextlib.redirect_stderr(io.StringIO()):
        import tensorflow as tf
    logging.getLogger("tensorflow").setLevel(logging.ERROR)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="image")], autograph=False)
    def detector(image):
        rows = tf.reshape(image, (1, -1, 4 + CLASSES))
        scores = rows[:, :, 4:]
        return {"first": tf.sigmoid(scores) if sigmoid else scores, "second": 1.0 * rows[:, :, :4]}

    module = tf.Module()
    module.detector = detector
    converter = tf.lite.TFLiteConverter.from_concrete_functions([detector.get_concrete_function()], module)
    if kind != "float32":
        ends = np.full((2, *shape), -1, np.float32) * np.reshape([1, -1], (2, 1, 1, 1, 1))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image.astype(np.float32)] for image in ends)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, kind)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return converter.convert()


def changed(content: bytes, change) -> bytes:
    """A file after ``change(model)`` of its unpacked flatbuffer."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def postprocessed_bytes(
    options: Mapping[str, Any] = OPTIONS,
    anchors: np.ndarray | None = None,
    order: Sequence[int] = (0, 1, 2, 3),
    name: str = NAME,
    old: bool = False,
) -> bytes:
    """``heads_bytes`` with the operator at its end.

    Args:
        order: of the operator's outputs among the file's; in the signature they are ``out_0``, ``out_1``, ...
        name: of the custom operator.
        old: written as before 2021: the operator in the older field alone, no signature.
    """
    return changed(heads_bytes(), lambda model: append_operator(model, options, anchors, order, name, old))


def append_operator(model, options, anchors, order, name, old) -> None:
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    named = {item.name.decode(): item.tensorIndex for item in signature.outputs}
    values = grid_anchors() if anchors is None else anchors
    stored = add_tensor(model, "anchors", values.shape, values.astype(np.float32).tobytes())
    made = [add_tensor(model, f"made{place}", (), b"") for place in range(4)]
    code = schema.OperatorCodeT()
    code.customCode, code.version, code.deprecatedBuiltinCode = name.encode(), 1, CUSTOM
    code.builtinCode = 0 if old else CUSTOM
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = [named["second"], named["first"], stored], made
    operator.customOptions = list(flexbuffers.Dumps(dict(options)))
    graph.operators.append(operator)
    graph.outputs = [made[place] for place in order]
    signature.outputs = [tensor_map(f"out_{place}", tensor) for place, tensor in enumerate(graph.outputs)]
    if old:
        model.signatureDefs = []


def add_tensor(model, name: str, shape: tuple, content: bytes) -> int:
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = list(content) or None
    model.buffers.append(buffer)
    tensor.name, tensor.shape, tensor.buffer = name.encode(), list(shape), len(model.buffers) - 1
    tensor.type = schema.TensorType.FLOAT32
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def tensor_map(name: str, tensor: int):
    item = schema.TensorMapT()
    item.name, item.tensorIndex = name.encode(), tensor
    return item


def grid_anchors() -> np.ndarray:
    """(cy, cx, h, w) of 24 boxes that overlap their neighbours."""
    cy, cx = np.meshgrid(np.linspace(0.1, 0.9, 4), np.linspace(0.1, 0.9, 6), indexing="ij")
    return np.stack([cy.ravel(), cx.ravel(), np.full(24, 0.4), np.full(24, 0.35)], 1).astype(np.float32)


def image_of(encodings: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The image whose values are these heads ``[24, 4]`` and ``[24, 3]``."""
    rows = np.concatenate([encodings, scores], 1).astype(np.float32)
    return rows.reshape(1, HEIGHT, WIDTH, 3)


def random_heads(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Encodings ``[24, 4]`` and scores ``[24, 3]`` in 0..1, all different."""
    encodings = generator.normal(0, 2, (CANDIDATES, 4)).astype(np.float32)
    scores = (generator.permutation(CANDIDATES * CLASSES) + 1) / (CANDIDATES * CLASSES + 1)
    return encodings, scores.reshape(CANDIDATES, CLASSES).astype(np.float32)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
