"""The notebooks' opening, made by one setting: the badge, and the cell that finds or clones the project.

After a change here, ``python -m helpers.suite.opening`` writes both into every notebook.
Imports the standard library alone.
"""

import json
import sys
from pathlib import Path

from helpers.lab.paths import NOTEBOOKS

NO_ADDRESS = "OWNER/quantization-lab"
REPOSITORY = NO_ADDRESS  # owner/name on GitHub: the one setting, for when the project has a public address
COLAB = "https://colab.research.google.com"

# On Colab: git writes tests/conftest.py after all that the notebooks need, so a clone that has it is whole.
# A folder of that name without it (a clone that was cut short, say) is moved aside; nothing is deleted.
CELL = """\
import os
import sys
from pathlib import Path

here, lab = Path(os.getenv("QUANTLAB_ROOT", "")).resolve(), Path("quantization-lab")
root = next((p for p in (here, *here.parents) if (p / "helpers/suite/colab.py").is_file()), None)
if not root and "google.colab" in sys.modules:
    address = os.getenv("QUANTLAB_REPO", "ADDRESS")
    get = f"[ -e {lab}/tests/conftest.py ] || (mv {lab} {lab}-$$ 2>&-; git clone -q '{address}' {lab}) 2>&1"
    cure = f"Found: no project at '{address}'. {os.popen(get).read()}Cure: %env QUANTLAB_REPO=<its address>"
    root = lab.resolve() if (lab / "helpers/suite/colab.py").is_file() else sys.exit(cure)
sys.path.insert(0, str(root or sys.exit(f"Found: no project above {here}. Cure: set QUANTLAB_ROOT to it.")))
from helpers.suite.colab import set_up

set_up()"""


def clone_address(repository: str = REPOSITORY) -> str:
    """Where git clones the project from; while it has no address, words that git repeats in its error."""
    return (
        "(it has no public address yet)" if repository == NO_ADDRESS else f"https://github.com/{repository}"
    )


def badge(notebook: str, repository: str = REPOSITORY) -> str:
    """Markdown: a picture that opens ``notebook`` (its file name) in Colab."""
    page = f"{COLAB}/github/{repository}/blob/main/notebooks/{notebook}"
    return f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({page})"


def setup_cell(repository: str = REPOSITORY) -> str:
    return CELL.replace("ADDRESS", clone_address(repository))


def with_opening(notebook: dict, name: str, repository: str = REPOSITORY) -> dict:
    """The notebook with its title cell ending in the badge, and its second cell setting up."""
    title, _, *rest = notebook["cells"]
    words = "".join(title["source"]).rpartition("[![Open in Colab]")[0]
    title = title | {"source": (words + badge(name, repository)).splitlines(keepends=True)}
    cell = notebook["cells"][1] | {"source": setup_cell(repository).splitlines(keepends=True)}
    return notebook | {"cells": [title, cell, *rest]}


def main(folder: Path = NOTEBOOKS) -> int:
    """Write the opening into every notebook of ``folder``."""
    for path in sorted(folder.glob("*.ipynb")):
        written = with_opening(json.loads(path.read_text()), path.name)
        path.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
