"""Where variants lost accuracy, on a finished run: explained, as views, in the App."""

import dataclasses
import shlex
import socket

import pytest

from helpers.download import stage as download
from helpers.evaluate import loss_shares as explain
from helpers.evaluate import lost_photos as losses
from helpers.evaluate import stage as evaluate
from helpers.lab.paths import ROOT
from helpers.photos.dataset import free_port
from helpers.run.variants import BASELINE
from tests.support.finished_run import copy_run, finish

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="session")
def finished(lab_data):
    return finish(lab_data)


def test_what_the_photos_lost_sums_to_the_difference_in_ap(finished):
    run, model = finished.run, finished.model
    found = explain.explain_all(run, model)
    assert list(found) == ["float16", "int8-dynamic", "int8", "int8-cured"]
    stats = {v: evaluate.read_score(run, model, v).values.stats["ap"] for v in [BASELINE, *found]}
    for variant, attribution in found.items():
        assert attribution.total == pytest.approx(stats[variant] - stats[BASELINE], abs=1e-12)
        assert attribution.by_image.sum() + attribution.remainder == pytest.approx(attribution.total)
    assert losses.farthest(found) == min(found, key=lambda variant: stats[variant])


def test_losses_are_explained_once_and_then_read(finished, monkeypatch):
    run = copy_run(finished, "explained")
    first = explain.losses_frame(run, finished.model)
    monkeypatch.setattr(explain, "explained_rows", None)
    assert explain.losses_frame(run, finished.model).equals(first)
    assert set(first["group"]) == {"kind", "size", "class"}
    kinds = first[(first["variant"] == "int8") & (first["group"] == "kind")].set_index("name")["points"]
    assert kinds.drop("total").sum() == pytest.approx(kinds["total"])


def test_there_is_a_view_per_variant_of_the_photos_that_lost_most(finished):
    dataset, model = download.prepare_data(finished.run), finished.model
    found = explain.explain_all(finished.run, model)
    views = losses.save_loss_views(finished.run, model, dataset, found)
    ids = sorted(dataset.values("coco_id"))
    for variant, view in views.items():
        assert view.name in dataset.list_saved_views()
        shares = found[variant].by_image.sum(1)
        lost = [shares[ids.index(i)] for i in view.values("coco_id")]
        assert lost == sorted(lost)
        assert len(lost) == min(losses.SHOWN_IMAGES, (shares < 0).sum())


def test_a_view_shows_float32_and_its_variant_above_a_score(finished):
    dataset, model = download.prepare_data(finished.run), finished.model
    view = losses.save_loss_views(finished.run, model, dataset, explain.explain_all(finished.run, model))[
        "int8"
    ]
    again = dataset.load_saved_view(view.name)
    shown = [
        field
        for field in again.get_field_schema()
        if f"{field}.detections" in again.get_field_schema(flat=True)
    ]
    assert shown == ["ground_truth", f"float32_{model.id}", f"int8_{model.id}"]
    scores = again.values(f"int8_{model.id}.detections.confidence", unwind=True)
    assert scores
    assert min(scores) > 0.3
    assert len(again) == len(view)


def test_the_app_gets_a_port_that_nobody_serves():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert free_port(taken) > taken
    assert free_port(taken) == taken


def test_a_run_of_float32_alone_lost_nothing(finished, capsys):
    run = dataclasses.replace(finished.run, variants=finished.run.variants[:1])
    dataset, found = download.prepare_data(run), explain.explain_all(run, finished.model)
    assert found == {}
    assert losses.save_loss_views(run, finished.model, dataset, found) == {}
    assert losses.offer_app(None, wanted=True) is None
    assert "no variant but float32" in capsys.readouterr().out
    assert explain.explained_rows(run, finished.model).empty


def test_the_app_is_offered_only_where_somebody_can_see_it(finished, monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    view = download.prepare_data(finished.run).limit(2)
    assert losses.offer_app(view, wanted=False) is None
    assert "open_app is False" in capsys.readouterr().out
    monkeypatch.setattr("sys.platform", "linux")
    assert losses.offer_app(view, wanted=True) is None
    printed = capsys.readouterr().out
    assert "there is no display" in printed
    assert losses.app_settings() in printed


def test_an_app_by_hand_is_told_the_settings_but_no_password(monkeypatch):
    monkeypatch.setenv("FIFTYONE_DATABASE_DIR", "/my data/db")
    monkeypatch.setenv("FIFTYONE_DATABASE_NAME", "quantlab-1")
    monkeypatch.setattr(losses, "server_address", lambda: None)
    project = f"PYTHONPATH={shlex.quote(str(ROOT))}"
    folder = "FIFTYONE_DATABASE_DIR='/my data/db'"
    assert losses.app_settings() == f"{project} {folder} FIFTYONE_DATABASE_NAME=quantlab-1"
    monkeypatch.setattr(losses, "server_address", lambda: "mongodb://me:secret@host")
    assert losses.app_settings() == f"{project} FIFTYONE_DATABASE_NAME=quantlab-1"


def test_an_app_that_cannot_be_shown_stops_nothing(finished, monkeypatch, capsys):
    """On Colab it asks the front end, which may not answer."""
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(losses, "launch_app", lambda view: 1 / 0)
    assert losses.offer_app(download.prepare_data(finished.run).limit(2), wanted=True) is None
    assert "it did not start: division by zero" in capsys.readouterr().out
