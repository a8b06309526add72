"""Signal against error along the network: lines at the values, bands over photos, names that stay apart."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.quantize.layers.decibels import EXACT_DB
from helpers.quantize.layers.figure import (
    HOW_TO_READ,
    NAMED,
    arranged,
    hits,
    layer_error,
    named_layers,
    shortened,
    told_apart,
)
from helpers.quantize.layers.frame import COLUMNS
from helpers.show.context import Context
from helpers.show.style import look_of
from tests.support.figure_checks import overlapping

CONTEXT = Context(run="quick", commit="0123456789abcdef", host="Xeon (2 cores)")
LEVEL_DB = {"float16": 60.0, "int8-dynamic": 25.0, "int8": 18.0}


def layers(model="ssd", count=60, seed=0, long=""):
    """Three variants whose ratio wanders; the drop of each layer is what it loses on the one before."""
    generator, rows = np.random.default_rng(seed), []
    for variant, level in LEVEL_DB.items():
        ratios = level + 20 * np.exp(-np.arange(count) / 5) + generator.normal(0, 1.5, count)
        for place, ratio in enumerate(ratios):
            drop = ratios[place - 1] - ratio if place else float("nan")
            rows.append(
                (model, variant, place, f"{long}block_{place}", "CONV_2D", "convolution k×k", ratio,
                 ratio - 2, ratio + 3, ratio + 8, drop, 8, "", "")
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def failed(frame, variant):
    row = {"model": "ssd", "variant": variant, "failed": "the interpreter refuses its 4-bit convolution"}
    return pd.concat([frame[frame["variant"] != variant], pd.DataFrame([row])], ignore_index=True)


def line(axes, gid):
    (found,) = [artist for artist in axes.lines if artist.get_gid() == gid]
    return found


@pytest.mark.parametrize("variant", LEVEL_DB)
def test_lines_and_bands_are_at_the_values_in_the_variants_colour(variant):
    frame = layers()
    (axes,) = layer_error(frame, CONTEXT).axes
    rows, drawn = frame[frame["variant"] == variant], line(axes, f"value:{variant}")
    assert list(drawn.get_xdata()) == list(rows["place"])
    assert drawn.get_ydata() == pytest.approx(rows["sqnr_db"].to_numpy())
    assert drawn.get_color() == look_of(variant).colour
    (band,) = [b for b in axes.collections if b.get_gid() == f"interval:{variant}"]
    corners = band.get_paths()[0].vertices
    for row in rows.to_dict("records"):
        heights = corners[corners[:, 0] == row["place"], 1]
        assert {row["sqnr_low_db"], row["sqnr_high_db"]} <= set(heights)


def test_all_that_is_drawn_is_inside_the_axes_but_for_bands_above_the_lines():
    (axes,) = layer_error(layers(), CONTEXT).axes
    low, high = axes.get_ylim()
    for variant in LEVEL_DB:
        values = line(axes, f"value:{variant}").get_ydata()
        assert low < values.min()
        assert values.max() < high


def test_the_five_layers_at_which_int8_falls_most_are_named_with_their_fall():
    frame = layers()
    (axes,) = layer_error(frame, CONTEXT).axes
    rows = frame[frame["variant"] == "int8"].nlargest(NAMED, "drop_db")
    wanted = {f"{row['name']}, −{row['drop_db']:.1f} dB" for row in rows.to_dict("records")}
    labels = [text for text in axes.texts if str(text.get_gid()).startswith("label:")]
    assert {text.get_text() for text in labels} == wanted


def test_each_name_hangs_on_its_own_layer():
    frame = layers()
    (axes,) = layer_error(frame, CONTEXT).axes
    for row in named_layers(frame).to_dict("records"):
        leader = line(axes, f"leader:{row['name']}, −{row['drop_db']:.1f} dB")
        assert leader.get_xdata() == pytest.approx([row["place"]] * 2)
        assert max(leader.get_ydata()) == pytest.approx(row["sqnr_db"])


def test_layers_without_difference_leave_a_gap():
    frame = layers()
    frame.loc[(frame["variant"] == "float16") & (frame["place"] < 2), "sqnr_db"] = EXACT_DB
    (axes,) = layer_error(frame, CONTEXT).axes
    assert np.isnan(line(axes, "value:float16").get_ydata()[:2]).all()
    assert axes.get_ylim()[1] < EXACT_DB


CASES = {
    "one model": layers(),
    "two models": pd.concat([layers(), layers("yolo_fastest_xl", 177, 1)]),
    "few layers": layers(count=3),
    "one layer": layers(count=1),
    "long names": layers(long="FeatureExtractor/MobilenetV1/Conv2d_13_pointwise/"),
    "int8 failed": failed(layers(), "int8"),
    "all failed": failed(failed(failed(layers(), "int8"), "float16"), "int8-dynamic"),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_covers_anything_else(case):
    assert overlapping(layer_error(CASES[case], CONTEXT)) == []


@pytest.mark.parametrize("case", CASES)
def test_no_line_of_a_name_passes_through_another_name(case):
    figure = layer_error(CASES[case], CONTEXT)
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    for axes in figure.axes:
        texts = [t for t in axes.texts if str(t.get_gid()).startswith("label:")]
        for leader in (one for one in axes.lines if str(one.get_gid()).startswith("leader:")):
            box = leader.get_window_extent(renderer)
            assert not [t.get_text() for t in texts if t.get_window_extent(renderer).overlaps(box)]


def test_a_variant_without_layers_keeps_its_reason():
    (axes,) = layer_error(failed(layers(), "int8"), CONTEXT).axes
    assert any("4-bit convolution" in text.get_text() for text in axes.texts)
    assert "int8" not in [
        t.get_text() for t in layer_error(failed(layers(), "int8"), CONTEXT).legends[0].texts
    ]


def test_the_legend_names_every_line():
    texts = layer_error(layers(), CONTEXT).legends[0].get_texts()
    assert [text.get_text() for text in texts] == [*LEVEL_DB, "int8, layer alone"]


def test_the_caption_says_what_the_ratio_is_and_from_how_many_photos():
    caption = layer_error(layers(), CONTEXT).caption
    for part in ("n = 8 photos", "10 log10", "median over photos", "smallest to largest", "0123456789"):
        assert part in caption
    assert "6 dB are one bit" in HOW_TO_READ


def test_an_incomplete_table_is_refused():
    with pytest.raises(LabError, match="lacks: drop_db"):
        layer_error(layers().drop(columns="drop_db"), CONTEXT)


@settings(max_examples=150, deadline=None)
@given(
    xs=st.lists(st.integers(0, 600), min_size=1, max_size=5, unique=True).map(sorted),
    widths=st.lists(st.integers(40, 260), min_size=5, max_size=5),
)
def test_rows_of_names_are_a_permutation_and_cross_no_line(xs, widths):
    found = arranged(xs, widths[: len(xs)], (0, 600), 6)
    # Names of up to a third of the width can always stand apart.
    assert found or max(widths[: len(xs)]) > 180
    boxes, rows = found or ([], ())
    assert sorted(rows) == list(range(len(rows)))
    assert all(box[0] >= 0 and box[1] <= 600 for box in boxes)
    for i, x in enumerate(xs[: len(rows)]):
        # The line of i comes from above, past every label that is higher than its own.
        above = [boxes[j] for j in range(len(xs)) if rows[j] > rows[i]]
        assert not any(hits(x, box, 6) for box in above)


def test_names_on_the_left_stand_to_the_right_of_their_lines_as_steps():
    boxes, rows = arranged([10, 20, 30], [100, 100, 100], (0, 400), 4)
    assert boxes == [(14, 114), (24, 124), (34, 134)]
    assert rows == (0, 1, 2)


@pytest.mark.parametrize(
    ("name", "most", "short"),
    [
        ("a" * 30, 30, "a" * 30),
        ("convolution_8_leaky", 12, "conv_8_leaky"),
        ("box_0_convolution", 12, "box_0_conv"),
        ("objectness_1_convolution", 12, "objec_1_conv"),
        ("block_12_expanded_conv", 18, "bloc_12_expa_conv"),
        ("FeatureExtractor/MobilenetV1/Conv2d_13_pointwise", 18, "…Mob1/Con2d_13_poi"),
    ],
)
def test_a_shortened_name_keeps_what_tells_layers_apart(name, most, short):
    assert shortened(name, most) == short
    assert len(short) <= most


def test_of_names_that_would_be_cut_to_the_same_the_place_is_named():
    names = [f"{'x' * 40}{end}_head_output" for end in "ab"]
    assert told_apart({"name": names[0], "place": 7}, 12, names) == "place 7"
    assert told_apart({"name": names[0], "place": 7}, 12, names[:1]) != "place 7"
