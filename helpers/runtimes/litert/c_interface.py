"""LiteRT's C interface with its profiler, through ctypes: Python's own interface does not offer it.

Signatures as in google-ai-edge/LiteRT, ``litert/c/*.h``, of the 2.x releases. A wrong one crashes the
process: only ``operator_times_probe`` uses this, in a process of its own.
"""

import ctypes
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from helpers.runtimes.litert.half import FORCE_FP16, asks_for_half

LIBRARIES = ("libLiteRt.so", "libLiteRt.dylib", "LiteRt.dll")
NO_PROFILER = "this ai-edge-litert has no libLiteRt with LiteRT's profiler"
CPU, WRITE, FIRST_SIGNATURE = 1, 1, 0
# kLiteRtElementType...: the dtypes of images.
ELEMENTS = {1: "float32", 3: "uint8", 9: "int8"}
_RANKED_TYPE_BYTES = 256
_DESTROY = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Pointer = ctypes.c_void_p


class ProfileEvent(ctypes.Structure):
    """``ProfiledEventData`` of ``litert/c/litert_profiler_event.h``; ``elapsed_us`` is a whole number."""

    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory", ctypes.c_int64 * 6),
        ("node", ctypes.c_uint64),
        ("metadata", ctypes.c_uint64),
        ("source", ctypes.c_int),
    )


class ProfiledModel:
    """A ``.tflite`` file loaded with the profiler on, its inputs filled with random numbers.

    Raises:
        OSError: there is no such library (or not one with a profiler); RuntimeError: LiteRT refuses.
    """

    def __init__(self, path: Path, threads: int = 1):
        self._library = ctypes.CDLL(str(find_library()))
        if not hasattr(self._library, "LiteRtGetProfilerEvents"):
            raise OSError(NO_PROFILER)
        self._kept: list[Any] = []
        self._environment = self._made("LiteRtCreateEnvironment", 0, None)
        self._model = self._made("LiteRtCreateModelFromFile", self._environment, str(path).encode())
        options = self._options(threads, FORCE_FP16 if asks_for_half(path) else None)
        self._compiled = self._made("LiteRtCreateCompiledModel", self._environment, self._model, options)
        self._signature = self._made("LiteRtGetModelSignature", self._model, ctypes.c_size_t(0))
        self._inputs, self._outputs = self._buffers("Input"), self._buffers("Output")
        self._profiler = self._made("LiteRtCompiledModelGetProfiler", self._compiled)

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise RuntimeError(f"{name} returned status {status}")

    def _made(self, name: str, *arguments: Any) -> _Pointer:
        """The object that a function hands out through its last argument."""
        made = _Pointer()
        self._call(name, *arguments, ctypes.byref(made))
        return made

    def _options(self, threads: int, flags: int | None) -> _Pointer:
        options = self._made("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, CPU)
        settings = {
            "runtime_options_string": "enable_profiling = true\n",
            "xnnpack": f"num_threads = {threads}\n" + (f"flags = {flags}\n" if flags else ""),
        }
        for identifier, text in settings.items():
            payload, destroy = ctypes.create_string_buffer(text.encode()), _DESTROY(lambda _: None)
            self._kept += [payload, destroy]
            opaque = self._made(
                "LiteRtCreateOpaqueOptions", identifier.encode(), ctypes.cast(payload, _Pointer), destroy
            )
            self._call("LiteRtAddOpaqueOptions", options, opaque)
        return options

    def _buffers(self, side: str) -> ctypes.Array:
        """One tensor buffer for each ``Input`` or ``Output`` of the first signature."""
        count = ctypes.c_size_t()
        self._call(f"LiteRtGetNumSignature{side}s", self._signature, ctypes.byref(count))
        return (_Pointer * count.value)(*(self._buffer(side, number) for number in range(count.value)))

    def _buffer(self, side: str, number: int) -> _Pointer:
        at, ranked = ctypes.c_size_t(number), ctypes.create_string_buffer(_RANKED_TYPE_BYTES)
        tensor = self._made(f"LiteRtGetSignature{side}TensorByIndex", self._signature, at)
        self._call("LiteRtGetRankedTensorType", tensor, ranked)
        get_needs = f"LiteRtGetCompiledModel{side}BufferRequirements"
        needs = self._made(get_needs, self._compiled, ctypes.c_size_t(FIRST_SIGNATURE), at)
        create = "LiteRtCreateManagedTensorBufferFromRequirements"
        buffer = self._made(create, self._environment, ranked, needs)
        if side == "Input":
            self._fill(buffer, ctypes.c_int.from_buffer(ranked).value)
        return buffer.value

    def _fill(self, buffer: _Pointer, element: int) -> None:
        """Random numbers (no kernel shall meet denormals): -1..1, or the whole range of an integer dtype."""
        if element not in ELEMENTS:
            raise RuntimeError(f"an input of LiteRT's element type {element}, which is none of {ELEMENTS}")
        size, dtype = ctypes.c_size_t(), np.dtype(ELEMENTS[element])
        self._call("LiteRtGetTensorBufferPackedSize", buffer, ctypes.byref(size))
        count, generator = size.value // dtype.itemsize, np.random.default_rng(0)
        if dtype.kind == "f":
            values = generator.uniform(-1, 1, count).astype(dtype)
        else:
            values = generator.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, count, dtype, endpoint=True)
        address = _Pointer()
        self._call("LiteRtLockTensorBuffer", buffer, ctypes.byref(address), WRITE)
        ctypes.memmove(address, values.tobytes(), values.nbytes)
        self._call("LiteRtUnlockTensorBuffer", buffer)

    def invoke(self) -> None:
        sides = [(ctypes.c_size_t(len(b)), b) for b in (self._inputs, self._outputs)]
        at = ctypes.c_size_t(FIRST_SIGNATURE)
        self._call("LiteRtRunCompiledModel", self._compiled, at, *sides[0], *sides[1])

    def profiled(self) -> Iterator[tuple[int, str, int, int]]:
        """Run once; yield ``(type, tag, node, elapsed_us)`` of every event in the order of the profiler."""
        self._call("LiteRtResetProfiler", self._profiler)
        self._call("LiteRtStartProfiler", self._profiler)
        self.invoke()
        self._call("LiteRtStopProfiler", self._profiler)
        count = ctypes.c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, ctypes.byref(count))
        events = (ProfileEvent * count.value)()
        self._call("LiteRtGetProfilerEvents", self._profiler, count, events)
        for event in events:
            yield event.type, event.tag.decode(errors="replace"), event.node, event.elapsed_us


def find_library() -> Path:
    """The shared library in the installed ai-edge-litert; raises ``OSError`` without one."""
    found = importlib.util.find_spec("ai_edge_litert")
    folders = [Path(folder) for folder in found.submodule_search_locations] if found else []
    paths = [folder / name for folder in folders for name in LIBRARIES if (folder / name).is_file()]
    if not paths:
        raise OSError(NO_PROFILER)
    return paths[0]
