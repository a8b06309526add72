"""ONNX Runtime: running a ``.onnx`` file, and reading what it holds."""
