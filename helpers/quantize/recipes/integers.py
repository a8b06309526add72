"""Recipes of 8- and 4-bit integers: those of the AI Edge Quantizer."""

from dataclasses import dataclass
from types import MappingProxyType

from helpers.lab.files import write_bytes
from helpers.quantize.recipes.contract import Recipe, Work, made_file
from helpers.quantize.records import MadeFile

# Every variant takes and gives float32, so that all do the same work between the same two points.
FLOAT_ENDS = [
    {"regex": ".*", "operation": end, "algorithm_key": "no_quantize", "op_config": {}}
    for end in ("INPUT", "OUTPUT")
]


@dataclass(frozen=True)
class Integers(Recipe):
    """
    Attributes:
        named: a function of ``ai_edge_quantizer.recipe``, which gives the steps.
        whole: activations are integers in the file; they are so between the float ends of the core.
        one_scale: all weights of a layer share one.
    """

    named: str
    whole: bool = False
    one_scale: bool = False

    def steps(self) -> list[dict]:
        from ai_edge_quantizer import recipe

        steps = getattr(recipe, self.named)()
        steps = [per_tensor(step) for step in steps] if self.one_scale else steps
        return steps + FLOAT_ENDS if self.whole else steps

    def make(self, work: Work) -> MadeFile:
        from helpers.quantize.recipes.edge_quantizer import quantized

        write_bytes(work.output, quantized(work, self.steps()))
        return made_file(work)


def per_tensor(step: dict) -> dict:
    """A step of which all weights of a layer share one scale."""
    settings = step["op_config"]
    weights = {**settings["weight_tensor_config"], "granularity": "TENSORWISE"}
    return {**step, "op_config": {**settings, "weight_tensor_config": weights}}


INT8 = Integers("static_wi8_ai8", whole=True)
RECIPES = MappingProxyType({
    "int8-dynamic": Integers("dynamic_wi8_afp32"),
    "int8": INT8,
    "int8-per-tensor": Integers("static_wi8_ai8", whole=True, one_scale=True),
    "int8-weights": Integers("weight_only_wi8_afp32"),
    "int16x8": Integers("static_wi8_ai16", whole=True),
    "int4-weights": Integers("weight_only_wi4_afp32"),
    "int4-dynamic": Integers("dynamic_wi4_afp32"),
})  # fmt: skip
