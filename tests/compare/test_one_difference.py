"""One difference resampled by hand: the same numbers as the results have."""

import numpy as np
import pandas as pd
import pytest

from helpers.compare import one_difference
from helpers.compare.results import difference_to_baseline, resample_variants
from helpers.run.experiment import open_run
from helpers.run.variants import BASELINE
from helpers.show.context import Context
from helpers.tasks.detection.resample import paired_resamples
from tests.compare.test_compare import scored_by_coco
from tests.support.figure_checks import lines_by_gid, overlapping
from tests.support.random_coco import random_detections, random_ground_truth

RUN = open_run("smoke", "one-difference")
MODEL = RUN.models[0]


@pytest.fixture(scope="module")
def evidence():
    truth = random_ground_truth(np.random.default_rng(1), images=40)
    good = random_detections(np.random.default_rng(2), truth)
    found = {BASELINE: good, "float16": good[::3] + good[1::3], "int8": good[::2]}
    return {variant: scored_by_coco(truth, detections).evidence for variant, detections in found.items()}


@pytest.fixture
def opened_of(evidence, monkeypatch):
    """Open the run's difference, with these variants scored."""

    def open_variants(*variants):
        draws = resample_variants({v: evidence[v] for v in variants}, RUN.profile.resamples, RUN.profile.seed)
        rows = [{"model": MODEL.id, "variant": v, **columns(draws, v)} for v in variants]
        monkeypatch.setattr(one_difference, "scored_models", lambda run: (MODEL,))
        monkeypatch.setattr(one_difference, "scored", lambda run, model: list(variants))
        monkeypatch.setattr(one_difference, "read_evidence", lambda run, model, variant: evidence[variant])
        monkeypatch.setattr(one_difference, "load_resampled", lambda path: draws)
        return one_difference.open_difference(RUN, pd.DataFrame(rows))

    return open_variants


def columns(draws, variant):
    found = difference_to_baseline(draws[variant], draws[BASELINE])
    return {"ap_diff": found.value, "ap_diff_low": found.low, "ap_diff_high": found.high}


def test_differences_by_hand_are_those_of_the_results(opened_of):
    opened = opened_of(BASELINE, "float16", "int8")
    some = opened.weights[:20]
    by_hand = one_difference.ap_points(opened.own, some) - one_difference.ap_points(opened.base, some)
    assert by_hand == pytest.approx(opened.stored[:20])
    assert by_hand[0] == pytest.approx(100 * opened.table.value)
    bounds = np.percentile(opened.stored[1:], [2.5, 97.5])
    assert bounds == pytest.approx([100 * opened.table.low, 100 * opened.table.high])


def test_the_largest_difference_is_opened(opened_of):
    alone = {v: abs(opened_of(BASELINE, v).table.value) for v in ("float16", "int8")}
    assert alone["float16"] != alone["int8"]
    assert opened_of(BASELINE, "float16", "int8").variant == max(alone, key=alone.get)


def test_of_float32_alone_there_is_none(opened_of, capsys):
    assert opened_of(BASELINE) is None
    assert one_difference.NOTHING in capsys.readouterr().out


def test_pairing_narrows_the_interval(evidence):
    weights = paired_resamples(evidence[BASELINE].images, 200, 0)
    own, base = (one_difference.ap_points(evidence[v], weights) for v in ("int8", BASELINE))
    assert np.std(own - base) < np.std(own - np.roll(base, 1))


def test_the_picture_has_both_intervals(opened_of):
    opened = opened_of(BASELINE, "int8")
    paired, unpaired = opened.stored, 2 * opened.stored
    figure = one_difference.draw_differences(opened, paired, unpaired, Context(run="r"))
    ends = [list(line.get_xdata()) for line in lines_by_gid(figure)["interval"]]
    expected = [np.percentile(values, [2.5, 97.5]) for values in (paired, unpaired, paired)]
    assert np.allclose(ends, expected)
    assert "n = 40 photos" in figure.caption
    assert overlapping(figure) == []


def test_resamples_without_an_object_are_left_out_of_the_picture(opened_of):
    opened = opened_of(BASELINE, "int8")
    for values in (np.full(5, np.nan), np.array([1.0, np.nan, 2.0])):
        figure = one_difference.draw_differences(opened, values, values, Context())
        assert len(lines_by_gid(figure).get("interval", [])) == 3 * np.isfinite(values).any()
