"""Numbers as people read them."""

import math

import pytest

from helpers.lab.units import format_bytes, format_duration, how_many


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1_234_567, "1.23 MB"),
        (2_910_000, "2.91 MB"),
        (16_700_000_000, "16.7 GB"),
        (-1_500_000, "-1.5 MB"),
        (math.nan, "n/a"),
        (math.inf, "n/a"),
    ],
)
def test_bytes(size_bytes, text):
    assert format_bytes(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0123, "12 ms"),
        (1, "1.0 s"),
        (59.94, "59.9 s"),
        (60, "1 min 00 s"),
        (119.8, "2 min 00 s"),
        (754, "12 min 34 s"),
    ],
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


def test_one_of_a_kind_is_singular():
    assert [how_many(count, "photo") for count in (0, 1, 2000)] == ["0 photos", "1 photo", "2,000 photos"]
    assert how_many(2, "category", "categories") == "2 categories"
