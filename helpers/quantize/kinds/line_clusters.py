"""k-means of numbers on a line: the optimum itself, not a local one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Places between sorted values at which clusters may be cut in the first, exact search.
MOST_CUTS = 4096
MOST_ROUNDS = 200


@dataclass(frozen=True)
class Line:
    """Distinct values in order, float64 ``[n]``, and how often each occurs."""

    values: np.ndarray
    counts: np.ndarray

    @cached_property
    def sums(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the first 0 to n values: their number, sum and sum of squares, each ``[n + 1]``."""
        # Around the middle, so that differences of sums of squares keep their digits.
        around = self.values - self.values[len(self.values) // 2]
        steps = self.counts, self.counts * around, self.counts * around**2
        return tuple(np.concatenate([[0.0], np.cumsum(step)]) for step in steps)

    def errors(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Squared errors of clusters: of the values from each of ``starts`` to before each of ``ends``."""
        count, total, squares = (column[ends] - column[starts] for column in self.sums)
        return squares - total**2 / count

    def means(self, cuts: np.ndarray) -> np.ndarray:
        """Of the clusters between ``cuts`` (from 0 to n); summed directly: of equal values it is theirs."""
        totals = np.add.reduceat(self.counts * self.values, cuts[:-1])
        return totals / np.add.reduceat(self.counts, cuts[:-1])


def best_centroids(values: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` centroids of least squared error, or all distinct values where they are no more.

    Dynamic programming over sorted values (Wang and Song 2011, doi:10.32614/RJ-2011-015), in n log n as the
    best place of the last cut never moves back (Gronlund et al. 2017, arXiv:1701.07204). Up to ``MOST_CUTS``
    distinct values the result is the optimum. Of more, cuts are tried at that many places, half of them
    equally many values apart, half equally far, with exact errors between them; Lloyd's rounds on all values
    then move them to where they belong. Of 60,000 Gaussian, Laplace, Student's or uniform values this left
    up to 5e-6 more error than the optimum with 16 centroids, and with 256 about 1e-3 (with very long tails,
    Student's of 1.5 degrees of freedom, 4e-2).

    Args:
        values: float ``[n]``, finite; ``count``: 1 or more.

    Returns:
        float64, ascending.
    """
    line = Line(*np.unique(np.asarray(values, np.float64), return_counts=True))
    if len(line.values) <= count:
        return line.values
    return line.means(settled(line, best_cuts(line, places(line.values), count)))


def places(values: np.ndarray) -> np.ndarray:
    """Where clusters may begin or end: from 0 to n, ascending."""
    n = len(values)
    if n <= MOST_CUTS:
        return np.arange(n + 1)
    often = np.linspace(0, n, MOST_CUTS // 2).astype(int)
    apart = np.searchsorted(values, np.linspace(values[0], values[-1], MOST_CUTS // 2))
    return np.union1d(often, apart)


def best_cuts(line: Line, allowed: np.ndarray, count: int) -> np.ndarray:
    """Of the ``allowed`` places, the ``count`` + 1 between which clusters leave the least error."""
    error = np.concatenate([[0.0], line.errors(np.zeros(1, int), allowed[1:])])
    before = []
    for clusters in range(1, min(count, len(allowed) - 1)):

        def cost(start: np.ndarray, end: np.ndarray, so_far: np.ndarray = error) -> np.ndarray:
            return so_far[start] + line.errors(allowed[start], allowed[end])

        # A row for each end; its columns: where the last cluster begins, which leaves room for those before.
        starts, least = row_minima(clusters, clusters + 1, len(allowed), cost)
        error = np.concatenate([np.full(clusters + 1, np.inf), least])
        before.append(np.concatenate([np.zeros(clusters + 1, int), starts]))
    end, cuts = len(allowed) - 1, [len(allowed) - 1]
    for starts in reversed(before):
        end = int(starts[end])
        cuts.append(end)
    return allowed[[0, *reversed(cuts)]]


def row_minima(
    first_column: int, first_row: int, rows: int, cost: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Column and value of the least cost of every row from ``first_row``, whose columns end before the row.

    The columns of the minima ascend with the rows. So the middle row's minimum halves the columns of the
    others; all rows of one depth are looked at together.
    """
    size = rows - first_row
    best, least = np.zeros(size, int), np.zeros(size)
    step = 1 << (size.bit_length() - 1)
    while step:
        here = np.arange(step - 1, size, 2 * step)
        low = np.where(here >= step, best[np.maximum(here - step, 0)], first_column)
        last = here + first_row - 1
        known = here + step < size
        high = np.where(known, np.minimum(best[np.minimum(here + step, size - 1)], last), last)
        best[here], least[here] = ragged_minima(low, high, here + first_row, cost)
        step //= 2
    return best, least


def ragged_minima(low: np.ndarray, high: np.ndarray, rows: np.ndarray, cost) -> tuple[np.ndarray, np.ndarray]:
    """Of each row's columns from ``low`` to ``high`` the first with the least cost, and that cost."""
    lengths = high - low + 1
    starts = np.cumsum(lengths) - lengths
    columns = np.arange(lengths.sum()) + np.repeat(low - starts, lengths)
    found = cost(columns, np.repeat(rows, lengths))
    least = np.minimum.reduceat(found, starts)
    hits = np.flatnonzero(found == np.repeat(least, lengths))
    return columns[hits[np.searchsorted(hits, starts)]], least


def settled(line: Line, cuts: np.ndarray) -> np.ndarray:
    """Cuts after Lloyd's rounds: midway between the means of their sides, until none moves."""
    for _ in range(MOST_ROUNDS):
        means = line.means(cuts)
        inner = np.searchsorted(line.values, (means[1:] + means[:-1]) / 2)
        moved = np.concatenate([[0], inner, [len(line.values)]])
        if (moved == cuts).all() or (np.diff(moved) == 0).any():
            break
        cuts = moved
    return cuts
