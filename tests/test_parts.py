"""Parts of a detector's loop: timed apart on a real core and database, summed up as they were spent."""

import dataclasses
import json
import math
import statistics
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.dataset import fiftyone
from helpers.errors import LabError
from helpers.experiment import keep, open_run, origin
from helpers.interface import Interface
from helpers.measure import parts as measuring
from helpers.measure import rounds as rounds_module
from helpers.measure.parts import Around, Found, joined, measure_parts
from helpers.measure.parts_summary import PARTS, PER_PHOTO, parts_rows, summarize_parts
from helpers.meters.base import Absent
from helpers.photos import core_input, read_photo
from helpers.preprocessing import Preprocessing
from helpers.stages import parts as stage
from helpers.tails.selection import Detections
from helpers.variants import BASELINE, CONTROL
from tests.tiny_models import SIZE, tiny_core

INPUT = Preprocessing(SIZE, SIZE, (1 / 127.5,) * 3, (-1.0,) * 3)
NOWHERE = Absent("no database here")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cores")
    small = tiny_core(folder / "small.tflite")
    return {BASELINE: small, "int8": tiny_core(folder / "large.tflite", channels=64), CONTROL: small}


@pytest.fixture(scope="module")
def photos(drawn_photos):
    return sorted((drawn_photos / "data").iterdir())[:3]


def tail(heads):
    """One detection per image, as real tails give them."""
    score = 1 / (1 + np.exp(-heads["heads"].mean(keepdims=True).reshape(1)))
    return Detections(np.array([[0.25, 0.5, 0.75, 1.0]], np.float32), score, np.array([2], np.int32))


def around(store=NOWHERE, **changes):
    return Around(**{"read": read_photo, "prepare": lambda photo: core_input(photo, INPUT), "tail": tail,
                     "store": store} | changes)  # fmt: skip


def measure(files, photos, store=NOWHERE, **changes):
    options = {"rounds": 3, "warmups": 2, "progress": False} | changes
    return json.loads(json.dumps(measure_parts(files, photos, around(store), **options)))


def test_every_photo_and_part_is_kept_and_warmups_are_marked(files, photos):
    stored = []
    raw = measure(files, photos, stored.append)
    assert [sorted(entry["order"]) for entry in raw["rounds"]] == [sorted(files)] * 3
    for entry in raw["rounds"]:
        assert list(entry["visits"]) == entry["order"]
        for visit in entry["visits"].values():
            for part in PER_PHOTO:
                assert (len(visit["warmup"][f"{part}_ns"]), len(visit["timed"][f"{part}_ns"])) == (2, 3)
            assert visit["timed"]["store_ns"] > 0
    assert (raw["failures"], raw["store_absent"]) == ({}, "")
    assert [[item.photo for item in found] for found in stored[:2]] == [photos[:2], photos]
    assert stored[0][0].detections.classes.tolist() == [2]
    assert (stored[0][0].height, stored[0][0].width) == read_photo(photos[0]).shape[:2]


def test_parts_do_not_overlap(files, photos):
    """All parts of all visits together fit into the round."""
    for entry in measure(files, photos, len)["rounds"]:
        loops = [visit[kind] for visit in entry["visits"].values() for kind in ("warmup", "timed")]
        spent_ns = sum(sum(loop[f"{part}_ns"]) for loop in loops for part in PER_PHOTO)
        spent_ns += sum(loop["store_ns"] for loop in loops)
        assert spent_ns * 1e-9 < entry["wall_s"]
        assert entry["observed"]["watched_s"] <= entry["wall_s"]


MS = {"decode": 3.0, "resize": 1.0, "core": {"small": 5.0, "large": 2.0}, "tail": 0.5, "store": 12.0}


class Clockwork:
    """A clock of its own that moves only in the parts, by ``MS``."""

    def __init__(self, patch):
        self.now_ms = 0.0
        clock = types.SimpleNamespace(
            perf_counter_ns=lambda: round(self.now_ms * 1e6), perf_counter=lambda: self.now_ms / 1e3
        )
        patch.setattr(measuring, "time", clock)
        patch.setattr(rounds_module, "Core", self.core_class())
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

        class Timed(rounds_module.Core):
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
        return len(raw["rounds"]), raw["stopping"]["why"]

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
    assert (raw["failures"], raw["store_absent"]) == ({}, "the disk is full.")
    assert all(set(entry["visits"]) == set(files) for entry in raw["rounds"])
    assert summarize_parts(raw, resamples=20)["int8"].parts["store"] == Absent("the disk is full.")


def test_a_variant_that_cannot_be_loaded_stops_no_other(files, photos, tmp_path):
    raw = measure({**files, "float16": tmp_path / "gone.tflite"}, photos)
    assert set(raw["failures"]) == {"float16"}
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
        saved.append(json.dumps(raw))
        if len(raw["rounds"]) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(files, photos, on_round=save_then_die)
    earlier = json.loads(saved[-1])
    resumed, whole = measure(files, photos, done=earlier), measure(files, photos)
    assert resumed["rounds"][:2] == earlier["rounds"]
    assert [entry["order"] for entry in resumed["rounds"]] == [entry["order"] for entry in whole["rounds"]]
    with pytest.raises(LabError, match="other settings"):
        measure(files, photos[:2], done=earlier)


def test_rounds_without_a_database_before_rounds_with_one_give_no_time_of_storing(files, photos):
    earlier = measure(files, photos, rounds=1)
    raw = measure(files, photos, len, done=earlier)
    assert raw["rounds"][2]["visits"][BASELINE]["timed"]["store_ns"] > 0
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
    one = {"watched_s": 1.0, "steal_share": 0.1, "voluntary_switches": 1, "involuntary_switches": 2,
           "frequency_mhz": 2000.0, "temperature_c": None}  # fmt: skip
    other = one | {"watched_s": 3.0, "steal_share": 0.5, "frequency_mhz": 2100.0}
    whole = {"watched_s": 4.0, "steal_share": 0.4, "voluntary_switches": 2, "involuntary_switches": 4,
             "frequency_mhz": 2100.0, "temperature_c": None}  # fmt: skip
    assert joined([one, other]) == pytest.approx(whole)
    assert joined([one, other | {"voluntary_switches": None}])["voluntary_switches"] is None
    assert joined([]) == {}


def invented(times: dict[str, np.ndarray], threads: int = 1) -> dict:
    """A raw result; ``times``: variant -> ns ``[rounds, 5, photos]``, a photo's share of the store last."""
    rounds, _, photos = next(iter(times.values())).shape
    played = []
    for number in range(rounds):
        visits = {}
        for variant, values in times.items():
            own = values[number]
            timed = {f"{part}_ns": own[place].tolist() for place, part in enumerate(PER_PHOTO)}
            visits[variant] = {"timed": timed | {"store_ns": own[-1].sum().item()}}
        played.append({"order": list(times), "visits": visits})
    names = [f"{number}.jpg" for number in range(photos)]
    return {"settings": {"variants": list(times), "photos": names, "threads": threads}, "rounds": played,
            "failures": {}, "store_absent": ""}  # fmt: skip


@st.composite
def spent(draw):
    rounds, photos = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    numbers = st.integers(10**4, 10**8)
    shape = (rounds, len(PARTS), photos)
    cells = st.lists(numbers, min_size=math.prod(shape), max_size=math.prod(shape))
    return {variant: np.array(draw(cells)).reshape(shape) for variant in (BASELINE, "int8")}


@settings(max_examples=40)
@given(spent())
def test_summaries_are_what_the_definition_says(times):
    found = summarize_parts(invented(times), resamples=30)
    for variant, own in times.items():
        rounds, _, photos = own.shape
        expected = []
        for place, part in enumerate(PARTS):
            columns = [[own[r, place, p] for r in range(rounds)] for p in range(photos)]
            if part == "store":
                columns = [[own[r, place].sum() / photos for r in range(rounds)]] * photos
            expected.append(statistics.fmean(statistics.median(column) for column in columns) * 1e-6)
        summary = found[variant]
        assert [summary.parts[part].value for part in PARTS] == pytest.approx(expected)
        assert summary.total.value == pytest.approx(sum(expected))
        assert summary.core_share.value == pytest.approx(expected[2] / sum(expected))
        for interval in (*summary.parts.values(), summary.total, summary.ratio):
            assert 0 < interval.low <= interval.high
    assert found[BASELINE].ratio.low == found[BASELINE].ratio.high == 1
    assert found["int8"].ratio.value == pytest.approx(ratio_by_definition(**times))


def ratio_by_definition(float32, int8):
    """Median over rounds of the median over photos of one photo's whole loop over the other's."""
    rounds, _, photos = float32.shape

    def loop(own, r, p):
        return sum(own[r, :4, p].tolist()) + sum(own[r, 4].tolist()) / photos

    return statistics.median(
        statistics.median(loop(int8, r, p) / loop(float32, r, p) for p in range(photos))
        for r in range(rounds)
    )


@settings(max_examples=20)
@given(spent(), st.integers(2, 9))
def test_a_slower_machine_changes_times_but_neither_shares_nor_ratios(times, factor):
    slow = {variant: own * factor for variant, own in times.items()}
    before, after = (summarize_parts(invented(each), resamples=30)["int8"] for each in (times, slow))
    assert after.total.value == pytest.approx(factor * before.total.value)
    assert dataclasses.astuple(after.core_share) == pytest.approx(dataclasses.astuple(before.core_share))
    assert dataclasses.astuple(after.ratio) == pytest.approx(dataclasses.astuple(before.ratio))


def test_drift_and_a_rare_interruption_leave_the_ratio_alone():
    drift = np.linspace(1, 3, 9)[:, None, None]
    base = np.full((9, len(PARTS), 4), 1e6) * drift
    faster = base.copy()
    faster[:, 2] *= 0.5
    faster[4, 0, 1] += 5e8
    summary = summarize_parts(invented({BASELINE: base, "int8": faster}), resamples=200)["int8"]
    assert (summary.ratio.value, summary.ratio.low, summary.ratio.high) == pytest.approx((0.9,) * 3)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """120 measurements of 12 rounds, each with a state of its own and noise on every part of every photo."""
    generator, hits = np.random.default_rng(3), np.zeros(2)
    truth = np.array([0.7, 0.5, 2.0, 0.5, 0.8])[None, :, None] * np.linspace(0.8, 1.2, 8)
    for _ in range(120):
        shared = np.exp(generator.normal(0, 0.05, (12, 1, 1)))
        noisy = [truth * shared * np.exp(generator.normal(0, 0.05, (12, 5, 8))) * 1e6 for _ in range(2)]
        raw = invented({BASELINE: noisy[0], "int8": noisy[1]})
        summary = summarize_parts(raw, resamples=100)["int8"]
        hits += [not summary.total.excludes(4.5), not summary.ratio.excludes(1)]
    assert ((hits / 120 > 0.88) & (hits / 120 < 0.99)).all()


def test_rows_are_tidy_and_say_what_is_missing():
    times = {BASELINE: np.full((2, 5, 3), 10**6), "int8": np.full((2, 5, 3), 2 * 10**6)}
    raw = invented(times) | {"failures": {"int8": "no kernel"}}
    frame = parts_rows(raw, "ssd", resamples=20)
    assert frame["part"].tolist() == [*PARTS, ""]
    assert set(frame["model"]) == {"ssd"}
    failed = frame.iloc[-1]
    assert failed["failed"] == "no kernel"
    assert np.isnan([failed["ms"], failed["total_ms"], failed["ratio"]]).all()
    whole = frame[frame["variant"] == BASELINE]
    assert whole["total_ms"].to_numpy() == pytest.approx(whole["ms"].sum())
    assert (whole["photos"] == 3).all()


def test_boxes_are_stored_relative_to_the_photo():
    found = Detections(np.array([[0.1, 0.2, 0.5, 0.6]], np.float32), np.array([0.9]), np.array([2]))
    stretched = stage.as_sample("id", Found(None, 100, 200, found), INPUT, ["ball", "crate"])
    assert stretched.labels == ["crate"]
    assert stretched.boxes[0] == pytest.approx([0.2, 0.1, 0.4, 0.4])
    # A photo twice as wide as high fills the upper half of a padded input.
    padded = dataclasses.replace(INPUT, pad=True)
    half = dataclasses.replace(found, boxes=np.array([[0.0, 0.0, 0.25, 1.0], [0.1, 0.0, 0.9, 0.5]]),
                               classes=np.array([1, 2]))  # fmt: skip
    boxes = stage.as_sample("id", Found(None, 100, 200, half), padded, ["ball", "crate"]).boxes
    assert boxes.tolist() == [pytest.approx([0, 0, 1, 0.5]), pytest.approx([0, 0.2, 0.5, 0.8])]


def test_detections_go_to_a_data_set_that_is_gone_afterwards_even_on_failure(photos):
    fo = fiftyone()
    users = fo.Dataset("parts-of-a-user")
    before = fo.list_datasets()
    core, heads = Path("a.tflite"), {"heads": np.zeros((1, 2))}
    found = [Found(path, 100, 100, tail(heads), core) for path in photos]

    def store_then_fail():
        with stage.storing(photos, {core: Interface(INPUT, tail)}, ["ball", "crate"]) as store:
            store(found)
            [name] = set(fo.list_datasets()) - set(before)
            inside = fo.load_dataset(name)
            assert not inside.persistent
            assert inside.values("found.detections.label") == [["crate"]] * len(photos)
            assert inside.first()["found"].detections[0].bounding_box == [0.5, 0.25, 0.5, 0.5]
            raise ValueError("the loop failed")

    with pytest.raises(ValueError, match="the loop failed"):
        store_then_fail()
    assert fo.list_datasets() == before
    assert len(users) == 0
    users.delete()


def test_without_a_database_storing_is_absent_with_the_reason(photos, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.delenv("FIFTYONE_PRIVATE_DATABASE_PORT", raising=False)
    monkeypatch.setenv("FIFTYONE_DATABASE_DIR", str(tmp_path / "file" / "database"))
    with stage.storing(photos, {}, ["ball"]) as store:
        assert "cannot be made" in store.reason


@pytest.fixture
def small_run(files, drawn_photos, tmp_path, monkeypatch):
    """A run of two variants whose cores are tiny, on drawn photos."""
    (tmp_path / "validation").symlink_to(drawn_photos, target_is_directory=True)
    run = open_run("smoke", "parts", variants=["float32", "int8"])
    profile = dataclasses.replace(run.profile, data=str(tmp_path), energy_rounds=1)
    run = dataclasses.replace(run, profile=profile)
    model = run.models[0]
    for variant in ("float32", "int8"):
        path = run.paths.variant_file(model.id, variant)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[BASELINE if variant == "float32" else "int8"].read_bytes())
        record = run.paths.variant_record(model.id, variant)
        keep(record, "variant", origin({}, {}, "helpers.variants"), {}, [path])
    sides = types.SimpleNamespace(preprocessing=INPUT, tail=tail)
    monkeypatch.setattr(stage, "load_interface", lambda run, model, variant: sides)
    return run


def test_the_stage_measures_once_and_tells_it_as_a_frame(small_run):
    model = small_run.models[0]
    record = stage.parts(small_run, model)
    assert len(record.values["rounds"]) == 2
    assert len(record.values["settings"]["photos"]) == stage.PHOTOS
    assert (record.values["store_absent"], record.values["failures"]) == ("", {})
    assert stage.parts(small_run, model).provenance == record.provenance
    frame = stage.parts_frame(small_run, small_run.models)
    assert frame.groupby("variant")["ms"].sum().to_dict() == pytest.approx(
        frame.drop_duplicates("variant").set_index("variant")["total_ms"].to_dict()
    )
    results, frames, context = stage.parts_picture(small_run)
    assert results["variant"].tolist() == ["float32", "int8", CONTROL]
    assert frames["parts"].equals(frame)
    assert context["run"] == "parts"


def test_each_core_may_have_its_own_preparing_and_tail(files, photos):
    """As a file of the user's own has."""
    taken = []

    def noted(name):
        def told(heads):
            taken.append(name)
            return tail(heads)

        return told

    arounds = {path: around(tail=noted(path.name)) for path in files.values()}
    raw = measure_parts(files, photos, arounds, rounds=1, warmups=1, progress=False)
    assert not raw["failures"]
    assert set(taken) == {path.name for path in files.values()}
