"""Tables that the package codecarbon (MIT licence) brings, read as files: the package is never imported.

Importing it would load its tracker, which opens counters and may call servers; its tables need none of that.
They are no public interface, so their places and columns are proven by tests against the locked version.
"""

import csv
import functools
import importlib.metadata
import json
from pathlib import Path
from typing import Any

from helpers.lab.errors import LabError

PACKAGE = "codecarbon"
CPU_POWER = "codecarbon/data/hardware/cpu_power.csv"
ENERGY_MIX = "codecarbon/data/private_infra/global_energy_mix.json"


def cited(name: str) -> str:
    """ "codecarbon 3.3.2, cpu_power.csv"."""
    return f"{PACKAGE} {importlib.metadata.version(PACKAGE)}, {Path(name).name}"


def table_file(name: str) -> Path:
    """A file of the installed package. Raises ``LabError`` where there is none."""
    try:
        path = Path(str(importlib.metadata.distribution(PACKAGE).locate_file(name)))
    except importlib.metadata.PackageNotFoundError as error:
        raise missing(f"the package {PACKAGE} is not installed.") from error
    if not path.is_file():
        raise missing(f"{path} does not exist.")
    return path


def missing(found: str) -> LabError:
    return LabError(found, "the locked packages", "run `make setup`.")


@functools.cache
def cpu_powers() -> dict[str, float]:
    """Name of a processor, as its maker writes it -> rated power (TDP) in W."""
    with table_file(CPU_POWER).open(newline="", encoding="utf-8") as file:
        powers = {row["Name"]: as_watts(row["TDP"]) for row in csv.DictReader(file)}
    return {name: watts for name, watts in powers.items() if watts}


def as_watts(text: str) -> float:
    """0 for what is no number: the table has some ("27.29.5")."""
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0


@functools.cache
def energy_mixes() -> dict[str, dict[str, Any]]:
    """Country (ISO 3166-1 alpha-3) -> its "country_name", "year", "carbon_intensity" in gCO2e per kWh, ..."""
    return json.loads(table_file(ENERGY_MIX).read_text(encoding="utf-8"))
