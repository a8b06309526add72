"""What the report says in words: what the variants are, how each quantity was measured, what is left open."""

import pandas as pd

from helpers.run.cured_forms import is_chain
from helpers.run.forms import ALL, CONTROLS, get_form
from helpers.run.variants import BASELINE
from helpers.show.captions import level_text, margin_points, points_text, rounds_text, threads_text
from helpers.show.context import Context, known

NO_SELFTEST = (
    "What size of difference in latency this machine can show was not tested: "
    "`python -m helpers selftest` does that, and stores it with the run."
)


def meanings(results: pd.DataFrame) -> list[tuple[str, str]]:
    """What each variant in the table is."""
    control = dict.fromkeys(
        CONTROLS, "The file of float32, timed as if it were another variant: what it shows is noise."
    )
    present = dict.fromkeys(map(str, results["variant"]))
    chains = {name: get_form(name).meaning for name in present if is_chain(name)}
    known_variants = {**{v.id: v.meaning for v in ALL.values()}, **chains, **control}
    return [(variant, known_variants[variant]) for variant in present if variant in known_variants]


def method(context: Context) -> list[tuple[str, str]]:
    """(quantity, how it was measured)."""
    meter = context.meter_sentence or f"Meter: {known(context, 'meter')}."
    return [
        (
            "Accuracy",
            "COCO average precision (AP): the mean over ten overlap thresholds, IoU 0.50 to 0.95, and all "
            "categories, of the area under the precision-recall curve. The 100 best detections of each image "
            "count, down to a score of 0.001 or less: a higher threshold would cut off the curve. Printed in "
            "points (AP × 100). Small, medium and large are COCO's areas: below 32² px, up to 96², above.",
        ),
        (
            "Accuracy differences",
            f"Paired bootstrap over images: {known(context, 'resamples')} resamples, the same for every "
            f"variant, {level_text(context)} percentile interval.",
        ),
        (
            "Within a margin",
            f"Yes, where the loss of AP is below {points_text(margin_points(context))} by bounds that hold "
            "for all variants at once: intervals from the same resamples, so wide that in one experiment of "
            "twenty at most any of them errs (Bonferroni). No, where it is above by the same bounds. Else it "
            "is stated how many images would about settle it, were the difference to stay as it is.",
        ),
        (
            "Equal scores",
            "AP ranks detections by score. Where scores are equal, they are ranked by image, as pycocotools "
            "does; an int8 output has few distinct scores, so much hangs on that. AP under the worst and the "
            "best order of equal scores is printed beside it.",
        ),
        (
            "Where a loss lies",
            "AP is a sum of credits of found objects, so a difference of AP is shared out exactly: to "
            "objects that one variant finds and the other does not, and to false alarms that lower the "
            "precision of objects which both find. The kinds of error are those of TIDE (Bolya et al. "
            "2020), at every overlap threshold; repairing one at a time, as TIDE does, would not add up.",
        ),
        (
            "Latency",
            "Inference of the quantized core alone. Reading, decoding and resizing of images, box decoding "
            "and non-maximum suppression are outside. Variants take turns in random order over "
            f"{rounds_text(context)}, {threads_text(context.threads)}; warm-ups are left out. Processes are "
            "the units of the intervals: they cover how far one process differs from the next. "
            "Ratios are to float32 of the same runtime, and of the fastest inference of each visit, which "
            "other work disturbs least.",
        ),
        (
            "Noise floor",
            f"The control is {BASELINE} of a runtime measured a second time as if it were another variant. "
            "Its ratio to itself should be 1; how far its interval strays is the noise floor. A ratio counts "
            "as a difference only if its interval excludes 1 and lies wholly outside that floor.",
        ),
        (
            "Memory",
            "Peak resident memory of a fresh process per variant, less that of a process which only loads "
            "the runtime.",
        ),
        (
            "Energy",
            f"{meter} Grades: A, hardware counter of the CPU; B, counter of the accelerator; C, an estimate; "
            "D, none. Figures of different grades are not comparable.",
        ),
        (
            "Data types",
            "Storage: what the file holds. Computation: what the kernels multiply. Both are read from the "
            "file, not from the option that was asked for.",
        ),
    ]


def limits(context: Context) -> list[str]:
    """What must not be concluded."""
    return [
        context.selftest or NO_SELFTEST,
        f"Latency, memory and energy hold for this host ({known(context, 'host')}), the runtimes named and "
        "this number of threads. Another processor may order the variants differently.",
        "Accuracy holds for this model and these images. Another model may lose far more, or nothing, from "
        "the same recipe.",
        "The intervals cover the choice of images, and the spread over processes. They do not cover "
        "another training, another choice of calibration photos, or another day on this machine.",
        "“No difference shown” means that this experiment could not tell the two apart. It does not mean "
        "that they are equal: only “within” a margin says that a loss is no larger.",
        "Several variants are compared with float32. The answers “within” the margin hold for all at once; "
        "every other interval is at the stated level by itself, and among twenty of those, one can be "
        "expected to look like a difference by chance.",
        "The order of equal scores is no error of the images, so no interval covers it. Where it moves AP by "
        "more than the interval is wide, an accuracy is known no better than that.",
    ]
