"""The equations of the random-feature ensemble once more, in extended precision.

They judge a solver's answer (k, y) without any of its code. With g_l = k + b^2 + c^2 y l,
S_j = int l^j d rho/g_l and zeta = z - s^2, the solved equations are (arXiv 2505.17638, Theorem 3.1)

    F1 = v^2 y - (psi_p - 1) k - k^2 S_0 - zeta = 0,
    F2 = psi_n (1/y - 1) - v^2/k - c^2 S_1 = 0,

and their combination F1 + k y F2 = (1 + psi_n - psi_p) k - k (psi_n y + k S_0 + c^2 y S_1) - zeta,
which keeps its meaning where k -> 0. Given the data there is one equation, with u = v^2/psi_n and a
2 x 2 block of trace T = c^2 l + b^2 + u and determinant b^2 u for every eigenvalue l of X X^T/n,

    F = -psi_p k + int k (k T + 2 b^2 u)/(k^2 + k T + b^2 u) d rho + (psi_n - 1) k u/(k + u) - zeta,

and y = k/(k + u). Each is divided by the sum of the sizes of its terms.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Extended = np.ndarray[Any, np.dtype[np.clongdouble]]


# The solver keeps log k and log y as doubles. What rounding them does to the equations, this times
# (1 + |log k| + |log y|), is not held against a residual of 1e-12.
_ROUNDED = 2.0 * 2.0**-52 / 1e-12


class Parameters(NamedTuple):
    """The ensemble's numbers: ratios, squared coefficients c^2, b^2, v^2, s^2, population."""

    psi_p: float
    psi_n: float
    c2: float
    b2: float
    v2: float
    s2: float
    eigenvalues: NDArray[np.float64]
    weights: NDArray[np.float64]
    given: bool = False


class Judgement(NamedTuple):
    """Relative residual, and dk/dz and dy/dz on the solved branch, one entry a point."""

    residual: NDArray[np.float64]
    dk: Extended
    dy: Extended


def judge(
    p: Parameters,
    distance: NDArray[np.complexfloating[Any, Any]],
    k: NDArray[np.complexfloating[Any, Any]],
    y: NDArray[np.complexfloating[Any, Any]],
) -> Judgement:
    """Return the residual of (k, y) at z = s^2 + `distance`, and the branch's derivatives.

    The derivatives follow from the linearised equations. On the real axis outside the support the
    physical branch has dq/dz > 0 and dD/dz > 0, that is dk/dz < 0 and dy/dz < 0, and no other.
    """
    zeta, k, y = (np.asarray(x, dtype=np.clongdouble) for x in (distance, k, y))
    if p.given:
        return _judge_given(p, zeta, k, y)
    c2, b2, v2 = np.longdouble(p.c2), np.longdouble(p.b2), np.longdouble(p.v2)
    excess = np.longdouble(p.psi_p) - 1
    psi_n = np.longdouble(p.psi_n)
    atoms = p.eigenvalues.astype(np.longdouble)
    w = p.weights.astype(np.longdouble)
    w = w / w.sum()
    g = k[:, None] + b2 + c2 * y[:, None] * atoms
    s0, s1 = (w / g).sum(axis=1), (w * atoms / g).sum(axis=1)
    size0, size1 = (w / abs(g)).sum(axis=1), (w * atoms / abs(g)).sum(axis=1)
    f1 = v2 * y - excess * k - k * k * s0 - zeta
    f2 = psi_n * (1 / y - 1) - v2 / k - c2 * s1
    f3 = (psi_n - excess) * k - k * (psi_n * y + k * s0 + c2 * y * s1) - zeta
    size_k, size_y, size_z = abs(k), abs(y), abs(zeta)
    size_1 = v2 * size_y + abs(excess) * size_k + size_k**2 * size0 + size_z
    size_2 = psi_n * (1 / size_y + 1) + v2 / size_k + c2 * size1
    size_3 = abs(psi_n - excess) * size_k + size_z
    size_3 += size_k * (psi_n * size_y + size_k * size0 + c2 * size_y * size1)
    s00, s01 = (w / g**2).sum(axis=1), (w * atoms / g**2).sum(axis=1)
    s11 = (w * atoms * atoms / g**2).sum(axis=1)
    m = v2 / k**2 + c2 * s01
    f2_y = -psi_n / y**2 + c2**2 * s11
    rounded = _ROUNDED * (1 + abs(np.log(size_k)) + abs(np.log(size_y)))
    f1_k = -excess - 2 * k * s0 + k * k * s00
    turn_1 = abs(k * f1_k) + abs(y * k * k * m)
    turn_2 = abs(k * m) + abs(y * f2_y)
    size_1 += rounded * turn_1
    size_2 += rounded * turn_2
    size_3 += rounded * (turn_1 + abs(k * y) * turn_2)
    residual = np.max([abs(f1) / size_1, abs(f2) / size_2, abs(f3) / size_3], axis=0)
    # m dk + f2_y dy = 0 and (f1_k - k^2 m^2/f2_y) dk = 1.
    dk = 1 / (f1_k - (k * m) ** 2 / f2_y)
    return Judgement(residual.astype(np.float64), dk, -m * dk / f2_y)


def _judge_given(p: Parameters, zeta: Extended, k: Extended, y: Extended) -> Judgement:
    """The same given the data."""
    b2, u = np.longdouble(p.b2), np.longdouble(p.v2) / np.longdouble(p.psi_n)
    psi_p, rest = np.longdouble(p.psi_p), np.longdouble(p.psi_n) - 1
    w = p.weights.astype(np.longdouble)
    w = w / w.sum()
    trace = np.longdouble(p.c2) * p.eigenvalues.astype(np.longdouble) + b2 + u
    column = k[:, None]
    above, below = column * trace + 2 * b2 * u, column**2 + column * trace + b2 * u
    part = w * column * above / below
    shrink = k / (k + u) if u > 0 else np.ones_like(k)
    f = -psi_p * k + part.sum(axis=1) + rest * u * shrink - zeta
    size = psi_p * abs(k) + abs(part).sum(axis=1) + abs(rest * u * shrink) + abs(zeta)
    slope = (above + column * trace) / below - column * above * (2 * column + trace) / below**2
    rise = -psi_p + (w * slope).sum(axis=1) + rest * (u / (k + u)) ** 2
    dk = 1 / rise
    rounded = _ROUNDED * (1 + abs(np.log(abs(k))))
    size += rounded * abs(k * rise)
    shrunk = abs(y / shrink - 1) / (1 + rounded * abs(u / (k + u)))
    residual = np.maximum(abs(f) / size, shrunk)
    return Judgement(residual.astype(np.float64), dk, u / (k + u) ** 2 * dk)
