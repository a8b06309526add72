"""Tables of several models in one, and figures that bring how to read them."""

import IPython.display
import pandas as pd
import pytest
from IPython.display import Image, Markdown

from helpers.run.experiment import open_run
from helpers.show.frames import neat, of_all
from helpers.show.style import new_figure, styled

RUN = open_run("smoke", "tables", models=["ssd_mobilenet_v2_synthetic", "yolov3", "yolov3_tiny"])


def variants(_run, model, *further) -> pd.DataFrame:
    table = pd.DataFrame({"variant": ["float32", "int8"], "letters": [len(model.id)] * 2})
    return table.assign(**dict.fromkeys(further, 1))


def test_the_table_of_one_model_is_shown_as_it_is():
    assert of_all(variants, RUN, RUN.models[:1]).equals(variants(RUN, RUN.models[0]))


def test_tables_of_several_models_stand_below_one_another_with_their_ids():
    table = of_all(variants, RUN, RUN.models, "rounds")
    assert list(table.columns) == ["model", "variant", "letters", "rounds"]
    assert table["model"].tolist() == [model.id for model in RUN.models for _ in range(2)]
    assert table["letters"].tolist() == [len(name) for name in table["model"]]


def test_a_named_index_becomes_a_column_and_a_column_that_one_lacks_is_not_available():
    def by_class(run, model):
        own = {"yolov3": {"int8": [2.0]}}.get(model.id, {})
        return pd.DataFrame({"float32": [1.0], **own}, index=pd.Index(["ball"], name="class"))

    table = of_all(by_class, RUN, RUN.models)
    assert table["class"].tolist() == ["ball"] * 3
    assert neat(table).to_html().count("n/a") == 2


def test_a_model_without_rows_takes_no_place():
    table = of_all(lambda run, model: variants(run, model).head(int(model.id == "yolov3")), RUN, RUN.models)
    assert table["model"].tolist() == ["yolov3"]


@styled
def empty_figure(how_to_read: str):
    figure = new_figure(1.0)
    figure.how_to_read = how_to_read
    return figure


@pytest.mark.parametrize("how_to_read", ["", "Up is better."])
def test_a_notebook_shows_a_figure_and_below_it_how_to_read_it(how_to_read, monkeypatch):
    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    empty_figure(how_to_read)._ipython_display_()
    assert [type(each) for each in shown] == [Image, Markdown][: 1 + bool(how_to_read)]
    assert [each.data for each in shown[1:]] == ["**How to read it.** Up is better."][: bool(how_to_read)]
