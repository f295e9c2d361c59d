r"""Fraction of the spectrum below a point, from the solution at that point alone.

The equations are stationary for a free energy F with :math:`d\mathcal F/dz=-q`, so that
:math:`N(x)=-\mathrm{Im}\mathcal F(x+i0)/\pi` needs no integral:

.. math::
    \pi N=\sum_\tau\pi_\tau\arg g_\tau-\frac{\psi_n}{\psi_p}\sum_y\pi_y\arg\det D_y
    -\frac1{\psi_p}\int\!\rho\,\Big[\arg\det(\Theta^{-1}+Q)-\sum_{y:\lambda_y>0}\arg\det D_y\Big]
    -\mathrm{Im}\Big[\frac{\psi_n}{\psi_p}\sum_y\pi_y\mathrm{Tr}D_y^{-1}
    +\frac1{\psi_p}\int\!\rho\,\mathrm{Tr}L\Big],

the blocks of :math:`\lambda_y=0` left out of :math:`\Theta^{-1}`.  All these matrices are symmetric
with an imaginary part that is not negative; so are their Schur complements, and the argument of the
determinant is the sum of the arguments in [0, π] of the pivots.  In a gap they are 0 or π: N is a
sum of fixed fractions, and two points lie in the same gap if and only if N agrees.
"""

from __future__ import annotations

import numpy as np

from ....solve.kernel import kernel
from .equations import dress
from .small_matrices import reciprocal

_PIVOT = 0.6403882032022076  # (1 + √17)/8: a diagonal pivot must be this large (Bunch, Parlett)


@kernel
def _argument(x):
    """Argument in [0, π]; a negative imaginary part is rounding."""
    if x.imag > 0.0:
        return np.arctan2(x.imag, x.real)
    return 0.0 if x.real > 0.0 else np.pi


@kernel
def _swap(a, i, j):
    """Exchange rows and columns i and j."""
    if i != j:
        for k in range(a.shape[0]):
            a[i, k], a[j, k] = a[j, k], a[i, k]
        for k in range(a.shape[0]):
            a[k, i], a[k, j] = a[k, j], a[k, i]


@kernel
def _argument_of_determinant(a):
    """Sum of the arguments of the pivots of a symmetric matrix, which is overwritten."""
    n = a.shape[0]
    total, i = 0.0, 0
    while i < n:
        diagonal, off, place, row, column = -1.0, -1.0, i, i, i
        for j in range(i, n):
            if abs(a[j, j]) > diagonal:
                diagonal, place = abs(a[j, j]), j
            for k in range(i, j):
                if abs(a[j, k]) > off:
                    off, row, column = abs(a[j, k]), j, k
        if diagonal >= _PIVOT * off:
            _swap(a, i, place)
            total += _argument(a[i, i])
            if diagonal > 0.0:
                for j in range(i + 1, n):
                    factor = a[j, i] * np.conj(a[i, i]) * (1.0 / diagonal) * (1.0 / diagonal)
                    for k in range(i + 1, n):
                        a[j, k] -= factor * a[i, k]
            i += 1
            continue
        _swap(a, i, column)
        _swap(a, i + 1, row)
        p, q, r = a[i, i], a[i + 1, i], a[i + 1, i + 1]
        middle, half = 0.5 * (p + r), 0.5 * (p - r)
        root = np.sqrt(half * half + q * q)
        total += _argument(middle + root) + _argument(middle - root)
        determinant = p * r - q * q
        inverse = np.conj(determinant) * (1.0 / abs(determinant)) * (1.0 / abs(determinant))
        for j in range(i + 2, n):
            first = (a[j, i] * r - a[j, i + 1] * q) * inverse
            second = (a[j, i + 1] * p - a[j, i] * q) * inverse
            for k in range(i + 2, n):
                a[j, k] -= first * a[i, k] + second * a[i + 1, k]
        i += 2
    return total


@kernel
def _turn_of_sum(parts, d, q, j):
    """Argument of det(Θ⁻¹ + Q) for eigenvalue j, the blocks of λ_y = 0 left out."""
    classes, r = d.shape[0], d.shape[1]
    kept = np.empty(q.shape[0], np.intp)
    size = 0
    for a in range(q.shape[0]):
        if a // r >= classes or parts.levels[j, a // r] > 0.0:
            kept[size] = a
            size += 1
    matrix = np.empty((size, size), dtype=np.complex128)
    scale = np.empty(size)
    for row in range(size):
        a, largest = kept[row], 0.0
        y = a // r
        for column in range(size):
            b = kept[column]
            x = q[a, b]
            if y < classes and b // r == y:
                share = parts.classes[y] * parts.levels[j, y]
                x += d[y, a - y * r, b - y * r] * (1.0 / share)
            elif a == b:
                x += 1.0
            matrix[row, column] = x
            largest = max(largest, abs(x))
        scale[row] = 1.0 / np.sqrt(largest) if largest > 0.0 else 1.0
    for a in range(size):
        for b in range(size):
            matrix[a, b] *= scale[a] * scale[b]
    return _argument_of_determinant(matrix)


@kernel(short_loops=True)
def fractions_below(parts, g, d):
    """N at solutions g (n, N) and d (n, Y, r, r) on the real axis."""
    found = np.empty(g.shape[0])
    classes, r = d.shape[1], d.shape[2]
    for i in range(g.shape[0]):
        dressed = dress(parts, g[i], d[i])
        dinv, low, extra = dressed[0], dressed[2], dressed[6]
        order, rest, pivots = extra[0], extra[1], extra[4]
        total = 0.0
        for tau in range(parts.weights.size):
            total += parts.weights[tau] * _argument(g[i, tau])
        turns = np.empty(classes)
        for y in range(classes):
            turns[y] = _argument_of_determinant(d[i, y].copy())
            part = turns[y]
            for a in range(r):
                part += dinv[y, a, a].imag
            total -= parts.psi_n / parts.psi_p * parts.classes[y] * part
        for j in range(parts.shares.size):
            part = 0.0
            for a in range(low.shape[1]):
                part += low[j, a, a].imag
            if order.size < parts.weights.size:
                part += _turn_of_sum(parts, d[i], rest, j)
                for y in range(classes):
                    if parts.levels[j, y] > 0.0:
                        part -= turns[y]
            for k in order:
                # Adding Guuᵀ turns the determinant by arg G + arg(1/G + α), where the imaginary
                # part of the latter is not positive.
                added = np.conj(pivots[j, k] * reciprocal(g[i, k]))
                part += _argument(g[i, k]) - _argument(added)
            total -= parts.shares[j] / parts.psi_p * part
        found[i] = total / np.pi
    return found
