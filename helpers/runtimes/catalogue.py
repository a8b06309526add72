"""The runtimes by name, and which of them a file is for."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from helpers.lab.errors import LabError, unknown_name
from helpers.runtimes.contract import Runtime, Session
from helpers.runtimes.litert.runtime import LiteRT
from helpers.runtimes.onnxruntime.runtime import OnnxRuntime
from helpers.runtimes.openvino.runtime import OpenVINO

LITERT = LiteRT("litert", "LiteRT", ".tflite", "o", ("ai_edge_litert",))
OPENVINO = OpenVINO("openvino", "OpenVINO", ".xml", "*", ("openvino", "nncf"), "openvino")
ONNXRUNTIME = OnnxRuntime("onnxruntime", "ONNX Runtime", ".onnx", "^", ("onnxruntime", "onnx"), "onnxruntime")

_ENTRIES: tuple[Runtime, ...] = (LITERT, OPENVINO, ONNXRUNTIME)
RUNTIMES: Mapping[str, Runtime] = MappingProxyType({runtime.id: runtime for runtime in _ENTRIES})


def get_runtime(name: str) -> Runtime:
    """A runtime by its id; raises ``LabError`` for one that there is not."""
    try:
        return RUNTIMES[name]
    except KeyError:
        raise unknown_name("runtime", name, RUNTIMES) from None


def require_runtime(name: str) -> Runtime:
    """A runtime that can be used here; raises ``LabError``, with the cure, for one that cannot."""
    runtime = get_runtime(name)
    reason = runtime.why_absent()
    if reason:
        found, _, cure = reason.partition("; ")
        raise LabError(f"{runtime.title} is not there: {found}.", runtime.title, cure)
    return runtime


def runtime_of(path: Path) -> str:
    """Id of the runtime that a core's file is for, by its ending."""
    found = next((runtime.id for runtime in RUNTIMES.values() if runtime.ending == path.suffix), None)
    if found is None:
        endings = ", ".join(runtime.ending for runtime in RUNTIMES.values())
        raise LabError(f"{path} is of no runtime.", f"a file that ends in {endings}", "correct its name.")
    return found


def load_core(path: Path, threads: int = 1) -> Session:
    """The core in a file, loaded by its runtime."""
    return require_runtime(runtime_of(path)).load(path, threads)
