"""03: what each variant finds, and what of it is right."""
