"""The usual numeric forms of a model: what a run takes that names none. ``forms`` has the further ones."""

from dataclasses import dataclass
from types import MappingProxyType

from helpers.lab.errors import unknown_name

BASELINE = "float32"
CONTROL = "float32-control"
AT = "@"  # ``int8@openvino`` is the form int8 in OpenVINO; without it a form is in the model's home runtime


def form_named(variant_id: str) -> str:
    """The numeric form of a variant: ``int8`` of ``int8@openvino``."""
    return variant_id.partition(AT)[0]


def runtime_named(variant_id: str) -> str:
    """The runtime that a variant's id names; empty for the model's home runtime."""
    return variant_id.partition(AT)[2]


def in_runtime_of(form: str, variant_id: str) -> str:
    """Id of ``form`` in the runtime of a variant."""
    runtime = runtime_named(variant_id)
    return f"{form}{AT}{runtime}" if runtime else form


def baseline_of(variant_id: str) -> str:
    """The float32 of a variant's runtime: what its ratios are to."""
    return in_runtime_of(BASELINE, variant_id)


def control_of(variant_id: str) -> str:
    """The control of a variant's runtime: its float32 once more, as if it were another variant."""
    return in_runtime_of(CONTROL, variant_id)


def is_baseline(variant_id: str) -> bool:
    return form_named(variant_id) == BASELINE


def is_control(variant_id: str) -> bool:
    return form_named(variant_id) == CONTROL


def is_compared(variant_id: str) -> bool:
    """Whether its accuracy is held against another's: neither the model's float32 nor a control's is."""
    return variant_id != BASELINE and not is_control(variant_id)


def reference_of(variant_id: str) -> str:
    """What a variant's accuracy is held against: the float32 of its runtime, and that of another runtime
    against the model's own."""
    return BASELINE if is_baseline(variant_id) else baseline_of(variant_id)


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
        runtime: id of what runs it; empty for the model's home runtime.
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
    runtime: str = ""


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
    Variant(
        "int8-cured", "int8-cured", "int8", "int8", True, "#44AA99", "d",
        "As int8, with the cures that a search finds to win accuracy back, by float32's own detections on "
        "calibration photos.",
    ),
)  # fmt: skip

VARIANTS = MappingProxyType({variant.id: variant for variant in _ENTRIES})


def get_variant(variant_id: str) -> Variant:
    try:
        return VARIANTS[variant_id]
    except KeyError:
        raise unknown_name("variant", variant_id, VARIANTS) from None
