"""What only the user can say of a ``.tflite`` file, beside it: anchors, and how photos are prepared."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.files import read_json
from helpers.models.own_tflite.describe import Described
from helpers.models.own_tflite.labels import labels_beside
from helpers.tasks.detection.boxes import CODER_SCALES
from helpers.tasks.detection.tails.ssd import CONVERSIONS

CHANNELS = 3
KEYS = ("scale", "offset", "resize", "channels", "pad", "conversion", "coder_scales")
FINISHED = "none"  # of ``conversion``: the file's scores are scores already, however it makes them
CURE = f"write a JSON object with some of: {', '.join(KEYS)}; see helpers/models/own_tflite/beside.py."


@dataclass(frozen=True)
class Given:
    """What ``<name>.json`` says.

    Attributes:
        scale, offset: of ``pixel * scale + offset``, per channel; None where it does not say.
        others: ``resize``, ``channels``, ``pad`` as in ``Preprocessing``.
        conversion: from logits to scores, one of ``ssd.CONVERSIONS``; ``none`` where they are scores; empty
            where it does not say.
        coder_scales: the box coder's, of ty, tx, th, tw.
    """

    scale: tuple[float, ...] | None
    offset: tuple[float, ...] | None
    others: dict[str, Any]
    conversion: str = ""
    coder_scales: tuple[float, ...] = CODER_SCALES


def read_given(path: Path) -> Given:
    """What ``<name>.json`` beside a file says; nothing where there is none.

    Raises:
        LabError: it is no JSON object, has a key or a value that is not known here, or only one of ``scale``
            and ``offset``.
    """
    file = path.with_suffix(".json")
    values = read_json(file, CURE) if file.is_file() else {}
    if not isinstance(values, dict) or set(values) - set(KEYS) or ("scale" in values) != ("offset" in values):
        raise LabError(
            f"{file} holds {values!r:.200}.", "an object; scale and offset together, or neither", CURE
        )
    others = {name: values[name] for name in ("resize", "channels", "pad") if name in values}
    conversion, coder = values.get("conversion", ""), values.get("coder_scales", CODER_SCALES)
    known = (*CONVERSIONS, FINISHED)
    if "conversion" in values and conversion not in known:
        raise LabError(f"{file}: conversion {conversion!r}.", f"one of: {', '.join(known)}", CURE)
    ends = [three(file, values[name]) if name in values else None for name in ("scale", "offset")]
    return Given(*ends, others, conversion, several(file, coder, 4))


def files_beside(path: Path) -> list[Path]:
    """The files beside a ``.tflite`` that say something of it: what it is read with depends on them."""
    names = [f"{path.stem}.json", *anchor_names(path)]
    found = [file for file in map(path.with_name, names) if file.is_file()]
    return [*found, *([labels] if (labels := labels_beside(path)) else [])]


def anchor_names(path: Path) -> list[str]:
    return [f"{path.stem}.anchors{suffix}" for suffix in (".npy", ".csv")]


def three(file: Path, values: Any) -> tuple[float, ...]:
    """One number, or one per channel."""
    return several(file, [values] * CHANNELS if isinstance(values, int | float) else values, CHANNELS)


def several(file: Path, values: Any, count: int) -> tuple[float, ...]:
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        found = ()
    if len(found) != count or not np.isfinite(found).all():
        raise LabError(f"{file}: {values!r}.", f"{count} numbers", CURE)
    return found


def read_anchors(path: Path, facts: Described) -> np.ndarray:
    """Anchors (cy, cx, h, w), relative to the input, float32 ``[N, 4]``: ``<name>.anchors.npy`` or ``.csv``.

    Raises:
        LabError: there are none, or they do not fit the file's boxes.
    """
    files = [path.with_name(name) for name in anchor_names(path)]
    wanted = f"{facts.candidates} anchors (cy, cx, h, w), relative to the input, one per row"
    cure = f"write {files[0].name} or {files[1].name} beside the file."
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise LabError(
            f"{path} gives box encodings [1, {facts.candidates}, 4], and does not say of which anchors.",
            wanted,
            cure,
        )
    anchors = load_anchors(file, wanted, cure)
    if anchors.shape != (facts.candidates, 4):
        raise LabError(f"{file} holds a table of {list(anchors.shape)}.", wanted, cure)
    if not np.isfinite(anchors).all() or (anchors[:, 2:] <= 0).any():
        raise LabError(f"{file} holds numbers that are not finite, or sides up to 0.", wanted, cure)
    return anchors


def load_anchors(file: Path, wanted: str, cure: str) -> np.ndarray:
    try:
        table = np.load(file) if file.suffix == ".npy" else np.loadtxt(file, delimiter=",", ndmin=2)
        return np.asarray(table, np.float32)
    except (ValueError, OSError, EOFError, TypeError) as error:
        raise LabError(f"{file} cannot be read: {error}.", wanted, cure) from error
