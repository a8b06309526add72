"""Progress bars: live in terminals and notebooks, one line each in a notebook's stored output."""

import io
import sys
from collections.abc import Iterable

from tqdm import tqdm


class NotebookBar(tqdm):
    """A bar that rewrites its one line; carriage returns would store a line per update."""

    def __init__(self, *arguments, **options):
        self._shown = None
        super().__init__(
            *arguments, **{"mininterval": 0.5, **options, "file": io.StringIO(), "ncols": 90, "ascii": False}
        )

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        from IPython.display import display

        line = {"text/plain": msg or str(self)}
        if self._shown is None:
            self._shown = display(line, raw=True, display_id=True)
        else:
            self._shown.update(line, raw=True)
        return True


def in_notebook() -> bool:
    """Whether this code runs in a Jupyter kernel (Colab included)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def progress(items: Iterable | None = None, description: str = "", unit: str = "it", **options) -> tqdm:
    """A ``tqdm`` bar fit for where the code runs; options are tqdm's."""
    kind = NotebookBar if in_notebook() else tqdm
    return kind(items, desc=description, unit=unit, **options)
