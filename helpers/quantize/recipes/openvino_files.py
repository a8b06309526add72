"""Recipes of OpenVINO's own files: its representation of the float32 core, and NNCF's int8 of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from helpers.lab import host
from helpers.lab.errors import LabError, UnavailableError
from helpers.quantize.recipes.contract import Recipe, Work, made_file
from helpers.quantize.records import MadeFile
from helpers.runtimes.catalogue import OPENVINO, require_runtime

# Either multiplies bfloat16.
BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")
NOT_MAPPED = "Of the operators that are to stay float, OpenVINO's graph has none by these names: {}."


@dataclass(frozen=True)
class FloatFile(Recipe):
    """
    Attributes:
        precision: what floats are multiplied in, in OpenVINO's words.
        half_weights: stored as float16.
        flags: of the processor, one of which must be there.
    """

    precision: str
    half_weights: bool = False
    flags: tuple[str, ...] = ()

    def make(self, work: Work) -> MadeFile:
        require_runtime(OPENVINO.id)
        require_any(self.flags)
        from helpers.quantize.recipes.openvino_graph import core_graph
        from helpers.runtimes.openvino.representation import write_ir

        graph, _ = core_graph(work.float_file)
        write_ir(graph, work.output, self.precision, self.half_weights)
        return made_file(work)


class Int8File(Recipe):
    """Weights and activations by NNCF: symmetric weights, activations as it chooses (its preset MIXED)."""

    def make(self, work: Work) -> MadeFile:
        require_runtime(OPENVINO.id)
        from helpers.quantize.recipes.openvino_graph import core_graph
        from helpers.runtimes.openvino.representation import write_ir

        graph, kept = core_graph(work.float_file, work.float_operators)
        photos = list(work.calibration())
        if not photos:
            raise LabError("no calibration photos.", "at least one", "set calibration_images in the profile.")
        write_ir(quantized(graph, photos, kept), work.output, "f32")
        unknown = work.float_operators and not kept
        return made_file(work, [NOT_MAPPED.format(", ".join(work.float_operators))] if unknown else [])


def quantized(graph: Any, photos: Sequence[Any], kept: Sequence[str]) -> Any:
    """The ``openvino.Model`` in int8, ranges over all ``photos``; ``kept``: operators that stay float."""
    from helpers.runtimes.openvino.library import nncf, progress_hidden

    library = nncf()
    with progress_hidden():
        return library.quantize(
            graph,
            library.Dataset(photos),
            preset=library.QuantizationPreset.MIXED,
            subset_size=len(photos),
            fast_bias_correction=True,
            ignored_scope=library.IgnoredScope(names=list(kept)) if kept else None,
        )


def require_any(flags: Sequence[str]) -> None:
    """Raise if the processor has none of these flags."""
    if flags and not set(flags) & set(host.isa_flags()):
        raise UnavailableError(
            f"this processor has neither {' nor '.join(flags)}.",
            "one that multiplies bfloat16: in others OpenVINO computes in float32",
            "leave bfloat16 out on this machine.",
        )


RECIPES = MappingProxyType({
    "none@openvino": FloatFile("f32"),
    "float16@openvino": FloatFile("f32", half_weights=True),
    "bfloat16@openvino": FloatFile("bf16", flags=BFLOAT16_FLAGS),
    "int8@openvino": Int8File(),
})  # fmt: skip
