r"""Panels on which a density on disjoint bulks is a polynomial, placed by compiled code.

On the lower half of a bulk [a, b] of width L put :math:`x=a+Lu^2`, on the upper half
:math:`x=b-Lu^2`, :math:`0\le u\le 1/\sqrt2`.  Next to a regular edge the density is u times an
analytic function of u, next to a hard edge (a diverging 1/sqrt) 1/u times one.  That function is
interpolated at Chebyshev nodes on panels that are halved until its last coefficients vanish;
panels shrink geometrically towards a dip, a nearly closed gap or a lower edge decades below b.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from .. import READS
from ..kernel import kernel

FloatArray = NDArray[np.float64]

NODES = 16
"""Chebyshev nodes a panel."""

HALF, START, STOP, TAIL, FIRST = range(5)
"""Columns of a table of panels: half of a bulk, ends in u, size of the last coefficients, and from
`FIRST` on the coefficients."""

_FIRST_PANELS = 4  # that each half of a bulk is tried with first
_TAIL = 1e-12  # a panel is done when its last three coefficients are below this times the largest
_NOISE = 10.0  # ... or below this times the error that the solver reports for its nodes
_BLIND = 1e-10  # points closer to an edge than this, relative to x, are not asked for
_BLINDER = tuple(10.0**-n for n in range(9, 2, -1))  # ... or than this, where there is no answer
_MAX_DEPTH = 60
_MAX_PANELS = 4000  # of one size, and 16 a bulk: thousands of atoms leave ripples in one bulk
_MAX_ASKED = 1000  # of all sizes, and 100 a bulk, where the work is limited
_LOST = 2  # panels that a point without a density costs at least
_PATIENCE = 3  # halvings of a panel that holds a node without a density
_HALF = float(np.sqrt(0.5))
_NARROWEST = 64 * 2.220446049250313e-16  # of u: a panel with fewer floats than nodes tells nothing

CHEBYSHEV = np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)[::-1].copy()
"""Nodes on [−1, 1], ascending."""

FIT = np.linalg.inv(chebyshev.chebvander(CHEBYSHEV, NODES - 1))
"""Coefficients from values at the nodes."""


def panel_search(
    boundary: Callable[..., Any], compiled: bool = True, limited: bool = False
) -> Callable[..., Any]:
    """Make the search for the panels of one density.

    Parameters
    ----------
    boundary : (x, data) -> density, its relative error and the solver's status at ascending points
        inside the bulks; a kernel, or any function if the search is not to be compiled
    compiled : whether to compile it
    limited : whether the work is limited, for a density that takes long; panels that are not done
        by then stay as they are

    Returns
    -------
    (edges, hard, data, halves) -> a table of panels in order, see `HALF`, and the points with
        their status, (2, m), of the calls in which some failed; `hard` says of each bulk whether
        its lower edge is a hard one, `halves`, (bulks, 2), which are wanted: all by default
    """

    def search(edges, hard, data, halves=None):
        half, low, high = _first_panels(edges.shape[0])
        if halves is not None:
            wanted = halves.ravel()[half]
            half, low, high = half[wanted], low[wanted], high[wanted]
        table, failed = np.empty((0, FIRST + NODES)), np.empty((2, 0))
        asked = 0
        for depth in range(_MAX_DEPTH):
            asked += half.size
            order = _ascending(half)
            nodes = _nodes(edges, half, low, high, order, _BLIND)
            x, u = nodes[0], nodes[1]
            density, noise, status = boundary(x, data)
            failed = _noted(failed, x, status)
            # An edge next to a nearly hard one is known to fewer digits, and points within its
            # rounding have no density: that of a place a little farther inside is taken.
            for blind in _BLINDER:
                if _all_finite(density):
                    break
                farther = _nodes(edges, half, low, high, order, blind)
                moved = _moved(density, u, farther[1])
                if moved.size:
                    new = _taken(farther[0], moved)
                    asked += _LOST * moved.size
                    values, errors, status = boundary(new, data)
                    failed = _noted(failed, new, status)
                    _replace(moved, nodes, density, noise, farther, values, errors)
            last = depth == _MAX_DEPTH - 1 or half.size > _MAX_PANELS + 16 * edges.shape[0]
            last = last or (limited and asked > _MAX_ASKED + 100 * edges.shape[0])
            found, rough = _fitted(density, noise, order, nodes, hard, half, low, high, depth, last)
            table = _with_smooth(table, found, rough)
            half, low, high = _halved(half, low, high, rough)
            if half.size == 0:
                break
        return _sorted(table), failed

    return kernel(search) if compiled else search


@kernel
def _first_panels(bulks):
    count = 2 * bulks * _FIRST_PANELS
    half, low, high = np.empty(count, np.intp), np.empty(count), np.empty(count)
    for i in range(count):
        half[i] = i // _FIRST_PANELS
        low[i] = _HALF * (i % _FIRST_PANELS) / _FIRST_PANELS
        high[i] = _HALF * (i % _FIRST_PANELS + 1) / _FIRST_PANELS
    return half, low, high


@kernel
def _ascending(half):
    """Numbers of the panels in ascending order of x; upper halves run against u."""
    order = np.empty(half.size, np.intp)
    start = 0
    while start < half.size:
        stop = start
        while stop < half.size and half[stop] == half[start]:
            stop += 1
        for i in range(start, stop):
            order[i] = start + stop - 1 - i if half[start] % 2 else i
        start = stop
    return order


@kernel
def _nodes(edges, half, low, high, order, blind):
    """x and u of all nodes in ascending order, and the change of the density by an ulp of x."""
    rows = np.empty((3, half.size * NODES))
    for place in range(half.size):
        i = order[place]
        a, b = edges[half[i] // 2, 0], edges[half[i] // 2, 1]
        upper = half[i] % 2 == 1
        end, width = (b, a - b) if upper else (a, b - a)
        # Closer to an edge than rounding resolves, the smooth factor is that of a safe distance.
        safe = min(np.sqrt(blind * abs(end) / (b - a)), 0.5)
        for j in range(NODES):
            node = place * NODES + (NODES - 1 - j if upper else j)
            u = max(low[i] + 0.5 * (high[i] - low[i]) * (CHEBYSHEV[j] + 1.0), safe)
            rows[0, node], rows[1, node] = end + width * u**2, u
            # An ulp of x moves the density by ulp / (2 distance): the noise of a very thin bulk.
            rows[2, node] = 1.2e-16 * abs(rows[0, node]) / ((b - a) * u**2)
    return rows


@kernel
def _noted(failed, x, status):
    """The points of failed calls, with those of this call if any of them failed."""
    bad = False
    for i in range(status.size):
        bad = bad or status[i] != 0
    if not bad:
        return failed
    before = failed.shape[1]
    grown = np.empty((2, before + x.size))
    for i in range(before):
        grown[0, i], grown[1, i] = failed[0, i], failed[1, i]
    for i in range(x.size):
        grown[0, before + i], grown[1, before + i] = x[i], status[i]
    return grown


@kernel(**READS)
def _all_finite(values):
    finite = True
    for i in range(values.size):
        finite = finite and np.isfinite(values[i])
    return finite


@kernel
def _moved(density, u, farther):
    """Nodes that have no density and a place farther inside."""
    moved, count = np.empty(u.size, np.intp), 0
    for i in range(u.size):
        if not np.isfinite(density[i]) and farther[i] > u[i]:
            moved[count] = i
            count += 1
    return moved[:count]


@kernel
def _taken(values, index):
    taken = np.empty(index.size)
    for j in range(index.size):
        taken[j] = values[index[j]]
    return taken


@kernel(**READS)
def _replace(moved, nodes, density, noise, farther, values, errors):
    for j in range(moved.size):
        i = moved[j]
        for row in range(3):
            nodes[row, i] = farther[row, i]
        density[i], noise[i] = values[j], errors[j]


@kernel
def _fitted(density, noise, order, nodes, hard, half, low, high, depth, last):
    """The table of these panels, and which of them must be halved."""
    count = half.size
    table, rough = np.empty((count, FIRST + NODES)), np.empty(count, np.bool_)
    values = np.empty(NODES)
    for place in range(count):
        i = order[place]
        upper = half[i] % 2 == 1
        diverges, worst = hard[half[i] // 2] and not upper, 0.0
        for j in range(NODES):
            node = place * NODES + (NODES - 1 - j if upper else j)
            u = nodes[1, node]
            values[j] = density[node] * u if diverges else density[node] / u
            total = noise[node] + nodes[2, node]
            if total > worst or np.isnan(total):
                worst = total
        table[i, HALF], table[i, START], table[i, STOP] = half[i], low[i], high[i]
        for n in range(NODES):
            table[i, FIRST + n] = 0.0
            for j in range(NODES):
                table[i, FIRST + n] += FIT[n, j] * values[j]
        tail = _tail(table, i)
        table[i, TAIL] = tail
        lost = not np.isfinite(tail)  # no density at some node: halving cannot mend that for long
        rough[i] = not tail <= max(_TAIL, _NOISE * worst)
        rough[i] = rough[i] and not last and not (lost and depth >= _PATIENCE)
        rough[i] = rough[i] and high[i] - low[i] > _NARROWEST * high[i]
    return table, rough


@kernel(**READS)
def _tail(table, i):
    """Largest of the last three coefficients of a panel over the largest of all."""
    size = last = 0.0
    for n in range(NODES):
        c = abs(table[i, FIRST + n])
        if c > size or np.isnan(c):
            size = c
        if n >= NODES - 3 and (c > last or np.isnan(c)):
            last = c
    return last / size if size != 0.0 else 0.0


@kernel
def _with_smooth(table, found, rough):
    """The table with the panels that need not be halved."""
    count = table.shape[0]
    for i in range(rough.size):
        count += 0 if rough[i] else 1
    grown = np.empty((count, table.shape[1]))
    for i in range(table.shape[0]):
        for n in range(table.shape[1]):
            grown[i, n] = table[i, n]
    count = table.shape[0]
    for i in range(rough.size):
        if not rough[i]:
            for n in range(table.shape[1]):
                grown[count, n] = found[i, n]
            count += 1
    return grown


@kernel
def _halved(half, low, high, rough):
    """Both halves of every panel that needs it, in order."""
    count = 0
    for i in range(rough.size):
        count += 2 if rough[i] else 0
    halves, lower, upper = np.empty(count, np.intp), np.empty(count), np.empty(count)
    count = 0
    for i in range(rough.size):
        if rough[i]:
            middle = 0.5 * (low[i] + high[i])
            halves[count], lower[count], upper[count] = half[i], low[i], middle
            halves[count + 1], lower[count + 1], upper[count + 1] = half[i], middle, high[i]
            count += 2
    return halves, lower, upper


@kernel(**READS)
def _is_before(table, i, j):
    if table[i, HALF] != table[j, HALF]:
        return table[i, HALF] < table[j, HALF]
    return table[i, START] < table[j, START]


@kernel
def _sorted(table):
    """The panels by half and u; Shell's sort."""
    count = table.shape[0]
    order = np.empty(count, np.intp)
    for i in range(count):
        order[i] = i
    step = count // 2
    while step > 0:
        for i in range(step, count):
            moved, j = order[i], i
            while j >= step and _is_before(table, moved, order[j - step]):
                order[j] = order[j - step]
                j -= step
            order[j] = moved
        step //= 2
    result = np.empty(table.shape)
    for i in range(count):
        for n in range(table.shape[1]):
            result[i, n] = table[order[i], n]
    return result
