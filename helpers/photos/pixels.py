"""From a decoded image of any mode to RGB of 8 bits."""

import numpy as np
from PIL import Image

# Pillow clips what has more than 8 bits instead of scaling it, and says nothing.
DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
LARGEST_12, LARGEST_16 = 2**12 - 1, 2**16 - 1


def rgb(image: Image.Image) -> np.ndarray:
    """uint8 ``[H, W, 3]``; see ``eight_bits`` for images of more than 8 bits.

    Raises:
        ValueError: values that have no known range.
    """
    if image.mode not in DEEP:
        return np.asarray(image.convert("RGB"))
    return np.repeat(eight_bits(np.asarray(image))[..., None], 3, axis=2)


def eight_bits(values: np.ndarray) -> np.ndarray:
    """Grey values ``[H, W]`` of more than 8 bits as uint8.

    Whole numbers lose their low bits: above 4,095 they have 16, up to there 12 (cameras store those in files
    of 16), up to 255 they are what they are. Floats are 0..1 or 0..255.

    Raises:
        ValueError: numbers outside of these ranges, or none.
    """
    low, high = float(values.min()), float(values.max())
    whole = values.dtype.kind in "iu"
    if not (np.isfinite([low, high]).all() and low >= 0 and high <= (LARGEST_16 if whole else 255)):
        expected = "0 to 65535" if whole else "0 to 1, or 0 to 255"
        raise ValueError(f"its values are {low:g} to {high:g}, where {expected} are known")
    if whole:
        factor = 256 if high > LARGEST_12 else 16 if high > 255 else 1
        return (values // factor).astype(np.uint8)
    return np.rint(values * (255 if high <= 1 else 1)).astype(np.uint8)
