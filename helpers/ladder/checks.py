"""The last cell of 07: that all forms are accounted for, and that two ways to the same number agree."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from helpers.evaluate.stage import read_score
from helpers.ladder.stage import Ladder, read_draws
from helpers.ladder.tables import table_file
from helpers.models.registry import DEFAULT_MODEL
from helpers.run.experiment import Run
from helpers.run.variants import BASELINE
from helpers.show.checks import require

# One form made in two ways: codes of the quantizer in the file, and values on its grid.
SAME_FORM = ("int8-weights", "uniform-8-channel-minmax")
SAME_POINTS, SAME_AP = 0.05, 1e-12


def check_ladder(run: Run, ladders: Sequence[Ladder], frame: pd.DataFrame) -> Styler:
    """Every form has an AP or a reason; float32's AP is that of 03; simulated and real int8 weights agree.

    The last is demanded of the embedded model; of another it is told, since its quantizer may leave layers.

    Raises:
        LabError: one does not hold.
    """
    empty = frame["model"].isin([ladder.model.id for ladder in ladders if finds_nothing(ladder)])
    told = frame["ap"].notna() | (frame["failed"] != "") | empty
    sized = frame["size_bytes"].notna()
    checks = {
        "every form has an AP or a reason, where there is something to be found": bool(told.all()),
        "no simulated form has a file's size": not (sized & ~frame["deployable"]).any(),
        "ladder.csv holds this table": len(pd.read_csv(table_file(run))) == len(frame),
    }
    for ladder in ladders:
        checks |= {} if finds_nothing(ladder) else checks_of(ladder)
    return require(checks)


def finds_nothing(ladder: Ladder) -> bool:
    """Whether there is nothing to be found in the photos: then no form has an AP."""
    draws = read_draws(ladder)
    return BASELINE in draws and bool(np.isnan(draws[BASELINE][0]))


def checks_of(ladder: Ladder) -> dict[str, bool]:
    model, draws, checks = ladder.model.id, read_draws(ladder), {}
    scored = read_score(ladder.run, ladder.model, BASELINE).values
    if BASELINE in draws and scored.images == len(ladder.labelled.photos):
        same = abs(scored.stats["ap"] - draws[BASELINE][0]) < SAME_AP
        checks[f"{model}: float32 has the AP that 03 gave it, without FiftyOne"] = same
    if all(form in draws for form in SAME_FORM):
        points = 100 * abs(draws[SAME_FORM[0]][0] - draws[SAME_FORM[1]][0])
        text = f"{model}: real and simulated int8 weights differ by {points:.3f} points of AP"
        checks[text] = bool(points <= SAME_POINTS) or model != DEFAULT_MODEL
    return checks
