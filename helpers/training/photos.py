"""The photos that a form is trained on: batches, whose changes follow from a seed."""

from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from helpers.lab.files import sha256_file, sha256_json
from helpers.models.embedded.training import augment, load_photos
from helpers.photos.decoding import core_input, read_photo
from helpers.photos.preprocessing import Preprocessing
from helpers.photos.synthetic.dataset import generate_split

Batch = tuple[tf.Tensor, ...]


class Photos(Protocol):
    """A batch is an image ``[B, H, W, 3]`` as the core takes it, and the truth about it, which may be none.

    Attributes:
        sha256: hash of what they are.
    """

    sha256: str

    def __len__(self) -> int: ...

    def batch(self, chosen: np.ndarray, seed: tuple[int, int]) -> Batch: ...


class LabelledPhotos:
    """The embedded detector's own training photos, with boxes ``[B, M, 4]`` and labels int32 ``[B, M]``."""

    def __init__(self, data_root: Path, count: int):
        folder = generate_split(data_root, "train", count)
        self.sha256, self._data = sha256_file(folder / "labels.json"), load_photos(folder)

    def __len__(self) -> int:
        return len(self._data[0])

    def batch(self, chosen: np.ndarray, seed: tuple[int, int]) -> Batch:
        return augment(*(tf.constant(part[chosen]) for part in self._data), tf.constant(seed, tf.int32))


class PlainPhotos:
    """Photos without labels, such as those that ranges are calibrated on: mirrored, lighter and darker."""

    def __init__(self, paths: list[Path], preprocessing: Preprocessing):
        self.sha256 = sha256_json([sha256_file(path) for path in paths])
        self._images = np.concatenate([core_input(read_photo(path), preprocessing) for path in paths])
        self._scale, self._offset = np.float32(preprocessing.scale), np.float32(preprocessing.offset)

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, chosen: np.ndarray, seed: tuple[int, int]) -> Batch:
        pixels = (tf.constant(self._images[chosen]) - self._offset) / self._scale
        size, start = len(chosen), tf.constant(seed, tf.int32)
        mirrored = tf.random.stateless_uniform([size, 1, 1, 1], start) < 0.5
        pixels = tf.where(mirrored, pixels[:, :, ::-1], pixels)
        gain = tf.random.stateless_uniform([size, 1, 1, 1], start + 1, 0.8, 1.25)
        return (tf.clip_by_value(pixels * gain, 0, 255) * self._scale + self._offset,)
