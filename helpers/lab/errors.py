"""The one error that users see: what was found, what was expected, what cures it."""

import difflib
import sys
import traceback
from collections.abc import Iterable


class LabError(Exception):
    """A problem that the user can cure.

    Args:
        found: what is the case, naming the file, value or quantity.
        expected: what should have been the case.
        cure: the command, notebook or edit that puts it right.
    """

    def __init__(self, found: str, expected: str = "", cure: str = ""):
        self.found, self.expected, self.cure = found, expected, cure
        super().__init__(found, expected, cure)

    def __str__(self) -> str:
        lines = [f"Found: {self.found}"]
        if self.expected:
            lines.append(f"Expected: {self.expected}")
        if self.cure:
            lines.append(f"Cure: {self.cure}")
        return "\n".join(lines)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in a notebook: the message, not a screen of calls with the message below it."""
        return [str(self)]


def reason_of(error: Exception) -> str:
    """An error as the reason in a record: what a ``LabError`` says, else type and message.

    The traceback of what is no ``LabError`` goes to the process's own standard error, past the notebook: the
    pipeline keeps it in the stage's log.
    """
    if isinstance(error, LabError):
        return str(error)
    traceback.print_exception(error, file=sys.__stderr__)
    return f"{type(error).__name__}: {error}"


def found_of(reason: str) -> str:
    """What was found, of a reason as ``reason_of`` has it: one sentence for a cell of a table."""
    found = reason.partition("\nExpected: ")[0].partition("\nCure: ")[0]
    return found.replace("Found: ", "").strip()


class UnavailableError(LabError):
    """What the software here cannot do, and the work can go on without: a reason, not a stop."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> LabError:
    """The error for a name that is not in a registry, with the nearest known name first."""
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return LabError(
        f"{kind} {name!r}, which does not exist.{hint}",
        f"one of: {', '.join(known)}",
        f"choose one of the names above, or add an entry to the {kind} registry in helpers/.",
    )
