"""LiteRT: the one place that runs a ``.tflite`` file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from helpers.lab.errors import LabError
from helpers.lab.quietly import stderr_muted
from helpers.runtimes.litert.grid import Grid, grid_of
from helpers.runtimes.litert.half import HalfInterpreter, asks_for_half


class Core:
    """One variant's core, loaded: normalized image in, raw heads out; real numbers, whatever it stores.

    Not thread-safe: one ``Core`` per thread. ``invoke`` releases the GIL.

    Args:
        path: a ``.tflite`` file with one image input.
        threads: threads of the runtime's kernels (XNNPACK).
        half: False computes a file in float32 that asks for float16 arithmetic (``half``).
    """

    def __init__(self, path: Path, threads: int = 1, half: bool = True):
        if not path.is_file():
            raise LabError(f"{path} does not exist.", "the file of a variant", "run 02_quantize.ipynb.")
        try:
            with stderr_muted():
                kind = HalfInterpreter if half and asks_for_half(path) else Interpreter
                self._interpreter = kind(model_path=str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise LabError(
                f"{path} cannot be loaded by LiteRT: {error}",
                "a whole .tflite file",
                "delete the file and run 02_quantize.ipynb again.",
            ) from error
        self.path = path
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = self._named_outputs()
        details = {detail["index"]: detail for detail in self._interpreter.get_output_details()}
        self._to_input = grid_at(self._input)
        self._from_output = {name: grid_at(details[index]) for name, index in self._outputs.items()}

    def _named_outputs(self) -> dict[str, int]:
        """Tensor index of each output, by its name in the signature (or in the graph, without one)."""
        if not self._interpreter.get_signature_list():
            return {d["name"]: d["index"] for d in self._interpreter.get_output_details()}
        runner = self._interpreter.get_signature_runner()
        return {name: detail["index"] for name, detail in runner.get_output_details().items()}

    @property
    def input_shape(self) -> tuple[int, ...]:
        """``(1, H, W, 3)``."""
        return tuple(int(n) for n in self._input["shape"])

    @property
    def output_shapes(self) -> dict[str, tuple[int, ...]]:
        """By name, as the file states them."""
        details = {detail["index"]: detail for detail in self._interpreter.get_output_details()}
        return {name: tuple(map(int, details[index]["shape"])) for name, index in self._outputs.items()}

    @property
    def input_dtype(self) -> np.dtype:
        return np.dtype(self._input["dtype"])

    def set_input(self, image: np.ndarray) -> None:
        """``image``: array of ``input_shape``, of ``input_dtype`` or real numbers; not part of ``invoke``."""
        if self._to_input and image.dtype.kind == "f":
            image = self._to_input.to_levels(image).astype(self.input_dtype)
        self._interpreter.set_tensor(self._input["index"], image)

    def invoke(self) -> None:
        """Inference alone: what latency and energy are measured on."""
        self._interpreter.invoke()

    def outputs(self) -> dict[str, np.ndarray]:
        """Copies of the output tensors as real numbers, by name."""
        found = {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}
        grids = self._from_output
        return {name: grids[name].to_values(value) if grids[name] else value for name, value in found.items()}

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        self.set_input(image)
        self.invoke()
        return self.outputs()


def grid_at(end: Mapping[str, Any]) -> Grid | None:
    """Of an input or output, from LiteRT's details of it; None for one that holds no integers."""
    dtype, (scale, zero_point) = np.dtype(end["dtype"]), end["quantization"]
    if dtype.kind not in "iu":
        return None
    return grid_of(dtype.name, float(scale), int(zero_point)) if scale else grid_of(dtype.name)
