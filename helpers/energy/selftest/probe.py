"""One run of the self-test, in a process of its own.

``python -m helpers.energy.selftest.probe FILE INPUTS ROUNDS REPEATS THREADS SEED``

Prints one line of JSON: a ``SelfTestRun``.
"""

import json
import sys
from pathlib import Path

import numpy as np

from helpers.energy.selftest.records import SelfTestRun
from helpers.energy.selftest.runs import measure_delays
from helpers.energy.summary import RESAMPLES, latency_ratio
from helpers.lab.errors import LabError
from helpers.lab.records import jsonable
from helpers.run.variants import BASELINE


def main(arguments: list[str]) -> int:
    file, inputs = map(Path, arguments[:2])
    rounds, repeats, threads, seed = map(int, arguments[2:])
    try:
        raw = measure_delays(file, np.load(inputs), rounds, repeats, threads, seed)
    except LabError as error:
        print(" ".join(error.found.split()), file=sys.stderr)
        return 1
    if raw.failures:
        print(next(iter(raw.failures.values())), file=sys.stderr)
        return 1
    names = [name for name in raw.settings.variants if name != BASELINE]
    ratios = {name: latency_ratio(raw, name, RESAMPLES, seed) for name in names}
    print(json.dumps(jsonable(SelfTestRun(ratios))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
