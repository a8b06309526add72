"""How long a whole report takes, and how long one that changes nothing."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from helpers.lab.paths import ROOT
from tests.bench.ledger import note


def run_quick(data: Path) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-m", "helpers", "run", "--profile", "quick"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "QUANTLAB_DATA": str(data)}, check=True)
    return time.perf_counter() - start


def test_quick_report_from_nothing_and_again():
    data = ROOT / "data" / "bench" / "report"
    shutil.rmtree(data, ignore_errors=True)
    first, again = run_quick(data), run_quick(data)
    shutil.rmtree(data)
    note(report_quick_s=first, rerun_over_first=again / first)
