"""Named sizes of experiment. Adding one is one entry here."""

from dataclasses import dataclass
from types import MappingProxyType

from helpers.lab.errors import unknown_name


@dataclass(frozen=True)
class Profile:
    """One size of experiment.

    Attributes:
        id: name on the command line and of the run's folder.
        meaning: one sentence for ``--help`` and the report.
        images: evaluation images.
        calibration_images: images that set the activation ranges of calibrated variants.
        resamples: bootstrap resamples.
        latency_rounds: least rounds in which every variant is timed once, in random order.
        latency_most_rounds: most rounds, where intervals are not as narrow as asked before.
        latency_budget_s: no round starts after so many seconds of them for each runtime; the least are always
            played.
        latency_repeats: timed inferences per variant and round, after the warm-ups.
        energy_rounds: rounds of energy windows.
        energy_window_s: shortest length of one energy window, in seconds.
        subset_images: images on which FiftyOne's own mAP is compared with pycocotools.
        ladder_images: most photos on which 07 compares all numeric forms.
        ladder_forms: the forms that 07 compares; none for all.
        seed: seed of every random choice.
        data: a folder of one's own with ``validation/`` and ``calibration/``, each with ``data/`` and
            ``labels.json`` in COCO's format; empty for the embedded synthetic photos.
        coco: whether the photos are those of COCO 2017 validation, or of the user's folder in such a layout.
        conclusive: whether its numbers can support a conclusion.
    """

    id: str
    meaning: str
    images: int
    calibration_images: int
    resamples: int
    latency_rounds: int
    latency_most_rounds: int
    latency_budget_s: float
    latency_repeats: int
    energy_rounds: int
    energy_window_s: float
    subset_images: int
    ladder_images: int = 500
    ladder_forms: tuple[str, ...] = ()
    seed: int = 20
    data: str = ""
    coco: bool = False
    conclusive: bool = True


# One for each of 07's claims, and quickly made.
FEW_FORMS = (
    "float16", "int8", "int8-weights", "bfloat16", "float8-e4m3", "mxfp4", "uniform-8-channel-minmax",
    "uniform-4-tensor-lse", "uniform-4-channel-minmax", "uniform-4-channel-lse", "uniform-4-block-lse",
    "uniform-2-channel-lse", "codebook-16", "vector-4-256", "ternary", "binary",
)  # fmt: skip

_ENTRIES = (
    Profile("smoke", "A check that everything runs: tiny, its numbers mean little.",
            40, 16, 1000, 6, 6, 10, 4, 3, 0.1, 4, ladder_forms=FEW_FORMS, conclusive=False),
    Profile("quick", "The default: minutes, intervals that support a first conclusion.",
            500, 100, 2000, 20, 120, 25, 60, 10, 0.4, 12),
    Profile("full", "For a written report: four times the images, longer measurement.",
            2000, 200, 4000, 60, 400, 600, 60, 30, 1.0, 20, ladder_images=2000),
    Profile("coco", "Real photos: COCO 2017 validation, or the folder that COCO_DIR names.",
            5000, 128, 4000, 20, 120, 30, 45, 10, 0.4, 12, coco=True),
    Profile("coco-500", "The same on 500 photos, drawn by the seed: a first look.",
            500, 100, 2000, 20, 120, 30, 45, 10, 0.4, 12, coco=True),
    Profile("coco-smoke", "A check that everything runs on such photos: 40 of them, its numbers mean little.",
            40, 16, 1000, 6, 6, 10, 4, 3, 0.1, 4, ladder_forms=FEW_FORMS, coco=True, conclusive=False),
)  # fmt: skip

PROFILES = MappingProxyType({profile.id: profile for profile in _ENTRIES})


def get_profile(profile_id: str) -> Profile:
    try:
        return PROFILES[profile_id]
    except KeyError:
        raise unknown_name("profile", profile_id, PROFILES) from None
