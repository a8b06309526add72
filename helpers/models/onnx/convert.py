"""An ONNX detector's core as float32 ``.onnx``, with the preprocessing before it and the tail after it."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from helpers.lab.files import write_bytes
from helpers.models.designs.catalogue import unfit_values, unknown_design
from helpers.models.designs.shapes import Reading
from helpers.models.designs.whole import is_told
from helpers.models.interface import Interface
from helpers.models.onnx import trial
from helpers.models.onnx.network import Network, read
from helpers.models.onnx.parts import part_plans
from helpers.models.onnx.plan import Plan, Understood, head_plans, understand, whole_plan
from helpers.models.own_tflite.beside import read_given
from helpers.photos.preprocessing import Preprocessing
from helpers.tasks.detection.limits import Limits

Found = tuple[Understood, Plan]


def convert(path: Path, output: Path, limits: Limits, classes: int, named: str = "") -> Interface:
    """Cut the core out of a file and write it to ``output``; return what goes before and after it.

    What was found is accepted only if core and tail give the whole graph's boxes and scores for all
    candidates; else the next way to cut is tried, and in the end the whole graph is the core.

    Args:
        limits: what is kept; suppression is the design's own.
        classes: as many as the label map names.
        named: the design that the user names; empty for none.

    Raises:
        LabError: as ``network.read`` and ``plan.understand``; or two designs fit.
    """
    network = read(path)
    known, plan = chosen(network, classes, named, limits)
    write_bytes(output, plan.core.SerializeToString())
    return Interface(preprocessing(network, known), plan.tail, (*network.notes, *plan.notes))


def preprocessing(network: Network, known: Understood) -> Preprocessing:
    """The design's, and what the user says in ``<name>.json`` beside the file."""
    found, given = known.design.preprocessing(*network.size, network.layout), read_given(network.path)
    ends = {} if given.scale is None else {"scale": given.scale, "offset": given.offset}
    return dataclasses.replace(found, **ends, **given.others)


def chosen(network: Network, classes: int, named: str, limits: Limits) -> Found:
    """The first reading whose heads give the graph's answers; else the one that is possible, if it is told.

    Raises:
        LabError: heads prove no design, and nothing else tells it.
    """
    possible = list(understand(network, classes, named, limits))
    if not possible:
        raise unfit_values(network.path, network.outputs)
    for known in possible:
        if plan := first_that_agrees(known, head_plans(network, known), network):
            return known, plan
    known = the_one(network, possible, classes, bool(named or network.told))
    plan = first_that_agrees(known, part_plans(network, known), network)
    return known, plan or whole_plan(network, known)


def first_that_agrees(known: Understood, plans: Iterator[Plan], network: Network) -> Plan | None:
    """The first plan whose core and tail give the whole graph's candidates."""
    for plan in plans:
        ours = trial.all_answers(plan.core, known.images, network)
        if trial.agrees(known.tail, known.answers, plan.tail, ours):
            return plan
    return None


def the_one(network: Network, possible: list[Understood], classes: int, told: bool) -> Understood:
    """The only reading, if it is told, or shapes and values tell it.

    Args:
        classes: as many as the label map names.
        told: whether the user or the exporter has named the design.
    """
    likeliest: dict[Reading, Understood] = {}
    for known in possible:
        likeliest.setdefault(known.reading, known)
    shown = [known for known in likeliest.values() if told or is_told(known.reading, known.tail, classes)]
    if len(shown) == 1 or (shown and told):
        return shown[0]
    maybe = " or ".join(dict.fromkeys(known.design.name for known in possible))
    raise unknown_design(network.path, network.outputs, maybe)
