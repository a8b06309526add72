"""``python -m helpers worker``: work for a run on another machine."""

from typing import Annotated

import typer

from helpers.suite.cli.application import app, errors_explained


@app.command()
def worker(
    address: Annotated[str, typer.Argument(help="Of the scheduler: tcp://HOST:8786.")],
    name: Annotated[str, typer.Option(help="By which the run tells of it; its address if none.")] = "",
) -> None:
    """Run the cores of `run --scheduler ADDRESS` here, on one core of this machine, until interrupted.

    `dask scheduler` starts a scheduler and prints its address; one worker for each core is best.
    """
    with errors_explained():
        from helpers.evaluate.cluster import become_worker

        become_worker(address, name)
