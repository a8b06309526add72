"""Per-layer error of all variants, from their records alone."""

from typing import Any

import pandas as pd

from helpers.lab.records import read_record
from helpers.quantize.layers.frame import layers_frame
from helpers.run.experiment import Run
from helpers.run.standing import made_models
from helpers.run.variants import BASELINE


def all_layers(run: Run) -> pd.DataFrame:
    """Layers of all models and variants but the baseline, tidy: see ``layers_frame``."""
    kept = {}
    for model in made_models(run):
        for variant in (v.id for v in run.variants if v.id != BASELINE):
            record = read_record(
                run.paths.variant_record(model.id, variant), Any, "run 02_quantize.ipynb first."
            )
            kept[model.id, variant] = record.values["layers"] if record.values else {"absent": record.failure}
    return layers_frame(kept)
