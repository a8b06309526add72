"""What is suspicious about the photos alone."""

from helpers.download.stage import data_folders
from helpers.lab.units import how_many
from helpers.photos.coco.folders import read_selection
from helpers.run.experiment import Run


def plain_photos(run: Run) -> str:
    """Which of the user's photos are of one colour or nearly black; empty where none is."""
    if not run.profile.coco:
        return ""
    plain = [photo for photo in read_selection(data_folders(run))["photos"] if "plain" in photo]
    if not plain:
        return ""
    return (
        f"{how_many(len(plain), 'photo shows', 'photos show')} nothing: the first is {plain[0]['file']} "
        f"({plain[0]['plain']}). Look whether it was written as it should be: a detector finds nothing there."
    )
