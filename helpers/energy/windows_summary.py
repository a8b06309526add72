"""Summaries of raw energy windows, computed on load: gross and net energy per image, and ratios.

An interval covers two things: how much rounds differ (resampled, as in ``summary``) and the meter's own
bounds. Its low end comes from resampling the lowest energies that the meter allows, its high end from the
highest.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from helpers.energy.records import BusyWindow, Energy
from helpers.energy.rounds.disturbance import UNWATCHED, disturbed_rounds
from helpers.energy.summary import RESAMPLES, resampled_rounds, why_missing
from helpers.lab.intervals import Absent, Interval, percentile_interval
from helpers.meters.base import Quantity, Reading
from helpers.run.variants import baseline_of

BOUNDS = ("value", "low", "high")
NO_IDLE = "this meter does not see an idle machine, so nothing can be subtracted"
IDLE_MISSED = "no idle window has an energy, so nothing can be subtracted"
SHARED_RANGE = (
    "The meter's range is one unknown factor, taken to be the same for all variants on this processor: it"
    " cancels in the ratio, whose interval is that of CPU time alone."
)
ZERO_NET = "net energy cannot be told from zero, so nothing can be divided by it"
OWN_RANGE = "The meter's error is taken to differ from window to window, and is part of the ratio's interval."


@dataclass(frozen=True)
class EnergySummary:
    """Energy of one variant.

    Attributes:
        grade: of the meter; two grades never share an axis.
        rounds, inferences: windows, and invocations in all of them.
        gross_j, net_j: J per image, as metered, and with idle power x time subtracted.
        power_w: mean gross power in the windows.
        ratio: to the baseline's gross energy per image: median over rounds of the ratio within a round,
            as drift and disturbed rounds weigh little in it; it may differ from the ratio of the means.
        net_ratio: the same of net energy.
        ratio_note: one sentence on what the ratio's interval covers.
        disturbed: windows in rounds that are marked as disturbed, by what the system tells of the measured
            cores (``disturbance.RULES``); they count in all figures.
        absent: windows without an energy, which count in none.
        absent_reason: why the last of them has none; empty if all have one.
    """

    variant: str
    grade: str
    rounds: int
    inferences: int
    gross_j: Interval
    net_j: Interval | Absent
    power_w: Interval
    ratio: Interval | Absent
    net_ratio: Interval | Absent
    ratio_note: str
    disturbed: int | Absent = UNWATCHED
    absent: int = 0
    absent_reason: str = ""

    @property
    def images_per_j(self) -> Interval | Absent:
        """Images per J of gross energy."""
        return inverse(self.gross_j)


@dataclass(frozen=True)
class Windows:
    """One variant's finished windows: round number -> ``[3]`` (value, low, high).

    Attributes:
        gross_j, net_j: J per image; ``net_j`` is empty where idle power is unknown.
        power_w: gross power.
        inferences: invocations in all windows.
        absent: why windows have no energy, the last reason; empty if all do.
        absences: how many have none.
    """

    gross_j: Mapping[int, np.ndarray]
    net_j: Mapping[int, np.ndarray]
    power_w: Mapping[int, np.ndarray]
    inferences: int
    absent: str
    absences: int = 0


def bounds(quantity: Interval) -> np.ndarray:
    return np.array([getattr(quantity, bound) for bound in BOUNDS])


def power_of(reading: Reading | None) -> Quantity:
    """Mean power in W."""
    if reading is None:
        return Absent("the measurement was stopped before this window")
    energy_j = reading.total_j
    return energy_j if isinstance(energy_j, Absent) else energy_j.scaled(1 / reading.duration_s)


def idle_windows(raw: Energy) -> list[Reading | None]:
    """In order: before the first round, between rounds, after the last."""
    return [*(played.idle_before for played in raw.rounds), raw.idle_after]


def idle_power_w(raw: Energy, number: int) -> np.ndarray | None:
    """Idle power around a round, ``[3]``: mean of the windows before and after it; None if unknown."""
    if not raw.settings.meter.sees_idle:
        return None
    powers = map(power_of, idle_windows(raw)[number : number + 2])
    seen = [bounds(power) for power in powers if isinstance(power, Interval)]
    return np.mean(seen, axis=0) if seen else None


def idle_powers_w(raw: Energy) -> list[Quantity]:
    """Power of every one of ``idle_windows``."""
    readings = idle_windows(raw)
    if not raw.settings.meter.sees_idle:
        return [Absent(NO_IDLE)] * len(readings)
    return [power_of(reading) for reading in readings]


def net_of(gross_j: np.ndarray, idle_w: np.ndarray, duration_s: float) -> np.ndarray:
    """Gross minus idle, ``[3]``; the low end takes the highest idle power, the high end the lowest."""
    return gross_j - idle_w[[0, 2, 1]] * duration_s


def collect(raw: Energy, variant: str) -> Windows:
    """One variant's windows; those without an energy are left out, with the last reason."""
    gross_j, net_j, power_w, inferences, absences = {}, {}, {}, 0, []
    for number, window in finished_windows(raw, variant).items():
        total_j, duration_s = window.reading.total_j, window.reading.duration_s
        if isinstance(total_j, Absent):
            absences.append(total_j.reason)
            continue
        inferences += window.inferences
        gross_j[number] = bounds(total_j) / window.inferences
        power_w[number] = bounds(total_j) / duration_s
        if (idle_w := idle_power_w(raw, number)) is not None:
            net_j[number] = net_of(bounds(total_j), idle_w, duration_s) / window.inferences
    reason = absences[-1] if absences else ""
    return Windows(gross_j, net_j, power_w, inferences, reason, len(absences))


def finished_windows(raw: Energy, variant: str) -> dict[int, BusyWindow]:
    rounds = enumerate(raw.rounds)
    return {number: played.windows[variant] for number, played in rounds if variant in played.windows}


def inverse(energy_j: Interval | Absent) -> Interval | Absent:
    """1 / J; absent where the energy may be zero, as a net one may."""
    if isinstance(energy_j, Absent):
        return energy_j
    if not energy_j.low > 0:
        return Absent(ZERO_NET)
    return Interval(1 / energy_j.value, 1 / energy_j.high, 1 / energy_j.low, energy_j.level)


def disturbed_windows(raw: Energy, windows: Windows) -> int | Absent:
    """How many of a variant's windows lie in disturbed rounds; absent where nothing tells of disturbance."""
    marked = disturbed_rounds(raw)
    return marked if isinstance(marked, Absent) else len(marked.keys() & windows.gross_j.keys())


def spread(means: np.ndarray, resampled: np.ndarray) -> Interval:
    """Interval of ``means`` ``[3]`` from resampled values ``[B, 3]``: spread and meter bounds together."""
    low = percentile_interval(means[1], resampled[:, 1]).low
    high = percentile_interval(means[2], resampled[:, 2]).high
    return Interval(float(means[0]), float(low), float(high))


def mean_energy(per_round: Mapping[int, np.ndarray], resamples: int, seed: int) -> Interval:
    """Mean over rounds, with an interval that covers the spread of rounds and the meter's own bounds."""
    values = np.stack(list(per_round.values()))
    drawn = values[resampled_rounds(len(values), resamples, seed)]
    return spread(values.mean(axis=0), drawn.mean(axis=1))


def energy_ratio(
    own: Mapping[int, np.ndarray],
    base: Mapping[int, np.ndarray],
    shared_range: bool,
    resamples: int,
    seed: int,
) -> Interval | Absent:
    """Median over rounds of the variant's energy over the baseline's in the same round."""
    shared = sorted(own.keys() & base.keys())
    if not shared:
        return Absent("no round has the energy of both the variant and its float32")
    own_j, base_j = (np.stack([side[number] for number in shared]) for side in (own, base))
    if not np.all(base_j > 0):
        return Absent("the energy of float32 cannot be told from zero, so nothing can be divided by it")
    ratios = divided(own_j, base_j, shared_range)
    drawn = ratios[resampled_rounds(len(shared), resamples, seed)]
    return spread(np.median(ratios, axis=0), np.median(drawn, axis=1))


def divided(own_j: np.ndarray, base_j: np.ndarray, shared_range: bool) -> np.ndarray:
    """Ratios of (value, low, high), ``[rounds, 3]``; a shared factor cancels, separate errors add."""
    if shared_range:
        return np.repeat(own_j[:, :1] / base_j[:, :1], len(BOUNDS), axis=1)
    return own_j / base_j[:, [0, 2, 1]]


def summarize_energy(
    raw: Energy, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, EnergySummary | Absent]:
    """Variant -> summary, or why there is none."""
    windows = {variant: collect(raw, variant) for variant in raw.settings.variants}
    return {variant: energy_summary(raw, variant, windows, resamples, seed) for variant in windows}


def energy_summary(
    raw: Energy, variant: str, windows: Mapping[str, Windows], resamples: int, seed: int
) -> EnergySummary | Absent:
    baseline = baseline_of(variant)
    own, base = windows[variant], windows.get(baseline)
    if variant in raw.failures or not own.gross_j:
        return Absent(own.absent) if own.absent else why_missing(raw, variant)
    meter = raw.settings.meter
    no_net = Absent(IDLE_MISSED if meter.sees_idle else NO_IDLE)

    def ratio(quantity: str) -> Interval | Absent:
        if base is None or baseline in raw.failures:
            return Absent(f"{baseline} was not measured")
        return energy_ratio(
            getattr(own, quantity), getattr(base, quantity), meter.shared_range, resamples, seed
        )

    return EnergySummary(
        variant,
        grade=meter.grade,
        rounds=len(own.gross_j),
        inferences=own.inferences,
        gross_j=mean_energy(own.gross_j, resamples, seed),
        net_j=mean_energy(own.net_j, resamples, seed) if own.net_j else no_net,
        power_w=mean_energy(own.power_w, resamples, seed),
        ratio=ratio("gross_j"),
        net_ratio=ratio("net_j") if own.net_j else no_net,
        ratio_note=SHARED_RANGE if meter.shared_range else OWN_RANGE,
        disturbed=disturbed_windows(raw, own),
        absent=own.absences,
        absent_reason=own.absent,
    )
