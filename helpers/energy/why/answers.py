"""What ``explain_files`` found, as a table, as rows for the figure, and as one sentence per variant."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import pandas as pd

from helpers.energy.why.records import Cast, Explanation, Why
from helpers.lab.intervals import NAN, Absent
from helpers.run.variants import BASELINE, reference_of
from helpers.runtimes.kinds_of_operators import ALL_KINDS, BETWEEN
from helpers.runtimes.litert.operator_kinds import LITERT

LARGEST = 3


def kinds_frame(explained: Why, model: str = "") -> pd.DataFrame:
    """Time by kind of operator, for the figure: one row per variant, kind and who runs it.

    Columns: model, variant, kind, runs_by, operators (number), time_ms, share (of the variant's time),
    macs, kind_bound_ms, bound_ms (of the whole variant), measured_ms (without profiler), failed (why a
    variant has no profile; it then has one row).
    """
    rows = []
    for variant, about in explained.variants.items():
        rows += [{"model": model, "variant": variant, **row} for row in kind_rows(about)]
    return pd.DataFrame(rows)


def kind_rows(about: Explanation) -> list[dict[str, Any]]:
    profile = about.profile
    bound_ms, bounds = (NAN, {}) if isinstance(about.bound, Absent) else (about.bound.ms, about.bound.kinds)
    if isinstance(profile, Absent):
        nothing = {"time_ms": NAN, "measured_ms": NAN}
        return [{"kind": "", "runs_by": "", **nothing, "bound_ms": bound_ms, "failed": profile.reason}]
    groups: dict[tuple[str, str], list[float]] = {}
    for timed in profile.operators:
        groups.setdefault((timed.kind, timed.runs_by), []).append(timed.us)
    groups[(BETWEEN, about.runtime)] = [profile.between_us]
    whole, measured_ms = profile.whole_mean_us, median(profile.plain_us) / 1e3
    return [
        {
            "kind": kind, "runs_by": runs_by, "operators": len(times) if kind != BETWEEN else 0,
            "time_ms": sum(times) / 1e3, "share": sum(times) / whole,
            "macs": about.macs_by_kind.get(kind, 0),
            "kind_bound_ms": bounds.get(kind, 0.0),
            "bound_ms": bound_ms, "measured_ms": measured_ms, "failed": "",
        }
        for (kind, runs_by), times in sorted(groups.items(), key=lambda item: ALL_KINDS.index(item[0][0]))
    ]  # fmt: skip


def table(explained: Why) -> pd.DataFrame:
    """One row per variant; a cell that cannot be known is ``n/a: reason``."""
    rows = [table_row(variant, about) for variant, about in explained.variants.items()]
    rows += [{"variant": name, "slowest": f"n/a: {why}"} for name, why in explained.failures.items()]
    return pd.DataFrame(rows)


def table_row(variant: str, about: Explanation) -> dict[str, Any]:
    share, bound, profile = about.delegated, about.bound, about.profile
    measured = None if isinstance(profile, Absent) else median(profile.plain_us) / 1e3
    held = None if measured is None or isinstance(bound, Absent) else bound.ms / measured
    unheld = profile if measured is None else bound
    return {
        "variant": variant,
        "runtime": about.runtime,
        "storage": about.storage_dtype,
        "compute": about.compute_dtype,
        "usable ISA": ", ".join(about.isa) or "none of those known",
        "operators": sum(about.operators.values()),
        "by XNNPACK (operators)": unless_absent(share, lambda: f"{share.operators:.0%}"),
        "by XNNPACK (multiply-adds)": unless_absent(share, lambda: f"{share.macs:.0%}"),
        "casts": unless_absent(about.casts, lambda: casts_text(about.casts, about.folded)),
        "multiply-adds (M)": unless_absent(about.macs, lambda: f"{about.macs / 1e6:.1f}"),
        "weights (bytes)": unless_absent(about.weights_bytes, lambda: f"{about.weights_bytes}"),
        "moved (MB)": unless_absent(about.bytes_moved, lambda: f"{about.bytes_moved / 1e6:.1f}"),
        "bound (ms)": unless_absent(bound, lambda: f"{bound.ms:.2f}"),
        "measured (ms)": unless_absent(profile, lambda: f"{measured:.2f}"),
        "share of bound": unless_absent(unheld, lambda: f"{held:.0%}"),
        "slowest": slowest_text(about),
    }


def unless_absent(part: Any, text: Callable[[], str]) -> str:
    """``text()``, or why there is none."""
    return f"n/a: {part.reason}" if isinstance(part, Absent) else text()


def casts_text(casts: Sequence[Cast], folded: int) -> str:
    """``3 between dtypes, 8 rescalings``; a rescaling keeps the dtype and changes the scale."""
    rescalings = sum(cast.from_dtype == cast.to_dtype for cast in casts)
    counts = {
        "between dtypes": len(casts) - rescalings,
        "rescalings": rescalings,
        "folded at load": folded,
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


def slowest_text(about: Explanation) -> str:
    """The three kinds that take most: ``depthwise convolution 53 % (LiteRT's own kernels), ...``."""
    if isinstance(about.profile, Absent):
        return f"n/a: {about.profile.reason}"
    rows = sorted(kind_rows(about), key=lambda row: -row["time_ms"])[:LARGEST]
    return ", ".join(f"{row['kind']} {row['share']:.0%}{runner_text(row)}" for row in rows)


def runner_text(row: Mapping[str, Any]) -> str:
    return " (LiteRT's own kernels)" if row["runs_by"] == LITERT and row["kind"] != BETWEEN else ""


def reasons(explained: Why) -> dict[str, str]:
    """For every variant but the baseline: what each kind of operator adds to or takes from its time."""
    variants = explained.variants
    return {name: reason_of_one(name, variants) for name in variants if name != BASELINE}


def reason_of_one(name: str, variants: Mapping[str, Explanation]) -> str:
    """Against the float32 of its runtime; float32 of another runtime against the model's own, which shows
    what one runtime does faster than the other."""
    base, about = reference_of(name), variants[name]
    if base not in variants or isinstance(variants[base].profile, Absent):
        return f"n/a: {base} has no profile"
    times = times_of(variants[base])
    return unless_absent(about.profile, lambda: reason_text(times_of(about), times, base))


def times_of(about: Explanation) -> dict[str, tuple[float, str]]:
    """Kind -> its time in ms, and a note where LiteRT's own kernels run it."""
    times: dict[str, tuple[float, str]] = {}
    for row in kind_rows(about):
        before = times.get(row["kind"], (0.0, ""))
        times[row["kind"]] = (before[0] + row["time_ms"], before[1] or runner_text(row))
    return times


def reason_text(
    times: Mapping[str, tuple[float, str]], base: Mapping[str, tuple[float, str]], name: str = BASELINE
) -> str:
    """``+3.1 ms against float32: depthwise convolution +2.3 (LiteRT's own kernels), ...``, largest first."""
    kinds = [kind for kind in ALL_KINDS if kind in times or kind in base]
    change = {kind: times.get(kind, (0.0,))[0] - base.get(kind, (0.0,))[0] for kind in kinds}
    largest = sorted(kinds, key=lambda kind: -abs(change[kind]))[:LARGEST]
    parts = [f"{kind} {change[kind]:+.2f}{times.get(kind, (0, ''))[1]}" for kind in largest]
    return f"{sum(change.values()):+.2f} ms against {name}: {', '.join(parts)}"
