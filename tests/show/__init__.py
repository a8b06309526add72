"""Tests of what figures and tables are made of: see ``helpers/show``."""
