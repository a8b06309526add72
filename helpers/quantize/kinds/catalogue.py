"""The kinds by name, from the most bits of a code to the fewest."""

from collections.abc import Mapping
from types import MappingProxyType

from helpers.lab.errors import unknown_name
from helpers.quantize.kinds.codebook import Codebook
from helpers.quantize.kinds.coding import Kind
from helpers.quantize.kinds.floats import Float, TensorFloat32
from helpers.quantize.kinds.groups import BLOCK, CHANNEL, TENSOR
from helpers.quantize.kinds.microscaling import Microscaling
from helpers.quantize.kinds.powers import Powers
from helpers.quantize.kinds.signs import Binary, Ternary
from helpers.quantize.kinds.uniform import LEAST_SQUARES, MIN_MAX, Uniform
from helpers.quantize.kinds.vector import Vector

_ALL: tuple[Kind, ...] = (
    TensorFloat32(), Float("bfloat16"), Float("float16"), Float("float8-e4m3"), Float("float8-e5m2"),
    Microscaling("mxfp8-e4m3"), Microscaling("mxfp6-e2m3"), Microscaling("mxfp4"),
    *(
        Uniform(bits, scales, chosen)
        for bits in range(8, 1, -1)
        for scales in (TENSOR, CHANNEL, BLOCK)
        for chosen in (MIN_MAX, LEAST_SQUARES)
    ),
    Powers(5), Powers(4), Powers(3), Powers(5, terms=2), Powers(4, terms=2),
    Codebook(16), Codebook(8), Codebook(4),
    Vector(2), Vector(4), Vector(8),
    Ternary(), Binary(),
)  # fmt: skip
KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _ALL})


def get_kind(name: str) -> Kind:
    """A kind by its name; raises ``LabError`` for one that there is not."""
    try:
        return KINDS[name]
    except KeyError:
        raise unknown_name("kind of quantization", name, KINDS) from None
