"""The one reader of ``.tflite`` files: opens one, and says what it really holds."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from helpers.lab.errors import LabError
from helpers.runtimes.file_facts import FileFacts, most
from helpers.runtimes.litert.graph import Graph, Operator, Tensor, count_types
from helpers.runtimes.litert.half import ASKS_FOR_HALF

MARK = b"TFL3"
MADE_ANEW = "run 02_quantize.ipynb again."
_CUSTOM = schema.BuiltinOperator.CUSTOM


def names_of(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


# The one word for each dtype: LiteRT's own, in small letters.
DTYPES = {value: name.lower() for value, name in names_of(schema.TensorType).items()}
OPERATORS = names_of(schema.BuiltinOperator)


@contextlib.contextmanager
def damage_told(path: Path, cure: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # offsets of a damaged file point anywhere: any error can follow
        raise LabError(f"{path} is damaged: {error!r}.", "a whole .tflite file", cure) from error


def read_model(path: Path, cure: str = MADE_ANEW) -> schema.ModelT:
    """The flatbuffer as objects.

    Raises:
        LabError: it is absent, no ``.tflite`` file, or damaged; ``cure``: what its user can do then.
    """
    if not path.is_file():
        raise LabError(f"{path} does not exist.", "a .tflite file", cure)
    content = path.read_bytes()
    if content[4:8] != MARK:
        raise LabError(f"{path} is not a .tflite file.", "a flatbuffer of LiteRT", cure)
    with damage_told(path, cure):
        return schema.ModelT.InitFromPackedBuf(content, 0)


def read_graph(path: Path, cure: str = MADE_ANEW) -> Graph:
    """The file's main graph; raises ``LabError`` as ``read_model``."""
    model = read_model(path, cure)
    with damage_told(path, cure):
        return graph_of(model, path.stat().st_size)


def graph_of(model: schema.ModelT, file_bytes: int) -> Graph:
    stored, names = model.subgraphs[0], signature_names(model)
    entries = enumerate(stored.tensors)
    tensors = [tensor_of(model, index, tensor, names.get(index, "")) for index, tensor in entries]
    metadata = {as_text(item.name): content_of(model, item.buffer) for item in model.metadata or ()}
    half, items = ASKS_FOR_HALF in metadata, enumerate(stored.operators)
    operators = (operator_of(model, index, item, tensors, half) for index, item in items)
    return Graph(
        tensors=tuple(tensors),
        operators=tuple(operators),
        inputs=picked(tensors, stored.inputs),
        outputs=picked(tensors, stored.outputs),
        signatures=tuple((as_text(s.signatureKey), s.subgraphIndex) for s in model.signatureDefs or ()),
        metadata=metadata,
        file_bytes=file_bytes,
    )


def signature_names(model: schema.ModelT) -> dict[int, str]:
    """Tensor -> its name as an input or output in the main graph's first signature; empty without one."""
    signatures = (item for item in model.signatureDefs or () if not item.subgraphIndex)
    first = next(signatures, None)
    ends = [*(first.inputs or ()), *(first.outputs or ())] if first else []
    return {item.tensorIndex: as_text(item.name) for item in ends}


def tensor_of(model: schema.ModelT, index: int, tensor: schema.TensorT, signature_name: str) -> Tensor:
    scaled = tensor.quantization or schema.QuantizationParametersT()
    return Tensor(
        index=index,
        name=as_text(tensor.name),
        shape=integers(tensor.shape),
        dtype=DTYPES[tensor.type],
        free=tuple(place for place, size in enumerate(integers(tensor.shapeSignature)) if size < 0),
        signature_name=signature_name,
        buffer=int(tensor.buffer),
        stored_bytes=buffer_bytes(model.buffers[tensor.buffer]),
        scales=() if scaled.scale is None else tuple(float(scale) for scale in scaled.scale),
        zero_points=integers(scaled.zeroPoint),
        axis=int(scaled.quantizedDimension),
    )


def buffer_bytes(buffer: schema.BufferT) -> int:
    """Bytes of a buffer; ``size`` counts those that stand behind the flatbuffer (files over 2 GB)."""
    return int(buffer.size) if buffer.data is None else len(buffer.data)


def content_of(model: schema.ModelT, buffer: int) -> bytes:
    data = model.buffers[buffer].data
    return b"" if data is None else bytes(data)


def operator_of(
    model: schema.ModelT, index: int, item: schema.OperatorT, tensors: list[Tensor], half: bool = False
) -> Operator:
    name, custom = operator_name(model, item), operator_number(model, item) == _CUSTOM
    options = b"" if item.customOptions is None else bytes(item.customOptions)
    inputs, outputs = picked(tensors, item.inputs), picked(tensors, item.outputs)
    return Operator(index, name, inputs, outputs, custom, options, half)


def operator_name(model: schema.ModelT, item: schema.OperatorT) -> str:
    """The built-in's name, or that of a custom operator."""
    number = operator_number(model, item)
    return (
        as_text(model.operatorCodes[item.opcodeIndex].customCode) if number == _CUSTOM else OPERATORS[number]
    )


def operator_number(model: schema.ModelT, item: schema.OperatorT) -> int:
    code = model.operatorCodes[item.opcodeIndex]
    # Files written before 2021 have the operator in the older field alone.
    return max(code.builtinCode, code.deprecatedBuiltinCode)


def picked(tensors: list[Tensor], numbers: Iterable[int] | None) -> tuple[Tensor, ...]:
    """The tensors of these numbers; below 0 stands for one that is absent."""
    return tuple(tensors[number] for number in integers(numbers) if number >= 0)


def integers(values: Iterable[Any] | None) -> tuple[int, ...]:
    return () if values is None else tuple(int(value) for value in values)


def as_text(name: bytes | str | None) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name or ""


def read_facts(path: Path) -> FileFacts:
    """Storage and compute dtypes of a file; raises ``LabError`` as ``read_model``."""
    graph = read_graph(path)
    if not graph.convolutions:
        return facts_without_convolutions(graph)
    stored, computed, kernels = Counter(), Counter(), Counter()
    for operator in graph.convolutions:
        tensor = graph.as_stored(operator.weights)
        stored[tensor.dtype] += tensor.elements
        computed[operator.compute_dtype] += tensor.elements
        kernels[f"{operator.type} {operator.image.dtype}/{operator.weights.dtype}"] += 1
    eight_bit = [operator for operator in graph.convolutions if operator.weights.dtype == "int8"]
    return FileFacts(
        storage_dtype=most(stored),
        compute_dtype=most(computed),
        weights=dict(stored),
        kernels=dict(kernels),
        operators=count_types(graph.operators),
        per_channel=bool(eight_bit) and all(len(op.weights.scales) == op.channels for op in eight_bit),
    )


def facts_without_convolutions(graph: Graph) -> FileFacts:
    """Of a file of attention and products alone, say: dtypes by the count of constants and of results."""
    constants: Counter[str] = Counter()
    for tensor in graph.tensors:
        if tensor.constant:
            constants[tensor.dtype] += tensor.elements
    results = Counter(tensor.dtype for operator in graph.operators for tensor in operator.outputs)
    computed = most(results, "float32")
    return FileFacts(
        most(constants, computed), computed, dict(constants), {}, count_types(graph.operators), False
    )
