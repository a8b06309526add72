"""Tests of 01: see ``helpers/download``."""
