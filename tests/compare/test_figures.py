"""Figures: intervals at the right coordinates, nothing hidden, nothing overlapping, files traceable."""

import re
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from helpers.compare.figures import catalogue as figures
from helpers.compare.figures.latency import axis_range, samples_of
from helpers.compare.figures.pareto import front_of
from helpers.quantize.quantities import SIZE
from helpers.run.forms import ALL, FOR_ONNX, IN_LADDER, TRAINED, is_simulated
from helpers.show.style import look_of, styled
from tests.support.example_results import (
    CONTEXT,
    example_frames,
    example_losses,
    example_results,
    example_samples,
    without_energy,
)
from tests.support.figure_checks import CASES, lines_by_gid, overlapping, visible_texts

INTERVAL_FIGURES = {
    "latency_ratio": ("latency_ratio", 1),
    "ap_difference": ("ap_diff", 100),
    "energy": ("energy_j_per_image", 1e3),
}


@pytest.fixture(scope="module")
def drawn() -> dict[tuple[str, str], Figure]:
    return {
        (case, name): figure
        for case, results in CASES.items()
        for name, figure in figures.draw_all(results, example_frames(results), CONTEXT).items()
    }


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", figures.FIGURES)
def test_no_text_covers_another_or_leaves_the_page(drawn, case, name):
    assert overlapping(drawn[case, name]) == []


@pytest.mark.parametrize("name", INTERVAL_FIGURES)
def test_intervals_are_drawn_where_the_table_has_them(drawn, name):
    column, scale = INTERVAL_FIGURES[name]
    bounds = ("energy_low", "energy_high") if name == "energy" else (f"{column}_low", f"{column}_high")
    lines = lines_by_gid(drawn["usual", name])
    for row in CASES["usual"].to_dict("records"):
        [value] = lines[f"value:{row['variant']}"]
        assert value.get_xdata()[0] == pytest.approx(row[column] * scale)
        if np.isfinite(row[bounds[0]]):
            [bar] = lines[f"interval:{row['variant']}"]
            assert list(bar.get_xdata()) == pytest.approx([row[b] * scale for b in bounds])


def test_pareto_draws_both_intervals_and_labels_every_variant(drawn):
    figure = drawn["seven", "pareto"]
    lines = lines_by_gid(figure)
    for row in CASES["seven"].to_dict("records"):
        [across], [up] = (lines[f"interval-{axis}:{row['variant']}"] for axis in "xy")
        assert list(across.get_xdata()) == [row["latency_ms_p50_low"], row["latency_ms_p50_high"]]
        assert list(up.get_ydata()) == pytest.approx([100 * row["ap_low"], 100 * row["ap_high"]])
    labels = [t.get_text().replace("\n", "") for t in figure.axes[0].texts]
    assert set(labels) >= set(CASES["seven"]["variant"])


@given(st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 1)), min_size=1, max_size=20))
def test_front_holds_exactly_the_unbeaten_points(points):
    front = set(front_of(points))
    for cost, gain in points:
        beaten = any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in points)
        assert ((cost, gain) in front) == (not beaten)


@pytest.mark.parametrize("name", figures.FIGURES)
def test_a_failed_variant_is_visible_with_its_reason(drawn, name):
    texts = " ".join(t.get_text().replace("\n", " ") for t in visible_texts(drawn["failed", name]))
    assert "failed: kernels" in texts
    assert "value:int8" not in marked(drawn, name)


def marked(drawn, name: str) -> set[str]:
    """Ids of what has points; an empty line marks nothing."""
    found = lines_by_gid(drawn["failed", name])
    return {gid for gid, lines in found.items() if any(len(line.get_xdata()) for line in lines)}


def test_net_energy_stands_below_gross_where_the_meter_sees_the_idle_machine():
    results = example_results()
    net = {"energy_net_j": 0.6, "energy_net_j_low": 0.5, "energy_net_j_high": 0.7}
    net = {name: share * results["energy_j_per_image"] for name, share in net.items()}
    figure = figures.draw("energy", results.assign(**net, energy_grade="A"), {}, CONTEXT)
    lines = lines_by_gid(figure)
    for place, row in enumerate(results.to_dict("records")):
        [mark] = lines[f"net:{row['variant']}"]
        assert mark.get_xdata()[0] == pytest.approx(600 * row["energy_j_per_image"])
        assert place < mark.get_ydata()[0] < place + 0.5
    assert "net, less idle power" in figure.caption
    assert "net" not in figures.draw("energy", results, {}, CONTEXT).caption


def test_the_caption_says_how_ratio_intervals_were_drawn():
    drawn = figures.draw("latency_ratio", example_results(), {}, replace(CONTEXT, ratio_level=0.97))
    assert "95 % intervals by signed ranks of processes, drawn at 97 %" in drawn.caption
    assert "drawn at" not in figures.draw("latency_ratio", example_results(), {}, CONTEXT).caption


def test_energy_without_a_figure_says_so_and_why():
    results = without_energy(example_results()).assign(energy_reason="no counter on this host")
    figure = figures.energy(results, CONTEXT)
    texts = [t.get_text().replace("\n", " ") for t in figure.axes[0].texts]
    assert "grade D: no energy figure" in texts
    assert texts.count("n/a: no counter on this host") == len(results)
    assert not any(gid and gid.startswith("value:") for gid in lines_by_gid(figure))


def test_two_energy_grades_get_two_axes_each_with_its_grade():
    results = example_results()
    results.loc[results["variant"] == "int8", "energy_grade"] = "A"
    figure = figures.energy(results, CONTEXT)
    grades = [[t.get_text()[:7] for t in axes.texts if t.get_gid() == "grade"] for axes in figure.axes]
    assert grades == [["grade A"], ["grade C"]]
    values = [[line.get_gid() for line in axes.lines if "value" in line.get_gid()] for axes in figure.axes]
    assert values[0] == ["value:int8"]
    assert len(values[1]) == len(results) - 1


def test_the_band_is_the_losses_that_the_users_margin_accepts():
    figure = figures.ap_difference(example_results(), replace(CONTEXT, margin_points=0.5))
    [band] = [p for p in figure.axes[0].patches if p.get_gid() == "margin"]
    assert (band.get_x(), band.get_x() + band.get_width()) == (-0.5, 0)
    assert "a loss of up to 0.5 points" in figure.caption


def test_a_difference_shows_both_intervals_the_order_of_ties_and_the_verdict(drawn):
    figure = drawn["usual", "ap_difference"]
    lines, rows = lines_by_gid(figure), CASES["usual"].set_index("variant")
    [joint] = lines["joint:int8"]
    bounds = [100 * rows.loc["int8", f"ap_joint_{end}"] for end in ("low", "high")]
    assert list(joint.get_xdata()) == pytest.approx(bounds)
    assert joint.get_linewidth() < lines["interval:int8"][0].get_linewidth()
    [ties] = lines["ties:int8"]
    assert list(ties.get_xdata()) == pytest.approx([-2 - 0.7, -2 + 0.9])
    assert [gid for gid in lines if gid and gid.startswith("ties:")] == ["ties:int8"]
    texts = "\n".join(t.get_text() for t in figure.axes[0].texts)
    assert texts.count("within 1 point: ") == 2
    assert "too few images to say" in texts
    assert "by ties: −2.70 to −1.10" in texts


def bars_by_gid(axes) -> dict[str, list]:
    found: dict[str, list] = {}
    for bar in axes.patches:
        found.setdefault(bar.get_gid(), []).append(bar)
    return found


def test_the_bars_of_a_loss_add_up_to_its_total(drawn):
    panels = {axes.get_title(loc="left"): axes for axes in drawn["usual", "ap_loss"].axes}
    assert list(panels) == ["float16", "int8-dynamic", "int8"]
    for variant, axes in panels.items():
        bars = {gid: bar.get_width() for gid, [bar] in bars_by_gid(axes).items() if gid}
        parts = sum(width for gid, width in bars.items() if not gid.startswith("bar:"))
        total = 100 * CASES["usual"].set_index("variant").loc[variant, "ap_diff"]
        assert parts + bars["bar:remainder"] == pytest.approx(total, abs=1e-9)
        assert bars["bar:total"] == pytest.approx(total)
        sizes = [bars[f"bar:{size}"] for size in ("small", "medium", "large")]
        assert sum(sizes) + bars["bar:remainder"] == pytest.approx(total, abs=1e-9)


def test_a_loss_has_intervals_where_they_exist_and_one_colour_per_kind(drawn):
    colours = []
    for axes in drawn["usual", "ap_loss"].axes:
        names = {line.get_gid() for line in axes.lines if str(line.get_gid()).startswith("interval:")}
        assert "interval:total" in names
        assert "interval:remainder" not in names
        assert len(names) == 1 + 5 + 3
        colours.append({g: bar.get_edgecolor() for g, [bar] in bars_by_gid(axes).items() if "box" in str(g)})
    assert colours[0] == colours[1] == colours[2] != {}


def test_parts_of_opposite_sign_start_both_from_zero():
    losses = example_losses(example_results())
    kind = (losses["name"] == "shifted box") & (losses["variant"] == "int8")
    losses.loc[kind, ["objects", "false alarms"]] = [-1.4, 0.4]
    figure = figures.draw("ap_loss", example_results(), {"losses": losses}, CONTEXT)
    bars = bars_by_gid(figure.axes[2])
    assert [bars[f"{part}:shifted box"][0].get_x() for part in ("objects", "false alarms")] == [0, 0]
    assert figure.axes[0].get_xlim() == figure.axes[2].get_xlim()


def test_losses_without_any_variant_but_float32_say_so():
    alone = example_results(("float32", "float32-control"))
    figure = figures.draw("ap_loss", alone, example_frames(alone), CONTEXT)
    texts = " ".join(t.get_text().replace("\n", " ") for t in figure.texts)
    assert "Nothing to show: there is no variant but float32" in texts


def test_noise_floor_band_covers_the_interval_of_the_control(drawn):
    [band] = [p for p in drawn["usual", "latency_ratio"].axes[0].patches if p.get_gid() == "noise-floor"]
    control = CASES["usual"].set_index("variant").loc["float32-control"]
    low, high = band.get_x(), band.get_x() + band.get_width()
    assert low <= control["latency_ratio_low"]
    assert control["latency_ratio_high"] <= high + 1e-12
    assert low + high == pytest.approx(2)


def test_warmups_stay_out_of_the_distribution_and_the_tail_is_told(drawn):
    samples = samples_of(example_samples(CASES["usual"]), CASES["usual"]["model"].iloc[0])
    assert max(values.max() for values in samples.values()) < 60
    assert axis_range(samples)[1] < 20
    texts = [t.get_text() for t in drawn["usual", "latency_distribution"].axes[0].texts]
    assert sum("2 beyond" in text for text in texts) == len(CASES["usual"])


@settings(max_examples=30)
@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=50), st.lists(st.floats(0.01, 1e4), min_size=1))
def test_axis_range_shows_every_median(first, second):
    samples = {"a": np.array(first), "b": np.array(second)}
    low, high = axis_range(samples)
    assert all(low <= np.median(values) <= high for values in samples.values())


def test_looks_differ_and_the_control_is_the_hollow_baseline():
    forms = [form for form in ALL.values() if not is_simulated(form)]
    looks = [look_of(form.id) for form in forms]
    assert len({(look.colour, look.marker) for look in looks}) == len(looks)
    at_home = [look_of(form.id) for form in forms if not form.runtime and form.id not in FOR_ONNX]
    assert len({look.colour for look in at_home}) == len({look.marker for look in at_home}) == len(at_home)
    assert look_of("int8").colour == look_of("int8@openvino").colour
    assert look_of("int8").marker != look_of("int8@openvino").marker == look_of("float32@openvino").marker
    assert look_of("float32-control@openvino") == replace(look_of("float32@openvino"), hollow=True)
    control, baseline = look_of("float32-control"), look_of("float32")
    assert (control.colour, control.marker, control.hollow) == (baseline.colour, baseline.marker, True)
    assert look_of("unheard-of") == look_of("unheard-of")
    told_apart = [look_of(name) for name in (*IN_LADDER, *TRAINED)]
    assert len({(look.colour, look.marker) for look in told_apart}) == len(told_apart)
    assert look_of("ternary").colour == look_of("ternary+edges").colour


def test_saved_files_carry_run_and_fonts_and_are_the_same_every_time(tmp_path):
    contents = []
    for folder in ("one", "two"):
        figure = figures.bars(CASES["usual"], CONTEXT, SIZE)
        png, pdf = figures.save_figure(figure, tmp_path / folder, "size", CONTEXT)
        contents.append((png.read_bytes(), pdf.read_bytes()))
    assert contents[0] == contents[1]
    assert "quick-example" in Image.open(png).text["Subject"]
    assert b"0123456789abcdef" in pdf.read_bytes()
    assert b"/FontFile2" in pdf.read_bytes()
    assert not re.search(rb"/Subtype\s*/Type3", pdf.read_bytes())
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == ["size.pdf", "size.png"]


def test_text_is_large_enough_for_a_column_of_8_cm(drawn):
    shrink = 8 / 2.54 / drawn["usual", "pareto"].get_figwidth()
    for name in figures.FIGURES:
        texts = visible_texts(drawn["usual", name])
        assert min(text.get_fontsize() for text in texts) >= 8
        assert min(text.get_fontsize() for text in texts) * shrink >= 4.5


def test_drawing_leaves_the_users_style_alone():
    before = dict(matplotlib.rcParams)
    figure = styled(figures.bars)(CASES["usual"], CONTEXT, SIZE)
    png, _ = figure._repr_png_()
    assert png.startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before


def test_captions_name_n_interval_host_and_run(drawn):
    caption = drawn["usual", "ap_difference"].caption
    for part in ("n = 500", "paired bootstrap", "95 %", "Example CPU", "quick-example"):
        assert part in caption
