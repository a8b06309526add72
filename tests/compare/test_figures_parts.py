"""Time by part: bars that add up to the total, whiskers at their ends, labels only where they fit."""

import itertools

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.compare.figures.parts import COLOURS, HATCHES, NAMES, grey_of, ratio_text, time_by_part
from helpers.energy.parts.summary import PARTS
from helpers.lab.errors import LabError
from helpers.run.variants import CONTROL
from helpers.show.context import Context
from tests.support.figure_checks import overlapping

CONTEXT = Context(run="quick", commit="0123456789abcdef", host="Xeon (2 cores)", threads=1)
TIMES = {
    "float32": (2.1, 0.6, 6.0, 1.1, 0.9),
    "int8-dynamic": (2.1, 0.6, 7.2, 1.1, 0.9),
    "int8": (2.1, 0.6, 3.1, 0.02, 0.9),
    CONTROL: (2.1, 0.6, 6.0, 1.1, 0.9),
}
NAN = float("nan")
REASON = "mongod is not installed."


def parts(model="ssd", times=TIMES, stored=True):
    """Rows as ``parts_rows`` has them."""
    rows, base = [], sum(times["float32"])
    for variant, values in times.items():
        used = dict(zip(PARTS, values, strict=True)) | ({} if stored else {"store": NAN})
        total = float(np.nansum(list(used.values())))
        whole = {"total_ms": total, "total_ms_low": 0.98 * total, "total_ms_high": 1.03 * total,
                 "ratio": total / base, "ratio_low": 0.99 * total / base,
                 "ratio_high": 1.01 * total / base}  # fmt: skip
        facts = {"photos": 16, "rounds": 12, "threads": 1, "failed": ""}
        for part, ms in used.items():
            reason = "" if ms == ms else REASON
            row = {"model": model, "variant": variant, "part": part, "ms": ms, "absent": reason}
            rows.append(row | whole | facts)
    return pd.DataFrame(rows)


def failed(frame, variant, reason="it has no kernel"):
    """One row without numbers in place of a variant's."""
    row = frame[frame["variant"] == variant].iloc[0].to_dict()
    row |= {name: NAN for name, value in row.items() if isinstance(value, float)}
    row |= {"part": "", "failed": reason, "photos": 0, "rounds": 0}
    return pd.concat([frame[frame["variant"] != variant], pd.DataFrame([row])], ignore_index=True)


def results_of(frame):
    return frame.drop_duplicates(["model", "variant"])[["model", "variant", "failed"]]


def draw(frame, results=None):
    return time_by_part(results_of(frame) if results is None else results, frame, CONTEXT)


def bars(axes):
    """``part:variant`` -> patch."""
    return {patch.get_gid(): patch for patch in axes.patches if patch.get_gid()}


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


def test_segments_stand_end_to_end_in_the_order_of_the_loop():
    (axes,) = draw(parts().sample(frac=1, random_state=0)).axes
    for variant, times in TIMES.items():
        segments = [bars(axes)[f"{part}:{variant}"] for part in PARTS]
        assert [bar.get_width() for bar in segments] == pytest.approx(times)
        ends = [0, *itertools.accumulate(times)]
        assert [bar.get_x() for bar in segments] == pytest.approx(ends[:-1])


def test_the_whisker_stands_at_the_end_of_the_bar():
    (axes,) = draw(parts()).axes
    for line in axes.lines:
        total = sum(TIMES[line.get_gid().removeprefix("interval:")])
        assert list(line.get_xdata()) == pytest.approx([0.98 * total, 1.03 * total])
        assert axes.get_xlim()[1] >= 1.03 * total
    assert {line.get_gid() for line in axes.lines} == {f"interval:{variant}" for variant in TIMES}


def test_the_ratio_of_the_whole_loop_stands_beside_the_bar():
    (axes,) = draw(parts()).axes
    ratio = sum(TIMES["int8"]) / sum(TIMES["float32"])
    assert f"{ratio:.2f}× [{0.99 * ratio:.2f}, {1.01 * ratio:.2f}]" in texts_of(axes)
    assert texts_of(axes).count("whole loop: 1×") == 1
    assert ratio_text({"variant": "int8", "ratio": NAN}) == "no ratio"


def test_the_control_is_last_and_grey():
    order = [CONTROL, *(variant for variant in TIMES if variant != CONTROL)]
    frame = parts(times={variant: TIMES[variant] for variant in ("float32", *order) if variant in TIMES})
    results = results_of(frame).set_index("variant").loc[order].reset_index()
    (axes,) = draw(frame, results).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(TIMES)
    for name, bar in bars(axes).items():
        red, green, blue, _ = bar.get_facecolor()
        assert (red == green == blue) == name.endswith(CONTROL)


def test_slivers_have_no_label_and_no_label_leaves_its_segment():
    figure = draw(parts())
    (axes,) = figure.axes
    figure.draw_without_rendering()
    labels = [text for text in axes.texts if (text.get_gid() or "").startswith("ms:")]
    assert {"7.2", "6.0", "3.1", "2.1"} <= {label.get_text() for label in labels}
    assert not {"0.0", "0.02"} & {label.get_text() for label in labels}
    boxes = [bar.get_window_extent() for bar in bars(axes).values()]
    for label in labels:
        extent = label.get_window_extent()
        assert any(box.x0 <= extent.x0 and extent.x1 <= box.x1 and box.y0 <= extent.y0 for box in boxes)


def test_no_label_stands_under_a_whisker_however_long():
    frame = parts().assign(total_ms_low=lambda rows: 0.4 * rows["total_ms"])
    figure = draw(frame)
    (axes,) = figure.axes
    figure.draw_without_rendering()
    labels = [text for text in axes.texts if (text.get_gid() or "").startswith("ms:")]
    assert len(labels) >= len(TIMES)
    starts = {line.get_ydata()[0]: min(line.get_xdata()) for line in axes.lines}
    for label in labels:
        start_px = axes.transData.transform((starts[round(label.get_position()[1])], 0))[0]
        assert label.get_window_extent().x1 <= start_px


def test_the_legend_and_the_caption_say_what_is_there_and_what_is_not():
    names = [text.get_text() for text in draw(parts()).legends[0].get_texts()]
    assert names == list(NAMES.values())
    without = draw(parts(stored=False))
    assert [text.get_text() for text in without.legends[0].get_texts()] == list(NAMES.values())[:-1]
    assert f"Without FiftyOne I/O: {REASON} Whisker" in without.caption
    assert "one write" not in without.caption
    caption = draw(parts()).caption
    how = ("n = 16 photos", "12 interleaved rounds", "1 thread", "page cache", "one write")
    for said in (*how, "bootstrap over rounds", "95 %", "0123456789", "Xeon"):
        assert said in caption
    assert "Without" not in caption


def test_a_variant_that_failed_here_or_before_keeps_its_row_and_its_reason():
    frame = failed(parts(), "int8")
    earlier = pd.DataFrame([{"model": "ssd", "variant": "float16", "failed": "not converted"}])
    (axes,) = draw(frame, pd.concat([results_of(frame), earlier], ignore_index=True)).axes
    assert any("it has no kernel" in text for text in texts_of(axes))
    assert any("not converted" in text for text in texts_of(axes))
    assert len(axes.get_yticks()) == len(TIMES) + 1


def all_failed():
    frame = parts()
    for variant in TIMES:
        frame = failed(frame, variant)
    return frame


CASES = {
    "usual": parts(),
    "failed": failed(parts(), "float32", "a reason that is long enough to fill the row " * 3),
    "all failed": all_failed(),
    "no database": parts(stored=False),
    "two models": pd.concat([parts(), failed(parts("yolo"), "int8")], ignore_index=True),
    "slow": parts(times={v: tuple(70 * ms for ms in times) for v, times in TIMES.items()}),
    "fast": parts(times={v: tuple(0.1 * ms for ms in times) for v, times in TIMES.items()}),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_covers_anything_else(case):
    figure = draw(CASES[case])
    assert overlapping(figure) == []
    assert len(figure.axes) == CASES[case]["model"].nunique()


@settings(max_examples=12)
@given(
    st.lists(st.floats(1e-3, 50), min_size=5, max_size=5),
    st.lists(st.floats(1e-3, 50), min_size=5, max_size=5),
)
def test_any_times_are_drawn_without_overlap(one, other):
    figure = draw(parts(times={"float32": tuple(one), "int8": tuple(other)}))
    assert overlapping(figure) == []
    drawn = bars(figure.axes[0])
    assert sum(drawn[f"{part}:int8"].get_width() for part in PARTS) == pytest.approx(sum(other))


def test_neighbours_can_be_told_apart_in_grey():
    for one, other in itertools.pairwise(PARTS):
        assert abs(float(grey_of(COLOURS[one])) - float(grey_of(COLOURS[other]))) > 0.15
        assert HATCHES.get(one) != HATCHES.get(other) or not HATCHES.get(one)
    assert len({matplotlib.colors.to_hex(colour) for colour in COLOURS.values()}) == len(PARTS)
    assert set(NAMES) == set(COLOURS) == set(PARTS)


def test_an_incomplete_table_is_refused():
    with pytest.raises(LabError, match="lacks: ratio"):
        draw(parts().drop(columns="ratio"))
