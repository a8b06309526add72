"""Figures that seaborn draws: latency's hills and dots, and AP by class as a heat map."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.compare.figures import catalogue as figures
from helpers.compare.figures.classes import FEWEST_CLASSES, MOST_CLASSES, class_grid, differences
from helpers.compare.figures.latency import bandwidth
from helpers.show.style import save_figure
from tests.support.example_results import (
    CONTEXT,
    MODEL,
    example_classes,
    example_frames,
    example_results,
    example_samples,
    fail,
)
from tests.support.figure_checks import overlapping, visible_texts

RESULTS = example_results()


def latency(samples: pd.DataFrame, results: pd.DataFrame = RESULTS):
    return figures.draw("latency_distribution", results, {"latency_samples": samples}, CONTEXT)


def by_gid(figure) -> dict[str, object]:
    return {shape.get_gid(): shape for axes in figure.axes for shape in axes.collections if shape.get_gid()}


def samples_with(values: list[float]) -> pd.DataFrame:
    """The example's, with these for int8."""
    samples = example_samples(RESULTS)
    own = {"model": MODEL, "variant": "int8", "round": 0, "latency_ms": values, "warmup": False}
    return pd.concat([samples[samples["variant"] != "int8"], pd.DataFrame(own)], ignore_index=True)


def test_every_variant_has_a_hill_above_its_row_and_dots_below_it():
    shapes = by_gid(latency(example_samples(RESULTS)))
    for row, variant in enumerate(RESULTS["variant"]):
        hill = shapes[f"density:{variant}"].get_paths()[0].vertices
        dots = np.asarray(shapes[f"samples:{variant}"].get_offsets())
        assert hill[:, 1].min() == pytest.approx(row - 0.58)
        assert hill[:, 1].max() == pytest.approx(row - 0.08)
        assert ((row < dots[:, 1]) & (dots[:, 1] < row + 0.4)).all()


def test_the_top_of_a_hill_is_where_most_samples_are_and_two_states_are_two_hills():
    generator = np.random.default_rng(3)
    values = [*generator.normal(3.6, 0.02, 300), *generator.normal(4.4, 0.02, 150), 60.0]
    outline = by_gid(latency(samples_with(values)))["density:int8"].get_paths()[0].vertices
    below = outline[outline[:, 1] < RESULTS["variant"].tolist().index("int8") - 0.1]
    assert below[below[:, 1].argmin(), 0] == pytest.approx(3.6, abs=0.03)
    between = outline[(outline[:, 0] > 3.95) & (outline[:, 0] < 4.05)]
    assert np.ptp(between[:, 1]) < 0.02


def test_a_hill_ends_with_its_samples():
    outline = (
        by_gid(latency(samples_with([3.5, 3.6, 3.61, 3.62, 3.9])))["density:int8"].get_paths()[0].vertices
    )
    assert (outline[:, 0].min(), outline[:, 0].max()) == pytest.approx((3.5, 3.9))


def test_at_most_400_dots_are_drawn():
    dots = by_gid(latency(samples_with(list(np.linspace(3, 4, 900)))))["samples:int8"]
    assert len(dots.get_offsets()) == 400


@pytest.mark.parametrize("values", [[3.6], [3.6] * 40, [3.6, 3.7], [3.6] * 99 + [9.0]])
def test_few_or_equal_samples_are_drawn(values):
    assert overlapping(latency(samples_with(values))) == []


@settings(max_examples=60)
@given(st.lists(st.floats(0.01, 1e3), min_size=1, max_size=60))
def test_a_bandwidth_is_a_positive_number(values):
    assert 0 < bandwidth(np.array(values)) < np.inf


def test_drawing_leaves_numpys_random_numbers_alone_and_gives_the_same_bytes(tmp_path):
    np.random.seed(7)
    expected = np.random.random()
    np.random.seed(7)
    contents = [
        [path.read_bytes() for path in save_figure(latency(example_samples(RESULTS)), tmp_path, "x", CONTEXT)]
        for _ in range(2)
    ]
    assert contents[0] == contents[1]
    assert np.random.random() == expected


def by_class(results: pd.DataFrame, classes: pd.DataFrame):
    return figures.draw("ap_by_class", results, {"classes": classes}, CONTEXT)


def numbers(axes) -> list[float]:
    return [float(text.get_text()) for text in axes.texts]


def test_a_cell_holds_ap_and_its_colour_the_difference_to_float32():
    classes = example_classes(RESULTS)
    axes = by_class(RESULTS, classes).axes[0]
    grid = class_grid(RESULTS, classes)
    assert list(grid) == ["float32", "float16", "int8-dynamic", "int8"]
    assert numbers(axes) == pytest.approx(grid.to_numpy().ravel(), abs=0.05)
    colours = axes.collections[0].get_array().reshape(grid.shape)
    assert np.asarray(colours) == pytest.approx(differences(grid).to_numpy())
    assert (colours[:, 0] == 0).all()
    assert axes.collections[0].get_clim() == pytest.approx((-6, 6))


def test_small_differences_are_pale():
    alike = RESULTS.assign(ap=0.6, ap_diff=0.001)
    assert by_class(alike, example_classes(alike)).axes[0].collections[0].get_clim() == (-5, 5)


@pytest.mark.parametrize(("models", "most"), [(1, MOST_CLASSES), (2, MOST_CLASSES // 2), (4, FEWEST_CLASSES)])
def test_of_many_classes_those_with_most_objects_are_shown_and_that_is_said(models, most):
    results = pd.concat([example_results(model=f"m{n}") for n in range(models)], ignore_index=True)
    figure = by_class(results, example_classes(results, 80))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == most
    assert labels[:3] == ["class 0 (340)", "a_class_with_quite_… (170)", "class 2 (113)"]
    assert f"The {most} classes with most objects, of 80." in figure.caption
    assert overlapping(figure) == []


def test_a_class_that_a_variant_has_no_ap_of_is_an_empty_cell():
    classes = example_classes(RESULTS)
    classes.loc[(classes["variant"] == "int8") & (classes["class"] == "class 4"), "ap"] = np.nan
    axes = by_class(RESULTS, classes).axes[0]
    assert len(numbers(axes)) == 12 * 4 - 1


def test_float32_alone_needs_no_scale_of_differences():
    alone = example_results(("float32", "float32-control"))
    figure = by_class(alone, example_classes(alone))
    assert len(figure.axes) == 1
    assert len(numbers(figure.axes[0])) == 12


def test_why_a_variant_has_no_column_is_told():
    results = fail(RESULTS, "int8")
    figure = by_class(results, example_classes(results))
    assert "int8: failed: kernels" in " ".join(t.get_text() for t in visible_texts(figure))
    assert example_frames(results)["classes"]["variant"].nunique() == 3


def test_a_model_without_any_ap_says_why_and_the_other_is_shown():
    broken = example_results(("float32", "int8"), model="yolo")
    for variant in ("float32", "int8"):
        broken = fail(broken, variant)
    results = pd.concat([RESULTS, broken], ignore_index=True)
    figure = by_class(results, example_classes(results))
    assert overlapping(figure) == []
    assert "float32: failed: kernels" in figure.axes[1].get_xlabel()
