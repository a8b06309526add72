"""The photos on which variants lost most: as FiftyOne views, in the App."""

import os
import shlex
from collections.abc import Mapping

from helpers.download.stage import data_folders
from helpers.evaluate.loss_shares import explain_all
from helpers.lab import paths
from helpers.lab.mongo import server_address
from helpers.models.registry import Model
from helpers.photos.dataset import field_name, has_display, launch_app, load_dataset, photo_paths, view_of
from helpers.run.experiment import Run
from helpers.run.standing import scored_models
from helpers.run.variants import BASELINE
from helpers.show.pictures import SHOWN_FROM_SCORE
from helpers.tasks.detection.attribution import Attribution
from helpers.tasks.detection.error_tables import image_table

SHOWN_IMAGES = 24


def farthest(found: Mapping[str, Attribution]) -> str | None:
    """The variant that lost most; None if there is no variant but float32."""
    return min(found, key=lambda variant: found[variant].total, default=None)


def farthest_of_all(found: Mapping[str, Mapping[str, Attribution]]) -> tuple[str, str] | None:
    """(model, variant) of all that lost most; None if no model has a variant but float32."""
    totals = {(m, v): item.total for m, variants in found.items() for v, item in variants.items()}
    return min(totals, key=totals.get, default=None)


def worst_view(found: Mapping[str, Mapping[str, Attribution]], views: Mapping[str, Mapping]):
    """The view of the variant that lost most; ``found`` and ``views`` by model and variant."""
    worst = farthest_of_all(found)
    return views[worst[0]][worst[1]] if worst else None


def view_name(run: Run, model: Model, variant: str) -> str:
    return f"{field_name(model.id, variant)}_lost_most_{run.paths.name}".replace(".", "_")


def save_loss_views(run: Run, model: Model, dataset, found: Mapping[str, Attribution]) -> dict:
    """For each variant a saved FiftyOne view of the images that lost most, worst first."""
    ids = list(photo_paths(dataset))
    return {
        variant: view_of(
            dataset,
            [ids[position] for position in image_table(attribution, SHOWN_IMAGES)["image"]],
            view_name(run, model, variant),
            [field_name(model.id, BASELINE), field_name(model.id, variant)],
            SHOWN_FROM_SCORE,
        )
        for variant, attribution in found.items()
    }


def offer_app(view, wanted: bool):
    """Open the FiftyOne App on a view if that is wanted and there is a display; say why if not.

    An App that cannot be shown stops nothing: the view is kept with the data set.
    """
    if view is None:
        print("FiftyOne App skipped: there is no variant but float32.")
        return None
    reason = "there is no display" if wanted else "open_app is False"
    if wanted and has_display():
        try:
            return launch_app(view)
        except Exception as error:  # FiftyOne, its server and Colab's front end raise many unrelated types
            reason = f"it did not start: {error}"
    print(
        f"FiftyOne App skipped: {reason}. The view is saved in data set {view.dataset_name!r}. "
        f"An App that you start yourself, while no run is being made, needs {app_settings()} (without "
        "PYTHONPATH it shows no mAP, without the others another database)."
    )
    return None


def app_settings() -> str:
    """Of an App by hand. The address of a server of the user's own is not told: it may hold a password."""
    own = () if server_address() else ("FIFTYONE_DATABASE_DIR",)
    settings = {"PYTHONPATH": str(paths.ROOT)}
    settings |= {name: os.environ[name] for name in (*own, "FIFTYONE_DATABASE_NAME") if name in os.environ}
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())


def offer_later(run: Run, wanted: bool):
    """``offer_app`` for 05, which does not have the data set at hand: it is loaded only if that is wanted."""
    if not wanted:
        print("FiftyOne App skipped: open_app is False. 03_evaluate.ipynb saved the views.")
        return None
    dataset, models = load_dataset(data_folders(run).validation), scored_models(run)
    found = {model.id: explain_all(run, model) for model in models}
    views = {model.id: save_loss_views(run, model, dataset, found[model.id]) for model in models}
    return offer_app(worst_view(found, views), wanted)
