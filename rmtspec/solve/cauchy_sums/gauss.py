"""Gauss quadrature of a discrete measure: few nodes with the moments of many points."""

from __future__ import annotations

import numpy as np

from ..kernel import kernel

ORDER = 16
"""Nodes of a rule: moments up to degree 31 are those of the points."""

_EPS = 2.220446049250313e-16
_SWEEPS = 60  # of the QL iteration for one eigenvalue, which takes two


@kernel
def gauss_rule(points, masses, count, nodes, weights):
    """Write the Gauss rule of the first `count` points of [−1, 1], of total mass 1.

    Where there are no more points than nodes the rule is the points; the nodes that are left have
    weight 0.

    Notes
    -----
    The recurrence of the orthogonal polynomials comes from adding the points one by one by plane
    rotations (Gragg and Harwood, Numer. Math. 44, 1984), which keeps its accuracy where that of
    the moments is lost; nodes are the eigenvalues of the Jacobi matrix, weights the squared first
    entries of its eigenvectors (Golub and Welsch, Math. Comp. 23, 1969).
    """
    size = min(count, ORDER)
    for k in range(ORDER):
        nodes[k], weights[k] = points[0], 0.0
    if count <= ORDER:
        for k in range(size):
            nodes[k], weights[k] = points[k], masses[k]
        return
    square = np.zeros(ORDER)  # of the entries beside the diagonal; the first is the mass
    for k in range(size):
        nodes[k] = points[k]
    square[0] = masses[0]
    for i in range(1, count):
        _add_point(nodes, square, points[i], masses[i], min(i + 1, size))
    for k in range(size):
        square[k] = np.sqrt(square[k])
        weights[k] = 0.0
    weights[0] = 1.0
    _ql(nodes, square, weights, size)
    for k in range(size):
        nodes[k] = min(max(nodes[k], -1.0), 1.0)
        weights[k] *= weights[k]


@kernel
def _add_point(diagonal, square, point, mass, size):
    """Take a point into the recurrence of a discrete measure."""
    left, cosine, sine, carried = mass, 1.0, 0.0, 0.0
    for k in range(size):
        rho, before = square[k] + left, sine
        kept = cosine * rho
        if rho <= 0.0:
            cosine, sine = 1.0, 0.0
        else:
            cosine, sine = square[k] / rho, left / rho
        new = sine * (diagonal[k] - point) - cosine * carried
        diagonal[k] -= new - carried
        carried = new
        left = before * square[k] if sine <= 0.0 else new * new / sine
        square[k] = kept


@kernel
def _ql(diagonal, beside, first, size):
    """Eigenvalues of a Jacobi matrix, and `first` times its eigenvectors; implicit QL.

    ``beside[k]`` stands between ``diagonal[k − 1]`` and ``diagonal[k]``; it is used up.
    """
    for k in range(1, size):
        beside[k - 1] = beside[k]
    beside[size - 1] = 0.0
    for low in range(size):
        for _ in range(_SWEEPS):
            end = low
            while end < size - 1:
                if abs(beside[end]) <= _EPS * (abs(diagonal[end]) + abs(diagonal[end + 1])):
                    break
                end += 1
            if end == low:
                break
            g = (diagonal[low + 1] - diagonal[low]) / (2.0 * beside[low])
            r = np.sqrt(g * g + 1.0)
            g = diagonal[end] - diagonal[low] + beside[low] / (g + (r if g >= 0.0 else -r))
            s = c = 1.0
            p = 0.0
            for i in range(end - 1, low - 1, -1):
                f, b = s * beside[i], c * beside[i]
                r = np.sqrt(f * f + g * g)
                beside[i + 1] = r
                if r == 0.0:
                    diagonal[i + 1] -= p
                    beside[end] = 0.0
                    break
                s, c = f / r, g / r
                g = diagonal[i + 1] - p
                r = (diagonal[i] - g) * s + 2.0 * c * b
                p = s * r
                diagonal[i + 1] = g + p
                g = c * r - b
                f = first[i + 1]
                first[i + 1] = s * first[i] + c * f
                first[i] = c * first[i] - s * f
            else:
                diagonal[low] -= p
                beside[low] = g
                beside[end] = 0.0
