"""Numbers as people read them."""

import math

SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
ENERGIES = ((1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"))


def three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    """Three significant digits in the largest unit that leaves at least 1; else in the smallest."""
    rounded = three_digits(value)
    scale, unit = next((u for u in units if abs(rounded) >= u[0]), units[-1])
    return f"{three_digits(value / scale):g} {unit}"


def format_bytes(size_bytes: float) -> str:
    """Decimal units: ``1_234_567`` -> ``1.23 MB``."""
    if not math.isfinite(size_bytes):
        return "n/a"
    if abs(three_digits(size_bytes)) < 1e3:
        return f"{size_bytes:.0f} B"
    return scaled(size_bytes, SIZES)


def format_energy(energy_j: float) -> str:
    return scaled(energy_j, ENERGIES) if math.isfinite(energy_j) else "n/a"


def format_duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "n/a"
    if round(seconds * 1e3) < 1000:
        return f"{seconds * 1e3:.0f} ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"
