"""What recipes ask of ONNX Runtime's quantizer: float32 ``.onnx`` in, quantized ``.onnx`` out."""

import contextlib
import copy
import io
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.files import write_bytes
from helpers.lab.quietly import stderr_muted
from helpers.runtimes.onnxruntime.graph import CONVOLUTIONS, OnnxGraph, read_onnx

# The first in which weights have a scale for every output channel.
LEAST_OPSET = 13
FLOAT, HALF = np.float32, np.float16


@dataclass
class Photos:
    """What ONNX Runtime's calibrators read: one photo after the other, so that few tensors are held at once.

    Attributes:
        name: of the core's input; ``photos``: core inputs.
    """

    name: str
    photos: Sequence[np.ndarray]
    place: int = 0
    end: int = 0

    def __len__(self) -> int:
        return len(self.photos)

    def set_range(self, start_index: int, end_index: int) -> None:
        self.place, self.end = start_index, end_index

    def get_next(self) -> dict[str, np.ndarray] | None:
        if self.place >= self.end:
            return None
        self.place += 1
        return {self.name: self.photos[self.place - 1]}


def prepared(float_file: Path) -> Any:
    """The ``onnx.ModelProto``, its constants folded and fused, its shapes inferred, its nodes named.

    Raises:
        LabError: the file is damaged, or its operators are too old to be quantized.
    """
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with TemporaryDirectory() as folder, chatter_dropped():
        given, made = Path(folder) / "given.onnx", Path(folder) / "prepared.onnx"
        given.write_bytes(with_least_opset(float_file).SerializeToString())
        quant_pre_process(str(given), str(made), skip_symbolic_shape=True)
        model = read_onnx(made)
    for place, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{place}"
    return model


def with_least_opset(float_file: Path) -> Any:
    from onnx import version_converter

    model = read_onnx(float_file)
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if version >= LEAST_OPSET:
        return model
    try:
        return version_converter.convert_version(model, LEAST_OPSET)
    except RuntimeError as error:
        said = " ".join(str(error).split())
        raise LabError(
            f"{float_file.name} is of opset {version}, and cannot be converted: {said}",
            f"opset {LEAST_OPSET} or newer",
            "export the model again with a newer opset.",
        ) from error


def nodes_named(model: Any, expressions: Sequence[str]) -> list[str]:
    """Names of the nodes one of whose outputs' names matches one of the regular expressions."""
    wanted = [re.compile(expression) for expression in expressions]
    return [
        node.name
        for node in model.graph.node
        if any(expression.search(name) for name in node.output for expression in wanted)
    ]


def quantized_static(
    model: Any,
    photos: Sequence[np.ndarray],
    kept: Sequence[str],
    method: str,
    types: Sequence[str],
    reduced: bool,
) -> bytes:
    """8-bit weights, one scale per channel, and 8-bit activations.

    Args:
        kept: nodes that stay float.
        method: of ``onnxruntime.quantization.CalibrationMethod``.
        types: of ``QuantType``: of activations and of weights.
        reduced: 7 bits for weights.
    """
    from onnxruntime import quantization as library

    activations, weights = (library.QuantType[name] for name in types)
    return written(
        library.quantize_static,
        model,
        calibration_data_reader=Photos(model.graph.input[0].name, photos),
        op_types_to_quantize=operator_types(),
        per_channel=True,
        reduce_range=reduced,
        activation_type=activations,
        weight_type=weights,
        nodes_to_exclude=list(kept),
        calibrate_method=library.CalibrationMethod[method],
        extra_options={"CalibStridedMinMax": 1},  # whatever the method: one photo at a time
    )


def operator_types() -> list[str]:
    """All that the quantizer knows, always in the same order."""
    from onnxruntime.quantization import registry

    return sorted({*registry.QLinearOpsRegistry, *registry.QDQRegistry})


def quantized_dynamic(model: Any, kept: Sequence[str]) -> bytes:
    """8-bit weights, one scale per channel; activations are quantized on the fly.

    ONNX Runtime gives all weights of a layer one scale, which leaves YOLOX-nano 0.3 of 23.6 AP. So every
    channel is made as large as the others before, and the scales as different after.

    Weights are unsigned: of signed ones ONNX Runtime 1.32 takes four times as long (YOLOX-nano, AMD Zen 4: 77
    ms against 21).
    """
    import onnx
    from onnxruntime import quantization as library

    even = copy.deepcopy(model)
    sizes = even_channels(even)
    unsigned = library.QuantType.QUInt8
    content = written(library.quantize_dynamic, even, weight_type=unsigned, nodes_to_exclude=list(kept))
    made = onnx.load_model_from_string(content)
    restore_channels(made, sizes)
    return made.SerializeToString(deterministic=True)


def even_channels(model: Any) -> dict[str, np.ndarray]:
    """Divide the weights of convolutions and products by the largest of their output channel.

    Returns:
        Constant -> what each of its channels was divided by: ``[out, 1, 1]`` of a convolution, ``[out]`` of
        a product, as it is to be multiplied with the result.
    """
    from onnx import numpy_helper

    sizes = {}
    for name, tensor in dynamic_weights(model).items():
        weights = numpy_helper.to_array(tensor)
        axes = tuple(range(1, weights.ndim)) if weights.ndim > 2 else (0,)
        largest = np.abs(weights).max(axis=axes, keepdims=True)
        largest = np.where(largest > 0, largest, 1).astype(weights.dtype)
        tensor.CopyFrom(numpy_helper.from_array(weights / largest, name))
        sizes[name] = largest[..., 0] if weights.ndim > 2 else largest[0]
    return sizes


def dynamic_weights(model: Any) -> dict[str, Any]:
    """Constants that are the weights of convolutions and products alone."""
    graph = OnnxGraph(model)
    read = Counter(name for node in graph.nodes for name in node.input)
    used = Counter(
        weights.name
        for node, weights in graph.convolutions()
        if node.op_type in ("Conv", "MatMul") and weights.name == node.input[1]
    )
    return {name: graph.constants[name] for name, count in used.items() if count == read[name]}


def restore_channels(model: Any, sizes: Mapping[str, np.ndarray]) -> None:
    """Multiply the scales of weights by what ``even_channels`` gave; of what stayed float the weights."""
    from onnx import numpy_helper

    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for name, size in sizes.items():
        scale, weights = stored.get(f"{name}_scale"), stored.get(name)
        if scale is not None:
            values = numpy_helper.to_array(scale) * size
            scale.CopyFrom(numpy_helper.from_array(values.astype(FLOAT), scale.name))
        if weights is not None:
            size = size[..., None] if weights.dims[2:] else size
            values = numpy_helper.to_array(weights) * size
            weights.CopyFrom(numpy_helper.from_array(values, name))


def written(quantize: Any, model: Any, **settings: Any) -> bytes:
    """What a function of ONNX Runtime's quantizer writes."""
    with TemporaryDirectory() as folder, chatter_dropped():
        given, made = Path(folder) / "given.onnx", Path(folder) / "made.onnx"
        given.write_bytes(model.SerializeToString())  # of a model it would move the weights out
        quantize(str(given), str(made), **settings)
        return made.read_bytes()


@contextlib.contextmanager
def chatter_dropped() -> Iterator[None]:
    """Drop the quantizer's advice, and what sessions of its own say of the graph."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with stderr_muted(), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def half_stored(float_file: Path, output: Path) -> None:
    """Write the core with the weights of its convolutions and products as float16, each cast to float32.

    Weights beyond float16's range stay as they are.
    """
    model = read_onnx(float_file)
    constants_as_initializers(model)
    graph = OnnxGraph(model)
    weights = dict.fromkeys(w.name for _, w in graph.convolutions() if w.dtype == "float32")
    halved = [name for name in weights if store_half(graph.constants[name])]
    casts = {name: cast_of(name) for name in halved}
    for node in model.graph.node:
        place = CONVOLUTIONS.get(node.op_type)
        if place is not None and node.input[place] in casts:
            node.input[place] = casts[node.input[place]].output[0]
    for cast in reversed(casts.values()):
        model.graph.node.insert(0, cast)
    write_bytes(output, model.SerializeToString(deterministic=True))


def constants_as_initializers(model: Any) -> None:
    """Weights that a ``Constant`` node holds stand among the others."""
    for node in [node for node in model.graph.node if node.op_type == "Constant"]:
        for value in [item.t for item in node.attribute if item.name == "value"]:
            value.name = node.output[0]
            model.graph.initializer.append(value)
            model.graph.node.remove(node)


def store_half(tensor: Any) -> bool:
    """Store a constant in 16 bits; False for one with values beyond them, which is left."""
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    if np.abs(values).max(initial=0) > np.finfo(HALF).max:
        return False
    tensor.CopyFrom(numpy_helper.from_array(values.astype(HALF), tensor.name))
    return True


def cast_of(name: str) -> Any:
    from onnx import TensorProto, helper

    return helper.make_node("Cast", [name], [f"{name}_float32"], f"{name}_widened", to=TensorProto.FLOAT)
