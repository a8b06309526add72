"""Recipes of int8 files whose accuracy is won back: searched for, or by named cures."""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from helpers.lab.errors import LabError
from helpers.lab.files import write_bytes
from helpers.lab.fingerprint import code_digest
from helpers.lab.units import how_many
from helpers.models.interface import Interface
from helpers.quantize.cures.agreement import LEAST_SCORES, Judge
from helpers.quantize.cures.records import CureCourse, steps_folder
from helpers.quantize.recipes.contract import Recipe, Work, made_file
from helpers.quantize.records import MadeFile
from helpers.run.cured_forms import CURED, cures_named
from helpers.runtimes.catalogue import OPENVINO, get_runtime, require_runtime, runtime_of

LEAST_PHOTOS = 4
# Applied where nothing can be chosen by: they leave float32 as it is, and clip nothing.
EXACT = ("kernels", "equalize")
UNSEARCHED = "So only what is exact in float32 is applied: operators in 8 bits, channels of like size."
UNASKED = "What was asked for is applied all the same."
WANTED_POINTS = 2.0  # to which a gain of agreement should be known
ALIKE = 1e-3  # of the spread of all photos' values, by which two photos of a set differ at least


@dataclass(frozen=True)
class Cured(Recipe):
    """
    Attributes:
        shop: gives what makes drafts, what writes the plain form's file, and the float32 core in the runtime.
    """

    shop: Callable[[Work, Sequence[np.ndarray]], tuple[Any, Callable[[Path], None], Path]]

    def make(self, work: Work) -> MadeFile:
        from helpers.quantize.cures.search import Search

        if work.interface_file is None:
            raise LabError(
                f"{work.variant.id} of a float32 file alone.",
                "a model with its tail: cures are chosen by the detections",
                "make it by 02_quantize.ipynb.",
            )
        photos = list(work.calibration())
        reason, asked = why_unfit(photos), cures_named(work.variant.id)
        made_by, held_back = (photos, photos) if reason else (photos[::2], photos[1::2])
        judge = Judge.of(work.float_file, Interface.load(work.interface_file).tail, held_back)
        reason = reason or why_blind(judge)
        shop, plain, float_file = self.shop(work, made_by)
        require_cures(asked, shop.cures, work)
        folder = steps_folder(work.output)
        search = Search(
            shop, judge, folder, float_file, plain, "int8", work.margin_points, search_key(work, photos),
            len(made_by), asked or (EXACT if reason else ()),
            f"{reason} {UNASKED if asked else UNSEARCHED}" if reason else "",
        )  # fmt: skip
        course = search.run()
        copy_core(folder / course.steps[-1].file, work.output)
        notes = [course.stopped] if reason else [] if asked else notes_of(course)
        return replace(made_file(work, notes), course=course)


def require_cures(asked: Sequence[str], known: Collection[str], work: Work) -> None:
    """Raise where a cure is asked for that the runtime has not for this model's core."""
    lacking = [name for name in asked if name not in known]
    if lacking:
        raise LabError(
            f"the cure {lacking[0]} of {work.variant.id} is not made for {work.float_file.name} there.",
            f"some of {', '.join(known)}",
            "name these alone, or int8-cured, which searches among them.",
        )


def copy_core(source: Path, target: Path) -> None:
    """With all files that its runtime has of a core."""
    for part in get_runtime(runtime_of(source)).files(source):
        write_bytes(target.with_suffix(part.suffix), part.read_bytes())


def why_unfit(photos: Sequence[np.ndarray]) -> str:
    """Why cures cannot be chosen by these photos; empty if they can."""
    if len(photos) < LEAST_PHOTOS:
        return (
            f"There are too few calibration photos to choose cures by ({len(photos)}): it takes "
            f"{LEAST_PHOTOS}, and about a hundred for gains of a point or two to show."
        )
    spread = float(np.std(photos[0])) or 1.0
    if max(float(np.abs(photo - photos[0]).mean()) for photo in photos[1:]) < ALIKE * spread:
        return f"All {len(photos)} calibration photos are alike: no cure can be chosen by them."
    return ""


def why_blind(judge: Judge) -> str:
    """Why agreement with float32 tells nothing; empty if it does."""
    if len(judge.objects):
        return ""
    return (
        f"float32 finds nothing (score {LEAST_SCORES[-1]} or more) in the "
        f"{how_many(len(judge.inputs), 'photo')} that are held back, so that no cure can be chosen by what "
        "int8 finds: calibrate on photos of what the detector is made for."
    )


def search_key(work: Work, photos: Sequence[np.ndarray]) -> str:
    """Of all that a search depends on, but for the times that it measures."""
    digest = hashlib.sha256(work.float_file.read_bytes())
    digest.update(work.interface_file.read_bytes())
    for photo in photos:
        digest.update(np.ascontiguousarray(photo).view(np.uint8))
    margin = "" if cures_named(work.variant.id) else work.margin_points
    digest.update(f"{work.variant.id} {margin} {code_digest(__name__)}".encode())
    return digest.hexdigest()


def notes_of(course: CureCourse) -> list[str]:
    """What must be told of how sure the search can be."""
    widths = [trial.gain.high - trial.gain.low for trial in course.trials if np.isfinite(trial.gain.high)]
    noise = float(np.median(widths)) / 2 if widths else 0.0
    if noise <= WANTED_POINTS:
        return []
    wanted = int(np.ceil(2 * course.held_back_photos * (noise / WANTED_POINTS) ** 2 / 10) * 10)
    return [
        f"Its cures were chosen by {how_many(course.held_back_photos, 'photo')}, on which a gain of "
        f"agreement is known to about ±{noise:.1f} points; about {wanted} calibration photos would tell it "
        f"to ±{WANTED_POINTS:g}."
    ]


def litert_shop(work: Work, photos: Sequence[np.ndarray]) -> tuple[Any, Callable[[Path], None], Path]:
    from helpers.quantize.cures.candidates import CURES
    from helpers.quantize.cures.workshop import Workshop
    from helpers.quantize.recipes.edge_quantizer import quantized
    from helpers.quantize.recipes.integers import INT8

    shop = Workshop(work.float_file, photos, CURES, work.float_operators)

    def plain(output: Path) -> None:
        write_bytes(output, quantized(replace(work, calibration=lambda: photos), INT8.steps()))

    return shop, plain, work.float_file


def openvino_shop(work: Work, photos: Sequence[np.ndarray]) -> tuple[Any, Callable[[Path], None], Path]:
    require_runtime(OPENVINO.id)
    from helpers.quantize.cures.openvino.shop import OpenVinoShop

    shop = OpenVinoShop(work.float_file, photos, work.float_operators)
    return shop, lambda output: shop.start().write(output), shop.float_core


RECIPES = MappingProxyType({CURED: Cured(litert_shop), f"{CURED}@openvino": Cured(openvino_shop)})
