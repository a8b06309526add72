"""Files made of weights that were trained with quantization in the loop."""
