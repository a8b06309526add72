"""A model or file of one's own is named by its place: by every spelling, and never mixed up."""

import os
import re
import string
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.lab.errors import LabError
from helpers.lab.places import lasting, split_design, split_labels, stem_of
from helpers.models.darknet.architecture import parse_architecture
from helpers.models.registry import MODELS, get_model
from helpers.run.experiment import open_run
from helpers.suite.ledger import STAGES
from helpers.suite.pipeline import notebook_parameters
from helpers.tasks.detection.label_maps import KINDS
from tests.models.darknet import generate
from tests.support.own_tflite_files import heads_bytes

ODD = "mein modell @v1.0, grün=ja (alt)"
LETTERS = string.ascii_letters + string.digits + " @.,_-=äöüß()'&$#"
folder_names = st.text(LETTERS, min_size=1, max_size=30).filter(lambda text: text.strip(". ") == text)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A function that writes a small Darknet network: its ``.cfg``."""
    text = generate.net() + generate.convolution(4) + generate.head()
    weights = generate.weights_for(parse_architecture(text, "net.cfg"), 0)

    def write(folder, name="net"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.weights").write_bytes(weights)
        (folder / f"{name}.cfg").write_text(text)
        return folder / f"{name}.cfg"

    return write


def seen_by_notebooks(run, stage="03_evaluate"):
    """The run as a stage's notebook opens it, by what it is given."""
    given = notebook_parameters(run, STAGES[stage])
    given.pop("open_app", None)
    return open_run(**given)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(folder_names, st.sampled_from(["", "coco91", "names"]))
def test_notebooks_see_the_model_that_was_named(network, tmp_path, folder, labels):
    cfg, names = network(tmp_path / folder), tmp_path / folder / "die namen@3.txt"
    names.write_text("a\nb\nc\n")
    labels = f"@{names}" if labels == "names" else f"@{labels}" if labels else ""
    run = open_run("coco-smoke", "r", [f"{cfg}{labels}"], ["int8"], coco_dir=str(tmp_path))
    again = seen_by_notebooks(run)
    assert again.models == run.models
    assert again.models[0].source.cfg == cfg
    assert (again.variants, again.paths, again.coco_dir) == (run.variants, run.paths, tmp_path)
    assert re.fullmatch(r"net-[0-9a-f]{6}", run.models[0].id)


def test_every_spelling_of_a_path_is_one_model(network, tmp_path, monkeypatch):
    cfg = network(tmp_path / ODD)
    (tmp_path / "link").symlink_to(cfg.parent)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    spellings = [str(cfg), f"./{ODD}/net.cfg", f"{ODD}/../{ODD}/net.cfg", f"~/{ODD}/net.cfg", "link/net.cfg"]
    run = open_run("smoke", models=spellings)
    assert [model.source.cfg for model in run.models] == [cfg]


def test_two_models_of_one_name_are_two(network, tmp_path):
    first, second = (open_run("smoke", models=[str(network(tmp_path / n))]).models[0] for n in ("a", "b"))
    assert first.id != second.id
    both = open_run("smoke", models=[first.given, second.given])
    assert [model.id for model in both.models] == [first.id, second.id]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_file_named_like_a_published_model_is_never_taken_for_it(network, tmp_path, name):
    own = open_run("smoke", models=[str(network(tmp_path, name))])
    assert own.models[0].id not in MODELS
    assert seen_by_notebooks(own).models[0].source.cfg == tmp_path / f"{name}.cfg"
    assert open_run("smoke", models=[name]).models[0] == MODELS[name]


@pytest.mark.parametrize(
    ("text", "place", "labels"),
    [
        ("https://me@host.org/x.tar.gz", "https://me@host.org/x.tar.gz", ""),
        ("https://me@host.org/x.tar.gz@coco80", "https://me@host.org/x.tar.gz", "coco80"),
        ("https://host.org/x.tar.gz@./names.txt", "https://host.org/x.tar.gz", "./names.txt"),
        ("kaggle:a/b/c/d/1@coco91", "kaggle:a/b/c/d/1", "coco91"),
        ("/no/me@host/net.cfg@coco80", "/no/me@host/net.cfg", "coco80"),
        (" plain ", "plain", ""),
    ],
)
def test_labels_stand_after_the_at_sign_that_is_no_part_of_the_place(text, place, labels):
    assert split_labels(text, tuple(KINDS)) == (place, labels)


@pytest.mark.parametrize(
    ("place", "stem"),
    [
        ("kaggle:tensorflow/ssd-mobilenet-v2/tensorFlow2/fpnlite-320x320/1", "fpnlite-320x320"),
        ("https://tfhub.dev/tensorflow/efficientdet/d0/1?tf-hub-format=compressed", "d0"),
        ("http://example.org/models/some_model.tar.gz", "some_model"),
        ("/data/grüne autos/saved_model/", "grune_autos"),
        ("/data/my.model.v2", "my_model_v2"),
        ("/漢字", "own"),
    ],
)
def test_the_readable_part_of_an_id_is_what_tells_the_place(place, stem):
    assert stem_of(place) == stem


def test_an_address_lasts_as_it_is_and_a_path_becomes_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert lasting("https://a.org/x", "coco80", tuple(KINDS)) == "https://a.org/x@coco80"
    assert lasting("x", "names.txt", tuple(KINDS)) == f"{tmp_path / 'x'}@{tmp_path / 'names.txt'}"


OTHERS = {
    "net.tflite": "--variant",
    "net.weights": "name the .cfg",
    "net.tar.gz": "unpack it",
    "net.keras": "export the detector as ONNX",
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_people_hold_in_their_hands_instead_gets_a_cure_of_its_own(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(LabError, match="is a file, no folder") as caught:
        get_model(str(tmp_path / name))
    assert OTHERS[name] in caught.value.cure


def test_a_folder_without_a_savedmodel_is_refused_at_once(tmp_path):
    with pytest.raises(LabError, match=r"holds no saved_model\.pb"):
        get_model(str(tmp_path))


def test_weights_may_end_in_capitals(network, tmp_path):
    cfg = network(tmp_path)
    cfg.with_suffix(".weights").rename(tmp_path / "net.WEIGHTS")
    assert get_model(str(cfg)).source.weights == tmp_path / "net.WEIGHTS"


@pytest.fixture
def own_file(tmp_path):
    path = tmp_path / ODD / "own.tflite"
    path.parent.mkdir()
    path.write_bytes(heads_bytes())
    return path


def test_own_variants_reach_the_notebooks_whole(own_file, tmp_path):
    other = tmp_path / "own.tflite"
    other.write_bytes(b"another")
    names = [str(own_file), f"{other}@coco80", f"{own_file.parent}/../{ODD}/own.tflite"]
    run = open_run("smoke", variants=["int8", *names])
    assert [variant.id for variant in run.variants] == ["float32", "int8", "own-own", "own-own-2"]
    assert seen_by_notebooks(run).variants == run.variants


def absent(path):
    return path.with_name("typo.tflite")


def loop(path):
    path.with_name("loop.tflite").symlink_to(path.with_name("loop.tflite"))
    return path.with_name("loop.tflite")


def folder(path):
    path.with_name("folder.tflite").mkdir()
    return path.with_name("folder.tflite")


def with_absent_labels(path):
    return f"{path}@{path.with_name('no names.txt')}"


@pytest.mark.parametrize("damage", [absent, loop, folder, with_absent_labels])
def test_an_own_file_that_is_not_there_is_refused_at_once(own_file, damage):
    with pytest.raises(LabError, match=r"does not exist|is no file"):
        open_run("smoke", variants=[str(damage(own_file))])


def test_labels_named_or_meant_are_one_model(network, tmp_path):
    cfg = network(tmp_path)
    assert len(open_run("smoke", models=[str(cfg), f"{cfg}@coco80", f" {cfg}@coco80 "]).models) == 1
    assert len(open_run("smoke", models=[str(cfg), f"{cfg}@coco91"]).models) == 2
    assert get_model("Kaggle:a/b/c/d/1/") == get_model("kaggle:a/b/c/d/1@coco91")


def test_what_both_sides_of_an_at_sign_are_there_for_is_meant(network, tmp_path, monkeypatch):
    cfg, names = network(tmp_path / ODD), tmp_path / "names@3.txt"
    names.write_text("a\n")
    (tmp_path / "3.txt").write_text("another file\n")
    monkeypatch.chdir(tmp_path)
    assert split_labels(f"{cfg}@names@3.txt", tuple(KINDS)) == (str(cfg), "names@3.txt")


def loop_of_links(path):
    path.symlink_to(path)


def pipe(path):
    os.mkfifo(path)


def over_long(path):
    return path.with_name(f"{'x' * 300}{path.suffix}")


def of_an_unknown_user(path):
    return f"~no_such_user/{path.name}"


DAMAGES = [loop_of_links, pipe, over_long, of_an_unknown_user]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("form", ["{}.cfg", "{}/", "net.cfg@{}.txt", "{}.tflite", "own.tflite@{}.txt"])
def test_a_place_that_cannot_be_read_is_one_clear_error(network, tmp_path, monkeypatch, form, damage):
    network(tmp_path)
    (tmp_path / "own.tflite").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    before, _, suffix = form.partition("{}")
    path = tmp_path / f"bad{suffix.rstrip('/')}"
    text = f"{before}{damage(path) or path}"
    given = {"variants": text} if "tflite" in form else {"models": text}
    with pytest.raises(LabError) as caught:
        open_run("smoke", **given)
    assert caught.value.cure


@pytest.fixture
def other_user(tmp_path):
    """A folder that is readable to a user without rights, who is the one from now on."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)
        os.seteuid(os.getuid())


@pytest.mark.parametrize("name", ["net.cfg", "net.weights", "own.tflite", "names.txt", "saved_model.pb"])
def test_a_file_without_the_right_to_read_it_is_named(network, other_user, name):
    cfg = network(other_user)
    for each in ("own.tflite", "names.txt", "saved_model.pb"):
        (other_user / each).write_bytes(b"x")
    (other_user / name).chmod(0)
    if os.getuid() == 0:
        os.seteuid(65534)
    with pytest.raises(LabError, match=rf"{name} cannot be read: Permission denied"):
        open_run("smoke", models=[f"{cfg}@{other_user / 'names.txt'}", str(other_user)],
                 variants=[str(other_user / "own.tflite")])  # fmt: skip


def test_a_mistyped_label_file_is_named_as_a_file(network, tmp_path):
    with pytest.raises(LabError, match=r"typo\.txt does not exist"):
        open_run("smoke", models=[f"{network(tmp_path)}@typo.txt"])
    with pytest.raises(LabError, match="label map 'coco8'"):
        open_run("smoke", models=[f"{network(tmp_path)}@coco8"])


@pytest.mark.parametrize("address", ["file:///a/net.tar.gz", "s3://bucket/net.tar.gz", "gs://b/saved_model"])
def test_an_address_that_cannot_be_fetched_is_refused_at_once(address):
    with pytest.raises(LabError, match="is no address of the web"):
        open_run("smoke", models=[address])


def test_a_long_name_is_cut_and_still_tells_places_apart():
    folder = "https://a.org/ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8"
    names = [f"{folder}/{name}.tar.gz" for name in ("model/1", "2")]
    first, second = open_run("smoke", models=names).models
    assert first.id[:33] == second.id[:33] == "ssd_mobilenet_v2_fpnlite_320x320-"
    assert first.id != second.id
    assert stem_of(f"/data/{31 * 'n'} and more/saved_model") == 31 * "n"


def test_a_handle_that_is_none_is_refused_at_once():
    with pytest.raises(LabError, match="Kaggle handle 'a/b'"):
        open_run("smoke", models=["kaggle:a/b"])


def test_a_folder_of_several_savedmodels_is_not_guessed_about(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(LabError, match="holds 2 SavedModels"):
        open_run("smoke", models=[str(tmp_path)])
    one, other = open_run("smoke", models=[str(tmp_path / "first"), str(tmp_path / "second/")]).models
    assert (one.id[:6], other.id[:7]) == ("first-", "second-")


DESIGN_CASES = [
    ("net.onnx", "net.onnx", "", ""),
    ("net.onnx@yolox", "net.onnx", "yolox", ""),
    ("net.onnx@YOLOX", "net.onnx", "yolox", ""),
    ("net.onnx@yolox@coco80", "net.onnx", "yolox", "coco80"),
    ("net.onnx@coco80@yolox", "net.onnx", "yolox", "coco80"),
    ("net.onnx@yolox@names.txt", "net.onnx", "yolox", "names.txt"),
    ("net.onnx@names.txt@yolox", "net.onnx", "yolox", "names.txt"),
    ("net.onnx@yolox@no such file", "net.onnx", "yolox", "no such file"),
    ("net.onnx@coco80", "net.onnx", "", "coco80"),
    ("net@yolox", "net@yolox", "", ""),
    ("net@yolox@coco80", "net@yolox", "", "coco80"),
    ("net@yolox@detr", "net@yolox", "detr", ""),
    (" net.onnx@yolox ", "net.onnx", "yolox", ""),
    ("absent.onnx@detr@coco91", "absent.onnx", "detr", "coco91"),
    ("https://me@host.org/net.onnx@detr", "https://me@host.org/net.onnx", "detr", ""),
]


@pytest.mark.parametrize(("text", "place", "design", "labels"), DESIGN_CASES)
def test_a_design_stands_before_or_after_the_labels(text, place, design, labels, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("net.onnx", "names.txt", "net@yolox"):
        (tmp_path / name).write_text("a\n")
    assert split_design(text, ("yolox", "detr"), tuple(KINDS)) == (place, design, labels)


def test_a_design_lasts_between_place_and_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = f"{tmp_path / 'x'}@yolox"
    assert lasting("x", "coco80", tuple(KINDS), "yolox") == f"{whole}@coco80"
    assert lasting("x", design="yolox") == whole
