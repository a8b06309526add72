"""Models of every family: found where they lie, fetched where they do not, named by path or address."""

import contextlib
import functools
import http.server
import re
import tarfile
import threading

import pytest
import tensorflow as tf

from helpers.lab.errors import LabError
from helpers.lab.paths import models_dir
from helpers.models import families
from helpers.models.darknet.architecture import parse_architecture
from helpers.models.files.sources import DarknetSource, SavedModelSource, SourceFile
from helpers.models.interface import class_count
from helpers.models.registry import MODELS, Model, get_model, own_model
from helpers.runtimes.litert.core import Core
from helpers.tasks.detection.label_maps import KINDS
from tests.models.darknet import generate
from tests.support.savedmodel_designs import CLASSES, save, save_centres

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def darknet(tmp_path_factory):
    """A folder with a small network: ``net.cfg`` and ``net.weights``."""
    folder, cfg = tmp_path_factory.mktemp("darknet"), generate.random_cfg(3)
    (folder / "net.cfg").write_text(cfg)
    (folder / "net.weights").write_bytes(generate.weights_for(parse_architecture(cfg, folder / "net.cfg"), 1))
    return folder


@pytest.fixture(scope="module")
def savedmodel(tmp_path_factory):
    return save_centres(tmp_path_factory.mktemp("saved") / "centres")


@contextlib.contextmanager
def served(folder):
    """The address of a web server that serves a folder."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def of(source, name="own") -> Model:
    return Model(name, name, source, "unknown", NAMES)


def source_file(path, *urls) -> SourceFile:
    return SourceFile(path.name, families.sha256_file(path), path.stat().st_size, urls)


def test_a_darknet_model_is_found_in_a_folder_of_ones_own(darknet):
    files = [darknet / "net.cfg", darknet / "net.weights"]
    model = of(DarknetSource(*map(source_file, files)))
    assert families.find_files(model, darknet) == tuple(files)
    assert families.find_files(model, darknet.parent / "elsewhere") is None
    with pytest.raises(LabError, match="files of own are absent") as caught:
        families.require_files(model, None)
    assert "01_download" in caught.value.cure


def test_a_darknet_model_is_fetched_and_converted(darknet, tmp_path):
    with served(darknet) as address:
        files = [darknet / "net.cfg", darknet / "net.weights"]
        model = of(DarknetSource(*(source_file(p, f"{address}/{p.name}") for p in files)))
        fetched = families.prepare_files(model, None)
    assert [path.parent for path in fetched] == [models_dir()] * 2
    assert [path.read_bytes() for path in fetched] == [path.read_bytes() for path in files]
    interface = families.convert(model, fetched, tmp_path / "float32.tflite")
    heads = Core(tmp_path / "float32.tflite").outputs()
    assert {name.rsplit("_", 1)[0] for name in heads} == {"box", "objectness", "class"}
    assert interface.preprocessing.resize == "half-pixel-rounded"


def test_a_savedmodel_is_taken_from_an_archive(savedmodel, tmp_path):
    """As the detection zoo packs it: below two folders, beside a checkpoint."""
    archive = tmp_path / "zoo.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(savedmodel, "zoo_model/saved_model")
    with served(tmp_path) as address:
        absent = SourceFile("gone.tar.gz", "", 0, (f"{address}/gone.tar.gz",))
        model = of(
            SavedModelSource("no-such-folder", (absent, source_file(archive, f"{address}/zoo.tar.gz")))
        )
        (folder,) = families.prepare_files(model, None)
    assert (folder / "saved_model.pb").read_bytes() == (savedmodel / "saved_model.pb").read_bytes()
    assert families.require_files(model, None) == (folder,)


def test_a_savedmodel_that_is_nowhere_says_how_to_put_it_in_place(tmp_path):
    with pytest.raises(LabError, match="no SavedModel of ssd_mobilenet_v1_coco") as caught:
        families.prepare_files(get_model("ssd_mobilenet_v1_coco"), tmp_path)
    assert "ssd_mobilenet_v1_coco" in caught.value.expected
    assert "--model-dir" in caught.value.cure


def test_models_of_ones_own_are_named_by_path_or_address(darknet, savedmodel, tmp_path):
    yolo = own_model(str(darknet / "net.cfg"))
    assert re.fullmatch("net-[0-9a-f]{6}", yolo.id)
    assert (yolo.categories, yolo.limits.nms_iou) == (KINDS["coco80"], 0.45)
    assert families.find_files(yolo, None) == (darknet / "net.cfg", darknet / "net.weights")
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\n")
    saved = get_model(f"{savedmodel}@{names}")
    assert saved.categories == ("cat", "dog")
    assert saved.id.startswith("centres-")
    assert saved.given == f"{savedmodel}@{names}"
    assert families.find_files(saved, None) == (savedmodel,)
    assert get_model(f"{savedmodel}@coco80").categories == KINDS["coco80"]


@pytest.mark.parametrize("text", ["a\nb\nc\n", "0 a\n1 b\n2 c\n", "0 background\n1 a\n2 b\n3 c\n"])
def test_a_network_takes_a_file_with_a_name_for_each_of_its_classes(darknet, tmp_path, text):
    (tmp_path / "names.txt").write_text(text)
    model = get_model(f"{darknet / 'net.cfg'}@{tmp_path / 'names.txt'}")
    families.require_fitting_names(model, families.prepare_files(model, None))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\nb\n", r"names\.txt has 2 names, and net\.cfg has 3 classes"),
        ("???\na\nb\nc\n", r"names\.txt has 4 names, and net\.cfg has 3 classes"),
        ("", r"the label map coco80 has 80 names, and net\.cfg has 3 classes"),
    ],
)
def test_another_number_of_names_is_found_in_the_files(darknet, tmp_path, text, found):
    (tmp_path / "names.txt").write_text(text)
    model = get_model(f"{darknet / 'net.cfg'}@{tmp_path / 'names.txt' if text else ''}".removesuffix("@"))
    with pytest.raises(LabError, match=found):
        families.require_fitting_names(model, families.prepare_files(model, None))


@pytest.fixture(scope="module")
def stating(tmp_path_factory):
    """A SavedModel whose signature states scores of six columns."""
    module = tf.Module()
    zeros = {name: tf.zeros((1, 9)) for name in ("detection_scores", "detection_classes")}
    found = zeros | {"detection_boxes": tf.zeros((1, 9, 4)), "num_detections": tf.zeros(1)}
    return save(
        tmp_path_factory.mktemp("stating") / "model",
        module,
        lambda input_tensor: found | {"raw_detection_scores": tf.zeros((1, 30, 6))},
    )


@pytest.mark.parametrize("count", [4, 5, 6, 7])
def test_a_signature_that_states_its_scores_tells_a_wrong_number_of_names(stating, tmp_path, count):
    (tmp_path / "names.txt").write_text("".join(f"{letter}\n" for letter in "abcdefg"[:count]))
    model = get_model(f"{stating}@{tmp_path / 'names.txt'}")
    fits = contextlib.nullcontext() if count in (5, 6) else pytest.raises(LabError, match="have 6 columns")
    with fits:
        families.require_fitting_names(model, families.prepare_files(model, None))


def test_a_signature_that_states_nothing_tells_nothing(savedmodel):
    model = get_model(str(savedmodel))
    families.require_fitting_names(model, families.prepare_files(model, None))


@pytest.mark.parametrize("family", ["darknet", "savedmodel"])
def test_the_classes_of_a_core_are_counted(darknet, savedmodel, tmp_path, family):
    name = f"{darknet / 'net.cfg'}" if family == "darknet" else str(savedmodel)
    model, output = get_model(name), tmp_path / "float32.tflite"
    interface = families.convert(model, families.prepare_files(model, None), output)
    counted = class_count(interface.tail, Core(output).output_shapes)
    assert counted == {"darknet": 3, "savedmodel": CLASSES}[family]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("no/such/folder", "no/such/folder does not exist"),
        ("no/such.cfg", r"no/such\.cfg does not exist"),
        ("resnet", "model 'resnet', which does not exist"),
        ("https://example.org/x.tar.gz@coco70", "label map 'coco70'"),
    ],
)
def test_a_model_that_cannot_be_is_refused_with_what_was_found(name, found):
    with pytest.raises(LabError, match=found):
        get_model(name)


def test_every_model_of_the_registry_says_where_its_files_come_from():
    for model in MODELS.values():
        parts = (
            [model.source.cfg, model.source.weights] if isinstance(model.source, DarknetSource)
            else getattr(model.source, "archives", ())
        )  # fmt: skip
        assert all(part.urls for part in parts if isinstance(part, SourceFile))
        assert len(set(filter(None, model.categories))) in (12, 80)
