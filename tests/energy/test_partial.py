"""Rounds kept line by line: whatever a kill leaves of the file, finished rounds are found again."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from helpers.energy.records import Latency, Memory
from helpers.energy.rounds.partial import PartialRounds
from helpers.lab.records import Origin
from tests.support.raw_results import latency_of, latency_round, visit

SOURCE = Origin({"a": "1"}, {"rounds": 9}, "code", {})
ROUNDS = [latency_round({"float32": visit([n, n + 1])}) for n in range(9)]


def raw(count: int, failures: dict | None = None) -> Latency:
    return latency_of(["float32", "int8"], ROUNDS[:count], failures)


def keep_all(path, count: int, source: Origin = SOURCE) -> None:
    partial = PartialRounds(path, source, Latency)
    for number in range(1, count + 1):
        partial.keep(raw(number))


def test_what_was_kept_is_found(tmp_path):
    keep_all(tmp_path / "x.partial", 5)
    assert PartialRounds(tmp_path / "x.partial", SOURCE, Latency).earlier() == raw(5)


def test_failures_are_those_of_the_last_round(tmp_path):
    partial = PartialRounds(tmp_path / "x.partial", SOURCE, Latency)
    partial.keep(raw(1))
    partial.keep(raw(2, {"int8": "broken"}))
    assert PartialRounds(tmp_path / "x.partial", SOURCE, Latency).earlier() == raw(2, {"int8": "broken"})


def test_a_round_costs_its_own_line_and_no_more(tmp_path):
    partial, path = PartialRounds(tmp_path / "x.partial", SOURCE, Latency), tmp_path / "x.partial"
    partial.keep(raw(4))
    before = path.read_bytes()
    partial.keep(raw(5))
    assert path.read_bytes().startswith(before)
    assert path.read_text().count("\n") == 6


@hypothesis_settings(max_examples=60)
@given(kept=st.integers(1, 6), cut=st.floats(0, 1))
def test_a_file_cut_anywhere_gives_whole_rounds_and_goes_on(tmp_path_factory, kept, cut):
    path = tmp_path_factory.mktemp("cut") / "x.partial"
    keep_all(path, kept)
    whole = path.read_bytes()
    path.write_bytes(whole[: round(cut * len(whole))])
    again = PartialRounds(path, SOURCE, Latency)
    found = again.earlier()
    rounds = found.rounds if found else ()
    complete = whole[: round(cut * len(whole))].count(b"\n")
    assert len(rounds) >= complete - 1
    assert rounds == tuple(ROUNDS[: len(rounds)])
    for number in range(len(rounds) + 1, 10):
        again.keep(raw(number))
    assert PartialRounds(path, SOURCE, Latency).earlier() == raw(9)


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"[1]\n", b"\xff\xfe"], ids=["empty", "other", "list", "bytes"]
)
def test_a_file_of_another_kind_is_replaced(tmp_path, content):
    path = tmp_path / "x.partial"
    path.write_bytes(content)
    partial = PartialRounds(path, SOURCE, Latency)
    assert partial.earlier() is None
    partial.keep(raw(1))
    assert PartialRounds(path, SOURCE, Latency).earlier() == raw(1)


def test_rounds_of_another_origin_are_not_taken_up(tmp_path):
    keep_all(tmp_path / "x.partial", 3)
    other = dataclasses.replace(SOURCE, parameters={"rounds": 10})
    assert PartialRounds(tmp_path / "x.partial", other, Latency).earlier() is None


EARLIER_ROUND = {"order": ["float32"], "visits": {"float32": {"warmup_ns": [], "timed_ns": [5]}}}


@pytest.mark.parametrize(
    "change",
    [
        lambda head, line: head.pop("format"),
        lambda head, line: head.update(format=1),
        lambda head, line: head["raw"].pop("settings"),
        lambda head, line: head.pop("raw"),
        lambda head, line: head.update(raw=[]),
        lambda head, line: line.update(round=EARLIER_ROUND),
        lambda head, line: line["round"]["visits"]["float32"].update(timed_ns={"5": 5}),
        lambda head, line: line["round"].pop("moment"),
        lambda head, line: line.pop("failures"),
        lambda head, line: line.pop("round"),
    ],
)
def test_an_unfinished_measurement_of_an_earlier_version_is_not_taken_up(tmp_path, change):
    """Even if it says that it is of this origin."""
    path = tmp_path / "x.partial"
    keep_all(path, 2)
    head, *lines = map(json.loads, path.read_text().splitlines())
    change(head, lines[-1])
    path.write_text("".join(json.dumps(each) + "\n" for each in (head, *lines)))
    again = PartialRounds(path, SOURCE, Latency)
    assert again.earlier() is None
    again.keep(raw(1))
    assert PartialRounds(path, SOURCE, Latency).earlier() == raw(1)


def test_rounds_of_another_measurement_are_not_taken_up(tmp_path):
    keep_all(tmp_path / "x.partial", 2)
    assert PartialRounds(tmp_path / "x.partial", SOURCE, Memory).earlier() is None
