"""What makes drafts for OpenVINO, and the cures that it has."""

import functools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from helpers.lab.progress import progress
from helpers.lab.units import how_many
from helpers.quantize.cures.candidates import SETS, SHARES, Candidate
from helpers.quantize.cures.openvino.draft import MINMAX, OpenVinoDraft, load_draft
from helpers.quantize.cures.openvino.quantized import (
    QUANTILES,
    float_graph,
    layers,
    quantized,
    with_floats,
    with_whole_ranges,
)
from helpers.quantize.cures.openvino.stems import with_whole_images
from helpers.quantize.cures.records import KeptFloat
from helpers.quantize.cures.workshop import Workshop, distance_of
from helpers.runtimes.catalogue import load_core
from helpers.runtimes.openvino.representation import write_ir

DISTANCE_PHOTOS = 6
ALIKE = 1e-4  # of a head's largest magnitude
BLOCKS = 12  # of layers, whose sensitivity is measured
TFLITE = ".tflite"


@dataclass(eq=False)
class OpenVinoShop:
    """
    Attributes:
        float_file: the model's float32 core, a ``.tflite`` or ``.onnx``.
        photos: core inputs by which a file is made, float32 each.
        float_operators: operators that stay float, by regular expressions of their outputs' names.
    """

    float_file: Path
    photos: Sequence[np.ndarray]
    float_operators: Sequence[str] = ()
    ending: str = ".xml"
    _made: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    _folder: Any = field(default_factory=tempfile.TemporaryDirectory)

    @property
    def cures(self) -> Mapping[str, Callable[[OpenVinoDraft], Iterator[Candidate]]]:
        known = {"kernels": kernels, "equalize": equalize, "ranges": ranges, "mixed": mixed}
        if self.float_file.suffix != TFLITE:
            del known["equalize"]  # its channels are followed in a .tflite alone
        return {name: functools.partial(cure, self) for name, cure in known.items()}

    def start(self) -> OpenVinoDraft:
        return OpenVinoDraft(
            self.float_file.read_bytes(), self.float_file.suffix, False, MINMAX, frozenset(), self
        )

    def load(self, folder: Path) -> OpenVinoDraft:
        return load_draft(folder, self)

    @functools.cached_property
    def workshop(self) -> Workshop:
        """Of a ``.tflite``: what its channels hold."""
        return Workshop(self.float_file, self.photos, {})

    @functools.cached_property
    def float_core(self) -> Path:
        """float32 as OpenVINO runs it."""
        output = Path(self._folder.name) / "float32.xml"
        write_ir(float_graph(self.float_file, fused=False)[0], output, "f32")
        return output

    def made(self, draft: OpenVinoDraft) -> tuple[Any, Any]:
        """The int8 model of a draft but for its floats, and the float32 graph that it was made of."""
        if draft.key not in self._made:
            core = Path(self._folder.name) / f"core{draft.ending}"
            core.write_bytes(draft.content)
            exact, kept = self.exact(core, draft.fused)
            made = quantized(exact, self.photos, draft.ranges, kept)  # of a copy
            if draft.fused:
                with_whole_ranges(made)
            self._made[draft.key] = made, exact
        return self._made[draft.key]

    def exact(self, core: Path, fused: bool) -> tuple[Any, list[str]]:
        """The float32 graph, and its operators that stay float."""
        graph, kept = float_graph(core, fused, self.float_operators)
        if fused and with_whole_images(graph) and not self.answers_alike(graph):
            return float_graph(core, fused, self.float_operators)
        return graph, kept

    def answers_alike(self, graph: Any) -> bool:
        """Whether a graph gives float32's heads of one photo, but for the order of sums."""
        file = Path(self._folder.name) / "alike.xml"
        write_ir(graph, file, "f32")
        found, wanted = load_core(file)(self.photos[0]), self.wanted[0]
        return all(
            np.abs(found[name] - head).max() <= ALIKE * np.abs(head).max() for name, head in wanted.items()
        )

    def write(self, draft: OpenVinoDraft, output: Path) -> None:
        model, exact = self.made(draft)
        write_ir(with_floats(model, exact, draft.floats), output, "f32")

    def floats(self, draft: OpenVinoDraft) -> tuple[KeptFloat, ...]:
        model, _ = self.made(draft)
        types = {node.get_friendly_name(): node.get_type_name() for node in model.get_ops()}
        why = "of all, its block gains most accuracy for its time"
        return tuple(KeptFloat(name, types.get(name, ""), why) for name in sorted(draft.floats))

    def distance(self, draft: OpenVinoDraft) -> float:
        """Mean over the heads of their squared error to float32's over its variance, on a few photos."""
        photos = self.photos[:DISTANCE_PHOTOS]
        file = Path(self._folder.name) / "trial.xml"
        self.write(draft, file)
        core = load_core(file)
        return distance_of(self.wanted, [core(photo) for photo in photos])

    @functools.cached_property
    def wanted(self) -> list[dict[str, np.ndarray]]:
        core = load_core(self.float_core)
        return [core(photo) for photo in self.photos[:DISTANCE_PHOTOS]]


def kernels(shop: OpenVinoShop, draft: OpenVinoDraft) -> Iterator[Candidate]:
    told = "activation functions in one operator each, one range for each tensor"
    yield Candidate(told, replace(draft, fused=True), retimed=True)


def equalize(shop: OpenVinoShop, draft: OpenVinoDraft) -> Iterator[Candidate]:
    for share in (SHARES[0], SHARES[-1]):
        content = shop.workshop.equalized(draft.content, share).content
        told = "each channel's size" if share == 1 else f"each channel's size to the power of {share:g}"
        yield Candidate(f"scaled by {told}", replace(draft, content=content))


def ranges(shop: OpenVinoShop, draft: OpenVinoDraft) -> Iterator[Candidate]:
    for way in QUANTILES:
        yield Candidate(f"all by {way}", replace(draft, ranges=way))


def mixed(shop: OpenVinoShop, draft: OpenVinoDraft) -> Iterator[Candidate]:
    """Blocks of layers in float32, those first that bring the heads nearest to float32's."""
    names = layers(shop.made(draft)[0])
    blocks = [frozenset(part) for part in np.array_split(np.array(names, object), min(BLOCKS, len(names)))]
    before = shop.distance(draft)
    gains = [
        before - shop.distance(draft.with_floats(block))
        for block in progress(blocks, "sensitivity, block by block", "block")
    ]
    order = sorted((place for place, gain in enumerate(gains) if gain > 0), key=lambda place: -gains[place])
    for count in (each for each in SETS if each <= len(order)):
        chosen = frozenset().union(*(blocks[place] for place in order[:count]))
        told = f"{how_many(len(chosen), 'layer')} in float32, of the most gain"
        yield Candidate(told, draft.with_floats(chosen), retimed=True)
