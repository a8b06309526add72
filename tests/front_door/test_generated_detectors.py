"""Through the front door: detectors, folders and options that nothing here was written for.

Three runs of the command, each with much at once, since what starts a run takes most of its time.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.experiment import Run, open_run
from helpers.records import read_record
from helpers.stages.ledger import STAGES
from helpers.variants import BASELINE
from tests.finished_run import lab
from tests.front_door import detectors

COMPLETE, WITH_FAILURES = 0, 3


@dataclass(frozen=True)
class Outcome:
    """What one run of the command left.

    Attributes:
        data: its data folder.
        options: what it was given, but for models and variants.
        code: its exit status.
        printed: both streams.
        run: as ``open_run`` gives it.
    """

    data: Path
    options: tuple[str, ...]
    code: int
    printed: str
    run: Run

    @property
    def report(self) -> str:
        return self.run.paths.report.read_text()

    @property
    def results(self) -> pd.DataFrame:
        return pd.read_csv(self.run.paths.results("csv"), keep_default_na=False, na_values=[""])


def go(data: Path, name: str, models: list[str], variants: list[str], photos: Path, *more: str) -> Outcome:
    options = ["run", "--profile", "coco-smoke", "--run", name, "--coco-dir", str(photos), *more]
    options += [part for model in models for part in ("--model", model)]
    options += [part for variant in variants for part in ("--variant", variant)]
    done = lab(data, *options)
    assert done.returncode in (COMPLETE, WITH_FAILURES), done.stdout
    run = open_run("coco-smoke", name, models, variants, coco_dir=str(photos))
    return Outcome(data, tuple(options), done.returncode, done.stdout, run)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("mein modell @v1.0, grün")


@pytest.fixture(scope="module")
def made(place) -> list[detectors.Made]:
    darknets = [detectors.darknet(place / f"darknet {seed}", seed) for seed in (3, 11)]
    return darknets + [detectors.savedmodel(place / n, write, n) for n, write in detectors.DESIGNS.items()]


@pytest.fixture(scope="module")
def everything(lab_data, place, made) -> Outcome:
    """Every family and design, a ``.tflite`` of one's own, and most options."""
    photos = detectors.photos_for(place / "photos", made)
    names, variants = [each.name for each in made], ["int8", detectors.own_tflite(place / "own")]
    options = ("--threads", "2", "--meter", "estimate", "--power-w", "3", "9", "--region", "CHE")
    return go(lab_data, "everything", names, variants, photos, *options, "--width", "50", "--margin", "2")


def test_all_models_and_variants_get_through(everything, made):
    assert everything.code == COMPLETE, everything.printed
    rows = everything.results
    assert len(rows) == len(made) * 4  # float32, int8, the own file, the control
    assert rows["failed"].isna().all()
    assert rows["model"].nunique() == len(made)


@pytest.mark.parametrize("place_of", range(6))
def test_float32_finds_what_other_software_finds(everything, made, place_of):
    model = everything.run.models[place_of]
    stored = read_record(everything.run.paths.score_record(model.id, BASELINE), "").values["ap_per_class"]
    found = [stored[name] for name in made[place_of].categories if stored.get(name, -1) >= 0]
    assert np.mean(found) > 0.97, stored


def test_the_report_names_every_model_by_its_place(everything, made):
    for each in everything.run.models:
        assert each.id in everything.report


def test_a_second_run_has_nothing_to_do(everything):
    again = lab(everything.data, *everything.options)
    assert again.returncode == COMPLETE, again.stdout
    assert len(re.findall("up to date", again.stdout)) == len(STAGES)
