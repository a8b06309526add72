"""The answer: one for every model, never more than the intervals and the verdicts allow."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.compare import answer as answering
from helpers.compare.answer import About, Sentence, answers
from helpers.compare.findings import Judgement, judge_ratio
from helpers.compare.noise import noise_floor, ratio_of
from helpers.compare.verdict import FEW_IMAGES, FEW_RESAMPLES, NO, NO_VALUE, NOTHING_FOUND, SMALL_RUN, YES
from helpers.run.variants import BASELINE, CONTROL
from helpers.show.context import UNKNOWN
from helpers.show.rows import records_of
from tests.support.example_results import ALL, CONTEXT, MODEL, REASON, example_results, fail, without_energy

NAN = float("nan")
FORMS = ("float16", "int8-dynamic", "int8", "int16x8")


def told(results: pd.DataFrame, context: dict = CONTEXT) -> list[Sentence]:
    [sentences] = answers(results, context).values()
    return sentences


def one(results: pd.DataFrame, about: About) -> Sentence:
    [sentence] = [each for each in told(results) if each.about is about]
    return sentence


def unknown(results: pd.DataFrame, context: dict = CONTEXT) -> str:
    return "\n".join(each.text for each in told(results, context) if each.about is About.UNKNOWN)


def changed(cells: dict[str, dict], variants: tuple[str, ...] = ALL) -> pd.DataFrame:
    """The example's results with other cells: variant -> column -> value."""
    results = as_texts(example_results(variants))
    for variant, values in cells.items():
        for column, value in values.items():
            results.loc[results["variant"] == variant, column] = value
    return results


def as_texts(results: pd.DataFrame) -> pd.DataFrame:
    """The same, with columns of words that may be filled where they are empty."""
    return results.assign(**{name: results.get(name, pd.Series(index=results.index)).astype(object)
                             for name in ("ap_within", "ap_reason", "latency_reason")})  # fmt: skip


def ratio(value: float, spread: float = 0.01) -> dict[str, float]:
    return {"latency_ratio": value, "latency_ratio_low": value - spread, "latency_ratio_high": value + spread}


def difference(points: float, spread: float) -> dict[str, float]:
    bounds = {"ap_diff_low": (points - spread) / 100, "ap_diff_high": (points + spread) / 100}
    return {"ap_diff": points / 100, **bounds}


# what is changed in the example -> forms to deploy for speed, and parts of the sentence
SPEED = {
    "none within the margin is faster": (
        {}, ("float32",),
        ("no form within 1 point is shown faster", "closest: int16x8, ratio 0.992 [0.984, 1.002]",
         "noise floor 1 ± 0.015 (control)", "; int8 is shown faster, but loses more than 1 point."),
    ),
    "one is": (
        {"int8": {"ap_within": YES}}, ("int8",),
        ("1.69× faster [1.67, 1.71] than float32, AP −2.00 [−2.35, −1.67] points, and shown faster than ",
         "the next best, int16x8."),
    ),
    "two that cannot be told apart": (
        {"int8": {"ap_within": YES}, "int16x8": ratio(0.60, 0.012)}, ("int8", "int16x8"),
        ("int8 1.69× faster [1.67, 1.71] and int16x8 1.67× faster", "which of them is the fastest is not"),
    ),
    "two that can": (
        {"int8": {"ap_within": YES}, "int16x8": ratio(0.7)}, ("int8",),
        ("shown faster than the next best, int16x8",),
    ),
    "one that is timed too badly to be beaten": (
        {"int8": {"ap_within": YES}, "int16x8": ratio(0.8, 0.3)}, ("int8",),
        ("; not shown faster than int16x8, of which no gain is shown.",),
    ),
    "a faster one may be within": (
        {"int8": {"ap_within": FEW_IMAGES}, "int16x8": ratio(0.8)}, ("int16x8",),
        ("1.25× faster", "; int8 is faster still, but not known to be within 1 point."),
    ),
    "a faster one is not within": (
        {"int16x8": ratio(0.8)}, ("int16x8",), ("; int8 is faster still, but loses more than 1 point.",),
    ),
    "a gain below the self-test's noise": (
        {"int16x8": ratio(0.93), BASELINE: {"latency_selftest_noise": 0.1}}, ("float32",),
        ("noise floor 1 ± 0.100 (self-test)",),
    ),
    "without a control": (
        {"int16x8": ratio(0.8), CONTROL: ratio(NAN)}, ("int16x8",), ("than float32", "(noise floor unknown)"),
    ),
    "without bounds": (
        {v: {"latency_ratio_low": NAN, "latency_ratio_high": NAN} for v in ALL}, ("float32",),
        ("no form within 1 point is shown faster", "without interval"),
    ),
    "without latency": (
        {v: ratio(NAN) for v in ALL}, (), ("no form within 1 point has a latency to hold against float32's",),
    ),
    "none within the margin": (
        {"float16": {"ap_within": NO}, "int16x8": {"ap_within": FEW_IMAGES}}, ("float32",),
        ("no other form is known to be within 1 point; int8 is shown faster",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SPEED)
def test_for_speed(case):
    cells, forms, parts = SPEED[case]
    sentence = one(changed(cells), About.SPEED)
    assert sentence.forms == forms
    assert [part for part in parts if part not in sentence.text] == []


SIZE = {
    "the smallest within the margin": (
        {}, ("int16x8",),
        ("950 kB, 0.33 of float32's 2.91 MB", "; int8-dynamic is smaller still, but not known to be within",
         "int4-weights-block-wise-with-a-long-name are smaller still, but lose more than 1 point"),
    ),
    "near ties together": (
        {"int8": {"ap_within": YES, "size_bytes": 0.94e6}}, ("int8", "int16x8"),
        ("940 kB and 950 kB, 0.32 and 0.33 of float32's 2.91 MB",),
    ),
    "no smaller one": (
        {"float16": {"size_bytes": 2.9e6}, "int16x8": {"size_bytes": 3e6}}, ("float32",),
        ("no form within 1 point has a file that is smaller by more than 2 %; int8-dynamic is smaller,",),
    ),
    "none within the margin": (
        {"float16": {"ap_within": NO}, "int16x8": {"ap_within": NO}}, ("float32",),
        ("no other form is known to be within 1 point; int8-dynamic is smaller, but not known",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SIZE)
def test_for_size(case):
    cells, forms, parts = SIZE[case]
    sentence = one(changed(cells), About.SIZE)
    assert sentence.forms == forms
    assert [part for part in parts if part not in sentence.text] == []


def test_for_accuracy():
    cells = {"int16x8": difference(-0.3, 0.1), "float16": difference(0.4, 0.1)}
    sentence = one(changed(cells), About.ACCURACY)
    assert sentence.forms == ("float32", "float16")
    assert sentence.text == (
        "float16 loses nothing that can be shown; int16x8 loses within 1 point (−0.30 [−0.40, −0.20]); int8 "
        "and int4-weights-block-wise-with-a-long-name lose more than 1 point (−2.00 [−2.35, −1.67] and −4.00 "
        "[−4.35, −3.67]); whether int8-dynamic is within 1 point is not known."
    )


def test_what_is_not_known():
    results = as_texts(without_energy(fail(example_results(ALL), "float16")))
    absent = results["variant"] == "int16x8"
    results.loc[absent, ["latency_ms_p50", "latency_ratio", "latency_ratio_low", "latency_ratio_high"]] = NAN
    results.loc[absent, "latency_reason"] = "Found: it crashed.\nCure: see the log."
    text = unknown(results)
    for part in (
        f"Anything of float16: failed ({REASON}).",
        "Whether int8-dynamic is within 1 point: 500 images are too few, about 1,300 would about settle it.",
        "Latency of int16x8: it crashed.",
        "AP of int8 under another order: its 80 distinct scores leave AP between 59.3 and 60.9",
        "Differences in latency below 1.5 %: they are noise here, by the control; how far two",
        "Energy: nothing measured it here.",
        "one machine was measured (Example CPU (2 cores))",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    ("cells", "part"),
    [
        (
            {"ap_within": FEW_IMAGES, "ap_images_needed": NAN},
            "lies at the margin, where more images may not settle it",
        ),
        ({"ap_within": FEW_RESAMPLES}, "too few resamples were drawn"),
        ({"ap_within": NO_VALUE}, "there is no difference to judge"),
    ],
)
def test_why_a_verdict_is_open(cells, part):
    assert f"Whether int8 is within 1 point: {part}" in unknown(changed({"int8": cells})).replace(
        "its difference, −2.00 [−2.35, −1.67] points, ", ""
    )


def test_energy_noise_and_host_are_told_as_they_are():
    assert "Energy" in unknown(example_results())
    assert "Energy" not in unknown(example_results().assign(energy_grade="A"))
    tested = unknown(example_results().assign(latency_selftest_noise=0.02))
    assert "below 2.0 %: they are noise here, by the self-test." in tested
    assert "no floor is known" in unknown(changed({CONTROL: ratio(NAN)}))
    assert "(unknown)" in unknown(example_results(), UNKNOWN)


NOTHING = {
    "a small run": (example_results().assign(ap_within=SMALL_RUN), "it is too small (500 images)"),
    "a weak float32": (
        example_results().assign(ap_within=NOTHING_FOUND), "float32 itself finds next to nothing (AP 62.0",
    ),
    "a failed float32": (fail(example_results(), "float32"), f"float32 failed ({REASON}), and every other"),
    "float32 without AP": (
        changed({BASELINE: {"ap": NAN, "ap_reason": "the labels are empty"}}), "no AP (the labels are empty)",
    ),
    "float32 alone": (example_results(("float32", "float32-control")), "no form but float32 was measured"),
    "all others failed": (
        fail(fail(example_results(("float32", "int8", "float16", "float32-control")), "int8"), "float16"),
        f"int8 and float16 failed ({REASON}), so that there is none to choose",
    ),
    "float32 absent": (example_results(("int8",)), "it is not in the results"),
}  # fmt: skip


@pytest.mark.parametrize("case", NOTHING)
def test_a_run_that_decides_nothing_says_so_in_one_sentence(case):
    results, part = NOTHING[case]
    [sentence] = told(results)
    assert (sentence.about, sentence.forms) == (About.NOTHING, ())
    assert part in sentence.text


def test_the_margin_is_the_users():
    half = changed({variant: {"ap_margin": 0.005} for variant in FORMS})
    assert "within 0.5 points" in one(half, About.SPEED).text
    assert "0.5 points" in answering.setting(replace(CONTEXT, margin_points=0.5))


def test_every_model_has_its_own_answer():
    other = fail(example_results(model="yolo"), "float32")
    found = answers(pd.concat([example_results(), other], ignore_index=True), CONTEXT)
    assert list(found) == [MODEL, "yolo"]
    assert found["yolo"][0].about is About.NOTHING
    assert all(sentence.model == model for model, sentences in found.items() for sentence in sentences)


positive = st.floats(0.05, 20)
width = st.floats(0, 0.5)


@st.composite
def any_row(draw, variant: str) -> dict:
    """A row with a ratio, a size, a verdict and a difference, or without some of them."""
    value, low, high = draw(positive), draw(width), draw(width)
    points, spread = draw(st.floats(-5, 5)), draw(st.floats(0, 3))
    row = {
        "variant": variant, "ap": draw(st.sampled_from([0.3, 0.3, 0.3, NAN])), "images": 500,
        "latency_ratio": value, "latency_ratio_low": value * (1 - low),
        "latency_ratio_high": value * (1 + high), "latency_ms_p50": 5 * value,
        "size_bytes": draw(st.integers(10_000, 100_000_000)), "ap_margin": 0.01,
        "ap_images_needed": draw(st.sampled_from([NAN, 900])),
        "ap_within": draw(st.sampled_from([YES, NO, FEW_IMAGES, FEW_RESAMPLES, NO_VALUE, NAN])),
        **difference(points, spread), "energy_grade": draw(st.sampled_from("ABCD")),
        "failed": draw(st.sampled_from(["", "", "", REASON])),
    }  # fmt: skip
    if draw(st.integers(0, 5)) == 0:
        row |= ratio(NAN)
    if draw(st.integers(0, 5)) == 0:
        row |= {"latency_ratio_low": NAN, "latency_ratio_high": NAN}
    return row


@st.composite
def any_results(draw) -> pd.DataFrame:
    """One or two models; float32 mostly works, and has a control with some noise."""
    rows = []
    for model in draw(st.sampled_from([("a",), ("a", "b")])):
        base = draw(any_row(BASELINE)) | ratio(1.0, 0.0) | {"ap_within": NAN}
        base |= {"failed": "", "ap": 0.3} if draw(st.booleans()) else {}
        noise = draw(st.floats(0, 0.2))
        control = base | {"variant": CONTROL} | ratio(1.0, noise)
        control["size_bytes"] = 1
        forms = [draw(any_row(variant)) for variant in draw(st.lists(st.sampled_from(FORMS), unique=True))]
        tested = draw(st.sampled_from([NAN, 0.1]))
        rows += [{"model": model, "latency_selftest_noise": tested, **row} for row in (base, *forms, control)]
    return pd.DataFrame(rows)


@settings(max_examples=300, deadline=None)
@given(any_results())
def test_nothing_is_recommended_that_failed_or_is_not_known_to_be_within_the_margin(results):
    rows = {(row["model"], row["variant"]): row for row in records_of(results)}
    for model, sentences in answers(results, CONTEXT).items():
        for form in {form for sentence in sentences for form in sentence.forms}:
            assert form != CONTROL
            assert rows[model, form]["failed"] == ""
            assert form == BASELINE or rows[model, form]["ap_within"] == YES


@settings(max_examples=300, deadline=None)
@given(any_results())
def test_faster_is_what_interval_and_noise_floor_show(results):
    for model, sentences in answers(results, CONTEXT).items():
        frame = results[results["model"] == model]
        floor = noise_floor(frame, "latency")
        shown = {row["variant"] for row in records_of(frame) if shows_gain(row, floor)}
        for sentence in sentences:
            if sentence.about is About.SPEED:
                assert set(sentence.forms) <= shown | {BASELINE}
                assert ("× faster" in sentence.text) == bool(set(sentence.forms) - {BASELINE})
                if not shown:
                    assert "faster still" not in sentence.text
                    assert "but" not in sentence.text


def shows_gain(row: dict, floor) -> bool:
    interval = ratio_of(row, "latency")
    return interval is not None and judge_ratio(interval, floor) is Judgement.BETTER


@settings(max_examples=200, deadline=None)
@given(any_results())
def test_every_model_gets_an_answer_of_whole_sentences(results):
    found = answers(results, CONTEXT)
    assert list(found) == list(dict.fromkeys(results["model"]))
    for sentences in found.values():
        kinds = [sentence.about for sentence in sentences]
        assert kinds == [About.NOTHING] or kinds[:3] == [About.SPEED, About.SIZE, About.ACCURACY]
        assert kinds == [About.NOTHING] or len(kinds) > 3
        for sentence in sentences:
            assert sentence.text.endswith(".")
            assert "nan" not in sentence.text.lower()
            assert ".." not in sentence.text


@settings(max_examples=200, deadline=None)
@given(any_results())
def test_the_smallest_is_no_larger_than_any_within_the_margin(results):
    for model, sentences in answers(results, CONTEXT).items():
        frame = results[
            (results["model"] == model) & (results["variant"] != CONTROL) & (results["failed"] == "")
        ]
        allowed = frame[(frame["ap_within"] == YES) | (frame["variant"] == BASELINE)]
        for sentence in (each for each in sentences if each.about is About.SIZE):
            sizes = allowed.set_index("variant")["size_bytes"]
            assert np.all(sizes[list(sentence.forms)] <= 1.02 * sizes.min())


def test_a_notebook_shows_it(capsys):
    answering.display_answers(example_results(), CONTEXT)
    assert "a loss of up to 1 point of AP is accepted" in capsys.readouterr().out
