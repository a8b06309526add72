"""Shapes that a file leaves open are fixed, and what follows from them is worked out once."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.lab.errors import LabError
from helpers.models.onnx.library import package, refused

USUAL_SIDE = 640  # pixels: that of most detectors that are exported with open sides
DIMENSIONS, COLOURS = 4, 3
WEIGHTS_APART = 4  # IR version
# Operators that look at shapes: with fixed shapes they are constants.
OF_SHAPES = ("Shape", "Size", "ConstantOfShape")


def input_shape(
    path: Path, image: Any, noted: Mapping[str, Any], notes: list[str]
) -> tuple[tuple[int, ...], str]:
    """The input's shape for one photo, and its layout; what was open is said in ``notes``.

    Raises:
        LabError: it is no RGB image, or a batch of several.
    """
    stated = tuple(int(dim.dim_value) for dim in image.type.tensor_type.shape.dim)
    layout = "NHWC" if len(stated) == DIMENSIONS and stated[3] == COLOURS != stated[1] else "NCHW"
    channel = 3 if layout == "NHWC" else 1
    if len(stated) != DIMENSIONS or stated[channel] not in (0, COLOURS):
        raise LabError(
            f"{path} takes {image.name} {[n or 'open' for n in stated]}.",
            "one RGB image, [1, 3, height, width]",
            "name a detector of photos in colour.",
        )
    if stated[0] > 1:
        raise LabError(
            f"{path} takes {stated[0]} photos at once.", "one", "export it with a batch of 1 (batch=1)."
        )
    shape, side = list(stated), sides(noted)
    shape[0], shape[channel] = 1, COLOURS
    for place, noted_side in zip([n for n in (1, 2, 3) if n != channel], side, strict=True):
        shape[place] = shape[place] or noted_side
    if shape != list(stated):
        notes.append(told(path, stated, shape, channel, "imgsz" in noted))
    return tuple(shape), layout


def sides(noted: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width that the exporter has noted, or the usual ones."""
    size = noted.get("imgsz", USUAL_SIDE)
    pair = (size, size) if isinstance(size, int) else size
    plain = isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(n, int) for n in pair)
    return tuple(pair) if plain and min(pair) > 0 else (USUAL_SIDE, USUAL_SIDE)


def told(path: Path, stated: tuple[int, ...], shape: list[int], channel: int, noted: bool) -> str:
    open_places = [place for place in range(DIMENSIONS) if not stated[place]]
    whose = "the size that its exporter notes" if noted else "the usual size"
    sized = set(open_places) - {0, channel}
    chosen = f"; height and width are {whose}" if sized else ""
    return f"{path.name} leaves the shape of its input open; it is measured with {shape}{chosen}."


def fixed(path: Path, model: Any, shape: tuple[int, ...]) -> Any:
    """A copy for that input, with the shapes of all tensors noted as far as they can be told.

    Raises:
        LabError: the graph contradicts itself, or ONNX Runtime cannot use it.
    """
    copy = type(model)()
    copy.CopyFrom(model)
    if copy.functions:
        copy = package("onnx.inliner").inline_local_functions(copy)
    store_constants(copy)
    weights_alone(copy)
    for dim, length in zip(copy.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = length
    forget_shapes(copy)
    copy = inferred(path, copy)
    if any(node.op_type in OF_SHAPES for node in copy.graph.node) or is_open(copy):
        copy = folded(path, copy)
        forget_shapes(copy)
        copy = inferred(path, copy)
    return copy


def weights_alone(model: Any) -> None:
    """Weights are no inputs, as they had to be before IR version 4."""
    stored = {item.name for item in model.graph.initializer}
    for item in [item for item in model.graph.input if item.name in stored]:
        model.graph.input.remove(item)
    model.ir_version = max(model.ir_version, WEIGHTS_APART)


def store_constants(model: Any) -> None:
    """Tensors that nodes hold become initializers: weights lie in one place."""
    for node in [node for node in model.graph.node if node.op_type == "Constant"]:
        if node.attribute[0].name == "value":
            item = model.graph.initializer.add()
            item.CopyFrom(node.attribute[0].t)
            item.name = node.output[0]
            model.graph.node.remove(node)


def forget_shapes(model: Any) -> None:
    """Those of values and outputs, which may be for another batch."""
    del model.graph.value_info[:]
    for item in model.graph.output:
        for dim in item.type.tensor_type.shape.dim:
            dim.Clear()


def inferred(path: Path, model: Any) -> Any:
    try:
        return package("onnx").shape_inference.infer_shapes(model, check_type=True, data_prop=True)
    except Exception as error:  # onnx raises its own type, and others
        raise refused(path, error) from error


def is_open(model: Any) -> bool:
    return any(0 in shape for shape in output_shapes(model).values())


def output_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """By name; 0 where a length is not known."""
    return {item.name: lengths(item) for item in model.graph.output}


def lengths(item: Any) -> tuple[int, ...]:
    return tuple(int(dim.dim_value) for dim in item.type.tensor_type.shape.dim)


def folded(path: Path, model: Any) -> Any:
    """The graph after ONNX Runtime's basic simplifications: what is constant is worked out, nothing else."""
    runtime = package("onnxruntime")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(target)
        try:
            runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # several types, none of them public
            raise refused(path, error) from error
        copy = package("onnx").load(str(target))
    used = {node.domain for node in copy.graph.node}
    kept = [entry for entry in copy.opset_import if entry.domain in used | {""}]
    del copy.opset_import[:]
    copy.opset_import.extend(kept)
    return copy
