"""The ``.cfg`` files that are part of the project; their weights are downloaded from their publisher."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

FOLDER = Path(__file__).parent / "models"
PUBLISHED: Mapping[str, Path] = MappingProxyType(
    {"yolov3": FOLDER / "yolov3.cfg", "yolov3_tiny": FOLDER / "yolov3-tiny.cfg"}
)
