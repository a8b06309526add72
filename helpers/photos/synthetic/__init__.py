"""The embedded data set: synthetic photos in COCO format, the same bytes for the same seed."""
