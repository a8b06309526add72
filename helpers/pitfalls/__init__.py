"""The failure gallery: six mistakes of quantization studies, made on purpose, and what cures each."""
