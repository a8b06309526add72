"""Where a detector's time goes: every part timed by itself, in rounds that nothing stops."""

import types
from dataclasses import replace

import pytest

from helpers.energy.parts import timing as measuring
from helpers.energy.parts.summary import PER_PHOTO, summarize_parts
from helpers.energy.parts.timing import joined, measure_parts
from helpers.energy.rounds import playing as rounds_module
from helpers.energy.rounds.records import Observed
from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent
from helpers.photos.decoding import read_photo
from helpers.run.variants import BASELINE, CONTROL
from helpers.runtimes.litert.core import Core
from tests.support.raw_results import UNWATCHED
from tests.support.timed_parts import NOWHERE, around
from tests.support.tiny_models import tiny_core


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cores")
    small = tiny_core(folder / "small.tflite")
    return {BASELINE: small, "int8": tiny_core(folder / "large.tflite", channels=64), CONTROL: small}


@pytest.fixture(scope="module")
def photos(drawn_photos):
    return sorted((drawn_photos / "data").iterdir())[:3]


def measure(files, photos, store=NOWHERE, **changes):
    options = {"rounds": 3, "warmups": 2, "progress": False} | changes
    return measure_parts(files, photos, around(store), **options)


def test_every_photo_and_part_is_kept_and_warmups_are_marked(files, photos):
    stored = []
    raw = measure(files, photos, stored.append)
    assert [sorted(played.order) for played in raw.rounds] == [sorted(files)] * 3
    for played in raw.rounds:
        assert tuple(played.visits) == played.order
        for visit in played.visits.values():
            assert [len(times) for times in of_photos(visit.warmup)] == [2] * len(PER_PHOTO)
            assert [len(times) for times in of_photos(visit.timed)] == [3] * len(PER_PHOTO)
            assert visit.timed.store_ns > 0
    assert (raw.failures, raw.store_absent) == ({}, "")
    assert [[item.photo for item in found] for found in stored[:2]] == [photos[:2], photos]
    assert stored[0][0].detections.classes.tolist() == [2]
    assert (stored[0][0].height, stored[0][0].width) == read_photo(photos[0]).shape[:2]


def of_photos(times):
    return [getattr(times, f"{part}_ns") for part in PER_PHOTO]


def test_parts_do_not_overlap(files, photos):
    """All parts of all visits together fit into the round."""
    for played in measure(files, photos, len).rounds:
        loops = [loop for visit in played.visits.values() for loop in (visit.warmup, visit.timed)]
        spent_ns = sum(sum(times) for loop in loops for times in of_photos(loop))
        spent_ns += sum(loop.store_ns for loop in loops)
        assert spent_ns * 1e-9 < played.wall_s
        assert played.observed.watched_s <= played.wall_s


MS = {"decode": 3.0, "resize": 1.0, "core": {"small": 5.0, "large": 2.0}, "tail": 0.5, "store": 12.0}


class Clockwork:
    """A clock of its own that moves only in the parts, by ``MS``."""

    def __init__(self, patch):
        self.now_ms = 0.0
        clock = types.SimpleNamespace(
            perf_counter_ns=lambda: round(self.now_ms * 1e6), perf_counter=lambda: self.now_ms / 1e3
        )
        patch.setattr(measuring, "time", clock)
        patch.setattr(rounds_module, "load_core", self.core_class())
        changes = {part: self.moved(MS[name], value) for part, name, value in self.sides()}
        self.around = around(**changes)

    def sides(self):
        whole = around()
        return (("read", "decode", whole.read), ("prepare", "resize", whole.prepare),
                ("tail", "tail", whole.tail), ("store", "store", lambda found: None))  # fmt: skip

    def moved(self, by_ms, function):
        def call(argument):
            self.now_ms += by_ms
            return function(argument)

        return call

    def core_class(self):
        clock = self

        class Timed(Core):
            def invoke(self):
                super().invoke()
                clock.now_ms += MS["core"][self.path.stem]

        return Timed


def test_each_part_gets_its_own_time_and_nothing_else(files, photos, monkeypatch):
    clockwork = Clockwork(monkeypatch)
    raw = measure_parts(files, photos, clockwork.around, rounds=2, warmups=1, progress=False)
    summaries = summarize_parts(raw, resamples=20)
    expected = {"decode": 3.0, "resize": 1.0, "core": 5.0, "tail": 0.5, "store": 12.0 / len(photos)}
    found = {part: interval.value for part, interval in summaries[BASELINE].parts.items()}
    assert found == pytest.approx(expected)
    assert summaries[BASELINE].total.value == pytest.approx(13.5)
    assert summaries["int8"].total.value == pytest.approx(10.5)
    assert summaries["int8"].core_share.value == pytest.approx(2 / 10.5)
    ratio = summaries["int8"].ratio
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((10.5 / 13.5,) * 3)


def test_rounds_end_by_the_clock_but_not_before_the_least(files, photos, monkeypatch):
    clockwork = Clockwork(monkeypatch)

    def rounds(budget_s):
        raw = measure_parts(files, photos, clockwork.around, 9, budget_s=budget_s, least_rounds=3,
                            warmups=0, progress=False)  # fmt: skip
        return len(raw.rounds), raw.stopping.why

    # A round takes 3 * 3 * 4.5 ms around the cores, 3 * (5 + 5 + 2) in them, and 3 * 12 to store: 112.5 ms.
    assert rounds(0.001) == (3, "time budget")
    assert rounds(0.5) == (5, "time budget")
    assert rounds(None) == (9, "most rounds")


def test_without_a_database_the_rest_is_measured(files, photos):
    raw = measure(files, photos)
    summary = summarize_parts(raw, resamples=20)[BASELINE]
    assert summary.parts["store"] == NOWHERE
    assert summary.total.value == pytest.approx(sum(summary.parts[part].value for part in PER_PHOTO))


def test_a_store_that_fails_is_not_called_again_and_stops_no_variant(files, photos):
    calls = []

    def store(found):
        calls.append(found)
        if len(calls) == 5:
            raise LabError("the disk is full.", "", "")

    raw = measure(files, photos, store)
    assert len(calls) == 5
    assert (raw.failures, raw.store_absent) == ({}, "the disk is full.")
    assert all(set(played.visits) == set(files) for played in raw.rounds)
    assert summarize_parts(raw, resamples=20)["int8"].parts["store"] == Absent("the disk is full.")


def test_a_variant_that_cannot_be_loaded_stops_no_other(files, photos, tmp_path):
    raw = measure({**files, "float16": tmp_path / "gone.tflite"}, photos)
    assert set(raw.failures) == {"float16"}
    summaries = summarize_parts(raw, resamples=20)
    assert "gone.tflite does not exist" in summaries["float16"].reason
    assert summaries["int8"].rounds == 3


def test_without_the_baseline_there_are_times_but_no_ratios(files, photos, tmp_path):
    raw = measure({**files, BASELINE: tmp_path / "gone.tflite"}, photos)
    summary = summarize_parts(raw, resamples=20)["int8"]
    assert summary.total.value > 0
    assert BASELINE in summary.ratio.reason


def test_a_killed_measurement_goes_on_after_its_last_finished_round(files, photos):
    saved = []

    def save_then_die(raw):
        saved.append(raw)
        if len(raw.rounds) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(files, photos, on_round=save_then_die)
    earlier = saved[-1]
    resumed, whole = measure(files, photos, done=earlier), measure(files, photos)
    assert resumed.rounds[:2] == earlier.rounds
    assert [played.order for played in resumed.rounds] == [played.order for played in whole.rounds]
    with pytest.raises(LabError, match="other settings"):
        measure(files, photos[:2], done=earlier)


def test_rounds_without_a_database_before_rounds_with_one_give_no_time_of_storing(files, photos):
    earlier = measure(files, photos, rounds=1)
    raw = measure(files, photos, len, done=earlier)
    assert raw.rounds[2].visits[BASELINE].timed.store_ns > 0
    summary = summarize_parts(raw, resamples=20)[BASELINE]
    assert summary.parts["store"] == Absent("a part of the rounds could not store")
    assert summary.total.value == pytest.approx(sum(summary.parts[part].value for part in PER_PHOTO))


def test_photos_that_are_not_there_are_an_error(files, photos, tmp_path):
    with pytest.raises(LabError, match="no photos"):
        measure(files, [])
    with pytest.raises(LabError, match=r"gone\.jpg cannot be read"):
        measure(files, [*photos, tmp_path / "gone.jpg"])


@pytest.mark.parametrize(
    "change", [{"rounds": 0}, {"threads": 0}, {"warmups": -1}, {"budget_s": -1}, {"least_rounds": 0}]
)
def test_impossible_numbers_are_refused(files, photos, change):
    with pytest.raises(LabError, match=next(iter(change))):
        measure(files, photos, **change)


def test_stretches_that_were_watched_add_up():
    one = Observed(1.0, 0.1, 1, 2, 2000.0, None)
    other = replace(one, watched_s=3.0, steal_share=0.5, frequency_mhz=2100.0)
    assert joined([one, other]) == Observed(4.0, pytest.approx(0.4), 2, 4, 2100.0, None)
    assert joined([one, replace(other, voluntary_switches=None)]).voluntary_switches is None
    assert joined([]) == UNWATCHED
