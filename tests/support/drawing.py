"""Drawn photos for tests, made in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

from helpers.lab.paths import ROOT
from helpers.photos.synthetic.dataset import split_folder

SCRIPT = """
import sys
from pathlib import Path
from helpers.photos.synthetic.dataset import generate_split
generate_split(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
"""


def draw(root: Path, split: str, count: int, hash_seed: str = "random") -> Path:
    """Generate a split below ``root`` in a fresh process; return its folder."""
    command = [sys.executable, "-c", SCRIPT, str(root), split, str(count)]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=120)
    return split_folder(root, split, count)
