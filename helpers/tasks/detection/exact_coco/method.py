"""The evaluation method that FiftyOne is given.

    from helpers.tasks.detection.exact_coco.method import ExactCOCOEvaluationConfig

    results = dataset.evaluate_detections(
        "int8", gt_field="ground_truth", eval_key="int8", method=ExactCOCOEvaluationConfig, compute_mAP=True
    )
    results.mAP(), results.stats["ap_small"], results.tie_bounds

It differs from FiftyOne's own ``coco`` in this: all twelve of COCO's numbers, equal to pycocotools'; ties
in COCO's order instead of hits first; everything is read, matched and written in bulk; bad input is
refused before anything is written. Objects and samples get the same fields with the same values.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fiftyone.utils.eval.coco import COCOEvaluation, COCOEvaluationConfig
from fiftyone.utils.eval.detection import DetectionResults

from helpers.lab.errors import LabError
from helpers.tasks.detection.columns import DetectionColumns, ObjectColumns
from helpers.tasks.detection.evidence import IOU_THRESHOLDS, MOST_DETECTIONS
from helpers.tasks.detection.exact_coco.checks import (
    hexed,
    require_boxes_there,
    require_supported,
    require_valid,
)
from helpers.tasks.detection.exact_coco.collector import collector_paused
from helpers.tasks.detection.exact_coco.outcomes import Outcomes, outcomes_of
from helpers.tasks.detection.exact_coco.reading import Collected, collect, with_found
from helpers.tasks.detection.exact_coco.results import ExactCOCODetectionResults, encoded, matches_of
from helpers.tasks.detection.exact_coco.writing import write_outcomes
from helpers.tasks.detection.score import NOTHING, RECALL_POINTS, Score, named, score, tie_bounds

METHOD = "exact-coco"


class ExactCOCOEvaluationConfig(COCOEvaluationConfig):
    """Settings of the evaluation.

    Args:
        pred_field, gt_field: fields of ``Detections``.
        iou: threshold of the per-object fields; COCO's metric has ten of its own.
        classwise: whether, in the per-object fields, a detection finds objects of its own class only.
            COCO's metric always is by class.
        iscrowd, area: attributes of the ground truth. An object without an area has its box's.
        image_id: a sample field with integer image ids, such as ``coco_id``. Equal scores are ranked by
            it, as pycocotools does; without it, by the order of the samples.
        categories: the label map: a label that is not in it is an error. None for any label.
        compute_mAP: whether to compute COCO's metric, or the per-object fields alone.
    """

    def __init__(
        self,
        pred_field: str,
        gt_field: str,
        area: str = "area",
        image_id: str | None = None,
        categories: Sequence[str] | None = None,
        **kwargs,
    ):
        super().__init__(pred_field, gt_field, **kwargs)
        self.area = area
        self.image_id = image_id
        self.categories = list(categories) if categories is not None else None
        require_coco(self)

    @property
    def method(self) -> str:
        return METHOD


def require_coco(config: ExactCOCOEvaluationConfig) -> None:
    """Raise unless thresholds and most detections are COCO's."""
    thresholds = config.iou_threshs
    usual = thresholds is None or (
        len(thresholds) == len(IOU_THRESHOLDS) and np.allclose(thresholds, IOU_THRESHOLDS)
    )
    if not usual or config.max_preds not in (None, MOST_DETECTIONS):
        raise LabError(
            f"iou_threshs = {thresholds}, max_preds = {config.max_preds}.",
            "COCO's: 0.50 to 0.95 in steps of 0.05, 100 detections per image and class",
            "leave both out, or use method='coco' for a metric of your own.",
        )


def complete_metadata(samples) -> None:
    """Have FiftyOne read the size of images that lack it; what it cannot read is refused later, by name."""
    unknown = samples.exists("metadata.width", False)
    there = [i for i, path in zip(*unknown.values(["id", "filepath"]), strict=True) if Path(path).is_file()]
    if there:
        unknown.select(there).compute_metadata(skip_failures=True, warn_failures=False, progress=False)


@dataclass(frozen=True)
class Matched:
    """What is to be evaluated, checked and matched.

    Attributes:
        collected: ground truth and predictions as FiftyOne has them.
        objects, detections: the same in pixels.
        outcomes: how each of them fared at the threshold of the per-object fields.
        written: whether the predictions stand in the database already, and only lack their outcomes.
    """

    collected: Collected
    objects: ObjectColumns
    detections: DetectionColumns
    outcomes: Outcomes
    written: bool

    @staticmethod
    def of(collected: Collected, config, detections: DetectionColumns | None = None) -> "Matched":
        """Check and match.

        Args:
            collected: all that is to be evaluated.
            config: of the evaluation.
            detections: in pixels, as a model left them, of predictions that are not written yet; None for
                those that were read.

        Raises:
            LabError: input that cannot be evaluated.
        """
        require_valid(collected, config)
        objects, written = collected.objects(), detections is None
        found = collected.detections() if written else detections
        outcomes = outcomes_of(objects, found, config.iou, config.classwise)
        return Matched(collected, objects, found, outcomes, written)


class ExactCOCOEvaluation(COCOEvaluation):
    """The evaluation. FiftyOne calls, in this order: ``register_run``, ``register_samples``, ``evaluate``
    per sample, ``generate_results``. All is read, checked and matched in the first, before FiftyOne has
    written anything; the last writes.
    """

    def __init__(self, config: ExactCOCOEvaluationConfig):
        super().__init__(config)
        self._matched: Matched | None = None

    @collector_paused()
    def register_run(self, samples, key, overwrite=True, cleanup=True) -> None:
        """Read, check and match; then register.

        Raises:
            LabError: input that cannot be evaluated; nothing was written.
        """
        require_supported(samples, self.config)
        require_boxes_there(samples, self.config)
        complete_metadata(samples)
        self._matched = Matched.of(collect(samples, self.config), self.config)
        super().register_run(samples, key, overwrite=overwrite, cleanup=cleanup)

    def register_samples(self, samples, eval_key, dynamic=True) -> None:
        with removed_if_interrupted(samples, eval_key):
            super().register_samples(samples, eval_key, dynamic=dynamic)
        skip_loop(samples)

    def evaluate(self, sample_or_frame, eval_key=None):
        """Refuse: a sample by itself has no ranking. FiftyOne's loop does not come here (``skip_loop``)."""
        raise LabError(
            "this method was asked to evaluate one sample by itself.",
            "a collection, which it evaluates at once",
            "call `evaluate_detections` on a data set or view.",
        )

    @collector_paused()
    def generate_results(self, samples, matches, eval_key=None, classes=None, missing=None, progress=None):
        """COCO's metric, and the fields of every object and sample; ``matches`` is empty by design.

        If it is interrupted, the evaluation is removed again, with all its fields.
        """
        matched, self._matched = self._matched, None
        collected = matched.collected
        with removed_if_interrupted(samples, eval_key):
            scored = score_classes(matched, classes) if self.config.compute_mAP else None
            if eval_key is not None:
                write_outcomes(
                    samples, self.config, eval_key, collected, matched.outcomes, progress, matched.written
                )
        found = matches_of(collected, matched.outcomes)
        names = list(classes) if classes is not None else collected.names
        if scored is None:
            return DetectionResults(
                samples, self.config, eval_key, found, classes=names, missing=missing, backend=self
            )
        return as_results(samples, self, eval_key, found, names, missing, collected, scored)

    @classmethod
    def save_run_results(cls, samples, key, run_results, overwrite=True, cache=True) -> None:
        """As FiftyOne's, which looks at each of millions of numbers for types of MongoDB's: here are none."""
        if key is None or run_results is None or not overwrite:
            return super().save_run_results(samples, key, run_results, overwrite=overwrite, cache=cache)
        document = cls._get_run_doc(samples, key)
        if document.results:
            document.results.delete()
        text = json.dumps(run_results.serialize())
        document.results.put(text.encode(), content_type="application/json")
        document.results_meta = dict(run_results.get_meta() or {})
        if cache:
            getattr(samples._root_dataset, cls._results_cache_field())[key] = run_results
        document.save()

    @collector_paused()
    def evaluate_columns(self, dataset, truth: Collected, found: DetectionColumns, eval_key: str):
        """Evaluate columns as a model left them; write them as predictions, evaluated, at one go.

        The data set is then as if predictions had been written and ``evaluate_detections`` called, without
        reading them again.

        Args:
            dataset: all its samples are evaluated.
            truth: its ground truth, ``collect``ed without predictions.
            found: in pixels, by image; images and classes are those of ``truth``.
            eval_key: where FiftyOne keeps the evaluation and the fields of every object.

        Raises:
            LabError: input that cannot be evaluated; nothing was written.
        """
        import fiftyone as fo

        self._matched = Matched.of(with_found(truth, found), self.config, found)
        dataset.add_sample_field(
            self.config.pred_field, fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections
        )
        super().register_run(dataset, eval_key)
        with removed_if_interrupted(dataset, eval_key):
            super().register_samples(dataset, eval_key)
        results = self.generate_results(dataset, [], eval_key, truth.names, progress=False)
        self.save_run_results(dataset, eval_key, results)
        return results


@contextlib.contextmanager
def removed_if_interrupted(samples, eval_key: str | None) -> Iterator[None]:
    """No evaluation stays behind half written: whatever stops this, its fields are removed again."""
    try:
        yield
    except BaseException:
        if eval_key is not None:
            samples._root_dataset.delete_evaluation(eval_key)
        raise


def skip_loop(samples) -> None:
    """Give FiftyOne's loop over samples nothing to do: all is done in bulk, and loading every sample as
    an object would take many times as long as all else.

    The loop asks this collection, once, for ``select_fields``. FiftyOne's collections take no attributes
    of an instance's own, so this one gets a class of its own until then.
    """
    usual = type(samples)

    def nothing(self, *args, **kwargs):
        self.__class__ = usual
        return self.limit(0)

    samples.__class__ = type(usual.__name__, (usual,), {"__slots__": (), "select_fields": nothing})


def score_classes(matched: Matched, classes: Sequence[str] | None) -> Score:
    """COCO's metric over the classes that were named, or all that occur."""
    objects, detections, collected = matched.objects, matched.detections, matched.collected
    if classes is not None:
        wanted = np.isin(np.array([*collected.names, ""]), list(classes))
        objects = ObjectColumns(*(column[wanted[objects.category]] for column in vars(objects).values()))
        kept = wanted[detections.category]
        detections = DetectionColumns(*(column[kept] for column in vars(detections).values()))
    return score(objects, detections, len(collected.sample_ids), len(collected.names))


def as_results(samples, backend, eval_key, matches, names, missing, collected, scored: Score):
    places = [collected.names.index(name) if name in collected.names else -1 for name in names]
    curves = scored.curves
    filler = np.full((len(IOU_THRESHOLDS), 1, len(RECALL_POINTS)), NOTHING)
    per_class = np.append(scored.ap_per_class, NOTHING)[places]
    image_ids = collected.image_ids or [hexed(i) for i in collected.sample_ids]
    return ExactCOCODetectionResults(
        samples,
        backend.config,
        eval_key,
        matches,
        np.concatenate([curves.precision, filler], 1)[:, places],
        RECALL_POINTS,
        IOU_THRESHOLDS,
        names,
        recall_sweep=np.concatenate([curves.recall, filler[:, :, 0]], 1)[:, places],
        thresholds=np.concatenate([curves.score, filler], 1)[:, places],
        missing=missing,
        backend=backend,
        stats=scored.stats,
        ap_per_class=named(per_class, names),
        tie_bounds=tie_bounds(scored.evidence),
        distinct_scores=scored.evidence.distinct_scores(),
        evidence_npz=encoded(scored.evidence),
        image_ids=image_ids,
    )
