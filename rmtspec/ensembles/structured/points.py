r"""Solutions of the structured equations at given points, each with its certificate.

Above the real axis a root is the physical one if all its imaginary parts are positive.  On the axis
the same holds inside a bulk, where they are visible; in a gap the root is real and dx/dz must lie
in the cone (`equations`).  Where Newton's method leads elsewhere from the point before and from a
fresh start, the root is followed down from :math:`\mathrm{Im}z=|z|`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...result import Status
from .kernels.equations import Parts
from .kernels.newton import solve_in_order

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_CONVERGED = int(Status.CONVERGED)  # an attribute of an enumeration is slow to have
_STEPS = 80
_FIRST, _LEAST, _MOST = 0.2, 1e-3, 0.99  # factors by which the imaginary part falls
_NEAR, _FALLEN = 0.02, 0.02  # when a real root is tried: below this |z|, and each time this less
_HIGHEST = 1e8  # times |z|, from where the descent starts at most


class Roots(NamedTuple):
    """Solutions at flat points, NaN where there is none.

    Attributes
    ----------
    g : (n, N) complex, resolvent of a neuron of each type
    d : (n, Y, r, r) complex, D of each class
    slopes : (n, unknowns) complex, d log g/dz and then those of D/(s_a s_b), a <= b
    scales : (n, Y, r), s
    error : (n,) bound on the relative error of g, and of D against s_a s_b
    residual : (n,) largest residual relative to the sizes of its terms
    status : (n,) `rmtspec.Status`
    """

    g: ComplexArray
    d: ComplexArray
    slopes: ComplexArray
    scales: FloatArray
    error: FloatArray
    residual: FloatArray
    status: NDArray[np.int8]

    def at(self, chosen: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Roots:
        """Some of the points."""
        columns: list[Any] = [column[chosen] for column in self]
        return Roots(*columns)

    def turned(self, turns: FloatArray) -> Roots:
        """The same in other channels."""
        return self._replace(d=np.einsum("yab,nyac,ycd->nybd", turns, self.d, turns))

    @property
    def good(self) -> NDArray[np.bool_]:
        """Which points have a certified root."""
        return self.status == _CONVERGED

    @property
    def is_real(self) -> bool:
        """Whether the one point is a gap's."""
        return bool(self.good[0]) and not np.any(self.g.imag)

    def trace(self, parts: Parts) -> ComplexArray:
        """q = Σπg, (n,)."""
        return np.asarray(self.g @ parts.weights)

    def error_of(self, part: ComplexArray | FloatArray, parts: Parts) -> FloatArray:
        """(n,) bound on the error of q or Im q relative to it, infinite where there is no root.

        The terms of q may cancel, and all of their error may lie in a small imaginary part.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            error = self.error * (np.abs(self.g) @ parts.weights) / np.abs(part)
        return np.where(self.good, error, np.inf)

    def trace_slope(self, parts: Parts) -> ComplexArray:
        """dq/dz, (n,)."""
        types = parts.weights.size
        return np.asarray((self.g * self.slopes[:, :types]) @ parts.weights)


def graded(parts: Parts, floor: float) -> tuple[Parts, FloatArray]:
    """The ensemble in distances from a floor, and in channels of which its neurons see ever less.

    They have the largest resolvents there: in other channels sums would keep of those that they
    hardly see what rounding leaves.  Also the turns (Y, r, r), whose columns are the channels.
    """
    classes, r = parts.kernels.shape[1:3]
    own = parts.floors == floor
    total = np.einsum("n,nyab->yab", parts.weights[own], parts.kernels[own])
    turns = np.linalg.eigh(total)[1][..., ::-1] if r > 1 else np.ones((classes, 1, 1))
    kernels = np.einsum("yab,nyac,ycd->nybd", turns, parts.kernels, turns)
    data = parts.slopes[:, : classes * r].reshape(-1, classes, r)
    slopes = parts.slopes.copy()
    slopes[:, : classes * r] = np.einsum("yab,nya->nyb", turns, data).reshape(-1, classes * r)
    kernels = np.ascontiguousarray(0.5 * (kernels + kernels.swapaxes(2, 3)))
    floors = parts.floors - floor
    return parts._replace(floors=floors, slopes=slopes, kernels=kernels), turns


def together(tables: Sequence[Roots]) -> Roots:
    """One table from several."""
    columns: list[Any] = [np.concatenate(parts) for parts in zip(*tables, strict=True)]
    return Roots(*columns)


def solve(parts: Parts, z: ComplexArray) -> Roots:
    """Certified roots at flat points with Im z > 0, or real ones inside the bulks."""
    found = _run(parts, z, None)
    if found.good.all():
        return found
    rows = [found.at(slice(i, i + 1)) for i in range(z.size)]
    mended = [
        row if row.good[0] else descend(parts, complex(point))
        for row, point in zip(rows, z, strict=True)
    ]
    return together(mended)


def solve_gaps(parts: Parts, x: FloatArray) -> Roots:
    """Certified roots at flat real points off the support."""
    rows = [_failed_table(parts, 0)]
    for point in x:
        rows.append(classify(parts, float(point), rows[-1] if len(rows) > 1 else None))
    return together(rows)


def classify(parts: Parts, x: float, start: Roots | None) -> Roots:
    """The root at one real point, in a bulk or a gap, from that of a neighbour if there is one.

    It is real in a gap and complex in a bulk (`Roots.is_real`); no root is certified where the
    status is not converged.
    """
    z = np.array([complex(x, 0.0)])
    if start is not None and start.good[0]:
        if start.is_real:
            found = _run(parts, z, start, real=True)
            if found.good[0]:
                return found
        else:
            found = _run(parts, z, start)
            if found.good[0]:
                return found
            found = _run(parts, z, start, real=True)
            if found.good[0]:
                return found
    return descend(parts, complex(x, 0.0))


def descend(parts: Parts, z: complex) -> Roots:
    """Follow the root down from a large imaginary part; at real z it may end in a gap."""
    size = abs(z) if z != 0.0 else float(np.abs(parts.slopes).max() ** 2)
    height = max(size, z.imag)
    found = _run(parts, np.array([complex(z.real, height)]), None)
    while not found.good[0] and height < _HIGHEST * size:
        height *= 10.0
        found = _run(parts, np.array([complex(z.real, height)]), None)
    if not found.good[0]:
        return found
    factor, tried = _FIRST, _NEAR * size / _FALLEN
    end = max(z.imag, 0.0)
    while height > end:
        if end == 0.0 and height <= _FALLEN * tried:
            tried = height
            last = _last(parts, z, found, height)
            if last is not None:
                return last
        lower = max(height * factor, end, 1e-17 * size if end == 0.0 else 0.0)
        trial = _run(parts, np.array([complex(z.real, lower)]), found)
        if trial.good[0]:
            found, height = trial, lower
            factor = max(factor * factor, _LEAST)
            if end == 0.0 and height <= 1e-17 * size:
                last = _last(parts, z, found, height)
                return _failed(found) if last is None else last
        else:
            factor = np.sqrt(factor)
            if factor > _MOST:
                return _failed(found)
    return found


def _last(parts: Parts, z: complex, found: Roots, height: float) -> Roots | None:
    """The root at the real point below a complex one, if one of Newton's methods finds it."""
    point = np.array([complex(z.real, 0.0)])
    types = parts.weights.size
    phase = np.abs(np.sin(np.angle(found.g[0])))
    expected = 2.0 * np.abs(found.slopes[0, :types]) * height
    if np.all(phase < expected):
        real = _run(parts, point, found, real=True)
        if real.good[0]:
            return real
    inside = _run(parts, point, found)
    return inside if inside.good[0] else None


def _failed(found: Roots) -> Roots:
    """The same table without a root."""
    nothing = complex(np.nan, np.nan)
    return Roots(
        np.full_like(found.g, nothing),
        np.full_like(found.d, nothing),
        np.full_like(found.slopes, nothing),
        found.scales,
        np.full_like(found.error, np.inf),
        found.residual,
        np.full_like(found.status, Status.LEFT_HALF_PLANE),
    )


def _run(parts: Parts, z: ComplexArray, start: Roots | None, *, real: bool = False) -> Roots:
    """Newton along the points, from `start` or afresh."""
    warm = start is not None
    if start is not None:
        g, d = start.g[0], start.d[0]
        if real:
            g, d = g.real.astype(np.complex128), d.real.astype(np.complex128)
    else:
        classes, r = parts.kernels.shape[1:3]
        g = np.zeros(parts.weights.size, dtype=np.complex128)
        d = np.zeros((classes, r, r), dtype=np.complex128)
    return Roots(*solve_in_order(parts, z, g, d, warm, real, not warm or z.size > 1, _STEPS))


def first_guess(parts: Parts, x: float) -> Roots:
    """The leading behaviour at a real point above the spectrum, where D is the identity."""
    table = _failed_table(parts, 1)
    table.g[0] = 1.0 / (parts.floors - x)
    table.d[0] = np.eye(parts.kernels.shape[2])
    table.status[0] = _CONVERGED
    return table


def _failed_table(parts: Parts, count: int) -> Roots:
    """No roots at all."""
    types = parts.weights.size
    classes, r = parts.kernels.shape[1:3]
    unknowns = types + classes * r * (r + 1) // 2
    nothing = complex(np.nan, np.nan)
    return Roots(
        np.full((count, types), nothing),
        np.full((count, classes, r, r), nothing),
        np.full((count, unknowns), nothing),
        np.ones((count, classes, r)),
        np.full(count, np.inf),
        np.full(count, np.inf),
        np.full(count, Status.STEP_LIMIT, dtype=np.int8),
    )
