"""Which runtime a file needs, and its core, loaded: the one place of measuring that knows a runtime.

Imports little: a process that times cores starts with it.
"""

from pathlib import Path

from helpers.lab.errors import LabError

RUNTIME_FAILURES = (LabError, RuntimeError, ValueError, OSError, MemoryError)


def runtime_of(path: Path) -> str:
    """The file's suffix without its dot: files of one suffix are loaded by one runtime, in one process."""
    return path.suffix.lstrip(".")


def load_core(path: Path, threads: int):
    """The core in a file, on so many threads."""
    # Here, so that what does not load a core does not import the runtime.
    from helpers.runtimes.litert.core import Core

    return Core(path, threads)


def one_line(error: Exception) -> str:
    """What an error found, for a record."""
    found = error.found if isinstance(error, LabError) else str(error)
    return " ".join(found.split()) or type(error).__name__
