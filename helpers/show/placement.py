"""Direct labels that do not overlap: each takes the nearest free place around its point."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from helpers.show.style import FAINT, SMALL_PT

_RADII_PT = (9, 15, 22, 30, 39, 50, 62, 76)
_ANGLES = tuple(math.radians(angle) for angle in (0, 180, 45, -45, 135, -135, 20, -20, 160, -160, 90, -90))
_LEADER_FROM_PT = 12


def candidate_offsets() -> list[tuple[float, float]]:
    """Offsets in points, nearest first; right and left before above and below."""
    return [(r * math.cos(a), r * math.sin(a)) for r in _RADII_PT for a in _ANGLES]


def box_at(x: float, y: float, dx: float, dy: float, width: float, height: float) -> Bbox:
    """Box of a label whose near edge lies at the offset: it never covers its own point. All in pixels."""
    left = x + dx - (0 if dx > 1 else width if dx < -1 else width / 2)
    bottom = y + dy - height / 2
    return Bbox.from_bounds(left, bottom, width, height)


def overlap_area(box: Bbox, others: Sequence[Bbox]) -> float:
    shared = (Bbox.intersection(box, other) for other in others)
    return sum(part.width * part.height + 1 for part in shared if part is not None)


def crosses(box: Bbox, start: tuple[float, float], end: tuple[float, float]) -> bool:
    """Whether the segment passes through the box, by sampling."""
    steps = [i / 12 for i in range(13)]
    return any(
        box.contains(start[0] + t * (end[0] - start[0]), start[1] + t * (end[1] - start[1])) for t in steps
    )


def outside_area(box: Bbox, frame: Bbox) -> float:
    inside = Bbox.intersection(box, frame)
    return box.width * box.height - (inside.width * inside.height if inside else 0)


def place_labels(
    axes: Axes, points: Sequence[tuple[float, float]], texts: Sequence[str], obstacles: Sequence[Bbox]
) -> list[Annotation]:
    """Label each point; call it last, when limits and layout are final.

    Points that lie close together get their labels at growing distance, joined by a thin leader.

    Args:
        points: data coordinates.
        obstacles: boxes in pixels (markers, intervals) that labels must not cover.
    """
    pixels = [tuple(axes.transData.transform(point)) for point in points]
    taken, leaders = list(obstacles), []
    placed = []
    for point, pixel, text in zip(points, pixels, texts, strict=True):
        dx, dy, box = best_place(axes, pixel, text, taken, leaders)
        taken.append(box)
        leaders.append((pixel, leader_end(pixel, box)))
        placed.append(annotate(axes, point, pixel, text, box, math.hypot(dx, dy)))
    return placed


def best_place(axes: Axes, pixel: tuple, text: str, taken: list[Bbox], leaders: list) -> tuple:
    """Offset in points and box in pixels of the first free place, or of the least bad one."""
    scale, first_label = axes.figure.dpi / 72, len(taken) - len(leaders)
    width, height = text_extent(axes, text)
    best, best_cost = None, math.inf
    for dx, dy in candidate_offsets():
        box = box_at(*pixel, dx * scale, dy * scale, width, height)
        cost = 4 * outside_area(box, axes.bbox) + overlap_area(box.padded(1.5 * scale), taken)
        cost += 80 * scale * sum(crosses(box, start, end) for start, end in leaders)
        own_leader = leader_end(pixel, box)
        cost += 40 * scale * sum(crosses(label, pixel, own_leader) for label in taken[first_label:])
        if cost < best_cost:
            best, best_cost = (dx, dy, box), cost
        if cost == 0:
            break
    return best


def text_extent(axes: Axes, text: str) -> tuple[float, float]:
    """Width and height of a label in pixels."""
    probe = axes.text(0, 0, text, fontsize=SMALL_PT)
    extent = probe.get_window_extent(axes.figure.canvas.get_renderer())
    probe.remove()
    return extent.width, extent.height


def leader_end(pixel: tuple[float, float], box: Bbox) -> tuple[float, float]:
    """The point of the box nearest to the labelled point."""
    return (min(max(pixel[0], box.x0), box.x1), min(max(pixel[1], box.y0), box.y1))


def annotate(axes: Axes, point: tuple, pixel: tuple, text: str, box: Bbox, distance_pt: float) -> Annotation:
    scale = 72 / axes.figure.dpi
    offset = ((box.x0 - pixel[0]) * scale, (box.y0 + box.height / 2 - pixel[1]) * scale)
    if distance_pt > _LEADER_FROM_PT:
        end = leader_end(pixel, box.padded(2 / scale))
        axes.annotate(
            "",
            point,
            xytext=((end[0] - pixel[0]) * scale, (end[1] - pixel[1]) * scale),
            textcoords="offset points",
            zorder=2,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4},
        ).set_in_layout(False)
    label = axes.annotate(
        text,
        point,
        xytext=offset,
        textcoords="offset points",
        va="center",
        ha="left",
        fontsize=SMALL_PT,
        zorder=8,
        gid=f"label:{text}",
        annotation_clip=False,
    )
    label.set_in_layout(False)
    return label
