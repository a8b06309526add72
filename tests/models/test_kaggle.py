"""Kaggle's handles: their addresses, and what stands in for its library."""

import importlib.util
import sys

import pytest

from helpers.lab.errors import LabError
from helpers.models.files.kaggle import archive_url, kaggle_folder

HANDLE = "tensorflow/ssd-mobilenet-v2/tensorFlow2/ssd-mobilenet-v2/1"


def test_a_handle_has_an_address():
    assert archive_url(HANDLE) == f"https://www.kaggle.com/api/v1/models/{HANDLE}/download"


@pytest.mark.parametrize(
    "handle", ["", "a/b", HANDLE[:-2], HANDLE + "/2", "a/b/c/d/0", "a/../c/d/1", "a/b/c/d/x"]
)
def test_what_is_no_handle_is_explained(handle):
    with pytest.raises(LabError, match="Kaggle handle"):
        archive_url(handle)


def test_without_kagglehub_the_way_by_hand_is_told():
    if importlib.util.find_spec("kagglehub"):
        pytest.skip("kagglehub is installed here")
    with pytest.raises(LabError, match="not installed") as caught:
        kaggle_folder(HANDLE)
    assert archive_url(HANDLE) in caught.value.cure


@pytest.mark.parametrize("works", [True, False])
def test_with_kagglehub_its_folder_or_its_complaint_is_given(tmp_path, monkeypatch, works):
    body = "return r'" + str(tmp_path) + "/' + handle" if works else "raise RuntimeError('403 Forbidden')"
    (tmp_path / "kagglehub.py").write_text(f"def model_download(handle):\n    {body}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "kagglehub", raising=False)
    if works:
        assert kaggle_folder(HANDLE) == tmp_path / HANDLE
    else:
        with pytest.raises(LabError, match="403 Forbidden"):
            kaggle_folder(HANDLE)
    monkeypatch.delitem(sys.modules, "kagglehub", raising=False)
