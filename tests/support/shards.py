"""Shards of detections as the COCO results that pycocotools takes."""

from collections.abc import Sequence

from helpers.evaluate.detect import ShardResult


def as_results(shards: Sequence[ShardResult]) -> list[dict]:
    return [
        {"image_id": int(i), "category_id": int(c), "bbox": b, "score": float(s)}
        for part in shards
        for i, c, b, s in zip(part.image_id, part.category_id, part.bbox.tolist(), part.score, strict=True)
    ]
