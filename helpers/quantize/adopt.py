"""A ``.tflite`` file of the user's own as one more variant of a model that it is compared with."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.files import write_bytes
from helpers.models.interface import Interface
from helpers.models.own_tflite.beside import FINISHED, read_given
from helpers.models.own_tflite.interface import interface
from helpers.photos.decoding import core_input
from helpers.run.own_files import design_of, source_of
from helpers.runtimes.litert.core import Core
from helpers.tasks.detection.limits import Limits
from helpers.tasks.detection.tails.raw_heads import RawHeadsTail


def adopt(text: str, categories: Sequence[str], limits: Limits, output: Path) -> Interface:
    """Copy a file to ``output`` and return what goes before and after it.

    Args:
        text: as for ``source_of``.
        categories: names of classes 1, 2, ... of the model that it is compared with; its detections are
            renumbered to them, and those of other categories dropped.
        limits: what the model's tail keeps.

    Raises:
        LabError: as ``interface``; no category in common; or LiteRT cannot run the file.
    """
    path, labels = source_of(text)
    found = interface(path, labels, limits, categories, design_of(text))
    write_bytes(output, path.read_bytes())
    core = Core(output)
    require_runs(path, core)
    require_logits(path, core, found)
    return found


def require_runs(path: Path, core: Core) -> None:
    """Run a core once, on zeros."""
    try:
        core(np.zeros(core.input_shape, core.input_dtype))
    except (RuntimeError, ValueError) as error:
        raise LabError(
            f"LiteRT loads {path}, but cannot run it: {error}",
            "a file of operators that LiteRT has",
            "export it anew, for this version of LiteRT or an older one.",
        ) from error


def require_logits(path: Path, core: Core, found: Interface) -> None:
    """Raise if what the tail takes for logits are scores by the look of them, and the user does not say.

    Not every sigmoid can be seen in a graph, and one of scores gives more than 0.5 for each. Logits of noise
    are hardly ever all from 0 to 1.
    """
    tail, given = found.tail, read_given(path).conversion
    if not isinstance(tail, RawHeadsTail) or not tail.conversion or given:
        return
    noise = np.random.default_rng(0).integers(0, 256, core.input_shape[1:], np.uint8)
    scores = core(core_input(noise, found.preprocessing))[tail.scores]
    if 0 <= scores.min() < scores.max() <= 1:
        raise LabError(
            f"{path} gives numbers from {scores.min():.2g} to {scores.max():.2g} under {tail.scores}, and no "
            "operator in it tells whether they are scores or logits.",
            f"that {path.stem}.json beside it says so",
            f'write "conversion": "{FINISHED}" into it if they are scores, "{tail.conversion}" if logits.',
        )
