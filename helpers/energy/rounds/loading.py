"""What a runtime may refuse a core by, and how it is told."""

from helpers.lab.errors import LabError

RUNTIME_FAILURES = (LabError, RuntimeError, ValueError, OSError, MemoryError)


def one_line(error: Exception) -> str:
    """What an error found, for a record."""
    found = error.found if isinstance(error, LabError) else str(error)
    return " ".join(found.split()) or type(error).__name__
