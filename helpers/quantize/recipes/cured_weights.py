"""The recipe of weights in 4 bits with all cures for them: simulated, activations stay float32."""

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.files import write_bytes
from helpers.quantize.cures.plan import Plan
from helpers.quantize.kinds.coding import Coded
from helpers.quantize.recipes.contract import Recipe, Work
from helpers.quantize.recipes.cured_file import why_unfit
from helpers.quantize.recipes.simulated_file import made_of
from helpers.quantize.records import MadeFile

INT4_CURED = "int4-cured"
BITS = 4
FEWEST_PHOTOS = 8
RATE = 1e-4


class CuredWeights(Recipe):
    def make(self, work: Work) -> MadeFile:
        return write_int4_cured(work)


def write_int4_cured(work: Work) -> MadeFile:
    """Write the file with cured weights and biases, and return what its codes would take.

    Raises:
        LabError: there are too few calibration photos, nothing to quantize, or an operator is not known.
    """
    from helpers.quantize.trained.weight_file import replaced, with_own_biases

    photos = list(work.calibration())
    if len(photos) < FEWEST_PHOTOS:
        raise LabError(
            f"{len(photos)} calibration photos to cure {work.variant.id} by.",
            f"{FEWEST_PHOTOS} or more",
            "give the run more calibration photos.",
        )
    if reason := why_unfit(photos):
        raise LabError(reason, "photos that differ", "calibrate on photos like those it will run on.")
    content = with_own_biases(work.float_file.read_bytes())
    plan = cured(content, photos)
    layers, codes = planned_codes(content, plan, work.variant.id)
    found = replaced(content, layers, codes)
    write_bytes(work.output, found.content)
    return made_of(found, work.variant, work.output)


def cured(content: bytes, photos: Sequence[np.ndarray], tune: bool = True) -> Plan:
    """Codes, steps and biases: clipped, rounded and corrected layer by layer, then tuned together.

    Channels are not scaled before: by the sizes of activations this lost accuracy (yolo_fastest_xl, 400
    photos: 4.3 points of AP lost with it, 2.7 without), since the layers' moments say the same and more.

    Args:
        photos: core inputs, float32.
        tune: whether fine-tuning is the last step: what takes longest.
    """
    from helpers.quantize.cures.rounding import rounded
    from helpers.quantize.cures.tuning import Schedule, seen_photos, tuned

    # What tuning holds back must be new to the codes as well, or their start looks better than it is.
    own = seen_photos(photos)
    plan = rounded(content, Plan({}, weight_bits=BITS), own, sequential=True, biases=True)
    return tuned(content, plan, photos, Schedule(rate=RATE)) if tune else plan


def planned_codes(content: bytes, plan: Plan, form: str):
    """Layers of the file, and the plan's codes of them as trained forms have theirs.

    Args:
        content: a file in which each bias is of one convolution (``with_own_biases``).
    """
    from helpers.quantize.cures.writing import weight_codes, weight_steps
    from helpers.quantize.trained.constants import weight_layers, whole_model
    from helpers.quantize.trained.trained_codes import TrainedCodes, coded
    from helpers.runtimes.litert.operator_kinds import CONVOLUTIONS
    from helpers.runtimes.litert.reader import graph_of

    layers = weight_layers(content)
    graph = graph_of(whole_model(content), len(content))
    convolutions = [operator for operator in graph.operators if operator.type in CONVOLUTIONS]
    kind = f"uniform-{plan.weight_bits}-channel-lse"
    found: list[Coded] = []
    biases = []
    for layer in layers:
        own = [convolutions[n] for n in layer.convolutions]
        name = own[0].weights.name
        steps = weight_steps(layer.weights, layer.axis, plan, name)
        codes = weight_codes(layer.weights, steps, layer.axis, plan, name)
        found.append(coded(kind, codes.astype(np.float32), steps, layer.axis))
        pairs = zip(layer.biases, own, strict=True)
        biases.append(tuple(np.float32(b + plan.biases.get(op.outputs[0].name, 0)) for b, op in pairs))
    norms = tuple(layer.norm for layer in layers)
    nothing = np.zeros(0, np.float32), np.zeros(0, np.int32)
    return layers, TrainedCodes(form, "", "", tuple(found), norms, tuple(biases), *nothing)


RECIPES = MappingProxyType({INT4_CURED: CuredWeights()})
