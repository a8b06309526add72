"""The photos on which variants disagree most: as a ranking, as a FiftyOne view, in the App."""

import numpy as np
import pandas as pd

from helpers.dataset import field_name, has_display, launch_app, load_dataset, photo_paths, view_of
from helpers.experiment import Run
from helpers.models import Model
from helpers.score import Evidence
from helpers.stages.download import data_folders
from helpers.stages.evaluate import read_evidence
from helpers.stages.quantize import working_files
from helpers.variants import BASELINE

SHOWN_IMAGES = 24


def gaps_to_baseline(run: Run, model: Model) -> pd.DataFrame:
    """How far each variant's matches differ from float32's: one row per image, one column per variant.

    The sum, over classes and IoU thresholds, of the difference in the number of objects found.
    """
    found = {v: hits_per_image(read_evidence(run, model, v)) for v in working_files(run, model)}
    base = found[BASELINE]
    return pd.DataFrame({variant: np.abs(hits - base).sum((0, 1)) for variant, hits in found.items()})


def disagreement(run: Run, model: Model) -> pd.Series:
    """``gaps_to_baseline`` summed over variants, by position of the image, largest first."""
    return gaps_to_baseline(run, model).sum(axis=1).sort_values(ascending=False, kind="stable")


def farthest(run: Run, model: Model) -> str:
    """The variant that differs most from float32."""
    return gaps_to_baseline(run, model).sum().idxmax()


def hits_per_image(evidence: Evidence) -> np.ndarray:
    """Objects found, ``[thresholds, classes, images]``, all sizes."""
    hits = evidence.matched[0] & ~evidence.ignored[0]
    thresholds, classes, images = len(hits), evidence.objects.shape[1], evidence.images
    cell = evidence.category.astype(int) * images + evidence.image
    counts = [np.bincount(cell[row], minlength=classes * images) for row in hits]
    return np.stack(counts).reshape(thresholds, classes, images)


def save_disagreement_view(run: Run, model: Model, dataset):
    """A saved FiftyOne view of the images on which the variants disagree most, worst first."""
    ids = list(photo_paths(dataset))
    worst = [ids[position] for position in disagreement(run, model).index[:SHOWN_IMAGES]]
    return view_of(
        dataset, worst, f"{field_name(model.id, 'disagreement')}_{run.paths.name}".replace(".", "_")
    )


def offer_app(view, wanted: bool):
    """Open the FiftyOne App on a view if that is wanted and there is a display; say why if not."""
    if wanted and has_display():
        return launch_app(view)
    reason = "there is no display" if wanted else "open_app is False"
    print(f"FiftyOne App skipped: {reason}. The view is saved in data set {view.dataset_name!r}.")
    return None


def offer_later(run: Run, wanted: bool):
    """``offer_app`` for 05, which does not have the data set at hand: it is loaded only if that is wanted."""
    if not wanted:
        print("FiftyOne App skipped: open_app is False. 03_evaluate.ipynb saved the view.")
        return None
    dataset = load_dataset(data_folders(run.profile).validation)
    return offer_app(save_disagreement_view(run, run.models[0], dataset), wanted)
