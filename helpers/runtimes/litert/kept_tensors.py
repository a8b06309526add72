"""Run a ``.tflite`` file and keep every tensor on the way."""

import warnings
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from helpers.lab.quietly import stderr_muted
from helpers.runtimes.litert.graph import LEVELS
from helpers.runtimes.litert.grid import Grid, grid_of
from helpers.runtimes.litert.half import asks_for_half


class Running:
    """A loaded file whose tensors can all be read after it ran. The kernels are those of ``core.Core``.

    Args:
        source: path of a file, or its content.

    Raises:
        ValueError, RuntimeError: LiteRT refuses the file.
    """

    def __init__(self, source: Path | bytes, threads: int = 2):
        if isinstance(source, Path) and asks_for_half(source):
            raise ValueError("LiteRT cannot keep the tensors on the way of float16 arithmetic")
        where = {"model_content": source} if isinstance(source, bytes) else {"model_path": str(source)}
        with warnings.catch_warnings(), stderr_muted():
            warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
            self._interpreter = Interpreter(
                **where, num_threads=threads, experimental_preserve_all_tensors=True
            )
            self._interpreter.allocate_tensors()
        self._details = {detail["index"]: detail for detail in self._interpreter.get_tensor_details()}
        self.inputs = [detail["index"] for detail in self._interpreter.get_input_details()]

    def grid(self, index: int) -> Grid | None:
        """What the tensor can hold; None for floats, and for tensors with a scale per channel."""
        detail = self._details[index]
        quantization, dtype = detail["quantization_parameters"], np.dtype(detail["dtype"]).name
        if dtype not in LEVELS or len(quantization["scales"]) != 1:
            return None
        return grid_of(dtype, float(quantization["scales"][0]), int(quantization["zero_points"][0]))

    def set(self, index: int, values: np.ndarray) -> None:
        """Fill an input with float32 ``values``, rounded to its grid where it has one."""
        grid, dtype = self.grid(index), self._details[index]["dtype"]
        levels = values if grid is None else grid.to_levels(values)
        self._interpreter.set_tensor(index, np.asarray(levels, dtype))

    def invoke(self) -> None:
        self._interpreter.invoke()

    def stored(self, index: int) -> np.ndarray:
        """A copy of the tensor as it is stored."""
        return self._interpreter.get_tensor(index)

    def values(self, index: int) -> np.ndarray:
        """The tensor as float32."""
        grid, stored = self.grid(index), self.stored(index)
        return stored.astype(np.float32, copy=False) if grid is None else grid.to_values(stored)
