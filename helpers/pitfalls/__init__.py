"""The failure gallery: seven mistakes of quantization studies, made on purpose, and what cures each."""
