"""The pretrained models. Adding one is one entry here."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from helpers.errors import unknown_name
from helpers.limits import LIMITS, Limits
from helpers.paths import EMBEDDED


@dataclass(frozen=True)
class StatedAccuracy:
    """What the publisher claims; printed beside ours."""

    metric: str
    value: float
    source: str


@dataclass(frozen=True)
class Model:
    """A pretrained detector and what must be known to run it.

    Attributes:
        id: name in files, tables and figures.
        title: name for people.
        source: the embedded detector's weights (``.npz``), or the folder of a SavedModel that has the
            signatures ``serving_default``, ``core`` and ``anchors`` (``detector/export.py`` shows them).
        licence: SPDX id.
        categories: names of classes 1, 2, ...
        pixel_scale, pixel_offset: the core's input is ``pixel * pixel_scale + pixel_offset``, RGB 0..255.
        limits: what the tail keeps of an image.
        stated: the publisher's accuracy, None where nobody states one.
    """

    id: str
    title: str
    source: Path
    licence: str
    categories: tuple[str, ...]
    pixel_scale: float
    pixel_offset: float
    limits: Limits = LIMITS
    stated: StatedAccuracy | None = None


_ENTRIES = (
    Model(
        id="ssd_mobilenet_v2_synthetic",
        title="SSD MobileNetV2 FPN 192 (embedded, trained on the synthetic photos)",
        source=EMBEDDED / "ssd_mobilenet_v2_synthetic.npz",
        licence="Apache-2.0",
        categories=(
            "ball", "crate", "cone", "star", "ring", "cross",
            "mug", "leaf", "key", "bottle", "bow", "moon",
        ),
        pixel_scale=1 / 127.5,
        pixel_offset=-1.0,
    ),
)  # fmt: skip

MODELS = MappingProxyType({model.id: model for model in _ENTRIES})
DEFAULT_MODEL = _ENTRIES[0].id


def get_model(model_id: str) -> Model:
    try:
        return MODELS[model_id]
    except KeyError:
        raise unknown_name("model", model_id, MODELS) from None
