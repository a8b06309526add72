"""Presentation: figures, tables and the report. Everything here reads results; nothing here computes them."""
