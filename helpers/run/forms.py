"""Further numeric forms, which a run takes by name: ``--variant int16x8``; ``--variant ladder`` takes many.

``+edges`` after a simulated form keeps its first and last layers float32: ``ternary+edges``.
"""

import difflib
import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from types import MappingProxyType

from helpers.lab.errors import LabError, unknown_name
from helpers.run.cured_forms import CURED, CURES, chained_form, is_chain, no_chain
from helpers.run.variants import AT, BASELINE, VARIANTS, Variant, baseline_of, control_of, is_baseline
from helpers.runtimes.catalogue import LITERT, ONNXRUNTIME, OPENVINO, RUNTIMES, get_runtime

LADDER = "ladder"
LIMITED_TO = "QUANTLAB_RUNTIMES"  # in the environment
SIMULATED = "simulated"
SIMULATED_TRAINED = "simulated-trained"
EDGES = "+edges"
# Of these the ladder has both: they show what the first and the last layers cost with few bits.
LADDER_EDGES = ("uniform-4-channel-lse", "uniform-2-channel-lse", "codebook-16", "ternary", "binary")
FLOAT16_COMPUTE = "float16-compute"
FOR_ONNX = ("int8-entropy", "int8-percentile")  # LiteRT's quantizer has no such ranges
# Why a simulated form has no latency, memory or energy.
NOT_TIMED = "simulated: without kernels there is no time or memory to measure"

NOT_WEIGHED = "LiteRT computes in float16 by another interface, whose own memory would count as the form's"

_DEPLOYABLE = (
    Variant(
        FLOAT16_COMPUTE, FLOAT16_COMPUTE, "float16", "float16", False, "#661100", "8",
        "16-bit float weights, multiplied in 16-bit floats (XNNPACK's FORCE_FP16); processors without such "
        "arithmetic emulate it.",
    ),
    Variant(
        "int8-per-tensor", "int8-per-tensor", "int8", "int8", True, "#CC79A7", "v",
        "As int8, but one scale for all weights of a layer, not one per output channel.",
    ),
    Variant(
        "int8-entropy", "int8-entropy", "int8", "int8", True, "#DDCC77", "v",
        "As int8 of ONNX Runtime, ranges of least relative entropy; for ONNX models.",
    ),
    Variant(
        "int8-percentile", "int8-percentile", "int8", "int8", True, "#AA4499", "v",
        "As int8 of ONNX Runtime, ranges that leave out the rarest values; for ONNX models.",
    ),
    Variant(
        "int8-weights", "int8-weights", "int8", "float32", False, "#009E73", "P",
        "8-bit weights in the file, widened to 32 bits when the model is loaded; float arithmetic.",
    ),
    Variant(
        "int16x8", "int16x8", "int8", "int16x8", True, "#56B4E9", ">",
        "8-bit weights, 16-bit activations, ranges calibrated on photos.",
    ),
    Variant(
        "int4-weights", "int4-weights", "int4", "float32", False, "#882255", "p",
        "4-bit weights in the file where it can hold them (depthwise layers stay float32); float arithmetic.",
    ),
    Variant(
        "int4-dynamic", "int4-dynamic", "int4", "int4-dynamic", False, "#999933", "<",
        "4-bit weights where the file can hold them; activations are quantized on the fly, per call.",
    ),
)  # fmt: skip

_SCALES = {
    "tensor": "one scale per layer",
    "channel": "one scale per output channel",
    "block": "one scale per 32 weights",
}
_RANGES = {"minmax": "range from the extremes", "lse": "range of least squared error"}
_UNIFORM = tuple(
    f"{bits}-{scales}-{chosen}" for bits in range(8, 1, -1) for scales in _SCALES for chosen in _RANGES
)
# Of these the ladder has a line for each kind of scales, and what the range buys at 8 and at 4 bits.
LADDER_UNIFORM = tuple(f"uniform-{name}" for name in (
    "8-tensor-minmax", "8-channel-minmax", "8-channel-lse", "7-channel-lse", "6-tensor-lse", "6-channel-lse",
    "6-block-lse", "5-tensor-lse", "5-channel-lse", "5-block-lse", "4-tensor-minmax", "4-tensor-lse",
    "4-channel-minmax", "4-channel-lse", "4-block-minmax", "4-block-lse", "3-tensor-lse", "3-channel-lse",
    "3-block-lse", "2-channel-lse", "2-block-lse",
))  # fmt: skip


def uniform_meaning(name: str) -> str:
    """Of ``4-channel-lse``: bits, what shares a scale, and how the scale is chosen."""
    bits, scales, chosen = name.split("-")
    return f"{bits}-bit integers at equal steps, {_SCALES[scales]}, {_RANGES[chosen]}"


# Kind of ``quantize.kinds.catalogue`` -> what its weights are.
_MEANINGS = {
    "tf32": "floats of 8 bits of exponent and 10 of mantissa, as NVIDIA's TensorFloat-32",
    "bfloat16": "floats of 8 bits of exponent and 7 of mantissa",
    "float8-e4m3": "floats of 4 bits of exponent and 3 of mantissa, without a scale",
    "float8-e5m2": "floats of 5 bits of exponent and 2 of mantissa, without a scale",
    "mxfp8-e4m3": "8-bit floats (e4m3), one power of two per 32 weights as their scale",
    "mxfp6-e2m3": "6-bit floats (e2m3), one power of two per 32 weights as their scale",
    "mxfp4": "4-bit floats (e2m1), one power of two per 32 weights as their scale",
    **{f"uniform-{name}": uniform_meaning(name) for name in _UNIFORM},
    **{f"log2-{bits}": f"powers of two in {bits} bits, one scale per output channel" for bits in (5, 4, 3)},
    **{f"apot-{b}": f"sums of two powers of two in {b} bits, one scale per output channel" for b in (5, 4)},
    **{f"codebook-{n}": f"{n} levels per layer, placed by k-means" for n in (16, 8, 4)},
    "vector-2-256": "pairs of weights from a table of at most 256 pairs per layer, by k-means",
    "vector-4-256": "groups of 4 weights from a table of at most 256 groups per layer, by k-means",
    "vector-8-256": "groups of 8 weights from a table of at most 256 groups per layer, by k-means",
    "ternary": "-1, 0 or 1 times one scale per output channel, threshold of least squared error",
    "binary": "-1 or 1 times one scale per output channel",
}


def simulated_variant(kind: str, meaning: str) -> Variant:
    text = f"Simulated: {meaning}; computed in float32, size in codes with all tables and scales."
    return Variant(kind, SIMULATED, kind, SIMULATED, False, "", "", text)


# Trained form -> kind of ``quantize.kinds.catalogue``: which codes there are, and how they are stored.
TRAINED = MappingProxyType({
    "int8-qat": "uniform-8-channel-minmax",
    "int4-qat": "uniform-4-channel-lse",
    "int2-qat": "uniform-2-channel-lse",
    "ternary-qat": "ternary",
    "binary-qat": "binary",
})  # fmt: skip
INT8_TRAINED = Variant(
    "int8-qat", "int8-trained", "int8", "int8", False, "#332288", "X",
    "As int8, but weights, biases and ranges were trained with the rounding in the loop.",
)  # fmt: skip
_TRAINED_MEANINGS = {
    "int4-qat": "4-bit integers at equal steps, trained with the rounding in the loop",
    "int2-qat": "-1, 0 or 1 in 2 bits, trained with the rounding in the loop",
    "ternary-qat": "-1, 0 or 1, five in a byte, trained with the rounding in the loop",
    "binary-qat": "-1 or 1, trained with the rounding in the loop",
}


def trained_variant(name: str, meaning: str) -> Variant:
    form = simulated_variant(name, f"{meaning}, one scale per output channel")
    return replace(form, recipe=SIMULATED_TRAINED)


CURED_WEIGHTS = replace(
    simulated_variant(
        "int4-cured",
        "4-bit integers at equal steps, one scale per output channel; codes, scales and biases learnt from "
        "float32's outputs on calibration photos, without labels",
    ),
    recipe="int4-cured",
    storage_dtype="uniform-4-channel-lse",
    calibrated=True,
)

# What needs no training, and what does: that is made for a model once it is trained.
UNTRAINED = MappingProxyType({
    form.id: form
    for form in (*_DEPLOYABLE, *(simulated_variant(kind, text) for kind, text in _MEANINGS.items()))
})  # fmt: skip
FORMS = MappingProxyType({
    **UNTRAINED,
    CURED_WEIGHTS.id: CURED_WEIGHTS,
    INT8_TRAINED.id: INT8_TRAINED,
    **{name: trained_variant(name, text) for name, text in _TRAINED_MEANINGS.items()},
})  # fmt: skip


def is_simulated(variant: Variant) -> bool:
    """Whether its accuracy is exact and its latency is none: no runtime has kernels for it."""
    return variant.compute_dtype == SIMULATED


def why_unmeasured(form: Variant, quantity: str = "") -> str:
    """Why there is no ``quantity`` of 04 of a form, on any machine; empty where it is measured."""
    if is_simulated(form):
        return NOT_TIMED
    return NOT_WEIGHED if quantity == "memory" and form.id == FLOAT16_COMPUTE else ""


def is_trained(variant: Variant) -> bool:
    """Whether it is made of weights that ``python -m helpers train --form`` leaves."""
    return variant.id in TRAINED


def with_edges(form: Variant) -> Iterator[Variant]:
    """The form and, where it is simulated, the one that keeps the first and last layers."""
    yield form
    if is_simulated(form) and not is_trained(form) and form != CURED_WEIGHTS:
        text = f"{form.meaning} The first and the last layers of weights stay float32."
        yield replace(form, id=form.id + EDGES, meaning=text, keep_first_last=True)


BFLOAT16 = Variant(
    "bfloat16", "bfloat16", "float32", "bfloat16", False, "#117733", "h",
    "32-bit weights in the file, multiplied in bfloat16, where the processor can.",
)  # fmt: skip
# Form -> its meaning in OpenVINO, which makes its own files of the float32 core.
_IN_OPENVINO = {
    VARIANTS["float32"]: "The float32 core in OpenVINO: 32-bit weights, 32-bit arithmetic.",
    VARIANTS["float16"]: "In OpenVINO: 16-bit weights in the file, widened to 32 bits when it is loaded.",
    BFLOAT16: "In OpenVINO: 32-bit weights in the file, multiplied in bfloat16, where the processor can.",
    VARIANTS["int8"]: "In OpenVINO: 8-bit weights and activations by NNCF, calibrated on photos.",
    VARIANTS[CURED]: "In OpenVINO: as int8 by NNCF, with the cures that a search finds to win accuracy back.",
}


def in_openvino(form: Variant, meaning: str) -> Variant:
    name = f"{form.id}{AT}{OPENVINO.id}"
    return replace(
        form, id=name, recipe=f"{form.recipe}{AT}{OPENVINO.id}", meaning=meaning, runtime=OPENVINO.id
    )


OTHER_RUNTIMES = MappingProxyType({
    each.id: each for each in (in_openvino(form, text) for form, text in _IN_OPENVINO.items())
})  # fmt: skip

# Every form that has a name, each followed by that with its first and last layers kept.
ALL = MappingProxyType({
    each.id: each
    for form in (*VARIANTS.values(), *OTHER_RUNTIMES.values(), *FORMS.values())
    for each in with_edges(form)
})  # fmt: skip


BASELINES = tuple(name for name in ALL if is_baseline(name))
CONTROLS = tuple(map(control_of, BASELINES))


def usual_forms(homes: Collection[str] = (LITERT.id,)) -> list[str]:
    """What a run takes that names no variant: the usual forms, in every runtime that is there, or in those of
    them that ``QUANTLAB_RUNTIMES`` names (``openvino``; ``litert`` for no other).

    Args:
        homes: ids of the models' home runtimes; without LiteRT, nothing is cured but in OpenVINO.
    """
    named = [get_runtime(name.strip()) for name in os.environ.get(LIMITED_TO, "").split(",") if name.strip()]
    taken = [runtime.id for runtime in named or RUNTIMES.values() if not runtime.why_absent()]
    usual = [name for name in VARIANTS if name != CURED or LITERT.id in homes]
    return [*usual, *(name for name, form in OTHER_RUNTIMES.items() if form.runtime in taken)]


def is_in_ladder(form: Variant) -> bool:
    """Whether ``ladder`` takes it: it needs no training, and is no row between two others."""
    plain = form.id.removesuffix(EDGES)
    chosen = LADDER_EDGES if form.keep_first_last else LADDER_UNIFORM
    listed = form.keep_first_last or plain.startswith("uniform-")
    other = form.runtime or form.id in (*FOR_ONNX, CURED, CURED_WEIGHTS.id)
    return form.id not in TRAINED and not other and (plain in chosen or not listed)


IN_LADDER = tuple(form.id for form in ALL.values() if is_in_ladder(form))


def get_form(name: str) -> Variant:
    """A usual variant or a further form; raises ``LabError`` for a name that is neither."""
    if is_chain(name) and not name.endswith(EDGES):
        return chained_form(name)
    try:
        return ALL[name]
    except KeyError:
        raise no_form(name) from None


def no_form(name: str) -> LabError:
    """The error for a name that is no form's."""
    plain, at, runtime = name.removesuffix(EDGES).partition(AT)
    if set(plain.split("+")[1:]) & set(CURES):
        return no_chain(name)
    if at and plain.removesuffix(EDGES) in ALL:
        return no_form_there(name, plain, runtime)
    if plain == name or not (plain in ALL or plain == LADDER or plain.endswith(".tflite")):
        return unknown_name(
            "variant",
            name.removesuffix(EDGES),
            [*IN_LADDER, CURED, CURED_WEIGHTS.id, *FOR_ONNX, *TRAINED, *OTHER_RUNTIMES, LADDER],
        )
    return LabError(
        f"variant {name!r}: {EDGES} cannot follow {plain}.",
        f"{EDGES} after a simulated form without it, such as ternary{EDGES}",
        f"take {plain} as it is, or name a simulated form: `python -m helpers run --help` lists them.",
    )


def no_form_there(name: str, form: str, runtime: str) -> LabError:
    """The error for a form that a run has, in a runtime in which it has it not."""
    there = ", ".join(OTHER_RUNTIMES)
    if runtime not in RUNTIMES:
        near = difflib.get_close_matches(runtime, RUNTIMES, n=1)
        hint = f" Did you mean {form + AT + near[0]!r}?" if near else ""
        return LabError(
            f"variant {name!r}, whose runtime {runtime!r} does not exist.{hint}",
            f"one of: {there}; or a form without {AT}, which is in the model's own runtime",
            "correct what stands after the @, or leave it out.",
        )
    title = RUNTIMES[runtime].title
    if any(each.runtime == runtime for each in OTHER_RUNTIMES.values()):
        return LabError(
            f"variant {name!r}: {form} is not made for {title}.",
            f"one of: {there}",
            f"name one of these, or {form} without {AT}{runtime}.",
        )
    return LabError(
        f"variant {name!r}: {title} is the runtime of models with {RUNTIMES[runtime].ending} cores, whose "
        f"forms are named without {AT}.",
        f"{form}: it is in {LITERT.title}, and for an ONNX model in {ONNXRUNTIME.title}",
        f"leave {AT}{runtime} out; an ONNX model is named by its path (--model detector.onnx).",
    )


def require_forms(names: list[str]) -> tuple[Variant, ...]:
    """The named forms in registry order, with the float32 of each runtime among them."""
    asked = [each for name in names for each in (IN_LADDER if name == LADDER else [name])]
    named = [get_form(name) for name in asked]
    chosen = {form.id for form in named} | {BASELINE}
    chosen |= {baseline_of(name) for name in chosen}
    chains = {form.id: form for form in named if form.id not in ALL}
    return (*(form for form in ALL.values() if form.id in chosen), *chains.values())
