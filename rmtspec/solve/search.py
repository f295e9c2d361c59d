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
_SHARES = np.linspace(0.0, 1.0, 9)  # of a bracket, where a function is looked at
_MOST_ROUNDS = 14
_NARROW = 1e-7  # relative: a smooth minimum is flat to rounding over less
_TOLERANCE = 1e-9  # relative, of a crossing
_MOST_STEPS = 80


def log_grid(low: float, high: float) -> FloatArray:
    """Logarithmic grid from low to high."""
    return np.geomspace(low, high, int(_PER_DECADE * np.log10(high / low)) + 2)


def smallest(
    f: Callable[[FloatArray], FloatArray], grid: FloatArray, values: FloatArray | None = None
) -> float:
    """Where f is smallest, given a grid that tells its minima apart; inf counts as a value.

    A minimum below the grid is found, or its distance from 0 shrinks by 1e-6 a round.

    Parameters
    ----------
    values : of f on the grid, where they are known
    """
    values = f(grid) if values is None else values
    best = int(np.argmin(values))
    for _ in range(_MOST_ROUNDS):
        low = grid[best - 1] if best > 0 else _BELOW * grid[0]
        high = grid[min(best + 1, grid.size - 1)]
        if high - low <= _NARROW * high:
            break
        points = low * (high / low) ** _SHARES
        if 0 < best < grid.size - 1:
            around = _vertex(np.log(grid[best - 1 : best + 2]), values[best - 1 : best + 2])
            points = np.sort(np.append(points, np.clip(np.exp(around), low, high)))
        grid, values = points, f(points)
        best = int(np.argmin(values))
    return float(grid[best])


def _vertex(x: FloatArray, y: FloatArray) -> FloatArray:
    """Where the parabola through three points is least, and closely on both sides of it."""
    left, right = x[1] - x[0], x[2] - x[1]
    falls, rises = (y[0] - y[1]) * right, (y[2] - y[1]) * left
    total = falls + rises
    vertex = x[1]
    if np.isfinite(total) and total > 0.0:
        vertex += 0.5 * (falls * right - rises * left) / total
    return vertex + 0.01 * (x[2] - x[0]) * np.array([-1.0, 0.0, 1.0])


def first_true(f: Callable[[FloatArray], NDArray[np.bool_]], grid: FloatArray) -> float:
    """Return the first point at which f holds; NaN if it holds nowhere on the grid."""
    for _ in range(_ROUNDS):
        holds = f(grid)
        if not holds.any():
            return np.nan
        first = int(np.argmax(holds))
        grid = np.geomspace(grid[max(first - 1, 0)], grid[first], _POINTS)
    return float(grid[-1])


def crossings(
    f: Callable[[FloatArray], FloatArray], ends: FloatArray, values: FloatArray
) -> FloatArray:
    """Where each of m functions stops being negative, by Chandrupatla's method (1997).

    Parameters
    ----------
    f : (m,) points, one a function -> (m,) values
    ends : (m, 2) positive brackets
    values : (m, 2) of the functions at these, negative at the first and not at the second

    Returns
    -------
    (m,) ndarray
        Where they are not negative, within 1e-9 of where they are.
    """
    (x2, x1), (f2, f1) = np.log(ends).T, values.T
    step = np.full(x1.shape, 0.5)
    for _ in range(_MOST_STEPS):
        x = x1 + step * (x2 - x1)
        at = f(np.exp(x))
        same = (at >= 0.0) == (f1 >= 0.0)
        x3, f3 = np.where(same, x1, x2), np.where(same, f1, f2)
        x2, f2 = np.where(same, x2, x1), np.where(same, f2, f1)
        x1, f1 = x, at
        least = 0.5 * _TOLERANCE / np.abs(x2 - x1)
        if np.all((least > 0.25) | (f1 == 0.0)):
            break
        with np.errstate(divide="ignore", invalid="ignore"):
            place, height = (x1 - x2) / (x3 - x2), (f1 - f2) / (f3 - f2)
            step = f1 / (f2 - f1) * f3 / (f2 - f3)
            step += (x3 - x1) / (x2 - x1) * f1 / (f3 - f1) * f2 / (f3 - f2)
            smooth = (height**2 < place) & ((1.0 - height) ** 2 < 1.0 - place)
        step = np.clip(np.where(smooth & np.isfinite(step), step, 0.5), least, 1.0 - least)
    return np.exp(np.where(f1 >= 0.0, x1, x2))
