"""The laboratory behind the notebooks: variants, exact evaluation, measuring, comparing, showing.

Files import from their own floor downwards, never up (``tests/suite/test_structure.py`` holds the floors).
Importing a module does nothing: no folder is made, no style set, no network touched.
"""
