"""05: from records alone to results table, figures, tables and report."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.compare.results import (
    Sources,
    accuracy_of,
    long_frame,
    resample_variants,
    results_frame,
    variant_results,
)
from helpers.compare.verdict import Verdict, verdicts, why_unjudged
from helpers.energy.parts.frame import parts_frame
from helpers.energy.records import Energy, Latency, Memory, Parts, read_measurement
from helpers.energy.samples import latency_frame
from helpers.energy.selftest.records import SelfTestRuns
from helpers.energy.selftest.summary import SelfTest, sentence, summarize_selftest
from helpers.energy.summary import LEVEL, LEVEL_BY_WIDTH, ended_by_width, summarize_latency, summarize_memory
from helpers.energy.threads import threads_frame
from helpers.energy.why.operators import INVOCATIONS, operators_frame
from helpers.energy.windows_summary import summarize_energy
from helpers.evaluate.classes import classes_frame
from helpers.evaluate.loss_shares import losses_frame, scored_variants
from helpers.evaluate.records import Scored
from helpers.lab.files import atomic_file
from helpers.lab.intervals import Absent
from helpers.lab.paths import runs_dir
from helpers.lab.quantities import Result
from helpers.lab.records import Record, current_record, read_record, require_same_setting
from helpers.models.registry import Model
from helpers.quantize.layers.all_variants import all_layers
from helpers.quantize.records import MadeFile
from helpers.run.experiment import Run, keep, origin
from helpers.run.forms import why_unmeasured
from helpers.run.standing import made_failure, made_models, scored_failure, scored_models, with_controls
from helpers.run.variant_files import runtime_for
from helpers.run.variants import BASELINE, baseline_of, is_compared, is_control
from helpers.show.context import Context
from helpers.tasks.detection.evidence import Evidence
from helpers.tasks.detection.quantities import Accuracy

NOT_MEASURED = Absent("not measured")
AWAY = Absent("found on a cluster, whose speed is not this machine's")
ITSELF, SAME_FILE = Absent("what the others are compared with"), Absent("the same file as float32")
NO_SELFTEST = Absent("the self-test was not run")
MEASURED = (Latency, Memory, Energy, Parts)


def read_records(run: Run, model: Model) -> dict[str, Record]:
    """All records of a model: ``variant/<id>``, ``score/<id>``, ``latency``, ``memory``, ``energy``.

    Raises:
        LabError: one is missing, or they come from different hosts or library versions.
    """
    records = {}
    for variant in run.variants:
        path = run.paths.variant_record(model.id, variant.id)
        records[f"variant/{variant.id}"] = read_record(path, MadeFile, "run 02_quantize.ipynb first.")
        path = run.paths.score_record(model.id, variant.id)
        records[f"score/{variant.id}"] = read_record(path, Scored, "run 03_evaluate.ipynb first.")
    for kind in MEASURED:
        records[kind.quantity] = read_measurement(run, model, kind)
    require_same_setting(
        records, f"run everything again on one machine: `python -m helpers run --run {run.paths.name}`."
    )
    return records


def resampled(run: Run, model: Model) -> dict[str, dict[str, np.ndarray]]:
    """Resampled AP of every variant that has an AP; computed once, then read from disk."""
    files = {variant: run.paths.evidence_file(model.id, variant) for variant in scored_variants(run, model)}
    path = run.paths.resampled_record(model.id)
    parameters = {"resamples": run.profile.resamples, "seed": run.profile.seed}
    source = origin(files, parameters, "helpers.tasks.detection.resample", "helpers.compare.results")
    stored = path.with_suffix(".npz")
    if not current_record(path, Any, source):
        evidence = {variant: Evidence.load(file) for variant, file in files.items()}
        save_resampled(stored, resample_variants(evidence, **parameters))
        keep(path, "resampled", source, None, [stored])
    return load_resampled(stored)


def save_resampled(path: Path, content: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    flat = {f"{v}/{q}": values for v, quantities in content.items() for q, values in quantities.items()}
    with atomic_file(path) as temporary:
        np.savez_compressed(temporary, **flat)


def load_resampled(path: Path) -> dict[str, dict[str, np.ndarray]]:
    content: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path) as stored:
        for name in stored.files:
            variant, quantity = name.split("/")
            content.setdefault(variant, {})[quantity] = stored[name]
    return content


def build_results(run: Run) -> pd.DataFrame:
    """One row per model and variant, the control included; columns ``results.COLUMNS``."""
    results, facts = build_records(run)
    return results_frame(results, facts)


def build_long(run: Run) -> pd.DataFrame:
    """One row per model, variant, runtime and quantity: value and bounds, or why there is none."""
    return long_frame(build_records(run)[0])


def build_records(run: Run) -> tuple[list[Result], list[dict[str, Any]]]:
    """Results of every variant of every model, and what is told of each variant in words."""
    standing, results, facts = made_models(run), [], []
    for model in run.models:
        known = known_of(run, model) if model in standing else nothing_known(run, model)
        for variant, (sources, told) in known.items():
            results += variant_results(model.id, variant, runtime_for(model, variant).id, sources)
            facts.append({"runtime": runtime_for(model, variant).title, **told})
    return results, facts


def nothing_known(run: Run, model: Model) -> dict[str, tuple[Sources, dict[str, Any]]]:
    """Of a model that has no float32: nothing can be said of its variants but why."""
    reason = made_failure(run, model)
    own = {v.id: read_record(run.paths.variant_record(model.id, v.id), Any, "").failure for v in run.variants}
    failures = dict.fromkeys(with_controls(run), f"{BASELINE} failed: {reason}") | {BASELINE: reason}
    failures |= {variant: failure for variant, failure in own.items() if failure}
    return {v: (Sources.all_absent(why), {"failed": why}) for v, why in failures.items()}


def known_of(run: Run, model: Model) -> dict[str, tuple[Sources, dict[str, Any]]]:
    """Variant, the control included -> what is known of it, and what is told of it in words."""
    records = read_records(run, model)
    # Without float32's AP there is no difference to it; what was measured of the files stands.
    draws = {} if scored_failure(run, model) else resampled(run, model)
    measured = measured_summaries(run, records)
    judged = verdicts_of(run, records, draws)
    base = float(draws[BASELINE]["ap"][0]) if draws else math.nan
    unjudged = why_unjudged(base, run.margin_points / 100, run.profile.conclusive)
    known, noise = {}, selftest_noise(run, model)
    for variant in with_controls(run):
        made, scored, accuracy = found_of(variant, records, draws)
        verdict = SAME_FILE if is_control(variant) else judged.get(variant, Absent(unjudged))
        verdict = ITSELF if variant == BASELINE else verdict
        parts = {name: each.get(variant, unmeasured(run, variant, name)) for name, each in measured.items()}
        if isinstance(made, Absent):
            sources = Sources.all_absent(made.reason)
        else:
            loops = loops_of(run, variant, scored)
            sources = Sources(made, scored, loops, accuracy, verdict, **parts, noise=noise)
        told = told_of(sources, records["energy"].values.settings.meter.grade)
        # That nothing is judged in this run holds for a variant without an AP too.
        told["ap_within"] = told["ap_within"] or (unjudged if is_compared(variant) else None)
        known[variant] = sources, told
    return known


def unmeasured(run: Run, variant: str, quantity: str = "") -> Absent:
    """Why a quantity of 04 is not known of a variant."""
    reasons = [why_unmeasured(each, quantity) for each in run.variants if each.id == variant]
    return Absent(reasons[0]) if any(reasons) else NOT_MEASURED


def found_of(
    variant: str, records: Mapping[str, Record], draws: Mapping[str, Mapping[str, np.ndarray]]
) -> tuple[MadeFile | Absent, Scored | Absent, Accuracy | Absent]:
    """What 02 and 03 recorded of a variant, and its accuracy; each, or why it is absent."""
    source = baseline_of(variant) if is_control(variant) else variant
    made, scored = records[f"variant/{source}"], records[f"score/{source}"]
    if source in draws:
        accuracy = accuracy_of(variant, scored.values, draws)
    else:
        accuracy = Absent(ap_reason(records, source))
    return (
        made.values or Absent(made.failure),
        scored.values or Absent(scored.failure),
        accuracy,
    )


def loops_of(run: Run, variant: str, scored: Scored | Absent) -> Sequence[tuple[int, float]] | Absent:
    """03's loop of a variant; the control was not in it, and that of a simulated form would be float32's."""
    if isinstance(scored, Absent) or is_control(variant):
        return SAME_FILE if is_control(variant) else scored
    absent = unmeasured(run, variant)
    return absent if absent != NOT_MEASURED else scored.loops or AWAY


def measured_summaries(run: Run, records: Mapping[str, Record]) -> dict[str, Mapping[str, Any]]:
    """``latency``, ``memory`` and ``energy``: variant -> summary of its raw samples, or why there is none."""
    asked = run.profile.resamples, run.profile.seed
    return {
        "latency": summarize_latency(records["latency"].values, *asked),
        "memory": summarize_memory(records["memory"].values),
        "energy": summarize_energy(records["energy"].values, *asked),
    }


def verdicts_of(run: Run, records: Mapping[str, Record], draws: Mapping) -> dict[str, Verdict]:
    if not draws:
        return {}
    images = records[f"score/{BASELINE}"].values.images
    return verdicts(draws, images, run.margin_points / 100, conclusive=run.profile.conclusive)


def told_of(sources: Sources, meter_grade: str) -> dict[str, Any]:
    """What is told of a variant in words: ``results.FACTS``."""
    made, verdict, energy = sources.made, sources.verdict, sources.energy
    facts = None if isinstance(made, Absent) else made.facts
    return {
        **{name: getattr(facts, name, None) for name in ("storage_dtype", "compute_dtype")},
        "ap_within": None if isinstance(verdict, Absent) else verdict.answer,
        "energy_grade": meter_grade if isinstance(energy, Absent) else energy.grade,
        "failed": made.reason if isinstance(made, Absent) else "",
    }


def ap_reason(records: Mapping[str, Record], variant: str) -> str:
    """Why a variant has no AP, or none that float32's can be held against; empty if it has one."""
    own, base = (records[f"score/{each}"].failure for each in (variant, BASELINE))
    return own or (base and f"{BASELINE} failed: {base}")


def build_frames(run: Run) -> dict[str, pd.DataFrame]:
    """What figures and report need beside the results.

    Returns:
        ``latency_samples``: raw samples of all models, tidy. ``losses``: where each variant's difference
        in AP lies, see ``losses_frame``. ``classes``: AP by class, see ``classes_frame``.
        ``operators``: time by kind of operator, see ``kinds_frame``.
        ``threads``: latency by number of threads, see ``threads_frame``.
        ``layers``: error of every layer, see ``layers_frame``.
        ``parts``: time per photo by part of the loop, see ``parts_rows``.
    """
    models = made_models(run)
    records = {m.id: read_records(run, m)["latency"] for m in models}
    samples = [latency_frame(record.values, model) for model, record in records.items()]
    losses = [losses_frame(run, model) for model in scored_models(run)]
    return {
        "latency_samples": pd.concat(samples, ignore_index=True),
        "losses": pd.concat(losses, ignore_index=True),
        "classes": pd.concat([classes_frame(run, m) for m in scored_models(run)], ignore_index=True),
        "operators": operators_frame(run),
        "threads": threads_frame(run, models),
        "layers": all_layers(run),
        "parts": parts_frame(run, models),
    }


def build_context(run: Run) -> Context:
    """What captions and the report say about where the numbers come from."""
    records = read_records(run, scored_models(run)[0])
    latency, energy = records["latency"], records["energy"]
    meter = energy.values.settings.meter
    origin_facts = latency.provenance
    return Context(
        run=run.paths.name,
        profile=run.profile.id,
        images=records[f"score/{BASELINE}"].values.images,
        rounds=len(latency.values.rounds),
        processes=latency.values.process_count,
        memory_probes=len(records["memory"].values.rounds),
        resamples=run.profile.resamples,
        level=LEVEL,
        host=f"{origin_facts['cpu']} ({origin_facts['usable_cores']} cores)",
        threads=latency.values.settings.threads,
        ratio_level=LEVEL_BY_WIDTH if ended_by_width(latency.values) else LEVEL,
        commit=origin_facts.get("commit"),
        created_utc=max(record.provenance["time_utc"] for record in records.values()),
        meter=meter.name,
        meter_sentence=meter.description,
        seed=run.profile.seed,
        invocations=INVOCATIONS,
        margin_points=run.margin_points,
        selftest=selftest_text(run),
    )


def read_selftest(run: Run, model: Model) -> SelfTest | None:
    """What the self-test of measuring found; None where it was not asked for."""
    path = run.paths.selftest_record(model.id)
    return summarize_selftest(read_record(path, SelfTestRuns, "").values) if path.exists() else None


def selftest_noise(run: Run, model: Model) -> float | Absent:
    """Relative differences in latency below it are noise, by the self-test."""
    found = read_selftest(run, model)
    return found.noise if found else NO_SELFTEST


def selftest_text(run: Run) -> str:
    """What the self-test found, for every model that was tested; empty for none."""
    found = [read_selftest(run, model) for model in run.models]
    return " ".join(sentence(each) for each in found if each)


def build_provenance(run: Run) -> dict[str, Any]:
    """Host, library versions and hashes for the report's last section."""
    records = read_records(run, scored_models(run)[0])
    facts = dict(records["latency"].provenance)
    facts["packages"] = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    facts["frequency"] = {k: v for k, v in facts["frequency"].items() if v is not None}
    files = {name: record.origin.key[:16] for name, record in records.items()}
    return {**facts, "records": files}


def point_latest(run: Run) -> Path:
    """Make ``data/runs/latest`` name this run; return it."""
    link = runs_dir() / "latest"
    temporary = link.with_name(".latest-new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(run.paths.name, target_is_directory=True)
    temporary.replace(link)
    return link
