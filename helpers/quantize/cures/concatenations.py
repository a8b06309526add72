"""Concatenations of tensors of different sizes: one grid for all of them leaves the small ones no levels.

Where scales can run through a concatenation, equalization makes its inputs alike. Where they cannot (behind a
sigmoid, a ReLU6, a SiLU), a depthwise layer of one weight for each channel is put between, and takes them up.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from helpers.quantize.cures.kernels import COPIES, data_inputs
from helpers.quantize.cures.plan import Plan, Range
from helpers.quantize.trained.constants import whole_model
from helpers.runtimes.litert.graph import Graph, Operator, Tensor
from helpers.runtimes.litert.operator_kinds import CONVOLUTIONS
from helpers.runtimes.litert.reader import graph_of

LEAST_RATIO = 1.5  # of ranges that make a difference
NAME = b"_rescaled"


def uneven(graph: Graph, plan: Plan) -> list[Operator]:
    """Concatenations of which one input's range is much wider than another's, the most uneven first."""
    found = {}
    for operator in graph.operators:
        ranges = [plan.ranges[t.name] for t in data_inputs(operator) if t.name in plan.ranges]
        if operator.type == "CONCATENATION" and len(ranges) > 1:
            found[operator.index] = unevenness(ranges)
    order = sorted(found, key=lambda index: -found[index])
    return [graph.operators[index] for index in order if found[index] > LEAST_RATIO]


def unevenness(ranges: list[Range]) -> float:
    """The widest over the narrowest."""
    widths = [each.high - each.low for each in ranges if each.high > each.low]
    return max(widths) / min(widths) if widths else 1.0


def ends_in_outputs(graph: Graph, operator: Operator) -> list[Operator]:
    """The operator and the copies behind it, where they lead to outputs of the graph alone; else nothing."""
    ends, found, waiting = {tensor.index for tensor in graph.outputs}, [operator], list(operator.outputs)
    while waiting:
        tensor = waiting.pop()
        users = graph.users[tensor.index]
        if any(user.type not in COPIES for user in users) or not (users or tensor.index in ends):
            return []
        found += users
        waiting += [made for user in users for made in user.outputs]
    return found


def can_be_rescaled(graph: Graph, model: schema.ModelT, operator: Operator) -> bool:
    """Whether it joins channels of maps, which layers of weights alone read."""
    [made] = operator.outputs
    axis = model.subgraphs[0].operators[operator.index].builtinOptions.axis % max(len(made.shape), 1)
    users = graph.users[made.index]
    return len(made.shape) == 4 and axis == 3 and bool(users) and all(u.type in CONVOLUTIONS for u in users)


def with_scalers(content: bytes, names: frozenset[str]) -> bytes:
    """The float32 file with a depthwise layer of ones before each input of these concatenations.

    It answers the same, and its channels can be scaled there.
    """
    model = whole_model(content)
    graph, stored = graph_of(model, len(content)), model.subgraphs[0]
    operators = []
    for operator in graph.operators:
        item = stored.operators[operator.index]
        if operator.outputs[0].name in names:
            changing = [tensor for tensor in operator.inputs if not tensor.constant]
            scalers = {tensor.index: scaler(model, tensor) for tensor in changing}
            operators += scalers.values()
            inputs = [int(scalers[n].outputs[0]) if n in scalers else n for n in map(int, item.inputs)]
            item.inputs = np.array(inputs, np.int32)
        operators.append(item)
    stored.operators = operators
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def scaler(model: schema.ModelT, tensor: Tensor) -> schema.OperatorT:
    """A depthwise convolution of 1 x 1 whose weights are 1 and whose biases are 0, and its tensors."""
    channels, source = tensor.shape[-1], model.subgraphs[0].tensors[tensor.index]
    ones, zeros = np.ones((1, 1, 1, channels), np.float32), np.zeros(channels, np.float32)
    places = [constant(model, source.name + NAME + b"_weights", ones)]
    places.append(constant(model, source.name + NAME + b"_bias", zeros))
    made = schema.TensorT()
    made.name, made.type, made.shape = source.name + NAME, source.type, source.shape
    made.shapeSignature, made.hasRank = source.shapeSignature, source.hasRank
    model.subgraphs[0].tensors.append(made)
    operator, options = schema.OperatorT(), schema.DepthwiseConv2DOptionsT()
    options.padding, options.strideW, options.strideH = schema.Padding.VALID, 1, 1
    options.depthMultiplier, options.dilationWFactor, options.dilationHFactor = 1, 1, 1
    operator.builtinOptions = options
    operator.builtinOptionsType = schema.BuiltinOptions.DepthwiseConv2DOptions
    operator.opcodeIndex = depthwise_code(model)
    operator.inputs = np.array([tensor.index, *places], np.int32)
    operator.outputs = np.array([len(model.subgraphs[0].tensors) - 1], np.int32)
    return operator


def constant(model: schema.ModelT, name: bytes, values: np.ndarray) -> int:
    """Number of a new tensor with these float32 values."""
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = values.reshape(-1).view(np.uint8)
    model.buffers.append(buffer)
    tensor.name, tensor.type = name, schema.TensorType.FLOAT32
    tensor.shape, tensor.hasRank = np.array(values.shape, np.int32), True
    tensor.buffer = len(model.buffers) - 1
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def depthwise_code(model: schema.ModelT) -> int:
    """Index of the operator's code, added where it is not there."""
    builtin = schema.BuiltinOperator.DEPTHWISE_CONV_2D
    for place, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == builtin:
            return place
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
