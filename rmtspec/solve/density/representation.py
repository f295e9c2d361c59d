r"""A density on disjoint bulks, from polynomials on the panels that `panels` has placed.

Density, distribution function and quantile cost a panel search and one polynomial.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from .. import READS
from ..kernel import kernel
from .panels import CHEBYSHEV, FIRST, FIT, HALF, NODES, START, STOP, TAIL, panel_search

FloatArray = NDArray[np.float64]

# Coefficients of ∫_{-1}^t T_j T_n, for j = 0, 1, 2, from 2 T_j T_n = T_{n+j} + T_{|n-j|}.
_OF_EACH = chebyshev.chebint(np.eye(NODES + 2), lbnd=-1.0, axis=1)
_INTEGRAL = np.array(
    [[0.5 * (_OF_EACH[n + j] + _OF_EACH[abs(n - j)]) for n in range(NODES)] for j in range(3)]
)

# Powers are quicker to sum than Chebyshev polynomials.  On [−1, 1] nothing is lost: that of degree
# n has powers of size 2.4^n, and the coefficients of a resolved panel fall to 1e-12 in 16 terms.
_POWERS = NODES + 4
_TO_POWERS = np.eye(_POWERS)
for _n in range(2, _POWERS):  # T_n = 2 t T_{n-1} - T_{n-2}
    _TO_POWERS[_n] = 2.0 * np.roll(_TO_POWERS[_n - 1], 1) - _TO_POWERS[_n - 2]

_MANY = 256  # points from which on the inverse polynomials are worth their making
_FITTED = 1e-6  # of the largest coefficient: steps of Newton's method square it
_EXACT = 1e-12  # the same next to an edge, where there are none
_GAUSS = np.array(np.polynomial.legendre.leggauss(NODES // 2 + 2))  # for u² times a density


@dataclass(frozen=True)
class Representation:
    """Piecewise polynomials for the density of every bulk, normalised to its exact mass.

    Attributes
    ----------
    edges : (k, 2) lower and upper ends
    masses : (k,) exact masses
    defect : (k,) integrated density minus exact mass, before the normalisation
    tail : (k,) relative size of the last coefficients of the worst panel
    """

    edges: FloatArray
    masses: FloatArray
    hard: NDArray[np.bool_]
    first: NDArray[np.intp]
    low: FloatArray
    high: FloatArray
    coefficients: FloatArray
    density_powers: FloatArray
    mass_powers: FloatArray
    before: FloatArray
    defect: FloatArray
    tail: FloatArray

    def density(self, x: FloatArray) -> FloatArray:
        """Density at flat points, 0 outside the bulks; NaN in a bulk that was not resolved."""
        return _density(
            x, self.edges, self.hard, self.first, self.low, self.high, self.density_powers
        )

    def mass_below(self, x: FloatArray) -> FloatArray:
        """Mass of the bulks on (-inf, x] at flat points."""
        return _mass_below(
            x, self.edges, self.masses, self.first, self.low, self.high,
            self.mass_powers, self.before,
        )  # fmt: skip

    def locate(self, bulk: NDArray[np.intp], mass: FloatArray) -> FloatArray:
        """Point of a bulk below which it has the given mass; the mass itself for bulk −1."""
        if mass.size >= _MANY:
            return _locate_quickly(bulk, mass, self._tables, *self._inverse)
        return _locate(bulk, mass, self._tables)

    @cached_property
    def _inverse(self) -> tuple[FloatArray, FloatArray]:
        ends, powers = _inverted(self._tables)
        return ends, powers

    @property
    def _tables(self) -> tuple[NDArray[Any], ...]:
        """What kernels invert the mass with."""
        return (
            self.edges, self.masses, self.hard, self.first, self.low, self.high,
            self.density_powers, self.mass_powers, self.before,
        )  # fmt: skip

    def quadrature(self, order: int) -> tuple[FloatArray, FloatArray]:
        """Nodes x and weights w with Σ w f(x) = ∫ f dρ over all bulks; `order` points a panel."""
        t, w = np.polynomial.legendre.leggauss(order)
        u = 0.5 * (self.high - self.low)[:, None] * (t + 1.0) + self.low[:, None]
        half = np.repeat(np.arange(self.first.size - 1), np.diff(self.first))
        bulk, upper = half // 2, half % 2 == 1
        width = (self.edges[:, 1] - self.edges[:, 0])[bulk]
        x = np.where(upper, self.edges[bulk, 1], self.edges[bulk, 0])[:, None] + np.where(
            upper, -width, width
        )[:, None] * (u * u)
        shape = self.coefficients @ chebyshev.chebvander(t, NODES - 1).T
        factor = np.where((self.hard[bulk] & ~upper)[:, None], 1.0, u * u)
        weights = shape * factor * w * (width * (self.high - self.low))[:, None]
        return x.ravel(), weights.ravel()


def represent(
    table: FloatArray, edges: FloatArray, masses: FloatArray, hard: NDArray[np.bool_]
) -> Representation:
    """Integrate a density that was sampled on panels, and give every bulk its exact mass.

    Parameters
    ----------
    table : panels, as `panels.panel_search` finds them
    edges : (k, 2)
    masses : (k,)
    hard : (k,) whether the lower edge of a bulk is a hard one
    """
    return Representation(edges, masses, hard, *assembled(table, edges, masses, hard))


search_python: Callable[..., tuple[FloatArray, FloatArray]] = panel_search(
    lambda x, boundary: boundary(x), compiled=False, limited=True
)
"""The search for panels of a density that Python computes, which is the data."""


@kernel
def assembled(table, edges, masses, hard):
    """Fields of `Representation` after the third."""
    panels, bulks = table.shape[0], edges.shape[0]
    first = np.empty(2 * bulks + 1, np.intp)
    for side in range(2 * bulks + 1):
        first[side] = 0
    low, high = np.empty(panels), np.empty(panels)
    coefficients, mass = np.empty((panels, NODES)), np.zeros((panels, NODES + 3))
    total, before = np.zeros(panels), np.zeros(panels)
    found, worst = np.zeros(bulks), np.zeros(bulks)
    for i in range(panels):
        half = np.intp(table[i, HALF])
        bulk, upper = half // 2, half % 2 == 1
        first[half + 1] = i + 1
        low[i], high[i] = table[i, START], table[i, STOP]
        width = edges[bulk, 1] - edges[bulk, 0]
        middle, radius = 0.5 * (low[i] + high[i]), 0.5 * (high[i] - low[i])
        # dm = 2 L s u² du (soft) or 2 L s du (hard), u = middle + radius t
        zeroth, linear, square = middle**2 + 0.5 * radius**2, 2.0 * middle * radius, 0.5 * radius**2
        if hard[bulk] and not upper:
            zeroth, linear, square = 1.0, 0.0, 0.0
        for n in range(NODES):
            c = table[i, FIRST + n]
            coefficients[i, n] = c
            for m in range(NODES + 3):
                mass[i, m] += (2.0 * width * radius * c) * (
                    zeroth * _INTEGRAL[0, n, m]
                    + linear * _INTEGRAL[1, n, m]
                    + square * _INTEGRAL[2, n, m]
                )
        for m in range(NODES + 3):
            total[i] += mass[i, m]  # every Chebyshev polynomial is 1 at t = 1
        found[bulk] += total[i]
        if table[i, TAIL] > worst[bulk] or np.isnan(table[i, TAIL]):
            worst[bulk] = table[i, TAIL]
    for side in range(2 * bulks):
        first[side + 1] = max(first[side + 1], first[side])
    defect = np.empty(bulks)
    for number in range(bulks):
        defect[number] = found[number] - masses[number]
    for side in range(2 * bulks):
        owner, running = side // 2, 0.0
        scale = masses[owner] / found[owner] if found[owner] > 0.0 else np.nan
        for i in range(first[side], first[side + 1]):
            for n in range(NODES):
                coefficients[i, n] *= scale
            for m in range(NODES + 3):
                mass[i, m] *= scale
            before[i] = running
            running += total[i] * scale
    return (
        first, low, high, coefficients, _in_powers(coefficients), _in_powers(mass), before,
        defect, worst,
    )  # fmt: skip


@kernel
def _in_powers(coefficients):
    """Coefficients of powers of t, from those of Chebyshev polynomials."""
    powers = np.zeros((coefficients.shape[0], _POWERS))
    for i in range(powers.shape[0]):
        for n in range(coefficients.shape[1]):
            for m in range(n % 2, n + 1, 2):
                powers[i, m] += coefficients[i, n] * _TO_POWERS[n, m]
    return powers


@kernel(**READS, fastmath={"contract"})
def _polynomial(powers, panel, t):
    """Horner's rule for even and odd powers side by side; the fixed length lets it unroll."""
    square = t * t
    even, odd = powers[panel, _POWERS - 2], powers[panel, _POWERS - 1]
    for n in range(_POWERS - 4, -1, -2):
        even = even * square + powers[panel, n]
        odd = odd * square + powers[panel, n + 1]
    return even + t * odd


@kernel(**READS)
def _last_not_above(values, start, stop, x):
    """Largest i in [start, stop) with values[i] <= x, or start."""
    count = stop - start
    while count > 1:  # no branch here depends on x: half of them would be foreseen wrongly
        half = count // 2
        start += half if values[start + half] <= x else 0
        count -= half
    return start


@kernel(**READS)
def _segment(x, edges, first, low, high):
    """The panel that holds x: its ends, bulk, whether in the upper half, and number.

    Off the bulks the number of the bulk below is given, counted from −1, and the panel is −1.
    """
    bulk = _last_not_above(edges[:, 0], 0, edges.shape[0], x)
    a, b = edges[bulk, 0], edges[bulk, 1]
    if x < a:
        return -np.inf, a, -1, False, -1
    if not x < b:
        above = edges[bulk + 1, 0] if bulk + 1 < edges.shape[0] else np.inf
        return b, above, bulk, True, -1
    upper = x - a > b - x
    half = 2 * bulk + (1 if upper else 0)
    u = np.sqrt((b - x if upper else x - a) / (b - a))
    panel = _last_not_above(low, first[half], first[half + 1], u)
    start, stop = (b - a) * low[panel] ** 2, (b - a) * high[panel] ** 2
    if upper:
        return b - stop, b - start, bulk, True, panel
    return a + start, a + stop, bulk, False, panel


@kernel(**READS)
def _scales(edges, low, high, bulk, upper, panel):
    """The end e of a bulk, 1/L (negative at the upper end) and 2/(width of a panel in u)."""
    a, b = edges[bulk, 0], edges[bulk, 1]
    per_panel = 2.0 / (high[panel] - low[panel])
    return (b, -1.0 / (b - a), per_panel) if upper else (a, 1.0 / (b - a), per_panel)


@kernel
def _density(x, edges, hard, first, low, high, powers):
    result = np.zeros(x.size)
    left = right = np.nan
    for i in range(x.size if edges.shape[0] else 0):
        if not (left <= x[i] < right):  # points in order often share a panel
            left, right, bulk, upper, panel = _segment(x[i], edges, first, low, high)
            if panel >= 0:
                end, per_width, per_panel = _scales(edges, low, high, bulk, upper, panel)
                diverges = hard[bulk] and not upper
        if panel >= 0:
            u = np.sqrt((x[i] - end) * per_width)
            t = ((u - low[panel]) + (u - high[panel])) * (0.5 * per_panel)
            smooth = _polynomial(powers, panel, t)
            value = smooth / u if diverges else smooth * u
            result[i] = 0.0 if value < 0.0 else value
    return result


@kernel
def _mass_below(x, edges, masses, first, low, high, powers, before):
    result = np.zeros(x.size)
    below = np.zeros(edges.shape[0] + 1)
    for j in range(edges.shape[0]):
        below[j + 1] = below[j] + masses[j]
    left = right = np.nan
    for i in range(x.size if edges.shape[0] else 0):
        if not (left <= x[i] < right):
            left, right, bulk, upper, panel = _segment(x[i], edges, first, low, high)
            if panel >= 0:
                end, per_width, per_panel = _scales(edges, low, high, bulk, upper, panel)
        result[i] = below[bulk + 1]
        if panel >= 0:
            u = np.sqrt((x[i] - end) * per_width)
            t = ((u - low[panel]) + (u - high[panel])) * (0.5 * per_panel)
            part = before[panel] + _polynomial(powers, panel, t)
            if not np.isnan(part):
                part = min(max(part, 0.0), masses[bulk])
            result[i] = below[bulk + 1] - part if upper else below[bulk] + part
    return result


@kernel
def _locate(bulk, mass, tables):
    """Point of each bulk below which it has the given mass."""
    result = mass.copy()
    for i in range(mass.size):
        if bulk[i] >= 0:
            result[i] = locate(bulk[i], mass[i], tables)
    return result


@kernel(**READS)
def locate(bulk, mass, tables):
    """Invert the mass of a bulk: panel search, then Newton's method."""
    edges, masses, hard, first, low, high, densities, powers, before = tables
    a, b = edges[bulk, 0], edges[bulk, 1]
    half = 2 * bulk
    stop = first[half + 1] - 1
    if np.isnan(before[first[half]]):
        return np.nan
    lower_mass = before[stop] + _polynomial(powers, stop, 1.0)
    upper = mass > lower_mass
    target = mass
    if upper:
        half += 1
        target = masses[bulk] - mass
    if target <= 0.0:
        return b if upper else a
    panel = _last_not_above(before, first[half], first[half + 1], target)
    if low[panel] > 0.0:
        t = _place(powers, panel, target - before[panel])
        u = 0.5 * (low[panel] + high[panel] + t * (high[panel] - low[panel]))
    else:
        diverges = hard[bulk] and not upper
        u = _from_edge(target, b - a, high[panel], diverges, densities, powers, panel)
    return b - (b - a) * u * u if upper else a + (b - a) * u * u


@kernel(**READS)
def _place(powers, panel, target):
    """Place in a panel below which it has the given mass, by Newton's method inside a bracket."""
    left, right, t = -1.0, 1.0, 0.0
    for _ in range(80):
        f = _polynomial(powers, panel, t) - target
        if f > 0.0:
            right = t
        else:
            left = t
        slope = 0.0
        for n in range(_POWERS - 1, 0, -1):
            slope = slope * t + n * powers[panel, n]
        new = t - f / slope if slope > 0.0 else 2.0
        if not (left < new < right):
            new = 0.5 * (left + right)
        if abs(new - t) <= 1e-15 or right - left <= 1e-15:
            t = new
            break
        t = new
    return t


@kernel(**READS)
def _from_edge(target, width, high, diverges, densities, powers, panel):
    """u in the panel of an edge below which there is the given mass, by Newton's method.

    The mass is summed anew by Gauss's rule: flat at the edge, its polynomial has no digits there.
    """
    whole = _polynomial(powers, panel, 1.0)
    u = high * _root_of_mass(target / whole, False, diverges)
    for _ in range(50):
        mass = 0.0
        for j in range(_GAUSS.shape[1]):
            s = 0.5 * u * (_GAUSS[0, j] + 1.0)
            smooth = _polynomial(densities, panel, 2.0 * s / high - 1.0)
            mass += width * u * _GAUSS[1, j] * (smooth if diverges else smooth * s * s)
        smooth = _polynomial(densities, panel, 2.0 * u / high - 1.0)
        step = (mass - target) / (2.0 * width * (smooth if diverges else smooth * u * u))
        u = min(max(u - step, 0.5 * u), high)
        if not abs(step) > 1e-15 * u:
            break
    return u


@kernel
def _root_of_mass(mass, inside, diverges):
    """What u is a smooth function of: mass goes like u³ at a regular edge, like u at a hard one.

    Inside, where mass is far from 0, any root will do: that which takes the least time.
    """
    if inside:
        return np.sqrt(mass)
    return mass if diverges else np.cbrt(mass)


@kernel
def _inverted(tables):
    """Of every panel the ends in v, the root of mass, and the place in u in powers of that in v.

    Next to an edge it is u/v in place of the place.  Ends are NaN where this is no polynomial of
    this degree to `_FITTED` (`_EXACT` next to an edge).
    """
    edges, _, hard, first, low, high, densities, powers, before = tables
    ends, coefficients = np.full((2, low.size), np.nan), np.zeros((low.size, NODES))
    values = np.empty(NODES)
    for half in range(first.size - 1):
        bulk, upper = half // 2, half % 2 == 1
        diverges, width = hard[bulk] and not upper, edges[bulk, 1] - edges[bulk, 0]
        for i in range(first[half], first[half + 1]):
            mass, inside = _polynomial(powers, i, 1.0), low[i] > 0.0
            if not mass > 0.0:
                continue
            start = _root_of_mass(before[i], inside, diverges)
            stop = _root_of_mass(before[i] + mass, inside, diverges)
            for j in range(NODES):
                v = start + 0.5 * (stop - start) * (CHEBYSHEV[j] + 1.0)
                if inside:
                    values[j] = _place(powers, i, v * v - before[i])
                else:
                    target = v if diverges else v * v * v
                    u = _from_edge(target, width, high[i], diverges, densities, powers, i)
                    values[j] = u / v
            largest = last = 0.0
            for n in range(NODES):
                c = 0.0
                for j in range(NODES):
                    c += FIT[n, j] * values[j]
                coefficients[i, n] = c
                largest = max(largest, abs(c))
                last = max(last, abs(c)) if n >= NODES - 3 else 0.0
            if last <= (_FITTED if inside else _EXACT) * largest:
                ends[0, i], ends[1, i] = start, stop
    return ends, _in_powers(coefficients)


@kernel
def _locate_quickly(bulk, mass, tables, ends, inverse):
    """`_locate` by the inverse polynomials and a step or two of Newton's method."""
    edges, masses, hard, first, low, high, _, powers, before = tables
    result = mass.copy()
    middle = np.empty(masses.size)  # mass of the lower halves
    for index in range(masses.size):
        stop = first[2 * index + 1] - 1
        middle[index] = before[stop] + _polynomial(powers, stop, 1.0)
    for i in range(mass.size):
        index = bulk[i]
        if index < 0:
            continue
        upper = mass[i] > middle[index]
        half = 2 * index + (1 if upper else 0)
        target = masses[index] - mass[i] if upper else mass[i]
        panel = _last_not_above(before, first[half], first[half + 1], target)
        start, stop = ends[0, panel], ends[1, panel]
        if not target > 0.0 or np.isnan(start):
            result[i] = locate(index, mass[i], tables)
            continue
        inside = low[panel] > 0.0
        v = _root_of_mass(target, inside, hard[index] and not upper)
        t = _polynomial(inverse, panel, ((v - start) + (v - stop)) / (stop - start))
        if inside:
            for _ in range(2):
                value, slope = _with_slope(powers, panel, t)
                moved = (value - (target - before[panel])) / slope
                if not abs(moved) <= 1e-3:
                    break
                t -= moved
                if abs(moved) <= 1e-8:  # the next step is the square of this
                    break
            u = 0.5 * (low[panel] + high[panel]) + 0.5 * (high[panel] - low[panel]) * t
        else:  # the slope of the mass vanishes, and the polynomial is good as it is
            u = v * t
        a, b = edges[index, 0], edges[index, 1]
        result[i] = b - (b - a) * u * u if upper else a + (b - a) * u * u
    return result


@kernel(**READS, fastmath={"contract"})
def _with_slope(powers, panel, t):
    """A polynomial and its derivative, even and odd powers side by side."""
    square = t * t
    even, odd = powers[panel, _POWERS - 2], powers[panel, _POWERS - 1]
    even_slope = odd_slope = 0.0  # in the square
    for n in range(_POWERS - 4, -1, -2):
        even_slope, odd_slope = even_slope * square + even, odd_slope * square + odd
        even = even * square + powers[panel, n]
        odd = odd * square + powers[panel, n + 1]
    return even + t * odd, odd + 2.0 * t * (even_slope + t * odd_slope)
