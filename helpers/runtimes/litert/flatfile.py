"""What a ``.tflite`` file really holds, read from the flatbuffer itself."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from helpers.lab.errors import LabError

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
WEIGHTS = 1
WHOLE = re.compile(r"u?int(\d+)")
INPUTS = {"TRANSPOSE_CONV": 2}  # place of the image among the inputs, where it is not the first


def names_of(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


TENSOR_TYPES = names_of(schema.TensorType)
OPERATORS = names_of(schema.BuiltinOperator)


@dataclass(frozen=True)
class FileFacts:
    """Facts read from a file.

    Attributes:
        storage_dtype: dtype in which most convolution weights (by count) are stored.
        compute_dtype: arithmetic in which most convolution weights are multiplied, as ``arithmetic`` has it.
        weights: weight dtype -> number of stored convolution weights.
        kernels: "OPERATOR input/weight" -> number of convolutions.
        operators: operator -> number.
        per_channel: whether every 8-bit convolution has one scale per output channel.
    """

    storage_dtype: str
    compute_dtype: str
    weights: dict[str, int]
    kernels: dict[str, int]
    operators: dict[str, int]
    per_channel: bool


@dataclass(frozen=True)
class Convolution:
    """One convolution: operator, dtype of its input, its weight as multiplied and as stored."""

    operator: str
    input_dtype: str
    multiplied_dtype: str
    stored_dtype: str
    weights: int
    scales: int
    channels: int

    @property
    def compute_dtype(self) -> str:
        return arithmetic(self.input_dtype, self.multiplied_dtype)


def arithmetic(activations: str, weights: str) -> str:
    """The one name of what a convolution multiplies, whoever reads it from the file.

    Args:
        activations: dtype of its input; ``weights``: of its weights as the kernel meets them.

    Returns:
        ``float32``; ``int8`` (both of 8 bits); ``int8-dynamic``, ``int4-dynamic`` (whole weights, float
        activations that the kernel quantizes on the fly); ``int16x8``, ``int8x4`` (bits of activations by
        bits of weights).
    """
    whole = WHOLE.fullmatch(weights)
    if activations == weights or not whole:
        return weights
    if activations.startswith("float"):
        return f"{weights}-dynamic"
    return f"{activations}x{whole[1]}"


def read_model(path: Path) -> schema.ModelT:
    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise LabError(
            f"{path} is not a .tflite file.", "a flatbuffer of LiteRT", "run 02_quantize.ipynb again."
        )
    return schema.ModelT.InitFromPackedBuf(content, 0)


def read_facts(path: Path) -> FileFacts:
    """Read storage and compute dtypes of a file.

    Raises:
        LabError: it is not a ``.tflite`` file.
    """
    model = read_model(path)
    graph = model.subgraphs[0]
    convolutions = find_convolutions(model, graph)
    if not convolutions:
        return facts_without_convolutions(model, graph)
    stored, computed = Counter(), Counter()
    for item in convolutions:
        stored[item.stored_dtype] += item.weights
        computed[item.compute_dtype] += item.weights
    kernels = Counter(f"{c.operator} {c.input_dtype}/{c.multiplied_dtype}" for c in convolutions)
    eight_bit = [c for c in convolutions if c.multiplied_dtype == "int8"]
    return FileFacts(
        storage_dtype=stored.most_common(1)[0][0],
        compute_dtype=computed.most_common(1)[0][0],
        weights=dict(stored),
        kernels=dict(kernels),
        operators=dict(Counter(operator_name(model, op) for op in graph.operators)),
        per_channel=bool(eight_bit) and all(c.scales == c.channels for c in eight_bit),
    )


def facts_without_convolutions(model: schema.ModelT, graph: schema.SubGraphT) -> FileFacts:
    """Of a file of attention and products alone, say: dtypes by the count of constants and of results."""
    constants, results = Counter(), Counter()
    for tensor in graph.tensors:
        if model.buffers[tensor.buffer].data is not None:
            constants[TENSOR_TYPES[tensor.type].lower()] += int(np.prod(tensor.shape))
    for operator in graph.operators:
        results.update(TENSOR_TYPES[graph.tensors[place].type].lower() for place in operator.outputs)
    computed = results.most_common(1)[0][0] if results else "float32"
    names = Counter(operator_name(model, op) for op in graph.operators)
    stored = constants.most_common(1)[0][0] if constants else computed
    return FileFacts(stored, computed, dict(constants), {}, dict(names), False)


def operator_name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    # Files written before 2021 have the operator in the older field alone.
    return OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]


def find_convolutions(model: schema.ModelT, graph: schema.SubGraphT) -> list[Convolution]:
    widened = {
        op.outputs[0]: op.inputs[0] for op in graph.operators if operator_name(model, op) == "DEQUANTIZE"
    }
    found = []
    for operator in graph.operators:
        name = operator_name(model, operator)
        if name in CONVOLUTIONS:
            weight = operator.inputs[WEIGHTS]
            stored = graph.tensors[widened.get(weight, weight)]
            image = graph.tensors[operator.inputs[INPUTS.get(name, 0)]]
            found.append(describe(name, image, graph.tensors[weight], stored))
    return found


def describe(name: str, image, weight, stored) -> Convolution:
    scale = getattr(weight.quantization, "scale", None)
    # Depthwise weights are [1, h, w, channels], all others have the output channels first.
    channels = stored.shape[-1] if name == "DEPTHWISE_CONV_2D" else stored.shape[0]
    return Convolution(
        operator=name,
        input_dtype=TENSOR_TYPES[image.type].lower(),
        multiplied_dtype=TENSOR_TYPES[weight.type].lower(),
        stored_dtype=TENSOR_TYPES[stored.type].lower(),
        weights=int(np.prod(stored.shape)),
        scales=0 if scale is None else len(scale),
        channels=int(channels),
    )
