"""Parameters that papermill injects: one that the notebook does not have is an error, not a warning."""

import ast
import sys
from collections.abc import Sequence

from helpers.lab.errors import LabError

MARK = "# Parameters"  # papermill's first line of the cell that it injects below the notebook's own


def assigned_names(source: str) -> set[str]:
    """Names that a cell assigns at its top level; none where it is not plain Python (a magic, say)."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return set()
    targets = (target for node in body if isinstance(node, ast.Assign) for target in node.targets)
    return {target.id for target in targets if isinstance(target, ast.Name)}


def require_known(cells: Sequence[str]) -> None:
    """Check the cells that a notebook has run so far.

    Raises:
        LabError: an injected cell assigns a name that no cell before it does.
    """
    known: set[str] = set()
    for cell in cells:
        names = assigned_names(cell)
        unknown = sorted(names - known) if cell.startswith(MARK) else []
        if unknown:
            raise LabError(
                f"parameter {', '.join(unknown)}, which this notebook does not have.",
                f"parameters among: {', '.join(sorted(known))}",
                "correct the name that is passed with -p.",
            )
        known |= names


def require_known_here() -> None:
    """``require_known`` for the notebook that this code runs in, if it runs in one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        require_known(list(shell.user_ns.get("In", ())))
