"""An ``.onnx`` file as a model: how it is named, what it says of itself, which files it consists of."""

import onnx
import pytest

from helpers.lab.errors import LabError
from helpers.models.families import convert, find_files, reference, require_files, require_fitting_names
from helpers.models.files.sources import OnnxSource
from helpers.models.registry import MODELS, get_model
from helpers.photos.decoding import core_input
from helpers.tasks.detection.label_maps import KINDS
from tests.models.onnx.runs import ULTRALYTICS, photos
from tests.support import onnx_networks as networks


@pytest.fixture
def noted(tmp_path):
    return networks.saved(networks.yolov8(ULTRALYTICS), tmp_path / "net.onnx")


@pytest.fixture
def plain(tmp_path):
    return networks.saved(networks.yolov8(classes=80), tmp_path / "net.onnx")


def test_names_in_the_file_are_its_label_map(noted):
    model = get_model(str(noted))
    assert model.categories == ("a", "b", "c")
    assert model.name == str(noted)
    assert model.source == OnnxSource(noted)
    assert model.limits.nms_iou == 0.7


def test_without_names_it_has_cocos(plain):
    model = get_model(str(plain))
    assert model.categories == KINDS["coco80"]
    assert model.name == f"{plain}@coco80"
    assert model == get_model(f"{plain}@coco80")


@pytest.mark.parametrize(("columns", "labels"), [(92, "coco91-background"), (91, "coco91-background")])
def test_a_detr_that_counts_in_cocos_ids_has_these(columns, labels, tmp_path):
    path = networks.saved(networks.detr(columns), tmp_path / "net.onnx")
    assert get_model(f"{path}@detr").categories == KINDS[labels]
    require_fitting_names(get_model(f"{path}@detr"), (path,))


def test_labels_of_the_users_own_come_before_the_files(noted, tmp_path):
    (tmp_path / "names.txt").write_text("x\ny\nz\n")
    model = get_model(f"{noted}@{tmp_path}/names.txt")
    assert model.categories == ("x", "y", "z")
    assert model.labels == f"{tmp_path}/names.txt"


@pytest.mark.parametrize("design", ["yolov8", "YOLOv8", "yolov11"])
def test_design_and_labels_stand_in_any_order(design, plain):
    first, second = (get_model(f"{plain}@{rest}") for rest in (f"{design}@coco80", f"coco80@{design}"))
    assert first == second
    assert first.source == OnnxSource(plain, design.lower())
    assert first.name == f"{plain}@{design.lower()}@coco80"
    assert first.labels == "the label map coco80"
    assert get_model(first.given) == first


def test_a_design_alone(noted):
    model = get_model(f"{noted}@yolov8")
    assert (model.source.design, model.categories) == ("yolov8", ("a", "b", "c"))
    assert model.name == f"{noted}@yolov8"
    assert get_model(model.given) == model
    assert model.id != get_model(str(noted)).id


def test_what_is_neither_design_nor_labels_is_refused(noted):
    for wrong in ("yolov8@no_such.txt", "yolov88"):
        with pytest.raises(LabError, match=r"no_such\.txt|yolov88"):
            get_model(f"{noted}@{wrong}")


def test_other_models_have_no_design(tmp_path):
    with pytest.raises(LabError, match="is named with the design yolov8") as caught:
        get_model(f"{tmp_path}@yolov8")
    assert "leave out @yolov8" in caught.value.cure


def test_its_home_is_onnx_runtime(noted):
    assert get_model(str(noted)).runtime == "onnxruntime"
    assert {model.runtime for model in MODELS.values()} == {"litert"}


def test_an_ending_in_capitals(noted):
    capitals = noted.rename(noted.with_name("NET.ONNX"))
    assert get_model(str(capitals)).source.path == capitals


def test_a_folder_of_that_name_is_a_savedmodels(tmp_path):
    (tmp_path / "net.onnx").mkdir()
    with pytest.raises(LabError, match=r"holds no saved_model\.pb"):
        get_model(str(tmp_path / "net.onnx"))


def test_an_absent_file_is_refused_at_once(tmp_path):
    with pytest.raises(LabError, match="does not exist"):
        get_model(f"{tmp_path}/net.onnx@coco80")


def test_its_files_are_all_that_it_depends_on(noted, tmp_path):
    model = get_model(str(noted))
    assert find_files(model, None) == (noted,)
    (tmp_path / "net.json").write_text("{}")
    assert find_files(model, None) == (noted, tmp_path / "net.json")
    noted.unlink()
    assert find_files(model, None) is None
    with pytest.raises(LabError, match="are absent"):
        require_files(model, None)


def test_weights_that_lie_apart_are_among_its_files(tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(networks.yolox(), str(path), save_as_external_data=True, location="w.bin", size_threshold=0)
    assert find_files(get_model(f"{path}@yolox"), None) == (path, tmp_path / "w.bin")


def test_a_file_that_changes_is_read_again(tmp_path):
    path = networks.saved(networks.yolov8(ULTRALYTICS), tmp_path / "net.onnx")
    assert len(get_model(str(path)).categories) == 3
    networks.saved(networks.yolov8(ULTRALYTICS | {"names": {0: "only"}}, classes=1), path)
    assert get_model(str(path)).categories == ("only",)


def test_names_that_do_not_fit_are_refused_with_the_download(noted):
    with pytest.raises(LabError, match=r"3 classes.*80 names"):
        require_fitting_names(get_model(f"{noted}@coco80"), (noted,))
    require_fitting_names(get_model(str(noted)), (noted,))


def test_core_and_original_by_way_of_the_families(noted, tmp_path):
    model = get_model(str(noted))
    interface = convert(model, find_files(model, None), tmp_path / "core.onnx")
    (photo,) = photos(((70, 50),))
    assert core_input(photo, interface.preprocessing).shape == (1, 3, 64, 96)
    assert len(reference(model, find_files(model, None))(photo).scores) > 10
