"""The table of quantities: what it promises of every entry, and the two that came by one entry each."""

import dataclasses
import math
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.compare.figures.catalogue import FIGURES
from helpers.compare.quantities import QUANTITIES
from helpers.compare.results import COLUMNS
from helpers.compare.tables import writing
from helpers.compare.tables.cells import ACCURACY, DETAILS, DIFFERENCES, SUMMARY
from helpers.evaluate.quantities import THROUGHPUT, throughput_per_s
from helpers.lab.intervals import Absent, Interval
from helpers.lab.quantities import Quantity, as_result, taken, wide_row
from helpers.quantize.quantities import DOWNLOAD
from helpers.quantize.recipes.contract import sizes
from tests.support.example_results import CONTEXT, example_results

shards = st.lists(st.tuples(st.integers(1, 64), st.floats(0.01, 100)), min_size=1, max_size=20)


def test_no_column_is_written_by_two_quantities():
    written = [c for q in QUANTITIES.values() for c in q.columns if c and c != q.column]
    assert len(written) == len(set(written))
    assert set(written) <= set(COLUMNS)


@pytest.mark.parametrize("quantity", [DOWNLOAD, THROUGHPUT], ids=lambda quantity: quantity.id)
def test_one_entry_stands_in_every_output(quantity):
    """Each of the two is declared once, in its own room; no other file of the comparison names it."""
    results = example_results()
    title = quantity.title.removesuffix(" (MB)")
    assert title in writing.markdown(results, CONTEXT)
    assert title.split(" ")[0] in writing.latex(results, CONTEXT)
    assert any(title in cells for cells in DETAILS.values())
    assert any(title in table.to_html() for table in writing.display_details(results).values())
    assert any(quantity in entry.shows for entry in FIGURES.values())


def test_every_quantity_with_a_table_stands_in_it_once():
    titles = [title for cells in (ACCURACY, DIFFERENCES, *DETAILS.values()) for title in cells]
    for quantity in QUANTITIES.values():
        shown = titles.count(quantity.title) + titles.count(quantity.title.removesuffix(" (MB)"))
        assert bool(shown) == bool(quantity.table), quantity.id
        if quantity.summary:
            assert quantity.title.removesuffix(" (MB)") in [name.removesuffix(" (MB)") for name in SUMMARY]


def test_a_download_is_what_zip_makes_of_the_file(tmp_path):
    file = tmp_path / "x.tflite"
    file.write_bytes(np.zeros(10_000, np.uint8).tobytes() + np.random.default_rng(0).bytes(5_000))
    found = sizes(file)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(file, file.name)
    assert found == {"size_bytes": 15_000, "download_bytes": (tmp_path / "x.zip").stat().st_size}
    assert 5_000 < found["download_bytes"] < 5_500


@given(shards)
def test_throughput_is_all_photos_over_all_seconds_between_the_slowest_and_the_fastest_whole_shard(loops):
    found = throughput_per_s(loops)
    assert found.value == pytest.approx(sum(n for n, _ in loops) / sum(s for _, s in loops))
    whole = [n / s for n, s in loops if n == loops[0][0]]
    if len(whole) == 1:
        assert math.isnan(found.low)
        assert math.isnan(found.high)
    else:
        assert (found.low, found.high) == (min(whole), max(whole))


def test_a_value_that_is_absent_is_its_reason_in_the_record_and_in_the_row():
    quantity = Quantity("x", reason="x_reason", of=taken("part", lambda part: Interval(part, 1, 3)))

    @dataclasses.dataclass
    class Known:
        part: object

    names = ("m", "v", "litert")
    there, absent = (as_result(names, quantity, quantity.of(Known(part))) for part in (2, Absent("no part")))
    assert wide_row([quantity], {"x": there}) == {"x": 2, "x_low": 1, "x_high": 3, "x_reason": ""}
    row = wide_row([quantity], {"x": absent})
    assert row["x_reason"] == absent.reason == "no part"
    assert all(math.isnan(row[name]) for name in ("x", "x_low", "x_high"))
