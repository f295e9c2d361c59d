"""Extrema and crossings of functions of a positive variable that are cheap on whole grids."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_PER_DECADE = 24
_ROUNDS = 6  # each narrows the bracket sixteen-fold at least: below 1e-8 of a decade in the end
_POINTS = 33
_BELOW = 1e-6


def log_grid(low: float, high: float) -> FloatArray:
    """Logarithmic grid from low to high."""
    return np.geomspace(low, high, int(_PER_DECADE * np.log10(high / low)) + 2)


def smallest(f: Callable[[FloatArray], FloatArray], grid: FloatArray) -> float:
    """Where f is smallest, given a grid that tells its minima apart; inf counts as a value.

    A minimum below the grid is found, or its distance from 0 shrinks by 1e-6 a round.
    """
    for _ in range(_ROUNDS):
        best = int(np.argmin(f(grid)))
        low = grid[best - 1] if best > 0 else _BELOW * grid[0]
        grid = np.geomspace(low, grid[min(best + 1, grid.size - 1)], _POINTS)
    return float(grid[int(np.argmin(f(grid)))])


def first_true(f: Callable[[FloatArray], NDArray[np.bool_]], grid: FloatArray) -> float:
    """Return the first point at which f holds; NaN if it holds nowhere on the grid."""
    for _ in range(_ROUNDS):
        holds = f(grid)
        if not holds.any():
            return np.nan
        first = int(np.argmax(holds))
        grid = np.geomspace(grid[max(first - 1, 0)], grid[first], _POINTS)
    return float(grid[-1])
