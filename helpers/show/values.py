"""What stands in a row of results where a value is, and where none is."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers.lab.errors import found_of
from helpers.lab.quantities import Quantity
from helpers.run.variants import is_baseline

REFERENCE = "reference"


def reference_cell(quantity: Quantity, row: Mapping[str, Any]) -> str:
    """The text of a value; of float32 itself there is no difference to float32 to measure."""
    if quantity.against and is_baseline(str(row["variant"])) and quantity.at(row):
        return REFERENCE
    return quantity.cell(row)


def failure_of(row: Mapping[str, Any]) -> str:
    """Why the variant failed; empty if it did not."""
    value = row.get("failed")
    return "" if value is None or pd.isna(value) else found_of(str(value))


def raw_reason(row: Mapping[str, Any], quantity: Quantity | None) -> str:
    """Why a quantity has no value in a row of a variant that did not fail; empty if unknown."""
    texts = [row.get(name) for name in (quantity.reason if quantity else "", "reason")]
    return next((text for text in texts if isinstance(text, str) and text), "")


def reason_for(row: Mapping[str, Any], quantity: Quantity | None) -> str:
    """``raw_reason`` as one sentence for a cell."""
    return found_of(raw_reason(row, quantity))
