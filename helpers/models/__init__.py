"""Pretrained models: the registry, and one package per family."""
