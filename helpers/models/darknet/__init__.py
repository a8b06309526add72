"""Darknet's detectors: ``.cfg`` and ``.weights`` to a float32 core, and the tail that belongs to it."""
