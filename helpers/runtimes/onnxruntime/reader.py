"""What a ``.onnx`` file holds, and what ONNX Runtime makes of it on this machine."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from helpers.lab.intervals import Absent
from helpers.runtimes.file_facts import FileFacts, StoredBytes, most
from helpers.runtimes.onnxruntime.core import open_session
from helpers.runtimes.onnxruntime.graph import PER_CALL, WHOLE, OnnxGraph, Weights, dtype_of, read_onnx

NO_PLAN = "ONNX Runtime does not tell which activations share memory"
_CONSTANTS = ("Constant",)
_EIGHT_BIT = ("int8", "uint8")


def read_facts(path: Path) -> FileFacts:
    """Storage dtypes as they stand in the file, arithmetic as ONNX Runtime chooses it on this machine.

    Raises:
        LabError: as ``read_onnx``, or ONNX Runtime refuses the file.
    """
    graph, ran = OnnxGraph(read_onnx(path)), OnnxGraph(optimized(path, layouts=False))
    found = [weights for _, weights in graph.convolutions()]
    types = Counter(node.op_type for node in graph.nodes if node.op_type not in _CONSTANTS)
    if not found:
        return facts_without_convolutions(graph, dict(types))
    stored: Counter[str] = Counter()
    for weights in found:
        stored[weights.dtype] += weights.elements
    eight_bit = [weights for weights in found if weights.dtype in _EIGHT_BIT]
    return FileFacts(
        storage_dtype=eight_bits_as_one(most(stored)),
        compute_dtype=most(computed(ran), "float32"),
        weights=dict(stored),
        kernels=kernels(ran),
        operators=dict(types),
        per_channel=bool(eight_bit) and all(w.scales == channels_of(w) for w in eight_bit),
    )


def eight_bits_as_one(dtype: str) -> str:
    """8 bits are ``int8``, signed or not."""
    return "int8" if dtype in _EIGHT_BIT else dtype


def channels_of(weights: Weights) -> int:
    """Output channels: of convolutions ``[out, in, h, w]``, of products ``[in, out]``."""
    return weights.shape[0] if len(weights.shape) > 2 else weights.shape[-1]


def optimized(path: Path, layouts: bool) -> Any:
    """The graph that ONNX Runtime runs instead of the file's: fused, and its integer kernels chosen.

    Args:
        layouts: as it is run, weights padded; without, they have the sizes that they have in the file.
    """
    import onnx

    with TemporaryDirectory() as folder:
        written = Path(folder) / "optimized.onnx"
        open_session(path, threads=1, optimized=written, layouts=layouts)
        return onnx.load(str(written))


def computed(ran: OnnxGraph) -> Counter[str]:
    """Arithmetic -> number of weights that are multiplied in it."""
    counts: Counter[str] = Counter()
    for node, weights in ran.convolutions():
        counts[arithmetic_of(node, weights)] += weights.elements
    return counts


def arithmetic_of(node: Any, weights: Weights) -> str:
    if node.op_type in WHOLE:
        return "int8"
    return "int8-dynamic" if node.op_type in PER_CALL else weights.multiplied


def kernels(ran: OnnxGraph) -> dict[str, int]:
    """ "OPERATOR input/weight", both as they are multiplied -> number."""
    told = (f"{node.op_type} {image_of(ran, node, w)}/{w.multiplied}" for node, w in ran.convolutions())
    return dict(Counter(told))


def image_of(ran: OnnxGraph, node: Any, weights: Weights) -> str:
    """Dtype of a convolution's first input: of integers that of their zero point, which stands beside."""
    if node.op_type in WHOLE:
        return dtype_of(ran.constants[node.input[2]]) if node.input[2] in ran.constants else "uint8"
    if node.op_type == "DynamicQuantizeMatMul":
        return "float32"
    return "uint8" if node.op_type in PER_CALL else weights.multiplied


def facts_without_convolutions(graph: OnnxGraph, operators: dict[str, int]) -> FileFacts:
    """Of a file of attention and products alone, say: dtypes by the count of constants."""
    constants: Counter[str] = Counter()
    for tensor in graph.constants.values():
        constants[dtype_of(tensor)] += max(1, len(tensor.raw_data))
    floats = Counter({name: count for name, count in constants.items() if name.startswith("float")})
    storage = most(floats, "float32")
    return FileFacts(storage, "float32", dict(constants), {}, operators, False)


def stored_bytes(path: Path) -> StoredBytes:
    graph = OnnxGraph(read_onnx(path))
    shared = {w.name: graph.constants[w.name] for _, w in graph.convolutions()}
    weights = sum(len(tensor.raw_data) or tensor.ByteSize() for tensor in shared.values())
    return StoredBytes(path.stat().st_size, weights, Absent(NO_PLAN))
