"""What 02 records of a variant's file, and what training leaves for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from helpers.lab.intervals import Absent
from helpers.quantize.cures.records import CureCourse
from helpers.quantize.layers.layer_error import ComparedLayers
from helpers.runtimes.file_facts import FileFacts


@dataclass(frozen=True)
class NotAsAsked:
    """A layer whose weights the form does not code; ``why``: what codes them, or why nothing does."""

    name: str
    why: str


@dataclass(frozen=True)
class CodedWeights:
    """What the codes of a simulated form take, and what they leave of the weights.

    Layers are named as in ``ComparedLayers``; a constant that several layers read counts once.

    Attributes:
        weight_bits: mean bits of a weight with all side information, over all layers but ``skipped``: those
            that are ``kept`` with 32.
        quantized_bits: the same over the quantized layers alone.
        coded_bytes: of the whole file, if the codes stood in it in place of the weights.
        sqnr_db: 10 log10 (sum w² / sum (w - ŵ)²) over all weights of the quantized layers, within ±140 dB.
        kept: layers that stay float32 as the first and the last ones.
        small: layers that the form leaves to another one, which is named.
        skipped: layers whose weights are as they were, with the reason.
    """

    weight_bits: float
    quantized_bits: float
    coded_bytes: int
    sqnr_db: float
    kept: tuple[str, ...] = ()
    small: tuple[NotAsAsked, ...] = ()
    skipped: tuple[NotAsAsked, ...] = ()


@dataclass(frozen=True)
class MadeFile:
    """A variant's file, as read from it.

    Attributes:
        size_bytes: of the file; ``download_bytes``: of it as zipped (deflate, the usual level).
        layers: against float32's; None of float32 itself and of a file of the user's own.
        meaning, notes: sentences that must be told of a file of the user's own, or of a simulated form.
        coded: of a simulated form.
        course: how a cured form was found.
    """

    facts: FileFacts
    size_bytes: int
    download_bytes: int
    layers: ComparedLayers | Absent | None = None
    meaning: str = ""
    notes: tuple[str, ...] = ()
    coded: CodedWeights | None = None
    course: CureCourse | None = None


# What a form was trained on.
LABELS, BOTH, OUTPUTS = "labels", "labels and float32 outputs", "float32 outputs"


@dataclass(frozen=True)
class EpochLoss:
    """One pass over the training photos.

    Attributes:
        epoch: from 1.
        steps: batches in it.
        loss: mean over them of what was minimized; ``parts``: of its terms, by name.
        rate: learning rate of the last step.
        seconds: wall time.
    """

    epoch: int
    steps: int
    loss: float
    parts: Mapping[str, float]
    rate: float
    seconds: float


@dataclass(frozen=True)
class TrainedForm:
    """How the codes of a trained form came about; a JSON file beside them.

    Attributes:
        form: id of the numeric form.
        model: id of the model.
        trained_on: one of ``LABELS``, ``BOTH``, ``OUTPUTS``.
        photos: number of training photos; ``photos_sha256``: hash of their labels, or of their hashes.
        schedule: numbers that the training was asked for, by name (epochs, batch, seed, ...).
        history: one entry per epoch.
        source_sha256: hash of the float32 model's own files.
        codes_sha256: hash of the file of codes.
        started_from: form at whose trained weights it began; empty for the float32 weights.
        versions: of the libraries, by name.
        earlier: the record of ``started_from``, as it was then; None without one.
    """

    form: str
    model: str
    trained_on: str
    photos: int
    photos_sha256: str
    schedule: Mapping[str, float]
    history: tuple[EpochLoss, ...]
    source_sha256: str
    codes_sha256: str
    started_from: str
    versions: Mapping[str, str]
    earlier: "TrainedForm | None" = None
