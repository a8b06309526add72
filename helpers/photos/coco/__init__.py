"""COCO's layout and JSON, as labelling tools write them, made the lab's own."""
