"""Peak memory of one process that loads one core.

``python -m helpers.runtimes.memory_probe RUNTIME FILE [THREADS]``.

With ``-`` for FILE the runtime is imported and nothing loaded: the bare runtime. Prints one line of JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from helpers.lab.errors import LabError
from helpers.runtimes.catalogue import get_runtime
from helpers.runtimes.contract import Runtime

BARE = "-"
STATUS = Path("/proc/self/status")
INVOCATIONS = 3


def peak_rss() -> dict[str, Any]:
    """``{"peak_rss_bytes", "source"}`` of this process."""
    # Linux keeps ru_maxrss of the parent across fork and exec; VmHWM starts anew with the program.
    if STATUS.exists() and "VmHWM:" in (status := STATUS.read_text()):
        kilobytes = int(status.split("VmHWM:")[1].split()[0])
        return {"peak_rss_bytes": kilobytes * 1024, "source": "VmHWM"}
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak_rss_bytes": peak * maxrss_unit(sys.platform), "source": "ru_maxrss"}


def maxrss_unit(platform: str) -> int:
    """Bytes per unit of ``ru_maxrss``: bytes on macOS, kilobytes elsewhere (getrusage(2))."""
    return 1 if platform == "darwin" else 1024


def exercise(runtime: Runtime, path: Path, threads: int) -> None:
    """Load a core and run it a few times: memory that is taken on the first calls counts."""
    core = runtime.load(path, threads)
    image = np.zeros(core.input_shape, core.input_dtype)
    for _ in range(INVOCATIONS):
        core(image)


def main(arguments: list[str]) -> int:
    name, file, *rest = arguments
    try:
        runtime = get_runtime(name)
        runtime.import_all()
        if file != BARE:
            exercise(runtime, Path(file), int(rest[0]) if rest else 1)
    except LabError as error:
        print(" ".join(error.found.split()), file=sys.stderr)
        return 1
    print(json.dumps(peak_rss() | {"runtime": name}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
