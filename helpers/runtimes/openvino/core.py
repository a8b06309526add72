"""OpenVINO: the one place that runs its representation."""

from pathlib import Path
from typing import Any

import numpy as np

from helpers.lab.errors import LabError
from helpers.runtimes.ends import as_dtype, as_real
from helpers.runtimes.openvino.library import openvino
from helpers.runtimes.openvino.representation import MADE_ANEW, last_line, precision_of, read_ir


class OpenVINOCore:
    """A core, loaded on the CPU; see ``runtimes.contract.Session``.

    Args:
        path: an ``.xml`` of ``representation.write_ir``, its ``.bin`` beside it.
        threads: threads of an inference.
        timed: keep the time of every operator of the last inference, which costs some itself.
    """

    def __init__(self, path: Path, threads: int = 1, timed: bool = False):
        self.path = path
        self.compiled = compile_ir(read_ir(path), path, threads, timed)
        self.request = self.compiled.create_infer_request()
        given = self.compiled.input(0)
        self.input_shape = tuple(given.shape)
        self.input_dtype = np.dtype(given.element_type.to_dtype())
        self._image = np.zeros(self.input_shape, self.input_dtype)
        self.request.set_input_tensor(openvino().Tensor(self._image, shared_memory=True))
        self._places = {name_of(end): place for place, end in enumerate(self.compiled.outputs)}
        self.output_shapes = {name: tuple(self.compiled.output(n).shape) for name, n in self._places.items()}

    def set_input(self, image: np.ndarray) -> None:
        """``image``: array of ``input_shape``, of ``input_dtype`` or real numbers; not part of ``invoke``."""
        if image.shape != self.input_shape:
            raise ValueError(f"an image of shape {image.shape}, not {self.input_shape}")
        self._image[...] = as_dtype(image, self.input_dtype)

    def invoke(self) -> None:
        """Inference alone: what latency and energy are measured on."""
        self.request.infer(share_outputs=True)  # or it would copy every output

    def outputs(self) -> dict[str, np.ndarray]:
        """Copies of the outputs as real numbers, by name."""
        tensors = {name: self.request.get_output_tensor(place) for name, place in self._places.items()}
        return {name: as_real(tensor.data) for name, tensor in tensors.items()}

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        self.set_input(image)
        self.invoke()
        return self.outputs()


def compile_ir(model: Any, path: Path, threads: int, timed: bool = False) -> Any:
    """The ``openvino.CompiledModel`` for latency on the CPU; raises ``LabError`` where OpenVINO refuses."""
    if any(end.get_partial_shape().is_dynamic for end in (*model.inputs, *model.outputs)):
        raise LabError(f"{path} has ends of free shapes.", "whole numbers alone", MADE_ANEW)
    settings = {
        "INFERENCE_PRECISION_HINT": precision_of(model),
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # affinity is this project's, the same for all runtimes
        "PERF_COUNT": timed,
    }
    try:
        return openvino().Core().compile_model(model, "CPU", settings)
    except RuntimeError as error:
        found = f"{path} cannot be loaded by OpenVINO: {last_line(error)}"
        raise LabError(found, "a core that its CPU plugin takes", MADE_ANEW) from error


def name_of(end: Any) -> str:
    """Of an input or output: its tensor's name, the least of several."""
    return min(end.get_names())
