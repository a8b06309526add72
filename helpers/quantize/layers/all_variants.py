"""Per-layer error of all variants, from their records alone."""

import pandas as pd

from helpers.lab.intervals import Absent
from helpers.lab.records import read_record
from helpers.quantize.layers.frame import NO_LAYERS, NOT_COMPARED, layers_frame
from helpers.quantize.records import MadeFile
from helpers.run.experiment import Run
from helpers.run.standing import made_models
from helpers.run.variants import BASELINE


def all_layers(run: Run) -> pd.DataFrame:
    """Layers of all models and variants but the baseline, tidy: see ``layers_frame``.

    Variants of runtimes that keep no tensors on the way are not among them.
    """
    kept = {}
    for model in made_models(run):
        for variant in (v.id for v in run.variants if v.id != BASELINE):
            path = run.paths.variant_record(model.id, variant)
            record = read_record(path, MadeFile, "run 02_quantize.ipynb first.")
            reason = record.failure or NOT_COMPARED
            found = (record.values and record.values.layers) or Absent(reason)
            if found != Absent(NO_LAYERS):
                kept[model.id, variant] = found
    return layers_frame(kept)
