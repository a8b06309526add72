"""What an operator of LiteRT is: its kind, its arithmetic and its multiply-adds."""

import math
import re

from helpers.runtimes.kinds_of_operators import CASTS, DENSE, DEPTHWISE, ELEMENTWISE, MOVES, OTHER, POINTWISE

XNNPACK, LITERT = "XNNPACK", "LiteRT"

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
WEIGHTS = 1  # their place among a convolution's inputs
# These change a tensor's shape and none of its bytes.
VIEWS = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_GROUPS = {
    CASTS: ("QUANTIZE", "DEQUANTIZE", "CAST"),
    ELEMENTWISE: (
        "ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "RELU", "RELU6", "HARD_SWISH", "LOGISTIC", "TANH",
        "ABS", "NEG", "SQRT", "RSQRT", "EXP", "PRELU", "LEAKY_RELU", "SOFTMAX",
    ),
    MOVES: (
        *VIEWS, "CONCATENATION", "RESIZE_NEAREST_NEIGHBOR", "PAD", "PADV2", "TRANSPOSE", "SLICE",
        "STRIDED_SLICE", "SPLIT", "PACK", "UNPACK", "GATHER", "TILE", "BROADCAST_TO",
        "SPACE_TO_DEPTH", "DEPTH_TO_SPACE",
    ),
}  # fmt: skip
_WHOLE = re.compile(r"u?int(\d+)")

Shape = tuple[int, ...]


def kind_of(operator: str, weights: Shape = ()) -> str:
    """One of ``KINDS``; ``operator``: its type; ``weights``: their shape, of a convolution."""
    if operator == "DEPTHWISE_CONV_2D":
        return DEPTHWISE
    if operator == "FULLY_CONNECTED" or (operator == "CONV_2D" and weights[1:3] == (1, 1)):
        return POINTWISE
    if operator in CONVOLUTIONS:
        return DENSE
    return next((kind for kind, types in _GROUPS.items() if operator in types), OTHER)


def multiply_adds(operator: str, image: Shape, weights: Shape, made: Shape) -> int:
    """Multiply-adds of a convolution as the schoolbook counts them (Sze et al. 2017,
    doi:10.1109/JPROC.2017.2761740).

    Weights are ``[out, h, w, in]`` (CONV_2D, TRANSPOSE_CONV), ``[1, h, w, channels]`` (depthwise) and
    ``[out, in]`` (FULLY_CONNECTED). Each output element takes ``h * w * in`` multiply-adds (depthwise
    ``h * w``, fully connected ``in``); padding counts. Of a TRANSPOSE_CONV each *input* element gives
    ``h * w * out``. Biases do not count.

    Args:
        image, weights, made: shapes of the convolution's input, of its weights and of its output.
    """
    if operator == "TRANSPOSE_CONV":
        return math.prod(image) * math.prod(weights[:3])
    if operator == "DEPTHWISE_CONV_2D":
        return math.prod(made) * math.prod(weights[1:3])
    return math.prod(made) * math.prod(weights[1:])


def arithmetic(activations: str, weights: str) -> str:
    """The one name of what a convolution multiplies, whoever reads it from the file.

    Args:
        activations: dtype of its input; ``weights``: of its weights as the kernel meets them.

    Returns:
        ``float32``; ``int8`` (both of 8 bits); ``int8-dynamic``, ``int4-dynamic`` (whole weights, float
        activations that the kernel quantizes on the fly); ``int16x8``, ``int8x4`` (bits of activations by
        bits of weights).
    """
    whole = _WHOLE.fullmatch(weights)
    if activations == weights or not whole:
        return weights
    if activations.startswith("float"):
        return f"{weights}-dynamic"
    return f"{activations}x{whole[1]}"
