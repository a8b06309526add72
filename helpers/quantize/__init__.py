"""From a SavedModel to the ``.tflite`` files of its variants."""
