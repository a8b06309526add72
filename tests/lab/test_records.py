"""Records: whole, traceable, and never taken for another one."""

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.lab.records import (
    FORMAT,
    Number,
    Origin,
    Record,
    current_record,
    hash_outputs,
    jsonable,
    outputs_whole,
    read_record,
    require_same_setting,
    write_record,
)

ORIGIN = Origin(
    inputs={"model": "aa", "photos": "bb"},
    parameters={"threads": 1, "scale": 0.5, "names": ["x", "y"]},
    code="cc",
    setting={"host": "h1", "numpy": "2.4"},
)
CURE = "run 02_quantize.ipynb first."

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def example(**changes) -> Record:
    record = Record("variant", ORIGIN, {"time_utc": "2026"}, {"size_bytes": 12, "raw": [1.5, 2.5]})
    return dataclasses.replace(record, **changes)


@pytest.fixture
def stored(tmp_path):
    """A record with a file and a folder as outputs."""
    (tmp_path / "core.tflite").write_bytes(b"core")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "a").write_bytes(b"a")
    outputs = hash_outputs(tmp_path, [tmp_path / "core.tflite", tmp_path / "saved"])
    path = tmp_path / "record.json"
    write_record(path, example(outputs=outputs))
    return path


def test_a_record_read_back_is_the_record_written(tmp_path):
    record = example(outputs={"a": "1"})
    assert write_record(tmp_path / "r.json", record) == record
    read = read_record(tmp_path / "r.json", Any, CURE)
    assert read == record
    assert read.origin.key == ORIGIN.key


def test_numpy_values_become_plain_ones(tmp_path):
    values = {"a": np.float32(0.5), "b": np.arange(3), "c": (np.int64(4), np.bool_(True)), "d": np.array(2.0)}
    write_record(tmp_path / "r.json", example(values=values))
    expected = {"a": 0.5, "b": [0, 1, 2], "c": [4, True], "d": 2.0}
    assert read_record(tmp_path / "r.json", Any, CURE).values == expected


def test_numbers_that_json_lacks_become_null(tmp_path):
    values = {"a": float("nan"), "b": np.array([1.0, np.inf, -np.inf]), "c": np.float32("nan")}
    write_record(tmp_path / "r.json", example(values=values))
    assert read_record(tmp_path / "r.json", Any, CURE).values == {
        "a": None,
        "b": [1.0, None, None],
        "c": None,
    }


@given(json_values)
def test_whatever_is_made_jsonable_is_json(value):
    plain = jsonable(value)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert jsonable(plain) == plain


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": {"model": "aa", "photos": "other"}},
        {"inputs": {"model": "aa"}},
        {"parameters": {**ORIGIN.parameters, "threads": 2}},
        {"parameters": {**ORIGIN.parameters, "names": ["y", "x"]}},
        {"code": "other"},
        {"setting": {"host": "h2", "numpy": "2.4"}},
        {"setting": {"host": "h1", "numpy": "2.5"}},
    ],
)
def test_the_key_changes_with_every_part(changes, stored):
    other = dataclasses.replace(ORIGIN, **changes)
    assert other.key != ORIGIN.key
    assert current_record(stored, Any, other) is None


def test_the_key_ignores_the_order_of_names():
    turned = {name: ORIGIN.parameters[name] for name in reversed(ORIGIN.parameters)}
    assert dataclasses.replace(ORIGIN, parameters=turned).key == ORIGIN.key


def test_a_current_record_is_found_again(stored):
    assert current_record(stored, Any, ORIGIN) == read_record(stored, Any, CURE)


def test_no_record_is_current_where_none_is(tmp_path):
    assert current_record(tmp_path / "none.json", Any, ORIGIN) is None


@pytest.mark.parametrize("name", ["core.tflite", "saved/a"])
def test_a_changed_or_missing_output_makes_a_record_stale(stored, name):
    output = stored.parent / name
    output.write_bytes(b"other")
    assert current_record(stored, Any, ORIGIN) is None
    output.unlink()
    assert current_record(stored, Any, ORIGIN) is None


def test_outputs_restored_make_it_current_again(stored):
    output = stored.parent / "core.tflite"
    output.write_bytes(b"other")
    output.write_bytes(b"core")
    assert current_record(stored, Any, ORIGIN) is not None
    assert outputs_whole(stored.parent, {})


def test_a_record_truncated_anywhere_is_stale_and_says_what_cures_it(stored):
    content = stored.read_bytes().rstrip()
    for length in range(0, len(content), 7):
        stored.write_bytes(content[:length])
        assert current_record(stored, Any, ORIGIN) is None
        with pytest.raises(LabError) as caught:
            read_record(stored, Any, CURE)
        assert caught.value.cure == CURE


def test_a_missing_record_names_the_notebook_that_makes_it(tmp_path):
    with pytest.raises(LabError, match="does not exist") as caught:
        read_record(tmp_path / "none.json", Any, CURE)
    assert caught.value.cure == CURE


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content | {"format": 99},
        lambda content: {k: v for k, v in content.items() if k != "format"},
        lambda content: {k: v for k, v in content.items() if k != "values"},
        lambda content: content | {"unknown": 1},
        lambda content: content | {"origin": {"inputs": {}}},
        lambda content: content | {"origin": None},
        lambda content: [content],
        lambda content: 3,
        lambda content: None,
    ],
)
def test_json_that_is_not_a_record_is_explained(stored, change):
    stored.write_text(json.dumps(change(json.loads(stored.read_text()))))
    assert current_record(stored, Any, ORIGIN) is None
    with pytest.raises(LabError, match="is not a record of this version"):
        read_record(stored, Any, CURE)


def test_records_of_one_setting_may_be_combined():
    other_inputs = dataclasses.replace(ORIGIN, inputs={}, parameters={}, code="x")
    require_same_setting({"a": example(), "b": example(origin=other_inputs)}, CURE)
    require_same_setting({}, CURE)


@pytest.mark.parametrize("setting", [{"host": "h2", "numpy": "2.4"}, {"host": "h1", "numpy": "2.5"}])
def test_records_of_two_settings_are_never_combined(setting):
    odd = example(origin=dataclasses.replace(ORIGIN, setting=setting))
    with pytest.raises(LabError) as caught:
        require_same_setting({"variant/int8": example(), "latency": odd, "energy": example()}, CURE)
    assert "latency differ" in caught.value.found
    assert "energy" not in caught.value.found
    assert caught.value.cure == CURE


@dataclasses.dataclass(frozen=True)
class Visit:
    timed_ns: tuple[int, ...]
    ratio: Number


@dataclasses.dataclass(frozen=True)
class Measured:
    visits: Mapping[str, Visit]
    why: str | None = None
    bounds: tuple[float, float] = (0.0, 1.0)


ratios = st.floats(allow_nan=True, allow_infinity=False)
visits = st.builds(Visit, st.lists(st.integers(0, 2**53)).map(tuple), ratios)
measured = st.builds(Measured, st.dictionaries(st.text(), visits, max_size=3), st.none() | st.text())


@given(measured)
def test_typed_values_read_back_are_those_written(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("typed") / "r.json"
    write_record(path, example(values=values))
    found = read_record(path, Measured, CURE).values
    assert found.visits.keys() == values.visits.keys()
    for name, visit in found.visits.items():
        assert visit.timed_ns == values.visits[name].timed_ns
        assert visit.ratio == pytest.approx(values.visits[name].ratio, nan_ok=True, abs=0, rel=0)
    assert (found.why, found.bounds) == (values.why, values.bounds)


@pytest.mark.parametrize(
    ("damage", "field"),
    [
        (lambda values: values.pop("visits"), "visits"),
        (lambda values: values["visits"]["a"].pop("timed_ns"), "visits.a.timed_ns"),
        (lambda values: values["visits"]["a"].update(timed_ns=["soon"]), "visits.a.timed_ns.0"),
        (lambda values: values.update(bounds=[1]), "bounds"),
    ],
)
def test_values_that_are_not_of_the_type_are_redone_and_name_the_field(tmp_path, damage, field):
    path = tmp_path / "r.json"
    write_record(path, example(values=Measured({"a": Visit((1, 2), 0.5)})))
    content = json.loads(path.read_text())
    damage(content["values"])
    path.write_text(json.dumps(content))
    with pytest.raises(LabError, match=f"not a record of this version .*{re.escape(field)}") as caught:
        read_record(path, Measured, CURE)
    assert caught.value.cure == CURE
    assert current_record(path, Measured, ORIGIN) is None


def test_a_record_of_an_earlier_format_is_redone(stored):
    stored.write_text(stored.read_text().replace(f'"format": {FORMAT}', f'"format": {FORMAT - 1}'))
    assert current_record(stored, Any, ORIGIN) is None
    with pytest.raises(LabError, match=f"format {FORMAT - 1}, not {FORMAT}"):
        read_record(stored, Any, CURE)
