"""What runs a core: one package per runtime."""
