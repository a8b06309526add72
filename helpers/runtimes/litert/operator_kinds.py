"""Kinds of operator, in the order of tables and figures."""

POINTWISE, DEPTHWISE, DENSE = "convolution 1×1", "depthwise convolution", "convolution k×k"
CASTS, ELEMENTWISE, MOVES, OTHER = "quantize, dequantize", "element-wise", "move data", "other"
# Time of an inference that is spent outside of every operator.
BETWEEN = "between operators"
KINDS = (POINTWISE, DEPTHWISE, DENSE, CASTS, ELEMENTWISE, MOVES, OTHER)
ALL_KINDS = (*KINDS, BETWEEN)
XNNPACK, LITERT = "XNNPACK", "LiteRT"
