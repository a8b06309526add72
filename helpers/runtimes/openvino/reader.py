"""What OpenVINO's representation of a core holds, and what its plugin makes of it here."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.lab.intervals import Absent
from helpers.runtimes.file_facts import FileFacts, StoredBytes, most
from helpers.runtimes.openvino.core import compile_ir
from helpers.runtimes.openvino.executed import Executed, executed_operators
from helpers.runtimes.openvino.representation import precision_of, read_ir, weights_file

CONVOLUTIONS = (
    "Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul",
)  # fmt: skip
# Weights pass through these on their way from the constant that holds them.
_WIDENING = ("Convert", "Multiply", "Subtract", "FakeQuantize", "Reshape", "Transpose")
_NOT_OPERATORS = ("Constant", "Parameter", "Result")
_PRECISIONS = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
_KINDS = {"f": "float", "bf": "bfloat", "i": "int", "u": "uint"}
NO_PLAN = "OpenVINO does not tell which activations share memory"


@dataclass(frozen=True)
class Convolution:
    """A convolution, or a product with constant weights.

    Attributes:
        name: of the operator; ``type``: OpenVINO's.
        dtype: of the stored weights; ``shape``: theirs, as the operator meets them.
        bytes: of them.
        scales: number of scales that widen them; 0 without.
    """

    name: str
    type: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    scales: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def channels(self) -> int:
        """Output channels; those of grouped weights ``[groups, out, in, ...]`` are ``groups * out``."""
        return self.shape[0] * (self.shape[1] if self.type.startswith("Group") else 1)


def convolutions(model: Any) -> list[Convolution]:
    """Of an ``openvino.Model``, in its order."""
    nodes = (node for node in model.get_ordered_ops() if node.get_type_name() in CONVOLUTIONS)
    return [found for node in nodes for found in [convolution_of(node)] if found]


def convolution_of(node: Any) -> Convolution | None:
    """None of a product of two activations."""
    way = list(way_to_constant(node.input_value(1).get_node()))
    constant = way[-1]
    if constant.get_type_name() != "Constant":
        return None
    met, stored = node.input(1).get_partial_shape(), constant.get_output_shape(0)
    scales = [scales_of(step) for step in way if step.get_type_name() in ("Multiply", "FakeQuantize")]
    return Convolution(
        node.get_friendly_name(),
        node.get_type_name(),
        dtype_of(constant.get_element_type()),
        tuple(stored if met.is_dynamic else met.to_shape()),
        constant.get_byte_size(),
        max(scales, default=0),
    )


def way_to_constant(node: Any) -> Iterator[Any]:
    """A node and those before it, through what only widens weights."""
    yield node
    if node.get_type_name() in _WIDENING:
        yield from way_to_constant(node.input_value(0).get_node())


def scales_of(node: Any) -> int:
    """Number of values by which a step widens weights."""
    return math.prod(node.input_value(1).get_shape())


def dtype_of(element_type: Any) -> str:
    """OpenVINO's ``f32``, ``u8`` in the words of all runtimes."""
    name = element_type.get_type_name()
    kind = name.rstrip("0123456789")
    return _KINDS.get(kind, kind) + name[len(kind) :]


def read_facts(path: Path) -> FileFacts:
    """Storage dtypes as they stand in the file, arithmetic as OpenVINO chooses it on this machine.

    Raises:
        LabError: as ``read_ir`` and ``compile_ir``.
    """
    model = read_ir(path)
    found, ran = convolutions(model), executed_operators(compile_ir(model, path, threads=1))
    types = Counter(node.get_type_name() for node in model.get_ordered_ops())
    operators = {name: count for name, count in types.items() if name not in _NOT_OPERATORS}
    if not found:
        return facts_without_convolutions(model, operators)
    stored: Counter[str] = Counter()
    for each in found:
        stored[each.dtype] += each.elements
    eight_bit = [each for each in found if each.dtype in ("int8", "uint8")]
    return FileFacts(
        storage_dtype=most(stored),
        compute_dtype=most(computed(found, ran), _PRECISIONS[precision_of(model)]),
        weights=dict(stored),
        kernels=kernels(found, ran),
        operators=operators,
        per_channel=bool(eight_bit) and all(each.scales == each.channels for each in eight_bit),
    )


def computed(found: list[Convolution], ran: Mapping[str, Executed]) -> Counter[str]:
    """Arithmetic -> number of weights that are multiplied in it."""
    counts: Counter[str] = Counter()
    for each in found:
        if each.name in ran:
            counts[ran[each.name].computes] += each.elements
    return counts


def kernels(found: list[Convolution], ran: Mapping[str, Executed]) -> dict[str, int]:
    """ "OPERATOR input/weight", both as they are multiplied -> number."""
    told = ((each.type, ran[each.name]) for each in found if each.name in ran)
    return dict(Counter(f"{kind} {how.image}/{how.computes}" for kind, how in told))


def facts_without_convolutions(model: Any, operators: dict[str, int]) -> FileFacts:
    """Of a file of attention and products alone, say: dtypes by the count of constants."""
    constants: Counter[str] = Counter()
    for node in model.get_ops():
        if node.get_type_name() == "Constant":
            constants[dtype_of(node.get_element_type())] += node.get_byte_size()
    computes = _PRECISIONS[precision_of(model)]
    return FileFacts(most(constants, computes), computes, dict(constants), {}, operators, False)


def stored_bytes(path: Path) -> StoredBytes:
    files = (path, weights_file(path))
    return StoredBytes(
        file_bytes=sum(file.stat().st_size for file in files),
        weights_bytes=sum(each.bytes for each in convolutions(read_ir(path))),
        alive_bytes=Absent(NO_PLAN),
    )
