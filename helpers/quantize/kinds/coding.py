"""What a decoder needs for one tensor of weights: codes, scales, codebooks, and what they weigh in bits."""

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from helpers.lab.errors import LabError

BYTE = 8


class Kind(Protocol):
    """A way of writing weights in fewer bits.

    ``encode`` takes finite float32 weights of any shape and the axis of their output channels; ``decode``
    gives the values that the codes stand for, float32 of that shape.
    """

    @property
    def name(self) -> str: ...

    def encode(self, weights: np.ndarray, channel_axis: int) -> "Coded": ...

    def decode(self, coded: "Coded") -> np.ndarray: ...


@dataclass(frozen=True)
class Field:
    """A part without its values: what a file's format says of it, and a file does not repeat."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    bits: int

    @property
    def size_bytes(self) -> int:
        """Packed, with the padding to a whole byte."""
        return math.ceil(math.prod(self.shape) * self.bits / BYTE)


@dataclass(frozen=True, eq=False)
class Part:
    """An array of which each value takes ``bits`` bits.

    Attributes:
        values: unsigned integers below 2^bits, signed ones from -2^(bits-1) to 2^(bits-1)-1 (stored as two's
            complement), or floats of NumPy or ``ml_dtypes`` that are ``bits`` wide.
        bits: from 1 to 32.
    """

    name: str
    values: np.ndarray
    bits: int

    def __post_init__(self) -> None:
        kind, values = self.values.dtype.kind, self.values
        if kind not in "ui" or not values.size:
            return
        low, high = (
            (0, 2**self.bits - 1) if kind == "u" else (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1)
        )
        if values.min() < low or values.max() > high:
            raise ValueError(
                f"{self.name}: {values.min()} to {values.max()} do not fit into {self.bits} bits"
            )

    @property
    def field(self) -> Field:
        return Field(self.name, self.values.dtype, self.values.shape, self.bits)


@dataclass(frozen=True)
class Layout:
    """All of a ``Coded`` but its values."""

    kind: Kind
    shape: tuple[int, ...]
    channel_axis: int
    fields: tuple[Field, ...]


@dataclass(frozen=True, eq=False)
class Coded:
    """One tensor of weights as a kind writes it.

    Attributes:
        kind: what decodes it. Where a kind leaves a small layer to another one, it is that other.
        shape: of the weights.
        channel_axis: of the output channels in ``shape``.
        parts: codes and side information. What follows from kind and shape is not among them.
    """

    kind: Kind
    shape: tuple[int, ...]
    channel_axis: int
    parts: tuple[Part, ...]

    def __getitem__(self, name: str) -> np.ndarray:
        """The values of a part."""
        return next(part.values for part in self.parts if part.name == name)

    @property
    def layout(self) -> Layout:
        return Layout(self.kind, self.shape, self.channel_axis, tuple(part.field for part in self.parts))

    @cached_property
    def bits(self) -> int:
        """Of all parts, each padded to whole bytes."""
        return BYTE * sum(part.field.size_bytes for part in self.parts)

    @property
    def bits_per_weight(self) -> float:
        """With all side information."""
        return self.bits / math.prod(self.shape)


def decode(coded: Coded) -> np.ndarray:
    """The weights as the decoder gives them: float32 of ``coded.shape``."""
    return coded.kind.decode(coded)


def pack(coded: Coded) -> bytes:
    """All parts, one after the other, each beginning at a byte; bits fill a byte from its lowest one."""
    content = b"".join(packed(part) for part in coded.parts)
    assert len(content) * BYTE == coded.bits
    return content


def unpack(content: bytes, layout: Layout) -> Coded:
    """What ``pack`` has packed.

    Raises:
        ValueError: the length is not that of the layout.
    """
    sizes = [field.size_bytes for field in layout.fields]
    if len(content) != sum(sizes):
        raise ValueError(f"{len(content)} bytes, where the layout has {sum(sizes)}")
    ends = np.cumsum([0, *sizes])
    slices = [content[start:end] for start, end in itertools.pairwise(ends)]
    parts = tuple(unpacked(part, field) for part, field in zip(slices, layout.fields, strict=True))
    return Coded(layout.kind, layout.shape, layout.channel_axis, parts)


def packed(part: Part) -> bytes:
    raw = as_unsigned(part.values).ravel()
    if part.bits == BYTE * raw.itemsize:
        return raw.tobytes()
    bits = (raw[:, None] >> np.arange(part.bits, dtype=raw.dtype)) & raw.dtype.type(1)
    return np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()


def unpacked(content: bytes, field: Field) -> Part:
    raw_type = np.dtype(f"<u{field.dtype.itemsize}")
    count = math.prod(field.shape)
    if field.bits == BYTE * raw_type.itemsize:
        raw = np.frombuffer(content, raw_type)
    else:
        stream = np.frombuffer(content, np.uint8)
        bits = np.unpackbits(stream, bitorder="little", count=count * field.bits).reshape(count, field.bits)
        raw = bits.astype(raw_type) @ (raw_type.type(1) << np.arange(field.bits, dtype=raw_type))
        raw = sign_extended(raw, field)
    return Part(field.name, raw.view(field.dtype).reshape(field.shape), field.bits)


def as_unsigned(values: np.ndarray) -> np.ndarray:
    """The bits of each value as an integer of the same width, the lowest byte first."""
    return np.ascontiguousarray(values).view(f"<u{values.dtype.itemsize}")


def sign_extended(raw: np.ndarray, field: Field) -> np.ndarray:
    """Two's complement of ``field.bits`` bits -> of the whole width; unsigned ones as they are."""
    if field.dtype.kind != "i":
        return raw
    sign = raw.dtype.type(1 << (field.bits - 1))
    return (raw ^ sign) - sign


def require_finite(weights: np.ndarray, name: str = "a layer") -> None:
    """Raise if any weight is no finite number.

    Raises:
        LabError: naming the layer.
    """
    bad = int(weights.size - np.isfinite(weights).sum())
    if bad:
        raise LabError(
            f"{bad} of {weights.size} weights of {name} are NaN or infinite.",
            "finite weights",
            "train or export the model again: its float32 file is broken.",
        )
