"""Every variant over every photo: shards that are not there yet are found here or on a cluster."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.download.stage import data_folders
from helpers.evaluate import suspects
from helpers.evaluate.cluster import Cluster, Job, away
from helpers.evaluate.detect import CorePool, ShardResult, decode, detect, split
from helpers.evaluate.label_check import require_fitting_labels
from helpers.evaluate.remote import Shipped, Wanted, shipped
from helpers.lab.errors import LabError, reason_of
from helpers.lab.progress import progress
from helpers.lab.records import Origin
from helpers.models.interface import Interface
from helpers.models.registry import Model
from helpers.photos.dataset import (
    category_numbers,
    photo_paths,
    read_truth,
)
from helpers.photos.preprocessing import Preprocessing
from helpers.quantize.stage import interface_file, load_interface, working_files
from helpers.run.experiment import Run, origin
from helpers.run.variant_files import runtime_for
from helpers.run.variants import BASELINE
from helpers.tasks.detection.exact_coco.reading import Collected
from helpers.tasks.detection.label_maps import category_numbers_of

NOTEBOOK = "03_evaluate.ipynb"


class Progress:
    """Where the detections of one model's variants are kept, shard by shard, so that a kill loses one shard.

    A shard file's name carries the key of its origin: a file that is there is valid.
    """

    def __init__(self, run: Run, model: Model, dataset):
        self.run, self.model, self.dataset = run, model, dataset
        self.files = working_files(run, model)
        self.photos = photo_paths(dataset)
        self.labels = data_folders(run).validation / "labels.json"
        self.shards = split(self.photos)
        self.keys = {v: self.origin_of(v).key[:12] for v in self.files}

    def origin_of(self, variant: str) -> Origin:
        model = self.model
        inputs = {
            "variant": self.files[variant],
            "labels": self.labels,
            "interface": interface_file(self.run, model, variant),
        }
        parameters = {"images": len(self.photos), "categories": list(model.categories)}
        return origin(inputs, parameters, "helpers.evaluate.detect", "helpers.models.interface")

    @functools.cached_property
    def truth(self) -> Collected:
        """The ground truth, read once for all variants."""
        return read_truth(self.dataset)

    def shard_file(self, variant: str, index: int) -> Path:
        folder = self.run.paths.detections_dir(self.model.id, variant)
        return folder / f"{self.keys[variant]}-{index:04d}.npz"

    def forget_others(self) -> None:
        """Remove shards of earlier origins."""
        for variant, key in self.keys.items():
            for path in self.run.paths.detections_dir(self.model.id, variant).glob("*.npz"):
                if not path.name.startswith(key):
                    path.unlink()

    def pending(self, index: int) -> list[str]:
        return [v for v in self.files if ShardResult.load_if_whole(self.shard_file(v, index)) is None]


def detect_all(run: Run, model: Model, dataset) -> dict[str, str]:
    """Run every variant over every photo; each photo is decoded once for all variants.

    Returns:
        Variants that could not be run -> why. What was already computed is not computed again.
    """
    work = Progress(run, model, dataset)
    interfaces = {variant: load_interface(run, model, variant) for variant in work.files}
    numbers = category_numbers(dataset)
    category_ids = category_numbers_of(model.categories, numbers)
    if BASELINE in work.pending(0):
        require_fitting_labels(work.files[BASELINE], interfaces[BASELINE], work.photos, model, dataset)
    bar = progress(None, "detecting", "photo", total=len(work.photos) * len(work.files))
    if run.scheduler:
        failures = detect_away(work, interfaces, category_ids, bar)
    else:
        failures = detect_here(work, interfaces, category_ids, bar)
    bar.close()
    work.forget_others()
    return failures


def detect_here(
    work: Progress, interfaces: Mapping[str, Interface], category_ids: Sequence[int], bar: Any
) -> dict[str, str]:
    """On this machine: ``detect_all``."""
    pools, failures = {}, {}
    for index, photos in enumerate(work.shards):
        waiting = work.pending(index)
        bar.update(len(photos) * (len(work.files) - len(waiting)))
        open_pools(waiting, work.files, pools, failures)
        waiting = [v for v in waiting if v in pools]
        for preprocessing, variants in by_preprocessing(waiting, interfaces).items():
            shard = decode(photos, preprocessing)
            for variant in variants:
                try:
                    found = detect(pools[variant], interfaces[variant].tail, shard, category_ids)
                except Exception as error:  # a runtime, a delegate or a tail of any kind
                    failures[variant] = reason_of(error)
                    del pools[variant]
                    continue
                found.save(work.shard_file(variant, index))
                bar.update(len(photos))
                if variant == BASELINE and index == 0:
                    suspects.question_early(work)
    return failures


def detect_away(
    work: Progress, interfaces: Mapping[str, Interface], category_ids: Sequence[int], bar: Any
) -> dict[str, str]:
    """On the run's cluster: ``detect_all``; results lie where those of this machine would."""
    waiting = {index: work.pending(index) for index in range(len(work.shards))}
    bar.update(sum(len(p) * (len(work.files) - len(waiting[i])) for i, p in enumerate(work.shards)))
    variants = [variant for variant in work.files if any(variant in each for each in waiting.values())]
    if not variants:
        return {}
    failures: dict[str, str] = {}
    files = files_to_send(work, variants)
    jobs = jobs_of(work, interfaces, category_ids, waiting, files, failures)
    with Cluster(work.run.scheduler, [file for pair in files.values() for file in pair]) as cluster:
        for index, found in cluster.found(jobs):
            for variant, result in found.items():
                if isinstance(result, str):
                    failures[variant] = result
                    continue
                away(result).save(work.shard_file(variant, index))
                bar.update(result.images)
                if variant == BASELINE and index == 0:
                    suspects.question_early(work)
    return failures


def files_to_send(work: Progress, variants: Sequence[str]) -> dict[str, tuple[Shipped, Shipped]]:
    """Variant -> files of its core, and the file of what goes before and after it."""
    run, model = work.run, work.model
    cores = {v: shipped(runtime_for(model, v).files(work.files[v])) for v in variants}
    return {v: (cores[v], shipped([interface_file(run, model, v)])) for v in variants}


def jobs_of(
    work: Progress,
    interfaces: Mapping[str, Interface],
    category_ids: Sequence[int],
    waiting: Mapping[int, Sequence[str]],
    files: Mapping[str, tuple[Shipped, Shipped]],
    failures: Mapping[str, str],
) -> Iterator[Job]:
    """A task for what is ``waiting`` of each shard, by what photos are made into, without what has failed;
    made when it is asked for: a shard's photos weigh megabytes."""
    for index, photos in enumerate(work.shards):
        left = [variant for variant in waiting[index] if variant not in failures]
        for variants in by_preprocessing(left, interfaces).values():
            core, around = ({v: files[v][part].key for v in variants} for part in (0, 1))
            yield index, functools.partial(wanted, core, around, photos, category_ids)


def wanted(
    cores: Mapping[str, str],
    interfaces: Mapping[str, str],
    photos: Mapping[int, Path],
    category_ids: Sequence[int],
) -> Wanted:
    """With the photos read."""
    read = {number: (str(path), path.read_bytes()) for number, path in photos.items()}
    return Wanted(cores, interfaces, read, list(category_ids))


def by_preprocessing(
    variants: Iterable[str], interfaces: Mapping[str, Interface]
) -> dict[Preprocessing, list[str]]:
    """Variants that take the same input."""
    groups: dict[Preprocessing, list[str]] = {}
    for variant in variants:
        groups.setdefault(interfaces[variant].preprocessing, []).append(variant)
    return groups


def open_pools(waiting: list[str], files: Mapping[str, Path], pools: dict, failures: dict) -> None:
    """Load the cores that are needed and not loaded yet; note those that cannot be."""
    for variant in waiting:
        if variant not in pools and variant not in failures:
            try:
                pools[variant] = CorePool(files[variant])
            except Exception as error:  # a runtime refuses files by errors of many types
                failures[variant] = reason_of(error)


def load_detections(work: Progress, variant: str) -> Iterator[ShardResult]:
    """One shard at a time.

    Raises:
        LabError: one is absent.
    """
    paths = [work.shard_file(variant, i) for i in range(len(work.shards))]
    absent = [path for path in paths if not path.exists()]
    if absent:
        raise LabError(
            f"{len(absent)} of {len(paths)} shards of {variant}'s detections are absent.",
            "detections of all photos",
            f"run {NOTEBOOK} again: it goes on where it stopped.",
        )
    return map(ShardResult.load, paths)
