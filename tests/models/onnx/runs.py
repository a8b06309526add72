"""How tests run a model that was converted: the core in ONNX Runtime, then its tail."""

import numpy as np
import onnxruntime

from helpers.models.onnx.convert import convert
from helpers.photos.decoding import core_input
from helpers.tasks.detection.limits import Limits
from tests.support import onnx_networks as networks

LIMITS = Limits()
NOTED = {"names": {0: "a", 1: "b", 2: "c"}, "stride": 32, "task": "detect", "imgsz": [64, 96]}
ULTRALYTICS = NOTED | {"description": "Ultralytics YOLOv8n model trained on x.yaml"}
SIZES = ((90, 120), (150, 97), (64, 96), (31, 203))


class Converted:
    """A file after ``convert``: its interface, and its core loaded."""

    def __init__(self, model, folder, classes: int = networks.CLASSES, named: str = "", limits=LIMITS):
        self.path = networks.saved(model, folder / "net.onnx")
        self.core_path = folder / "core.onnx"
        self.interface = convert(self.path, self.core_path, limits, classes, named)
        self.session = onnxruntime.InferenceSession(str(self.core_path))

    def heads(self, image: np.ndarray) -> dict[str, np.ndarray]:
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, {"image": image}), strict=True))

    def detect(self, photo: np.ndarray):
        return self.interface.tail(self.heads(core_input(photo, self.interface.preprocessing)))


def photos(sizes=SIZES, seed: int = 0) -> list[np.ndarray]:
    """RGB uint8 photos of coarse noise."""
    generator = np.random.default_rng(seed)
    return [coarse(generator, *size) for size in sizes]


def coarse(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    small = generator.integers(0, 256, (-(-height // 8), -(-width // 8), 3), np.uint8)
    return np.kron(small, np.ones((8, 8, 1), np.uint8))[:height, :width]
