"""Signal-to-quantization-noise ratio, and the numbers that an integer tensor can hold."""

import math

import numpy as np

# Above this an error is at the level of float32's own rounding (2^-24 is 144 dB).
EXACT_DB = 140.0
# An error of 1 % of the values' own size.
NEGLIGIBLE_DB = 40.0


def sqnr_db(signal: float, noise: float) -> float:
    """10 log10(``signal`` / ``noise``), of two sums of squares, within ±``EXACT_DB``.

    6.02 dB are one bit (Bennett 1948, doi:10.1002/j.1538-7305.1948.tb01340.x). Without noise:
    ``EXACT_DB``; with noise and no signal: -``EXACT_DB``; with noise that is not finite: likewise.
    """
    if noise == 0:
        return EXACT_DB
    if signal == 0 or not math.isfinite(noise):
        return -EXACT_DB
    return min(EXACT_DB, max(-EXACT_DB, 10 * math.log10(signal / noise)))


def power(values: np.ndarray) -> float:
    """Sum of squares of a float array of any shape."""
    flat = values.reshape(-1)
    return float(np.dot(flat, flat))
