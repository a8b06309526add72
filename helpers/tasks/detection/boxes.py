"""Boxes and anchors. Unless said otherwise a box is ``(ymin, xmin, ymax, xmax)``, relative to 0..1."""

from collections.abc import Sequence

import numpy as np

# Box coder of the TensorFlow Object Detection API (faster_rcnn_box_coder): scales of ty, tx, th, tw.
CODER_SCALES = (10.0, 10.0, 5.0, 5.0)


def decode_boxes(encodings: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Encodings ``[N, 4]`` (ty, tx, th, tw) and anchors ``[N, 4]`` (cy, cx, h, w) -> boxes ``[N, 4]``.

    Faster R-CNN's coder (Ren et al. 2015, eq. 2) with the scales of the Object Detection API.
    """
    ty, tx, th, tw = (encodings / np.float32(CODER_SCALES)).T
    cy, cx, h, w = anchors.T
    centre_y, centre_x = ty * h + cy, tx * w + cx
    half_h, half_w = np.exp(th) * h / 2, np.exp(tw) * w / 2
    return np.stack([centre_y - half_h, centre_x - half_w, centre_y + half_h, centre_x + half_w], 1)


def make_anchors(grid_sizes: Sequence[int], scales: Sequence[float], ratios: Sequence[float]) -> np.ndarray:
    """Anchors (cy, cx, h, w) of square feature maps, float32 ``[N, 4]``, map by map, row by row.

    Each cell has one anchor per width-to-height ratio at its map's scale, and one square anchor
    between this map's scale and the next, as in SSD (Liu et al. 2016).
    """
    following = [*scales[1:], scales[-1] * scales[-1] / scales[-2]]
    maps = zip(grid_sizes, scales, following, strict=True)
    return np.concatenate([_map_anchors(*entry, ratios) for entry in maps]).astype(np.float32)


def _map_anchors(grid: int, scale: float, next_scale: float, ratios: Sequence[float]) -> np.ndarray:
    sizes = [(scale / r**0.5, scale * r**0.5) for r in ratios]
    sizes.append(((scale * next_scale) ** 0.5,) * 2)
    centres = (np.arange(grid) + 0.5) / grid
    cy, cx = np.meshgrid(centres, centres, indexing="ij")
    cells = np.stack([cy, cx], -1)[:, :, None].repeat(len(sizes), axis=2)
    shapes = np.broadcast_to(np.array(sizes), (grid, grid, len(sizes), 2))
    return np.concatenate([cells, shapes], -1).reshape(-1, 4)
