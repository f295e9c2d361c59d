r"""Gaps of a spectrum, found on the real axis of the inverse map z(k).

A law whose Stieltjes transform is the inverse of an explicit function z(k) has its gaps where
that function decreases on the real axis (Silverstein and Choi 1995).  For the ensembles here

.. math::  dz/dk = \Phi(k) - P,   \qquad \Phi > 0,

with :math:`\Phi` strictly convex on every interval between the singular points of z(k): each
interval holds one gap or none, and the sign of min Φ − P decides.  Everything below works with
the excess :math:`F = \ln(\Phi/P)` in a coordinate x in which the distance to an end of the
interval is exponential, so that F is close to linear near the ends and an edge at a relative
distance of 1e-30 from an end is as easy as any other.  Edges are stationary points of z(k): an
error δ in k changes z by O(δ²).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .kernel import kernel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

REACH = 250.0
"""Coordinates run over [-REACH, REACH]; exp(-250) = 3e-109 of the interval."""

_SEARCHED = 80.0  # a gap holds a point of [-80, 80]; beyond lie only edges of very wide gaps
_GOLDEN = 0.6180339887498949
_NARROWER = 2.0 * _GOLDEN - 1.0
_FLAT = 1e-7  # golden section stops here: the minimum is quadratic, its value then exact to 1e-14
_SHARP = 1e-11  # roots stop here: an edge is stationary, so its z is then exact to rounding
_DISTINCT = 1e-5  # points this close in k say nothing about the shape of Φ between them
_HUGE = 300.0  # above this exp F may overflow
_TOUCHING = 1e-13  # relative accuracy of an edge
_NO_MASS = 4 * np.finfo(float).eps  # a difference this small, relative to the larger, is rounding
_CEILING = 1500.0  # stands in for +inf in F, so that interpolation stays finite


@dataclass(frozen=True)
class Intervals:
    """Open intervals (low, high) of the real axis on which Φ is convex, one entry each.

    Attributes
    ----------
    low, high : (m,) end points, ±inf allowed on one side
    scale : (m,) length that makes the coordinate of an unbounded interval dimensionless
    low_value, high_value : (m,) value of z at an end where Φ < P, NaN at an end where Φ > P
    above : (m,) fraction of the spectrum above a gap opened by this interval
    branch : (m,) label passed on to the ensemble's functions
    """

    low: FloatArray
    high: FloatArray
    scale: FloatArray
    low_value: FloatArray
    high_value: FloatArray
    above: FloatArray
    branch: IntArray

    def point(self, index: IntArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the nearer end and the signed offset from it, exact however small."""
        anchor, offset = _point(self.low, self.high, self.scale, index, x)
        return anchor, offset


@kernel
def _point(low, high, scale, index, x):
    rows = np.empty((2, x.size))  # one array: each one returned from compiled code costs 2 us
    anchor, offset = rows
    for i in range(x.size):
        a, b = low[index[i]], high[index[i]]
        from_low = np.isfinite(a)
        if from_low and np.isfinite(b):
            tail = np.exp(-abs(x[i]))
            size = (b - a) * tail / (1.0 + tail)
            from_low = x[i] < 0.0
        else:
            size = scale[index[i]] * np.exp(x[i] if from_low else -x[i])
        anchor[i], offset[i] = (a, size) if from_low else (b, -size)
    return rows


@dataclass(frozen=True)
class Gaps:
    """Open gaps of the spectrum in ascending order; a bulk or an atom lies between neighbours.

    Attributes
    ----------
    lower, upper : (g,) ends of each gap, ±inf at the two outer ones
    above : (g,) fraction of the spectrum above each gap
    interval : (g,) interval of the inverse map that opens it
    left, right : (g,) coordinates of its ends there
    """

    lower: FloatArray
    upper: FloatArray
    above: FloatArray
    interval: IntArray
    left: FloatArray
    right: FloatArray

    @property
    def edges(self) -> FloatArray:
        """(k, 2) lower and upper edge of every bulk."""
        return np.column_stack([self.upper[:-1], self.lower[1:]])[self._is_bulk]

    @property
    def masses(self) -> FloatArray:
        """(k,) exact mass of every bulk."""
        return self._between[self._is_bulk]

    @property
    def are_ordered(self) -> bool:
        """Whether gaps follow each other, as do the fractions above them, but for rounding."""
        end, start = self.upper[:-1], self.lower[1:]
        if not np.all(np.isfinite(end) & np.isfinite(start)):
            return False
        apart = end <= start + 1e-9 * (np.abs(end) + np.abs(start))
        return bool(np.all(apart) and np.all(np.diff(self.above) <= 1e-12))

    @property
    def narrow(self) -> FloatArray:
        """(j, 2) location and mass of the bulks that are too narrow for double precision."""
        middle = 0.5 * self.upper[:-1] + 0.5 * self.lower[1:]
        thin = ~self._has_width & (middle != 0.0) & self._has_mass
        return np.column_stack([middle, self._between])[thin]

    @property
    def _between(self) -> FloatArray:
        """Fraction of the spectrum between two gaps."""
        return self.above[:-1] - self.above[1:]

    @property
    def _is_bulk(self) -> NDArray[np.bool_]:
        """Whether what lies between two gaps has a width, and a mass that is more than rounding."""
        return self._has_width & self._has_mass

    @property
    def _has_mass(self) -> NDArray[np.bool_]:
        """Whether the fractions above two gaps differ by more than their rounding.

        Each fraction has a relative error of a few eps, so that the rounding of a difference goes
        with the larger one: a bulk at the top of the spectrum counts however small its mass.
        """
        return self._between > _NO_MASS * self.above[:-1]

    @property
    def _has_width(self) -> NDArray[np.bool_]:
        """Between two gaps that touch, to the accuracy of their ends, there is an atom."""
        return self.lower[1:] - self.upper[:-1] > _TOUCHING * np.abs(self.lower[1:])


def real_points(
    gaps: Gaps, z: FloatArray, value: Callable[[IntArray, FloatArray], FloatArray]
) -> tuple[NDArray[np.bool_], IntArray, FloatArray]:
    """Find real points off the support on the real axis of the inverse map.

    Returns which z lie in a gap and, for these, the interval and the coordinate at which `value`
    is z.
    """
    gap = np.searchsorted(gaps.lower, z, side="right") - 1
    outside = (gap >= 0) & (z < gaps.upper[gap])
    inside, target = gap[outside], z[outside]
    index = gaps.interval[inside]

    def distance(i: IntArray, x: FloatArray) -> FloatArray:
        found = np.clip(value(index[i], x), -1e300, 1e300)
        return (found - target[i]) / (np.abs(found) + np.abs(target[i]))

    x = bracketed_root(distance, gaps.left[inside], gaps.right[inside], xtol=4e-16)
    return outside, index, x


CoordinateFunction = Callable[[IntArray, FloatArray], FloatArray]
"""A number at coordinate x of interval i, vectorised over (i, x)."""

ExcessFunction = Callable[[IntArray, FloatArray], tuple[FloatArray, FloatArray]]
"""The same for F = ln(Φ/P) and k."""


def find_gaps(intervals: Intervals, excess: ExcessFunction, value: CoordinateFunction) -> Gaps:
    """Find every open gap of the spectrum.

    Parameters
    ----------
    intervals : the m intervals between the singular points of z(k)
    excess : F = ln(Φ/P) and k
    value : z

    Raises
    ------
    ValueError
        If rounding has mixed up the order of the gaps.
    """
    chosen, left, right = crossings(intervals, excess)
    low_value, high_value = intervals.low_value[chosen], intervals.high_value[chosen]
    z_left = np.where(np.isnan(low_value), value(chosen, left), low_value)
    z_right = np.where(np.isnan(high_value), value(chosen, right), high_value)
    lower, upper = np.minimum(z_left, z_right), np.maximum(z_left, z_right)
    order = np.argsort(0.5 * (np.clip(lower, -1e300, 1e300) + np.clip(upper, -1e300, 1e300)))
    chosen = chosen[order]
    gaps = Gaps(
        lower[order], upper[order], intervals.above[chosen], chosen, left[order], right[order]
    )
    if not gaps.are_ordered:
        raise ValueError(
            "population and ratios must not hold scales too far apart for double precision, got "
            f"gaps that overlap: {np.column_stack([gaps.lower, gaps.upper]).tolist()!r:.200}"
        )
    return gaps


@kernel
def log_excess(rise, aspect):
    """F = ln(Φ/P) from dz/dk = Φ − P, exact where the two nearly cancel."""
    excess = np.empty(rise.size)
    for i in range(rise.size):
        ratio = rise[i] / aspect
        excess[i] = np.log1p(-1.0 if ratio < -1.0 else ratio)  # NaN stays NaN
    return excess


def crossings(
    intervals: Intervals, excess: ExcessFunction
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return the intervals on which F < 0 somewhere, and the coordinates between which it is.

    A coordinate of ±REACH stands for an end of the interval at which F is still negative.
    """
    low_wall, high_wall = np.isnan(intervals.low_value), np.isnan(intervals.high_value)
    both = low_wall & high_wall
    inner = np.where(low_wall, REACH, np.where(high_wall, -REACH, 0.0))
    is_open = ~both
    candidates = np.flatnonzero(both)
    if candidates.size:
        inner[candidates], is_open[candidates] = _negative_point(candidates, excess)
    chosen = np.flatnonzero(is_open)
    inside = inner[chosen]
    left, right = np.full(chosen.size, -REACH), np.full(chosen.size, REACH)
    walls_left, walls_right = low_wall[chosen], high_wall[chosen]
    behind = np.concatenate([chosen[walls_left], chosen[walls_right]])
    roots = bracketed_root(
        lambda which, x: excess(behind[which], x)[0],
        np.concatenate([inside[walls_left], inside[walls_right]]),
        np.concatenate([left[walls_left], right[walls_right]]),
    )
    split = int(np.count_nonzero(walls_left))
    left[walls_left], right[walls_right] = roots[:split], roots[split:]
    return chosen, left, right


def _negative_point(
    index: IntArray, excess: ExcessFunction
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Golden-section search for a point with F < 0, given up where the minimum is positive."""
    state = np.full((4, 3, index.size), np.nan)  # at a < c < d < b: x, F, k
    for row, x in zip(state, _SEARCHED * np.array([-1.0, -_NARROWER, _NARROWER, 1.0]), strict=True):
        row[0] = x
    for row in state[1:3]:
        row[1], row[2] = excess(index, row[0])
    state[::3, 1] = _CEILING
    while True:
        active, x = _golden_step(state)
        if active.size == 0:
            break
        _golden_update(state, active, x, *excess(index[active], x))
    x, value, _ = np.where(state[1, 1] < state[2, 1], state[1], state[2])
    return x, value < 0.0


@kernel
def _golden_step(state):
    """Next abscissa of every search that is still undecided."""
    active = np.empty(state.shape[2], dtype=np.intp)
    x = np.empty(state.shape[2])
    count = 0
    for i in range(state.shape[2]):
        for j in (1, 2):
            if not abs(state[j, 1, i]) < _CEILING:
                state[j, 1, i] = _CEILING if not state[j, 1, i] < 0.0 else -_CEILING
        (a, c, d, b), (_, fc, fd, _) = state[:, 0, i], state[:, 1, i]
        if min(fc, fd) < 0.0 or b - a <= _FLAT * (1.0 + abs(c)):
            continue
        if _stays_positive(state[:, 1, i], state[:, 2, i]):
            continue
        x[count] = d - _GOLDEN * (d - a) if fc < fd else c + _GOLDEN * (b - c)
        active[count] = i
        count += 1
    return active[:count], x[:count]


@kernel
def _stays_positive(f, k):
    """Whether Φ > P at all between the outer of four points, by its convexity in k.

    Φ/P = exp F lies above the line through any two points where it is continued beyond them.
    """
    left, inner, right = abs(k[1] - k[0]), abs(k[2] - k[1]), abs(k[3] - k[2])
    distinct = min(left, inner, right) > _DISTINCT * max(abs(k[0]), abs(k[3]))
    if not (distinct and f[1] < _HUGE and f[2] < _HUGE):
        return False
    a, c, d, b = np.exp(f[0]), np.exp(f[1]), np.exp(f[2]), np.exp(f[3])
    middle = max(c - (a - c) * inner / left, d - (b - d) * inner / right)
    below, above = c - max(d - c, 0.0) * left / inner, d - max(c - d, 0.0) * right / inner
    return min(middle, below, above) > 1.0 + _DISTINCT


@kernel
def _golden_update(state, active, x, f, k):
    for j in range(active.size):
        i = active[j]
        new = 1 if state[1, 1, i] < state[2, 1, i] else 2
        for row in range(state.shape[1]):  # assigning slices takes 3 s more to compile
            if new == 1:
                state[3, row, i], state[2, row, i] = state[2, row, i], state[1, row, i]
            else:
                state[0, row, i], state[1, row, i] = state[1, row, i], state[2, row, i]
        state[new, 0, i], state[new, 1, i], state[new, 2, i] = x[j], f[j], k[j]


def bracketed_root(
    function: CoordinateFunction, inside: FloatArray, outside: FloatArray, xtol: float = _SHARP
) -> FloatArray:
    """Solve function(i, x_i) = 0 for all i at once, between points of opposite sign.

    Chandrupatla's method (1997): inverse quadratic interpolation where it is safe, bisection
    elsewhere.  If the sign at `outside` is the same as at `inside`, the root is taken to lie
    beyond `outside`, which is returned.
    """
    index = np.arange(inside.size)
    if index.size == 0:
        return inside.copy()
    state = np.vstack([outside, inside, outside, outside])
    start = function(index, outside)
    values = np.vstack([start, function(index, inside), start])
    active = _root_start(state, values)
    while active.size:
        x = state[3, active]
        active = _root_step(state, values, active, function(active, x), xtol)
    return state[3]


@kernel
def _root_start(state, values):
    """Bisect first; state holds a, b, c and the next abscissa."""
    active = np.empty(state.shape[1], dtype=np.intp)
    count = 0
    for i in range(state.shape[1]):
        for j in range(3):
            if not abs(values[j, i]) < _CEILING:
                values[j, i] = _CEILING if not values[j, i] < 0.0 else -_CEILING
        if (values[0, i] < 0.0) != (values[1, i] < 0.0):
            state[3, i] = 0.5 * (state[0, i] + state[1, i])
            active[count] = i
            count += 1
    return active[:count]


@kernel
def _root_step(state, values, active, f, xtol):
    """Take in f at the proposed abscissae, propose the next, return those still running."""
    count = 0
    for j in range(active.size):
        i, fx = active[j], f[j]
        if not abs(fx) < _CEILING:
            fx = _CEILING if not fx < 0.0 else -_CEILING
        if (fx < 0.0) == (values[0, i] < 0.0):
            state[2, i], values[2, i] = state[0, i], values[0, i]
        else:
            state[2, i], values[2, i] = state[1, i], values[1, i]
            state[1, i], values[1, i] = state[0, i], values[0, i]
        state[0, i], values[0, i] = state[3, i], fx
        a, b, c = state[0, i], state[1, i], state[2, i]
        fa, fb, fc = values[0, i], values[1, i], values[2, i]
        best = a if abs(fa) < abs(fb) else b
        limit, width = xtol * (1.0 + abs(best)), abs(b - a)
        if fx == 0.0 or width <= 2.0 * limit:
            state[3, i] = best
            continue
        step = 0.5
        xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
        if phi * phi < xi and (1.0 - phi) ** 2 < 1.0 - xi:
            step = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (
                fc - fb
            )
        margin = min(limit / width, 0.5)
        state[3, i] = a + min(max(step, margin), 1.0 - margin) * (b - a)
        active[count] = i
        count += 1
    return active[:count]
