"""ONNX Runtime: the one place that runs a ``.onnx`` file."""

from pathlib import Path
from typing import Any

import numpy as np

from helpers.lab.errors import LabError
from helpers.runtimes.ends import as_dtype, as_real, numbered

PROVIDER = "CPUExecutionProvider"
MADE_ANEW = "delete the file and run 02_quantize.ipynb again."
ERRORS_ONLY = 3
# What ONNX Runtime calls the dtypes of tensors, where NumPy has another word.
DTYPES = {"float": "float32", "double": "float64"}


class OnnxCore:
    """A core, loaded on the CPU; see ``runtimes.contract.Session``.

    Args:
        path: a ``.onnx`` file with one image input of a fixed shape.
        threads: threads of an operator's kernel; operators follow one another.
        profile: where the times of operators go, the beginning of a file's name; None times none.
    """

    def __init__(self, path: Path, threads: int = 1, profile: Path | None = None):
        self.path = path
        self.session = open_session(path, threads, profile)
        (given,) = self.session.get_inputs()
        shape = numbered(given.shape)
        if shape is None:
            raise LabError(f"{path} takes images of a free shape {given.shape}.", "whole numbers", MADE_ANEW)
        self.input_shape, self.input_dtype = shape, dtype_of(given)
        self._image = np.zeros(shape, self.input_dtype)
        self._made = {name: np.zeros(*end) for name, end in self._ends(given.name).items()}
        self.output_shapes = {name: array.shape for name, array in self._made.items()}
        self._binding = self._bound(given.name)

    def _ends(self, given: str) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Shape and dtype of every output, by name; one inference tells shapes that the file leaves open."""
        ends = self.session.get_outputs()
        shapes = {end.name: numbered(end.shape) for end in ends}
        if None in shapes.values():
            names = list(shapes)
            shapes = {
                name: np.shape(made)
                for name, made in zip(names, self.session.run(names, {given: self._image}), strict=True)
            }
        return {end.name: (shapes[end.name], dtype_of(end)) for end in ends}

    def _bound(self, given: str) -> Any:
        """Ends on arrays that are there already: an inference copies nothing in or out."""
        from onnxruntime import OrtValue

        binding = self.session.io_binding()
        binding.bind_ortvalue_input(given, OrtValue.ortvalue_from_numpy(self._image))
        for name, array in self._made.items():
            binding.bind_ortvalue_output(name, OrtValue.ortvalue_from_numpy(array))
        return binding

    def set_input(self, image: np.ndarray) -> None:
        """``image``: array of ``input_shape``, of ``input_dtype`` or real numbers; not part of ``invoke``."""
        if image.shape != self.input_shape:
            raise ValueError(f"an image of shape {image.shape}, not {self.input_shape}")
        self._image[...] = as_dtype(image, self.input_dtype)

    def invoke(self) -> None:
        """Inference alone: what latency and energy are measured on."""
        self.session.run_with_iobinding(self._binding)

    def outputs(self) -> dict[str, np.ndarray]:
        """Copies of the outputs as real numbers, by name."""
        return {name: as_real(array) for name, array in self._made.items()}

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        self.set_input(image)
        self.invoke()
        return self.outputs()


def open_session(
    path: Path,
    threads: int,
    profile: Path | None = None,
    optimized: Path | None = None,
    layouts: bool = True,
) -> Any:
    """The ``onnxruntime.InferenceSession``.

    Args:
        profile: beginning of the name of a file for the times of operators.
        optimized: a file for the graph that is run instead of that of ``path``.
        layouts: whether weights may be laid out for this processor, which pads them.

    Raises:
        LabError: the file is absent, or ONNX Runtime refuses it.
    """
    if not path.is_file():
        raise LabError(f"{path} does not exist.", "the file of a variant", "run 02_quantize.ipynb.")
    chosen = options(threads, profile)
    if not layouts:
        chosen.graph_optimization_level = onnxruntime().GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    if optimized:
        chosen.optimized_model_filepath = str(optimized)
    try:
        return onnxruntime().InferenceSession(str(path), chosen, providers=[PROVIDER])
    except Exception as error:  # its exceptions share no class but this one
        found = f"{path} cannot be loaded by ONNX Runtime: {' '.join(str(error).split())}"
        raise LabError(found, "a whole .onnx file", MADE_ANEW) from error


def onnxruntime() -> Any:
    """The library, which sends nothing."""
    import onnxruntime as library

    library.disable_telemetry_events()
    return library


def options(threads: int, profile: Path | None = None) -> Any:
    """``onnxruntime.SessionOptions`` for latency: one operator after the other."""
    library = onnxruntime()
    chosen = library.SessionOptions()
    chosen.intra_op_num_threads, chosen.inter_op_num_threads = threads, 1
    chosen.execution_mode = library.ExecutionMode.ORT_SEQUENTIAL
    chosen.graph_optimization_level = library.GraphOptimizationLevel.ORT_ENABLE_ALL
    chosen.log_severity_level = ERRORS_ONLY
    # Threads that wait busily would take time and energy from what is measured next.
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if profile:
        chosen.enable_profiling, chosen.profile_file_prefix = True, str(profile)
    return chosen


def dtype_of(end: Any) -> np.dtype:
    """Of an input or output, whose type is ``tensor(float)`` or the like."""
    name = end.type.removeprefix("tensor(").removesuffix(")")
    return np.dtype(DTYPES.get(name, name))
