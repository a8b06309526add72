"""Recipes of ONNX Runtime's files: the ``.onnx`` core itself, and what its quantizer makes of it."""

import abc
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from helpers.lab import host
from helpers.lab.errors import LabError
from helpers.lab.files import write_bytes
from helpers.quantize.recipes.contract import Recipe, Work, made_file
from helpers.quantize.records import MadeFile
from helpers.runtimes.catalogue import ONNXRUNTIME, require_runtime

X86 = ("x86_64", "AMD64")
# With either a sum of products of 8 bits never overflows 16.
VNNI = ("avx512_vnni", "avx_vnni")
REDUCED = (
    "Weights have 7 bits: this processor has no VNNI, and without it ONNX Runtime's sums of 8-bit products "
    "overflow."
)
NOT_FOUND = "Of the operators that are to stay float, the graph has none by these names: {}."


class OnnxFile(Recipe):
    """What all have in common: a ``.onnx`` to begin with."""

    def make(self, work: Work) -> MadeFile:
        require_runtime(ONNXRUNTIME.id)
        if work.float_file.suffix != ONNXRUNTIME.ending:
            raise LabError(
                f"the float32 core is {work.float_file.name}.",
                f"a {ONNXRUNTIME.ending} core: {ONNXRUNTIME.title} runs no other",
                "leave the forms in ONNX Runtime out, or name an ONNX model.",
            )
        return made_file(work, self.write(work))

    @abc.abstractmethod
    def write(self, work: Work) -> Sequence[str]:
        """Write the output; return notes on it."""


class AsItIs(OnnxFile):
    def write(self, work: Work) -> Sequence[str]:
        write_bytes(work.output, work.float_file.read_bytes())
        return ()


class HalfWeights(OnnxFile):
    """16 bits a weight in the file, float32 arithmetic."""

    def write(self, work: Work) -> Sequence[str]:
        from helpers.quantize.recipes.onnxruntime_graph import half_stored

        half_stored(work.float_file, work.output)
        return ()


class DynamicInt8(OnnxFile):
    def write(self, work: Work) -> Sequence[str]:
        from helpers.quantize.recipes.onnxruntime_graph import nodes_named, prepared, quantized_dynamic

        model = prepared(work.float_file)
        kept = nodes_named(model, work.float_operators)
        write_bytes(work.output, quantized_dynamic(model, kept))
        return kept_notes(work, kept)


@dataclass(frozen=True)
class StaticInt8(OnnxFile):
    """
    Attributes:
        method: how ranges come of what calibration photos give, in ONNX Runtime's words.
    """

    method: str

    def write(self, work: Work) -> Sequence[str]:
        from helpers.quantize.recipes.onnxruntime_graph import nodes_named, prepared, quantized_static

        model, photos = prepared(work.float_file), list(work.calibration())
        if not photos:
            raise LabError("no calibration photos.", "at least one", "set calibration_images in the profile.")
        kept, reduced = nodes_named(model, work.float_operators), reduced_weights()
        content = quantized_static(model, photos, kept, self.method, integer_types(), reduced)
        write_bytes(work.output, content)
        return (*kept_notes(work, kept), *([REDUCED] if reduced else []))


def integer_types(machine: str = "") -> tuple[str, str]:
    """Of activations and of weights.

    On x86-64 signed activations leave convolutions before a swish in float32: 110 of YOLOX-nano's 113, with
    ONNX Runtime 1.32.
    """
    return ("QUInt8" if (machine or platform.machine()) in X86 else "QInt8"), "QInt8"


def reduced_weights(machine: str = "", flags: Sequence[str] | None = None) -> bool:
    """Whether weights must do with 7 bits, on this machine unless another is given."""
    present = host.isa_flags() if flags is None else flags
    return (machine or platform.machine()) in X86 and not set(VNNI) & set(present)


def kept_notes(work: Work, kept: Sequence[str]) -> list[str]:
    lacking = bool(work.float_operators) and not kept
    return [NOT_FOUND.format(", ".join(work.float_operators))] if lacking else []


RECIPES = MappingProxyType({
    "none@onnxruntime": AsItIs(),
    "float16@onnxruntime": HalfWeights(),
    "int8-dynamic@onnxruntime": DynamicInt8(),
    "int8@onnxruntime": StaticInt8("MinMax"),
    "int8-entropy@onnxruntime": StaticInt8("Entropy"),
    "int8-percentile@onnxruntime": StaticInt8("Percentile"),
})  # fmt: skip
