"""The application that the commands belong to, and how they tell what went wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

from helpers.lab.errors import LabError
from helpers.lab.files import disk_errors_explained
from helpers.lab.paths import data_dir

WITH_FAILURES = 3
# As the README has it.
EXIT_STATUS = (
    f"Exit status: 0 all well, 1 stopped, 2 wrong usage, {WITH_FAILURES} complete but something failed, "
    "130 interrupted."
)
console = Console(highlight=False)
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="What float16 and int8 cost and save in a pretrained object detector, with evidence.",
)


@contextmanager
def errors_explained() -> Iterator[None]:
    """Print what the user can cure as one message, and leave with a status that says so."""
    try:
        with disk_errors_explained(data_dir()):
            yield
    except LabError as error:
        console.print(f"\n[bold red]Stopped.[/bold red]\n{escape(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from None
