"""The packages that read and run ONNX: extras, which the helpers do without until a model asks for them."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from helpers.lab.errors import LabError

CURE = "make setup RUNTIMES=onnxruntime"


def package(name: str) -> ModuleType:
    """``onnx``, ``onnx.<part>`` or ``onnxruntime``.

    Raises:
        LabError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise LabError(
            f"{name.partition('.')[0]} is not installed.", "the packages that read and run ONNX", f"`{CURE}`."
        ) from error


def session(model: Any, path: Path) -> Any:
    """An ``InferenceSession`` on one thread.

    Args:
        model: a ``ModelProto``.
        path: where it is from, for people.

    Raises:
        LabError: ONNX Runtime does not load it.
    """
    runtime = package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    try:
        return runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # several types, one per kind of fault, none of them public
        raise refused(path, error) from error


def refused(path: Path, error: Exception) -> LabError:
    return LabError(
        f"ONNX Runtime cannot use {path}: {str(error).strip()[:400]}",
        "an ONNX file of operators that ONNX Runtime has",
        "export the detector anew, with standard operators (Ultralytics' exporters: opset=17, nms=False).",
    )


def answers(session: Any, image: np.ndarray, path: Path) -> dict[str, np.ndarray]:
    """All outputs for an input, by name.

    Raises:
        LabError: ONNX Runtime cannot run the graph.
    """
    names = [output.name for output in session.get_outputs()]
    try:
        values = session.run(names, {session.get_inputs()[0].name: image})
    except Exception as error:  # as for ``session``
        raise refused(path, error) from error
    return dict(zip(names, values, strict=True))
