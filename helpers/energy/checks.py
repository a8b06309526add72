"""Is what 04 made whole?"""

import numpy as np
from pandas.io.formats.style import Styler

from helpers.energy.cured_steps import times_checks
from helpers.energy.records import Energy, Latency, Parts, read_measurement
from helpers.energy.samples import latency_frame
from helpers.energy.stage import measured_files
from helpers.models.registry import Model
from helpers.run.experiment import Run
from helpers.run.standing import made_models
from helpers.show.checks import require


def check_measure(run: Run) -> Styler:
    checks: dict[str, bool] = {}
    for model in made_models(run):
        checks |= {f"{model.id}: {name}": passed for name, passed in measure_checks(run, model).items()}
    return require(checks)


def measure_checks(run: Run, model: Model) -> dict[str, bool]:
    expected = set(measured_files(run, model))
    latency = read_measurement(run, model, Latency).values
    energy = read_measurement(run, model, Energy).values
    loop = read_measurement(run, model, Parts).values
    looped = {v for played in loop.rounds for v in played.visits} | set(loop.failures)
    frame = latency_frame(latency, model.id)
    measured = set(frame["variant"]) | set(latency.failures)
    rounds = (len(latency.rounds), len(energy.rounds))
    least = [
        0 if len(raw.failures) == len(expected) else wanted
        for raw, wanted in ((latency, run.profile.latency_rounds), (energy, run.profile.energy_rounds))
    ]
    return {
        "every variant and the control were timed, or say why not": measured == expected,
        "every variant's loop was timed in parts, or says why not": looped == expected,
        "every sample is finite and above zero": bool(
            np.isfinite(frame["latency_ms"]).all() and (frame["latency_ms"] > 0).all()
        ),
        f"at least {least[0]} latency and {least[1]} energy rounds": all(np.greater_equal(rounds, least)),
        "the energy figure has a grade": energy.settings.meter.grade in "ABCD",
        **times_checks(run, model),
    }
