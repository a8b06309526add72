"""Time by operator: bars as long as the times, the bound in its place, hatched what XNNPACK left."""

import itertools

import matplotlib.colors
import pandas as pd
import pytest

from helpers.energy.why.figure import COLOURS, HATCH, REST, free_part, merged, time_by_operator
from helpers.lab.errors import LabError
from helpers.runtimes.kinds_of_operators import BETWEEN, CASTS, DENSE, DEPTHWISE, POINTWISE
from helpers.runtimes.litert.operator_kinds import LITERT, XNNPACK
from helpers.show.context import Context
from tests.support.figure_checks import overlapping

CONTEXT = Context(run="quick", commit="0123456789abcdef", host="Xeon", threads=1, invocations=50)
TIMES = {
    "float32": {
        (POINTWISE, XNNPACK): 1.2,
        (DEPTHWISE, XNNPACK): 0.3,
        (DENSE, XNNPACK): 0.1,
        (BETWEEN, LITERT): 0.1,
    },
    "int8-dynamic": {(POINTWISE, XNNPACK): 1.8, (DEPTHWISE, LITERT): 2.8, (CASTS, XNNPACK): 0.02},
    "int8": {(POINTWISE, XNNPACK): 0.8, (DEPTHWISE, XNNPACK): 0.6, (CASTS, XNNPACK): 0.03},
}
BOUND_MS = {"float32": 1.1, "int8-dynamic": 0.4, "int8": 0.1}


def kinds(model="ssd"):
    rows = [
        {"model": model, "variant": variant, "kind": kind, "runs_by": runs_by, "time_ms": ms,
         "bound_ms": BOUND_MS[variant], "measured_ms": sum(times.values()), "failed": ""}
        for variant, times in TIMES.items() for (kind, runs_by), ms in times.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def failed(frame, variant):
    nothing = {"kind": "", "runs_by": "", "time_ms": float("nan"), "measured_ms": float("nan")}
    row = {
        "model": "ssd",
        "variant": variant,
        **nothing,
        "bound_ms": float("nan"),
        "failed": "it has no profiler",
    }
    return pd.concat([frame[frame["variant"] != variant], pd.DataFrame([row])], ignore_index=True)


def bars(axes):
    """``{(row, gid): patch}`` of the segments."""
    return {(round(p.get_y() + p.get_height() / 2), p.get_gid()): p for p in axes.patches if p.get_gid()}


def test_segments_are_as_long_as_the_times_and_stand_end_to_end():
    (axes,) = time_by_operator(kinds(), CONTEXT).axes
    for row, times in enumerate(TIMES.values()):
        segments = sorted((p for (y, _), p in bars(axes).items() if y == row), key=lambda p: p.get_x())
        assert sum(p.get_width() for p in segments) == pytest.approx(sum(times.values()))
        ends = [p.get_x() + p.get_width() for p in segments]
        assert [p.get_x() for p in segments] == pytest.approx([0, *ends[:-1]])


def test_the_bound_is_drawn_at_its_time():
    (axes,) = time_by_operator(kinds(), CONTEXT).axes
    drawn = [line.get_xdata()[0] for line in axes.lines if line.get_gid() == "bound"]
    assert drawn == list(BOUND_MS.values())


def test_only_what_litert_runs_itself_is_hatched():
    (axes,) = time_by_operator(kinds(), CONTEXT).axes
    hatched = [key for key, patch in bars(axes).items() if patch.get_hatch()]
    assert hatched == [(1, f"{DEPTHWISE} {LITERT}")]
    assert bars(axes)[1, f"{DEPTHWISE} {LITERT}"].get_hatch() == HATCH


def test_kinds_that_are_small_everywhere_are_drawn_together():
    assert set(merged(kinds())["kind"]) == {POINTWISE, DEPTHWISE, DENSE, BETWEEN, REST}
    assert merged(kinds())["time_ms"].sum() == pytest.approx(kinds()["time_ms"].sum())


def test_the_legend_names_what_is_drawn_and_nothing_else():
    figure = time_by_operator(kinds(), CONTEXT)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [
        POINTWISE,
        DEPTHWISE,
        DENSE,
        REST,
        BETWEEN,
        "LiteRT's own kernel, not XNNPACK",
        "bound of this machine",
    ]
    plain = kinds().query("variant != 'int8-dynamic'")
    assert not any(
        "own kernel" in text.get_text() for text in time_by_operator(plain, CONTEXT).legends[0].get_texts()
    )


def test_a_variant_without_profile_keeps_its_row_and_its_reason():
    (axes,) = time_by_operator(failed(kinds(), "int8"), CONTEXT).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(TIMES)
    assert any("it has no profiler" in text.get_text() for text in axes.texts)


def test_all_variants_without_profile_still_make_a_figure():
    frame = kinds()
    for variant in TIMES:
        frame = failed(frame, variant)
    (axes,) = time_by_operator(frame, CONTEXT).axes
    assert len([t for t in axes.texts if "it has no profiler" in t.get_text()]) == len(TIMES)


@pytest.mark.parametrize("frame", [kinds(), failed(kinds(), "float32"), pd.concat([kinds(), kinds("yolo")])])
def test_nothing_covers_anything_else(frame):
    assert overlapping(time_by_operator(frame, CONTEXT)) == []


def test_convolutions_can_be_told_apart_in_grey():
    lightness = sorted(
        float(matplotlib.colors.to_rgb(COLOURS[kind]) @ pd.Series([0.2126, 0.7152, 0.0722]))
        for kind in (POINTWISE, DEPTHWISE, DENSE, BETWEEN)
    )
    assert min(b - a for a, b in itertools.pairwise(lightness)) > 0.15


def test_the_caption_says_how_the_times_were_taken():
    caption = time_by_operator(kinds(), CONTEXT).caption
    for part in ("the runtime's own profiler", "50 inferences", "1 thread", "roofline", "0123456789", "Xeon"):
        assert part in caption


@pytest.mark.parametrize(("bound", "part"), [(5.0, (0, 2)), (0.5, (0.5, 2)), (1.5, (0, 1.5))])
def test_a_share_stands_beside_the_bound(bound, part):
    assert free_part(0.0, 2.0, bound) == part


@pytest.mark.parametrize("shorter", [1, 2, 4, 8])
def test_a_share_stays_within_its_segment_and_off_the_bound(shorter):
    """Whatever the length of the bar: those that have no room are not written."""
    frame = kinds()
    int8 = frame["variant"] == "int8"
    frame.loc[int8, ["time_ms", "bound_ms"]] /= shorter
    figure = time_by_operator(frame, CONTEXT)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    shares = [text for text in axes.texts if text.get_text().endswith(" %")]
    bounds = {round(line.get_ydata().mean()): line for line in axes.lines if line.get_gid() == "bound"}
    for share in shares:
        box, row = share.get_bbox_patch().get_window_extent(), round(share.get_position()[1])
        homes = [p.get_window_extent() for (y, _), p in bars(axes).items() if y == row]
        assert any(home.x0 <= box.x0 and box.x1 <= home.x1 for home in homes), share
        assert not box.overlaps(bounds[row].get_window_extent()), share


def test_an_empty_table_is_refused():
    with pytest.raises(LabError, match="lacks"):
        time_by_operator(kinds().drop(columns="runs_by"), CONTEXT)
