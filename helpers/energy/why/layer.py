"""A ``.tflite`` file of one fully-connected layer, written without a converter."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_TYPES = {"float32": schema.TensorType.FLOAT32, "int8": schema.TensorType.INT8}


def fully_connected(dtype: str, rows: int, inputs: int, outputs: int) -> bytes:
    """A ``.tflite`` of one fully-connected layer: ``[rows, inputs]`` to ``[rows, outputs]``, random weights.

    Args:
        dtype: "float32"; "int8" (weights and activations, a scale per output); "int8-dynamic" (int8 weights,
            float32 activations).
    """
    generator, eight_bit = np.random.default_rng(0), dtype != "float32"
    activations = "float32" if dtype == "int8-dynamic" else dtype
    shape = (outputs, inputs)
    values = generator.integers(-127, 128, shape, np.int8) if eight_bit else generator.uniform(-1, 1, shape)
    scales = np.full(outputs, 0.01, np.float32)
    weights = values.astype(np.int8 if eight_bit else np.float32)
    activation_scale = np.array([0.05], np.float32) if activations == "int8" else None
    tensors = [
        tensor_of("input", (rows, inputs), activations, 0, activation_scale),
        tensor_of("weights", shape, "int8" if eight_bit else "float32", 1, scales if eight_bit else None),
        tensor_of("output", (rows, outputs), activations, 0, activation_scale),
    ]
    return packed(tensors, [np.zeros(0, np.uint8), weights])


def tensor_of(
    name: str, shape: tuple[int, ...], dtype: str, buffer: int, scales: np.ndarray | None
) -> schema.TensorT:
    """A tensor of a file; with ``scales`` (float32, one, or one per row) symmetrically quantized."""
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type = name, np.array(shape, np.int32), _TYPES[dtype]
    tensor.buffer, tensor.hasRank = buffer, True
    if scales is not None:
        quantization = schema.QuantizationParametersT()
        quantization.scale, quantization.zeroPoint = scales, np.zeros(len(scales), np.int64)
        tensor.quantization = quantization
    return tensor


def packed(tensors: list[schema.TensorT], buffers: list[np.ndarray]) -> bytes:
    """A flatbuffer of one FULLY_CONNECTED: tensors input, weights, output; ``buffers``: what they hold."""
    operator, code = schema.OperatorT(), schema.OperatorCodeT()
    graph, model = schema.SubGraphT(), schema.ModelT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 12  # knows a scale per output channel
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, index_list(0, 1, -1), index_list(2)
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    graph.tensors, graph.operators = tensors, [operator]
    graph.inputs, graph.outputs = index_list(0), index_list(2)
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [buffer_of(values) for values in buffers]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def index_list(*indexes: int) -> np.ndarray:
    """As the flatbuffer needs it: int32; -1 is an absent tensor."""
    return np.array(indexes, np.int32)


def buffer_of(values: np.ndarray) -> schema.BufferT:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8) if values.size else None
    return buffer
