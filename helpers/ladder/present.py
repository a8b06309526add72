"""The figures of 07, drawn and written."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from helpers.ladder.claims import answers
from helpers.ladder.figures import bits, gains, levels, noise
from helpers.ladder.one_tensor import open_tensor
from helpers.ladder.stage import Ladder, read_draws
from helpers.show.context import Context, picture_context
from helpers.show.style import LabFigure, save_figure

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
    drawn = {LEVELS: (levels.levels_of_kinds(opened, context), levels.HOW_TO_READ)} if opened else {}
    drawn |= {
        BITS: (bits.ap_against_bits(frame, model, context), bits.HOW_TO_READ),
        NOISE: (noise.noise_against_bits(frame, model, context), noise.HOW_TO_READ),
        GAINS: (gains.gains(found, model, margin, context), gains.HOW_TO_READ),
    }
    for figure, how_to_read in drawn.values():
        figure.how_to_read = how_to_read
    return {name: figure for name, (figure, _) in drawn.items()}


def save(ladders: Sequence[Ladder], drawn: Mapping[str, Mapping[str, LabFigure]]) -> list[Path]:
    """Write the figures of every model, by its id, below ``ladder/<model>/figures``; return all paths."""
    return [
        path
        for ladder in ladders
        for name, figure in drawn[ladder.model.id].items()
        for path in save_figure(figure, ladder.folder / "figures", name, context_of(ladder))
    ]
