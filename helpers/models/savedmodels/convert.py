"""A SavedModel's core as float32 ``.tflite``, with the preprocessing before it and the tail after it."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from helpers.lab.errors import LabError
from helpers.lab.files import write_bytes
from helpers.lab.quietly import stderr_muted
from helpers.models.interface import Interface
from helpers.models.savedmodels import whole_decoding, with_anchors, with_centres
from helpers.models.savedmodels.cut import Core
from helpers.models.savedmodels.follow import above, convolutions
from helpers.models.savedmodels.freeze import Frozen, freeze
from helpers.models.savedmodels.load import SavedModel, load
from helpers.models.savedmodels.preprocess import find_image
from helpers.models.savedmodels.suppression import INPUTS, Suppression, read_suppression
from helpers.models.savedmodels.trial import Plan
from helpers.photos.preprocessing import Preprocessing
from helpers.tasks.detection.tails.selection import Limits

# In order of what they leave to be quantized: the less of the decoding, the better.
DESIGNS = (with_anchors, with_centres, whole_decoding)
CURE = "use a single-shot detector with anchors, with heat maps, or with boxes and scores for all candidates."


def convert(folder: Path, limits: Limits, output: Path) -> Interface:
    """Cut the core out of a SavedModel and write it to ``output``.

    The core takes ``image`` float32 ``[1, h, w, 3]``. Suppression is the graph's own; of ``limits`` the score
    threshold holds, and the rest where the graph says nothing or allows more.

    Raises:
        LabError: no detector, a preprocessing that is not known, or a design that cannot be cut.
    """
    return convert_loaded(load(folder), limits, output)


def convert_loaded(model: SavedModel, limits: Limits, output: Path) -> Interface:
    """As ``convert``, of a SavedModel in memory."""
    frozen = freeze(model)
    with frozen.session:
        image, preprocessing = find_image(frozen)
        plan = find_plan(frozen, image, preprocessing, limits)
        shape = (1, preprocessing.height, preprocessing.width, 3)
        write_bytes(output, converted(Core(frozen, image, shape, plan)))
    return Interface(preprocessing, plan.tail)


def find_plan(frozen: Frozen, image: tf.Tensor, preprocessing: Preprocessing, limits: Limits) -> Plan:
    """The first design whose tail answers as the graph does.

    Raises:
        LabError: there is none, or the core would depend on the photo's own size.
    """
    photo = noise(preprocessing)
    require_single_shot(frozen)
    facts = read_suppression(frozen, photo)
    for design in DESIGNS:
        plan = design.find(frozen, photo, facts, limits)
        if plan is not None and is_closed(frozen, image, plan):
            return plan
    raise LabError(
        "boxes and scores of the SavedModel were followed back to its convolutions, and no tail reproduces "
        f"what the graph makes of them ({described(facts)}).",
        "box encodings and anchors, heat maps with offsets and sizes, or boxes and scores before suppression",
        CURE,
    )


def noise(preprocessing: Preprocessing) -> np.ndarray:
    """A uint8 photo of the core's size, so that photo and input have the same coordinates."""
    size = (preprocessing.height, preprocessing.width, 3)
    return np.random.default_rng(0).integers(0, 256, size, np.uint8)


def require_single_shot(frozen: Frozen) -> None:
    before = above([op.inputs[0] for op in convolutions(frozen)])
    early = sorted({op.type for op in before if op.type in INPUTS})
    if early:
        raise LabError(
            f"{early[0]} stands before a convolution: a detector of two stages.", "one stage", CURE
        )


def is_closed(frozen: Frozen, image: tf.Tensor, plan: Plan) -> bool:
    """Whether the outputs depend on the photo by way of the network's input alone."""
    outputs = [output.source.tensor for output in plan.outputs.values()]
    return frozen.photo.op not in above(outputs, {image.name})


def described(facts: Suppression) -> str:
    return f"at most {facts.most_detections} detections, suppression at IoU {facts.iou}"


def converted(core: Core) -> bytes:
    """The core as a float32 ``.tflite``; the converter folds batch norm into convolutions."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions([core.function], core)
    try:
        with stderr_muted():
            return converter.convert()
    except Exception as error:  # the converter raises several types, all with MLIR's own account
        raise LabError(
            f"the core that was cut out cannot be converted: {str(error).strip()[:500]}",
            "operators that .tflite has, with fixed shapes",
            CURE,
        ) from error
