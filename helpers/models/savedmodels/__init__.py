"""Detectors of the TensorFlow Object Detection API: the core is cut out of a SavedModel's own graph."""
