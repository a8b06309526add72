"""What a model is for, its truth, its tail and its metric: one package per task."""
