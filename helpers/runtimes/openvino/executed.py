"""What OpenVINO runs of a graph on this machine: its plugin fuses operators and chooses their arithmetic."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Endings of the names of its kernels -> arithmetic.
_ARITHMETIC = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "i8": "int8", "u8": "int8"}
_INTEGERS = {"u8": "uint8", "i8": "int8"}


@dataclass(frozen=True)
class Executed:
    """How an operator runs.

    Attributes:
        computes: in which arithmetic: ``float32``, ``float16``, ``bfloat16``, ``int8``.
        image: dtype of its first input.
    """

    computes: str
    image: str


def executed_operators(compiled: Any) -> dict[str, Executed]:
    """Name of every operator of the graph that runs, alone or with others in one -> how it does."""
    nodes = compiled.get_runtime_model().get_ordered_ops()
    return {name: how for node in nodes for name, how in operators_in(node.get_rt_info())}


def operators_in(told: Any) -> Iterator[tuple[str, Executed]]:
    """Of a node of the runtime model, the operators of the graph in it.

    The kernel's name (``brgconv_avx512_f32``) tells the arithmetic; ``runtimePrecision`` has that of an
    input, float16 for stored weights that were widened.
    """
    computes = _ARITHMETIC.get(told["primitiveType"].astype(str).rpartition("_")[2].lower())
    if computes:
        image = _INTEGERS.get(told["runtimePrecision"].astype(str).lower(), computes)
        how = Executed(computes, image if computes == "int8" else computes)
        yield from ((name, how) for name in told["originalLayersNames"].astype(str).split(",") if name)
