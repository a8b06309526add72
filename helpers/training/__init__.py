"""08: training with quantization in the loop."""
