"""Every record of 04 is read as it was written; what is not of its type is told, or taken again."""

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.energy.records import Energy, Latency, Memory, Parts
from helpers.energy.selftest.records import SelfTestRuns
from helpers.energy.why.records import Why
from helpers.lab.errors import LabError
from helpers.lab.records import Origin, Record, current_record, read_record, write_record

KINDS = (Latency, Memory, Energy, Parts, SelfTestRuns, Why)
ORIGIN = Origin({"a": "1"}, {"rounds": 9}, "code", {"host": "h"})
CURE = "run 04_energy.ipynb first."
PLAIN = {
    int: st.integers(-(2**53), 2**53),
    bool: st.booleans(),
    str: st.text(max_size=8),
    type(None): st.none(),
}
finite = st.floats(allow_nan=False, allow_infinity=False)


@functools.cache
def values_of(kind):
    """Any value of a type of a record's field; NaN wherever a float must be there."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind in PLAIN:
        return PLAIN[kind]
    if kind is float:
        return finite
    if origin is typing.Annotated:
        return finite | st.just(math.nan)
    if origin is typing.Literal:
        return st.sampled_from(inner)
    if origin is tuple:
        return st.lists(values_of(inner[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(values_of(inner[0]), values_of(inner[1]), max_size=2)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(values_of, inner))
    hints = typing.get_type_hints(kind, include_extras=True)
    return st.builds(kind, **{each.name: values_of(hints[each.name]) for each in dataclasses.fields(kind)})


def same(first, second) -> bool:
    """Equal, of the same types, and NaN where the other is."""
    return repr(first) == repr(second)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(st.data())
def test_a_record_read_back_is_the_record_written(tmp_path_factory, kind, data):
    path = tmp_path_factory.mktemp("records") / "r.json"
    record = Record("kind", ORIGIN, {}, data.draw(values_of(kind)))
    write_record(path, record)
    assert same(read_record(path, kind, CURE).values, record.values)
    assert same(current_record(path, kind, ORIGIN).values, record.values)


def fields_of(plain, example, place=()):
    """Place and holder of every field of every dataclass in a value; an interval's level may be absent."""
    if dataclasses.is_dataclass(example):
        for each in dataclasses.fields(example):
            if each.default is dataclasses.MISSING:
                yield (*place, each.name), plain
            yield from fields_of(plain[each.name], getattr(example, each.name), (*place, each.name))
    elif isinstance(example, Mapping):
        for name, value in example.items():
            yield from fields_of(plain[name], value, (*place, name))
    elif isinstance(example, tuple):
        for number, value in enumerate(example):
            yield from fields_of(plain[number], value, (*place, number))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(st.data())
def test_what_lacks_a_field_or_holds_something_else_is_told_and_taken_again(tmp_path_factory, kind, data):
    path = tmp_path_factory.mktemp("records") / "r.json"
    values = data.draw(values_of(kind))
    write_record(path, Record("kind", ORIGIN, {}, values))
    content = json.loads(path.read_text())
    place, holder = data.draw(st.sampled_from(list(fields_of(content["values"], values))))
    if data.draw(st.booleans()):
        del holder[place[-1]]
    else:
        holder[place[-1]] = {"of": {"another": ["kind"]}}
    path.write_text(json.dumps(content))
    with pytest.raises(LabError) as caught:
        read_record(path, kind, CURE)
    # Of what may be one of two types, the place is told, not which field of which type is absent.
    assert any(str(part) in caught.value.found for part in place[-2:])
    assert caught.value.cure == CURE
    assert current_record(path, kind, ORIGIN) is None
