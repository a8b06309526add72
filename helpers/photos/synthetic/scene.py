"""One synthetic photo: background, clutter, objects that hide each other, light, lens, sensor."""

from dataclasses import dataclass

import cv2
import numpy as np

from helpers.photos.synthetic import surface
from helpers.photos.synthetic.shapes import CATEGORIES, Canvas, Category

SHAPES_HW = ((240, 320), (320, 240), (256, 256), (288, 288), (224, 320), (320, 320))
# Side ranges of objects in pixels, for COCO's small (< 32^2), medium and large (> 96^2) areas.
SIDES = ((17, 42), (42, 120), (120, 220))
SIDE_SHARES = (0.34, 0.38, 0.28)
LEAST_VISIBLE = 0.35


@dataclass
class Object:
    """One annotated object or crowd region.

    Attributes:
        category: name of its category.
        mask: bool ``[H, W]``, the visible part.
        full_area: pixels before others hid it.
        crowd: whether it is a crowd region.
    """

    category: str
    mask: np.ndarray
    full_area: int
    crowd: bool = False

    @property
    def box_xywh(self) -> tuple[int, int, int, int]:
        """Tight box of the visible part, in pixels."""
        columns, rows = np.flatnonzero(self.mask.any(0)), np.flatnonzero(self.mask.any(1))
        left, top = int(columns[0]), int(rows[0])
        return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top

    @property
    def area(self) -> int:
        return int(self.mask.sum())


def draw_background(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """int32 ``[H, W, 3]``, about 0..255."""
    grey = random.integers(45, 211)
    image = np.broadcast_to(grey + random.integers(-45, 46, 3, dtype=np.int32), (height, width, 3))
    for channel_strength in random.integers(-45, 46, (2, 1)) + random.integers(-32, 33, (2, 3)):
        field = surface.centred(surface.fractal_noise(random, height, width))
        image = image + field[..., None] * channel_strength // 128
    pattern = random.integers(0, 4)
    if pattern == 1:
        image = surface.tint(
            image, surface.centred(surface.stripes(random, height, width)), random.integers(5, 30)
        )
    if pattern == 2:
        image = surface.tint(image, surface.tiles(random, height, width), random.integers(-60, 61))
    return surface.tint(image, surface.ramp(random, height, width), random.integers(0, 80))


def draw_clutter(random: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Irregular scraps and strokes that belong to no category."""
    canvas = np.clip(image, 0, 255).astype(np.uint8)
    height, width = canvas.shape[:2]
    for _ in range(random.integers(3, 16)):
        colour = random.integers(0, 256, 3).tolist()
        centre = random.integers(0, (width, height))
        if random.random() < 0.5:
            points = centre + random.integers(-28, 29, (random.integers(3, 6), 2))
            cv2.fillPoly(canvas, [points.astype(np.int32)], colour, cv2.LINE_AA)
        else:
            points = centre + np.cumsum(random.integers(-24, 25, (5, 2)), axis=0)
            cv2.polylines(
                canvas, [points.astype(np.int32)], False, colour, int(random.integers(1, 5)), cv2.LINE_AA
            )
    share = int(random.integers(90, 256))
    return (share * canvas.astype(np.int32) + (256 - share) * image) // 256


def draw_object(random: np.random.Generator, category: Category, side: int) -> tuple[np.ndarray, np.ndarray]:
    """One object on a square patch: colours int32 ``[side, side, 3]`` and alpha uint8 ``[side, side]``."""
    turn = random.uniform(-category.max_turn, category.max_turn)
    canvas = Canvas(2 * side, turn, random.uniform(0.72, 1.4))
    category.draw(canvas)
    mask = cv2.resize(canvas.mask, (side, side), interpolation=cv2.INTER_AREA)
    detail = cv2.resize(canvas.detail, (side, side), interpolation=cv2.INTER_AREA).astype(np.int32)
    return paint(random, side, detail), mask


def paint(random: np.random.Generator, side: int, detail: np.ndarray) -> np.ndarray:
    """Base colour, texture, details and light of one object: int32 ``[side, side, 3]``."""
    base = random.integers(20, 236, 3, dtype=np.int32)
    other = np.clip(base + random.choice([-1, 1]) * random.integers(50, 130, 3), 0, 255)
    colour = np.broadcast_to(base, (side, side, 3))
    texture = random.integers(0, 4)
    if texture == 1 and side >= 16:
        chosen = surface.stripes(random, side, side)[..., None] > 0
        colour = np.where(chosen, (3 * base + other) // 4, colour)
    if texture >= 2:
        colour = surface.tint(
            colour, surface.centred(surface.smooth_noise(random, side, side, 8)), random.integers(10, 60)
        )
    colour = colour + (other - base) * detail[..., None] // 256
    return surface.tint(colour, surface.ramp(random, side, side), random.integers(20, 90))


class Scene:
    """A photo in the making: ``image`` int32 ``[H, W, 3]`` and the objects drawn so far."""

    def __init__(self, random: np.random.Generator):
        self.random = random
        self.height, self.width = SHAPES_HW[random.integers(len(SHAPES_HW))]
        self.image = draw_clutter(random, draw_background(random, self.height, self.width))
        self.objects: list[Object] = []

    def place(self, category: Category, side: int, x: int, y: int) -> np.ndarray:
        """Draw an object with its patch's corner at ``(x, y)``; return its mask, bool ``[H, W]``."""
        colour, alpha = draw_object(self.random, category, side)
        top, left = max(0, y), max(0, x)
        bottom, right = min(self.height, y + side), min(self.width, x + side)
        inside = np.s_[top - y : bottom - y, left - x : right - x]
        self._cast_shadow(alpha[inside], top, left)
        area = self.image[top:bottom, left:right]
        weight = alpha[inside].astype(np.int32)[..., None]
        area[:] = (weight * colour[inside] + (255 - weight) * area) // 255
        mask = np.zeros((self.height, self.width), bool)
        mask[top:bottom, left:right] = alpha[inside] > 127
        return mask

    def _cast_shadow(self, alpha: np.ndarray, top: int, left: int) -> None:
        side = max(alpha.shape)
        shift = max(1, side // 14)
        shadow = np.zeros((self.height, self.width), np.uint8)
        target = shadow[
            top + shift : top + shift + alpha.shape[0], left + shift : left + shift + alpha.shape[1]
        ]
        target[:] = alpha[: target.shape[0], : target.shape[1]]
        shadow = cv2.blur(shadow, (2 * shift + 1, 2 * shift + 1))
        self.image = self.image * (640 - shadow.astype(np.int32)[..., None]) // 640

    def hide_behind(self, mask: np.ndarray) -> None:
        for item in self.objects:
            if not item.crowd:
                item.mask &= ~mask

    def add_object(self, side: int) -> None:
        """Try to place an object whose patch has this side, in pixels; it may find no room."""
        random = self.random
        x = int(random.integers(-side // 6, max(0, self.width - side + side // 6) + 1))
        y = int(random.integers(-side // 6, max(0, self.height - side + side // 6) + 1))
        if self._hides_too_much(x, y, side):
            return
        category = random_category(random)
        mask = self.place(category, side, x, y)
        if mask.sum() < 24:
            return
        self.hide_behind(mask)
        self.objects.append(Object(category.name, mask, int(mask.sum())))

    def _hides_too_much(self, x: int, y: int, side: int) -> bool:
        """Whether a patch there would cover most of an object that is already drawn."""
        patch = np.s_[max(0, y) : y + side, max(0, x) : x + side]
        return any(item.mask[patch].sum() > 0.55 * item.full_area for item in self.objects)

    def add_crowd(self) -> None:
        """A heap of small objects of one category, annotated as one crowd region."""
        random = self.random
        category, side = random_category(random), int(random.integers(14, 24))
        spread_x, spread_y = random.integers(40, 100, 2)
        x0 = int(random.integers(0, self.width - spread_x - side))
        y0 = int(random.integers(0, self.height - spread_y - side))
        region = np.zeros((self.height, self.width), bool)
        for _ in range(random.integers(10, 22)):
            x, y = x0 + int(random.integers(spread_x)), y0 + int(random.integers(spread_y))
            region |= self.place(category, side, x, y)
        self.objects.append(Object(category.name, region, int(region.sum()), crowd=True))

    def visible_objects(self) -> list[Object]:
        """Objects of which enough can be seen to be fairly asked for."""
        kept = (o for o in self.objects if o.area >= max(40, LEAST_VISIBLE * o.full_area))
        return list(kept)


def random_category(random: np.random.Generator) -> Category:
    return tuple(CATEGORIES.values())[random.integers(len(CATEGORIES))]


def random_sides(random: np.random.Generator, count: int) -> list[int]:
    """Sides of object patches in pixels, log-uniform within each of COCO's size classes."""
    low, high = np.array(SIDES)[random.choice(3, count, p=SIDE_SHARES)].T
    return (low * (high / low) ** random.random(count)).astype(int).tolist()


def expose(random: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Lens and sensor: light, colour cast, blur and noise; int32 ``[H, W, 3]`` -> uint8."""
    gains = random.integers(70, 150) * random.integers(92, 109, 3) // 100
    photo = np.clip(image * gains // 110 + random.integers(-18, 19), 0, 255).astype(np.uint8)
    if random.random() < 0.5:
        photo = cv2.GaussianBlur(photo, (5, 5), float(random.uniform(0.4, 1.4)))
    if random.random() < 0.1:
        kernel = np.zeros((5, 5), np.float32)
        kernel[2 if random.random() < 0.5 else slice(None), :] = 1
        photo = cv2.filter2D(photo, -1, kernel / kernel.sum())
    spread = int(random.integers(1, 14))
    noise = random.integers(-spread, spread + 1, (2, *photo.shape), dtype=np.int16).sum(0, dtype=np.int16)
    return np.clip(photo.astype(np.int16) + noise, 0, 255).astype(np.uint8)


def make_photo(random: np.random.Generator) -> tuple[np.ndarray, list[Object]]:
    """A photo, RGB uint8 ``[H, W, 3]``, and what is to be found in it."""
    scene = Scene(random)
    if random.random() < 0.08:
        scene.add_crowd()
    for side in sorted(random_sides(random, random.integers(3, 10)), reverse=True):
        scene.add_object(side)
    return expose(random, scene.image), scene.visible_objects()
