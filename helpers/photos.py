"""Photos: decoding and resizing, as the SavedModels of TensorFlow do it."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from helpers.errors import LabError
from helpers.models import Model


def read_photo(path: Path) -> np.ndarray:
    """RGB uint8 ``[H, W, 3]``; EXIF rotation is not applied, as COCO's boxes ask.

    Raises:
        LabError: the file is absent, truncated or no image.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        found = f"{path} does not exist."
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        found = f"{path} cannot be decoded: {error}."
    raise LabError(found, "a whole image file", "run 01_download.ipynb again, or put the file in place.")


def core_input(photo: np.ndarray, height: int, width: int, model: Model) -> np.ndarray:
    """RGB uint8 ``[H, W, 3]`` -> the core's float32 input ``[1, height, width, 3]``.

    Bilinear with half-pixel centres and without antialiasing, on floats: ``tf.image.resize``.
    """
    resized = cv2.resize(photo.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return (resized * np.float32(model.pixel_scale) + np.float32(model.pixel_offset))[None]
