"""The inference loop: photos to detections, all cores busy, memory bounded by one shard."""

import itertools
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.files import atomic_file
from helpers.lab.host import usable_cores
from helpers.lab.units import how_many
from helpers.photos.decoding import core_input, read_photo
from helpers.photos.preprocessing import Preprocessing
from helpers.runtimes.catalogue import load_core
from helpers.runtimes.contract import Session, is_finite
from helpers.tasks.detection.tails.selection import Detections

SHARD = 64


@dataclass(frozen=True)
class Shard:
    """Some photos, ready for any variant's core.

    Attributes:
        image_ids: COCO ids ``[n]``.
        sizes: int ``[n, 2]``, height and width of the photos.
        spans: float ``[n, 2]``, height and width of the core's whole input in pixels of the photo.
        margins: float ``[n, 2]``, what is filled above and left of each photo, in its pixels.
        inputs: the cores' inputs, float32 ``[1, H, W, 3]`` each.
        decode_s: wall time of decoding and resizing.
    """

    image_ids: Sequence[int]
    sizes: np.ndarray
    spans: np.ndarray
    margins: np.ndarray
    inputs: Sequence[np.ndarray]
    decode_s: float


@dataclass(frozen=True)
class ShardResult:
    """COCO results of one shard as columns, and how long it took.

    Attributes:
        image_id, category_id: int64 ``[n]``.
        bbox: float64 ``[n, 4]``, (x, y, w, h) in pixels.
        score: float64 ``[n]``.
        decode_s: wall time of decoding and resizing the photos, once for all variants.
        loop_s: wall time of the inference loop, core and tail, on all workers.
        core_s, tail_s: time in core and tail, summed over the workers.
        images: photos in the shard.
        broken: ids of those for which the core gave NaN or infinity, int64.
    """

    image_id: np.ndarray
    category_id: np.ndarray
    bbox: np.ndarray
    score: np.ndarray
    decode_s: float
    loop_s: float
    core_s: float
    tail_s: float
    images: int
    broken: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def save(self, path: Path) -> None:
        with atomic_file(path) as temporary:
            np.savez(temporary, **vars(self))

    @staticmethod
    def load_if_whole(path: Path) -> "ShardResult | None":
        """The shard, or None where it is absent or damaged."""
        try:
            return ShardResult.load(path)
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error):
            return None

    @staticmethod
    def load(path: Path) -> "ShardResult":
        with np.load(path) as stored:
            columns = {name: stored[name] for name in stored.files}
        return ShardResult(**{n: v.item() if v.ndim == 0 else v for n, v in columns.items()})


def split(photos: Mapping[int, Path], size: int = SHARD) -> list[dict[int, Path]]:
    items = list(photos.items())
    return [dict(items[i : i + size]) for i in range(0, len(items), size)]


def decode(photos: Mapping[int, Path], preprocessing: Preprocessing, workers: int = 0) -> Shard:
    """Read and prepare photos on so many cores of the processor; 0 for all."""
    start = time.perf_counter()

    def prepare(path: Path) -> tuple[tuple[int, int], np.ndarray]:
        photo = read_photo(path)
        return photo.shape[:2], core_input(photo, preprocessing)

    with ThreadPoolExecutor(workers or usable_cores()) as pool:
        sizes, inputs = zip(*pool.map(prepare, photos.values()), strict=True)
    spans = np.array([preprocessing.span(*size) for size in sizes])
    margins = np.array([preprocessing.margin(*size) for size in sizes])
    return Shard(list(photos), np.array(sizes), spans, margins, inputs, time.perf_counter() - start)


class CorePool:
    """One single-threaded core per worker: two cores side by side beat one core on two threads."""

    def __init__(self, path: Path, workers: int | None = None):
        self.cores = [load_core(path, threads=1) for _ in range(workers or usable_cores())]

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.cores[0].input_shape

    def map(self, work: Callable[[Session, int], None], count: int) -> None:
        """Call ``work(core, i)`` for every ``i`` below ``count``, shared among the workers."""
        numbers = itertools.count()

        def serve(core: Session) -> None:
            while (i := next(numbers)) < count:
                work(core, i)

        with ThreadPoolExecutor(len(self.cores)) as pool:
            for done in [pool.submit(serve, core) for core in self.cores]:
                done.result()


def detect(
    pool: CorePool, tail: Callable[[dict], Detections], shard: Shard, category_ids: Sequence[int]
) -> ShardResult:
    """Run core and tail over a shard; ``category_ids[c - 1]`` is the COCO id of the model's class ``c``."""
    found: list[Detections | None] = [None] * len(shard.inputs)
    seconds = np.zeros((len(shard.inputs), 2))
    sound = np.zeros(len(shard.inputs), bool)

    def work(core: Session, i: int) -> None:
        start = time.perf_counter()
        heads = core(shard.inputs[i])
        middle = time.perf_counter()
        found[i] = tail(heads)
        seconds[i] = middle - start, time.perf_counter() - middle
        sound[i] = is_finite(heads)
        found[i] = found[i] if sound[i] else finite(found[i])

    start = time.perf_counter()
    pool.map(work, len(shard.inputs))
    loop_s = time.perf_counter() - start
    require_sound(sound)
    columns = as_columns(shard, found, np.asarray(category_ids))
    broken = np.asarray(shard.image_ids, np.int64)[~sound]
    return ShardResult(*columns, shard.decode_s, loop_s, *map(float, seconds.sum(0)), len(found), broken)


def finite(found: Detections) -> Detections:
    """Those whose box and score are numbers: no metric takes the others."""
    kept = np.isfinite(found.boxes).all(1) & np.isfinite(found.scores)
    return Detections(found.boxes[kept], found.scores[kept], found.classes[kept])


def require_sound(sound: np.ndarray) -> None:
    """Raise if a core gave NaN or infinity for half of the photos ``[n]`` or more: that makes no AP."""
    broken = int((~sound).sum())
    if 2 * broken >= len(sound) and broken:
        raise LabError(
            f"NaN or infinity among the outputs for {broken} of {how_many(len(sound), 'photo')}.",
            "finite numbers",
            "look at the file: a layer overflows, or its weights are not whole.",
        )


def as_columns(shard: Shard, found: Sequence[Detections], category_ids: np.ndarray) -> tuple:
    """Image ids, category ids, boxes in pixels and scores of all detections of a shard.

    Classes that the data set does not have (category id below 0) are left out.
    """
    counts = [len(item.scores) for item in found]
    image = np.repeat(np.asarray(shard.image_ids, np.int64), counts)
    scale = np.repeat(shard.spans[:, [1, 0]], counts, axis=0)
    within = np.repeat(shard.sizes[:, [1, 0]], counts, axis=0).astype(float)
    margin = np.repeat(shard.margins[:, [1, 0]], counts, axis=0)
    boxes = np.concatenate([item.boxes for item in found]).astype(float)
    low, high = (np.clip(boxes[:, ends] * scale - margin, 0, within) for ends in ([1, 0], [3, 2]))
    bbox = np.concatenate([low, high - low], 1)
    category = category_ids[require_known(np.concatenate([item.classes for item in found]), category_ids) - 1]
    scores = np.concatenate([item.scores for item in found]).astype(float)
    return tuple(column[category >= 0] for column in (image, category, bbox, scores))


def require_known(classes: np.ndarray, category_ids: np.ndarray) -> np.ndarray:
    """The class numbers ``[n]``, all of which must have an entry in ``category_ids``."""
    highest = int(classes.max(initial=0))
    if highest > len(category_ids):
        raise LabError(
            f"class {highest} was detected, and the model's label map names {len(category_ids)} classes.",
            "a name, or an empty one, for every class",
            "give the model the label map that it was trained with "
            "(helpers/tasks/detection/label_maps.py has COCO's).",
        )
    return classes
