"""Python's collector of reference cycles, paused where millions of small objects hold none."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """It looks at all objects again and again while their number grows: a quarter of an evaluation's time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
