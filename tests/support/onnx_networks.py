"""Small ``.onnx`` detectors of every design, with seeded weights, as exporters write them, for tests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE, CLASSES = (64, 96), 3
ANCHORS = (
    ((10.0, 13.0), (16.0, 30.0), (33.0, 23.0)),
    ((30.0, 61.0), (62.0, 45.0), (59.0, 119.0)),
    ((116.0, 90.0), (156.0, 198.0), (373.0, 326.0)),
)
STRIDES = (8, 16, 32)
NANODET_STRIDES = (8, 16, 32, 64)
QUERIES = 7
COCO_NAMES = ("a", "b", "c")


class Graph:
    """Nodes and weights, one after the other; every method gives the name of its result."""

    def __init__(self, seed: int = 0, size: tuple[int, int] = SIZE):
        self.generator, self.size = np.random.default_rng(seed), size
        self.nodes, self.stored, self.count = [], [], 0

    def name(self, word: str) -> str:
        self.count += 1
        return f"{word}_{self.count}"

    def store(self, values, dtype=np.float32) -> str:
        name = self.name("stored")
        self.stored.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def add(self, kind: str, *inputs: str, outputs: int = 1, **facts):
        names = [self.name(kind.lower()) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=self.name("node"), **facts))
        return names[0] if outputs == 1 else names

    def conv(self, data: str, before: int, after: int, side: int = 1, pads=(0, 0, 0, 0)) -> str:
        spread = 1 / np.sqrt(before * side * side)
        weight = self.store(self.generator.normal(0, 1.5 * spread, (after, before, side, side)))
        bias = self.store(self.generator.normal(-0.5, 0.5, after))
        return self.add(
            "Conv", data, weight, bias, strides=[side, side], kernel_shape=[side, side], pads=pads
        )

    def features(self, stride: int, channels: int = 8) -> str:
        """A feature map of that stride; a part of a cell at the end is a cell."""
        down, right = (-side % stride for side in self.size)
        centred = self.add("Mul", self.add("Sub", "images", self.store(0.4)), self.store(0.02))
        return self.add("Relu", self.conv(centred, 3, channels, stride, (0, 0, down, right)))

    def reshape(self, data: str, *shape: int) -> str:
        return self.add("Reshape", data, self.store(shape, np.int64))

    def split(self, data: str, parts: Sequence[int], axis: int):
        return self.add("Split", data, self.store(parts, np.int64), outputs=len(parts), axis=axis)

    def joined(self, parts: Sequence[str], axis: int) -> str:
        return self.add("Concat", *parts, axis=axis)


def grid(size, stride, offset=0.0) -> np.ndarray:
    """(x, y) of the cells of a map, ``[rows, columns, 2]``."""
    x, y = np.meshgrid(np.arange(-(-size[1] // stride)), np.arange(-(-size[0] // stride)))
    return np.stack([x, y], -1) + offset


def model_of(graph: Graph, outputs, metadata=(), opset: int = 17, shape=None):
    """The model whose outputs are ``outputs``: name -> (value, shape)."""
    for name, (value, _) in outputs.items():
        graph.nodes.append(helper.make_node("Identity", [value], [name]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, length)
        for name, (_, length) in outputs.items()
    ]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape or [1, 3, *graph.size])
    made = helper.make_graph(graph.nodes, "net", [image], ends, graph.stored)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    helper.set_model_props(model, {key: str(value) for key, value in dict(metadata).items()})
    return model


def saved(model, path: Path) -> Path:
    onnx.save(model, str(path))
    return path


def yolox(decoded: bool = False, classes: int = CLASSES, seed: int = 0, metadata=(), joined: bool = False):
    """YOLOX; ``joined``: one convolution per map makes all of its heads."""
    graph, maps = Graph(seed), []
    for stride in STRIDES:
        features = graph.features(stride)
        if joined:
            parts = graph.split(graph.conv(features, 8, 5 + classes), [4, 1, classes], 1)
        else:
            parts = [graph.conv(features, 8, count) for count in (4, 1, classes)]
        likely = [graph.add("Sigmoid", part) for part in parts[1:]]
        maps.append(graph.reshape(graph.joined([parts[0], *likely], 1), 1, 5 + classes, -1))
    rows = graph.add("Transpose", graph.joined(maps, 2), perm=[0, 2, 1])
    rows = exponents(graph, rows, classes) if decoded else rows
    count = sum(grid(SIZE, stride).size // 2 for stride in STRIDES)
    return model_of(graph, {"output": (rows, [1, count, 5 + classes])}, metadata)


def exponents(graph: Graph, rows: str, classes: int) -> str:
    centre, side, rest = graph.split(rows, [2, 2, 1 + classes], 2)
    cells = np.concatenate([grid(SIZE, stride).reshape(-1, 2) for stride in STRIDES])[None]
    steps = np.concatenate([np.full((grid(SIZE, s).size // 2, 1), s) for s in STRIDES])[None]
    steps = graph.store(steps)
    centre = graph.add("Mul", graph.add("Add", centre, graph.store(cells)), steps)
    return graph.joined([centre, graph.add("Mul", graph.add("Exp", side), steps), rest], 2)


def yolov5(metadata=(), classes: int = CLASSES, seed: int = 0, raw_maps: bool = False, unit=(1, 1)):
    """YOLOv5; ``raw_maps``: as older exporters, with its raw heads as further outputs."""
    graph, maps, raw = Graph(seed), [], {}
    for i, (stride, anchors) in enumerate(zip(STRIDES, ANCHORS, strict=True)):
        rows, columns = grid(SIZE, stride).shape[:2]
        data = graph.conv(graph.features(stride), 8, 3 * (5 + classes))
        data = graph.add(
            "Transpose", graph.reshape(data, 1, 3, 5 + classes, rows, columns), perm=[0, 1, 3, 4, 2]
        )
        raw[f"raw_{i}"] = (data, [1, 3, rows, columns, 5 + classes])
        centre, side, rest = graph.split(graph.add("Sigmoid", data), [2, 2, 1 + classes], 4)
        places, two = graph.store(grid(SIZE, stride, -0.5)[None, None]), graph.store(2.0)
        centre = graph.add("Add", graph.add("Mul", centre, two), places)
        centre = graph.add("Mul", centre, graph.store(float(stride)))
        side = graph.add("Pow", graph.add("Mul", side, two), two)
        side = graph.add("Mul", side, graph.store(np.reshape(anchors, (1, 3, 1, 1, 2))))
        if unit != (1, 1):
            centre, side = (graph.add("Div", part, graph.store(unit)) for part in (centre, side))
        maps.append(graph.reshape(graph.joined([centre, side, rest], 4), 1, -1, 5 + classes))
    count = 3 * sum(grid(SIZE, stride).size // 2 for stride in STRIDES)
    outputs = {"output0": (graph.joined(maps, 1), [1, count, 5 + classes])}
    return model_of(graph, outputs | (raw if raw_maps else {}), metadata)


def yolov8(metadata=(), classes: int = CLASSES, bins: int = 16, seed: int = 0, shape=None, hidden=False):
    """YOLOv8; ``hidden``: its heads pass an operator that is none of its decoding."""
    graph = Graph(seed)
    boxes, scores = decoded_distances(graph, classes, bins, hidden)
    count = sum(grid(SIZE, stride).size // 2 for stride in STRIDES)
    outputs = {"output0": (graph.joined([boxes, scores], 1), [1, 4 + classes, count])}
    if shape:
        outputs["output0"][1][:] = ["batch", 4 + classes, "anchors"]
    return model_of(graph, outputs, metadata, shape=shape)


def decoded_distances(graph: Graph, classes: int, bins: int, hidden: bool = False) -> tuple[str, str]:
    """Boxes (x, y, w, h) ``[1, 4, N]`` in pixels and scores ``[1, classes, N]``."""
    maps = []
    for stride in STRIDES:
        features = graph.features(stride)
        heads = [graph.conv(features, 8, count) for count in (4 * bins, classes)]
        heads = [graph.add("Tanh", head) for head in heads] if hidden else heads
        maps.append(graph.reshape(graph.joined(heads, 1), 1, 4 * bins + classes, -1))
    raw, logits = graph.split(graph.joined(maps, 2), [4 * bins, classes], 1)
    powers = graph.add("Transpose", graph.reshape(raw, 1, 4, bins, -1), perm=[0, 2, 1, 3])
    powers = graph.add("Softmax", powers, axis=1)
    weight = graph.store(np.arange(bins).reshape(1, bins, 1, 1))
    away = graph.reshape(graph.add("Conv", powers, weight, kernel_shape=[1, 1]), 1, 4, -1)
    low, high = graph.split(away, [2, 2], 1)
    cells = np.concatenate([grid(SIZE, stride, 0.5).reshape(-1, 2) for stride in STRIDES]).T[None]
    steps = np.concatenate([np.full(grid(SIZE, s).size // 2, s) for s in STRIDES])[None, None]
    places = graph.store(cells)
    start, end = graph.add("Sub", places, low), graph.add("Add", places, high)
    centre = graph.add("Div", graph.add("Add", start, end), graph.store(2.0))
    boxes = graph.joined([centre, graph.add("Sub", end, start)], 1)
    return graph.add("Mul", boxes, graph.store(steps)), graph.add("Sigmoid", logits)


def nanodet(classes: int = CLASSES, bins: int = 8, seed: int = 0, metadata=()):
    graph, maps = Graph(seed), []
    for stride in NANODET_STRIDES:
        head = graph.conv(graph.features(stride), 8, classes + 4 * bins)
        logits, raw = graph.split(head, [classes, 4 * bins], 1)
        both = graph.joined([graph.add("Sigmoid", logits), raw], 1)
        maps.append(graph.reshape(both, 1, classes + 4 * bins, -1))
    rows = graph.add("Transpose", graph.joined(maps, 2), perm=[0, 2, 1])
    count = sum(grid(SIZE, stride).size // 2 for stride in NANODET_STRIDES)
    return model_of(graph, {"output": (rows, [1, count, classes + 4 * bins])}, metadata)


def detr(columns: int, joined: bool = False, seed: int = 0, metadata=(), finished: bool = False):
    """Boxes 0..1 and logits of ``QUERIES`` queries; ``joined``: in one output, scores finished."""
    graph = Graph(seed)
    features = graph.add("GlobalAveragePool", graph.features(16, QUERIES * 5))
    queries = graph.reshape(features, 1, QUERIES, 5)
    boxes, logits = (
        graph.add("MatMul", queries, graph.store(graph.generator.normal(0, 1.5, (5, count))))
        for count in (4, columns)
    )
    boxes = graph.add("Sigmoid", boxes)
    if joined:
        rows = graph.joined([boxes, graph.add("Sigmoid", logits)], 2)
        return model_of(graph, {"output0": (rows, [1, QUERIES, 4 + columns])}, metadata)
    logits = graph.add("Sigmoid", logits) if finished else logits
    outputs = {"pred_logits": (logits, [1, QUERIES, columns]), "pred_boxes": (boxes, [1, QUERIES, 4])}
    return model_of(graph, outputs, metadata)


def suppressed(metadata=(), iou: float = 0.6, seed: int = 0, most: int = 20):
    """A YOLOv8 with ``NonMaxSuppression`` at its end: rows (x1, y1, x2, y2, score, class) as found."""
    graph = Graph(seed)
    boxes, scores = decoded_distances(graph, CLASSES, 16)
    rows = graph.add("Transpose", boxes, perm=[0, 2, 1])
    numbers = [graph.store([most], np.int64), graph.store([iou]), graph.store([0.2])]
    kept = graph.add("NonMaxSuppression", rows, scores, *numbers, center_point_box=1)
    _, label, place = graph.split(kept, [1, 1, 1], 1)
    flat = graph.add("Gather", graph.reshape(rows, -1, 4), graph.reshape(place, -1), axis=0)
    centre, side = graph.split(flat, [2, 2], 1)
    half = graph.add("Div", side, graph.store(2.0))
    corners = graph.joined([graph.add("Sub", centre, half), graph.add("Add", centre, half)], 1)
    score = graph.add("GatherND", graph.add("Squeeze", scores, graph.store([0], np.int64)),
                      graph.joined([label, place], 1))  # fmt: skip
    column = graph.reshape(score, -1, 1)
    kinds = graph.add("Cast", label, to=TensorProto.FLOAT)
    return model_of(graph, {"output0": (graph.joined([corners, column, kinds], 1), ["found", 6])}, metadata)
