"""Small tables in notebooks."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from helpers.models.registry import Model
from helpers.run.experiment import Run


def text_of(value) -> str:
    """A cell: four significant digits, thousands apart, ``n/a`` for what is not there."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "n/a"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def neat(table: pd.DataFrame) -> Styler:
    """The table with readable numbers, and without a row number where that says nothing."""
    styler = table.style.format(lambda value: text_of(value.item() if hasattr(value, "item") else value))
    if isinstance(table.index, pd.RangeIndex):
        styler = styler.hide(axis="index")
    styler = styler.set_properties(**{"text-align": "left"})
    return styler.set_table_styles([{"selector": "th", "props": "text-align: left"}])


def of_all(
    table: Callable[..., pd.DataFrame], run: Run, models: Sequence[Model], *further: Any
) -> pd.DataFrame:
    """``table(run, model, *further)`` of every model, one below the other, with the model's id if several."""
    tables = {model.id: table(run, model, *further) for model in models}
    if len(tables) == 1:
        return next(iter(tables.values()))
    numbered = {name: each.reset_index(drop=each.index.name is None) for name, each in tables.items()}
    parts = [pd.concat({"model": pd.Series(name, each.index)} | dict(each.items()), axis=1)
             for name, each in numbered.items()]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def facts(values: dict) -> Styler:
    """A two-column table of facts."""
    return neat(pd.DataFrame({"fact": list(values), "value": [str(v) for v in values.values()]}))
