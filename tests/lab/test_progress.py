"""Progress bars: one line in a notebook, a plain bar elsewhere; what children say goes to a log."""

import subprocess
import sys

import nbformat
from nbclient import NotebookClient
from tqdm import tqdm

from helpers.lab.paths import ROOT
from helpers.lab.progress import in_notebook, progress
from helpers.lab.quietly import children_stderr_in

LOOP = """
import sys
sys.path.insert(0, {root!r})
from helpers.lab.progress import progress
for _ in progress(range(300), "counting", "step", mininterval=0):
    pass
"""


def test_outside_a_notebook_it_is_a_plain_bar(capsys):
    assert not in_notebook()
    bar = progress(range(3), "counting", "step")
    assert list(bar) == [0, 1, 2]
    assert type(bar) is tqdm
    assert "counting" in capsys.readouterr().err


def test_in_a_kernel_one_line_is_stored_however_often_it_is_updated():
    cell = nbformat.v4.new_code_cell(LOOP.format(root=str(ROOT)))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, kernel_name="python3").execute()
    outputs = notebook.cells[0].outputs
    assert len(outputs) == 1, outputs
    assert "counting: 100%" in outputs[0].data["text/plain"]
    assert "300/300" in outputs[0].data["text/plain"]


def test_what_children_say_goes_to_the_log_and_ours_to_the_terminal(tmp_path):
    script = (
        "import subprocess, sys; from pathlib import Path\n"
        "from helpers.lab.quietly import children_stderr_in\n"
        f"with children_stderr_in(Path({str(tmp_path / 'log')!r})):\n"
        "    subprocess.run([sys.executable, '-c', 'import sys; print(\"child\", file=sys.stderr)'])\n"
        "    print('ours', file=sys.stderr)\n"
        "print('after', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == "ours\nafter\n"
    assert (tmp_path / "log").read_text() == "child\n"


def test_a_captured_stream_is_left_alone(tmp_path, capsys):
    with children_stderr_in(tmp_path / "log"):
        print("captured", file=sys.stderr)
    assert capsys.readouterr().err == "captured\n"
