"""Captions: what a figure shows, from how much, with which interval, where and in which run."""

import textwrap

import pandas as pd
from matplotlib.text import Text

from helpers.lab.units import how_many
from helpers.show.context import Context, known
from helpers.show.style import FAINT, LabFigure

FOOTER_PT = 8
FOOTER_IN = 0.2  # height to reserve for the footer
_RIGHT = 0.012


def level_text(context: Context) -> str:
    return f"{100 * context.level:g} %"


def margin_points(context: Context) -> float:
    """The loss of AP that the user accepts, in points."""
    return context.margin_points


def points_text(points: float) -> str:
    """``1 point``, ``0.5 points``."""
    return f"{points:g} point{'' if points == 1 else 's'}"


def has_several_runtimes(results: pd.DataFrame) -> bool:
    return "runtime" in results and results["runtime"].nunique() > 1


def of_the_runtime(results: pd.DataFrame) -> str:
    """After "to float32": of which runtime; empty where there is one."""
    return " of the same runtime" if has_several_runtimes(results) else ""


def accuracy_interval(context: Context) -> str:
    return (
        f"n = {known(context, 'images')} images. Bars: {level_text(context)} bootstrap over images "
        f"(bias-corrected percentiles), {known(context, 'resamples')} resamples"
    )


def paired_interval(context: Context) -> str:
    return (
        f"n = {known(context, 'images')} images. Bars: {level_text(context)} paired bootstrap over images, "
        f"{known(context, 'resamples')} resamples, the same for every variant"
    )


def threads_text(threads: int | None) -> str:
    return f"{threads or 'unknown'} thread{'' if threads == 1 else 's'}"


def rounds_text(context: Context) -> str:
    """``20 interleaved rounds in 20 processes``; the processes only where they are known."""
    rounds = f"{known(context, 'rounds')} interleaved rounds"
    if context.processes is None:
        return rounds
    return f"{rounds} in {how_many(context.processes, 'fresh process', 'fresh processes')}"


def ratio_interval(context: Context) -> str:
    """How the intervals of latency ratios were taken."""
    wider = context.ratio_level > context.level
    drawn = f", drawn at {100 * context.ratio_level:g} % since rounds could end on their width"
    note = drawn if wider else ""
    return (
        f"{rounds_text(context)}, {threads_text(context.threads)}. "
        f"Bars: {level_text(context)} intervals by signed ranks of processes{note}"
    )


def origin_text(context: Context) -> str:
    commit = known(context, "commit")[:10]
    return f"Run {known(context, 'run')}, commit {commit}. Host: {known(context, 'host')}."


def add_caption(figure: LabFigure, text: str, context: Context) -> LabFigure:
    """Keep the caption in ``figure.caption``, to stand beside the picture; the picture names its run alone.

    A picture with its caption in it has two of them in a thesis, and small print in a report.
    """
    figure.caption = f"{text} {origin_text(context)}".strip()
    footer = f"run {known(context, 'run')} · commit {known(context, 'commit')[:10]}"
    figure.supxlabel(footer, x=1 - _RIGHT, ha="right", fontsize=FOOTER_PT, color=FAINT)
    return figure


def wrap_to_width(label: Text, width_px: float) -> None:
    """Break the lines of a text so that the longest just fits."""
    whole, renderer = label.get_text(), label.figure.canvas.get_renderer()
    for characters in range(int(width_px / (0.4 * label.get_fontsize())), 20, -1):
        label.set_text(textwrap.fill(whole, characters))
        if label.get_window_extent(renderer).width <= width_px:
            return
