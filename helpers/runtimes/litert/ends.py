"""The main graph of a ``.tflite`` file: its ends by the names that LiteRT gives them, and its operators."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ai_edge_litert import schema_py_generated as schema

from helpers.lab.errors import LabError
from helpers.runtimes.litert.flatfile import OPERATORS, TENSOR_TYPES
from helpers.runtimes.litert.metadata import as_text

MARK = b"TFL3"
CUSTOM = schema.BuiltinOperator.CUSTOM
CURE = "give the path of a .tflite file, exported or downloaded anew if it is damaged."


@dataclass(frozen=True)
class End:
    """An input or output.

    Attributes:
        name: in the signature; without one, the tensor's own.
        tensor: its number in the graph.
        shape: as stored; () where the operator says it only when it runs.
        free: places of the shape that the file leaves open.
        dtype: as stored.
        scale, zero_point: of its integers; scale 0 where it has none.
    """

    name: str
    tensor: int
    shape: tuple[int, ...]
    free: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True)
class Operator:
    """``type``: the built-in's name, or that of a custom operator; ``options``: a custom operator's."""

    type: str
    custom: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: bytes


@dataclass(frozen=True)
class Graph:
    """The main graph of a file, in the order of execution."""

    model: schema.ModelT
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    operators: tuple[Operator, ...]

    @cached_property
    def makers(self) -> dict[int, Operator]:
        """Tensor -> the operator that makes it."""
        return {tensor: operator for operator in self.operators for tensor in operator.outputs}


def open_graph(path: Path) -> Graph:
    """Read a file.

    Raises:
        LabError: it is absent, no ``.tflite`` file, damaged, or has several signatures.
    """
    if not path.is_file():
        raise LabError(f"{path} does not exist.", "a .tflite file", CURE)
    content = path.read_bytes()
    if content[4:8] != MARK:
        raise LabError(f"{path} is not a .tflite file.", "a flatbuffer of LiteRT", CURE)
    try:
        return unpack(path, content)
    except LabError:
        raise
    except Exception as error:  # offsets of a damaged file point anywhere: any error can follow
        raise LabError(f"{path} is damaged: {error!r}.", "a whole .tflite file", CURE) from error


def unpack(path: Path, content: bytes) -> Graph:
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph, names = model.subgraphs[0], signature_names(path, model)
    return Graph(
        model,
        tuple(end(graph, tensor, names[0]) for tensor in graph.inputs),
        tuple(end(graph, tensor, names[1]) for tensor in graph.outputs),
        tuple(operator(model, item) for item in graph.operators),
    )


def signature_names(path: Path, model: schema.ModelT) -> tuple[dict[int, str], dict[int, str]]:
    """Names in the signature of inputs and outputs, by tensor; empty where there is no signature."""
    signatures = model.signatureDefs or []
    if not signatures:
        return {}, {}
    if len(signatures) > 1 or signatures[0].subgraphIndex:
        keys = ", ".join(as_text(item.signatureKey) for item in signatures)
        raise LabError(
            f"{path} has several signatures ({keys}).", "one", "export the detection function alone."
        )
    ends = signatures[0].inputs or [], signatures[0].outputs or []
    inputs, outputs = ({item.tensorIndex: as_text(item.name) for item in side} for side in ends)
    return inputs, outputs


def end(graph: schema.SubGraphT, tensor: int, names: dict[int, str]) -> End:
    stored = graph.tensors[tensor]
    shape, signature = numbers(stored.shape), numbers(stored.shapeSignature)
    free = tuple(place for place, size in enumerate(signature) if size < 0)
    name = names.get(tensor) or as_text(stored.name)
    facts = stored.quantization
    if facts is None or facts.scale is None or len(facts.scale) != 1:
        return End(name, int(tensor), shape, free, TENSOR_TYPES[stored.type].lower())
    scale, zero = float(facts.scale[0]), 0 if facts.zeroPoint is None else int(facts.zeroPoint[0])
    return End(name, int(tensor), shape, free, TENSOR_TYPES[stored.type].lower(), scale, zero)


def numbers(values) -> tuple[int, ...]:
    return () if values is None else tuple(int(value) for value in values)


def operator(model: schema.ModelT, item: schema.OperatorT) -> Operator:
    code = model.operatorCodes[item.opcodeIndex]
    # Files written before 2021 have the operator in the older field alone.
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    custom = number == CUSTOM
    name = as_text(code.customCode) if custom else OPERATORS[number]
    options = b"" if item.customOptions is None else bytes(item.customOptions)
    return Operator(name, custom, numbers(item.inputs), numbers(item.outputs), options)
