"""Numbers as people read them."""

import math

SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def format_bytes(size_bytes: float) -> str:
    """Decimal units: ``1_234_567`` -> ``1.23 MB``."""
    if not math.isfinite(size_bytes):
        return "n/a"
    rounded = abs(three_digits(size_bytes))
    scale, unit = next((entry for entry in SIZES if rounded >= entry[0]), (1, "B"))
    return f"{three_digits(size_bytes / scale):g} {unit}"


def format_duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "n/a"
    if round(seconds * 1e3) < 1000:
        return f"{seconds * 1e3:.0f} ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def how_many(count: int, one: str, more: str = "") -> str:
    """``1 photo``, ``2,000 photos``; ``more`` where the plural takes more than an s."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"
