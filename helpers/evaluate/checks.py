"""Is what 03 made whole?"""

import math

import numpy as np
from pandas.io.formats.style import Styler

from helpers.evaluate.cured_steps import last_step_checks
from helpers.evaluate.stage import read_evidence, read_score, scored
from helpers.run.experiment import Run
from helpers.run.standing import scored_models
from helpers.show.checks import require
from helpers.tasks.detection.resample import average_precision


def check_evaluate(run: Run) -> Styler:
    checks, counts = {}, set()
    for model in scored_models(run):
        for variant in scored(run, model):
            record, evidence = read_score(run, model, variant), read_evidence(run, model, variant)
            counts.add(record.values.images)
            ones = np.ones((1, evidence.images), np.int32)
            again, ap = float(average_precision(evidence, ones).mean()), record.values.stats["ap"]
            same = abs(again - ap) < 1e-12 or (ap == -1 and math.isnan(again))
            checks[f"{model.id}, {variant}: the evidence gives the same AP to 1e-12"] = same
        checks |= last_step_checks(run, model)
    checks["all variants saw the same number of photos"] = len(counts) == 1
    return require(checks)
