"""Keep what libraries print about themselves out of notebooks; nothing is silenced before ``quiet()``."""

import contextlib
import importlib.util
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # at 2, every machine without a GPU gets an error line about it
    "GRPC_VERBOSITY": "ERROR",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # ipykernel's note on frozen modules
}
LOGGERS = ("tensorflow", "absl", "fiftyone", "matplotlib.font_manager", "papermill")
OF_KERNELS = ("asyncio", "papermill")
WARNINGS = ("pkg_resources is deprecated", "IProgress not found", ".*tf.lite.Interpreter is deprecated")
NOISY_IMPORTS = ("tensorflow",)  # these print from C++ before they read any setting


def quiet() -> None:
    """Silence library chatter in this process. Call it before importing them; what the user set stays."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    if not sys.warnoptions:
        for message in WARNINGS:
            warnings.filterwarnings("ignore", message=message)
    if not any(isinstance(finder, QuietImports) for finder in sys.meta_path):
        sys.meta_path.insert(0, QuietImports())


@contextlib.contextmanager
def stderr_muted() -> Iterator[None]:
    """Drop what is written to the process's standard error, C++ included; show it if the block fails."""
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        original = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(original, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)


@contextlib.contextmanager
def children_stderr_in(path: Path) -> Iterator[None]:
    """Send the standard error of processes started meanwhile to a log file; this process keeps its own.

    Kernels that are shut down complain there about what they were doing; so does asyncio here. Of one that
    died papermill's logger says so, before the error does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    loggers, python_stderr, original = [logging.getLogger(name) for name in OF_KERNELS], sys.stderr, os.dup(2)
    levels = [logger.level for logger in loggers]
    with path.open("ab") as log, os.fdopen(os.dup(2), "w", buffering=1) as terminal:
        os.dup2(log.fileno(), 2)
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        # A stream that does not write to descriptor 2 (a captured one) stays as it is.
        sys.stderr = terminal if writes_to(python_stderr, 2) else python_stderr
        try:
            yield
        finally:
            sys.stderr = python_stderr
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            os.dup2(original, 2)
            os.close(original)


def writes_to(stream: object, descriptor: int) -> bool:
    try:
        return stream.fileno() == descriptor
    except (AttributeError, OSError, ValueError):
        return False


class QuietImports:
    """A finder for ``sys.meta_path`` that mutes standard error while a noisy library is imported."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name not in NOISY_IMPORTS:
            return None
        spec = self.spec_without_us(name)
        if spec is not None and spec.loader is not None:
            mute_loading(spec)
        return spec

    def spec_without_us(self, name: str) -> ModuleSpec | None:
        sys.meta_path.remove(self)
        try:
            return importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)


def mute_loading(spec: ModuleSpec) -> None:
    load = spec.loader.exec_module

    def load_muted(module: object) -> None:
        with stderr_muted():
            load(module)
        # TensorFlow gives its logger a level of its own, once, when it is first asked for.
        if hasattr(module, "get_logger"):
            module.get_logger().setLevel(logging.ERROR)

    spec.loader.exec_module = load_muted
