"""Pictures of the photos on which variants lost most: ground truth, float32 and the variant."""

from collections.abc import Mapping

from helpers.download.pictures import boxes_of
from helpers.evaluate.lost_photos import farthest
from helpers.models.registry import Model
from helpers.photos.dataset import GROUND_TRUTH, field_name, photo_paths
from helpers.photos.decoding import read_photo
from helpers.run.experiment import Run
from helpers.run.variants import BASELINE
from helpers.show.context import picture_context
from helpers.show.pictures import detections_grid, lost_name
from helpers.show.style import LabFigure, save_figure
from helpers.tasks.detection.attribution import Attribution
from helpers.tasks.detection.error_tables import image_table

HOW_TO_READ = (
    "The photos that take most from this variant’s AP: picked as the worst, so they show how it fails, not "
    "how often. The title of each row gives the photo, its share of the difference of AP in points, and the "
    "kind of error that most of it is of. Compare float32 with the variant. Often little is to be seen: AP "
    "asks for ten degrees of overlap, so a shift of a few pixels can count, and so can a false alarm whose "
    "score is too low to be drawn."
)


def show_worst(
    found: Mapping[str, Mapping[str, Attribution]], grids: Mapping[str, Mapping[str, LabFigure]]
) -> None:
    """In one cell, of every model the picture of the variant that lost most; or why there is none."""
    from IPython.display import display

    for model, variants in found.items():
        worst = farthest(variants)
        if worst is None:
            print(f"{model}: there is no variant but float32.")
        elif worst not in grids[model]:
            print(f"{model}: {worst} lost most, and on no photo.")
        else:
            print(f"{model}: {worst} lost most.")
            display(grids[model][worst])


def loss_grids(
    run: Run, model: Model, dataset, found: Mapping[str, Attribution], count: int = 3
) -> dict[str, LabFigure]:
    """For each variant the photos that lost most, saved with the run.

    Columns: ground truth, float32, and the variant. A variant that lost on no photo has no figure.
    """
    run.paths.pictures.mkdir(parents=True, exist_ok=True)
    for old in run.paths.pictures.glob(f"{lost_name(model.id, '*')}.*"):
        old.unlink()
    grids = {variant: loss_grid(run, model, dataset, variant, found[variant], count) for variant in found}
    return {variant: figure for variant, figure in grids.items() if figure is not None}


def loss_grid(
    run: Run, model: Model, dataset, variant: str, attribution: Attribution, count: int
) -> LabFigure | None:
    worst, paths = image_table(attribution, count), photo_paths(dataset)
    if worst.empty:
        return None
    ids = [list(paths)[position] for position in worst["image"]]
    panels = {"ground truth": boxes_of(dataset, ids, GROUND_TRUTH)}
    for each in (BASELINE, variant):
        panels[each] = boxes_of(dataset, ids, field_name(model.id, each))
    context = picture_context(run)
    images = [read_photo(paths[i]) for i in ids]
    losses = zip(ids, worst["loss"], worst["main kind"], strict=True)
    titles = [f"{paths[i].stem}: loses {-loss:.3f} points, most of it by {kind}" for i, loss, kind in losses]
    figure = detections_grid(images, panels, context, titles)
    figure.how_to_read = HOW_TO_READ
    save_figure(figure, run.paths.pictures, lost_name(model.id, variant), context)
    return figure
