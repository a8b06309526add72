"""``python -m helpers scheduler`` and ``worker``: machines that run a run's cores."""

from typing import Annotated

import typer

from helpers.suite.cli.application import app, errors_explained


@app.command()
def scheduler(
    port: Annotated[int, typer.Option(min=0, max=65535, help="To listen at; 0 for any.")] = 8786,
) -> None:
    """Share out the photos of `run --scheduler ADDRESS` among workers, until interrupted; prints ADDRESS.

    Whoever reaches its port can run programs on its workers: use it in a network that you trust.
    """
    with errors_explained():
        from helpers.evaluate.cluster import become_scheduler

        become_scheduler(port)


@app.command()
def worker(
    address: Annotated[str, typer.Argument(help="Of the scheduler: tcp://HOST:8786.")],
    name: Annotated[str, typer.Option(help="By which the run tells of it; its address if none.")] = "",
) -> None:
    """Run the cores of `run --scheduler ADDRESS` here, on one core of this machine, until interrupted.

    One worker for each core is best.
    """
    with errors_explained():
        from helpers.evaluate.cluster import become_worker

        become_worker(address, name)
