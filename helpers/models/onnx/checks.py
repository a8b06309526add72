"""Whether an ``.onnx`` file can be used at all; each fault is one error that names its cure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.lab.errors import LabError
from helpers.models.onnx.library import package

DAMAGED = "give the path of a whole .onnx file, exported or downloaded anew if it is damaged."
FLOAT32 = "export the detector in float32 (for Ultralytics' exporters: half=False, int8=False)."
# Domains of ONNX's own operators. Those of runtimes have no shapes that can be followed.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "DynamicQuantizeLinear")
TASKS = ("detect", "detection")
TWO_DIMENSIONS = 2
FEATURE_MAP = 4  # dimensions


def load(path: Path) -> Any:
    """The ``ModelProto`` with all of its weights.

    Raises:
        LabError: the file is no ONNX, or weights that lie beside it are absent.
    """
    onnx = package("onnx")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's own types, which differ from version to version
        raise LabError(f"{path} cannot be read: {error}.", "an ONNX model", DAMAGED) from error
    if not model.graph.node or not model.graph.output:
        raise LabError(f"{path} holds no graph.", "an ONNX model", DAMAGED)
    absent = [place for place in external_places(model) if not (path.parent / place).is_file()]
    if absent:
        raise LabError(
            f"{path} keeps weights in other files, and {', '.join(sorted(set(absent)))} is not there.",
            "its weights beside it, as they were exported",
            f"put {sorted(set(absent))[0]} into {path.parent}, or export the model into one file.",
        )
    try:
        package("onnx.external_data_helper").load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # as above
        raise LabError(f"the weights of {path} cannot be read: {error}.", "an ONNX model", DAMAGED) from error
    return model


def external_places(model: Any) -> list[str]:
    """Names of the files, relative to the model's folder, in which weights lie."""
    external = package("onnx").TensorProto.EXTERNAL
    stored = [item for item in model.graph.initializer if item.data_location == external]
    return [entry.value for item in stored for entry in item.external_data if entry.key == "location"]


def require_usable(path: Path, model: Any) -> None:
    """Raise for versions and operators that are not known here, and for what is quantized already."""
    onnx = package("onnx")
    newest = onnx.defs.onnx_opset_version()
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    opset = max(opsets.get("", 0), opsets.get("ai.onnx", 0))
    if model.ir_version > onnx.IR_VERSION or opset > newest:
        raise LabError(
            f"{path} is of IR version {model.ir_version} and opset {opset}.",
            f"at most {onnx.IR_VERSION} and {newest}, which the onnx package here knows",
            "export it with an older opset (opset=17 will do).",
        )
    functions = {(item.domain, item.name) for item in model.functions}
    foreign = sorted(
        {
            f"{node.domain}.{node.op_type}"
            for node in model.graph.node
            if node.domain not in DOMAINS and (node.domain, node.op_type) not in functions
        }
    )
    if foreign:
        raise LabError(
            f"{path} needs operators of its own: {', '.join(foreign)}.",
            "standard operators of ONNX",
            "export the detector without plug-ins and optimizations for one runtime, such as TensorRT.",
        )
    require_float(path, model)


def require_float(path: Path, model: Any) -> None:
    quantized = sorted({node.op_type for node in model.graph.node} & set(QUANTIZED))
    if quantized:
        raise LabError(f"{path} is quantized already ({', '.join(quantized)}).", "float32 weights", FLOAT32)
    half = package("onnx").TensorProto.FLOAT16
    if any(item.data_type == half for item in model.graph.initializer):
        raise LabError(f"{path} holds float16 weights.", "float32 weights", FLOAT32)


def only_input(path: Path, model: Any) -> Any:
    """The input that is no weight, a ``ValueInfoProto`` of four dimensions."""
    stored = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in stored]
    if len(inputs) != 1:
        names = ", ".join(item.name for item in inputs) or "none"
        raise LabError(
            f"{path} has {len(inputs)} inputs ({names}).",
            "one, the image",
            "export the network alone, without the size of the photo or thresholds as inputs.",
        )
    kind = inputs[0].type.tensor_type
    if kind.elem_type != package("onnx").TensorProto.FLOAT:
        dtype = package("onnx").TensorProto.DataType.Name(kind.elem_type).lower()
        raise LabError(f"{path} takes {dtype}.", "an image in float32", FLOAT32)
    return inputs[0]


def require_detector(path: Path, model: Any, noted: Mapping[str, Any]) -> None:
    """Raise for what the exporter has noted as another task, and for a classifier by its output."""
    task = str(noted.get("task", TASKS[0])).lower()
    if task not in TASKS:
        raise LabError(
            f"{path} was exported for the task {task!r}.", "a detector", "name a model for detection."
        )
    outputs = model.graph.output
    if len(outputs) == 1 and len(outputs[0].type.tensor_type.shape.dim) == TWO_DIMENSIONS:
        last = outputs[0].type.tensor_type.shape.dim[1].dim_value
        first = outputs[0].type.tensor_type.shape.dim[0].dim_value
        if first == 1 and last:
            raise LabError(
                f"{path} gives {outputs[0].name} [1, {last}]: it classifies whole photos.",
                "a detector, which gives boxes and scores",
                "name a model for detection.",
            )


def require_heads(path: Path, outputs: Mapping[str, tuple[int, ...]]) -> None:
    """Raise for feature maps as outputs: what they mean is in no file."""
    if any(len(shape) >= FEATURE_MAP for shape in outputs.values()):
        given = ", ".join(f"{name} {list(shape)}" for name, shape in outputs.items())
        raise LabError(
            f"{path} gives feature maps: {given}.",
            "one row of numbers per candidate: a box and its scores",
            "export it with its detection head whole, for the task of detection alone.",
        )
