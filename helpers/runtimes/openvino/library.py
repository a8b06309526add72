"""OpenVINO and NNCF, imported without their telemetry, which asks nobody before it writes and sends."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

TELEMETRY = "openvino_telemetry"


def openvino() -> ModuleType:
    with telemetry_absent():
        return importlib.import_module("openvino")


def nncf() -> ModuleType:
    openvino()
    with telemetry_absent():
        return importlib.import_module("nncf")


@contextmanager
def telemetry_absent() -> Iterator[None]:
    """Imports of the telemetry fail meanwhile: both libraries then take stand-ins that do nothing."""
    absent = object()
    before = sys.modules.get(TELEMETRY, absent)
    sys.modules[TELEMETRY] = None
    try:
        yield
    finally:
        if before is absent:
            del sys.modules[TELEMETRY]
        else:
            sys.modules[TELEMETRY] = before
