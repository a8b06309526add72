"""The figures of 07, drawn and written."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from helpers.compare.figures.absent import nothing_to_show
from helpers.lab.paths import display
from helpers.ladder.claims import answers
from helpers.ladder.figures import bits, gains, levels, noise
from helpers.ladder.figures.gains import shown_pairs
from helpers.ladder.one_tensor import OneTensor, open_tensor
from helpers.ladder.stage import Ladder, read_draws
from helpers.show.context import Context, picture_context
from helpers.show.style import LabFigure, save_figure

NO_PAIR = "of no pair of these forms does one find more than next to nothing"
NO_AP = "there is nothing to be found in these photos, so no form has an AP"
LEVELS, NOISE, BITS, GAINS = "levels_of_kinds", "noise_against_bits", "ap_against_bits", "gains"


def context_of(ladder: Ladder) -> Context:
    """What captions say of where the numbers come from."""
    run = ladder.run
    known = {"images": len(ladder.labelled.photos), "resamples": len(ladder.weights) - 1}
    return replace(picture_context(run), **known, seed=run.profile.seed, margin_points=run.margin_points)


def draw(ladder: Ladder, frame: pd.DataFrame) -> dict[str, LabFigure]:
    """All figures of one model, by name, each with how to read it."""
    context, model, margin = context_of(ladder), ladder.model.id, ladder.run.margin_points
    found = answers(read_draws(ladder), margin)
    opened = open_tensor(ladder)
    own = frame[frame["model"] == model]
    drawn = {LEVELS: levels_figure(ladder, opened)} if opened else {}
    told = {
        BITS: ("AP against bits", bits.HOW_TO_READ, lambda: bits.ap_against_bits(own, model, context)),
        NOISE: ("Noise and bits", noise.HOW_TO_READ, lambda: noise.noise_against_bits(own, model, context)),
        GAINS: ("What buys what", gains.HOW_TO_READ, lambda: gains.gains(found, model, margin, context)),
    }
    nothing = dict.fromkeys(told, "" if own["ap"].notna().any() else NO_AP)
    nothing[GAINS] = nothing[GAINS] or ("" if shown_pairs(found) else NO_PAIR)
    for name, (title, how_to_read, draw_one) in told.items():
        drawn[name] = nothing_to_show(title, nothing[name], context) if nothing[name] else draw_one()
        drawn[name].how_to_read = how_to_read
    return drawn


def made(path: Path) -> str:
    return f"wrote {display(path)}"


def levels_figure(ladder: Ladder, opened: OneTensor) -> LabFigure:
    """One channel's weights and the levels of each kind."""
    figure = levels.levels_of_kinds(opened, context_of(ladder))
    figure.how_to_read = levels.HOW_TO_READ
    return figure


def show(drawn: Mapping[str, Mapping[str, LabFigure]], name: str) -> None:
    """The figure of that name of every model, in a notebook."""
    from IPython import display as notebook

    for figures in drawn.values():
        notebook.display(figures[name])


def save(ladders: Sequence[Ladder], drawn: Mapping[str, Mapping[str, LabFigure]]) -> list[Path]:
    """Write the figures of every model, by its id, below ``ladder/<model>/figures``; return all paths."""
    return [
        path
        for ladder in ladders
        for name, figure in drawn[ladder.model.id].items()
        for path in save_figure(figure, ladder.folder / "figures", name, context_of(ladder))
    ]
