"""ONNX detectors: read, cut into a core that gives raw heads, and run whole as a reference."""
