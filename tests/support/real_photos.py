"""Real COCO photos and real detectors, for tests that use them where they are."""

import os
from pathlib import Path

import pytest

from helpers.lab.paths import ROOT


def coco_dir() -> Path:
    """Folder with ``val2017/``, ``annotations/``, ``calibration/`` and ``models/``; else the test skips."""
    folder = Path(os.environ.get("COCO_DIR") or ROOT.parent / "shared" / "coco")
    if not (folder / "val2017").is_dir():
        pytest.skip(
            f"no real COCO photos in {folder}; set COCO_DIR to a folder that has val2017/ and models/"
        )
    return folder
