"""``python -m helpers``: the command line, whose imports can be interrupted like everything else."""

import signal
import sys
from typing import Any

STOPPED, INTERRUPTED = 1, 130


# What asks a process to end, as a terminal does, and as `kill` and batch systems do; each with what it does
# where nobody has changed that: a job in the background ignores the first.
SIGNALS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or its like. Python ends itself by the signal if a bare KeyboardInterrupt passed ``exec``."""


def main() -> int:
    """Exit status for the shell."""
    interrupts: list[int] = []

    def interrupt(number: int, _frame: Any) -> None:
        interrupts.append(number)
        raise Interrupted

    for number, unchanged in SIGNALS.items():
        if signal.getsignal(number) is unchanged:
            signal.signal(number, interrupt)
    try:
        status = run_commands()
    except BaseException as error:  # a module of C makes its own of an interrupt that comes while loaded
        if not interrupts and not told(error):
            raise
        status = INTERRUPTED if interrupts else STOPPED
    else:
        status = INTERRUPTED if interrupts and status == STOPPED else status
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # all is done and said; what is left is to end
    if status == INTERRUPTED:
        print("\nInterrupted. What was computed is kept: the same command goes on from there.", flush=True)
    return status


def told(error: BaseException) -> bool:
    """Whether a fault of the lab is told in two lines, its traceback kept in a file for a report."""
    import traceback

    from helpers.lab.paths import data_dir, display

    log = data_dir() / "logs" / "fault.txt"
    if not isinstance(error, Exception):
        return False
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("".join([f"{sys.argv[1:]}\n", *traceback.format_exception(error)]))
    except OSError:
        return False
    print(f"\nStopped by a fault of the lab: {type(error).__name__}: {error}", flush=True)
    print(f"The traceback, for a report, is in {display(log)}.", flush=True)
    return True


def run_commands() -> int:
    from helpers.lab.quietly import quiet

    quiet()
    import helpers.suite.cli.cluster  # noqa: F401 (adds its command)
    from helpers.suite.cli.commands import app

    try:
        app(prog_name="python -m helpers")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    return 0


if __name__ == "__main__":
    sys.exit(main())
