"""Object detection: boxes, tails, label maps, COCO's metric, and where a loss comes from."""
