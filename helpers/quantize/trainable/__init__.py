"""A LiteRT core as a TensorFlow function with gradients, with rounding in the loop."""
