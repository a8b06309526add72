"""Per-layer error of each variant, kept in its record, and as a table and a figure."""

from pathlib import Path

import pandas as pd

from helpers.download.stage import data_folders
from helpers.lab.intervals import Absent
from helpers.models.registry import Model
from helpers.photos.coco.labels import DATA, read_labels
from helpers.photos.decoding import core_input, read_photo
from helpers.photos.preprocessing import Preprocessing
from helpers.quantize.layers.all_variants import all_layers
from helpers.quantize.layers.figure import HOW_TO_READ, layer_error
from helpers.quantize.layers.frame import compared
from helpers.quantize.layers.layer_error import ComparedLayers
from helpers.run.experiment import Run
from helpers.show.context import picture_context
from helpers.show.style import LabFigure

CODE = ("helpers.quantize.layers.measure", "helpers.quantize.layers.frame")
PHOTOS = 8
WORST = 10
NOTHING_COMPARED = "No variant but float32: there are no layers to compare."


def compared_files(run: Run) -> list[Path]:
    """The first photos of the evaluation split: none of them was calibrated on."""
    folder = data_folders(run).validation
    images = read_labels(folder)["images"][:PHOTOS]
    return [folder / DATA / image["file_name"] for image in images]


def compare_layers(
    run: Run, base: Path, output: Path, preprocessing: Preprocessing
) -> ComparedLayers | Absent:
    """What the variant's record keeps of its layers."""
    from helpers.quantize.layers.measure import layer_errors

    photos = [core_input(read_photo(path), preprocessing) for path in compared_files(run)]
    return compared(layer_errors(base, output, photos), len(photos))


def layer_figure(run: Run) -> LabFigure | str:
    """Signal against error along the network, of all models; a sentence where no layer was compared."""
    found = all_layers(run)
    if not len(found):
        return NOTHING_COMPARED
    figure = layer_error(found, picture_context(run))
    figure.how_to_read = HOW_TO_READ
    return figure


def worst_layers(run: Run, model: Model) -> pd.DataFrame:
    """The ten layers at which the ratio falls most, of the variant of which it falls most at any layer."""
    found = all_layers(run)
    of_model = found[(found["model"] == model.id) & (found["failed"] == "")].reset_index(drop=True)
    falls = pd.to_numeric(of_model["drop_db"], errors="coerce")
    worst = of_model.loc[falls.idxmax(), "variant"] if falls.notna().any() else ""
    rows = of_model[of_model["variant"] == worst]
    columns = ["variant", "name", "kind", "sqnr_db", "own_sqnr_db", "drop_db"]
    return (
        rows.sort_values("drop_db", ascending=False, kind="stable")[columns]
        .head(WORST)
        .reset_index(drop=True)
    )
