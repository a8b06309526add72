"""Per-layer error of a variant against float32, on real inputs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.intervals import Absent
from helpers.quantize.layers.decibels import EXACT_DB, power, sqnr_db
from helpers.quantize.layers.layer_error import LayerError
from helpers.quantize.layers.match import Layer, Wiring, match
from helpers.quantize.layers.names import output_names, short_names
from helpers.quantize.layers.opened import open_layers, read_whole
from helpers.quantize.layers.tally import Tally
from helpers.quantize.layers.weights import weights_sqnr_db
from helpers.runtimes.litert.graph import Tensor
from helpers.runtimes.litert.kept_tensors import Running
from helpers.runtimes.litert.reader import read_graph

PHOTOS = 8


def layer_errors(
    float_file: Path, variant_file: Path, inputs: Sequence[np.ndarray], threads: int = 2
) -> list[LayerError] | Absent:
    """Error of every layer's output, in the order of the network.

    Both files run on each input with all tensors kept. Layers are matched by the names of their outputs.
    A third run, of the variant cut open, feeds each layer with float32's inputs: its own error.

    Args:
        float_file: the float32 core.
        variant_file: a variant made from it.
        inputs: core inputs, float32 ``[1, H, W, 3]`` each, of photos that were not used for calibration.

    Returns:
        One entry per output of an operator that both files have; or why there are none.
    """
    try:
        comparison = Comparison(float_file, variant_file, threads)
        # Kernels may give numbers that are not finite; their squares may overflow. Both are reported.
        with np.errstate(over="ignore", invalid="ignore"):
            for image in inputs:
                comparison.add(np.asarray(image, np.float32))
    except (LabError, ValueError, RuntimeError) as error:
        return Absent(f"{variant_file.name} cannot be compared layer by layer: {error}")
    if not comparison.layers or not len(inputs):
        return Absent(f"{variant_file.name}: {len(comparison.layers)} layers, {len(inputs)} photos.")
    return comparison.results()


class Photo:
    """What float32 gives for one photo: each layer's values, and their sums of squares, by tensor name."""

    def __init__(self, base: Running, entry: str, image: np.ndarray, layers: Sequence[Layer]):
        base.set(base.inputs[0], image)
        base.invoke()
        self.values = {layer.output.name: base.values(layer.output.index) for layer in layers}
        self.values[entry] = image
        self.signals = {name: power(values) for name, values in self.values.items()}

    def error(self, name: str, other: np.ndarray) -> np.ndarray:
        """``other`` less float32's tensor of that name."""
        values = self.values[name]
        return other.reshape(values.shape) - values

    def sqnr_db(self, name: str, other: np.ndarray) -> float:
        """SQNR in dB of ``other`` against float32's tensor of that name."""
        return sqnr_db(self.signals[name], power(self.error(name, other)))


class Comparison:
    """Two files side by side, and what was seen of each layer so far."""

    def __init__(self, float_file: Path, variant_file: Path, threads: int):
        self._base, self._variant = Wiring(read_graph(float_file)), Wiring(read_graph(variant_file))
        self._models = read_whole(float_file), read_whole(variant_file)
        self.layers = match(self._base, self._variant)
        self._weights_db = [self._weights(layer) for layer in self.layers]
        opened = open_layers(self._models[1], self._variant)
        self._base_run, self._variant_run = Running(float_file, threads), Running(variant_file, threads)
        self._open_run, self._fed = Running(opened.content, threads), opened.inputs
        self._tallies = [Tally(self._variant_run.grid(layer.read.index)) for layer in self.layers]

    def _weights(self, layer: Layer) -> float | None:
        base = self._models[0], self._base.graph.stored_weights(layer.operator)
        return weights_sqnr_db(base, (self._models[1], self._variant.graph.stored_weights(layer.same)))

    def add(self, image: np.ndarray) -> None:
        """Run all on one input, and add up."""
        photo = Photo(self._base_run, self._base.entry.name, image, self.layers)
        variant = self._variant_run
        variant.set(variant.inputs[0], image)
        variant.invoke()
        rounding = self._feed(image, photo)
        entry = variant.values(self._variant.as_read(self._variant.entry).index)
        reached = {self._base.entry.name: photo.sqnr_db(self._base.entry.name, entry)}
        for layer, tally in zip(self.layers, self._tallies, strict=True):
            values = photo.values[layer.output.name]
            tally.add_values(values, photo.signals[layer.output.name])
            reached[layer.output.name] = self._add_accumulated(layer, tally, photo, reached)
            self._add_own(layer, tally, photo, rounding)

    def _add_accumulated(
        self, layer: Layer, tally: Tally, photo: Photo, reached: Mapping[str, float]
    ) -> float:
        """The variant's output against float32's; ``reached``: dB of the layers before. Returns its dB."""
        stored = self._variant_run.stored(layer.read.index)
        given = tally.grid.to_values(stored) if tally.grid else stored.astype(np.float32, copy=False)
        noise = power(photo.error(layer.output.name, given))
        found = sqnr_db(photo.signals[layer.output.name], noise)
        before = [reached[t.name] for t in self._base.moving(layer.operator) if t.name in reached]
        tally.add_error(stored, found, noise, min(before, default=EXACT_DB))
        return found

    def _feed(self, image: np.ndarray, photo: Photo) -> dict[int, float]:
        """Run the file cut open on float32's values; returns dB of their rounding, by variant's tensor."""
        run, rounding = self._open_run, {}
        run.set(run.inputs[0], image)
        for index, tensor in self._fed.items():
            chain = self._variant.chain(tensor)
            name = chain[0].name
            if name in photo.values:
                given = self._through(chain, photo.values[name])
                exact = given is photo.values[name]
                rounding[tensor.index] = EXACT_DB if exact else photo.sqnr_db(name, given)
                run.set(index, given)
        run.invoke()
        return rounding

    def _through(self, chain: Sequence[Tensor], values: np.ndarray) -> np.ndarray:
        """``values`` rounded as each tensor of the chain can hold them."""
        for grid in (self._variant_run.grid(tensor.index) for tensor in chain):
            values = values if grid is None else grid.rounded(values)
        return values

    def _add_own(self, layer: Layer, tally: Tally, photo: Photo, rounding: Mapping[int, float]) -> None:
        """Its own error, and what rounding alone does to its inputs and to its output."""
        name = layer.output.name
        read = [rounding.get(tensor.index) for tensor in self._variant.moving(layer.same)]
        if None not in read:
            error = photo.error(name, self._open_run.values(layer.read.index))
            tally.add_own(error, sqnr_db(photo.signals[name], power(error)), min(read, default=EXACT_DB))
        if tally.grid:
            known = rounding.get(layer.read.index)
            alone = tally.grid.rounded(photo.values[name]) if known is None else None
            tally.grid_sqnr_db.append(photo.sqnr_db(name, alone) if known is None else known)

    def results(self) -> list[LayerError]:
        outputs = output_names(self._base.graph)
        names = short_names([layer.output.name for layer in self.layers], outputs)
        last = max(1, len(self._base.layers) - 1)
        entries = zip(self.layers, self._tallies, names, self._weights_db, strict=True)
        return [
            LayerError(**self._about(layer, name, last), **tally.summary(), weights_sqnr_db=weights_db)
            for layer, tally, name, weights_db in entries
        ]

    def _about(self, layer: Layer, name: str, last: int) -> dict:
        weights = self._variant.graph.stored_weights(layer.same)
        return {
            "name": name,
            "tensor": layer.output.name,
            "place": layer.place,
            "depth": layer.place / last,
            "operator": layer.operator.type,
            "kind": layer.operator.kind,
            "shape": layer.output.shape,
            "weights_dtype": weights.dtype if weights else "",
            "computes": layer.same.compute_dtype,
        }
