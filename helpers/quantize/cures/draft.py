"""A state on the way to a cured file: a float32 file, and how it becomes an int8 one."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.lab.errors import LabError
from helpers.lab.files import write_bytes
from helpers.quantize.cures.plan import Plan
from helpers.quantize.cures.writing import integer_content

FLOAT_NAME, RECIPE_NAME = "float32-cured.tflite", "recipe.json"
FORMAT = "int8 by ranges, steps and codes; real = step * (stored - zero point), zero point of weights 0"


@dataclass(frozen=True, eq=False)
class Draft:
    """
    Attributes:
        content: the float32 ``.tflite``, whose answers are those of the model.
        plan: what makes an int8 file of it.
    """

    content: bytes
    plan: Plan

    def with_plan(self, **changes) -> "Draft":
        return replace(self, plan=replace(self.plan, **changes))

    def write(self, output: Path) -> None:
        write_bytes(output, integer_content(self.content, self.plan))

    def save(self, folder: Path) -> None:
        """As files that another program can read: the float32 core, and the rest as JSON."""
        write_bytes(folder / FLOAT_NAME, self.content)
        text = json.dumps({"format": FORMAT, "float32": FLOAT_NAME, **self.plan.as_json()})
        write_bytes(folder / RECIPE_NAME, text.encode())

    @staticmethod
    def load(folder: Path) -> "Draft":
        """
        Raises:
            LabError: the files are absent, or are no recipe.
        """
        try:
            plan = Plan.from_json(json.loads((folder / RECIPE_NAME).read_bytes()))
            return Draft((folder / FLOAT_NAME).read_bytes(), plan)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise no_recipe(folder, FLOAT_NAME, error) from error


def no_recipe(folder: Path, core: str, error: Exception) -> LabError:
    """For a folder without a recipe, or without the core that it is of."""
    return LabError(
        f"{folder} holds no recipe: {error!r}.",
        f"{RECIPE_NAME} and {core}, as 02_quantize.ipynb leaves them",
        "run 02_quantize.ipynb again.",
    )
