"""The answer that a reader came for: which form to deploy for speed, size, accuracy, and what is not known.

Written from the judgements of the findings: a form is recommended only where its loss is shown to be within
the margin, and called faster only where interval and noise floor show it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from helpers.compare.choice import CALLED, Choice, Row, by_latency, by_size, choice_of, names_of
from helpers.compare.findings import Judgement, bracketed, floor_text, inverse, judge_difference, times
from helpers.compare.noise import speed_ratio
from helpers.compare.report.lacking import listed
from helpers.compare.unknown import failed_forms, not_known
from helpers.compare.verdict import NOTHING_FOUND
from helpers.compare.verdict_texts import unjudged
from helpers.lab.errors import found_of
from helpers.lab.intervals import Interval
from helpers.lab.quantities import has_bounds, number
from helpers.lab.units import format_bytes
from helpers.run.variants import BASELINE
from helpers.show.captions import margin_points, points_text
from helpers.show.context import Context, known
from helpers.show.frames import neat
from helpers.show.rows import by_model, records_of
from helpers.show.values import failure_of, raw_reason
from helpers.tasks.detection.quantities import AP, AP_DIFFERENCE

NEAR = 1.02  # files whose sizes differ by less are named together


class About(StrEnum):
    """What a sentence answers."""

    SPEED = "For speed"
    SIZE = "For size"
    ACCURACY = "For accuracy"
    UNKNOWN = "Not known"
    NOTHING = "This run decides nothing"


@dataclass(frozen=True)
class Sentence:
    """One sentence of the answer for one model.

    Attributes:
        forms: those to deploy, any of them; empty where nothing is recommended.
        text: the rest of the sentence, which says why.
    """

    model: str
    about: About
    text: str
    forms: tuple[str, ...] = ()

    @property
    def deploy(self) -> str:
        """``int8 or float16``; empty where nothing is recommended."""
        return listed(self.forms, "or") if self.forms else ""

    @property
    def whole(self) -> str:
        """``For speed, int8: 1.69× faster ...``."""
        return f"{self.about}{f', {self.deploy}' * bool(self.forms)}: {self.text}"


def answers(results: pd.DataFrame, context: Context) -> dict[str, list[Sentence]]:
    """Model -> its answer, in the order of the table.

    Args:
        results: one row per model and variant, as ``results_frame`` makes it.
        context: for the host, and for the margin where no variant was held against one.
    """
    return {model: answer(model, frame, context) for model, frame in by_model(results)}


def answer(model: str, frame: pd.DataFrame, context: Context) -> list[Sentence]:
    choice = choice_of(frame, margin_points(context))
    if why := decides_nothing(choice, records_of(frame)):
        return [Sentence(model, About.NOTHING, why)]
    found = [
        Sentence(model, about, text, forms)
        for about, (forms, text) in (
            (About.SPEED, for_speed(choice)),
            (About.SIZE, for_size(choice)),
            (About.ACCURACY, for_accuracy(choice)),
        )
    ]
    return found + [Sentence(model, About.UNKNOWN, text) for text in not_known(frame, choice, context)]


def decides_nothing(choice: Choice, rows: Sequence[Row]) -> str:
    """Why there is no answer; empty if there is one. ``rows``: all of the model."""
    held = "and every other form is held against it."
    if choice.base is None:
        own = (failure_of(row) for row in choice.failed if row["variant"] == BASELINE)
        reason = next(own, "it is not in the results")
        return f"{BASELINE} failed ({reason.rstrip('.')}), {held}"
    if AP.at(choice.base) is None:
        reason = found_of(raw_reason(choice.base, AP)).rstrip(".") or "for no recorded reason"
        return f"{BASELINE} has no AP ({reason}), {held}"
    if why := unjudged(rows):
        return nothing_found(choice) if why == NOTHING_FOUND else too_small(choice.base)
    if choice.forms:
        return ""
    failed = "; ".join(f"{names} failed ({reason})" for names, reason in failed_forms(choice))
    return f"{failed or f'no form but {BASELINE} was measured'}, so that there is none to choose."


def nothing_found(choice: Choice) -> str:
    return (
        f"{BASELINE} itself finds next to nothing (AP {AP.cell(choice.base)} points), so that a form which "
        f"finds nothing at all would be within {choice.margin}."
    )


def too_small(base: Row) -> str:
    images = number(base, "images")
    photos = f" ({images:,.0f} images)" if math.isfinite(images) else ""
    return f"it is too small{photos} and made to check that everything works."


def for_speed(choice: Choice) -> tuple[tuple[str, ...], str]:
    """Forms to deploy, and why: the fastest within the margin, with what cannot be told from it."""
    timed = by_latency(choice.within)
    faster = [row for row in timed if choice.is_faster(row)]
    if not faster:
        return none_faster(choice, timed)
    best = faster[0]
    leaders = [best, *(row for row in faster[1:] if not choice.is_faster(best, row))]
    rest = [row for row in timed if row[CALLED] not in names_of(leaders)]
    text = lead_text(choice, leaders) + rest_text(choice, best, rest) + doubt_text(choice)
    still = [row for row in choice.forms if choice.is_faster(row) and choice.is_faster(row, best)]
    return names_of(leaders), f"{text}{passed_over(choice, still, 'faster still')}."


def lead_text(choice: Choice, leaders: Sequence[Row]) -> str:
    """``1.69× faster [1.66, 1.72] than float32, AP −0.24 [−0.44, −0.06]``; of several, each, and that their
    order is open."""
    texts = [times(inverse(speed_ratio(row)), "faster") for row in leaders]
    if len(leaders) == 1:
        return f"{texts[0]} than {choice.base_name}, AP {AP_DIFFERENCE.cell(leaders[0])} points"
    each = listed([f"{row[CALLED]} {text}" for row, text in zip(leaders, texts, strict=True)])
    return f"{each} than {choice.base_name}; which of them is the fastest is not shown"


def rest_text(choice: Choice, best: Row, rest: Sequence[Row]) -> str:
    """How the others within the margin stand to the fastest; those that it is not shown to beat are named."""
    close = [row for row in rest if not choice.is_faster(best, row)]
    if close:
        return f"; not shown faster than {listed(names_of(close))}, of which no gain is shown"
    return f", and shown faster than the next best, {rest[0][CALLED]}" if rest else ""


def doubt_text(choice: Choice) -> str:
    return "" if choice.floor else " (noise floor unknown)"


def none_faster(choice: Choice, timed: Sequence[Row]) -> tuple[tuple[str, ...], str]:
    shown = [row for row in choice.forms if choice.is_faster(row)]
    passed = passed_over(choice, shown, "shown faster")
    if not choice.within:
        return (choice.base_name,), f"no other form is known to be within {choice.margin}{passed}."
    if not timed:
        return (), f"no form within {choice.margin} has a latency to hold against {BASELINE}'s{passed}."
    ratio = ratio_text(speed_ratio(timed[0]))
    closest = f"{timed[0][CALLED]}, {ratio}, {floor_text(choice.floor)}"
    why = f"no form within {choice.margin} is shown faster (closest: {closest}){passed}."
    return (choice.base_name,), why


def ratio_text(ratio: Interval) -> str:
    return f"ratio {bracketed(ratio, 3) if has_bounds(ratio) else f'{ratio.value:.3f} without interval'}"


def passed_over(choice: Choice, better: Sequence[Row], word: str) -> str:
    """Forms that would be the answer, were their loss known to be within the margin."""
    names = names_of(better)
    open_, beyond = ([n for n in names_of(rows) if n in names] for rows in (choice.open, choice.beyond))
    clauses = (
        (open_, f"{word}, but not known to be within {choice.margin}"),
        (beyond, f"{word}, but {lose(beyond)} more than {choice.margin}"),
    )
    return "".join(f"; {listed(each)} {be(each)} {clause}" for each, clause in clauses if each)


def be(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def lose(names: Sequence[str]) -> str:
    return "loses" if len(names) == 1 else "lose"


def for_size(choice: Choice) -> tuple[tuple[str, ...], str]:
    """The smallest file within the margin, with those that hardly differ from it. Sizes are exact."""
    sized = by_size([choice.base, *choice.within])
    if not sized:
        return (), "no file size is known."
    smallest = number(sized[0], "size_bytes")
    near = [row for row in sized if number(row, "size_bytes") <= NEAR * smallest]
    base = (choice.base_name,)
    forms = base if choice.base_name in names_of(near) else names_of(near)
    smaller = [row for row in by_size(choice.forms) if NEAR * number(row, "size_bytes") < smallest]
    passed = passed_over(choice, smaller, "smaller" if forms == base else "smaller still")
    if forms != base:
        return forms, f"{size_text(choice, near)}{passed}."
    if not choice.within:
        return forms, f"no other form is known to be within {choice.margin}{passed}."
    return forms, f"no form within {choice.margin} has a file that is smaller by more than 2 %{passed}."


def size_text(choice: Choice, near: Sequence[Row]) -> str:
    """``852 kB, 0.29 of float32's 2.91 MB``, or ``of the 2.91 MB of float32 in LiteRT``."""
    base_bytes = number(choice.base, "size_bytes")
    sizes = [number(row, "size_bytes") for row in near]
    shares = dict.fromkeys(f"{size / base_bytes:.2f}" for size in sizes)
    size, alone = format_bytes(base_bytes), choice.base_name == BASELINE
    base = f"{BASELINE}'s {size}" if alone else f"the {size} of {choice.base_name}"
    return f"{listed([format_bytes(size) for size in sizes])}, {listed(list(shares))} of {base}"


def for_accuracy(choice: Choice) -> tuple[tuple[str, ...], str]:
    """What loses nothing that can be shown, beside float32; then what loses within the margin, and more."""
    lossless = [row for row in choice.within if not shows_loss(row)]
    lossy = [row for row in choice.within if shows_loss(row)]
    margin, unharmed, unsure = choice.margin, names_of(lossless), names_of(choice.open)
    clauses = [
        f"{listed(unharmed)} {lose(unharmed)} nothing that can be shown" if unharmed else "",
        loss_clause(lossy, f"within {margin}"),
        loss_clause(choice.beyond, f"more than {margin}"),
        f"whether {listed(unsure)} {be(unsure)} within {margin} is not known" if unsure else "",
    ]
    return (choice.base_name, *unharmed), f"{'; '.join(clause for clause in clauses if clause)}."


def loss_clause(rows: Sequence[Row], how_much: str) -> str:
    """``int8 loses more than 1 point (−2.00 [−2.35, −1.67])``; empty for no rows."""
    if not rows:
        return ""
    names, lost = names_of(rows), listed([AP_DIFFERENCE.cell(row) for row in rows])
    return f"{listed(names)} {lose(names)} {how_much} ({lost})"


def shows_loss(row: Row) -> bool:
    """Whether the row's interval shows a loss, or there is none to tell that none is shown."""
    difference = AP_DIFFERENCE.at(row)
    return difference is None or judge_difference(difference) in (Judgement.WORSE, Judgement.NOT_JUDGED)


def setting(context: Context) -> str:
    """For what the answer holds."""
    margin, images = points_text(margin_points(context)), known(context, "images")
    return f"On {known(context, 'host')}, by {images} images; a loss of up to {margin} of AP is accepted."


def display_answers(results: pd.DataFrame, context: Context) -> None:
    """Show the answer of every model in a notebook, with what it holds for."""
    from IPython.display import display

    print(setting(context))
    for model, sentences in answers(results, context).items():
        rows = [{"": each.about, "deploy": each.deploy, "why": each.text} for each in sentences]
        display(neat(pd.DataFrame(rows)).set_caption(model))
