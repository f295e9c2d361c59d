"""What chance may do to a table of comparisons, fixed before any of them is made.

Each comparison has a deviation in standard errors, the two-sided probability p of so large a one
(Student's for the number of draws), and the probability that chance brings it beyond three standard
errors. Among m comparisons m·P(beyond 3) lie beyond three by chance, so one fails only if
p < 0.01/m (Bonferroni: a right theory fails anywhere with probability below 0.01, however the
comparisons depend on each other). As that alone would pass a theory that is a little wrong
everywhere, labels with anything beyond three standard errors are counted too: a label of k
comparisons has one with probability at most k·P(beyond 3), labels are independent, and the count
may not exceed what such a sum of chances exceeds with probability 0.001.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

LIMIT = 3.0
FAMILY = 0.01
COUNT_TAIL = 1e-3
# log error against log d is fitted by a straight line; the next order, 1/d^2, bends it by this much
# between d = 100 and 400 when its coefficient is ten times that of 1/d.
TREND_MARGIN = 0.15


class Comparison(Protocol):
    """A line of a table; lines of one label may depend on each other."""

    @property
    def label(self) -> str:
        """What is compared."""

    @property
    def sigmas(self) -> float:
        """Deviation in standard errors."""

    @property
    def chance(self) -> float:
        """Probability of that deviation."""

    @property
    def beyond(self) -> float:
        """Probability of a deviation beyond `LIMIT`."""


def two_sided(sigmas: float, draws: int) -> float:
    """Return the probability of a mean of draws this many standard errors off, Student's."""
    return float(2.0 * t.sf(sigmas, draws - 1))


def verdict(row: Comparison, limit: float) -> str:
    """Return "ok", "beyond 3" where chance may explain it, or "FAILED" below p = `limit`."""
    if row.chance < limit or not np.isfinite(row.sigmas):
        return "FAILED"
    return "ok" if row.sigmas <= LIMIT else "beyond 3"


def permitted(rows: Sequence[Comparison]) -> tuple[int, float]:
    """How many labels may have something beyond the limit, and how many are expected at most."""
    share: dict[str, float] = {}
    for row in rows:
        share[row.label] = share.get(row.label, 0.0) + row.beyond
    # Exact law of a sum of independent chances, one factor a label.
    law = np.array([1.0])
    for probability in share.values():
        p = min(probability, 1.0)
        law = np.convolve(law, [1.0 - p, p])
    tail = np.cumsum(law[::-1])[::-1]
    return int(np.argmax(np.append(tail[1:], 0.0) < COUNT_TAIL)), sum(share.values())


def exponent_of_errors(
    sizes: Sequence[float], squares: Sequence[NDArray[np.float64]]
) -> tuple[float, float]:
    """Exponent in d of a root mean square error, and its standard error.

    Parameters
    ----------
    sizes : d
    squares : squared errors of the single draws at each d
    """
    logs = np.array([0.5 * np.log(square.mean()) for square in squares])
    errors = [0.5 * s.std(ddof=1) / (s.mean() * np.sqrt(len(s))) for s in squares]
    weights = 1.0 / np.array(errors) ** 2
    x = np.log(np.array(sizes))
    x = x - np.average(x, weights=weights)
    variance = 1.0 / float(np.sum(weights * x**2))
    return variance * float(np.sum(weights * x * logs)), float(np.sqrt(variance))
