r"""A binary tree of Gauss rules: atoms as Cauchy sums over them are seen from a distance.

All sums behind the laws here are :math:`\sum_jw_jf(\tau_j)` with f a polynomial of degree two at
most in :math:`1/(\eta+\tau)` and :math:`\tau/(\eta+\tau)`, at an η away from the −τ.  A *cell* is a
run of atoms in their order, from a to b, that holds beside them the 16-point Gauss rule of their
measure.  Seen from η, it is taken for its rule where b <= 2a and

.. math::  |\eta+a|+|\eta+b|\ge\zeta_0(b-a),\qquad\zeta_0=\tfrac12(\varrho+1/\varrho),\quad
           \varrho^{32}=4\cdot10^{18},

and opened into its two halves elsewhere, in the end into its atoms.  What is put together that way
is a measure like that of all atoms: positive, with the same mass and mean, and with those atoms
themselves that are next to η.  The equations hold for it as they do for any.

*Error.*  Gauss rules are exact to degree 31.  The polynomial of that degree that interpolates
:math:`f(\tau)=1/(\eta+\tau)` at the zeros of the Chebyshev polynomial :math:`T_{32}` of the cell
leaves :math:`f(\tau)T_{32}(s)/T_{32}(\zeta)`, where s and ζ are the places of τ and −η if the cell
is [−1, 1]: the remainder has the zeros and the pole of the right-hand side, and no other.  On the
cell :math:`|T_{32}|\le1`, and the condition says that ζ lies outside of the ellipse with foci ±1
and sum of half-axes ϱ, where :math:`|T_{32}|\ge\frac12(\varrho^{32}-\varrho^{-32})`.  Hence, both
measures being positive,

.. math::  \Big|\sum_\text{atoms}wf-\sum_\text{rule}wf\Big|
           \le\frac{\sum_\text{atoms}w|f|+\sum_\text{rule}w|f|}{2\cdot10^{18}}.

Its derivative in η bounds squares: they have at most 57 times this, half a unit of the last digit.
As :math:`\tau/(\eta+\tau)=1-\eta/(\eta+\tau)` with an exact 1, sums of these have
:math:`|\eta|/\tau` times the error of the others, and their squares its square times.  That ratio
is 2.6 at most where a cell with b <= 2a is just taken for its rule, two units of the last digit for
the squares; farther away :math:`T_{32}` grows like the 32nd power of the distance.

*Products.*  For two poles :math:`f=1/((\eta_1+\tau)(\eta_2+\tau))` is a divided difference, and so
is the remainder of its interpolation at the same zeros: with :math:`t_i=1/T_{32}(\zeta_i)`

.. math::  T_{32}(s)\Big[t_1f-\frac{t_1-t_2}{\eta_1-\eta_2}\frac1{\eta_2+\tau}\Big] .

Where both poles lie outside of the ellipse, a path between them that keeps out is at most π/2 times
as long as the straight one, so that the divided difference of t is at most π/2 times its largest
derivative: products of any two of the η lose at most π/2 times what squares do.

*Rounding.*  A node is stored as its distance from the atom a, and η + τ is formed as
:math:`((\mathrm{pole}+a)+\mathrm{distance})+\mathrm{offset}` at η = pole + offset: atoms that
differ by a part in 10⁹ lose nothing.  As b <= 2a, the rounding of a node is that of an atom.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..kernel import kernel
from .gauss import ORDER, gauss_rule

FloatArray = NDArray[np.float64]

LARGE = 2048
"""Atoms from which on sums go through cells."""

ZETA = 0.5 * (4e18 ** (0.5 / ORDER) + 4e18 ** (-0.5 / ORDER))

_LEAF = 48  # atoms at most of a cell that is not divided
_SPAN = 2.0  # of b over a, of a cell that is taken for its rule

ATOM, DISTANCE, WEIGHT = range(3)
"""Rows of a table of cells: the first atom of a cell, what a node lies above it, its weight."""


def seen_through_cells(atoms: FloatArray, weights: FloatArray) -> FloatArray:
    """What kernels take for the atoms: these themselves if few, a table of their cells if many.

    Parameters
    ----------
    atoms, weights : (n,) positive, the atoms ascending

    Returns
    -------
    atoms, or (3, n + 16 (2 · 2^l − 1)) rows `ATOM`, `DISTANCE` and `WEIGHT`: atoms first, then the
    rules of the cells, those of level l − 1 before those of level l, a cell before its neighbour
    """
    if atoms.size < LARGE:
        return atoms
    table: FloatArray = cell_table(atoms, weights)
    return table


@kernel
def levels(count):
    """How often the whole is halved."""
    level = 0
    while (count >> level) >= _LEAF:
        level += 1
    return level


@kernel
def cell_table(atoms, weights):
    """Rows `ATOM`, `DISTANCE`, `WEIGHT` of `seen_through_cells`, whatever the number of atoms."""
    count = atoms.size
    deepest = levels(count)
    table = np.zeros((3, count + ORDER * ((2 << deepest) - 1)))
    for j in range(count):
        table[ATOM, j], table[WEIGHT, j] = atoms[j], weights[j]
    points, masses = np.empty(max(_LEAF, 2 * ORDER) + 1), np.empty(max(_LEAF, 2 * ORDER) + 1)
    nodes, shares = np.empty(ORDER), np.empty(ORDER)
    for level in range(deepest, -1, -1):
        for i in range(1 << level):
            start, stop = (i * count) >> level, ((i + 1) * count) >> level
            if level == deepest:
                size, mass = _members(table, start, stop, points, masses)
            else:
                below = count + ORDER * ((2 << level) - 1 + 2 * i)
                size, mass = _members(table, below, below + 2 * ORDER, points, masses)
            half = 0.5 * (atoms[stop - 1] - atoms[start])
            for j in range(size):
                points[j], masses[j] = points[j] / half - 1.0, masses[j] / mass
            gauss_rule(points, masses, size, nodes, shares)
            place = count + ORDER * ((1 << level) - 1 + i)
            for k in range(ORDER):
                table[ATOM, place + k] = atoms[start]
                table[DISTANCE, place + k] = half * (nodes[k] + 1.0)
                table[WEIGHT, place + k] = mass * shares[k]
    return table


@kernel
def _members(table, start, stop, points, masses):
    """Places above the first atom and weights of the columns of a table that have a weight."""
    size, mass = 0, 0.0
    for j in range(start, stop):
        if table[WEIGHT, j] > 0.0:
            points[size] = (table[ATOM, j] - table[ATOM, start]) + table[DISTANCE, j]
            masses[size] = table[WEIGHT, j]
            mass += masses[size]
            size += 1
    return size, mass


@kernel
def nearby(atoms, weights, low, high, height):
    """Atoms and weights for sums at any η with Re η in [low, high] and |Im η| >= height.

    `atoms` are what `seen_through_cells` made of them; where these are the atoms themselves they
    are returned, else rows `ATOM` and `DISTANCE` of what stands for them, cell by cell from the
    left.
    """
    if atoms.ndim == 1:
        return atoms, weights
    return _seen_from(atoms, weights, np.array([[low, high, height]]))


@kernel
def nearby_all(atoms, weights, eta):
    """The same for sums at all η of an array, and for products of any two of them."""
    if atoms.ndim == 1:
        return atoms, weights
    return _seen_from(atoms, weights, np.column_stack((eta.real, eta.real, np.abs(eta.imag))))


@kernel
def _seen_from(atoms, weights, views):
    """`nearby` of all rows low, high and height of the views."""
    count = weights.size
    deepest = levels(count)
    taken, stack = np.empty(2 << deepest, np.intp), np.empty(deepest + 2, np.intp)
    cells, total, depth = 0, 0, 1
    stack[0] = 1  # cells count from 1: those below cell i are 2i and 2i + 1
    level = 0
    while depth > 0:
        depth -= 1
        cell = stack[depth]
        while (1 << level) > cell:
            level -= 1
        while (2 << level) <= cell:
            level += 1
        i = cell - (1 << level)
        start, stop = (i * count) >> level, ((i + 1) * count) >> level
        if _is_far(atoms[ATOM, start], atoms[ATOM, stop - 1], views):
            taken[cells] = cell
            total += ORDER
            cells += 1
        elif level == deepest:
            taken[cells] = -cell
            total += stop - start
            cells += 1
        else:
            stack[depth], stack[depth + 1] = 2 * cell + 1, 2 * cell
            depth += 2
    return _collected(atoms, taken[:cells], total, count, deepest)


@kernel
def _is_far(a, b, views):
    """Whether the cell [a, b] is far enough from all η of the views; the nearest one decides."""
    if b > _SPAN * a:
        return False
    for i in range(len(views)):
        low, high, height = views[i, 0], views[i, 1], views[i, 2]
        x = min(max(-0.5 * (a + b), low), high)
        if height > 0.0:
            apart = np.sqrt((x + a) ** 2 + height**2) + np.sqrt((x + b) ** 2 + height**2)
        else:
            apart = abs(x + a) + abs(x + b)
        if not apart >= ZETA * (b - a):
            return False
    return True


@kernel
def _collected(atoms, taken, total, count, deepest):
    """The columns of the cells taken, and the atoms of those numbered below 0."""
    places, weights, size = np.empty((2, total)), np.empty(total), 0
    for cell in taken:
        if cell > 0:
            start = count + ORDER * (cell - 1)
            stop = start + ORDER
        else:
            i = -cell - (1 << deepest)
            start, stop = (i * count) >> deepest, ((i + 1) * count) >> deepest
        for j in range(start, stop):
            places[ATOM, size], places[DISTANCE, size] = atoms[ATOM, j], atoms[DISTANCE, j]
            weights[size] = atoms[WEIGHT, j]
            size += 1
    return places, weights


@kernel
def atom(atoms, j):
    """One of the atoms, or of what stands for them."""
    if atoms.ndim == 1:
        return atoms[j]
    return atoms[ATOM, j] + atoms[DISTANCE, j]


@kernel
def first_atoms(atoms, weights):
    """The atoms behind what `seen_through_cells` made of them."""
    if atoms.ndim == 1:
        return atoms
    return atoms[ATOM, : weights.size]


@kernel
def from_pole(pole, atoms, j, tau, offset):
    """η + τ at η = pole + offset, in the order that is exact next to the pole; τ = atom(atoms, j).

    Reading an atom twice would keep the compiler from the order of sums that it has otherwise.
    """
    if atoms.ndim == 1:
        return (pole + tau) + offset
    return ((pole + atoms[ATOM, j]) + atoms[DISTANCE, j]) + offset
