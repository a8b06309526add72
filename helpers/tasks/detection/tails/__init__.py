"""Tails: raw heads to detections, in float, outside the core; one file per design of detector."""
