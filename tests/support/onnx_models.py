"""Small ``.onnx`` cores, and the like of each in other runtimes."""

from pathlib import Path

import numpy as np

SIZE = 32
NODES = ("dense", "depthwise", "narrow", "wide")
# Weights of the four convolutions.
WEIGHTS = 8 * 3 * 3 * 3 + 8 * 3 * 3 + 16 * 8 + 16 * 16


def stack_model(opset: int = 17, free: bool = False, swish: bool = False):
    """[1, 3, 32, 32] -> 3x3 stride 2, 8 channels -> depthwise 3x3 -> 1x1 to 16 -> 1x1 to 16: ``heads``.

    Args:
        free: the batch has no size in the file.
        swish: between the convolutions, in place of ReLU.
    """
    from onnx import TensorProto, helper, numpy_helper

    generator = np.random.default_rng(0)
    shapes = {
        "dense": (8, 3, 3, 3),
        "depthwise": (8, 1, 3, 3),
        "narrow": (16, 8, 1, 1),
        "wide": (16, 16, 1, 1),
    }
    constants = [
        numpy_helper.from_array(generator.normal(size=shape).astype(np.float32) / 3, f"{name}_weights")
        for name, shape in shapes.items()
    ]
    options = {
        "dense": {"strides": [2, 2], "pads": [1, 1, 1, 1]},
        "depthwise": {"group": 8, "pads": [1, 1, 1, 1]},
    }
    nodes, at = [], "image"
    for name in NODES:
        made = "heads" if name == "wide" else f"{name}_made"
        settings = options.get(name, {})
        nodes.append(helper.make_node("Conv", [at, f"{name}_weights"], [made], name, **settings))
        at = f"{name}_active"
        if swish:
            nodes.append(helper.make_node("Sigmoid", [made], [f"{name}_gate"], f"{name}_gate"))
            nodes.append(helper.make_node("Mul", [made, f"{name}_gate"], [at], at))
        else:
            nodes.append(helper.make_node("Relu", [made], [at], at))
    del nodes[-2 if swish else -1 :]
    batch = "batch" if free else 1
    graph = helper.make_graph(
        nodes,
        "stack",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("heads", TensorProto.FLOAT, [batch, 16, SIZE // 2, SIZE // 2])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def stack_onnx(path: Path, **settings) -> Path:
    path.write_bytes(stack_model(**settings).SerializeToString())
    return path


def stack_photos(count: int) -> list[np.ndarray]:
    """Inputs of the stack: float32 ``[1, 3, 32, 32]`` in -1..1."""
    generator = np.random.default_rng(1)
    return list(generator.uniform(-1, 1, (count, 1, 3, SIZE, SIZE)).astype(np.float32))
