"""What a graph does to a photo before its first convolution, found by trying it on photos."""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from helpers.lab.errors import LabError
from helpers.models.savedmodels.follow import above, below, first_convolutions, readable
from helpers.models.savedmodels.freeze import Frozen
from helpers.photos.decoding import core_input
from helpers.photos.preprocessing import CHANNELS, RESIZES, Preprocessing

# Heights and widths in pixels: taller, wider, smaller than most inputs, and odd.
PROBE_SIZES = ((211, 307), (400, 300), (64, 97))
TOLERANCE, FIT_NOISE = 1e-3, 3e-6
Photos = list[np.ndarray]


def probes(seed: int = 0, fixed: tuple[int, int] | None = None) -> Photos:
    """Random uint8 photos ``[H, W, 3]``: noise tells all ways of resizing apart; all of a ``fixed`` size."""
    generator = np.random.default_rng(seed)
    sizes = [fixed] * len(PROBE_SIZES) if fixed else PROBE_SIZES
    return [generator.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


def find_image(frozen: Frozen) -> tuple[tf.Tensor, Preprocessing]:
    """The network's input tensor ``[1, h, w, 3]``, and how it comes from a photo.

    Of the tensors before the first convolution the last one is taken that ``Preprocessing`` can make.

    Raises:
        LabError: it can make none of them.
    """
    fixed = frozen.fixed_size
    photos = probes(fixed=fixed)
    tensors, nearest = images(frozen, photos), np.inf
    for tensor in reversed(tensors):
        values = [frozen.values([tensor], photo)[0] for photo in photos]
        preprocessing, error = fit(photos, values)
        if error <= TOLERANCE:
            return tensor, (preprocessing if fixed is None else before_fixed(preprocessing, fixed))
        nearest = min(nearest, error)
    raise LabError(
        f"{len(tensors)} tensors of a fixed size [1, h, w, 3] come before the first convolution; no known "
        f"preprocessing makes one of them (nearest: wrong by {nearest:.2g} of its range).",
        f"a bilinear resize ({', '.join(RESIZES)}; stretched, or padded with one colour at the end), "
        "then a scale and an offset per channel, RGB or BGR",
        "add this model's way to helpers/photos/preprocessing.py and helpers/photos/decoding.py.",
    )


def before_fixed(found: Preprocessing, fixed: tuple[int, int]) -> Preprocessing:
    """Photos are stretched to the fixed size, to whole pixel values: what a user of such a graph must do.

    Raises:
        LabError: the graph resizes once more; two ways one after the other are none that is known here.
    """
    if (found.height, found.width) != fixed:
        raise LabError(
            f"the signature takes photos of {fixed[0]}x{fixed[1]} only, and makes "
            f"{found.height}x{found.width} of them.",
            "a signature that takes photos of any size, or of the network's own size",
            "export the detector again without a fixed size of the input.",
        )
    return dataclasses.replace(found, resize="half-pixel-rounded", pad=False)


def images(frozen: Frozen, photos: Photos) -> list[tf.Tensor]:
    """Float tensors ``[1, h, w, 3]`` between photo and first convolution, of one size for all photos."""
    before = above([op.inputs[0] for op in first_convolutions(frozen)]) & below([frozen.photo.op])
    operators = [op for op in frozen.graph.get_operations() if op in before]
    tensors = [t for op in operators for t in op.outputs if readable(frozen, t) and may_be_image(t)]
    shapes = [[value.shape for value in frozen.values(tensors, photo)] for photo in photos]
    fixed = [len(set(of_one)) == 1 and is_image(of_one[0]) for of_one in zip(*shapes, strict=True)]
    return list(itertools.compress(tensors, fixed))


def may_be_image(tensor: tf.Tensor) -> bool:
    return tensor.shape.is_compatible_with([1, None, None, 3])


def is_image(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[0] == 1 and shape[3] == 3


def fit(photos: Photos, values: list[np.ndarray]) -> tuple[Preprocessing, float]:
    """The preprocessing that comes nearest, and its largest error as a share of the values' range."""
    tried = [fit_one(plain, photos, values) for plain in ways(*values[0].shape[1:3])]
    return min(tried, key=lambda result: result[1])


def ways(height: int, width: int) -> Iterator[Preprocessing]:
    for resize, channels, pad in itertools.product(RESIZES, CHANNELS, (False, True)):
        yield Preprocessing(height, width, (1.0,) * 3, (0.0,) * 3, resize, channels, pad)


def fit_one(plain: Preprocessing, photos: Photos, values: list[np.ndarray]) -> tuple[Preprocessing, float]:
    """Scale and offset per channel by least squares over all pixels of photos; then what fills the rest."""
    inside = np.concatenate([covered(plain, photo).ravel() for photo in photos])
    pixels = np.concatenate([core_input(photo, plain)[0].reshape(-1, 3) for photo in photos]).astype(float)
    wanted = np.concatenate([value[0].reshape(-1, 3) for value in values]).astype(float)
    scale, offset = least_squares(pixels[inside], wanted[inside])
    colour = fill(wanted[~inside], scale, offset)
    pixels[~inside] = colour
    error = np.abs(pixels * scale + offset - wanted).max() / max(np.ptp(wanted), 1e-12)
    fitted = dataclasses.replace(
        plain,
        scale=tuple(map(simple_scale, scale)),
        offset=tuple(map(simple_offset, offset, scale)),
        fill=tuple(0.0 if abs(value) < 1e-2 else simple(value) for value in colour),
    )
    return fitted, float(error)


def least_squares(pixels: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset ``[3]`` that bring ``pixels`` ``[n, 3]`` nearest to ``wanted``."""
    centred = pixels - pixels.mean(0)
    scale = (centred * wanted).sum(0) / np.maximum((centred**2).sum(0), 1e-12)
    return scale, wanted.mean(0) - scale * pixels.mean(0)


def fill(rest: np.ndarray, scale: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The pixel value ``[3]`` that becomes the mean of ``rest`` ``[n, 3]``; 0 without a rest."""
    if not len(rest) or not scale.all():
        return np.zeros(3)
    return (rest.mean(0) - offset) / scale


def covered(plain: Preprocessing, photo: np.ndarray) -> np.ndarray:
    """bool ``[height, width]``: where the input shows the photo."""
    height, width = plain.resized(*photo.shape[:2])
    inside = np.zeros((plain.height, plain.width), bool)
    inside[:height, :width] = True
    return inside


def simple(value: float) -> float:
    """The number of five digits that a fit to float32 values cannot tell from ``value``, or ``value``."""
    short = float(f"{value:.5g}")
    return short if abs(short - value) <= FIT_NOISE * abs(value) else float(value)


def simple_scale(scale: float) -> float:
    """As ``simple``, of a number that graphs write as a divisor: 1 / 127.5."""
    return 1 / simple(1 / scale) if scale else 0.0


def simple_offset(offset: float, scale: float) -> float:
    """As ``simple``; 0 where it is next to nothing in pixel values."""
    return 0.0 if abs(offset) < 1e-3 * abs(scale) else simple(offset)
