"""What cured int8 loses and takes, on real detectors and the embedded one; how well agreement foretells AP.

Every loss is of AP in points to float32 of the same runtime, paired over the photos, with its 95 % interval.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from helpers.download.stage import data_folders, prepare_data
from helpers.evaluate.detect import SHARD, CorePool, decode, detect, split
from helpers.evaluate.labelled import LabelledPhotos, read_labelled
from helpers.lab.intervals import Interval, interval_of
from helpers.models.families import prepare_files
from helpers.models.registry import Model
from helpers.quantize import stage as quantize
from helpers.quantize.cures.agreement import Judge
from helpers.quantize.cures.records import steps_folder
from helpers.quantize.cures.timing import fastest_ms
from helpers.run.experiment import Run, open_run
from helpers.run.variant_files import variant_file
from helpers.run.variants import BASELINE, baseline_of
from helpers.show.style import SMALL_PT, LabFigure, new_figure, styled
from helpers.tasks.detection.resample import average_precision, paired_resamples
from tests.bench.ledger import PATH, note
from tests.support.real_photos import coco_dir

YOLO, YOLOX, SSD = "yolo_fastest_xl", "yolox_nano.onnx", "ssd_mobilenet_v1_coco"
SEED, RESAMPLES = 20, 2000
TIMED_VISITS = 5  # of each of which the fastest inference counts
# Beside the steps of the searches: what else agreement is held against AP on.
FORMS = (
    "int8", "int8-per-tensor", "uniform-8-tensor-minmax", "uniform-6-channel-lse", "uniform-5-channel-lse",
    "uniform-6-tensor-lse", "float8-e4m3", "codebook-16", "mxfp4",
)  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """A model made ready, and the photos that it is evaluated on."""

    run: Run
    model: Model
    labelled: LabelledPhotos

    def make(self, variant: str):
        """The record of a variant, and how many seconds it took now."""
        path = self.run.paths.variant_record(self.model.id, variant)
        path.unlink(missing_ok=True)
        shutil.rmtree(steps_folder(self.file(variant)), ignore_errors=True)
        start = time.perf_counter()
        chosen = next(each for each in self.run.variants if each.id == variant)
        record = quantize.made_variant(self.run, self.model, chosen)
        assert not record.failure, record.failure
        return record, time.perf_counter() - start

    def file(self, variant: str) -> Path:
        return variant_file(self.run, self.model, variant)

    def draws(self, core: Path) -> np.ndarray:
        """AP in points on the photos and on each resample of them."""
        interface, pool, found = quantize.load_interface(self.run, self.model), CorePool(core), []
        for photos in split(self.labelled.photos, SHARD):
            shard = decode(photos, interface.preprocessing)
            found.append(detect(pool, interface.tail, shard, self.labelled.of_class))
        evidence = self.labelled.evidence(self.labelled.columns(found))
        weights = paired_resamples(len(self.labelled.photos), RESAMPLES, SEED)
        return 100 * average_precision(evidence, weights).mean(1)

    def loss(self, variant: str) -> Interval:
        base, made = (self.draws(self.file(name)) for name in (baseline_of(variant), variant))
        return interval_of(base - made)


def subject(profile: str, name: str, variants: list[str]) -> Subject:
    chosen = {}
    if profile == "coco":
        folder = coco_dir()
        chosen = {"coco_dir": str(folder), "model_dir": str(folder / "models")}
        name = str(folder / "models" / name) if name.endswith(".onnx") else name
    run = open_run(profile, f"bench-cures-{profile}", [name] if name else [], variants, **chosen)
    prepare_data(run)
    [model] = run.models
    prepare_files(model, run.model_dir)
    for variant in run.variants:
        if "cured" not in variant.id:
            record = quantize.made_variant(run, model, variant)
            assert not record.failure, record.failure
    labelled = read_labelled(data_folders(run).validation, model.categories)
    return Subject(run, model, labelled)


def noted(name: str, loss: Interval, **more: float) -> None:
    note(**{name: loss.value, f"{name}_low": loss.low, f"{name}_high": loss.high}, **more)


def ratio_ms(one: Path, other: Path) -> float:
    """Of the fastest inferences of interleaved visits; the median of several such."""
    pairs = [fastest_ms([one, other]) for _ in range(TIMED_VISITS)]
    return float(np.median([a / b for a, b in pairs]))


def test_yolo():
    """``yolo_cured_drop``, ``yolo_cured_over_plain_latency``, ``cure_yolo_s``, ``nncf_yolo_drop``,
    ``yolo_plain_drop`` and ``yolo_int4_cured_drop``."""
    yolo = subject("coco", YOLO, ["int8", "int8-cured", "int8@openvino", "int4-cured"])
    _, seconds = yolo.make("int8-cured")
    ratio = ratio_ms(yolo.file("int8-cured"), yolo.file("int8"))
    noted(
        "yolo_cured_drop", yolo.loss("int8-cured"), cure_yolo_s=seconds, yolo_cured_over_plain_latency=ratio
    )
    noted("yolo_plain_drop", yolo.loss("int8"))
    noted("nncf_yolo_drop", yolo.loss("int8@openvino"))
    yolo.make("int4-cured")
    noted("yolo_int4_cured_drop", yolo.loss("int4-cured"))


def test_yolox():
    """``yolox_cured_drop`` in OpenVINO, and its time over that of NNCF's plain int8."""
    yolox = subject("coco", YOLOX, ["int8@openvino", "int8-cured@openvino"])
    _, seconds = yolox.make("int8-cured@openvino")
    ratio = ratio_ms(yolox.file("int8-cured@openvino"), yolox.file("int8@openvino"))
    more = {"cure_yolox_s": seconds, "yolox_cured_over_plain_latency": ratio}
    noted("yolox_cured_drop", yolox.loss("int8-cured@openvino"), **more)
    noted("nncf_yolox_drop", yolox.loss("int8@openvino"))


@pytest.mark.parametrize(("key", "profile", "name"), [("ssd", "coco", SSD), ("embedded", "quick", "")])
def test_little_to_win(key, profile, name):
    """``ssd_cured_drop``, ``embedded_cured_drop``, and seconds of their cures."""
    model = subject(profile, name, ["int8", "int8-cured"])
    _, seconds = model.make("int8-cured")
    noted(f"{key}_cured_drop", model.loss("int8-cured"), **{f"cure_{key}_s": seconds})
    noted(f"{key}_plain_drop", model.loss("int8"))


def agreement_and_ap(model: Subject) -> np.ndarray:
    """Of the steps of the search, and of further forms: agreement on held-back calibration photos, AP lost on
    evaluation photos, in points ``[cores, 2]``."""
    record, _ = model.make("int8-cured")
    interface = quantize.load_interface(model.run, model.model)
    photos = list(quantize.calibration_inputs(model.run, model.model))
    judge = Judge.of(model.file(BASELINE), interface.tail, photos[1::2])
    folder = steps_folder(model.file("int8-cured"))
    cores = [*(folder / step.file for step in record.values.course.steps), *map(model.file, FORMS)]
    base = model.draws(model.file(BASELINE))[0]
    return np.array([(judge.draws(core)[0], base - model.draws(core)[0]) for core in cores])


def test_agreement_foretells_ap():
    """``KEY_agreement_rank_correlation``: Spearman's, of agreement and AP lost, for each model; the figure
    ``data/bench/agreement.png`` shows all points."""
    subjects = {"yolo": ("coco", YOLO), "ssd": ("coco", SSD), "embedded": ("quick", "")}
    points = {
        key: agreement_and_ap(subject(profile, name, [*FORMS, "int8-cured"]))
        for key, (profile, name) in subjects.items()
    }
    ranks = {key: float(spearmanr(*found.T)[0]) for key, found in points.items()}
    draw_agreement(points, ranks).savefig(PATH.with_name("agreement.png"), dpi=200)
    print({key: found.round(2).tolist() for key, found in points.items()})
    note(**{f"{key}_agreement_rank_correlation": -rank for key, rank in ranks.items()})


@styled
def draw_agreement(points: dict[str, np.ndarray], ranks: dict[str, float]) -> LabFigure:
    """A panel for each model."""
    figure = new_figure(2.6)
    panels = figure.subplots(1, len(points), squeeze=False)[0]
    for panel, (key, found) in zip(panels, points.items(), strict=True):
        panel.plot(found[:, 0], -found[:, 1], "o", color="#44AA99", markeredgecolor="white")
        panel.set_title(f"{key}\nrank corr. {-ranks[key]:.2f}", fontsize=SMALL_PT)
        panel.set_xlabel("agreement (points)")
    panels[0].set_ylabel("ΔAP to float32 (points)")
    return figure
