"""What is known of a pretrained detector before its files are opened."""

from dataclasses import dataclass

from helpers.lab.places import split_design
from helpers.models.designs.catalogue import DESIGN_NAMES
from helpers.models.files.sources import OnnxSource, Source
from helpers.tasks.detection.label_maps import KINDS
from helpers.tasks.detection.limits import LIMITS, Limits


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
        source: where its files come from.
        licence: SPDX id.
        categories: names of classes 1, 2, ...; empty where a number stands for no category.
        limits: what the tail keeps of an image.
        stated: the publisher's accuracy, None where nobody states one.
        name: of the user's own: its whole path or address, with its label map; empty for the registry's.
    """

    id: str
    title: str
    source: Source
    licence: str
    categories: tuple[str, ...]
    limits: Limits = LIMITS
    stated: StatedAccuracy | None = None
    name: str = ""

    @property
    def given(self) -> str:
        """What names it completely, in every folder: notebooks are given this."""
        return self.name or self.id

    @property
    def labels(self) -> str:
        """What names its categories, for people."""
        named = split_design(self.name, DESIGN_NAMES, tuple(KINDS))[2]
        return named if named and named not in KINDS else f"the label map {named or f'of {self.id}'}"

    @property
    def runtime(self) -> str:
        """Its home: what runs a variant that names no other runtime."""
        return "onnxruntime" if isinstance(self.source, OnnxSource) else "litert"
