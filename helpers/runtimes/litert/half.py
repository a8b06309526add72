"""Float16 arithmetic: a file that asks for it, and what runs such a file.

A ``.tflite`` file cannot say what its floats are multiplied in: XNNPACK takes float32, unless its flag
``FORCE_FP16`` is set. So a name in the file's metadata asks for it, and whoever loads the file sets the flag.
LiteRT's ``Interpreter`` has no place for it; its ``CompiledModel`` has one.
"""

import functools
import mmap
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from flatbuffers import encode, packer
from flatbuffers.table import Table

from helpers.runtimes.litert.metadata import place, tables

ASKS_FOR_HALF = "quantlab.float16_arithmetic"
# TFLITE_XNNPACK_DELEGATE_FLAG_FORCE_FP16 of tflite/delegates/xnnpack/xnnpack_delegate.h.
FORCE_FP16 = 4
# Places of fields in their tables, of tflite/schema/schema.fbs.
METADATA, NAME = 6, 0
SIGNATURE = 0
NO_SIGNATURE = "float16 arithmetic needs a file with a signature, float32 in and out"


def asks_for_half(path: Path) -> bool:
    """Whether a file is to be computed in float16; of the file only a few pages are read."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            root = Table(content, encode.Get(packer.uoffset, content, 0))
            return any(name_of(entry) == ASKS_FOR_HALF for entry in tables(root, METADATA))
    except (OSError, ValueError, IndexError, TypeError, OverflowError, struct.error):
        return False  # no ``.tflite`` file, which its runtime tells better


def name_of(entry: Table) -> str:
    at = place(entry, NAME)
    return bytes(entry.String(at)).decode(errors="replace") if at else ""


@functools.cache
def environment() -> Any:
    """LiteRT's, one for all files: LiteRT prints when one ends, which is then at the end of the process."""
    from ai_edge_litert.environment import Environment

    return Environment.create()


class HalfInterpreter:
    """What ``core.Core`` needs of LiteRT's ``Interpreter``, by a ``CompiledModel`` with float16 arithmetic.

    Raises:
        ValueError, RuntimeError: LiteRT refuses the file, or it has no signature with floats at both ends.
    """

    def __init__(self, model_path: str, num_threads: int):
        # Only where it is needed: its library would count as memory of every other form.
        from ai_edge_litert.compiled_model import CompiledModel
        from ai_edge_litert.hardware_accelerator import HardwareAccelerator
        from ai_edge_litert.options import CpuOptions, Options

        cpu = CpuOptions(num_threads=num_threads, xnnpack_flags=FORCE_FP16)
        options = Options(hardware_accelerators=HardwareAccelerator.CPU, cpu_options=cpu)
        self._model = CompiledModel.from_file(model_path, options=options, environment=environment())
        if not self._model.get_num_signatures():
            raise ValueError(NO_SIGNATURE)
        ends = self._model.get_signature_by_index(SIGNATURE)
        known = self._model.get_input_tensor_details(ends["key"])
        self._given = details_of(ends["inputs"], known)
        known = self._model.get_output_tensor_details(ends["key"])
        self._made = details_of(ends["outputs"], known)
        self._inputs = self._model.create_input_buffers(SIGNATURE)
        self._outputs = self._model.create_output_buffers(SIGNATURE)
        # The first use of a buffer prints what LiteRT finds: here, where whoever loads keeps that away.
        for end in self._given:
            self.set_tensor(end["index"], np.zeros(end["shape"], np.float32))

    def allocate_tensors(self) -> None:
        """Done at loading."""

    def get_signature_list(self) -> dict:
        """None: the details have the names of the signature already."""
        return {}

    def get_input_details(self) -> list[dict[str, Any]]:
        return self._given

    def get_output_details(self) -> list[dict[str, Any]]:
        return self._made

    def set_tensor(self, index: int, values: np.ndarray) -> None:
        self._inputs[index].write(np.asarray(values, np.float32))

    def invoke(self) -> None:
        self._model.run_by_index(SIGNATURE, self._inputs, self._outputs)

    def get_tensor(self, index: int) -> np.ndarray:
        shape = self._made[index]["shape"]
        return self._outputs[index].read(int(np.prod(shape)), np.float32).reshape(shape)


def details_of(names: Sequence[str], named: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Inputs or outputs in the signature's order, as ``Interpreter`` tells them."""
    if any(detail["dtype"] != "float32" for detail in named.values()):
        raise ValueError(NO_SIGNATURE)
    return [
        {
            "name": name, "index": place, "shape": np.array(named[name]["shape"]),
            "dtype": np.float32, "quantization": (0.0, 0),
        }
        for place, name in enumerate(names)
    ]  # fmt: skip
