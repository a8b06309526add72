"""COCO's metric inside FiftyOne: exact, fast, honest about ties. ``method.py`` says how to use it."""
