"""What a report must say of a detector whose file decides what it keeps."""

from pathlib import Path

from helpers.models.designs.shapes import readings
from helpers.models.own_tflite.describe import Described, describe
from helpers.runtimes.litert.postprocess import PostProcess
from helpers.tasks.detection.limits import LIMITS, Limits


def cap_sentence(path: Path, limits: Limits = LIMITS) -> str:
    """How the file itself caps its AP and AR, for people; empty where it does not.

    Args:
        limits: what the tails of other variants keep.
    """
    options = describe(path).postprocess
    parts = [] if options is None else caps(options, limits)
    return f"{path.name}: {'; '.join(parts)}." if parts else ""


def caps(options: PostProcess, limits: Limits) -> list[str]:
    """What of the options keeps less than ``limits``, one clause each."""
    parts, most = [], options.most_detections
    if most < limits.most_detections:
        parts.append(
            f"at most {most} detections per photo, where others give {limits.most_detections}: "
            "caps its AP and AR"
        )
    if options.score_threshold > limits.score_threshold:
        parts.append(f"no detection below score {options.score_threshold:.2g}: AP loses the high-recall end")
    if not options.regular_nms and options.filled_rows < options.num_classes:
        parts.append(
            f"of {options.num_classes} classes only the best {options.filled_rows} per box, and suppression "
            f"(IoU {options.nms_iou:.2g}) over all classes at once"
        )
    return parts


def is_finished(facts: Described) -> bool:
    """Whether a file of a known design gives finished detections."""
    found = readings(facts.shapes, facts.size, 0) if facts.designed else []
    return bool(found) and all(reading.kind == "found" for reading in found)


def timing_sentence(path: Path) -> str:
    """What the file's latency and energy include that other variants do elsewhere; empty for nothing."""
    facts = describe(path)
    if facts.postprocess is None and not is_finished(facts):
        return ""
    return (
        f"{path.name}: decoding of boxes and suppression are part of its inference; "
        "other variants do both in the tail, which is timed apart."
    )
