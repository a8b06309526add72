"""``python -m helpers``: the command line, whose imports can be interrupted like everything else."""

import signal
import sys
from typing import Any

STOPPED, INTERRUPTED = 1, 130


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. A class of its own: Python ends itself by the signal if a bare one passed through ``exec``."""


def main() -> int:
    """Exit status for the shell."""
    interrupts: list[int] = []

    def interrupt(number: int, _frame: Any) -> None:
        interrupts.append(number)
        raise Interrupted

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a job in the background ignores it
        signal.signal(signal.SIGINT, interrupt)
    try:
        status = run_commands()
    except BaseException:  # a module of C makes another error of an interrupt that comes while it is loaded
        if not interrupts:
            raise
        status = INTERRUPTED
    else:
        status = INTERRUPTED if interrupts and status == STOPPED else status
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done and said; what is left is to end
    if status == INTERRUPTED:
        print("\nInterrupted. What was computed is kept: the same command goes on from there.", flush=True)
    return status


def run_commands() -> int:
    from helpers.quietly import quiet

    quiet()
    from helpers.cli.commands import app

    try:
        app(prog_name="python -m helpers")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    return 0


if __name__ == "__main__":
    sys.exit(main())
