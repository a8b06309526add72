"""What a ``.tflite`` detector is: its image, its outputs by what they mean, and what it keeps of a photo."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from helpers.lab.errors import LabError
from helpers.models.designs.shapes import readings
from helpers.runtimes.litert.core import Core
from helpers.runtimes.litert.graph import Graph, Operator, Tensor
from helpers.runtimes.litert.grid import Grid
from helpers.runtimes.litert.metadata import Normalization, read_normalization
from helpers.runtimes.litert.postprocess import NAME, ROLES, PostProcess, read_options
from helpers.runtimes.litert.reader import read_graph

PIXELS = ("uint8", "int8", "float32")
WHOLE = ("uint8", "int8")
# LiteRT's convention: a pixel is the byte itself, of which int8 holds 128 less.
PIXEL_OFFSETS = {"uint8": 0, "int8": -128}
CHANNELS = 3
COORDINATES = 4
CURE = "give the path of a .tflite file, exported or downloaded anew if it is damaged."
SCORE_WORDS, BOX_WORDS = ("score", "class", "conf", "prob", "logit", "cls"), ("box", "loc", "reg", "coord")
# What lies between the operator that makes scores and the output without changing what they mean: it moves
# values, cuts some away or changes their dtype. A product of scores, of objectness and class, is one, too.
PASSED = (
    "QUANTIZE", "DEQUANTIZE", "CAST", "RESHAPE", "CONCATENATION", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE",
    "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V", "PACK", "UNPACK", "GATHER", "GATHER_ND", "REVERSE_V2",
    "TILE", "BROADCAST_TO", "MUL",
)  # fmt: skip
FINISHED = ("LOGISTIC", "SOFTMAX")
# Inputs that hold values, not places, axes or sizes; the first alone where it is not said.
ALL_VALUES = ("CONCATENATION", "PACK", "MUL")
VALUES_AT = {"SPLIT": 1}


@dataclass(frozen=True)
class Described:
    """What is known of a file from the file itself.

    Attributes:
        image: its input, ``[1, height, width, 3]``.
        outputs: all of them, in the file's order.
        names: output names by role: ``boxes``, ``classes``, ``scores`` and ``count`` with the operator,
            ``boxes`` and ``scores`` without.
        postprocess: options of ``TFLite_Detection_PostProcess``; None for a file without.
        candidates, columns: without it, boxes per photo and columns of ``scores``; else 0.
        finished: without it, whether scores come out of a sigmoid or softmax in the file.
        normalization: of the input, as the metadata have it; None where they do not say.
        designed: whether the outputs are those of one of ``designs.catalogue``, not an SSD's.
    """

    image: Tensor
    outputs: tuple[Tensor, ...]
    names: Mapping[str, str]
    postprocess: PostProcess | None
    candidates: int = 0
    columns: int = 0
    finished: bool = False
    normalization: Normalization | None = None
    designed: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the input, in pixels."""
        return self.image.shape[1], self.image.shape[2]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the outputs, by name."""
        return {item.given_name: item.shape for item in self.outputs}


def describe(path: Path) -> Described:
    """Read what a file takes and gives.

    Raises:
        LabError: it is absent, damaged or no ``.tflite``; it has several inputs, an input that is no image or
            whose size is open, operators that are not known here, or outputs that are no detector's.
    """
    graph = read_graph(path, CURE)
    require_one_signature(path, graph)
    require_known(path, graph)
    image, normalization = require_image(path, graph), read_normalization(graph.metadata)
    last = [item for item in graph.operators if item.type == NAME]
    if last:
        names = names_by_role(path, graph, last[-1].outputs)
        options = read_options(last[-1].options)
        return Described(image, graph.outputs, names, options, normalization=normalization)
    graph = settled(path, graph)
    plain = Described(image, graph.outputs, {}, None, normalization=normalization, designed=True)
    if is_designed(plain):
        return plain
    boxes, scores = require_heads(path, graph)
    names = {"boxes": boxes.given_name, "scores": scores.given_name}
    told = *scores.shape[1:], is_finished(graph, scores), normalization
    return Described(image, graph.outputs, names, None, *told)


def is_designed(facts: Described) -> bool:
    """Whether the outputs are those of a known design, not box encodings and scores apart, as an SSD's."""
    found = readings(facts.shapes, facts.size, 0)
    return any(reading.kind != "queries" or len(reading.outputs) == 1 for reading in found)


def require_one_signature(path: Path, graph: Graph) -> None:
    if len(graph.signatures) > 1 or any(place for _, place in graph.signatures):
        keys = ", ".join(key for key, _ in graph.signatures)
        raise LabError(
            f"{path} has several signatures ({keys}).", "one", "export the detection function alone."
        )


def require_known(path: Path, graph: Graph) -> None:
    unknown = sorted({item.type for item in graph.operators if item.custom and item.type != NAME})
    if unknown:
        raise LabError(
            f"{path} needs custom operators: {', '.join(unknown)}.",
            f"LiteRT's built-in operators, and {NAME}",
            "export the detector without them, for example without SELECT_TF_OPS.",
        )


def require_image(path: Path, graph: Graph) -> Tensor:
    if len(graph.inputs) != 1:
        names = ", ".join(item.given_name for item in graph.inputs)
        raise LabError(
            f"{path} has {len(graph.inputs)} inputs ({names}).", "one, the image", "export one input alone."
        )
    image = graph.inputs[0]
    # An open batch is 1 unless somebody asks for another.
    if set(image.free) - {0}:
        raise LabError(
            f"{path} leaves the size of its input open (places {image.free} of {image.shape}).",
            "a fixed height and width",
            "export it with a fixed input shape, [1, height, width, 3].",
        )
    if len(image.shape) != 4 or image.shape[0] != 1 or image.shape[3] != 3 or image.dtype not in PIXELS:
        raise LabError(
            f"{path} takes {image.dtype} {list(image.shape)}.",
            f"one RGB image [1, height, width, 3] of dtype {', '.join(PIXELS)}",
            "use a detector of photos, with channels last.",
        )
    return image


def names_by_role(path: Path, graph: Graph, made: tuple[Tensor, ...]) -> dict[str, str]:
    """Output names of the post-processing operator's outputs, whatever the file's own order and names."""
    if len(made) != len(ROLES):
        raise LabError(
            f"{NAME} of {path} has {len(made)} outputs.", f"{len(ROLES)}", "export the file again."
        )
    given = {item.index for item in graph.outputs}
    absent = [role for role, tensor in zip(ROLES, made, strict=True) if tensor.index not in given]
    if absent:
        raise LabError(
            f"{path} ends in {NAME}, but {', '.join(absent)} are no outputs of the file.",
            f"the operator's four outputs ({', '.join(ROLES)}) as they are",
            "export the detector with nothing after the operator.",
        )
    return {role: tensor.given_name for role, tensor in zip(ROLES, made, strict=True)}


def settled(path: Path, graph: Graph) -> Graph:
    """The graph with the shapes that outputs have for one photo, where the file leaves them open.

    Raises:
        LabError: LiteRT cannot run it.
    """
    if not any(set(item.free) - {0} for item in graph.outputs):
        return graph
    try:
        core = Core(path)
        made = core(np.zeros(core.input_shape, core.input_dtype))
    except (LabError, RuntimeError, ValueError) as error:
        raise LabError(
            f"{path} leaves the shapes of its outputs open, and LiteRT cannot run it to find them: {error}",
            "fixed shapes",
            "export it with a fixed input shape, [1, height, width, 3].",
        ) from error
    outputs = [replace(item, shape=made[item.given_name].shape, free=()) for item in graph.outputs]
    return replace(graph, outputs=tuple(outputs))


def require_heads(path: Path, graph: Graph) -> tuple[Tensor, Tensor]:
    """Boxes ``[1, N, 4]`` and scores ``[1, N, columns]`` of a file without the operator, by their shapes.

    Of two outputs with four columns each, those are scores that come out of a sigmoid or softmax, or that
    the names tell.
    """
    # An open batch is 1 unless somebody asks for another.
    flat = [item for item in graph.outputs if len(item.shape) == 3 and not set(item.free) - {0}]
    boxes = [item for item in flat if item.shape[2] == COORDINATES]
    scores = [item for item in flat if item.shape[2] != COORDINATES]
    if len(boxes) == 2 == len(graph.outputs):
        boxes, scores = told_apart(path, graph, boxes)
    if len(graph.outputs) == len(flat) == 2 and len(boxes) == 1 and boxes[0].shape[1] == scores[0].shape[1]:
        return boxes[0], scores[0]
    shapes = ", ".join(f"{item.given_name} {list(item.shape)}" for item in graph.outputs)
    raise LabError(
        f"{path} gives {shapes}.",
        f"the outputs of {NAME}; or two, box encodings [1, N, 4] and class scores [1, N, classes]",
        "export the detector with this operator, or up to these two outputs; README.md says more.",
    )


def told_apart(path: Path, graph: Graph, pair: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Boxes and scores of two outputs of one shape.

    Raises:
        LabError: nothing tells which is which.
    """
    for tells in (lambda item: is_finished(graph, item), lambda item: named_like(item, SCORE_WORDS)):
        scores = [item for item in pair if tells(item)]
        if len(scores) == 1:
            return [item for item in pair if item is not scores[0]], scores
    boxes = [item for item in pair if named_like(item, BOX_WORDS)]
    if len(boxes) == 1:
        return boxes, [item for item in pair if item is not boxes[0]]
    names = " and ".join(item.given_name for item in pair)
    raise LabError(
        f"{path} gives two outputs of four columns, {names}: neither a sigmoid nor a name tells the boxes "
        "from the scores of four classes.",
        "an output with score, class or conf in its name, or one that ends in a sigmoid or softmax",
        "export it with the outputs named boxes and scores.",
    )


def named_like(item: Tensor, words: tuple[str, ...]) -> bool:
    return any(word in item.given_name.lower() for word in words)


def is_finished(graph: Graph, scores: Tensor) -> bool:
    """Whether every way back from the scores, to constants aside, meets a sigmoid or softmax."""
    given = {item.index for item in graph.inputs}
    waiting, ends = [scores], []
    while waiting:
        tensor = waiting.pop()
        maker = graph.makers.get(tensor.index)
        if maker and maker.type in PASSED:
            waiting += values_of(maker)
        elif maker or tensor.index in given:
            ends.append(maker.type if maker else "")
    return bool(ends) and all(kind in FINISHED for kind in ends)


def values_of(maker: Operator) -> tuple[Tensor, ...]:
    """The tensors whose values an operator moves."""
    if maker.type in ALL_VALUES:
        return maker.inputs
    place = VALUES_AT.get(maker.type, 0)
    return maker.inputs[place : place + 1]


def most_detections(path: Path) -> int:
    """Detections per photo that a file gives at most; 0 where the tail alone decides."""
    options = describe(path).postprocess
    return options.most_detections if options else 0


def pixels_of(facts: Described) -> tuple[tuple, tuple]:
    """Scale and offset so that the stored integer is the pixel; see ``PIXEL_OFFSETS``."""
    grid = facts.image.grid or Grid(1.0, 0)
    offset = grid.scale * (PIXEL_OFFSETS[facts.image.dtype] - grid.zero_point)
    return (grid.scale,) * CHANNELS, (offset,) * CHANNELS
