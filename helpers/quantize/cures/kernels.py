"""Which operators LiteRT computes in 8 bits, and what each of them asks of the grids at its ends."""

from helpers.quantize.cures.plan import Range
from helpers.runtimes.litert.graph import Graph, Operator, Tensor
from helpers.runtimes.litert.operator_kinds import CONVOLUTIONS

# They move or compare stored integers: what they read and what they give has one grid.
COPIES = frozenset({
    "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CONCATENATION", "MAX_POOL_2D", "RESIZE_NEAREST_NEIGHBOR", "PAD",
    "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE",
})  # fmt: skip
# They compute, and their kernels take one grid at both ends as well.
SAME = frozenset({"AVERAGE_POOL_2D", "RESIZE_BILINEAR", "MAXIMUM", "MINIMUM"})
ONE_GRID = COPIES | SAME
# LiteRT's kernels take one grid for their output alone.
GIVEN = {"LOGISTIC": Range(0, 255 / 256), "SOFTMAX": Range(0, 255 / 256), "TANH": Range(-1, 127 / 128)}
FREE = frozenset({"ADD", "SUB", "MUL", "LEAKY_RELU", "RELU", "RELU6", "HARD_SWISH", "PRELU", "MEAN"})
INTEGER = frozenset(CONVOLUTIONS) | ONE_GRID | FREE | frozenset(GIVEN)
# Inputs that are no numbers to compute with: shapes, paddings, axes, permutations.
SETTINGS = ("int32", "int64", "bool")


def data_inputs(operator: Operator) -> list[Tensor]:
    """What an operator computes with, but for a convolution's weights and bias."""
    if operator.type in CONVOLUTIONS:
        return [operator.image]
    return [tensor for tensor in operator.inputs if tensor.dtype not in SETTINGS]


def can_be_int8(graph: Graph, operator: Operator) -> bool:
    """Whether LiteRT has a kernel of 8 bits for it as it stands in the float32 file."""
    if operator.type not in INTEGER or any(t.dtype != "float32" for t in operator.outputs):
        return False
    if operator.type in CONVOLUTIONS:
        return operator.weights.constant and operator.weights.dtype == "float32"
    # A table of slopes has a grid of its own; any other constant stands where a photo's numbers could.
    return all(tensor.dtype == "float32" for tensor in data_inputs(operator)) and not all(
        tensor.constant for tensor in data_inputs(operator)
    )


def why_float(operator: Operator) -> str:
    """For people: why an operator cannot be of 8 bits."""
    if operator.type not in INTEGER:
        return f"LiteRT has no kernel of 8 bits for {operator.type}"
    return "its weights are not float32 constants of the file"
