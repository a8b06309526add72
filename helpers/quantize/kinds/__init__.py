"""Every kind of weight quantization as numbers: codes, the values that they stand for, and their bits."""
