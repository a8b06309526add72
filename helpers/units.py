"""Numbers as people read them."""

import math


def format_bytes(size_bytes: float) -> str:
    """Decimal units: ``1_234_567`` -> ``1.23 MB``."""
    if not math.isfinite(size_bytes):
        return "n/a"
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(size_bytes) >= scale:
            return f"{size_bytes / scale:.3g} {unit}"
    return f"{size_bytes:.0f} B"


def format_duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def format_energy(energy_j: float) -> str:
    if not math.isfinite(energy_j):
        return "n/a"
    return f"{energy_j * 1e3:.3g} mJ" if abs(energy_j) < 1 else f"{energy_j:.3g} J"
