"""Through the front door: detectors, folders and options that nothing here was written for.

Three runs of the command, each with much at once, since what starts a run takes most of its time.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.evaluate.records import Scored
from helpers.lab.records import read_record
from helpers.run.experiment import Run, open_run
from helpers.run.forms import NOT_TIMED
from helpers.run.variants import BASELINE
from helpers.suite.ledger import STAGES
from tests.front_door import detectors
from tests.support.command_line import lab

COMPLETE, WITH_FAILURES = 0, 3
# Of 07: one with kernels, one that is searched for, one that keeps layers.
FORMS = ("int8-weights", "codebook-4", "ternary+edges")


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
    options += [part for form in FORMS for part in ("--form", form)]
    options += [part for model in models for part in ("--model", model)]
    options += [part for variant in variants for part in ("--variant", variant)]
    done = lab(data, *options)
    assert done.returncode in (COMPLETE, WITH_FAILURES), done.stdout
    run = open_run("coco-smoke", name, models, variants, forms=FORMS, coco_dir=str(photos))
    return Outcome(data, tuple(options), done.returncode, done.stdout, run)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("mein modell @v1.0, grün")


def mean_ap(outcome: Outcome, place: int, categories: tuple[str, ...]) -> float:
    """float32's AP over a model's own categories, of those that have objects."""
    model = outcome.run.models[place]
    stored = read_record(outcome.run.paths.score_record(model.id, BASELINE), Scored, "").values.ap_per_class
    return float(np.mean([stored[name] for name in categories if stored.get(name, -1) >= 0]))


def up_to_date(outcome: Outcome) -> None:
    again = lab(outcome.data, *outcome.options)
    assert again.returncode == outcome.code, again.stdout
    assert len(re.findall("up to date", again.stdout)) == len(STAGES), again.stdout
    text = lab(outcome.data, "status", "--run", outcome.run.paths.name).stdout
    assert text.count("up to date") == len(STAGES), text


@pytest.fixture(scope="module")
def designs(place) -> list[detectors.Made]:
    return [detectors.savedmodel(place / name, write, name) for name, write in detectors.DESIGNS.items()]


@pytest.fixture(scope="module")
def savedmodels(lab_data, place, designs) -> Outcome:
    """A SavedModel of every design, and most options."""
    photos = detectors.photos_for(place / "photos of designs", designs)
    options = ("--threads", "2", "--meter", "estimate", "--power-w", "3", "9", "--region", "CHE")
    names = [each.name for each in designs]
    return go(lab_data, "designs", names, ["int8"], photos, *options, "--width", "50", "--margin", "2")


def test_every_design_gets_through(savedmodels, designs):
    assert savedmodels.code == COMPLETE, savedmodels.printed
    rows = savedmodels.results
    assert len(rows) == len(designs) * 3  # float32, int8, the control
    assert rows["failed"].isna().all()
    assert all(model.id in savedmodels.report for model in savedmodels.run.models)


# Of heat maps with random sizes many boxes have no width: no object can be made of those.
@pytest.mark.parametrize("number", [n for n, name in enumerate(detectors.DESIGNS) if name != "centres"])
def test_float32_finds_what_tensorflow_finds(savedmodels, designs, number):
    assert mean_ap(savedmodels, number, designs[number].categories) > 0.97


def test_a_second_run_has_nothing_to_do(savedmodels):
    up_to_date(savedmodels)


@pytest.fixture(scope="module")
def darknets(place) -> list[detectors.Made]:
    return [detectors.darknet(place / f"darknet {seed}", seed) for seed in (3, 11)]


@pytest.fixture(scope="module")
def mixed(lab_data, place, darknets) -> Outcome:
    """A random network, a damaged one, a simulated form and a .tflite of one's own, without energy."""
    photos = detectors.photos_for(place / "photos of darknets", darknets[:1])
    damaged = Path(darknets[1].name.split("@/")[0]).with_suffix(".weights")
    damaged.write_bytes(damaged.read_bytes()[:5000])
    names = [each.name for each in darknets]
    variants = ["int8", "uniform-8-channel-lse", detectors.own_tflite(place / "own")]
    return go(lab_data, "mixed", names, variants, photos, "--meter", "none", "--fresh")


def test_a_model_that_fails_stops_no_other_and_is_told(mixed, darknets):
    assert mixed.code == WITH_FAILURES, mixed.printed
    sound, damaged = (model.id for model in mixed.run.models)
    assert f"failed: {damaged}, float32; " in mixed.printed  # and those made from it, for the same cause
    assert f"failed: {sound}" not in mixed.printed
    rows = mixed.results.set_index(["model", "variant"])
    assert rows.loc[sound, "failed"].isna().all()
    assert rows.loc[damaged, "failed"].notna().all()
    assert rows["energy_j_per_image"].isna().all()
    assert "nan" not in re.sub(r"<[^>]*>", " ", mixed.report).lower().split()


def test_a_simulated_form_has_an_accuracy_and_a_size_and_a_reason_for_the_rest(mixed):
    sound = mixed.run.models[0].id
    rows = mixed.results.set_index(["model", "variant"])
    found, base = rows.loc[(sound, "uniform-8-channel-lse")], rows.loc[(sound, BASELINE)]
    assert found["ap"] > 0.5 * base["ap"]
    assert found["size_bytes"] < base["size_bytes"]
    assert found[["latency_ms_p50", "peak_rss_bytes", "throughput_images_per_s"]].isna().all()
    assert set(found[["latency_reason", "memory_reason", "throughput_reason"]]) == {NOT_TIMED}


def test_every_quantity_of_every_variant_is_a_value_or_a_reason(mixed):
    long = pd.read_csv(mixed.run.paths.folder / "results_long.csv")
    neither = long[long["value"].isna() & long["reason"].isna()]
    assert neither.empty, neither[["variant", "quantity"]].to_string()


def test_float32_finds_what_opencv_finds(mixed, darknets):
    assert mean_ap(mixed, 0, darknets[0].categories) > 0.97


@pytest.fixture(scope="module")
def bare(lab_data, place, darknets) -> Outcome:
    """float32 alone, on two photos of which none has an object."""
    photos = detectors.photos_for(place / "photos of nothing", darknets[:1])
    labels = json.loads((photos / "labels.json").read_text())
    chosen = {"images": labels["images"][:2], "annotations": []}
    (photos / "labels.json").write_text(json.dumps(labels | chosen))
    return go(lab_data, "bare", [darknets[0].name], ["float32"], photos, "--meter", "none")


def test_a_run_with_next_to_nothing_ends_with_a_report(bare):
    assert bare.code == COMPLETE, bare.printed
    assert bare.results["ap"].isna().all()
    assert "Nothing to show: there is no variant but float32 to compare." in bare.report


def ladder_of(outcome: Outcome) -> pd.DataFrame:
    return pd.read_csv(outcome.run.paths.folder / "ladder.csv", keep_default_na=False, na_values=[""])


def test_the_ladder_has_the_forms_asked_for_of_every_model_or_the_reason(savedmodels, mixed):
    for outcome in (savedmodels, mixed):
        rows = ladder_of(outcome)
        assert rows["variant"].tolist() == [BASELINE, *FORMS] * len(outcome.run.models)
        assert (rows["ap"].notna() != rows["failed"].notna()).all()
    sound, damaged = (model.id for model in mixed.run.models)
    rows = ladder_of(mixed).set_index(["model", "variant"])
    assert rows.loc[damaged, "failed"].notna().all()
    assert rows.loc[(sound, "int8-weights"), "ap"] > 0.5 * rows.loc[(sound, BASELINE), "ap"]
    assert rows.loc[(sound, "ternary+edges"), "weight_bits"] < 32


def test_a_ladder_with_nothing_to_find_is_a_table_without_ap(bare):
    rows = ladder_of(bare)
    assert rows["ap"].isna().all()
    assert rows["weight_bits"].notna().all()
