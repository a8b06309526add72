"""Forms whose accuracy is won back: ``int8-cured`` by a search, ``int8+equalize+bias`` by chosen cures."""

import difflib
from dataclasses import replace

from helpers.lab.errors import LabError
from helpers.run.variants import AT, VARIANTS, Variant
from helpers.runtimes.catalogue import OPENVINO

CURED = "int8-cured"
CHAIN = "int8+"
# By name, from cheap to dear: the order in which they are applied.
CURES = {
    "kernels": "operators in 8 bits that the usual quantizer leaves in float",
    "equalize": "channels of like size: scaled in the weights before, and back in those behind",
    "concatenations": "inputs of concatenations of one size, or in grids of their own",
    "ranges": "ranges of activations that clip what is rare",
    "bias": "biases that put the mean of every channel back",
    "rounding": "weights' rounding learnt layer by layer",
    "mixed": "the few layers in float32 that gain most for their time",
    "tuning": "weights and biases tuned to float32's outputs, without labels",
}
OPENVINO_CURES = ("kernels", "equalize", "ranges", "mixed")


def is_cured(form: Variant) -> bool:
    """Whether it is made by cures, which look at float32's own detections."""
    return form.recipe.partition(AT)[0] == CURED


def cures_named(form: str) -> tuple[str, ...]:
    """The cures that a form's name asks for; none where they are searched for."""
    plain = form.partition(AT)[0]
    return tuple(plain.removeprefix(CHAIN).split("+")) if plain.startswith(CHAIN) else ()


def is_chain(name: str) -> bool:
    return name.startswith(CHAIN)


def no_chain(name: str) -> LabError:
    """The error for cures behind another form than int8."""
    cures = name.partition(AT)[0].split("+")[1:]
    return LabError(
        f"variant {name!r}: cures are of plain int8 alone.",
        f"int8+ and some of {', '.join(CURES)}, each once",
        f"name {CHAIN}{'+'.join(cures)}, or int8-cured, which searches for what helps.",
    )


def chained_form(name: str) -> Variant:
    """The form of ``int8+CURE+CURE``, in OpenVINO where ``@openvino`` stands behind.

    Raises:
        LabError: a cure is unknown, named twice, or not made for the runtime.
    """
    plain, at, runtime = name.partition(AT)
    named = plain.removeprefix(CHAIN).split("+")
    unknown = [each for each in named if each not in CURES]
    if unknown or len(set(named)) < len(named):
        wrong = unknown[0] if unknown else next(each for each in named if named.count(each) > 1)
        near = difflib.get_close_matches(wrong, CURES, n=1)
        hint = f" Did you mean {near[0]!r}?" if unknown and near else ""
        what = "there is no cure" if unknown else "it names twice the cure"
        raise LabError(
            f"variant {name!r}: {what} {wrong!r}.{hint}",
            f"int8+ and some of {', '.join(CURES)}, each once",
            "correct the name, or take int8-cured, which searches for what helps.",
        )
    if at and runtime != OPENVINO.id:
        raise LabError(
            f"variant {name!r}: cures are not made for {runtime!r}.",
            f"{plain}, or {plain}{AT}{OPENVINO.id}",
            f"leave {AT}{runtime} out.",
        )
    lacking = [each for each in named if runtime and each not in OPENVINO_CURES]
    if lacking:
        raise LabError(
            f"variant {name!r}: the cure {lacking[0]!r} is not made for {runtime!r}.",
            f"int8+ and some of {', '.join(OPENVINO_CURES)}, and {AT}{runtime}",
            f"leave {lacking[0]} out, or take {CURED}{AT}{runtime}, which searches for what helps.",
        )
    ordered = [each for each in CURES if each in named]
    meaning = f"As int8, with cures: {'; '.join(CURES[each] for each in ordered)}."
    recipe = f"{CURED}{AT}{OPENVINO.id}" if runtime else CURED
    base = VARIANTS[CURED]
    return replace(
        base, id=CHAIN + "+".join(ordered) + (f"{AT}{runtime}" if at else ""), recipe=recipe, meaning=meaning,
        runtime=runtime,
    )  # fmt: skip
