"""Photos: decoding, and what is done to them before they enter a core."""

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from helpers.lab.errors import LabError
from helpers.photos.pixels import rgb
from helpers.photos.preprocessing import Preprocessing


def read_photo(path: Path) -> np.ndarray:
    """RGB uint8 ``[H, W, 3]``; EXIF rotation is not applied, as COCO's boxes ask.

    Raises:
        LabError: the file is absent, may not be read, is truncated, no image or no file at all.
    """
    try:
        # A FIFO would wait for ever, a device may never end.
        if not stat.S_ISREG(path.stat().st_mode):
            found, cure = f"{path} is no regular file.", "take it away, or put the photo in its place."
            raise LabError(found, "a whole image file", cure)
        with Image.open(path) as image:
            return rgb(image)
    except FileNotFoundError:
        found = f"{path} does not exist."
    except PermissionError:
        found, cure = f"{path} may not be read by this user.", "give yourself the right to read it (chmod)."
        raise LabError(found, "a readable image file", cure) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        found = f"{path} cannot be decoded: {error}."
    raise LabError(found, "a whole image file", "run 01_download.ipynb again, or put the file in place.")


def core_input(photo: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """RGB uint8 ``[H, W, 3]`` -> the core's float32 input, ``preprocessing.input_shape``."""
    resized = resize(photo, *preprocessing.resized(*photo.shape[:2]), preprocessing.resize)
    if preprocessing.channels == "BGR":
        resized = resized[..., ::-1]
    if preprocessing.pad:
        resized = padded(resized, preprocessing)
    # Along whole rows: three times as fast as along three channels.
    columns = resized.shape[1]
    scale, offset = (np.tile(np.float32(v), columns) for v in (preprocessing.scale, preprocessing.offset))
    image = (resized.reshape(len(resized), -1) * scale + offset).reshape(1, *resized.shape)
    return image if preprocessing.layout == "NHWC" else np.ascontiguousarray(image.transpose(0, 3, 1, 2))


def padded(resized: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """The photo at the top left of the input, or in its middle; the rest filled."""
    top, left = preprocessing.place(*resized.shape[:2])
    whole = np.empty((preprocessing.height, preprocessing.width, 3), np.float32)
    whole[:] = np.float32(preprocessing.fill)
    whole[top : top + resized.shape[0], left : left + resized.shape[1]] = resized
    return whole


@contextlib.contextmanager
def resize_threads(threads: int) -> Iterator[None]:
    """OpenCV's own threads, limited meanwhile: it resizes large photos on all cores."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def resize(photo: np.ndarray, height: int, width: int, how: str) -> np.ndarray:
    """Bilinear, without antialiasing: uint8 ``[H, W, 3]`` -> float32 ``[height, width, 3]``.

    Args:
        how: one of ``preprocessing.RESIZES``.
    """
    if how == "half-pixel-rounded":
        return cv2.resize(photo, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    if how == "half-pixel":
        return cv2.resize(photo.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    rows = between(photo.shape[0], height, how == "aligned")
    columns = between(photo.shape[1], width, how == "aligned")
    low, high, part = rows
    whole = blend(photo[low].astype(np.float32), photo[high], part[:, None, None])
    low, high, part = columns
    return blend(whole[:, low], whole[:, high], part[:, None])


def between(old: int, new: int, aligned: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each new place the old place below it, the one above it, and how far it lies between them."""
    step = np.float32((old - 1) / (new - 1) if aligned and new > 1 else old / new)
    places = np.arange(new, dtype=np.float32) * step
    low = np.minimum(places.astype(int), old - 1)
    return low, np.minimum(low + 1, old - 1), places - low.astype(np.float32)


def blend(first: np.ndarray, second: np.ndarray, part: np.ndarray) -> np.ndarray:
    return first + (second - first) * part
