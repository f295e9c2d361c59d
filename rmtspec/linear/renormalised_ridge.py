r"""The renormalised ridge: the deterministic equivalent of a sample resolvent on the negative axis.

For the covariance :math:`\hat\Sigma` of n samples in d dimensions (ψ_n = n/d is the load) and
:math:`\zeta>0`,

.. math::  \zeta\,(\hat\Sigma+\zeta)^{-1}\simeq\kappa\,(\Sigma+\kappa)^{-1},\qquad
           \zeta = \kappa\Bigl(1-\frac1{\psi_n}\int\frac{l\,d\rho(l)}{l+\kappa}\Bigr),\ \ \kappa>0.

This is Silverstein's equation with :math:`1/\kappa=\tilde m(-\zeta)` the companion transform; off
the negative axis :class:`~rmtspec.ensembles.weighted_gram.WeightedGram` solves it, with k = κ at
z = −ψ_nζ.  With :math:`u=l/(l+\kappa)` and :math:`x=\kappa/(l+\kappa)=1-u`, and averages over ρ,

.. math::  a = \langle u\rangle/\psi_n,\quad 1-a = \zeta/\kappa,\quad
           \kappa' = \frac{d\kappa}{d\zeta} = \frac1{\zeta/\kappa+\langle ux\rangle/\psi_n}.

*One root.*  :math:`f(\kappa)=\kappa(1-a)-\zeta` is convex with f(0) <= 0, so it has one positive
root, in :math:`[\zeta,\zeta+\langle l\rangle/\psi_n]`, and Newton's method from any point right of
it falls monotonically.  The tangent at the root for a larger ζ is such a start.

*No cancellation.*  With the atoms split at κ itself,

.. math::  \psi_n(1-a) = (\psi_n-\rho(l>\kappa)) + \sum_{l>\kappa}w\,x-\sum_{l\le\kappa}w\,u,

each sum is at most twice its part of :math:`\langle ux\rangle`, so that the rounding of f is small
against :math:`\kappa f'=\psi_n^{-1}\kappa[\psi_n(1-a)+\langle ux\rangle]` wherever n stands to the
number of large eigenvalues.  The masses :math:`\rho(l>\kappa)` are carried as a pair of floats.

*Convergence.*  A Newton step of relative size δ leaves an error of at most δ², because
:math:`\frac12\kappa f''/f'=\langle u^2x\rangle\kappa'/\psi_n\le1`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..solve.kernel import kernel

FloatArray = NDArray[np.float64]

_REASSOCIATE = {"reassoc", "contract"}
"""Sums may be reordered, for SIMD; NaN and infinity keep their meaning."""

_MAX_STEPS = 400


class RidgeSums(NamedTuple):
    """κ and the spectral averages at it, all shaped like the points.

    `u1` .. are averages of powers: u = ⟨u⟩, x = ⟨x⟩, ux = ⟨ux⟩, uu = ⟨u²⟩, xx = ⟨x²⟩,
    uux = ⟨u²x⟩, uuxx = ⟨u²x²⟩, uuu = ⟨u³⟩. Every one is a sum of positive terms.
    """

    zeta: FloatArray
    load: FloatArray
    kappa: FloatArray
    u: FloatArray
    x: FloatArray
    ux: FloatArray
    uu: FloatArray
    xx: FloatArray
    uux: FloatArray
    uuxx: FloatArray
    uuu: FloatArray

    @property
    def ratio(self) -> FloatArray:
        """r = κ/ζ = 1/(1 − a)."""
        return self.kappa / self.zeta

    @property
    def a(self) -> FloatArray:
        """⟨u⟩/ψ_n = 1 − ζ/κ."""
        return self.u / self.load

    @property
    def slope(self) -> FloatArray:
        """κ' = dκ/dζ."""
        return 1.0 / (self.zeta / self.kappa + self.ux / self.load)


@dataclass(frozen=True, eq=False)
class RenormalisedRidge:
    """The population law: ascending eigenvalues (zero allowed) and their weights."""

    eigenvalues: FloatArray
    weights: FloatArray

    @property
    def mean(self) -> float:
        """Mean eigenvalue."""
        return float(self.weights @ self.eigenvalues)

    @cached_property
    def _mass_from(self) -> tuple[FloatArray, FloatArray]:
        """Mass at and above each atom as high and low parts; entry m is the mass of nothing."""
        high = np.cumsum(self.weights[::-1])
        before = np.concatenate([[0.0], high[:-1]])
        added = high - before
        lost = (before - (high - added)) + (self.weights[::-1] - added)
        low = np.cumsum(lost)
        return np.append(high[::-1], 0.0), np.append(low[::-1], 0.0)

    def solve(self, zeta: FloatArray, load: FloatArray) -> RidgeSums:
        """Solve at flat positive points; `zeta` and `load` have the same shape (k,).

        Notes
        -----
        *Accuracy.*  κ and every sum to a few units of the last place, times about the square root
        of the number of atoms over 8 in the sums.
        """
        # A tangent at a larger ζ starts the next point right of its root.
        order = np.lexsort((-zeta, load))
        high, low = self._mass_from
        table = np.empty((9, zeta.size))
        _solve(
            zeta[order], load[order], self.eigenvalues, self.weights, high, low, self.mean, table
        )
        result = np.empty_like(table)
        result[:, order] = table
        return RidgeSums(zeta, load, *result)

    def average_of_square(
        self, slope: FloatArray, offset: FloatArray, kappa: FloatArray, shift: FloatArray
    ) -> FloatArray:
        r"""Average of :math:`(Al-C)^2/[(l+\kappa)^2(l+s)]` at flat points; s = `shift` > 0."""
        out = np.empty(kappa.size)
        _average_of_square(slope, offset, kappa, shift, self.eigenvalues, self.weights, out)
        return out

    def optimal(self, shift: FloatArray) -> FloatArray:
        r"""Average of :math:`l/(l+s)` at flat points s > 0."""
        out = np.empty(shift.size)
        _optimal(shift, self.eigenvalues, self.weights, out)
        return out


def resolvent_pair(
    first: tuple[float, float],
    second: tuple[float, float],
    load: float,
    ridge: RenormalisedRidge,
    a: FloatArray,
    b: FloatArray,
) -> float:
    r"""Average of :math:`\frac1d\mathrm{tr}\,G(\zeta_1)AG(\zeta_2)B` for A, B diagonal with Σ.

    With :math:`K_j=(\Sigma+\kappa_j)^{-1}`, :math:`r_j=\kappa_j/\zeta_j` and averages over ρ,

    .. math::  \langle\cdot\rangle\simeq r_1r_2\Bigl[\langle K_1AK_2B\rangle
               +\frac{\frac1{\psi_n}\langle K_1AK_2l\rangle\langle K_1lK_2B\rangle}
               {\zeta_1/\kappa_1+\frac{\kappa_2}{\psi_n}\langle lK_1K_2\rangle}\Bigr].

    Parameters
    ----------
    first, second : (zeta, kappa) at the two points.
    load : samples per dimension, n/d.
    ridge : the population law.
    a, b : ndarray, shape (m,)
        Entries of A and B on the distinct eigenvalues.

    Notes
    -----
    The fluctuating part is the ladder of one contraction over the shared samples: each rung
    gives a factor :math:`\frac1{\psi_n}\langle lK_1lK_2\rangle`, and
    :math:`1-\frac1{\psi_n}\langle lK_1lK_2\rangle` is the denominator above by the equation for
    :math:`\kappa_1`. With A = I and B = Σ the resolvent identity
    :math:`(\zeta_2-\zeta_1)G_1G_2=G_1-G_2` holds exactly.
    """
    (zeta_1, kappa_1), (zeta_2, kappa_2) = first, second
    eigenvalues, weights = ridge.eigenvalues, ridge.weights
    inverse_1, inverse_2 = 1.0 / (eigenvalues + kappa_1), 1.0 / (eigenvalues + kappa_2)
    both = weights * inverse_1 * inverse_2
    direct = both @ (a * b)
    ladder = (both @ (a * eigenvalues)) * (both @ (b * eigenvalues)) / load
    rung = zeta_1 / kappa_1 + kappa_2 * (both @ eigenvalues) / load
    return float(kappa_1 / zeta_1 * kappa_2 / zeta_2 * (direct + ladder / rung))


@kernel(fastmath=_REASSOCIATE)
def _upper(kappa, eigenvalues, weights, start):
    """⟨x⟩ and ⟨ux⟩ over the atoms above κ."""
    x = ux = 0.0
    for j in range(start, eigenvalues.size):
        inverse = 1.0 / (eigenvalues[j] + kappa)
        term = weights[j] * (kappa * inverse)
        x += term
        ux += term * (eigenvalues[j] * inverse)
    return x, ux


@kernel(fastmath=_REASSOCIATE)
def _lower(kappa, eigenvalues, weights, stop):
    """⟨u⟩ and ⟨ux⟩ over the atoms up to κ."""
    u = ux = 0.0
    for j in range(stop):
        inverse = 1.0 / (eigenvalues[j] + kappa)
        term = weights[j] * (eigenvalues[j] * inverse)
        u += term
        ux += term * (kappa * inverse)
    return u, ux


@kernel(fastmath=_REASSOCIATE)
def _sums(kappa, eigenvalues, weights):
    """All averages of u and x at κ."""
    u1 = x1 = ux = uu = xx = uux = uuxx = uuu = 0.0
    for j in range(eigenvalues.size):
        inverse = 1.0 / (eigenvalues[j] + kappa)
        u = eigenvalues[j] * inverse
        x = kappa * inverse
        wu, wx = weights[j] * u, weights[j] * x
        u1 += wu
        x1 += wx
        ux += wu * x
        uu += wu * u
        xx += wx * x
        uux += wu * u * x
        uuxx += wu * u * x * x
        uuu += wu * u * u
    return u1, x1, ux, uu, xx, uux, uuxx, uuu


@kernel
def _fraction(kappa, load, eigenvalues, weights, high, low):
    """1 − a and df/dκ, split at κ."""
    start = np.searchsorted(eigenvalues, kappa, side="right")
    x, above = _upper(kappa, eigenvalues, weights, start)
    u, below = _lower(kappa, eigenvalues, weights, start)
    fraction = ((load - high[start]) - low[start] + (x - u)) / load
    return fraction, fraction + (above + below) / load


@kernel
def _solve(zeta, load, eigenvalues, weights, high, low, mean, table):
    """Newton at each point, from the tangent at the point before where the load is the same."""
    kappa = slope = 1.0
    for i in range(zeta.size):
        right = zeta[i] + mean / load[i]
        warm = i > 0 and load[i] == load[i - 1]
        if warm:
            ratio = zeta[i] / zeta[i - 1]
            share = zeta[i - 1] / kappa / slope  # d log κ / d log ζ at the point before
            kappa = min(max(kappa * ratio**share, zeta[i]), right)
        else:
            kappa = right
        for _ in range(_MAX_STEPS):
            fraction, slope = _fraction(kappa, load[i], eigenvalues, weights, high, low)
            if not slope > 0.0:  # left of the minimum of f: only a predicted start can be there
                kappa = right
                continue
            step = fraction / slope - zeta[i] / kappa / slope
            moved = kappa - kappa * step
            if not moved > 0.0:
                moved = 0.5 * kappa
            kappa = min(moved, right)
            if not abs(step) > 3e-9:
                break
        table[0, i] = kappa
        (
            table[1, i], table[2, i], table[3, i], table[4, i],
            table[5, i], table[6, i], table[7, i], table[8, i],
        ) = _sums(kappa, eigenvalues, weights)  # fmt: skip


@kernel(fastmath=_REASSOCIATE)
def _average_of_square(slope, offset, kappa, shift, eigenvalues, weights, out):
    for i in range(out.size):
        total = 0.0
        for j in range(eigenvalues.size):
            root = (slope[i] * eigenvalues[j] - offset[i]) / (eigenvalues[j] + kappa[i])
            total += weights[j] * root * root / (eigenvalues[j] + shift[i])
        out[i] = total


@kernel(fastmath=_REASSOCIATE)
def _optimal(shift, eigenvalues, weights, out):
    for i in range(out.size):
        total = 0.0
        for j in range(eigenvalues.size):
            total += weights[j] * eigenvalues[j] / (eigenvalues[j] + shift[i])
        out[i] = total
