"""The usual numeric forms of a model: what a run takes that names none. ``forms`` has the further ones."""

from dataclasses import dataclass
from types import MappingProxyType

from helpers.lab.errors import unknown_name

BASELINE = "float32"
CONTROL = "float32-control"
OF_RUNTIME = "@"  # ``int8@openvino``: the form, and what runs it; without it LiteRT


@dataclass(frozen=True)
class Variant:
    """One numeric form of a model's core.

    Attributes:
        id: name in files, tables and figures.
        recipe: how ``quantize`` makes it; a key of ``quantize.recipes.catalogue.RECIPES``.
        storage_dtype: dtype that the convolution weights must have in the file.
        compute_dtype: dtype that most kernels must multiply in, as read from the file.
        calibrated: whether activation ranges are taken from calibration photos.
        colour: colour in every figure (Okabe and Ito's colour-blind safe palette).
        marker: matplotlib marker in every figure.
        meaning: one sentence for tables and reports.
        own: a file of the user's own, as ``own_tflite.adopt`` takes it; empty for what a recipe makes. Its
            dtypes are those that are read from it, so nothing is promised of them.
        keep_first_last: of a simulated form, whether the first and the last layers of weights stay float32.
    """

    id: str
    recipe: str
    storage_dtype: str
    compute_dtype: str
    calibrated: bool
    colour: str
    marker: str
    meaning: str
    own: str = ""
    keep_first_last: bool = False


_ENTRIES = (
    Variant(
        "float32", "none", "float32", "float32", False, "#000000", "o",
        "The baseline: 32-bit weights, 32-bit arithmetic.",
    ),
    Variant(
        "float16", "float16", "float16", "float32", False, "#0072B2", "s",
        "16-bit weights in the file, widened to 32 bits when the model is loaded.",
    ),
    Variant(
        "int8-dynamic", "int8-dynamic", "int8", "int8-dynamic", False, "#E69F00", "^",
        "8-bit weights; activations stay float and are quantized on the fly, per call.",
    ),
    Variant(
        "int8", "int8", "int8", "int8", True, "#D55E00", "D",
        "8-bit weights and activations, ranges calibrated on photos, integer kernels.",
    ),
)  # fmt: skip

VARIANTS = MappingProxyType({variant.id: variant for variant in _ENTRIES})


def baseline_of(variant_id: str) -> str:
    """What the variant's ratios are to: float32 of the same runtime."""
    return BASELINE + runtime_ending(variant_id)


def control_of(variant_id: str) -> str:
    """The control that shows the noise of its ratios: float32 of the same runtime, once more."""
    return CONTROL + runtime_ending(variant_id)


def runtime_ending(variant_id: str) -> str:
    """``@openvino``; empty for LiteRT."""
    return "".join(variant_id.partition(OF_RUNTIME)[1:])


def get_variant(variant_id: str) -> Variant:
    try:
        return VARIANTS[variant_id]
    except KeyError:
        raise unknown_name("variant", variant_id, VARIANTS) from None
