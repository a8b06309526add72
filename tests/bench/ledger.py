"""Where benchmarks leave their numbers: ``data/bench/bench.json``, a flat map from name to value."""

import json

from helpers.lab.files import write_json
from helpers.lab.paths import ROOT

PATH = ROOT / "data" / "bench" / "bench.json"


def note(**values: float) -> None:
    """Add numbers to the file and print them; no number is asserted."""
    known = json.loads(PATH.read_text()) if PATH.exists() else {}
    write_json(PATH, {**known, **{name: round(value, 4) for name, value in values.items()}})
    print("\n" + "\n".join(f"{name} = {value:.4g}" for name, value in values.items()))
