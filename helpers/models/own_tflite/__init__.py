"""A finished ``.tflite`` detector of the user's own: what it takes, what it gives, what that means."""
