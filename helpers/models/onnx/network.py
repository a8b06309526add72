"""A detector as its ``.onnx`` file has it: read, checked, with all shapes fixed."""

import ast
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.lab.places import require_file
from helpers.models.onnx import checks, shapes_fixed
from helpers.models.onnx.library import package

RAW_MAP = 5  # dimensions: [1, anchors, height, width, columns]
MOST_KEPT = 4  # files; a run names each of its models many times
YOLOV5, YOLOV8 = "yolov5", "yolov8"


@dataclass(frozen=True)
class Network:
    """What is known of a file from the file itself.

    Attributes:
        path: where it is.
        model: the ``ModelProto``, weights and shapes included; not to be changed.
        image: name of its input, float32 of ``layout`` with a batch of one.
        size: height and width of the input, in pixels.
        layout: one of ``preprocessing.LAYOUTS``.
        outputs: shapes by name; 0 where a graph decides anew for each photo.
        names: of classes 1, 2, ..., as the exporter has noted them; empty if it has not.
        told: name of the design, where the exporter has noted it.
        notes: sentences on what was decided here.
    """

    path: Path
    model: Any
    image: str
    size: tuple[int, int]
    layout: str
    outputs: Mapping[str, tuple[int, ...]]
    names: tuple[str, ...]
    told: str
    notes: tuple[str, ...]


def read(path: Path) -> Network:
    """Read and check a file; reading it again is free as long as it stays the same.

    Raises:
        LabError: it is absent, damaged or no ONNX file; lacks weights that lie beside it; has operators, a
            version, inputs or a dtype that are not for us; or is no detector.
    """
    require_file(path, "an .onnx file")
    package("onnxruntime")
    return read_once(path, tuple(map(state, [path, *external_files(path)])))


def state(file: Path) -> tuple[str, int, int]:
    """What changes with the content of a file; zeros where it is absent."""
    found = file.stat() if file.is_file() else None
    return (str(file), found.st_size, found.st_mtime_ns) if found else (str(file), 0, 0)


@functools.lru_cache(MOST_KEPT)
def read_once(path: Path, _state: tuple) -> Network:
    model = checks.load(path)
    checks.require_usable(path, model)
    noted = metadata(model)
    checks.require_detector(path, model, noted)
    image, notes = checks.only_input(path, model), []
    shape, layout = shapes_fixed.input_shape(path, image, noted, notes)
    model = shapes_fixed.fixed(path, model, shape)
    outputs = without_raw_maps(path, shapes_fixed.output_shapes(model), notes)
    checks.require_heads(path, outputs)
    size = shape[2:] if layout == "NCHW" else shape[1:3]
    names = class_names(noted)
    return Network(path, model, image.name, size, layout, outputs, names, told_design(noted), tuple(notes))


def without_raw_maps(
    path: Path, outputs: dict[str, tuple[int, ...]], notes: list[str]
) -> dict[str, tuple[int, ...]]:
    """The outputs without the raw heads that older exporters of YOLOv5 give beside what they make of them."""
    kept = {name: shape for name, shape in outputs.items() if len(shape) != RAW_MAP}
    if not kept or len(kept) == len(outputs):
        return outputs
    notes.append(f"{path.name} gives raw heads beside its rows of boxes; the rows alone are used.")
    return kept


def external_files(path: Path) -> list[Path]:
    """The files beside it that hold its weights; none where it holds them itself, or cannot be read."""
    return [path.parent / place for place in external_once(path, state(path))]


@functools.lru_cache(MOST_KEPT)
def external_once(path: Path, _state: tuple) -> tuple[str, ...]:
    try:
        model = package("onnx").load(str(path), load_external_data=False)
    except Exception:  # ``read`` says what is wrong with it
        return ()
    return tuple(sorted(set(checks.external_places(model))))


def metadata(model: Any) -> dict[str, Any]:
    """What the exporter has noted, Python's literals as values."""
    return {entry.key: literal(entry.value) for entry in model.metadata_props}


def literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def class_names(noted: Mapping[str, Any]) -> tuple[str, ...]:
    """Of Ultralytics' ``names``: a list, or numbers from 0 with their names."""
    names = noted.get("names")
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        names = [names[number] for number in range(len(names))]
    return tuple(map(str, names)) if isinstance(names, list | tuple) else ()


def told_design(noted: Mapping[str, Any]) -> str:
    """By what Ultralytics' exporters note; empty where nothing is said.

    YOLOv5's notes stride and names alone, its successors' a description as well: ``Ultralytics YOLOv8n
    model trained on ...``. Both make RT-DETR too, which its shape tells.
    """
    about = str(noted.get("description", "")).lower()
    if "rtdetr" in about or "rt-detr" in about:
        return "rtdetr"
    if "description" in noted and "ultralytics" in f"{about} {noted.get('author', '')}".lower():
        return YOLOV8
    return YOLOV5 if {"stride", "names"} <= set(noted) and "description" not in noted else ""
