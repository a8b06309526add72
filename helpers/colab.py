"""The notebooks' first cell: find the project, on Colab fetch and install it, keep libraries quiet.

Imports the standard library alone, since on Colab it runs before anything is installed.
"""

import importlib.metadata
import sys

from helpers.errors import LabError
from helpers.install import install_packages
from helpers.mongo import ensure_mongod
from helpers.paths import ROOT
from helpers.quietly import quiet

REPOSITORY = "https://github.com/OWNER/quantization-lab"  # PLACEHOLDER: the project has no public address yet

SETUP_CELL = f"""\
import os
import subprocess
import sys
from pathlib import Path

here, clone = Path(os.environ.get("QUANTLAB_ROOT", "")).resolve(), Path("/content/quantization-lab")
if "google.colab" in sys.modules and not clone.exists():
    address = os.environ.get("QUANTLAB_REPO", "{REPOSITORY}")
    subprocess.run(["git", "clone", "--quiet", address, str(clone)], check=True)
root = next((p for p in (here, *here.parents, clone) if (p / "helpers" / "colab.py").is_file()), None)
assert root, f"No project found above {{here}}: open the notebook inside it, or set QUANTLAB_ROOT."
sys.path.insert(0, str(root))
from helpers.colab import set_up

set_up()"""


def set_up() -> None:
    """All that a notebook needs after the project is found: installed packages (Colab), quiet libraries."""
    if on_colab():
        install()
    quiet()


def on_colab() -> bool:
    return "google.colab" in sys.modules


def install() -> None:
    """Install the locked packages and a database server into the running Python.

    Raises:
        LabError: pip failed, or the session holds an older copy of a package and must be restarted.
    """
    install_packages(ROOT / "requirements.txt")
    ensure_mongod()
    require_fresh_modules()


def stale_modules(names: tuple[str, ...] = ("numpy", "pandas", "tensorflow")) -> list[str]:
    """Imported modules whose installed version is no longer the imported one."""
    imported = {name: getattr(sys.modules.get(name), "__version__", None) for name in names}
    return [n for n, version in imported.items() if version and version != importlib.metadata.version(n)]


def require_fresh_modules() -> None:
    """Raise if this session imported a package before ``install`` replaced it."""
    stale = stale_modules()
    if stale:
        raise LabError(
            f"this session had already imported another version of {', '.join(stale)}.",
            "a session that starts with the installed versions",
            "restart it (Runtime > Restart session), then run this cell again: it takes seconds now.",
        )
