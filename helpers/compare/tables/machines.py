"""Several machines' runs beside one another as a table, and in words what else they differ in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from helpers.compare.figures.one_row_each import GRADES
from helpers.compare.figures.rows_machines import Machine, shared_models, shown_variants, title_of
from helpers.compare.noise import noise_floor
from helpers.compare.quantities import QUANTITIES
from helpers.compare.tables.cells import cells_of, grade_cell
from helpers.compare.tables.writing import display_texts
from helpers.lab.host import PACKAGES_OF_RESULTS
from helpers.lab.quantities import ABSENT, number
from helpers.run.variants import is_control
from helpers.show.captions import level_text
from helpers.show.context import known
from helpers.show.rows import missing_text, records_of
from helpers.show.values import failure_of
from helpers.tasks.detection.quantities import AP

BY_MACHINE = MappingProxyType(cells_of(q for q in QUANTITIES.values() if q.by_machine))
SAME_AP = 1e-4
FINE_AP = replace(AP, digits=2)  # so that what SAME_AP tells apart can be seen
SHORT_HASH = 10
COMPARED = MappingProxyType({
    "profile": "profiles",
    "images": "numbers of images",
    "threads": "numbers of threads",
    "commit": "commits of the code",
})  # fmt: skip
READING = (
    "Ratio and noise floor are each machine's own: to float32, and by control or self-test, on the same one. "
    "AP is no property of a machine: it is shown to see whether all ran the same thing."
)


def machine_cells(machine: Machine, model: str, row: Mapping[str, Any]) -> dict[str, str]:
    """Texts of one variant on one machine, intervals in brackets; why there are none in place of the AP."""
    floor = noise_floor(machine.of_model(model), "latency")
    lacking = failure_of(row) or row.get("reason")
    return {
        "Model": model,
        "Variant": str(row["variant"]),
        "Machine": f"{machine.letter}: {machine.name}",
        "Threads": known(machine.context, "threads"),
        **{title: cell(row) for title, cell in BY_MACHINE.items()},
        "Noise floor": floor.text() if floor else ABSENT,
        "Grade": ABSENT if lacking else grade_cell(row),
        "Meter": known(machine.context, "meter"),
        "AP": missing_text(row) if lacking else FINE_AP.cell(row),
    }


def machines_table(machines: Sequence[Machine]) -> pd.DataFrame:
    """One row of texts per variant and machine, of the models that the first machine shares."""
    rows = [
        machine_cells(machine, model, machine.row(model, variant))
        for model in shared_models(machines)
        for variant in shown_variants(machines, model)
        for machine in machines
    ]
    return pd.DataFrame(rows)


def notes(machines: Sequence[Machine]) -> list[str]:
    """What must be known beside the numbers, and in what the runs differ; plain sentences."""
    first, *others = machines
    sentences = [f"{title_of(machine)}{virtual(machine)}." for machine in machines]
    sentences += [f"Brackets: {level_text(first.context)} intervals. {READING}"]
    sentences += [text for other in others for text in differences(first, other)]
    grades = sorted({grade for machine in machines for grade in grades_of(machine)})
    sentences += [f"Energy grade {grade}: {GRADES.get(grade, 'unknown')}." for grade in grades]
    if len(grades) > 1:
        sentences.append("Energies of different grades are not to be compared.")
    return sentences


def virtual(machine: Machine) -> str:
    return ", a virtual machine" if machine.host.get("hypervisor") not in (None, "no") else ""


def grades_of(machine: Machine) -> set[str]:
    """Grades of the variants that did not fail."""
    return {grade_cell(row) for row in records_of(machine.results)} - {ABSENT}


def differences(first: Machine, other: Machine) -> list[str]:
    """In what two runs differ beside the machine, one sentence for each; whether AP is the same, last."""
    a, b = first.letter, other.letter
    texts = []
    if first.host.get("host_id") == other.host.get("host_id") is not None:
        texts.append(f"{a} and {b} are of one kind of machine: what differs is not the processor.")
    for name, what in COMPARED.items():
        if getattr(first.context, name) != getattr(other.context, name):
            length = SHORT_HASH if name == "commit" else None
            pair = (f"{m.letter} {known(m.context, name)[:length]}" for m in (first, other))
            texts.append(f"Different {what}: {', '.join(pair)}.")
    texts += version_differences(first, other) + instruction_differences(first, other)
    return [*texts, *variant_differences(first, other), ap_note(first, other)]


def version_differences(first: Machine, other: Machine) -> list[str]:
    """Of the libraries that results depend on."""
    ours, theirs = (dict(machine.host.get("packages") or {}) for machine in (first, other))
    changed = [
        f"{name} {ours.get(name, 'unknown')} and {theirs.get(name, 'unknown')}"
        for name in PACKAGES_OF_RESULTS
        if ours.get(name) != theirs.get(name)
    ]
    where = f"{first.letter} and {other.letter}"
    return [f"Different versions on {where}: {', '.join(changed)}."] if changed else []


def instruction_differences(first: Machine, other: Machine) -> list[str]:
    """Of the processors: the architecture, or else the instruction sets that kernels are chosen by."""
    kinds = [machine.host.get("machine") for machine in (first, other)]
    if kinds[0] != kinds[1]:
        return [f"Different architectures: {first.letter} {kinds[0]}, {other.letter} {kinds[1]}."]
    texts = []
    for one, two in ((first, other), (other, first)):
        theirs = two.host.get("isa_flags") or []
        flags = [flag for flag in one.host.get("isa_flags") or [] if flag not in theirs]
        if flags:
            texts.append(f"Instructions of {one.letter} that {two.letter} lacks: {', '.join(flags)}.")
    return texts


def variant_differences(first: Machine, other: Machine) -> list[str]:
    """Models and variants of the other run that this one does not have, and so are not shown."""
    pairs = [set(zip(m.results["model"], m.results["variant"], strict=True)) for m in (first, other)]
    extra = [
        f"{variant} of {model}" for model, variant in sorted(pairs[1] - pairs[0]) if not is_control(variant)
    ]
    return (
        [f"Not shown, since {first.letter} lacks them: {', '.join(extra)} of {other.letter}."]
        if extra
        else []
    )


def ap_note(first: Machine, other: Machine) -> str:
    """Whether both ran the same thing, as far as AP tells."""
    a, b = first.letter, other.letter
    if any(getattr(first.context, name) != getattr(other.context, name) for name in ("profile", "images")):
        return f"AP of {a} and {b} is of different photos, so it does not tell whether both ran the same."
    gaps = ap_gaps(first, other)
    apart = [f"{name} {100 * gap:+.2f} points" for name, gap in gaps.items() if abs(gap) > SAME_AP]
    if apart:
        listed = ", ".join(apart).replace(" -", " −")
        return f"AP differs ({b} less {a}): {listed}. The files, or the arithmetic of the kernels, differ."
    if not gaps:
        return f"No variant has an AP on both {a} and {b}, so nothing tells whether both ran the same."
    return f"AP of {a} and {b} is the same to {100 * SAME_AP:g} points, as it is where both ran the same."


def ap_gaps(first: Machine, other: Machine) -> dict[str, float]:
    """Variant (and model, where there are several) -> AP of the other less AP of the first, in 0..1."""
    models = shared_models([first, other])
    gaps = {
        variant + f" of {model}" * (len(models) > 1): number(other.row(model, variant), "ap")
        - number(first.row(model, variant), "ap")
        for model in models
        for variant in shown_variants([first, other], model)
    }
    return {name: gap for name, gap in gaps.items() if math.isfinite(gap)}


def display_machines(machines: Sequence[Machine]) -> Styler:
    """The table as notebooks show it, with the notes below."""
    return display_texts(machines_table(machines), " ".join(notes(machines)), "machines")
