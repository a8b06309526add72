"""Where a pretrained model's files come from: declared, not fetched."""

import re
from dataclasses import dataclass
from pathlib import Path

from helpers.lab.errors import LabError

SAVED_MODEL = "saved_model.pb"


@dataclass(frozen=True)
class SourceFile:
    """A file that is known before it is fetched.

    Attributes:
        name: of the file on disk, without folders.
        sha256: 64 hexadecimal digits; empty where the publisher states none. Then the checksum of the first
            file that arrives is kept beside it (``NAME.sha256``), and holds from then on.
        size_bytes: 0 where it is not known.
        urls: http or https addresses, tried in order.
    """

    name: str
    sha256: str
    size_bytes: int
    urls: tuple[str, ...]

    def __post_init__(self) -> None:
        if (
            not self.name
            or Path(self.name).name != self.name
            or not re.fullmatch(r"([0-9a-f]{64})?", self.sha256)
        ):
            raise LabError(
                f"a source with the name {self.name!r} and the sha256 {self.sha256!r}.",
                "a file name without folders, and 64 hexadecimal digits in lower case or nothing",
                "correct the entry.",
            )


@dataclass(frozen=True)
class Embedded:
    """Weights (``.npz``) that come with the project; the SavedModel is made from them."""

    weights: Path


@dataclass(frozen=True)
class SavedModelSource:
    """A SavedModel of the TensorFlow Object Detection API.

    Attributes:
        folder: its name below the user's own model folder, or its path.
        archives: tar archives that hold it, tried in order where there is no such folder.
        kaggle: its handle on Kaggle (owner/model/framework/variation/version), tried last; empty for none.
    """

    folder: str
    archives: tuple[SourceFile, ...] = ()
    kaggle: str = ""


@dataclass(frozen=True)
class DarknetSource:
    """A Darknet network: a file on disk, or one that is fetched."""

    cfg: SourceFile | Path
    weights: SourceFile | Path


@dataclass(frozen=True)
class OnnxSource:
    """An ``.onnx`` file on disk.

    Attributes:
        path: where it is; weights that it keeps in other files lie beside it.
        design: as the user names it; empty where the file shall tell.
    """

    path: Path
    design: str = ""


def savedmodel_in(folder: Path) -> Path | None:
    """``folder`` or a folder at most two levels below it that holds a SavedModel."""
    return next(iter(savedmodels_in(folder)), None)


def savedmodels_in(folder: Path) -> list[Path]:
    """All folders that do so, of the level nearest to ``folder``."""
    patterns = (SAVED_MODEL, f"*/{SAVED_MODEL}", f"*/*/{SAVED_MODEL}")
    levels = ([path.parent for path in sorted(folder.glob(pattern))] for pattern in patterns)
    return next((level for level in levels if level), [])


Source = Embedded | SavedModelSource | DarknetSource | OnnxSource
