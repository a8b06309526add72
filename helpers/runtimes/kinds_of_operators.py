"""Kinds of operators, in the order of tables and figures, whatever a runtime calls them."""

POINTWISE, DEPTHWISE, DENSE = "convolution 1×1", "depthwise convolution", "convolution k×k"
CASTS, ELEMENTWISE, MOVES, OTHER = "quantize, dequantize", "element-wise", "move data", "other"
# Time of an inference that is spent outside of every operator.
BETWEEN = "between operators"
KINDS = (POINTWISE, DEPTHWISE, DENSE, CASTS, ELEMENTWISE, MOVES, OTHER)
ALL_KINDS = (*KINDS, BETWEEN)

# The first that is part of a type's name, in small letters, decides.
_WORDS = (
    (("pool", "reduce", "norm"), OTHER),
    (("quantize", "convert", "cast"), CASTS),
    (("reorder", "reshape", "squeeze", "flatten", "concat", "resize", "interpolate", "upsample", "pad",
      "transpose", "slice", "split", "gather", "tile", "broadcast", "expand", "depthtospace", "spacetodepth",
      "memory", "identity"), MOVES),
    (("add", "sub", "mul", "div", "max", "min", "relu", "clip", "clamp", "sigmoid", "swish", "gelu",
      "softmax", "tanh", "exp", "sqrt", "power", "abs", "neg", "mish", "elu", "eltwise"), ELEMENTWISE),
)  # fmt: skip


def kind_of_type(operator: str) -> str:
    """One of ``KINDS`` for the type of an operator that is no convolution, by the words in it."""
    name = operator.lower()
    return next((kind for words, kind in _WORDS if any(word in name for word in words)), OTHER)


def kind_of_convolution(groups: int, inner: int, window: tuple[int, ...]) -> str:
    """One of ``KINDS``.

    Args:
        groups: of channels; ``inner``: input channels of each.
        window: height and width of the weights; empty of a product.
    """
    if groups > 1 and inner == 1:
        return DEPTHWISE
    return POINTWISE if all(size == 1 for size in window) else DENSE
