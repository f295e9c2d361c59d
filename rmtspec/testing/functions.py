"""Functions and supports as users have them, brought to one form.

A function may take arrays or single numbers.  A support is a list of closed intervals [a, b] that
together hold all the mass; an atom is an interval [x, x].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from .findings import EPS

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Function = Callable[[Any], Any]
CONVENTIONS = ("lambda - z", "z - lambda")


def elementwise(name: str, function: Any, kind: type = np.float64) -> Callable[[Any], Any]:
    """The function over flat arrays, called point by point if it takes single numbers only.

    Raises
    ------
    TypeError
        If it is not callable, or does not return numbers.
    """
    if not callable(function):
        raise TypeError(f"{name} must be callable, got {_checks.shown(function)}")

    def call(points: Any) -> Any:
        flat = np.asarray(points).ravel()
        try:
            values = np.asarray(function(flat))
        except (TypeError, ValueError):  # of `math`, or of an `if` over an array
            values = np.empty(0)
        if values.shape != flat.shape or values.dtype == object:
            values = np.array([function(point) for point in flat])
        if values.shape != flat.shape or values.dtype.kind not in "iufcb":
            raise TypeError(f"{name} must return a number for each point, got {values.dtype}")
        return values.astype(kind)

    return call


def transform(g: Any, convention: str) -> Callable[[Any], ComplexArray]:
    r"""g in the sign of this package, :math:`\int\rho(d\lambda)/(\lambda-z)`.

    Raises
    ------
    TypeError, ValueError
        If g is not callable or the convention is none of `CONVENTIONS`.
    """
    _checks.choice("convention", convention, CONVENTIONS)
    values = elementwise("g", g, np.complex128)
    sign = 1.0 if convention == CONVENTIONS[0] else -1.0
    return lambda z: sign * values(z)


def upper_points(z: ArrayLike) -> ComplexArray:
    """The points as a row, those of the lower half plane reflected into the upper one.

    Raises
    ------
    TypeError, ValueError
        If they are not finite numbers off the real axis.
    """
    points = _checks.complex_array("z", z).ravel()
    if np.any(points.imag == 0.0):
        raise ValueError(
            "z must lie off the real axis, where a check has room for an error, got "
            f"{points[points.imag == 0.0][0].real!r}"
        )
    return np.where(points.imag < 0.0, points.conj(), points)


def intervals(support: ArrayLike) -> FloatArray:
    """(k, 2) ends of the intervals, ascending; one pair [a, b] stands for itself.

    Raises
    ------
    TypeError, ValueError
        If the support is not a list of pairs a <= b of finite numbers.
    """
    ends = _checks.real_array("support", support)
    ends = ends[None, :] if ends.shape == (2,) else ends
    if (
        ends.ndim != 2
        or ends.shape[1] != 2
        or ends.shape[0] == 0
        or np.any(ends[:, 1] < ends[:, 0])
    ):
        raise ValueError(
            f"support must be pairs of ends [[a, b], ...] with a <= b, got {_checks.shown(support)}"
        )
    return ends[np.lexsort((ends[:, 1], ends[:, 0]))]


def point_masses(atoms: ArrayLike) -> FloatArray:
    """(j, 2) location and mass of atoms.

    Raises
    ------
    TypeError, ValueError
        If they are not pairs of a number and a mass in [0, 1].
    """
    pairs = _checks.real_array("atoms", atoms)
    pairs = np.empty((0, 2)) if pairs.size == 0 else pairs
    if pairs.ndim != 2 or pairs.shape[1] != 2 or np.any((pairs[:, 1] < 0.0) | (pairs[:, 1] > 1.0)):
        raise ValueError(
            "atoms must be pairs of location and mass [[x, w], ...] with w in [0, 1], got "
            f"{_checks.shown(atoms)}"
        )
    return pairs


def with_atoms(support: FloatArray, atoms: FloatArray) -> FloatArray:
    """The intervals, with [x, x] for atoms that lie in none of them."""
    x = atoms[:, 0]
    alone = ~np.any((x[:, None] >= support[:, 0]) & (x[:, None] <= support[:, 1]), axis=1)
    return intervals(np.concatenate([support, np.column_stack([x, x])[alone]]))


def span(support: FloatArray) -> tuple[float, float, float]:
    """Lowest and highest point, and a length: the width of the support, or its distance from 0."""
    low, high = float(support[:, 0].min()), float(support[:, 1].max())
    width = high - low
    size = max(abs(low), abs(high))
    return low, high, width if width > 64.0 * EPS * size else (size or 1.0)


def nearest(z: Any, support: FloatArray) -> FloatArray:
    """Distance of every z from the support."""
    real = np.real(z)[:, None]
    away: FloatArray = np.abs(z[:, None] - np.clip(real, support[:, 0], support[:, 1])).min(axis=1)
    return away


def farthest(z: Any, support: FloatArray) -> FloatArray:
    """Distance of every z from the farthest point of the support."""
    away: FloatArray = np.abs(z[:, None] - np.array([support.min(), support.max()])).max(axis=1)
    return away


def points_over(support: FloatArray) -> ComplexArray:
    """Points of the upper half plane over and beside every interval, at several heights."""
    low, high, width = span(support)
    places = [low - 0.2 * width, high + 0.2 * width]
    points = [complex(x, 0.1 * width) for x in places]
    for a, b in support:
        size = max(b - a, 1e-3 * width)
        for place, height in ((0.02, 0.01), (0.3, 0.1), (0.6, 1.0), (0.98, 0.01)):
            points.append(complex(a + place * (b - a), height * size))
    return np.array(points)
