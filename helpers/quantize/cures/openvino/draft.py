"""A state on the way to a cured file of OpenVINO: a float32 core, and how NNCF quantizes it."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from helpers.lab.files import write_bytes
from helpers.quantize.cures.draft import RECIPE_NAME, no_recipe

CORE_NAME = "float32-cured"
MINMAX = "minmax"
FORMAT = "int8 by nncf.quantize, preset MIXED; then the operators of floats without their FakeQuantize"


@dataclass(frozen=True)
class OpenVinoDraft:
    """
    Attributes:
        content: the float32 core, a ``.tflite`` or ``.onnx``; ``ending``: which of them, with the dot.
        fused: whether x * sigmoid(x) and the like are one operator before it is quantized.
        ranges: how NNCF finds ranges of activations, one of ``quantized.RANGES``.
        floats: operators that stay float, by OpenVINO's names.
        shop: makes its file.
    """

    content: bytes
    ending: str
    fused: bool
    ranges: str
    floats: frozenset[str]
    shop: Any

    @property
    def key(self) -> str:
        """Of what NNCF makes of it; floats are taken out behind it."""
        return f"{hashlib.sha256(self.content).hexdigest()}-{self.fused}-{self.ranges}"

    def with_floats(self, names: frozenset[str]) -> "OpenVinoDraft":
        return replace(self, floats=self.floats | names)

    def write(self, output: Path) -> None:
        self.shop.write(self, output)

    def save(self, folder: Path) -> None:
        write_bytes(folder / f"{CORE_NAME}{self.ending}", self.content)
        recipe = {
            "format": FORMAT, "float32": f"{CORE_NAME}{self.ending}", "fused": self.fused,
            "ranges": self.ranges, "floats": sorted(self.floats),
        }  # fmt: skip
        write_bytes(folder / RECIPE_NAME, json.dumps(recipe).encode())


def load_draft(folder: Path, shop: Any) -> OpenVinoDraft:
    """
    Raises:
        LabError: there is no recipe.
    """
    try:
        stored = json.loads((folder / RECIPE_NAME).read_bytes())
        core = folder / stored["float32"]
        return OpenVinoDraft(
            core.read_bytes(),
            core.suffix,
            stored["fused"],
            stored["ranges"],
            frozenset(stored["floats"]),
            shop,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise no_recipe(folder, "the core that it names", error) from error
