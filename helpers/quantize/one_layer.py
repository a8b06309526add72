"""One output channel of one layer: its weights, and the 8-bit integers that a file stores in their place."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from matplotlib.axes import Axes

from helpers.models.registry import Model
from helpers.quantize.float_layers import float_layers
from helpers.quantize.layers.match import Wiring, match
from helpers.quantize.layers.names import layer_path
from helpers.quantize.layers.opened import read_whole
from helpers.quantize.layers.weights import read_weights
from helpers.quantize.stage import read_variant, working_files
from helpers.run.experiment import Run
from helpers.run.forms import is_trained
from helpers.run.variants import BASELINE
from helpers.runtimes.catalogue import LITERT, runtime_of
from helpers.runtimes.litert.graph import Operator, Tensor
from helpers.runtimes.litert.grid import Grid
from helpers.runtimes.litert.reader import read_graph
from helpers.show.captions import FOOTER_IN, add_caption
from helpers.show.context import Context, picture_context
from helpers.show.style import FAINT, GRID, SMALL_PT, LabFigure, look_of, new_figure, styled

FARTHEST = 127  # the level of a channel's largest weight
EXAMPLE = Grid(6 / 255, -128)  # of a ReLU6, whose values are 0 to 6
CLOSE_UP, MOST_DOTS = 6, 40  # levels on either side; weights drawn among them
NO_FILE = "no .tflite of this run stores float32's weights rounded to 8 bits as they are: rounded here"
NO_WEIGHTS = "the file holds no weights of a convolution: numbers drawn by chance in their place"


@dataclass(frozen=True)
class File:
    """A ``.tflite`` file as objects, and who makes and reads each of its tensors."""

    model: schema.ModelT
    wiring: Wiring


@dataclass(frozen=True)
class OneLayer:
    """One output channel of one layer.

    Attributes:
        model: id.
        layer: name of the layer, or why there is none.
        channel: number of the output channel.
        source: the variant whose file was read, or why there is none.
        weights: float32 ``[n]``, from the float32 file.
        stored: integers ``[n]``: the same weights in the variant's file.
        grid: their scale and zero point.
        output: scale and zero point of what the layer gives, over all channels; ``EXAMPLE`` where that stays
            float32.
        of_file: whether ``output`` is the file's.
    """

    model: str
    layer: str
    channel: int
    source: str
    weights: np.ndarray
    stored: np.ndarray
    grid: Grid
    output: Grid = EXAMPLE
    of_file: bool = False


def open_layer(run: Run, models: Sequence[Model]) -> OneLayer:
    """A channel that an integer variant of the run stores, of the first model that has one.

    Without such a variant, the same integers are made here from float32's weights.
    """
    stored = (found for model in models for found in stored_channels(run, model))
    return next(stored, None) or rounded_here(models[0].id, working_files(run, models[0])[BASELINE])


def stored_channels(run: Run, model: Model) -> Iterator[OneLayer]:
    """Of every variant that stores int8, integer kernels first: the channel of the most weights."""
    files = {i: file for i, file in working_files(run, model).items() if runtime_of(file) == LITERT.id}
    variants = integer_variants(run, model, files)
    base = open_file(files[BASELINE]) if variants else None
    for variant in variants:
        file = open_file(files[variant])
        yield from (
            OneLayer(model.id, *found[:2], variant, *found[2:]) for found in plain_channels(base, file)
        )


def integer_variants(run: Run, model: Model, files: Iterable[str]) -> list[str]:
    # The integers of what was trained are not those of float32's weights.
    trained = {variant.id for variant in run.variants if is_trained(variant)}
    facts = {v: read_variant(run, model, v).values.facts for v in files if v not in trained}
    stored = [variant for variant in facts if facts[variant].storage_dtype == "int8"]
    return sorted(stored, key=lambda variant: facts[variant].compute_dtype != "int8")


def open_file(path: Path) -> File:
    return File(read_whole(path), Wiring(read_graph(path)))


def plain_channels(base: File, file: File) -> Iterator[tuple]:
    """Channels that are float32's weights, rounded to the grid that the largest of them sets."""
    layers = match(base.wiring, file.wiring)
    kept = base.wiring.graph.stored_weights, file.wiring.graph.stored_weights
    both = [(each, kept[0](each.operator), kept[1](each.same)) for each in layers]
    same = [entry for entry in both if entry[1] and entry[2] and entry[1].shape == entry[2].shape]
    for layer, weights, stored in sorted(same, key=lambda entry: -channel_size(entry[0].operator, entry[1])):
        found = plain_channel(layer.operator, (base.model, weights), (file.model, stored))
        if found:
            output = layer.made.grid
            yield layer_name(layer.operator), *found, output or EXAMPLE, output is not None


def layer_name(operator: Operator) -> str:
    return f"{'/'.join(layer_path(operator.outputs[0].name)[-2:])} ({operator.type})"


def channel_axis(operator: Operator) -> int:
    """Depthwise weights are ``[1, h, w, channels]``, all others have the output channels first."""
    return -1 if operator.type == "DEPTHWISE_CONV_2D" else 0


def channel_size(operator: Operator, tensor: Tensor) -> int:
    return tensor.elements // max(1, tensor.shape[channel_axis(operator)])


def by_channel(operator: Operator, weights: np.ndarray) -> np.ndarray:
    """``[channels, weights of each]``."""
    moved = np.moveaxis(weights, channel_axis(operator), 0)
    return moved.reshape(len(moved), -1)


def plain_channel(
    operator: Operator, base: tuple[schema.ModelT, Tensor], file: tuple[schema.ModelT, Tensor]
) -> tuple[int, np.ndarray, np.ndarray, Grid] | None:
    """Number, weights, integers and grid of the first channel that is plainly rounded; None without one."""
    weights, tensor = read_weights(*base), file[1]
    grids = tensor.grids
    if weights is None or tensor.dtype != "int8" or not grids:
        return None
    levels = np.asarray(file[0].buffers[tensor.buffer].data, np.uint8).view(np.int8).reshape(tensor.shape)
    rows = zip(by_channel(operator, weights), by_channel(operator, levels), strict=True)
    for number, (real, stored) in enumerate(rows):
        grid = grids[number % len(grids)]
        if is_plain(real, stored, grid):
            return number, real, stored, grid
    return None


def is_plain(real: np.ndarray, stored: np.ndarray, grid: Grid) -> bool:
    """Whether the largest weight sets the scale and the others follow; a cure may have moved them before."""
    largest = float(np.abs(real).max(initial=0))
    if not largest or not np.isclose(largest / FARTHEST, grid.scale, rtol=1e-4, atol=0):
        return False
    return grid.zero_point == 0 and bool((np.abs(grid.to_levels(real) - stored) <= 1).all())


def rounded_here(model: str, file: Path) -> OneLayer:
    """From the float32 file alone."""
    for layer in sorted(float_layers(file), key=lambda each: -each.rows.shape[1]):
        if np.abs(layer.weights).max(initial=0) > 0:
            number = int(np.abs(layer.rows).max(1).argmax())
            name = f"{layer.name} ({layer.operator})"
            return OneLayer(model, name, number, NO_FILE, *rounded(layer.rows[number]))
    drawn = np.random.default_rng(0).normal(size=256).astype(np.float32)
    return OneLayer(model, NO_WEIGHTS, 0, NO_FILE, *rounded(drawn))


def rounded(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, Grid]:
    """Weights, their integers, and the grid."""
    grid = Grid(float(np.abs(weights).max()) / FARTHEST, 0)
    return weights, grid.to_levels(weights).astype(np.int8), grid


def describe(layer: OneLayer) -> dict[str, Any]:
    """Facts for the notebook's table."""
    output = f"scale {layer.output.scale:.6g}, zero point {layer.output.zero_point}"
    return {
        "model": layer.model,
        "layer": layer.layer,
        "output channel": f"{layer.channel}, of {layer.weights.size} weights",
        "variant": layer.source,
        "scale of the weights": f"{layer.grid.scale:.6g}",
        "zero point of the weights": layer.grid.zero_point,
        "the layer's output": output if layer.of_file else f"stays float32; as an example, 0 to 6: {output}",
    }


def picture(run: Run, layer: OneLayer) -> LabFigure:
    """The channel's weights by level, and a close-up of the levels around the smallest weight."""
    return draw_picture(layer, picture_context(run))


@styled
def draw_picture(layer: OneLayer, context: Context) -> LabFigure:
    used = len(np.unique(layer.stored))
    text = (
        f"n = {layer.weights.size} weights of output channel {layer.channel} of {layer.layer}, "
        f"{layer.model}. "
        f"They take {used} of {2 * FARTHEST + 1} levels. Above: weights per level. Below: the "
        f"middle of it; a dot is a weight (at most {MOST_DOTS} are drawn), its line ends at the level that "
        "is stored. No interval: the numbers are those of the file."
    )
    figure = new_figure(4.1 + FOOTER_IN)
    whole, close = figure.subplots(2, 1, height_ratios=(1.1, 1))
    draw_histogram(whole, layer)
    draw_close_up(close, layer)
    return add_caption(figure, text, context)


def draw_histogram(axes: Axes, layer: OneLayer) -> None:
    """A bar as wide as a step for every level."""
    levels, counts = np.unique(layer.stored, return_counts=True)
    colour = look_of("int8").colour
    axes.bar(layer.grid.to_values(levels), counts, width=layer.grid.scale, color=colour, gid="levels")
    axes.set_ylabel("Weights")
    axes.set_xlabel("Weight as stored, (q − z) · s")
    axes.grid(visible=False, axis="x")
    axes.grid(visible=True, axis="y")
    axes.set_title("All levels")


def draw_close_up(axes: Axes, layer: OneLayer) -> None:
    """Levels as lines, weights as dots, each with the way to its level."""
    levels = np.arange(-CLOSE_UP, CLOSE_UP + 1) + layer.grid.zero_point
    places = layer.grid.to_values(levels)
    near = np.flatnonzero((layer.weights > places[0]) & (layer.weights < places[-1]))[:MOST_DOTS]
    heights = np.linspace(0.1, 0.9, len(near))
    look = look_of("int8")
    axes.vlines(places, 0, 1, color=FAINT, linewidth=0.9, gid="grid")
    ends = layer.grid.to_values(layer.stored[near])
    axes.hlines(heights, layer.weights[near], ends, color=look.colour, linewidth=1, gid="error")
    axes.plot(layer.weights[near], heights, "o", markersize=3, color=look_of(BASELINE).colour, gid="weights")
    axes.set_xlim(places[0] - layer.grid.scale / 2, places[-1] + layer.grid.scale / 2)
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.set_xticks(places, [str(level) for level in levels], fontsize=SMALL_PT)
    axes.tick_params(axis="x", color=GRID)
    axes.set_xlabel("Level q")
    axes.set_title("The levels around 0, one scale apart")
