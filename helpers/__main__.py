"""``python -m helpers``: the command line, whose imports can be interrupted like everything else."""

import sys

INTERRUPTED = 130


def main() -> int:
    """Exit status for the shell."""
    try:
        from helpers.quietly import quiet

        quiet()
        from helpers.cli.commands import app

        app(prog_name="python -m helpers")
    except KeyboardInterrupt:
        print("\nInterrupted. What was computed is kept: the same command goes on from there.", flush=True)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
