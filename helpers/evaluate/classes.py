"""AP of every class and variant, with the number of objects that it is known from."""

import numpy as np
import pandas as pd

from helpers.evaluate.loss_shares import scored_variants
from helpers.models.registry import Model
from helpers.run.experiment import Run
from helpers.run.variants import BASELINE
from helpers.tasks.detection.evidence import Evidence

COLUMNS = ["model", "variant", "class", "objects", "ap"]


def classes_frame(run: Run, model: Model) -> pd.DataFrame:
    """One row per variant that worked and class that has an object, of a model whose float32 did.

    Returns:
        Columns ``COLUMNS``; ``objects``: crowds do not count; ``ap``: 0..1.
    """
    scored = scored_variants(run, model)
    objects = Evidence.load(run.paths.evidence_file(model.id, BASELINE)).objects().sum(1)
    rows = [
        (model.id, variant, name, int(count), ap)
        for variant, values in scored.items()
        for (name, ap), count in zip(values.ap_per_class.items(), objects, strict=True)
        if count
    ]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.assign(ap=frame["ap"].astype(float).where(frame["ap"] >= 0, np.nan))
