"""The failure gallery on a few drawn photos: each failure shows, each cure holds, and AP is COCO's."""

import contextlib
import dataclasses
import io
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from helpers.compare.figures import catalogue as figures
from helpers.evaluate.labelled import LabelledPhotos, object_columns
from helpers.evaluate.records import Scored
from helpers.lab.errors import LabError, found_of, reason_of
from helpers.lab.files import write_bytes
from helpers.lab.intervals import Absent, Interval
from helpers.lab.paths import NOTEBOOKS
from helpers.lab.records import read_record
from helpers.models.embedded.architecture import INPUT_SIDE, anchors
from helpers.models.interface import Interface
from helpers.photos.coco.labels import DATA, read_labels
from helpers.photos.preprocessing import Preprocessing
from helpers.pitfalls import (
    checks,
    decoder,
    dynamic_range,
    graphs,
    joined_heads,
    noise,
    threshold,
    useless_int8,
    wrong_input,
)
from helpers.pitfalls.bench import Bench, open_bench
from helpers.pitfalls.outcome import Claim, Outcome, not_made, points, times
from helpers.run.experiment import open_run
from helpers.run.variants import BASELINE
from helpers.runtimes.litert.core import Core
from helpers.show.style import LabFigure
from helpers.tasks.detection.columns import DetectionColumns
from helpers.tasks.detection.limits import LIMITS
from helpers.tasks.detection.resample import paired_resamples
from helpers.tasks.detection.tails.ssd import SSDTail
from tests.support.finished_run import finish

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")

EVALUATED, CALIBRATED = 40, 16
BEFORE = Preprocessing(INPUT_SIDE, INPUT_SIDE, (1 / 127.5,) * 3, (-1.0,) * 3)
RAW_PIXELS = Preprocessing(8, 8, (1.0,) * 3, (0.0,) * 3, channels="BGR")
MODULES = (joined_heads, dynamic_range, noise, threshold, wrong_input, decoder, useless_int8)


@pytest.fixture(scope="module")
def labels(drawn_photos):
    return read_labels(drawn_photos)


@pytest.fixture(scope="module")
def bench(drawn_photos, labels) -> Bench:
    """The embedded detector on drawn photos; 02 made float32 alone."""
    run = open_run("smoke", "gallery")
    files = {image["id"]: drawn_photos / DATA / image["file_name"] for image in labels["images"]}
    ids = sorted(files)
    photos = {i: files[i] for i in ids[:EVALUATED]}
    numbers = {category["name"]: category["id"] for category in labels["categories"]}
    model, categories = run.models[0], tuple(sorted(numbers.values()))
    made = Bench(
        run,
        model,
        Interface(BEFORE, SSDTail(anchors(), LIMITS)),
        LabelledPhotos(
            photos,
            object_columns(labels["annotations"], list(photos), categories),
            categories,
            tuple(numbers[name] for name in model.categories),
        ),
        paired_resamples(len(photos), 300, run.profile.seed),
        {},
        [files[i] for i in ids[EVALUATED : EVALUATED + CALIBRATED]],
    )
    core = graphs.embedded(made.weights_file)
    write_bytes(made.file(BASELINE), graphs.converter_of(core.raw).convert())
    return dataclasses.replace(made, files={BASELINE: made.file(BASELINE)})


@pytest.fixture(scope="module")
def outcomes(bench) -> dict[str, Outcome]:
    options = {dynamic_range: {"rounds": 3}, decoder: {"rounds": 3}}
    return {
        module.__name__.rpartition(".")[2]: module.reproduce(bench, **options.get(module, {}))
        for module in MODULES
    }


@pytest.fixture(scope="module")
def found(bench) -> DetectionColumns:
    return bench.detections(bench.variant(BASELINE))


def reference_ap(labels, bench, detections) -> float:
    """pycocotools, from the labels as they are."""
    ids = list(bench.photos)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(labels))
        truth.createIndex()
        rows = zip(*(vars(detections)[name].tolist() for name in vars(detections)), strict=True)
        results = [
            {
                "image_id": ids[image],
                "category_id": bench.labelled.category_ids[category],
                "bbox": box,
                "score": score,
            }
            for image, category, box, score in rows
        ]
        judge = COCOeval(truth, truth.loadRes(results), "bbox")
        judge.params.imgIds = ids
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0])


def test_ap_of_the_photos_is_that_of_pycocotools(labels, bench, found):
    ours = bench.precision(found)[0]
    assert ours > 0.4
    assert ours == pytest.approx(reference_ap(labels, bench, found), abs=1e-12)


def test_no_detections_are_an_ap_of_zero(bench, found):
    nothing = threshold.from_score(found, 2.0)
    assert len(nothing) == 0
    assert bench.precision(nothing).max() == 0


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0, 1))
def test_from_score_keeps_whole_rows(scores, least):
    count = len(scores)
    places, boxes = np.arange(count), np.zeros((count, 4))
    rows = DetectionColumns(places, places, boxes, np.array(scores, float))
    kept = threshold.from_score(rows, least)
    assert kept.score.tolist() == [score for score in scores if score >= least]
    assert [scores[i] for i in kept.image] == kept.score.tolist()


@pytest.mark.parametrize("name", [module.__name__.rpartition(".")[2] for module in MODULES])
def test_the_failure_shows_and_the_cure_holds(outcomes, name):
    outcome = outcomes[name]
    assert outcome.failure.holds, outcome.failure.told
    assert outcome.cure.holds, outcome.cure.told
    assert len(outcome.table) >= 1


def test_the_notebook_asserts_both_claims_of_every_failure_in_their_own_words():
    cells = json.loads((NOTEBOOKS / "06_pitfalls.ipynb").read_text())["cells"]
    asserted = re.findall(r'assert bench\.other or \w+\.shows_that\(\s*"(.+?)"', "".join(map(source, cells)))
    assert asserted == [sentence for module in MODULES for sentence in (module.FAILURE, module.CURE)]


def source(cell: dict) -> str:
    return "".join(cell["source"]) if cell["cell_type"] == "code" else ""


def test_a_claim_that_does_not_hold_says_what_was_found(capsys):
    failure, cure = Claim("rain is wet", "3 drops", True), Claim("sun is dry", "2 drops", False)
    outcome = Outcome("weather", None, failure, cure)
    assert outcome.shows_that("rain is wet")
    assert not outcome.shows_that("sun is dry")
    assert "Not so: sun is dry: 2 drops." in capsys.readouterr().out
    with pytest.raises(LabError, match="weather makes no claim 'snow'"):
        outcome.shows_that("snow")


def test_one_int8_tensor_has_no_score_but_zero_and_two_have_many(bench, outcomes):
    table = outcomes["joined_heads"].table.set_index("core")
    assert table.loc[joined_heads.ONE, "highest score"] < 1 / 640
    assert table.loc[joined_heads.TWO, "score levels"] > 20
    # The two float32 cores compute the same, so the ends alone make the difference.
    image = next(bench.calibration_inputs())
    files = (bench.file(name) for name in ("joined-float32", "separate-float32"))
    one, two = (joined_heads.decoded(Core(file)(image)) for file in files)
    assert all(np.allclose(a, b, atol=1e-4) for a, b in zip(one, two, strict=True))


def test_one_scale_of_boxes_and_scores_has_no_level_for_a_score(outcomes):
    grid = joined_heads.one_grid(outcomes["joined_heads"])
    assert 2 < grid.scale < 5
    assert grid.to_values(grid.to_levels(np.array([0.01, 0.99], np.float32))).tolist() == [0, 0]
    example = joined_heads.one_grid(not_made("joined", "no graph"))
    assert (example.low, example.high) == pytest.approx((0, 640))


def test_decoding_inside_float32_changes_no_ap(bench, outcomes, found):
    table = outcomes["joined_heads"].table.set_index("core")
    assert table.loc[joined_heads.ONE_FLOAT, "AP"] == pytest.approx(100 * bench.precision(found)[0], abs=0.2)


def test_default_optimization_without_data_leaves_activations_in_float(outcomes):
    table = outcomes["dynamic_range"].table.set_index("file")
    assert table["weights stored as"].tolist() == ["float32", "int8", "int8", "int8"]
    assert table.loc[dynamic_range.DEFAULT, "so it is"] == "int8-dynamic"
    inputs = {name: text.split(" of ") for name, text in table["convolutions with float32 input"].items()}
    assert inputs[dynamic_range.DEFAULT][0] == inputs[dynamic_range.DEFAULT][1]
    assert inputs[dynamic_range.INT8][0] == "0"


def test_noise_is_drawn_as_the_core_would_take_it(bench):
    drawn = {name: next(bench.noise(draw)) for name, draw in noise.draws(bench).items()}
    assert {array.shape for array in drawn.values()} == {(1, INPUT_SIDE, INPUT_SIDE, 3)}
    assert 0 <= drawn[noise.UNIT].min() < 0.01 < 0.99 < drawn[noise.UNIT].max() <= 1
    assert (drawn[noise.PIXELS].min(), drawn[noise.PIXELS].max()) == pytest.approx((-1, 1))


def test_a_loud_channel_changes_no_float32_answer_and_leaves_int8_nothing(bench, outcomes):
    table = outcomes["useless_int8"].table.set_index("file")
    own, loud = (useless_int8.FLOAT + end for end in ("", useless_int8.LOUD))
    assert table.loc[loud, "AP"] == table.loc[own, "AP"]
    assert table.loc[loud, "points against float32"] == "+0.0 [+0.0, +0.0]"
    assert table.loc[useless_int8.PLAIN + useless_int8.LOUD, "AP"] < 0.8 * table.loc[own, "AP"]
    image = next(bench.calibration_inputs())
    answers = [Core(file)(image) for file in (bench.variant(BASELINE), bench.file("loud-float32"))]
    assert all(np.array_equal(answers[0][name], answers[1][name]) for name in answers[0])


def test_where_plain_int8_collapses_the_model_itself_is_shown(bench, monkeypatch):
    files = useless_int8.planted_files(bench)
    monkeypatch.setattr(useless_int8, "own_files", lambda _: dict(zip("abc", files.values(), strict=True)))
    monkeypatch.setattr(useless_int8, "FLOAT", "a")
    monkeypatch.setattr(useless_int8, "PLAIN", "b")
    found = useless_int8.reproduce(bench)
    assert found.table["file"].tolist() == ["a", "b", "c"]
    assert found.failure.found.startswith("this model:")
    assert found.failure.holds
    assert found.cure.holds


def test_of_a_model_with_another_home_it_is_told_why_no_fault_is_planted(bench, monkeypatch):
    monkeypatch.setattr(type(bench.model), "runtime", property(lambda _: "onnxruntime"))
    found = useless_int8.reproduce(bench)
    assert "home is ONNX Runtime" in found.absent
    assert "int8-cured@openvino" in found.absent


def test_places_are_by_ap_and_shared_by_equals():
    precision = {name: np.array([value]) for name, value in {"a": 0.5, "b": 0.7, "c": 0.5, "d": 0.1}.items()}
    assert [threshold.place(name, precision) for name in precision] == [2, 1, 2, 4]


def test_normalizing_twice_is_what_two_passes_do():
    ways = wrong_input.preparations(BEFORE)
    pixels = np.array([0.0, 100.0, 255.0])
    once = pixels / 127.5 - 1
    assert pixels * ways[wrong_input.TWICE].scale[0] + ways[wrong_input.TWICE].offset[0] == pytest.approx(
        once / 127.5 - 1
    )
    assert ways[wrong_input.SWAPPED].channels == "BGR"
    assert wrong_input.ends(ways[wrong_input.RANGE]) == (0, 1)
    assert ways[wrong_input.OWN] == BEFORE


def test_a_core_that_takes_raw_pixels_is_given_normalized_ones():
    ways = wrong_input.preparations(RAW_PIXELS)
    assert wrong_input.ends(ways[wrong_input.TWICE]) == (0, 1)
    assert ways[wrong_input.SWAPPED].channels == "RGB"


def test_parity_sees_what_ap_does_not(outcomes):
    table = outcomes["wrong_input"].table.set_index("photos")["found as the original (%)"]
    assert table[wrong_input.OWN] >= 99
    assert table.drop(wrong_input.OWN).max() < 50


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(0.01, 100))
def test_what_is_added_to_both_moves_a_ratio_towards_1(base, own, around):
    alone, mixed = decoder.diluted(base, own, around)
    assert abs(1 - mixed) <= abs(1 - alone)
    assert (mixed - 1) * (alone - 1) >= 0


def test_shares_of_the_core_fall_as_more_is_timed(outcomes):
    shares = outcomes["decoder"].table["core's share (%)"].tolist()
    assert shares[0] == 100
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 100


def test_variants_that_02_did_not_make_are_made_once(bench):
    file = bench.variant("int8-dynamic")
    moment = file.stat().st_mtime_ns
    assert bench.variant("int8-dynamic") == file
    assert file.stat().st_mtime_ns == moment
    assert file.is_relative_to(bench.run.paths.folder / "pitfalls")


def test_pictures_are_drawn(bench, outcomes):
    assert isinstance(joined_heads.picture(bench, outcomes["joined_heads"]), LabFigure)
    figure = wrong_input.picture(bench, outcomes["wrong_input"])
    titles = [axes.get_title(loc="center") for axes in figure.axes]
    assert titles == list(outcomes["wrong_input"].drawn["inputs"])
    rows, frames, context = decoder.picture(bench, outcomes["decoder"])
    assert set(rows["variant"]) == set(frames["parts"]["variant"])
    assert context.threads == 1


def test_outcomes_are_kept_and_checked(bench, outcomes):
    shown = list(outcomes.values())
    checks.keep_outcomes(bench, shown)
    kept = read_record(checks.record_file(bench), Any, "").values["outcomes"]
    assert [entry["failure"]["sentence"] for entry in kept] == [module.FAILURE for module in MODULES]
    assert len(checks.summary_table(shown)) == checks.ENTRIES
    assert set(checks.check_pitfalls(bench.run, bench, shown).data["passed"]) == {"yes"}


def test_a_failure_that_does_not_show_stops_the_notebook(bench, outcomes):
    shown = list(outcomes.values())
    checks.keep_outcomes(bench, shown)
    shown[2] = dataclasses.replace(shown[2], failure=Claim(noise.FAILURE, "+1.0 points", False))
    with pytest.raises(LabError, match="3 calibration on noise: each kind of noise loses"):
        checks.check_pitfalls(bench.run, bench, shown)


def test_of_another_model_nothing_is_demanded(bench, outcomes):
    model = dataclasses.replace(bench.model, id="somebody_elses")
    files = {BASELINE: bench.variant(BASELINE)}
    other = dataclasses.replace(bench, model=model, files=files, made={})
    joined = joined_heads.reproduce(other)
    assert "this model's graph" in joined.absent
    assert joined_heads.picture(other, joined) is None
    assert dynamic_range.DEFAULT not in dynamic_range.make_files(other)
    wrong = wrong_input.reproduce(other)
    assert wrong.table["found as the original (%)"].tolist()[0] == 100
    kept = list(outcomes.values())[1:4]
    shown = [joined, *kept, wrong, outcomes["useless_int8"], not_made("the last", "no reason")]
    checks.keep_outcomes(other, shown)
    told = checks.check_pitfalls(other.run, other, shown).data["check"]
    assert any("no reason" in check for check in told)


@pytest.mark.parametrize(
    "broken", [LabError("no range for it.", "one", "a cure"), TypeError("no such thing")]
)
def test_with_every_recipe_of_int8_broken_the_gallery_goes_on(bench, monkeypatch, capsys, broken):
    def quantize(*_):
        raise broken

    monkeypatch.setattr(Bench, "quantize", quantize)
    alone = dataclasses.replace(bench, made={}, absent={})
    assert not alone.other
    shown = [module.reproduce(alone) for module in MODULES]
    lacking = [found.title for found in shown if found.absent]
    assert lacking == [module.TITLE for module in (joined_heads, dynamic_range, noise, decoder, useless_int8)]
    printed = capsys.readouterr().out
    assert all(f"Not shown: {title}." in printed for title in lacking)
    assert all(alone.other or found.failure.holds for found in shown)  # what the notebook asserts
    assert joined_heads.picture(alone, shown[0]) is None
    figure = figures.draw("time_by_part", *decoder.picture(alone, shown[5]))
    assert any("Nothing to show" in text.get_text() for text in figure.texts)
    checks.keep_outcomes(alone, shown)
    told = checks.check_pitfalls(alone.run, alone, shown).data
    assert set(told["passed"]) == {"yes"}
    assert sum(found_of(reason_of(broken)).rstrip(".") in check for check in told["check"]) == len(lacking)


def test_a_run_without_data_names_the_notebook_that_makes_them():
    with pytest.raises(LabError, match=r"01_download|02_quantize"):
        open_bench(dataclasses.replace(open_run("smoke", "never"), profile=open_run("full").profile))


def test_texts():
    assert points(Interval(-0.2, -0.25, -0.1)) == "-20.0 [-25.0, -10.0]"
    assert times(Interval(0.5, 0.4, 0.6)) == "0.50 [0.40, 0.60]"
    assert times(Absent("no clock")) == "no clock"


@pytest.mark.pipeline
def test_ap_is_that_of_03_where_the_gallery_sees_all_photos(lab_data):
    run = finish(lab_data).run
    bench = open_bench(run)
    assert len(bench.photos) == run.profile.images
    record = read_record(run.paths.score_record(bench.model.id, BASELINE), Scored, "")
    assert bench.precision(bench.detections(bench.variant(BASELINE)))[0] == pytest.approx(
        record.values.stats["ap"], abs=1e-12
    )
