"""Layers in a variant's record, and as one table for figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from helpers.lab.intervals import Absent
from helpers.quantize.layers.diagnosis import diagnosis
from helpers.quantize.layers.layer_error import ComparedLayers, LayerError

COLUMNS = (
    "model", "variant", "place", "name", "operator", "kind", "sqnr_db", "sqnr_low_db", "sqnr_high_db",
    "own_sqnr_db", "drop_db", "photos", "diagnosis", "failed",
)  # fmt: skip
LOSS_POINTS = 2.0
NOT_COMPARED = "no layers were compared"
NO_LAYERS = "layers are compared in LiteRT alone, whose files keep every tensor on the way"


def compared(found: Sequence[LayerError] | Absent, photos: int) -> ComparedLayers | Absent:
    """What a variant's record keeps of its layers."""
    if isinstance(found, Absent) or not found:
        return found or Absent(NOT_COMPARED)
    return ComparedLayers(photos, diagnosis(found), tuple(layer.six_digits() for layer in found))


def layers_frame(kept: Mapping[tuple[str, str], ComparedLayers | Absent]) -> pd.DataFrame:
    """One row per model, variant and layer, in the order of ``kept`` and of the network.

    A variant without layers has one row, with the reason in ``failed``, which is empty elsewhere.

    Args:
        kept: (model, variant) -> what ``compared`` gave.
    """
    rows = []
    for (model, variant), found in kept.items():
        names = {"model": model, "variant": variant}
        if isinstance(found, Absent):
            rows.append({**names, "failed": found.reason})
            continue
        same = {**names, "photos": found.photos, "diagnosis": found.diagnosis, "failed": ""}
        rows += [{**same, **about(layer)} for layer in found.layers]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def about(layer: LayerError) -> dict[str, Any]:
    return {name: getattr(layer, name) for name in COLUMNS if hasattr(layer, name)}


def lossy_layers_text(row: Mapping[str, Any], layers: pd.DataFrame) -> str:
    """Sentences for the report where a variant loses more than ``LOSS_POINTS`` AP points; else empty.

    Args:
        row: of the results: ``model``, ``variant``, ``ap_diff`` (AP less that of float32, 0..1; may be
            absent or not finite).
        layers: what ``layers_frame`` gave.
    """
    difference = row.get("ap_diff")
    if difference is None or not difference < -LOSS_POINTS / 100:
        return ""
    loss = f"{row['variant']} of {row['model']} loses {-100 * difference:.1f} AP points. "
    here = layers[(layers["model"] == row["model"]) & (layers["variant"] == row["variant"])]
    texts = list(here["diagnosis"].dropna())
    if texts:
        return loss + texts[0]
    reason = next(iter(here["failed"]), NOT_COMPARED)
    return f"{loss}Its layers could not be compared with float32's: {reason}"


def lossy_layers_texts(results: pd.DataFrame, layers: pd.DataFrame) -> list[str]:
    """``lossy_layers_text`` of all rows of the results, without the empty ones."""
    texts = (lossy_layers_text(row, layers) for row in results.to_dict("records"))
    return [text for text in texts if text]
