"""A finished run: every number of its table holds against the files that it came from."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from helpers.download.stage import data_folders
from helpers.energy.records import Latency, read_measurement
from helpers.evaluate.detect import ShardResult
from helpers.evaluate.records import Scored
from helpers.lab.records import read_record
from helpers.photos.dataset import category_numbers, field_name, load_dataset, read_columns
from helpers.run.profiles import get_profile
from helpers.run.variants import BASELINE, CONTROL, VARIANTS
from helpers.runtimes.litert.reader import read_facts
from helpers.tasks.detection.score import STATS
from tests.support.finished_run import finish
from tests.support.shards import as_results

PROMISED = {
    "model", "variant", "storage_dtype", "compute_dtype", "size_bytes", "images", "ap", "ap_low", "ap_high",
    "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar100", "ap_diff", "ap_diff_low", "ap_diff_high",
    "ap_within", "ap_margin", "ap_joint_low", "ap_joint_high", "ap_worse_share", "ap_images_needed",
    "ap_ties_low", "ap_ties_high", "distinct_scores", "ap50_diff", "ap50_diff_low", "ap50_diff_high",
    "ap75_diff", "ap75_diff_low", "ap75_diff_high", "ap_small_diff", "ap_small_diff_low",
    "ap_small_diff_high", "ap_medium_diff", "ap_medium_diff_low", "ap_medium_diff_high", "ap_large_diff",
    "ap_large_diff_low", "ap_large_diff_high", "latency_ms_p50", "latency_ms_p99", "latency_ratio",
    "latency_ratio_low", "latency_ratio_high", "peak_rss_bytes", "energy_j_per_image", "energy_low",
    "energy_high", "energy_grade", "failed",
}  # fmt: skip
DTYPES = {
    "float32": ("float32", "float32"),
    "float16": ("float16", "float32"),
    "int8-dynamic": ("int8", "int8-dynamic"),
    "int8": ("int8", "int8"),
}
every_variant = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


@pytest.fixture(scope="module")
def results(finished) -> pd.DataFrame:
    return pd.read_csv(finished.run.paths.results("csv"), keep_default_na=False, na_values=[""])


@pytest.fixture(scope="module")
def rows(results) -> pd.DataFrame:
    return results.set_index("variant")


@pytest.fixture(scope="module")
def validation(finished) -> Path:
    return data_folders(finished.run).validation


def shards_of(run, variant: str) -> list[ShardResult]:
    folder = run.paths.detections_dir(run.models[0].id, variant)
    return [ShardResult.load(path) for path in sorted(folder.glob("*.npz"))]


def test_the_table_has_the_promised_columns(results):
    assert set(results.columns) >= PROMISED
    assert list(results.columns)[:2] == ["model", "variant"]


def test_there_is_one_row_per_variant_and_the_control(finished, results):
    assert list(results["variant"]) == [*VARIANTS, CONTROL]
    assert set(results["model"]) == {finished.model.id}
    assert results["failed"].isna().all()


def test_every_variant_saw_all_photos(results):
    assert set(results["images"]) == {get_profile("smoke").images}


def test_float32_really_detects(rows):
    base = rows.loc[BASELINE]
    assert 0.3 < base["ap"] < 0.9
    assert base["ap"] < base["ap50"] < 1
    assert 0.1 < base["ap_small"] < base["ap_large"] < 1


def test_no_variant_has_collapsed(rows):
    assert (rows["ap"] > 0.9 * rows.loc[BASELINE, "ap"]).all()


def test_dtypes_in_the_table_are_those_of_the_written_files(finished, rows):
    for variant, promised in DTYPES.items():
        facts = read_facts(finished.run.paths.variant_file(finished.model.id, variant))
        assert (facts.storage_dtype, facts.compute_dtype) == promised
        assert tuple(rows.loc[variant, ["storage_dtype", "compute_dtype"]]) == promised


def test_int8_has_integer_kernels_with_a_scale_per_channel(finished):
    facts = read_facts(finished.run.paths.variant_file(finished.model.id, "int8"))
    assert facts.per_channel
    assert {kernel.split()[1] for kernel in facts.kernels} == {"int8/int8"}


def test_sizes_are_those_of_the_files_and_shrink_as_promised(finished, rows):
    for variant in VARIANTS:
        path = finished.run.paths.variant_file(finished.model.id, variant)
        assert rows.loc[variant, "size_bytes"] == path.stat().st_size
    share = rows["size_bytes"] / rows.loc[BASELINE, "size_bytes"]
    assert share["int8"] <= 0.35
    assert share["int8-dynamic"] <= 0.35
    assert 0.5 <= share["float16"] <= 0.55
    assert share[CONTROL] == 1


def test_intervals_hold_their_values(rows):
    held = {"ap_joint": "ap_diff", "ap_ties": "ap", "energy": "energy_j_per_image"}
    ends = [name.removesuffix("_low") for name in rows.columns if name.endswith("_low")]
    assert {"ap", "ap_diff", "ap_small_diff", "latency_ms_p50", "latency_ratio", "energy_ratio"} <= set(ends)
    # The estimate does not see an idle machine, so there is no net energy.
    assert rows["energy_net_j"].isna().all()
    # One shard of photos has no slowest and fastest.
    assert rows["throughput_images_per_s_low"].isna().all()
    for end in set(ends) - {"energy_net_j", "throughput_images_per_s"}:
        name = held.get(end, end)
        part = rows[[f"{end}_low", name, f"{end}_high"]].dropna()
        assert len(part) >= len(rows) - (2 if end == "ap_joint" else 1), name
        assert (part[f"{end}_low"] <= part[name]).all(), name
        assert (part[name] <= part[f"{end}_high"]).all(), name


def test_every_variant_has_a_verdict_but_what_it_is_compared_with(rows):
    judged = rows["ap_within"].dropna()
    assert set(judged.index) == set(VARIANTS) - {BASELINE}
    assert set(judged) == {"no verdict, since the run is too small"}
    assert rows["distinct_scores"].min() < 200 < rows["distinct_scores"].max()


def test_ap_differences_are_differences_of_ap(rows):
    assert rows["ap_diff"].to_numpy() == pytest.approx(
        (rows["ap"] - rows.loc[BASELINE, "ap"]).to_numpy(), abs=1e-12
    )
    assert rows.loc[[BASELINE], ["ap_diff_low", "ap_diff_high"]].isna().all(axis=None)


def test_the_control_is_float32s_file_measured_on_its_own(rows):
    base, control = rows.loc[BASELINE], rows.loc[CONTROL]
    same = ["ap", "ap_low", "ap_high", "ap50", "ap_small", "ar100", "size_bytes", "storage_dtype"]
    assert control[same].tolist() == base[same].tolist()
    assert control[["ap_diff", "ap_diff_low", "ap_diff_high"]].tolist() == [0, 0, 0]
    assert control["latency_ms_p50"] != base["latency_ms_p50"]
    assert base["latency_ratio"] == 1


def test_measured_quantities_are_there_and_above_zero(rows):
    for name in ("latency_ms_p50", "latency_ms_p99", "latency_ratio", "peak_rss_bytes"):
        assert (rows[name] > 0).all(), name
    assert (rows["latency_ms_p50"] <= rows["latency_ms_p99"]).all()


def test_energy_has_one_grade_and_a_figure_or_none_at_all(rows):
    grades = set(rows["energy_grade"])
    assert len(grades) == 1
    if grades == {"D"}:
        assert rows["energy_j_per_image"].isna().all()
    else:
        assert grades <= {"A", "C"}
        assert (rows["energy_j_per_image"] > 0).all()
        assert (rows["energy_low"] <= rows["energy_j_per_image"]).all()
        assert (rows["energy_j_per_image"] <= rows["energy_high"]).all()


@every_variant
def test_the_metric_is_pycocotools_own_from_the_files_on_disk(finished, validation, tmp_path, variant):
    """By ``loadRes`` of a JSON file and the labels on disk: no FiftyOne, none of our code between."""
    (tmp_path / "results.json").write_text(json.dumps(as_results(shards_of(finished.run, variant))))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(validation / "labels.json"))
        evaluation = COCOeval(truth, truth.loadRes(str(tmp_path / "results.json")), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    stored = read_record(finished.run.paths.score_record(finished.model.id, variant), Scored, "").values.stats
    assert list(stored) == list(STATS)
    assert list(stored.values()) == pytest.approx(evaluation.stats.tolist(), abs=1e-12)


@every_variant
def test_no_detection_is_dropped_for_a_low_score_before_the_metric(finished, variant):
    """A photo has its hundred best, or everything down to the model's threshold."""
    shards, model = shards_of(finished.run, variant), finished.model
    images = np.concatenate([shard.image_id for shard in shards])
    scores = np.concatenate([shard.score for shard in shards])
    assert len(set(images.tolist())) == sum(shard.images for shard in shards) == 40
    assert model.limits.score_threshold <= 1e-3 <= scores.min() < 0.05
    assert scores.max() <= 1
    for image in set(images.tolist()):
        own = scores[images == image]
        assert len(own) == 100 or own.min() < 2 * model.limits.score_threshold


@every_variant
def test_predictions_in_fiftyone_are_the_detections(finished, validation, variant):
    dataset = load_dataset(validation)
    _, stored = read_columns(dataset, field_name(finished.model.id, variant))
    shards = shards_of(finished.run, variant)
    found = {n: np.concatenate([getattr(s, n) for s in shards]) for n in ("image_id", "category_id", "score")}
    ids, numbers = sorted(dataset.values("coco_id")), list(category_numbers(dataset).values())
    assert np.array_equal(np.array(ids)[stored.image], found["image_id"])
    assert np.array_equal(np.array(numbers)[stored.category], found["category_id"])
    assert np.array_equal(stored.score, found["score"])
    assert stored.box == pytest.approx(np.concatenate([s.bbox for s in shards]), abs=1e-9)


@every_variant
def test_the_evaluation_is_in_fiftyone_with_its_fields(finished, validation, variant):
    dataset, field = load_dataset(validation), field_name(finished.model.id, variant)
    results = dataset.load_evaluation_results(field)
    stored = read_record(finished.run.paths.score_record(finished.model.id, variant), Any, "").values
    assert results.stats == stored["stats"]
    assert results.mAP() == pytest.approx(stored["stats"]["ap"], abs=1e-12)
    hits = [verdicts.count("tp") for verdicts in dataset.values(f"{field}.detections.{field}")]
    assert hits == dataset.values(f"{field}_tp")
    assert sum(hits) > 100


def test_raw_samples_are_kept_with_their_warmups(finished):
    profile = finished.run.profile
    raw = read_measurement(finished.run, finished.model, Latency).values
    assert len(raw.rounds) == profile.latency_rounds
    for played in raw.rounds:
        assert sorted(played.order) == sorted([*VARIANTS, CONTROL])
        for visit in played.visits.values():
            assert len(visit.timed_ns) == profile.latency_repeats
            assert len(visit.warmup_ns) > 0
    assert len({played.order for played in raw.rounds}) > 1
