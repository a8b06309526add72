"""A ``.tflite`` file of the user's own as one more variant of a model that it is compared with."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.files import write_bytes
from helpers.models.interface import Interface
from helpers.models.own_tflite.interface import interface
from helpers.run.own_files import source_of
from helpers.runtimes.litert.core import Core
from helpers.tasks.detection.limits import Limits


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
    found = interface(path, labels, limits, categories)
    write_bytes(output, path.read_bytes())
    require_runs(path, Core(output))
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
