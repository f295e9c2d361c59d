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
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import READS
from .kernel import kernel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

REACH = 250.0
"""Coordinates run over [-REACH, REACH]; exp(-250) = 3e-109 of the interval."""

_SEARCHED = 80.0  # a gap holds a point of [-80, 80]; beyond lie only edges of very wide gaps
_GOLDEN = 0.6180339887498949
_NARROWER = 2.0 * _GOLDEN - 1.0
_FLAT = 1e-7  # golden section stops here: the minimum is quadratic, its value then exact to 1e-14
_EXACT = 4e-16  # roots that are points of z stop here
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
    """

    low: FloatArray
    high: FloatArray
    scale: FloatArray
    low_value: FloatArray
    high_value: FloatArray
    above: FloatArray

    def point(self, index: IntArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the nearer end and the signed offset from it, exact however small."""
        anchor, offset = _points(self.low, self.high, self.scale, index, x)
        return anchor, offset


LOW, HIGH, SCALE, LOW_VALUE, HIGH_VALUE, ABOVE = range(6)
"""Rows of the table in which kernels keep the fields of `Intervals`."""


@kernel
def point(low, high, scale, x):
    """The end of an interval that is nearer to coordinate x, and the signed offset from it."""
    from_low = np.isfinite(low)
    if from_low and np.isfinite(high):
        tail = np.exp(-abs(x))
        size = (high - low) * tail / (1.0 + tail)
        from_low = x < 0.0
    else:
        size = scale * np.exp(x if from_low else -x)
    return (low, size) if from_low else (high, -size)


@kernel
def _points(low, high, scale, index, x):
    rows = np.empty((2, x.size))  # one array: each one returned from compiled code costs 2 us
    for j in range(x.size):
        i = index[j]
        rows[0, j], rows[1, j] = point(low[i], high[i], scale[i], x[j])
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
        return self._between[0]

    @property
    def masses(self) -> FloatArray:
        """(k,) exact mass of every bulk."""
        return self._between[1]

    @property
    def are_ordered(self) -> bool:
        """Whether gaps follow each other, as do the fractions above them, but for rounding."""
        return bool(_are_ordered(np.stack([self.lower, self.upper, self.above])))

    @property
    def narrow(self) -> FloatArray:
        """(j, 2) location and mass of the bulks that are too narrow for double precision."""
        return self._between[2]

    @cached_property
    def _between(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        edges, masses, narrow = between(self.lower, self.upper, self.above)
        return edges, masses, narrow


@kernel
def between(lower, upper, above):
    """Edges and masses of the bulks between gaps, and place and mass of those without a width.

    Between two gaps that touch, to the accuracy of their ends, there is an atom.  The fractions
    above two gaps have relative errors of a few eps, so that the rounding of their difference goes
    with the larger one: a bulk at the top of the spectrum counts however small its mass.
    """
    edges, masses = np.empty((lower.size, 2)), np.empty(lower.size)
    narrow, bulks, atoms = np.empty((lower.size, 2)), 0, 0
    for i in range(lower.size - 1):
        mass, start, end = above[i] - above[i + 1], upper[i], lower[i + 1]
        if not mass > _NO_MASS * above[i]:
            continue
        middle = 0.5 * start + 0.5 * end
        if end - start > _TOUCHING * abs(end):
            edges[bulks, 0], edges[bulks, 1], masses[bulks] = start, end, mass
            bulks += 1
        elif middle != 0.0:  # what lies at 0 is the ensemble's own
            narrow[atoms, 0], narrow[atoms, 1] = middle, mass
            atoms += 1
    return edges[:bulks], masses[:bulks], narrow[:atoms]


@kernel
def _unchanged(_, low, high, data):
    return data


def gap_search(inverse_map: Any, seen_from: Any = _unchanged) -> tuple[Any, Any]:
    """Compile the searches on the real axis for one inverse map.

    Parameters
    ----------
    inverse_map : kernel (interval, anchor, offset, data) -> (z, dz/dk, k) at the real point
        anchor + offset, from data of any kind
    seen_from : kernel (interval, low, high, data) -> what stands for the data on this interval; the
        data themselves by default

    Returns
    -------
    find : kernel (table, aspect, data) -> the fields of `Gaps` as (6, g), and whether they are in
        order; the table holds `Intervals`
    locate : kernel (z, gaps, table, aspect, data) -> (2, n), interval and coordinate at which the
        map is z; NaN for a z on the support
    """

    @kernel(**READS)
    def measured(i, x, target, table, aspect, data):
        """F = ln(Φ/P) and k at coordinate x; given a target, the relative distance of z to it."""
        anchor, offset = point(table[LOW, i], table[HIGH, i], table[SCALE, i], x)
        value, rise, k = inverse_map(i, anchor, offset, data)
        if np.isnan(target):
            return _log_excess(rise, aspect), k
        value = min(max(value, -1e300), 1e300)
        return (value - target) / (abs(value) + abs(target)), k

    @kernel(**READS)
    def root(i, inside, outside, target, table, aspect, data, xtol):
        """Chandrupatla's method between two points, as in `bracketed_root`."""
        a, b, c = outside, inside, outside
        fa = _bounded(measured(i, outside, target, table, aspect, data)[0])
        fb = _bounded(measured(i, inside, target, table, aspect, data)[0])
        fc = fa
        if (fa < 0.0) == (fb < 0.0):
            return outside
        x = 0.5 * (a + b)
        running = True
        while running:
            fx = _bounded(measured(i, x, target, table, aspect, data)[0])
            a, b, c, fa, fb, fc, x, running = _narrowed(a, b, c, fa, fb, fc, x, fx, xtol)
        return x

    @kernel(**READS)
    def negative_point(i, table, aspect, data):
        """Golden-section search for F < 0, given up where the minimum is positive: x and F."""
        a, c, d, b = -_SEARCHED, -_SEARCHED * _NARROWER, _SEARCHED * _NARROWER, _SEARCHED
        fa, fb, ka, kb = _CEILING, _CEILING, np.nan, np.nan
        fc, kc = measured(i, c, np.nan, table, aspect, data)
        fd, kd = measured(i, d, np.nan, table, aspect, data)
        while True:
            fc, fd = _bounded(fc), _bounded(fd)
            if min(fc, fd) < 0.0 or b - a <= _FLAT * (1.0 + abs(c)):
                break
            if _stays_positive(fa, fc, fd, fb, ka, kc, kd, kb):
                break
            if fc < fd:
                x = d - _GOLDEN * (d - a)
                b, fb, kb = d, fd, kd
                d, fd, kd = c, fc, kc
                c = x
                fc, kc = measured(i, x, np.nan, table, aspect, data)
            else:
                x = c + _GOLDEN * (b - c)
                a, fa, ka = c, fc, kc
                c, fc, kc = d, fd, kd
                d = x
                fd, kd = measured(i, x, np.nan, table, aspect, data)
        return (c, fc) if fc < fd else (d, fd)

    @kernel(**READS)
    def value(i, x, table, data):
        anchor, offset = point(table[LOW, i], table[HIGH, i], table[SCALE, i], x)
        return inverse_map(i, anchor, offset, data)[0]

    @kernel(**READS)
    def crossing(i, table, aspect, data):
        """Whether F < 0 somewhere, and the coordinates between which it is.

        A coordinate of ±REACH stands for an end of the interval at which F is still negative.
        """
        low_wall, high_wall = np.isnan(table[LOW_VALUE, i]), np.isnan(table[HIGH_VALUE, i])
        inside = REACH if low_wall else (-REACH if high_wall else 0.0)
        if low_wall and high_wall:
            inside, least = negative_point(i, table, aspect, data)
            if not least < 0.0:
                return False, -REACH, REACH
        left, right = -REACH, REACH
        if low_wall:
            left = root(i, inside, left, np.nan, table, aspect, data, _SHARP)
        if high_wall:
            right = root(i, inside, right, np.nan, table, aspect, data, _SHARP)
        return True, left, right

    @kernel
    def find(table, aspect, data):
        count, found = np.intp(0), np.empty((6, table.shape[1]))
        for i in range(table.shape[1]):
            near = seen_from(i, table[LOW, i], table[HIGH, i], data)
            is_open, left, right = crossing(i, table, aspect, near)
            if not is_open:
                continue
            one, other = table[LOW_VALUE, i], table[HIGH_VALUE, i]
            if np.isnan(one):
                one = value(i, left, table, near)
            if np.isnan(other):
                other = value(i, right, table, near)
            found[0, count], found[1, count] = min(one, other), max(one, other)
            found[2, count], found[3, count] = table[ABOVE, i], i
            found[4, count], found[5, count] = left, right
            count += 1
        gaps = _ascending(found, count)
        return gaps, _are_ordered(gaps)

    @kernel
    def locate(z, gaps, table, aspect, data):
        found = np.full((2, z.size), np.nan)
        for j in range(z.size):
            gap = _last_not_above(gaps[0], z[j])
            if gap >= 0 and z[j] < gaps[1, gap]:
                i = np.intp(gaps[3, gap])
                found[0, j] = i
                near = seen_from(i, table[LOW, i], table[HIGH, i], data)
                found[1, j] = root(i, gaps[4, gap], gaps[5, gap], z[j], table, aspect, near, _EXACT)
        return found

    return find, locate


@kernel
def _log_excess(rise, aspect):
    """F = ln(Φ/P) from dz/dk = Φ − P, exact where the two nearly cancel."""
    ratio = rise / aspect
    return np.log1p(-1.0 if ratio < -1.0 else ratio)  # NaN stays NaN


@kernel
def _bounded(f):
    """F where it is finite; beyond that only its sign counts, and NaN counts as positive."""
    if abs(f) < _CEILING:
        return f
    return -_CEILING if f < 0.0 else _CEILING


@kernel
def _stays_positive(fa, fc, fd, fb, ka, kc, kd, kb):
    """Whether Φ > P at all between the outer of four points, by its convexity in k.

    Φ/P = exp F lies above the line through any two points where it is continued beyond them.
    """
    left, inner, right = abs(kc - ka), abs(kd - kc), abs(kb - kd)
    distinct = min(left, inner, right) > _DISTINCT * max(abs(ka), abs(kb))
    if not (distinct and fc < _HUGE and fd < _HUGE):
        return False
    a, c, d, b = np.exp(fa), np.exp(fc), np.exp(fd), np.exp(fb)
    middle = max(c - (a - c) * inner / left, d - (b - d) * inner / right)
    below, above = c - max(d - c, 0.0) * left / inner, d - max(c - d, 0.0) * right / inner
    return min(middle, below, above) > 1.0 + _DISTINCT


@kernel(**READS)
def _last_not_above(values, x):
    """Index of the last of ascending values that is not above x, −1 if all are."""
    start, stop = -1, values.size
    while stop - start > 1:
        middle = (start + stop) // 2
        if values[middle] <= x:
            start = middle
        else:
            stop = middle
    return start


@kernel(**READS)
def _middle(found, i):
    return 0.5 * (max(found[0, i], -1e300) + min(found[1, i], 1e300))


@kernel
def _ascending(found, count):
    """The first columns in the order of the middles of their gaps, by Shell's sort."""
    order = np.empty(count, dtype=np.intp)
    for i in range(count):
        order[i] = i
    step = count // 2
    while step > 0:
        for i in range(step, count):
            moved, j = order[i], i
            while j >= step and _middle(found, order[j - step]) > _middle(found, moved):
                order[j] = order[j - step]
                j -= step
            order[j] = moved
        step //= 2
    gaps = np.empty((found.shape[0], count))
    for i in range(count):
        for row in range(found.shape[0]):
            gaps[row, i] = found[row, order[i]]
    return gaps


@kernel(**READS)
def _are_ordered(gaps):
    """Whether gaps follow each other, as do the fractions above them, but for rounding."""
    for i in range(gaps.shape[1] - 1):
        end, start = gaps[1, i], gaps[0, i + 1]
        if not (np.isfinite(end) and np.isfinite(start)):
            return False
        if not end <= start + 1e-9 * (abs(end) + abs(start)):
            return False
        if not gaps[2, i + 1] - gaps[2, i] <= 1e-12:
            return False
    return True


def checked(gaps: FloatArray, ordered: bool) -> Gaps:
    """The gaps that a search found.

    Raises
    ------
    ValueError
        If rounding has mixed up their order.
    """
    if not ordered:
        raise ValueError(
            "population and ratios must not hold scales too far apart for double precision, got "
            f"gaps that overlap: {np.column_stack([gaps[0], gaps[1]]).tolist()!r:.200}"
        )
    return Gaps(gaps[0], gaps[1], gaps[2], gaps[3].astype(np.intp), gaps[4], gaps[5])


CoordinateFunction = Callable[[IntArray, FloatArray], FloatArray]
"""A number at coordinate x of interval i, vectorised over (i, x)."""


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
            values[j, i] = _bounded(values[j, i])
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
        i = active[j]
        (
            state[0, i], state[1, i], state[2, i], values[0, i], values[1, i], values[2, i],
            state[3, i], running,
        ) = _narrowed(
            state[0, i], state[1, i], state[2, i], values[0, i], values[1, i], values[2, i],
            state[3, i], _bounded(f[j]), xtol,
        )  # fmt: skip
        if running:
            active[count] = i
            count += 1
    return active[:count]


@kernel
def _narrowed(a, b, c, fa, fb, fc, x, fx, xtol):
    """Take f(x) into a bracket of Chandrupatla's method: the bracket, the next x, whether to go on.

    a and b enclose the root, a being the newer; c is the last that was given up.
    """
    if (fx < 0.0) == (fa < 0.0):
        c, fc = a, fa
    else:
        c, fc = b, fb
        b, fb = a, fa
    a, fa = x, fx
    best = a if abs(fa) < abs(fb) else b
    limit, width = xtol * (1.0 + abs(best)), abs(b - a)
    if fx == 0.0 or width <= 2.0 * limit:
        return a, b, c, fa, fb, fc, best, False
    step = 0.5
    xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
    if phi * phi < xi and (1.0 - phi) ** 2 < 1.0 - xi:
        step = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
    margin = min(limit / width, 0.5)
    return a, b, c, fa, fb, fc, a + min(max(step, margin), 1.0 - margin) * (b - a), True
