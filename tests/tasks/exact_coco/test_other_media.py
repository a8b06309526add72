"""Frames of videos, boxes in space, sizes that nobody read: evaluated, or refused with what works."""

import cv2
import numpy as np
import pytest

from helpers.lab.errors import LabError


def boxes(fo, **values):
    box = {"label": "cat", "bounding_box": [0.1, 0.1, 0.4, 0.4]} | values
    return fo.Detections(detections=[fo.Detection(**box)])


def image_at(path):
    cv2.imwrite(str(path), np.zeros((30, 40, 3), np.uint8))
    return str(path)


@pytest.fixture
def dataset(fo):
    made = fo.Dataset()
    yield made
    made.delete()


@pytest.fixture
def video(fo, dataset, tmp_path):
    sizes = fo.VideoMetadata(frame_width=40, frame_height=30, total_frame_count=2)
    sample = fo.Sample(filepath=str(tmp_path / "v.mp4"), metadata=sizes)
    for number in (1, 2):
        frame = fo.Frame(filepath=image_at(tmp_path / f"{number}.png"))
        frame["truth"], frame["found"] = boxes(fo), boxes(fo, confidence=0.5)
        sample.frames[number] = frame
    dataset.add_sample(sample)
    return dataset


def evaluated(samples, prefix=""):
    from helpers.tasks.detection.exact_coco.method import ExactCOCOEvaluationConfig

    return samples.evaluate_detections(
        f"{prefix}found",
        gt_field=f"{prefix}truth",
        eval_key="eval",
        method=ExactCOCOEvaluationConfig,
        compute_mAP=True,
        progress=False,
    ).mAP()


def test_the_cure_for_frames_is_no_circle(fo, video):
    with pytest.raises(LabError, match="video frames") as of_fields:
        evaluated(video, "frames.")
    frames = video.to_frames(sample_frames=False)
    with pytest.raises(LabError, match="FramesView") as of_view:
        evaluated(frames)
    assert ".clone()" in of_fields.value.cure
    assert of_view.value.cure == of_fields.value.cure
    copy = frames.clone()
    try:
        assert evaluated(copy) == pytest.approx(1)
    finally:
        copy.delete()


def test_boxes_in_space_are_refused_with_the_method_that_takes_them(fo, dataset):
    box = {"label": "car", "location": [0, 0, 0], "dimensions": [1, 1, 1], "rotation": [0, 0, 0]}
    sample = fo.Sample(filepath="/nowhere/scene.pcd")
    sample["truth"] = fo.Detections(detections=[fo.Detection(**box)])
    sample["found"] = fo.Detections(detections=[fo.Detection(confidence=0.5, **box)])
    dataset.add_sample(sample)
    with pytest.raises(LabError) as caught:
        evaluated(dataset)
    assert "method='coco'" in caught.value.cure
    assert "compute_metadata" not in caught.value.cure
    theirs = dataset.evaluate_detections("found", gt_field="truth", method="coco", compute_mAP=True)
    assert theirs.mAP() == pytest.approx(1)


def test_sizes_that_nobody_read_are_read_from_the_files(fo, dataset, tmp_path):
    sample = fo.Sample(filepath=image_at(tmp_path / "a.png"))
    sample["truth"], sample["found"] = boxes(fo), boxes(fo, confidence=0.5)
    dataset.add_sample(sample)
    assert evaluated(dataset) == pytest.approx(1)
