"""What every form finds in the photos, each of which is decoded once for all forms."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from helpers.evaluate.detect import CorePool, ShardResult, decode, detect, split
from helpers.evaluate.labelled import LabelledPhotos
from helpers.lab.errors import reason_of
from helpers.lab.progress import progress
from helpers.models.interface import Interface
from helpers.tasks.detection.resample import average_precision

SHARD_BYTES = 256_000_000  # of decoded photos at a time: cores are opened once for each form and shard


def shard_photos(interface: Interface) -> int:
    """How many photos are decoded at a time."""
    before = interface.preprocessing
    return max(1, SHARD_BYTES // (4 * 3 * before.height * before.width))


def find_all(files: Mapping[str, Path], interface: Interface, labelled: LabelledPhotos) -> dict[str, str]:
    """Run each form's file over all photos, and keep what it finds beside the file, shard by shard.

    A shard that is there already is not done again: a file's name must tell it from any other's.

    Returns:
        Forms that could not be run -> why.
    """
    failures: dict[str, str] = {}
    shards = split(labelled.photos, shard_photos(interface))
    bar = progress(None, "detecting", "photo", total=len(labelled.photos) * len(files))
    for number, photos in enumerate(shards):
        waiting = [form for form in files if form not in failures and not is_there(files[form], number)]
        bar.update(len(photos) * (len(files) - len(waiting)))
        shard = decode(photos, interface.preprocessing) if waiting else None
        for form in waiting:
            try:
                found = detect(CorePool(files[form]), interface.tail, shard, labelled.of_class)
                found.save(shard_file(files[form], number))
            except Exception as error:  # a runtime, or numbers that are none
                failures[form] = reason_of(error)
            bar.update(len(photos))
    bar.close()
    return failures


def shard_file(file: Path, number: int) -> Path:
    return file.with_suffix(f".{number:04d}.npz")


def is_there(file: Path, number: int) -> bool:
    return ShardResult.load_if_whole(shard_file(file, number)) is not None


def resampled_ap(
    file: Path, interface: Interface, labelled: LabelledPhotos, weights: np.ndarray
) -> np.ndarray:
    """COCO's AP of a form on photos that occur ``weights`` times, int ``[B, photos]``: ``[B]``, 0..1."""
    count = len(split(labelled.photos, shard_photos(interface)))
    shards = [ShardResult.load(shard_file(file, number)) for number in range(count)]
    evidence = labelled.evidence(labelled.columns(shards))
    return average_precision(evidence, weights).mean(1)
