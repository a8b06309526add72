"""CO2 equivalents of energy: a country's mean of one year, times the energy."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from helpers.lab.errors import LabError
from helpers.lab.intervals import Interval
from helpers.meters.codecarbon_data import ENERGY_MIX, cited, energy_mixes

J_PER_KWH = 3.6e6
CODE_LENGTH = 3


@dataclass(frozen=True)
class Footprint:
    """CO2 equivalents of one image.

    Attributes:
        gco2e: g CO2e; as wide as the energy's interval, to which the grid adds nothing (``source`` says so).
        region: ISO 3166-1 alpha-3.
        year: of the grid's mean.
        source: a sentence for the report.
    """

    gco2e: Interval
    region: str
    year: int
    source: str


def gco2e_per_image(energy_j: Interval, region: str) -> Footprint:
    """Energy of one image in J -> its CO2 equivalents, by the mean grid of ``region``.

    Args:
        energy_j: J per image, of any grade; idle energy included or not as the caller likes.
        region: a country by ISO 3166-1 alpha-3: "CHE", "USA".

    Raises ``LabError`` for a region that the table does not have.
    """
    mix = grid(region)
    intensity, year = mix["carbon_intensity"], int(mix["year"])
    source = (
        f"Mean grid of {mix['country_name']} in {year}, {intensity:g} gCO2e per kWh ({cited(ENERGY_MIX)});"
        " how far an hour or a place is from that mean is not in the interval."
    )
    return Footprint(energy_j.scaled(intensity / J_PER_KWH), region, year, source)


def grid(region: str) -> dict[str, Any]:
    """The table's entry for a country that it has a carbon intensity of."""
    known = sorted(code for code, mix in energy_mixes().items() if mix.get("carbon_intensity"))
    if region in known:
        return energy_mixes()[region]
    raise LabError(
        f"region {region!r}, whose grid is not in the table.{hint(str(region), known)}",
        f"one of {len(known)} countries by three letters (ISO 3166-1 alpha-3), {known[0]} to {known[-1]}",
        "name the country of the machine; for a cloud, that of its region.",
    )


def hint(region: str, known: Sequence[str]) -> str:
    """The countries that are likely meant: by code, or, of more than three letters, by name alone."""
    wanted, mixes = region.strip().casefold(), energy_mixes()
    codes = {code.casefold(): code for code in known}
    names = {str(mixes[code]["country_name"]).casefold(): code for code in known}
    if len(wanted) <= CODE_LENGTH:
        near = [codes[text] for text in difflib.get_close_matches(wanted, codes)]
    else:  # a country has another name in each language: only a slip of the pen is taken for one
        near = [names[text] for text in difflib.get_close_matches(wanted, names, n=1, cutoff=0.8)]
    meant = " or ".join(f"{code!r} ({mixes[code]['country_name']})" for code in near)
    return f" Did you mean {meant}?" if near else ""
