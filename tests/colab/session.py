"""``make colab``: the eight notebooks on ``smoke`` as a Colab session runs them, one fresh kernel each.

In an empty folder outside the project, so that the set-up cell clones the project's last commit;
without a restart; with Colab's kernel, whose packages must be the same afterwards. Takes minutes, and the
package index.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from helpers.lab.paths import NOTEBOOKS, ROOT, data_dir
from helpers.suite.colab import KEPT
from helpers.suite.install import name_of
from tests.colab.environment import colab_packages, installed_in, make_environment

# What Colab's kernel has imported before the first cell; pyplot brings in parts of Pillow.
KERNEL_IMPORTS = "import google.colab, numpy, pandas, matplotlib.pyplot"
KERNEL_VERSIONS = """\
import IPython, ipykernel, json, numpy, pandas, tornado, traitlets
print(json.dumps({m.__name__: getattr(m, "__version__", None) or m.version
                  for m in (IPython, ipykernel, numpy, pandas, tornado, traitlets)}))"""
SET_UP = 2  # place of the set-up cell, after what is put in
KERNEL = "colab"


def with_session(path: Path) -> nbformat.NotebookNode:
    """The notebook after a session's own imports, with its profile set; the kernel's versions at the end."""
    notebook = nbformat.read(path, as_version=4)
    tagged = [n for n, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])]
    notebook.cells.insert(tagged[0] + 1, nbformat.v4.new_code_cell('profile = "smoke"'))
    notebook.cells.insert(0, nbformat.v4.new_code_cell(KERNEL_IMPORTS))
    notebook.cells.append(nbformat.v4.new_code_cell(KERNEL_VERSIONS))
    return notebook


def write_kernelspec(folder: Path, python: Path) -> None:
    """Let Jupyter find the environment's own kernel under the name ``KERNEL``."""
    spec = folder / "kernels" / KERNEL / "kernel.json"
    spec.parent.mkdir(parents=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": command, "display_name": KERNEL, "language": "python"}))
    os.environ["JUPYTER_PATH"] = str(folder)


def session_environment(python: Path) -> dict[str, str]:
    """The machine's variables without ours, and where to clone from."""
    ours = ("QUANTLAB", "PYTHON", "VIRTUAL_ENV", "MPL", "COCO_DIR", "MODEL_DIR", "FIFTYONE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"QUANTLAB_REPO": str(ROOT), "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}


def text_of(cell: nbformat.NotebookNode, stream: str = "stdout") -> str:
    return "".join(output.get("text", "") for output in cell.outputs if output.get("name") == stream)


def seconds_of(cell: nbformat.NotebookNode) -> float:
    """Time that the cell took."""
    times = cell.metadata["execution"]
    begun, ended = (datetime.fromisoformat(times[k]) for k in ("iopub.execute_input", "shell.execute_reply"))
    return (ended - begun).total_seconds()


def run_notebook(path: Path, content: Path, python: Path, executed: Path) -> list[str]:
    """Run it in a fresh kernel; returns what is wrong with it."""
    notebook, begun = with_session(path), time.monotonic()
    resources = {"metadata": {"path": str(content)}}
    client = NotebookClient(notebook, timeout=None, kernel_name=KERNEL, resources=resources)
    try:
        client.execute(env=session_environment(python))
    except (CellExecutionError, DeadKernelError) as error:
        return [f"{path.name}: {error}"]
    finally:
        nbformat.write(notebook, executed / path.name)
    took, of_it = time.monotonic() - begun, seconds_of(notebook.cells[SET_UP])
    print(f"{path.name}: {took:.0f} s, of which set-up {of_it:.0f} s", flush=True)
    return [f"{path.name}: {fault}" for fault in faults_of(notebook.cells)]


def faults_of(cells: Sequence[nbformat.NotebookNode]) -> list[str]:
    """A restart that was asked for, what libraries said, a kernel of other versions than Colab's."""
    faults = ["its set-up asks for a restart"] if "estart" in text_of(cells[SET_UP]) else []
    chatter = [text_of(cell, "stderr") for cell in cells if cell.cell_type == "code"]
    faults += [f"chatter in its outputs: {text}" for text in chatter if text]
    kernel = json.loads(text_of(cells[-1]))
    of_colab = {name: version for name, version in colab_packages().items() if name in map(name_of, kernel)}
    return faults + changed(of_colab, kernel)


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What is no longer as it was."""
    present = {name_of(name): version for name, version in after.items()}
    pairs = ((name, version, present.get(name, "absent")) for name, version in before.items())
    return [f"{name} {was} became {now}" for name, was, now in pairs if now != was]


def told(before: dict[str, str], after: dict[str, str]) -> str:
    """What set-up added and changed."""
    moved, added = changed(before, after), len(after.keys() - before.keys())
    return f"Set-up added {added} packages and changed {len(moved)}: {', '.join(moved)}."


def run_session(folder: Path, content: Path) -> list[str]:
    """Make the environment below ``folder``, run all notebooks in ``content``; returns what is wrong."""
    print(f"Making the like of Colab in {folder}: minutes, and 2 GB.", flush=True)
    python = make_environment(folder / "env")
    before, faults = installed_in(python), []
    executed = folder / "notebooks"
    executed.mkdir(exist_ok=True)
    write_kernelspec(content / ".jupyter", python)
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        faults = run_notebook(path, content, python, executed)
        if faults:
            break
    after = installed_in(python)
    print(told(before, after))
    return faults + changed({name: before[name] for name in KEPT}, after)


def main() -> int:
    folder = data_dir() / "colab"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="content-", ignore_cleanup_errors=True) as content:
        faults = run_session(folder, Path(content))
    print("\n".join(faults) or f"All eight notebooks ran; they are in {folder / 'notebooks'}.")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
