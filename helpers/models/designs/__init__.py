"""Designs of detectors that many files share: how photos are prepared, and what the heads mean."""
