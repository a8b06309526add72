"""``python -m helpers`` as a user types it, on a data folder of the tests."""

import os
import subprocess
import sys
from pathlib import Path

from helpers.lab.paths import ROOT

LONGEST_S = 1200


def environment(data: Path) -> dict[str, str]:
    """Of a user's shell: nothing that this process set for FiftyOne, wide lines, no colours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FIFTYONE_PRIVATE_")}
    theirs = ("FIFTYONE_DATABASE_DIR", "FIFTYONE_DATABASE_NAME", "FIFTYONE_DEFAULT_DATASET_DIR")
    kept = {name: value for name, value in kept.items() if name not in theirs}
    return kept | {"QUANTLAB_DATA": str(data), "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "helpers", *arguments]


def lab(data: Path, *arguments: str) -> subprocess.CompletedProcess:
    """``python -m helpers ...`` with this data folder; both streams in ``stdout``."""
    return subprocess.run(
        command(*arguments),
        cwd=ROOT,
        env=environment(data),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_S,
    )
