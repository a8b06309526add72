"""07: every numeric form of a model side by side."""
