"""Models of Kaggle, where TF Hub's now are: by handle, with or without Kaggle's own library."""

import importlib.util
import re
from pathlib import Path

from helpers.lab.errors import LabError

PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
HANDLE = re.compile(rf"{PART}/{PART}/{PART}/{PART}/[1-9][0-9]*")


def require_handle(handle: str) -> str:
    if not HANDLE.fullmatch(handle):
        raise LabError(
            f"Kaggle handle {handle!r}.",
            "owner/model/framework/variation/version, as in "
            "'tensorflow/ssd-mobilenet-v2/tensorFlow2/ssd-mobilenet-v2/1'",
            "copy it from the model's page on Kaggle, under Download.",
        )
    return handle


def archive_url(handle: str) -> str:
    """Address of a public model's ``.tar.gz``, for ``fetch.SourceFile``; Kaggle asks for no account there.

    Raises:
        LabError: it is no handle.
    """
    return f"https://www.kaggle.com/api/v1/models/{require_handle(handle)}/download"


def kaggle_folder(handle: str) -> Path:
    """The model's folder, downloaded by ``kagglehub``, which keeps it for the next time.

    Raises:
        LabError: it is no handle, ``kagglehub`` is not installed, or it could not get the model.
    """
    require_handle(handle)
    if importlib.util.find_spec("kagglehub") is None:
        raise LabError(f"kagglehub, which fetches {handle}, is not installed.", *by_hand(handle))
    kagglehub = importlib.import_module("kagglehub")
    try:
        return Path(kagglehub.model_download(handle))
    except Exception as error:  # its own types and its HTTP client's have no common base
        raise LabError(f"kagglehub could not get {handle}: {error}.", *by_hand(handle)) from error


def by_hand(handle: str) -> tuple[str, str]:
    """What was expected, and the cure."""
    return (
        "the model's folder, with a saved_model.pb",
        f"`pip install kagglehub` and try again, or download {archive_url(handle)} in a browser, unpack it "
        "and give the folder.",
    )
