"""What training leaves of a form: packed codes, steps, biases, grids, in one ``.npz`` beside its record."""

import itertools
import json
import shlex
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.files import atomic_file, sha256_json, sha256_path
from helpers.lab.paths import EMBEDDED, data_dir, display
from helpers.models.families import verified_weights
from helpers.models.files.sources import Embedded
from helpers.models.registry import DEFAULT_MODEL, Model
from helpers.quantize.kinds.catalogue import get_kind
from helpers.quantize.kinds.coding import Coded, Field, Layout, Part, pack, unpack
from helpers.quantize.kinds.groups import by_channel
from helpers.quantize.kinds.signs import Binary, Ternary, in_bytes
from helpers.quantize.trained.constants import WeightLayer
from helpers.run.forms import TRAINED

# Software of other versions folds batch norms to the same numbers but for their last places.
SAME_NORM = 1e-3


@dataclass(frozen=True, eq=False)
class TrainedCodes:
    """The layers of a model in a trained form.

    Attributes:
        source_sha256: of the float32 model's own files (``source_sha256``).
        layers: in the order of ``weight_layers``.
        norms: of the float32 weights of each, by which the network is known again.
        biases: float32 ``[channels]``, for each convolution of each layer.
        scales, zero_points: float32 and int32 ``[grids]`` of an int8 file's activations; empty for others.
    """

    form: str
    model: str
    source_sha256: str
    layers: tuple[Coded, ...]
    norms: tuple[float, ...]
    biases: tuple[tuple[np.ndarray, ...], ...]
    scales: np.ndarray
    zero_points: np.ndarray

    def save(self, path: Path) -> None:
        layers = [
            {"shape": coded.shape, "axis": coded.channel_axis, "norm": norm, "biases": len(biases)}
            for coded, norm, biases in zip(self.layers, self.norms, self.biases, strict=True)
        ]
        facts = {
            "form": self.form,
            "model": self.model,
            "source_sha256": self.source_sha256,
            "layers": layers,
        }
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                facts=json.dumps(facts),
                codes=np.frombuffer(b"".join(map(pack, self.layers)), np.uint8),
                biases=np.concatenate([bias for biases in self.biases for bias in biases]),
                scales=self.scales,
                zero_points=self.zero_points,
            )

    @staticmethod
    def load(path: Path, cure: str) -> "TrainedCodes":
        """
        Raises:
            LabError: the file is damaged, or of another version.
        """
        try:
            with np.load(path) as stored:
                facts, arrays = json.loads(str(stored["facts"])), {n: stored[n] for n in stored.files}
            return from_arrays(facts, arrays)
        except (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
            raise LabError(f"{path} holds no trained codes: {error!r}.", "a whole file", cure) from error


def from_arrays(facts: dict, arrays: dict[str, np.ndarray]) -> TrainedCodes:
    kind = TRAINED[facts["form"]]
    layouts = [layout(kind, tuple(layer["shape"]), layer["axis"]) for layer in facts["layers"]]
    sizes = [sum(field.size_bytes for field in one.fields) for one in layouts]
    if len(arrays["codes"]) != sum(sizes):
        raise ValueError(f"{len(arrays['codes'])} bytes of codes, not {sum(sizes)}")
    ends = itertools.pairwise(np.cumsum([0, *sizes]))
    coded = [
        unpack(arrays["codes"][start:end].tobytes(), one)
        for (start, end), one in zip(ends, layouts, strict=True)
    ]
    rest, biases = arrays["biases"], []
    for one, layer in zip(layouts, facts["layers"], strict=True):
        channels = one.shape[one.channel_axis]
        taken, rest = rest[: channels * layer["biases"]], rest[channels * layer["biases"] :]
        biases.append(tuple(taken.reshape(layer["biases"], channels)))
    return TrainedCodes(
        facts["form"], facts["model"], facts["source_sha256"], tuple(coded),
        tuple(layer["norm"] for layer in facts["layers"]), tuple(biases),
        arrays["scales"], arrays["zero_points"],
    )  # fmt: skip


def layout(kind_name: str, shape: tuple[int, ...], axis: int) -> Layout:
    """Of a tensor of weights: what ``coded`` gives has it."""
    one = coded(kind_name, np.zeros(shape, np.float32), np.ones(shape[axis], np.float32), axis)
    fields = tuple(Field(part.name, part.values.dtype, part.values.shape, part.bits) for part in one.parts)
    return Layout(one.kind, one.shape, one.channel_axis, fields)


def coded(kind_name: str, codes: np.ndarray, steps: np.ndarray, axis: int) -> Coded:
    """Codes (whole numbers, of the weights' shape) and steps ``[channels]`` as the kind would write them."""
    kind, rows = get_kind(kind_name), by_channel(codes, axis)
    scales = Part("scales", np.float32(steps), 32)
    if isinstance(kind, Binary):
        first = Part("codes", (rows < 0).astype(np.uint8), 1)
    elif isinstance(kind, Ternary):
        first = Part("codes", in_bytes(rows.astype(np.int8).ravel()), 8)
    else:
        first = Part("codes", rows.astype(np.int8), kind.bits)
    return Coded(kind, codes.shape, axis, (first, scales))


def codes_file(model: Model, form: str) -> Path:
    """The embedded model's codes come with the project; others' are produced."""
    folder = EMBEDDED if isinstance(model.source, Embedded) else data_dir() / "trained" / model.id
    return folder / f"{form}.npz"


def source_sha256(model: Model, files: Sequence[Path]) -> str:
    """Hash of the float32 model's own files; of the embedded one's weights, which are exported anew."""
    if isinstance(model.source, Embedded):
        return verified_weights(model.source.weights)
    return sha256_json([sha256_path(path) for path in files])


def train_command(model: Model, form: str) -> str:
    """Of another model than the embedded one with what says on whose calibration photos."""
    if model.id == DEFAULT_MODEL:
        return f"`python -m helpers train --form {form}`"
    command = f"`python -m helpers train --model {shlex.quote(model.given)} --form {form}`"
    return f"{command} (with the run's --profile, --coco-dir, --model-dir)"


def require_codes_file(model: Model, form: str) -> Path:
    path = codes_file(model, form)
    if not path.is_file():
        raise LabError(
            f"{form} of {model.id} is not trained: {display(path)} does not exist.",
            "weights that were trained with this form's rounding in the loop",
            f"train it: {train_command(model, form)}.",
        )
    return path


def require_codes(model: Model, form: str, files: Sequence[Path]) -> TrainedCodes:
    """The trained codes of a form.

    Raises:
        LabError: there are none, or they were trained for other weights than those of ``files``.
    """
    cure = f"train it again: {train_command(model, form)}."
    path = require_codes_file(model, form)
    found, source = TrainedCodes.load(path, cure), source_sha256(model, files)
    if (found.form, found.source_sha256) != (form, source):
        raise LabError(
            f"{display(path)} holds {found.form} of other float32 weights ({found.source_sha256[:12]}).",
            f"{form} of those of {model.id} ({source[:12]})",
            cure,
        )
    return found


def require_fitting(codes: TrainedCodes, layers: Sequence[WeightLayer], cure: str) -> None:
    """Raise if the float32 file's layers are not those that were trained."""
    found = [(coded.shape, len(biases)) for coded, biases in zip(codes.layers, codes.biases, strict=True)]
    there = [(layer.weights.shape, len(layer.biases)) for layer in layers]
    odd = next((n for n, pair in enumerate(zip(found, there, strict=False)) if pair[0] != pair[1]), None)
    if odd is None and len(found) == len(there):
        norms = np.array([layer.norm for layer in layers])
        wrong = ~np.isclose(codes.norms, norms, rtol=SAME_NORM)
        odd = int(wrong.argmax()) if wrong.any() else None
        if odd is None:
            return
    where = f", of which {layers[odd].name} is another one" if odd is not None else ""
    raise LabError(
        f"{codes.form} of {codes.model} was trained for {len(found)} layers; the float32 file has "
        f"{len(there)}{where}.",
        "the network that was trained",
        cure,
    )
