"""OpenVINO and NNCF, imported without their telemetry, which asks nobody before it writes and sends."""

import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch

TELEMETRY = "openvino_telemetry"


def openvino() -> ModuleType:
    with telemetry_absent():
        return importlib.import_module("openvino")


def nncf() -> ModuleType:
    openvino()
    loggers = logging.getLoggerClass()
    try:
        with telemetry_absent():
            library = importlib.import_module("nncf")
    finally:
        logging.setLoggerClass(loggers)  # NNCF would make every later logger one of its own
    library.set_log_level(logging.ERROR)
    return library


@contextmanager
def progress_hidden() -> Iterator[None]:
    """Keep NNCF's progress bars away; it has no setting for that."""
    from nncf.common.logging import track_progress

    class Hidden(track_progress.Progress):
        def __init__(self, *columns: Any, **settings: Any):
            super().__init__(*columns, **{**settings, "disable": True})

    with patch.object(track_progress, "Progress", Hidden):
        yield


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
