"""Intervals and verdicts on simulated detectors whose true AP is known: they hold what they promise.

The truth is the AP of very many images. Each experiment draws a few, and all that a run would say of them
is compared with the truth. Detectors look at the same objects, as a quantized model and its baseline do:
they share most of what makes an object hard, and differ by noise of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from helpers.compare.verdict import NO, YES, resamples_needed, verdict
from helpers.lab.intervals import Interval, bias_corrected_interval, interval_of
from helpers.tasks.detection.evidence import AREAS, IOU_THRESHOLDS, Evidence
from helpers.tasks.detection.resample import average_precision, paired_resamples

CLASSES, IMAGES, MANY_IMAGES = 3, 150, 40_000
EXPERIMENTS, RESAMPLES = 600, 400
FAMILIES, ALIKE = 160, 4
SEED = 20


@dataclass(frozen=True)
class Scene:
    """What all detectors look at.

    Attributes:
        images: how many there are.
        object_image, object_class: int ``[G]``.
        alarm_image, alarm_class: int ``[F]``, of what may be taken for an object.
        clarity: float ``[G + F]``, IoU of what is found there; 0 for what is no object.
        confidence: float ``[G + F]``, what the score is but for each detector's noise.
    """

    images: int
    object_image: np.ndarray
    object_class: np.ndarray
    alarm_image: np.ndarray
    alarm_class: np.ndarray
    clarity: np.ndarray
    confidence: np.ndarray


@dataclass(frozen=True)
class Detector:
    """Noise of its own in score and IoU, a share of objects that it loses, and IoU that it loses."""

    score_noise: float = 0.15
    overlap_noise: float = 0.02
    lost: float = 0.0
    blur: float = 0.0


FLOAT32, INT8 = Detector(), Detector(lost=0.03, blur=0.01)


def scene(random: np.random.Generator, images: int) -> Scene:
    """Some images are crowded, some hard; what is hard to place is also scored low."""
    hard, crowded = random.normal(0, 0.6, images), np.exp(random.normal(0, 0.5, images))
    object_image, object_class = scattered(random, crowded[:, None] * [0.8, 0.56, 0.4])
    alarm_image, alarm_class = scattered(random, np.full((images, CLASSES), 1.5))
    clear = 1.2 - hard[object_image] + random.normal(0, 1, len(object_image))
    seen = 0.8 * clear + random.normal(0, 1, len(clear))
    mistaken = -1 + 0.3 * hard[alarm_image] + random.normal(0, 1, len(alarm_image))
    clarity = np.concatenate([1 / (1 + np.exp(-clear)), np.zeros(len(mistaken))])
    places = (object_image, object_class, alarm_image, alarm_class)
    return Scene(images, *places, clarity, np.concatenate([seen, mistaken]))


def scattered(random: np.random.Generator, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images and classes of things that occur at rates ``[images, classes]``."""
    counts = random.poisson(rates)
    return tuple(np.repeat(index.ravel(), counts.ravel()) for index in np.indices(counts.shape))


def look(random: np.random.Generator, seen: Scene, detector: Detector) -> Evidence:
    """One detector's evidence; every object is large."""
    kept = random.random(len(seen.clarity)) >= detector.lost * (seen.clarity > 0)
    score = seen.confidence + random.normal(0, detector.score_noise, len(kept))
    noise = random.normal(-detector.blur, detector.overlap_noise, len(kept))
    overlap = np.where(seen.clarity > 0, seen.clarity + noise, 0)
    image = np.concatenate([seen.object_image, seen.alarm_image])
    category = np.concatenate([seen.object_class, seen.alarm_class])
    order = np.lexsort((image, -score, category))
    order = order[kept[order]]
    return evidence_of(seen, image[order], category[order], score[order], overlap[order])


def evidence_of(
    seen: Scene, image: np.ndarray, category: np.ndarray, score: np.ndarray, overlap: np.ndarray
) -> Evidence:
    matched = np.broadcast_to(overlap >= IOU_THRESHOLDS[:, None], (len(AREAS), 10, len(image)))
    zeros, objects = np.zeros(len(image), np.int32), np.zeros(len(seen.object_image))
    return Evidence(
        image=image.astype(np.int32), category=category.astype(np.int16), score=score,
        rank=zeros.astype(np.int16), row=zeros, matched=matched, ignored=np.zeros_like(matched),
        found=np.where(matched[0], 0, -1), object_image=seen.object_image.astype(np.int32),
        object_category=seen.object_class.astype(np.int16), object_area=objects + 100.0**2,
        object_crowd=objects.astype(bool), counts=np.array([seen.images, CLASSES]),
    )  # fmt: skip


def draws_of(
    random: np.random.Generator, detectors: tuple[Detector, ...], resamples: int, images: int = IMAGES
) -> np.ndarray:
    """One experiment: AP of each detector on the same new images, ``[detectors, 1 + resamples]``."""
    seen = scene(random, images)
    weights = paired_resamples(images, resamples, int(random.integers(2**31)))
    return np.array([average_precision(look(random, seen, d), weights).mean(1) for d in detectors])


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """AP of float32 and of int8, ``[2]``."""
    random = np.random.default_rng(SEED)
    return np.mean([draws_of(random, (FLOAT32, INT8), 0, MANY_IMAGES)[:, 0] for _ in range(2)], 0)


@pytest.fixture(scope="module")
def experiments() -> np.ndarray:
    """``[EXPERIMENTS, 2, 1 + RESAMPLES]``: AP of float32 and of int8."""
    random = np.random.default_rng(SEED)
    return np.array([draws_of(random, (FLOAT32, INT8), RESAMPLES) for _ in range(EXPERIMENTS)])


def held(truth: float, draws: np.ndarray, interval: Callable[[np.ndarray], Interval] = interval_of) -> float:
    """Share of the experiments ``[E, 1 + B]`` whose interval holds the truth."""
    return float(np.mean([not interval(values).excludes(truth) for values in draws]))


def test_the_interval_of_the_difference_holds_the_truth_as_often_as_it_says(truth, experiments):
    assert 0.93 <= held(truth[1] - truth[0], experiments[:, 1] - experiments[:, 0]) <= 0.97


def test_that_check_notices_resamples_that_are_not_shared(truth, experiments):
    others = experiments[:, 0].copy()
    others[:, 1:] = np.roll(others[:, 1:], 1, axis=1)
    assert held(truth[1] - truth[0], experiments[:, 1] - others) > 0.99


def test_that_check_notices_an_interval_that_is_too_narrow(truth, experiments):
    differences = experiments[:, 1] - experiments[:, 0]
    assert held(truth[1] - truth[0], differences, lambda draws: interval_of(draws, 0.9)) < 0.93


def test_the_interval_of_ap_itself_nearly_does_once_its_bias_is_corrected(truth, experiments):
    """Part of the bias shows in no resample, so 93 of 100 is what so few images allow."""
    for detector in range(2):
        draws = experiments[:, detector]
        corrected = held(truth[detector], draws, bias_corrected_interval)
        assert 0.92 <= corrected <= 0.97
        assert corrected > held(truth[detector], draws)


def test_ap_of_few_images_is_too_high_and_its_bias_is_why_the_correction_is_needed(truth, experiments):
    """Resamples are higher again: half the bias shows in them."""
    bias = experiments[:, 0, 0].mean() - truth[0]
    assert bias > 3 * experiments[:, 0, 0].std() / np.sqrt(EXPERIMENTS)
    again = (experiments[:, 0, 1:].mean(1) - experiments[:, 0, 0]).mean()
    assert 0.2 * bias < again < bias


def test_a_verdict_is_rarely_given_where_the_truth_sits_at_the_margin(truth, experiments):
    margin = truth[0] - truth[1]
    found = [verdict("int8", d, IMAGES, margin).answer for d in experiments[:, 1] - experiments[:, 0]]
    assert found.count(YES) + found.count(NO) <= 0.07 * len(found)


def test_a_verdict_is_rarely_wrong_and_often_given_away_from_the_margin(truth, experiments):
    loss = truth[0] - truth[1]
    differences = experiments[:, 1] - experiments[:, 0]
    strict = [verdict("int8", d, IMAGES, loss / 4).answer for d in differences]
    lenient = [verdict("int8", d, IMAGES, 2 * loss).answer for d in differences]
    assert strict.count(YES) == lenient.count(NO) == 0
    assert strict.count(NO) > len(strict) / 2
    assert lenient.count(YES) > len(lenient) / 2


@pytest.fixture(scope="module")
def families() -> np.ndarray:
    """``[FAMILIES, ALIKE, 1 + B]``: differences of detectors that are as good as the baseline."""
    random, resamples = np.random.default_rng(SEED), resamples_needed(ALIKE)
    draws = [draws_of(random, (FLOAT32,) * (1 + ALIKE), resamples) for _ in range(FAMILIES)]
    return np.array([found[1:] - found[0] for found in draws])


def test_detectors_of_the_same_quality_are_told_apart_in_at_most_one_of_twenty_comparisons(families):
    told_apart = [interval_of(d).excludes(0) for family in families for d in family]
    assert 0 < np.mean(told_apart) <= 0.05


def test_no_more_than_one_family_in_twenty_has_a_difference_by_simultaneous_intervals(families):
    found = [[verdict("int8", d, IMAGES, compared=ALIKE) for d in family] for family in families]
    joint = [any(item.low > 0 or item.high < 0 for item in family) for family in found]
    each = [any(item.difference.excludes(0) for item in family) for family in found]
    assert np.mean(joint) <= 0.05 < np.mean(each)


def test_four_times_the_images_halve_the_interval():
    random = np.random.default_rng(SEED)
    few, many = (
        np.mean([width_of_difference(random, images) for _ in range(20)]) for images in (IMAGES, 4 * IMAGES)
    )
    assert many == pytest.approx(few / 2, rel=0.1)


def width_of_difference(random: np.random.Generator, images: int) -> float:
    base, other = draws_of(random, (FLOAT32, INT8), RESAMPLES, images)
    interval = interval_of(other - base)
    return interval.high - interval.low
