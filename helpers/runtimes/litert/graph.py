"""The main graph of a ``.tflite`` file: its tensors, its operators, and what follows from them."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from helpers.runtimes.kinds_of_operators import CASTS
from helpers.runtimes.litert.grid import Grid, grid_of
from helpers.runtimes.litert.operator_kinds import (
    CONVOLUTIONS,
    VIEWS,
    WEIGHTS,
    arithmetic,
    kind_of,
    multiply_adds,
)

# Bits of one element. Those below 8 are packed: a buffer holds ceil(elements * bits / 8) bytes.
BITS = {
    "float32": 32, "float16": 16, "bfloat16": 16, "float64": 64, "int64": 64, "uint64": 64, "int32": 32,
    "uint32": 32, "int16": 16, "uint16": 16, "int8": 8, "uint8": 8, "bool": 8, "int4": 4, "uint4": 4,
    "int2": 2,
}  # fmt: skip
LEVELS = ("int8", "uint8", "int16")


@dataclass(frozen=True)
class Tensor:
    """One tensor.

    Attributes:
        index: its number in the graph.
        name: its own.
        shape: as stored; () where an operator says it only when it runs.
        dtype: as stored, in LiteRT's words, small letters.
        free: places of the shape that the file leaves open.
        signature_name: of an input or output, in the file's signature; empty without one.
        buffer: number of the buffer with its values.
        stored_bytes: bytes of this buffer in the file.
        scales, zero_points: of its integers: none, one, or one for each slice along ``axis``.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    free: tuple[int, ...] = ()
    signature_name: str = ""
    buffer: int = 0
    stored_bytes: int = 0
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0

    @property
    def constant(self) -> bool:
        """Whether its values are in the file."""
        return self.stored_bytes > 0

    @property
    def given_name(self) -> str:
        """The name by which LiteRT gives and takes it at the ends of the graph."""
        return self.signature_name or self.name

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes when packed; 0 for a dtype without a fixed width (strings)."""
        return math.ceil(self.elements * BITS.get(self.dtype, 0) / 8)

    @property
    def grids(self) -> list[Grid]:
        """What its integers of 8 or 16 bits stand for, one for each scale; none for floats."""
        if self.dtype not in LEVELS:
            return []
        zeros = self.zero_points or (0,)
        return [grid_of(self.dtype, s, zeros[n % len(zeros)]) for n, s in enumerate(self.scales)]

    @property
    def grid(self) -> Grid | None:
        """That of the whole tensor; None for floats, and where each slice has its own."""
        return self.grids[0] if len(self.scales) == 1 and self.grids else None


@dataclass(frozen=True)
class Operator:
    """One operator of the graph.

    Attributes:
        index: its place in the graph, which is also LiteRT's node number.
        type: the built-in's name, or that of a custom operator.
        inputs, outputs: its tensors; optional ones that are absent are left out.
        options: a custom operator's.
        half: whether the file asks for float16 arithmetic.
    """

    index: int
    type: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    custom: bool = False
    options: bytes = b""
    half: bool = False

    @property
    def weights(self) -> Tensor | None:
        """A convolution's weights as its kernel meets them; None for any other operator."""
        return self.inputs[WEIGHTS] if self.type in CONVOLUTIONS else None

    @property
    def image(self) -> Tensor:
        """What it takes: the first input, but of a TRANSPOSE_CONV, where it stands behind the weights."""
        return self.inputs[2 if self.type == "TRANSPOSE_CONV" else 0]

    @property
    def channels(self) -> int:
        """Output channels of a convolution; depthwise weights are ``[1, h, w, channels]``, all others have
        them first."""
        return self.weights.shape[-1 if self.type == "DEPTHWISE_CONV_2D" else 0]

    @cached_property
    def kind(self) -> str:
        """One of ``operator_kinds.KINDS``."""
        return kind_of(self.type, self.weights.shape if self.weights else ())

    @cached_property
    def macs(self) -> int:
        """Multiply-adds of one inference; 0 for what is no convolution."""
        if self.weights is None:
            return 0
        return multiply_adds(self.type, self.image.shape, self.weights.shape, self.outputs[0].shape)

    @cached_property
    def compute_dtype(self) -> str:
        """What a convolution multiplies, as ``arithmetic`` has it; else the dtype of its output."""
        if self.weights is None:
            return self.outputs[0].dtype if self.outputs else "none"
        found = arithmetic(self.image.dtype, self.weights.dtype)
        return "float16" if self.half and found == "float32" else found

    @property
    def folded(self) -> bool:
        """A cast of a constant. Its result never changes: XNNPACK computes it once, at loading."""
        return self.kind == CASTS and self.inputs[0].constant

    @property
    def bytes_moved(self) -> int:
        """Bytes read and written if each tensor moves once; a lower bound (caches may make it move again)."""
        if self.folded or self.type in VIEWS:
            return 0
        return sum(tensor.size_bytes for tensor in (*self.inputs, *self.outputs))


@dataclass(frozen=True)
class Boundary:
    """An operator that only changes the dtype, and its neighbours ("input", "output" at the graph's ends)."""

    operator: int
    type: str
    before: str
    after: str
    from_dtype: str
    to_dtype: str


@dataclass(frozen=True)
class Graph:
    """The file's main graph.

    Attributes:
        tensors: all of them, by number.
        operators: in the order of execution.
        inputs, outputs: in the file's order.
        signatures: key of each, and number of its graph; the main graph's is 0.
        metadata: name -> content.
        file_bytes: size of the file.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    signatures: tuple[tuple[str, int], ...]
    metadata: Mapping[str, bytes]
    file_bytes: int

    @cached_property
    def makers(self) -> dict[int, Operator]:
        """Tensor's number -> the operator that makes it."""
        return {tensor.index: operator for operator in self.operators for tensor in operator.outputs}

    @cached_property
    def users(self) -> dict[int, list[Operator]]:
        """Tensor's number -> the operators that read it; empty for one that nobody reads."""
        users: dict[int, list[Operator]] = {tensor.index: [] for tensor in self.tensors}
        for operator in self.operators:
            for tensor in operator.inputs:
                users[tensor.index].append(operator)
        return users

    @cached_property
    def convolutions(self) -> list[Operator]:
        return [operator for operator in self.operators if operator.type in CONVOLUTIONS]

    def is_fixed(self, tensor: Tensor) -> bool:
        """Whether it is the same for every photo: it lies in the file, or is a cast of what does."""
        maker = self.makers.get(tensor.index)
        return tensor.constant or (maker is not None and maker.folded)

    def as_stored(self, tensor: Tensor) -> Tensor:
        """What a folded cast makes ``tensor`` of; itself where there is none."""
        maker = self.makers.get(tensor.index)
        return maker.inputs[0] if maker and maker.folded else tensor

    def stored_weights(self, operator: Operator) -> Tensor | None:
        """The constant that holds a convolution's weights; None for any other operator."""
        return self.as_stored(operator.weights) if operator.weights else None

    @cached_property
    def weights_by_dtype(self) -> dict[str, int]:
        """Stored dtype -> bytes in the file of the convolutions' weights, a shared buffer once."""
        weights = [self.as_stored(operator.weights) for operator in self.convolutions]
        dtypes = sorted({tensor.dtype for tensor in weights})
        return {dtype: stored_bytes(t for t in weights if t.dtype == dtype) for dtype in dtypes}

    @property
    def weights_bytes(self) -> int:
        return stored_bytes(self.as_stored(operator.weights) for operator in self.convolutions)

    @property
    def constants_bytes(self) -> int:
        """The same of every constant: weights, biases, shapes."""
        return stored_bytes(self.tensors)

    @cached_property
    def macs(self) -> int:
        return sum(operator.macs for operator in self.operators)

    @cached_property
    def bytes_moved(self) -> int:
        return sum(operator.bytes_moved for operator in self.operators)

    def running(self) -> list[Operator]:
        """Operators that run at each inference: all but the folded ones."""
        return [operator for operator in self.operators if not operator.folded]

    @cached_property
    def alive_bytes(self) -> int:
        """Largest sum of activations that are between being made and their last use, at any operator.

        A planner that lets an operator write over its own input needs less, one that leaves gaps more.
        """
        running = self.running()
        spans: dict[Tensor, list[int]] = {}
        for place, operator in enumerate(running):
            for tensor in (*operator.inputs, *operator.outputs):
                if not self.is_fixed(tensor):
                    spans.setdefault(tensor, []).append(place)
        alive = [0] * len(running)
        for tensor, places in spans.items():
            for place in range(places[0], places[-1] + 1):
                alive[place] += tensor.size_bytes
        return max(alive, default=0)

    def boundaries(self) -> list[Boundary]:
        """Every cast that runs at each inference, and what stands before and after it."""
        return [self.boundary(operator) for operator in self.running() if operator.kind == CASTS]

    def boundary(self, cast: Operator) -> Boundary:
        source, target = cast.inputs[0], cast.outputs[0]
        before = self.makers[source.index].type if source.index in self.makers else "input"
        after = next((user.type for user in self.users[target.index]), "output")
        return Boundary(cast.index, cast.type, before, after, source.dtype, target.dtype)


def stored_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes in the file of the constants among ``tensors``, a buffer that several share counted once."""
    return sum({tensor.buffer: tensor.stored_bytes for tensor in tensors}.values())


def count_types(operators: Iterable[Operator]) -> dict[str, int]:
    """Operator type -> number, the most frequent first."""
    return dict(Counter(operator.type for operator in operators).most_common())
