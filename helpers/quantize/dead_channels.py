"""Output channels without weights, whose bias static quantization would lose."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

# Axis of the output channels in the weights, and the place of the bias among the inputs.
CHANNEL_AXES = {
    schema.BuiltinOperator.CONV_2D: (0, 2),
    schema.BuiltinOperator.FULLY_CONNECTED: (0, 2),
    schema.BuiltinOperator.DEPTHWISE_CONV_2D: (3, 2),
    schema.BuiltinOperator.TRANSPOSE_CONV: (0, 3),  # after output shape, weights and image
}
WEIGHTS = 1
# A bias is stored in steps of (input's scale) x (weights' scale of its channel): int32 holds it where the
# largest weight is at least this share of it, for any input's scale down to 0.0006.
LEAST_SHARE = 1e-4


def revive(content: bytes) -> bytes:
    """A float32 ``.tflite`` in which every channel that has a bias has a weight in proportion to it.

    Detectors have such channels where an anchor never met an object in training. All their weights are 0, so
    their scale is 0 too, their bias cannot be stored in int8's steps, and the channel answers 0: a score of
    0.5 after the sigmoid. The weight that is set changes the channel by less than int8 rounds.
    """
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    changed = [revive_one(model, graph, op) for graph in model.subgraphs for op in graph.operators]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model)) if any(changed) else content


def revive_one(model: schema.ModelT, graph: schema.SubGraphT, operator: schema.OperatorT) -> bool:
    """Whether a channel of the operator was changed."""
    axis, place = CHANNEL_AXES.get(model.operatorCodes[operator.opcodeIndex].builtinCode, (None, 0))
    if axis is None or len(operator.inputs) <= place or operator.inputs[place] < 0:
        return False
    weights, bias = (floats(model, graph.tensors[operator.inputs[number]]) for number in (WEIGHTS, place))
    if weights is None or bias is None:
        return False
    channels = np.moveaxis(weights, axis, 0).reshape(len(bias), -1).copy()
    dead = np.abs(channels).max(1) < LEAST_SHARE * np.abs(bias)
    if dead.any():
        channels[dead, 0] = LEAST_SHARE * np.abs(bias[dead])
        shape = np.moveaxis(weights, axis, 0).shape
        whole = np.ascontiguousarray(np.moveaxis(channels.reshape(shape), 0, axis))
        model.buffers[graph.tensors[operator.inputs[WEIGHTS]].buffer].data = whole.view(np.uint8).ravel()
    return bool(dead.any())


def floats(model: schema.ModelT, tensor: schema.TensorT) -> np.ndarray | None:
    """A float32 constant; ``None`` for anything else."""
    data = model.buffers[tensor.buffer].data
    if tensor.type != schema.TensorType.FLOAT32 or data is None:
        return None
    return np.frombuffer(bytes(data), np.float32).reshape(tensor.shape)
