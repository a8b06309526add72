"""02: do float32 and the variants answer as the original model does, on photos?"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from helpers.lab.errors import UnavailableError, reason_of
from helpers.lab.records import current_record, read_record
from helpers.lab.units import how_many
from helpers.models.families import reference, require_files
from helpers.models.parity import (
    Parity,
    above_threshold,
    agreement,
    lacking,
    matches,
    not_checked,
    on_photo,
    parity_text,
    require_parity,
    summarize,
    without_suppression,
)
from helpers.models.registry import Model
from helpers.photos.decoding import core_input
from helpers.quantize.stage import check_photos, load_interface, working_files
from helpers.run.experiment import Run, keep, keep_failure, origin
from helpers.run.standing import made_failure, made_models
from helpers.run.variant_files import variant_file
from helpers.run.variants import BASELINE
from helpers.runtimes.catalogue import load_core
from helpers.tasks.detection.tails.selection import Detections


def check_parities(run: Run) -> dict[str, Parity]:
    """Model -> parity, of those that have a float32; one that does not agree has failed, with its variants.

    Raises:
        LabError: none agrees.
    """
    found = {}
    for model in made_models(run):
        try:
            found[model.id] = check_parity(run, model)
        except Exception as error:  # the original may fail in its own ways
            fail_model(run, model, f"not as the original model: {reason_of(error)}")
    made_models(run)
    return found


def fail_model(run: Run, model: Model, reason: str) -> None:
    """Record that none of a model's variants may be measured."""
    for variant in run.variants:
        path = run.paths.variant_record(model.id, variant.id)
        keep_failure(path, "variant", read_record(path, Any, "").origin, reason)


def check_parity(run: Run, model: Model) -> Parity:
    """Float32 ``.tflite`` and tail against the original model, on validation photos; recorded.

    Where the software here cannot run the original, that is the answer.

    Raises:
        LabError: they do not agree.
    """
    files = require_files(model, run.model_dir)
    try:
        parity = compare_with(reference(model, files), run, model)
    except UnavailableError as reason:
        parity = not_checked(reason.found)
    else:
        if parity.detections:
            require_parity(parity, model.id)
        else:
            parity = not_checked(f"the original model finds nothing on {how_many(parity.photos, 'photo')}")
    path, baseline = run.paths.parity_record(model.id), variant_file(run, model, BASELINE)
    made_from = origin({BASELINE: baseline}, dataclasses.asdict(parity), "helpers.models.parity")
    if current_record(path, Parity, made_from) is None:
        keep(path, "parity", made_from, parity)
    return parity


def compare_with(original: Callable[[np.ndarray], Detections], run: Run, model: Model) -> Parity:
    interface = load_interface(run, model)
    core, before = load_core(variant_file(run, model, BASELINE)), interface.preprocessing
    all_of = without_suppression(interface.tail)
    pairs, suppressed = [], []
    for photo in check_photos(run):
        heads, size = core(core_input(photo, before)), photo.shape[:2]
        wanted = above_threshold(original(photo), interface.tail.limits.score_threshold)
        pairs.append((wanted, on_photo(interface.tail(heads), before, *size)))
        absent = lacking(*pairs[-1])
        # Hardly ever is anything absent, and candidates are many.
        candidates = on_photo(all_of(heads), before, *size) if len(absent.scores) else absent
        suppressed.append(matches(absent, candidates))
    return summarize(pairs, suppressed)


def parity_table(run: Run, model: Model) -> pd.DataFrame:
    """What the check of a model found, fact by fact; why there is none where it failed."""
    path = run.paths.parity_record(model.id)
    failure = made_failure(run, model)
    parity = None if failure else read_record(path, Parity, "run 02_quantize.ipynb first.").values
    found = {"failed": failure} if failure else vars(parity)
    return pd.DataFrame({"fact": list(found), "value": [str(value) for value in found.values()]})


def parity_texts(run: Run, model: Model) -> list[str]:
    """What the check found, for the report; nothing where it was not made."""
    path = run.paths.parity_record(model.id)
    if not path.exists():
        return []
    return [parity_text(read_record(path, Parity, "run 02_quantize.ipynb first.").values)]


def check_agreement(run: Run, model: Model) -> pd.DataFrame:
    """How many of float32's confident detections each variant finds too, on validation photos."""
    photos, found = check_photos(run), {}
    for variant, path in working_files(run, model).items():
        core, interface = load_core(path), load_interface(run, model, variant)
        found[variant] = [interface.tail(core(core_input(p, interface.preprocessing))) for p in photos]
    rows = []
    for variant, detections in found.items():
        counts = [agreement(a, b) for a, b in zip(found[BASELINE], detections, strict=True)]
        total, kept = map(sum, zip(*counts, strict=True))
        rows.append(
            {"variant": variant, "float32 finds": total, "found too": kept, "share": kept / max(1, total)}
        )
    return pd.DataFrame(rows)
