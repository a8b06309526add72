"""The fields of objects and samples: those that FiftyOne's own method writes."""

import pytest

from tests.tasks.exact_coco.cases import assert_same_fields, case, flat, native
from tests.tasks.exact_coco.coco_dataset import FIELDS, FOUND, TRUTH, written


@pytest.mark.parametrize("classwise", [True, False])
@pytest.mark.parametrize(("iou", "levels"), [(0.3, None), (0.5, 2), (0.75, None)])
def test_fields_are_those_of_fiftyone(make, exact, iou, levels, classwise):
    """With ties, too: within an image both take them as they stand."""
    dataset = make(*case(1, images=12, levels=levels))
    exact(dataset, iou=iou, classwise=classwise, compute_mAP=False)
    native(dataset, iou=iou, classwise=classwise, compute_mAP=False)
    assert_same_fields(dataset)
    assert {"tp", "fp"} == set(dataset.count_values("pred.detections.eval"))


def views(dataset) -> dict:
    from fiftyone import ViewField as F

    return {
        "limited": dataset.shuffle(seed=3).limit(4),
        "matched": dataset.match(F("coco_id") > 2),
        "sorted": dataset.sort_by("coco_id", reverse=True),
        "selected": dataset.select_fields(list(FIELDS)),
        "filtered": dataset.filter_labels(FOUND, F("confidence") > 0.5, only_matches=False).filter_labels(
            TRUTH, F("label") != "class2", only_matches=False
        ),
        "matching": dataset.filter_labels(FOUND, F("label") == "class1"),
    }


@pytest.mark.parametrize("kind", ["limited", "matched", "sorted", "selected", "filtered", "matching"])
def test_fields_of_a_view_are_those_of_fiftyone(make, exact, kind):
    dataset = make(*case(3))
    results, expected = exact(views(dataset)[kind]), native(views(dataset)[kind])
    assert_same_fields(dataset)
    assert results.mAP() == pytest.approx(expected.mAP(), abs=1e-9)
    assert results.mAR() == pytest.approx(expected.mAR(), abs=1e-9)
    exact(views(dataset)[kind], classwise=False, compute_mAP=False)
    native(views(dataset)[kind], classwise=False, compute_mAP=False)
    assert_same_fields(dataset)


def test_labels_that_a_view_filters_out_keep_their_earlier_evaluation(make, exact):
    from fiftyone import ViewField as F

    dataset = make(*case(4))
    exact(dataset, "before")
    before = written(dataset, "before")
    exact(dataset.filter_labels(FOUND, F("confidence") > 0.5), "after")
    assert written(dataset, "before") == before
    verdicts = flat(dataset.values("pred.detections.after"))
    scores = flat(dataset.values("pred.detections.confidence"))
    assert all((v is not None) == (s > 0.5) for v, s in zip(verdicts, scores, strict=True))


def test_samples_without_labels_count_and_get_zeros(make, exact):
    truth, detections = case(5)
    dataset = make(truth, detections)
    first, second, third = list(dataset)[:3]
    first[FOUND] = None
    second[TRUTH] = None
    third[FOUND] = third[TRUTH] = None
    for sample in (first, second, third):
        sample.save()
    exact(dataset)
    native(dataset)
    assert_same_fields(dataset)
    assert dataset.values(FOUND)[0] is None
    assert (third["eval_tp"], third["eval_fp"], third["eval_fn"]) == (0, 0, 0)


def test_samples_in_memory_are_refreshed(make, exact):
    dataset = make(*case(6))
    samples = list(dataset)
    exact(dataset)
    assert [s["eval_fp"] for s in samples] == dataset.values("eval_fp")
    assert [[d["eval"] for d in s[FOUND].detections] for s in samples] == dataset.values(
        "pred.detections.eval"
    )


def test_nothing_else_of_a_label_changes(make, exact):
    dataset = make(*case(7))
    before = {field: dataset.values(f"{field}.detections") for field in FIELDS}
    exact(dataset)
    for field, samples in before.items():
        after = dataset.values(f"{field}.detections")
        for old, new in zip(flat(samples), flat(after), strict=True):
            assert {**new.to_dict(), **old.to_dict()} == new.to_dict()


def test_views_on_the_fields_work(make, exact):
    from fiftyone import ViewField as F

    dataset = make(*case(8))
    exact(dataset)
    wrong = dataset.filter_labels(FOUND, F("eval") == "fp")
    assert wrong.count("pred.detections") == sum(dataset.values("eval_fp")) > 0
    patches = dataset.to_evaluation_patches("eval")
    verdicts = patches.count_values("type")
    assert verdicts["fp"] == sum(dataset.values("eval_fp"))
    assert verdicts["fn"] == sum(dataset.values("eval_fn"))
