"""Sums over a contour at many training times and at the end, with bounds on their errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...ensembles.two_point import Points
from ...result import Status
from .curves import BATCH, TINY, Curves, Grid

FloatArray = NDArray[np.float64]

_EPS = float(np.finfo(float).eps)


class Values(NamedTuple):
    """Quantities over training time, and bounds on their errors, both (quantities, times)."""

    values: FloatArray
    errors: FloatArray


def over_times(
    base: Curves,
    tau: FloatArray,
    count: int,
    on_grid: Callable[[Grid, FloatArray], Values],
    at_end: Callable[[Points], FloatArray],
) -> Values:
    """Evaluate `count` quantities at flat times, inf included.

    Parameters
    ----------
    base : the curves whose contours are used
    tau : (times,)
    count : number of quantities
    on_grid : tables and finite times -> values and bounds on their rounding
    at_end : the one real point λ = −γ -> values (quantities,), where 1/(λ + γ) is the filter

    Returns
    -------
    Values
        NaN, with an infinite error, where a resolvent could not be solved.
    """
    values, errors = np.zeros((2, count, tau.size))
    ended = np.isinf(tau)
    finite = np.minimum(tau[~ended], base.latest)
    if finite.size:
        coarse, fine = base.grids(float(finite.max()))
        for part in np.array_split(np.arange(finite.size), finite.size // BATCH + 1):
            found, check = (on_grid(grid, finite[part]) for grid in (fine, coarse))
            where = np.flatnonzero(~ended)[part]
            values[:, where] = found.values
            errors[:, where] = found.errors + np.abs(found.values - check.values)
    if ended.any():
        found = _end(base, count, at_end)
        values[:, ended], errors[:, ended] = found.values, found.errors
    failed = ~np.isfinite(errors) | ~np.isfinite(values)
    values[failed], errors[failed] = np.nan, np.inf
    return Values(values, errors)


def _end(base: Curves, count: int, at_end: Callable[[Points], FloatArray]) -> Values:
    """Values at τ = inf, and how they move with k and y inside their bounds."""
    distance = -base.base if base.base > 0.0 else -TINY * base.ends[1]
    solved = base.model.ensemble.equations.solve_real(np.array([distance]))
    if solved.status[0] != Status.CONVERGED:
        return Values(np.full((count, 1), np.nan), np.full((count, 1), np.inf))
    spread = max(float(solved.error[0]), float(solved.y_error[0]), 4.0 * _EPS)
    value, *others = (
        at_end(Points(solved.k * (1.0 + up), solved.y * (1.0 + down)))
        for up, down in ((0.0, 0.0), (spread, spread), (spread, -spread))
    )
    error = sum(np.abs(value - other) for other in others)
    return Values(value[:, None], np.asarray(error)[:, None])
