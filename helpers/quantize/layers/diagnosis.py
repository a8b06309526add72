"""Which layers lose most, and why, in words."""

import math
from collections.abc import Mapping, Sequence

from helpers.quantize.layers.decibels import EXACT_DB, NEGLIGIBLE_DB
from helpers.quantize.layers.layer_error import COARSE_LEVELS, LayerError

NAMED = 3
# A layer whose own error is this much below the error that it ends with merely enlarges what it is given.
INHERITED_DB = 6.0
# An own error this much above that of rounding its weights, inputs and output is made by its arithmetic.
ENLARGED_DB = 6.0
CLIPPED_SHARE, COARSE_SHARE, COARSE_STEP, WIDE = 0.001, 0.25, 0.25, 2.0


def worst_by_drop(layers: Sequence[LayerError], count: int = NAMED) -> list[LayerError]:
    """Where error begins: the largest drops of SQNR from a layer's inputs to its output, those above 0.

    Why drops: Yolo-Fastest-1.1-XL in int8 loses 4.1 AP points on 400 COCO photos. With the convolutions
    of the five largest drops in float it wins back 1.5 of them; with five of the lowest SQNR by
    themselves, 0.1; with three from the middle of the network, none.
    """
    dropping = [layer for layer in layers if layer.drop_db > 0]
    return sorted(dropping, key=lambda layer: (-layer.drop_db, layer.place))[:count]


def diagnosis(layers: Sequence[LayerError]) -> str:
    """One sentence on a variant: which layers lose most, and why; ``layers``: one or more."""
    worst, lowest = worst_by_drop(layers), min(layers, key=lambda layer: layer.sqnr_db)
    lost = [layer for layer in layers if layer.sqnr_db <= -EXACT_DB]
    if lost:
        return (
            f"{len(lost)} of {len(layers)} layers, from {lost[0].name} on, give numbers that have nothing "
            "to do with float32's, or are not finite."
        )
    floor = lowest.sqnr_db
    if floor >= NEGLIGIBLE_DB:
        return f"All {len(layers)} layers keep {floor:.0f} dB or more: the error is below 1 % of the values."
    end = f"The lowest SQNR is {floor:.1f} dB, at {lowest.name}."
    if not worst:
        return f"None of {len(layers)} layers adds error to what it is given. {end}"
    named = "; ".join(f"{layer.name} ({about(layer)})" for layer in worst)
    verb = "layer loses" if len(worst) == 1 else "layers lose"
    return f"{len(worst)} of {len(layers)} {verb} most: {named}. {end}"


def about(layer: LayerError) -> str:
    return f"{layer.kind}, {layer.drop_db:.1f} dB below its input: {cause(layer)}"


def cause(layer: LayerError) -> str:
    """Why a layer loses, from what its error is made of."""
    own = layer.own_sqnr_db
    if own is None:
        return "its own error could not be told from what it is given"
    if own > layer.sqnr_db + INHERITED_DB:
        return f"mostly it enlarges the error that it is given (by itself it would keep {own:.1f} dB)"
    parts = {"output": layer.grid_sqnr_db, "weights": layer.weights_sqnr_db, "input": layer.input_sqnr_db}
    known = {name: value for name, value in parts.items() if value is not None}
    if layer.weights_sqnr_db is None and layer.weights_dtype not in ("", "float32"):
        return f"by itself it keeps {own:.1f} dB; its weights are stored as {layer.weights_dtype}"
    part = min(known, key=known.get, default="")
    if not part or own < known[part] - ENLARGED_DB:
        return enlarged(layer, known)
    return {"output": output_cause, "weights": weights_cause, "input": input_cause}[part](layer)


def enlarged(layer: LayerError, known: Mapping[str, float]) -> str:
    parts = ", ".join(f"{name} {value:.0f} dB" for name, value in known.items() if value < EXACT_DB)
    rounding = f" (rounding alone: {parts})" if parts else ""
    return (
        f"by itself it keeps {layer.own_sqnr_db:.1f} dB, less than rounding explains{rounding}: its sums "
        f"take small differences of large terms{where_half(layer)}"
    )


def where_half(layer: LayerError) -> str:
    """``; 2 of 16 channels make half of that error``, where few do."""
    if layer.half_channels is None or layer.half_channels > layer.channels / 4:
        return ""
    verb = "make" if layer.half_channels > 1 else "makes"
    return f"; {layer.half_channels} of its {layer.channels} channels {verb} half of that error"


def weights_cause(layer: LayerError) -> str:
    return f"its weights, stored as {layer.weights_dtype}, hold {layer.weights_sqnr_db:.1f} dB"


def input_cause(layer: LayerError) -> str:
    return f"its input is stored with {layer.input_sqnr_db:.1f} dB"


def output_cause(layer: LayerError) -> str:
    """Why the output's levels are too coarse; channels first: they are the usual cause, and curable."""
    if layer.clipped and layer.clipped > CLIPPED_SHARE:
        return f"{percent(layer.clipped)} of its values lie outside the calibrated range and are clipped"
    if layer.coarse_channels and layer.coarse_channels >= COARSE_SHARE:
        return (
            f"{percent(layer.coarse_channels)} of its channels span {COARSE_LEVELS} levels or fewer: "
            "channels of very different ranges share one scale"
        )
    if widening(layer) > WIDE:
        return f"the calibrated range is {widening(layer):.1f} times the range seen"
    if layer.step_per_std and layer.step_per_std > COARSE_STEP:
        return f"a step is {layer.step_per_std:.2f} standard deviations: rare extremes stretch the range"
    return f"its output is stored with {layer.grid_sqnr_db:.1f} dB"


def widening(layer: LayerError) -> float:
    """Calibrated range / range seen; 1 where there is none."""
    if layer.stored_range is None:
        return 1.0
    seen = layer.seen_range[1] - layer.seen_range[0]
    return (layer.stored_range[1] - layer.stored_range[0]) / seen if seen else math.inf


def percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.01 else f"{100 * share:.0f} %"
