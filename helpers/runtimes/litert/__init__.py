"""LiteRT: running a ``.tflite`` file, and the one reader of what such a file holds."""
