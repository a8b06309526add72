"""What figures, tables and the report say about where their numbers come from."""

from dataclasses import dataclass

from helpers.lab import host
from helpers.run.experiment import Run


@dataclass(frozen=True)
class Context:
    """Where numbers come from. What is not known is empty, or None where it is a number.

    Attributes:
        run, profile: names.
        images: evaluated photos.
        rounds, processes: of latency, and in how many fresh processes they were played.
        memory_probes: fresh processes per variant; ``invocations``: of each operator.
        resamples: of the bootstrap.
        level: of all intervals; ``ratio_level``: at which those of latency ratios were drawn, larger where
            rounds could end on their width.
        host: processor and cores.
        threads: of the runtime.
        commit: of the code; ``created_utc``: time of the last record, ISO 8601.
        meter: its name; ``meter_sentence``: what it measures.
        seed: of every random choice.
        margin_points: the loss of AP that the user accepts.
        selftest: what the self-test of measuring found.
    """

    run: str = ""
    profile: str = ""
    images: int | None = None
    rounds: int | None = None
    processes: int | None = None
    memory_probes: int | None = None
    resamples: int | None = None
    level: float = 0.95
    host: str = ""
    threads: int | None = None
    ratio_level: float = 0.95
    commit: str | None = None
    created_utc: str = ""
    meter: str = ""
    meter_sentence: str = ""
    seed: int | None = None
    invocations: int | None = None
    margin_points: float = 1.0
    selftest: str = ""


UNKNOWN = Context()


def known(context: Context, name: str) -> str:
    """A field as text; ``unknown`` where it is empty."""
    value = getattr(context, name)
    return "unknown" if value in (None, "") else str(value)


def picture_context(run: Run) -> Context:
    """Of a figure that is drawn from photos, not from measurements."""
    facts = host.provenance()
    cores = f"{facts['cpu']} ({facts['usable_cores']} cores)"
    return Context(run=run.paths.name, profile=run.profile.id, commit=facts["commit"], host=cores)
