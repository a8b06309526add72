"""Is what 01 made whole?"""

from pandas.io.formats.style import Styler

from helpers.photos.dataset import category_numbers, read_objects, sample_count
from helpers.run.experiment import Run
from helpers.show.checks import require


def check_download(run: Run, dataset) -> Styler:
    photos = sample_count(dataset)
    if run.profile.coco or run.profile.data:
        return require({"there are photos": photos > 0})
    objects = read_objects(dataset)
    return require(
        {
            f"{run.profile.images} evaluation photos": photos == run.profile.images,
            "every category occurs": len(set(objects.category)) == len(category_numbers(dataset)),
        }
    )
