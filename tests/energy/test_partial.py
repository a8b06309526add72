"""Rounds kept line by line: whatever a kill leaves of the file, finished rounds are found again."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from helpers.energy.rounds.partial import PartialRounds
from helpers.lab.records import Origin

SOURCE = Origin({"a": "1"}, {"rounds": 9}, "code", {})
ROUNDS = [{"order": [f"v{n}"], "visits": {"float32": {"timed_ns": [n, n + 1]}}} for n in range(9)]


def raw(count: int, failures: dict | None = None) -> dict:
    return {
        "quantity": "latency",
        "settings": {"threads": 1},
        "rounds": ROUNDS[:count],
        "failures": failures or {},
    }


def keep_all(path, count: int, source: Origin = SOURCE) -> None:
    partial = PartialRounds(path, source)
    for number in range(1, count + 1):
        partial.keep(raw(number))


def test_what_was_kept_is_found(tmp_path):
    keep_all(tmp_path / "x.partial", 5)
    assert PartialRounds(tmp_path / "x.partial", SOURCE).earlier() == raw(5)


def test_failures_are_those_of_the_last_round(tmp_path):
    partial = PartialRounds(tmp_path / "x.partial", SOURCE)
    partial.keep(raw(1))
    partial.keep(raw(2, {"int8": "broken"}))
    assert PartialRounds(tmp_path / "x.partial", SOURCE).earlier() == raw(2, {"int8": "broken"})


def test_a_round_costs_its_own_line_and_no_more(tmp_path):
    partial, path = PartialRounds(tmp_path / "x.partial", SOURCE), tmp_path / "x.partial"
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
    again = PartialRounds(path, SOURCE)
    found = again.earlier()
    rounds = found["rounds"] if found else []
    complete = whole[: round(cut * len(whole))].count(b"\n")
    assert len(rounds) >= complete - 1
    assert rounds == ROUNDS[: len(rounds)]
    for number in range(len(rounds) + 1, 10):
        again.keep(raw(number))
    assert PartialRounds(path, SOURCE).earlier() == raw(9)


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"[1]\n", b"\xff\xfe"], ids=["empty", "other", "list", "bytes"]
)
def test_a_file_of_another_kind_is_replaced(tmp_path, content):
    path = tmp_path / "x.partial"
    path.write_bytes(content)
    partial = PartialRounds(path, SOURCE)
    assert partial.earlier() is None
    partial.keep(raw(1))
    assert PartialRounds(path, SOURCE).earlier() == raw(1)


def test_rounds_of_another_origin_are_not_taken_up(tmp_path):
    keep_all(tmp_path / "x.partial", 3)
    other = dataclasses.replace(SOURCE, parameters={"rounds": 10})
    assert PartialRounds(tmp_path / "x.partial", other).earlier() is None
