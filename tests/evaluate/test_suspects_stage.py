"""What 03 says of labels that float32's real detections do not fit; and 01 of photos that show nothing."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.download.stage import prepare_data
from helpers.download.suspects import plain_photos
from helpers.evaluate import suspects
from helpers.evaluate.stage import Progress, read_score
from helpers.photos.coco.choosing import plain
from helpers.photos.coco.folders import lay_out, read_selection
from tests.support.finished_run import finish


@pytest.fixture(scope="module")
def run(lab_data):
    return finish(lab_data).run


@pytest.fixture(scope="module")
def work(run):
    return Progress(run, run.models[0], prepare_data(run))


@dataclass
class OtherLabels:
    """A run's detections, held against other labels."""

    labels: Path
    work: Progress

    @property
    def shards(self):
        return self.work.shards

    def shard_file(self, variant, index):
        return self.work.shard_file(variant, index)


def relabelled(work, folder, change) -> OtherLabels:
    content = json.loads(work.labels.read_text())
    wide = {image["id"]: image["width"] for image in content["images"]}
    for entry in content["annotations"]:
        entry["bbox"] = change(*entry["bbox"], wide[entry["image_id"]])
    path = folder / "validation" / "labels.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    return OtherLabels(path, work)


def test_a_sound_run_has_no_findings(run, work):
    assert read_score(run, run.models[0], "float32").values.findings == ()
    assert suspects.told(run, run.models) == ""
    assert suspects.findings(work) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda x, y, w, h, wide: [wide - x - w, y, w, h], "of the photos mirrored"),
        (lambda x, y, w, h, wide: [x, y, x + w, y + h], "two corners"),
    ],
)
def test_float32_names_the_labels_that_are_wrong_early(work, tmp_path, capsys, change, named):
    wrong = relabelled(work, tmp_path, change)
    (finding,) = suspects.findings(wrong, ap=0.0)
    assert named in finding
    suspects.question_early(wrong)
    assert named in capsys.readouterr().out


def test_an_ap_near_zero_that_nothing_explains_is_said_with_an_example(work, tmp_path):
    far = relabelled(work, tmp_path, lambda x, y, w, h, wide: [x, y, 1.0, 1.0])
    (finding,) = suspects.findings(far, ap=0.001)
    assert "AP is 0.10 points" in finding
    assert "annotation " in finding
    assert suspects.findings(far, ap=0.2) == []


def test_photos_that_show_nothing_are_counted(tmp_path, run):
    source, photo = tmp_path / "mine", np.zeros((20, 30, 3), np.uint8)
    (source / "data").mkdir(parents=True)
    (source / "calibration").mkdir()
    images = []
    for number, value in enumerate((0, 3, 255, None)):
        pixels = np.random.default_rng(number).integers(0, 256, photo.shape, np.uint8)
        Image.fromarray(pixels if value is None else photo + np.uint8(value)).save(
            source / "data" / f"{number}.png"
        )
        images.append({"id": number, "file_name": f"{number}.png", "width": 30, "height": 20})
    Image.fromarray(np.tile(np.arange(30, dtype=np.uint8) * 8, (20, 1))).save(
        source / "calibration" / "c.png"
    )
    content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "ball"}]}
    (source / "labels.json").write_text(json.dumps(content))
    photos = read_selection(lay_out(source, tmp_path / "out", None, 1))["photos"]
    assert {each["file"] for each in photos if "plain" in each} == {"0.png", "1.png", "2.png"}
    assert plain_photos(run) == ""  # drawn by the lab


def test_a_photo_by_night_shows_something():
    night = np.zeros((9, 9, 3), np.uint8)
    night[4, 4] = 90
    assert plain(night) == ""
