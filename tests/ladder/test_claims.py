"""Answers to claims: from draws whose differences are known."""

import re

import numpy as np
import pytest

from helpers.compare.verdict import NOTHING_FOUND, SMALL_RUN
from helpers.ladder.claims import (
    CLAIMS,
    FEW,
    LOSES,
    NOTHING,
    OPEN,
    REVERSE,
    WITHIN,
    YES,
    Claim,
    answers,
    answers_of,
    summary,
)
from helpers.ladder.families import FAMILIES, OTHER, family_of
from helpers.run.forms import ALL, IN_LADDER

FORM, OTHER_FORM = "codebook-16", "uniform-4-channel-lse"


def draws(value: float, spread: float, seed: int = 0) -> np.ndarray:
    """AP ``[1 + 400]``: ``value`` on the data, resamples around it."""
    noise = np.random.default_rng(seed).normal(0, spread, 400)
    return np.concatenate([[value], value + noise])


@pytest.mark.parametrize(
    ("own", "spread", "answer"),
    [(0.42, 0.002, YES), (0.38, 0.002, REVERSE), (0.402, 0.01, OPEN)],
)
def test_one_form_beats_another_by_its_whole_interval_or_not_at_all(own, spread, answer):
    found = {FORM: draws(own, spread), OTHER_FORM: np.full(401, 0.4)}
    [given] = answers_of(Claim("It is better.", ((FORM, OTHER_FORM),)), found, 1.0)
    assert given.answer == answer
    assert given.difference.value == pytest.approx(100 * (own - 0.4))
    low, high = np.percentile(100 * (found[FORM][1:] - 0.4), [2.5, 97.5])
    assert (given.difference.low, given.difference.high) == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("loss_points", "margin", "answer"),
    [(0.3, 1.0, WITHIN), (3.0, 1.0, LOSES), (1.0, 1.0, FEW), (3.0, 5.0, WITHIN)],
)
def test_that_something_costs_nothing_is_judged_by_the_margin(loss_points, margin, answer):
    found = {"float16": draws(0.4 - loss_points / 100, 0.001), "float32": np.full(401, 0.4)}
    [given] = answers_of(Claim("It costs nothing.", (("float16", "float32"),), True), found, margin)
    assert given.answer == answer


def test_of_two_that_find_nothing_none_is_better():
    found = {FORM: np.full(401, 0.004), OTHER_FORM: np.full(401, 0.001)}
    [given] = answers_of(Claim("It is better.", ((FORM, OTHER_FORM),)), found, 1.0)
    assert given.answer == NOTHING


def test_a_pair_of_which_one_has_no_ap_is_left_out():
    assert answers({FORM: draws(0.4, 0.01)}, 1.0) == []


def test_the_summary_counts_the_answers():
    claim = Claim("It is better.", ((FORM, OTHER_FORM), (OTHER_FORM, FORM), (FORM, FORM)))
    found = answers_of(claim, {FORM: draws(0.5, 0.001), OTHER_FORM: draws(0.4, 0.001, 1)}, 1.0)
    assert summary(found) == "yes (1 of 3), no, the reverse (1 of 3), not shown (1 of 3)"
    assert summary(found[:1]) == "yes (1 of 1)"


def test_claims_are_of_forms_that_there_are_and_no_pair_stands_twice():
    pairs = [pair for claim in CLAIMS for pair in claim.pairs]
    assert len(set(pairs)) == len(pairs)
    assert {form for pair in pairs for form in pair} <= set(ALL)
    assert all(own != other for own, other in pairs)


@pytest.mark.parametrize("form", IN_LADDER)
def test_every_form_is_of_one_family_and_has_its_look(form):
    family = family_of(form)
    assert family is not OTHER
    plain = form.removesuffix("+edges")
    fits = [each.id for each in FAMILIES.values() if re.fullmatch(each.members, plain)]
    assert fits == [family.id]


def test_no_two_families_look_alike():
    looks = [(each.look.colour, each.look.marker) for each in FAMILIES.values()]
    assert len(set(looks)) == len(looks)


def test_a_small_run_and_a_float32_that_finds_nothing_judge_nothing():
    found = {"float32": np.full(401, 0.5), "float16": draws(0.5, 0.001)}
    assert {answer.answer for answer in answers(found, 1.0)} == {YES}
    assert {answer.answer for answer in answers(found, 1.0, conclusive=False)} == {SMALL_RUN}
    assert {answer.answer for answer in answers(found, 60.0)} == {NOTHING_FOUND}
