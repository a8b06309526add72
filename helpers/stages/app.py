"""05's offer to look at the photos behind the numbers."""

from helpers.dataset import load_dataset
from helpers.experiment import Run
from helpers.stages.download import data_folders
from helpers.stages.evaluate import offer_app, save_disagreement_view


def offer(run: Run, wanted: bool):
    """Open the FiftyOne App on the photos where variants disagree most, as ``evaluate.offer_app`` does."""
    if not wanted:
        print("FiftyOne App skipped: open_app is False. 03_evaluate.ipynb saved the view.")
        return None
    dataset = load_dataset(data_folders(run.profile).validation)
    return offer_app(save_disagreement_view(run, run.models[0], dataset), wanted)
