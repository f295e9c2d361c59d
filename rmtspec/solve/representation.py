r"""A density on disjoint bulks as polynomials in the square root of the distance from an edge.

On the lower half of a bulk [a, b] of width L put :math:`x=a+Lu^2`, on the upper half
:math:`x=b-Lu^2`, :math:`0\le u\le 1/\sqrt2`.  Next to a regular edge the density is u times an
analytic function of u, next to a hard edge (a diverging 1/sqrt) 1/u times one.  That function is
interpolated at Chebyshev nodes on panels that are halved until its last coefficients vanish;
panels shrink geometrically towards a dip, a nearly closed gap or a lower edge decades below b.
Density, distribution function and quantile then cost a panel search and one polynomial.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from .kernel import kernel

FloatArray = NDArray[np.float64]

NODES = 16
"""Chebyshev nodes a panel."""

_FIRST = 4  # panels that each half of a bulk is tried with first
_TAIL = 1e-12  # a panel is done when its last three coefficients are below this times the largest
_NOISE = 10.0  # ... or below this times the error that the solver reports for its nodes
_BLIND = 1e-10  # points closer to an edge than this, relative to x, are not asked for
_BLINDER = tuple(10.0**-n for n in range(9, 2, -1))  # ... or than this, where there is no answer
_MAX_DEPTH = 60
_MAX_PANELS = 4000  # of one size, and 16 a bulk: thousands of atoms leave ripples in one bulk
_HALF = float(np.sqrt(0.5))

_T = np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)[::-1].copy()
_TO_COEFFICIENTS = np.linalg.inv(chebyshev.chebvander(_T, NODES - 1))

# Coefficients of ∫_{-1}^t T_j T_n, for j = 0, 1, 2.
_INTEGRAL = np.array(
    [
        [
            np.resize(
                np.append(
                    chebyshev.chebint(chebyshev.chebmul(np.eye(3)[j], np.eye(NODES)[n]), lbnd=-1.0),
                    np.zeros(NODES + 3),
                ),
                NODES + 3,
            )
            for n in range(NODES)
        ]
        for j in range(3)
    ]
)

# Powers are quicker to sum than Chebyshev polynomials.  On [−1, 1] nothing is lost: that of degree
# n has powers of size 2.4^n, and the coefficients of a resolved panel fall to 1e-12 in 16 terms.
_POWERS = NODES + 4
_TO_POWERS = np.array(
    [
        np.pad(chebyshev.cheb2poly(row[: n + 1]), (0, _POWERS - 1 - n))
        for n, row in enumerate(np.eye(_POWERS))
    ]
)

BoundaryDensity = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Density and its relative error at real points inside the bulks."""


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
        """Point of the given bulk below which it has the given mass."""
        return _locate(
            bulk, mass, self.edges, self.masses, self.first, self.low, self.high,
            self.mass_powers, self.before,
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
    boundary: BoundaryDensity, edges: FloatArray, masses: FloatArray, hard: NDArray[np.bool_]
) -> Representation:
    """Sample the density until every panel is resolved.

    Parameters
    ----------
    boundary : density and relative error at ascending flat points inside the bulks
    edges : (k, 2)
    masses : (k,)
    hard : (k,) whether the lower edge of a bulk is a hard one
    """
    half = np.repeat(np.arange(2 * len(edges)), _FIRST)
    ends = np.linspace(0.0, _HALF, _FIRST + 1)
    low, high = np.tile(ends[:-1], 2 * len(edges)), np.tile(ends[1:], 2 * len(edges))
    done: list[tuple[NDArray[np.intp], FloatArray, FloatArray, FloatArray, FloatArray]] = []
    for depth in range(_MAX_DEPTH):
        coefficients, noise = _sample(boundary, edges, hard, half, low, high)
        tail = _tails(coefficients)
        rough = ~(tail <= np.maximum(_TAIL, _NOISE * noise))
        lost = ~np.isfinite(tail)  # no density at some node: halving cannot mend that for long
        rough &= ~(lost & (depth >= 3))
        if depth == _MAX_DEPTH - 1 or rough.size > _MAX_PANELS + 16 * len(edges):
            rough[:] = False
        smooth = ~rough
        done.append((half[smooth], low[smooth], high[smooth], coefficients[smooth], tail[smooth]))
        if not rough.any():
            break
        half, low, high = (np.repeat(ends[rough], 2) for ends in (half, low, high))
        low[1::2] = high[::2] = 0.5 * (low[::2] + high[::2])
    panels = (np.concatenate(part) for part in zip(*done, strict=True))
    return _assemble(edges, masses, hard, *panels)


def _sample(
    boundary: BoundaryDensity,
    edges: FloatArray,
    hard: NDArray[np.bool_],
    half: NDArray[np.intp],
    low: FloatArray,
    high: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Chebyshev coefficients of the smooth factor on every panel, and the noise of its nodes.

    An edge next to a nearly hard one is known to fewer digits, and points within its rounding have
    no density.  There the smooth factor is that of a place a little farther inside.
    """
    nodes = _nodes(edges, half, low, high, _BLIND)
    order = np.argsort(nodes[0], axis=None)
    density, noise = boundary(nodes[0].ravel()[order])
    for blind in _BLINDER:
        lost = ~np.isfinite(density)
        if not lost.any():
            break
        farther = _nodes(edges, half, low, high, blind)
        moved = order[lost & (farther[1].ravel()[order] > nodes[1].ravel()[order])]
        if moved.size:
            moved = moved[np.argsort(farther[0].ravel()[moved])]
            for new, old in zip(farther, nodes, strict=True):
                old.ravel()[moved] = new.ravel()[moved]
            place = np.argsort(order)[moved]
            density[place], noise[place] = boundary(nodes[0].ravel()[moved])
    _, u, spacing = nodes
    values, worst = _smooth_factor(density, noise, order, u, spacing, hard, half)
    return values @ _TO_COEFFICIENTS.T, worst


@kernel
def _tails(coefficients):
    """Largest of the last three coefficients of every panel over the largest of all."""
    tail = np.empty(coefficients.shape[0])
    for i in range(tail.size):
        size = last = 0.0
        for n in range(NODES):
            c = abs(coefficients[i, n])
            if c > size or np.isnan(c):
                size = c
            if n >= NODES - 3 and (c > last or np.isnan(c)):
                last = c
        tail[i] = last / size if size != 0.0 else 0.0
    return tail


@kernel
def _nodes(edges, half, low, high, blind):
    """x and u of the nodes of every panel, and the change of the density by an ulp of x."""
    rows = np.empty((3, half.size, NODES))
    x, u, spacing = rows
    for i in range(half.size):
        a, b = edges[half[i] // 2, 0], edges[half[i] // 2, 1]
        end, width = (b, a - b) if half[i] % 2 else (a, b - a)
        # Closer to an edge than rounding resolves, the smooth factor is that of a safe distance.
        safe = min(np.sqrt(blind * abs(end) / (b - a)), 0.5)
        for j in range(NODES):
            u[i, j] = max(low[i] + 0.5 * (high[i] - low[i]) * (_T[j] + 1.0), safe)
            x[i, j] = end + width * u[i, j] ** 2
            # An ulp of x moves the density by ulp / (2 distance): the noise of a very thin bulk.
            spacing[i, j] = 1.2e-16 * abs(x[i, j]) / ((b - a) * u[i, j] ** 2)
    return rows


@kernel
def _smooth_factor(density, noise, order, u, spacing, hard, half):
    """Density at the nodes without its behaviour at the edge, and the worst noise of a panel."""
    values, worst = np.empty(u.shape), np.zeros(half.size)
    for i in range(order.size):
        panel, node = order[i] // NODES, order[i] % NODES
        at, diverges = u[panel, node], hard[half[panel] // 2] and half[panel] % 2 == 0
        values[panel, node] = density[i] * at if diverges else density[i] / at
        total = noise[i] + spacing[panel, node]
        if total > worst[panel] or np.isnan(total):
            worst[panel] = total
    return values, worst


def _assemble(
    edges: FloatArray,
    masses: FloatArray,
    hard: NDArray[np.bool_],
    half: NDArray[np.intp],
    low: FloatArray,
    high: FloatArray,
    coefficients: FloatArray,
    tail: FloatArray,
) -> Representation:
    order = np.lexsort((low, half))
    half, low, high = half[order], low[order], high[order]
    coefficients, tail = coefficients[order], tail[order]
    bulk, upper = half // 2, half % 2 == 1
    first = np.searchsorted(half, np.arange(2 * len(edges) + 1))
    width = (edges[:, 1] - edges[:, 0])[bulk]
    middle, radius = 0.5 * (low + high), 0.5 * (high - low)
    soft = ~(hard[bulk] & ~upper)
    # dm = 2 L s u² du (soft) or 2 L s du (hard), u = middle + radius t
    integral = np.where(soft, middle**2 + 0.5 * radius**2, 1.0)[:, None] * (
        coefficients @ _INTEGRAL[0]
    )
    integral += np.where(soft, 2.0 * middle * radius, 0.0)[:, None] * (coefficients @ _INTEGRAL[1])
    integral += np.where(soft, 0.5 * radius**2, 0.0)[:, None] * (coefficients @ _INTEGRAL[2])
    mass = (2.0 * width * radius)[:, None] * integral
    total = mass.sum(axis=1)  # every Chebyshev polynomial is 1 at t = 1
    found = np.bincount(bulk, weights=total, minlength=len(edges))
    scale = np.where(found > 0.0, masses / np.where(found > 0.0, found, 1.0), np.nan)[bulk]
    mass *= scale[:, None]
    running = np.cumsum(total * scale)
    start = first[half]
    before = running - total * scale - np.where(start > 0, running[start - 1], 0.0)
    worst = np.zeros(len(edges))
    with np.errstate(invalid="ignore"):  # NaN where the solver found no density
        np.maximum.at(worst, bulk, tail)
    coefficients *= scale[:, None]
    return Representation(
        edges, masses, hard, first, low, high, coefficients, coefficients @ _TO_POWERS[:NODES],
        mass @ _TO_POWERS[: NODES + 3], before, found - masses, worst,
    )  # fmt: skip


@kernel(fastmath={"contract"})
def _polynomial(powers, panel, t):
    """Horner's rule for even and odd powers side by side; the fixed length lets it unroll."""
    square = t * t
    even, odd = powers[panel, _POWERS - 2], powers[panel, _POWERS - 1]
    for n in range(_POWERS - 4, -1, -2):
        even = even * square + powers[panel, n]
        odd = odd * square + powers[panel, n + 1]
    return even + t * odd


@kernel
def _last_not_above(values, start, stop, x):
    """Largest i in [start, stop) with values[i] <= x, or start."""
    while stop - start > 1:
        middle = (start + stop) // 2
        if values[middle] <= x:
            start = middle
        else:
            stop = middle
    return start


@kernel
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


@kernel
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
def _locate(bulk, mass, edges, masses, first, low, high, powers, before):
    """Invert the mass of a bulk: panel search, then Newton kept inside a shrinking bracket."""
    result = np.empty(mass.size)
    for i in range(mass.size):
        index = bulk[i]
        a, b = edges[index, 0], edges[index, 1]
        half = 2 * index
        stop = first[half + 1] - 1
        if np.isnan(before[first[half]]):
            result[i] = np.nan
            continue
        lower_mass = before[stop] + _polynomial(powers, stop, 1.0)
        upper = mass[i] > lower_mass
        target = mass[i]
        if upper:
            half += 1
            target = masses[index] - mass[i]
        panel = _last_not_above(before, first[half], first[half + 1], target)
        target -= before[panel]
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
        u = 0.5 * (low[panel] + high[panel] + t * (high[panel] - low[panel]))
        result[i] = b - (b - a) * u * u if upper else a + (b - a) * u * u
    return result
