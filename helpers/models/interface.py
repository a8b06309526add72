"""What a core takes and gives: the preprocessing before it and the tail after it, in one file beside it."""

import dataclasses
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from helpers.lab.errors import LabError, unknown_name
from helpers.lab.files import atomic_file
from helpers.photos.preprocessing import Preprocessing
from helpers.tasks.detection.limits import Limits
from helpers.tasks.detection.tails.boxes_scores import BoxesScoresTail
from helpers.tasks.detection.tails.cell_heads import CellHeadsTail
from helpers.tasks.detection.tails.centernet import CenterNetTail
from helpers.tasks.detection.tails.found_rows import FoundRowsTail
from helpers.tasks.detection.tails.joined_rows import JoinedRowsTail
from helpers.tasks.detection.tails.postprocessed import PostprocessedTail
from helpers.tasks.detection.tails.queries import QueriesTail
from helpers.tasks.detection.tails.raw_heads import RawHeadsTail
from helpers.tasks.detection.tails.ssd import SSDTail
from helpers.tasks.detection.tails.yolo import YoloTail

# A tail is a frozen dataclass of arrays and JSON values with a field ``limits``; heads -> Detections.
TAILS = MappingProxyType(
    {
        "ssd": SSDTail,
        "yolo": YoloTail,
        "centernet": CenterNetTail,
        "boxes-scores": BoxesScoresTail,
        "postprocessed": PostprocessedTail,
        "raw-heads": RawHeadsTail,
        "cell-heads": CellHeadsTail,
        "joined-rows": JoinedRowsTail,
        "queries": QueriesTail,
        "found-rows": FoundRowsTail,
    }
)


# Outputs with a column for each class, and perhaps one for background before them.
CLASS_HEADS = ("class_logits", "scores", "heat_map")


def class_count(tail: Any, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Classes of a core whose outputs have these shapes, background not counted."""
    if hasattr(tail, "classes"):
        return tail.classes
    columns = next(shapes[name][-1] for name in CLASS_HEADS if name in shapes)
    return columns - int(getattr(tail, "background", False))


@dataclass(frozen=True)
class Interface:
    """The two sides of a core.

    Attributes:
        preprocessing: from a photo to the core's input.
        tail: from the core's outputs, by name, to ``Detections``; one of ``TAILS``.
        notes: sentences that whoever reads results of the core must know.
    """

    preprocessing: Preprocessing
    tail: Any
    notes: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        kind = next(name for name, tail in TAILS.items() if isinstance(self.tail, tail))
        values = {field.name: getattr(self.tail, field.name) for field in dataclasses.fields(self.tail)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        rest = {name: value for name, value in values.items() if name not in arrays and name != "limits"}
        facts = {"preprocessing": dataclasses.asdict(self.preprocessing), "tail": kind, "values": rest}
        facts["limits"] = dataclasses.asdict(self.tail.limits)
        facts |= {"notes": self.notes} if self.notes else {}
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, facts=json.dumps(facts), **arrays)

    @staticmethod
    def load(path: Path) -> "Interface":
        """
        Raises:
            LabError: the file is absent, damaged, or of a tail that is not known here.
        """
        try:
            with np.load(path) as stored:
                facts = json.loads(str(stored["facts"]))
                arrays = {name: stored[name] for name in stored.files if name != "facts"}
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise LabError(
                f"{path} cannot be read: {error!r}.",
                "the preprocessing and the tail that belong to a core",
                "run 02_quantize.ipynb first.",
            ) from error
        if facts["tail"] not in TAILS:
            raise unknown_name("tail", facts["tail"], TAILS)
        limits = Limits(**facts["limits"])
        tail = TAILS[facts["tail"]](**arrays, **tuples(facts["values"]), limits=limits)
        return Interface(Preprocessing(**tuples(facts["preprocessing"])), tail, tuple(facts.get("notes", ())))


def tuples(values: Any) -> Any:
    """JSON's lists as the tuples that they were."""
    if isinstance(values, dict):
        return {name: tuples(value) for name, value in values.items()}
    return tuple(map(tuples, values)) if isinstance(values, list) else values
