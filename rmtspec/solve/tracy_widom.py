r"""The Tracy-Widom laws of the largest eigenvalue of real and complex matrices.

With the operator :math:`A_s(x,y)=\mathrm{Ai}(x+y+s)` on x, y > 0 (Ferrari and Spohn 2005)

.. math::  F_1(s)=\det(1-A_s),\qquad F_2(s)=\det(1-A_s^2),

and a Fredholm determinant of an analytic kernel is that of its matrix on Gauss-Legendre nodes, but
for terms that vanish exponentially with their number (Bornemann 2010).  From the eigenvalues
:math:`a_j` of that matrix, :math:`\log F_1=\sum\log(1-a_j)`: they are small where s is large, so
that the upper tail keeps its relative accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from .edges import bracketed_root

FloatArray = NDArray[np.float64]

_NODES = 40
_LOWEST, _HIGHEST = -12.0, 200.0  # F_1 is 1e-32 and 1 − F_1 below the smallest float
_FAR = 16.0  # Ai(16) = 1e-20


@dataclass(frozen=True)
class TracyWidom:
    """Law of the scaled largest eigenvalue, for real (beta = 1) or complex (2) matrices.

    Parameters
    ----------
    beta : 1 or 2

    Raises
    ------
    TypeError, ValueError
        If beta is neither.

    Notes
    -----
    *Accuracy.*  cdf and pdf to 1e-13, the upper tail (sf) to 1e-12 of its size down to 1e-200, the
    lower tail to 1e-15 absolutely; quantiles to 1e-10.

    Examples
    --------
    >>> from rmtspec.solve.tracy_widom import TracyWidom
    >>> round(float(TracyWidom(1).cdf(0.0)), 6)
    0.831908
    """

    beta: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", _checks.integer("beta", self.beta, 1, 2))

    @property
    def mean(self) -> float:
        """The first moment (Bornemann 2010, Table 5)."""
        return -1.20653357458209 if self.beta == 1 else -1.77108680741160

    @property
    def standard_deviation(self) -> float:
        """From the second (Bornemann 2010, Table 5)."""
        return float(np.sqrt(1.60778103458148 if self.beta == 1 else 0.813194792832959))

    def cdf(self, s: ArrayLike) -> FloatArray:
        """F(s), for s of any shape; ±inf allowed.

        Raises
        ------
        TypeError, ValueError
            If s is not real or holds NaN.
        """
        points = _checks.real_array("s", s, infinite=True)
        return np.exp(self._logarithm(points))

    def sf(self, s: ArrayLike) -> FloatArray:
        """1 − F(s), small values to their last digits; errors are those of `cdf`."""
        points = _checks.real_array("s", s, infinite=True)
        return -np.expm1(self._logarithm(points))

    def pdf(self, s: ArrayLike) -> FloatArray:
        """Density; errors are those of `cdf`."""
        points = _checks.real_array("s", s, infinite=True)
        value = np.exp(self._logarithm(points)).ravel()
        for i, place in enumerate(points.ravel()):
            value[i] *= self._slope(float(place)) if _LOWEST <= place <= _HIGHEST else 0.0
        return value.reshape(points.shape)

    def quantile(self, u: ArrayLike) -> FloatArray:
        """The s at which F(s) = u, for u in [0, 1] of any shape.

        Raises
        ------
        TypeError, ValueError
            If u is not real, or outside [0, 1].
        """
        fraction = _checks.real_array("u", u, 0.0, 1.0)
        flat = fraction.ravel()

        def distance(i: NDArray[np.intp], s: FloatArray) -> FloatArray:
            lower, upper = self.cdf(s), self.sf(s)
            tiny = np.finfo(float).tiny
            below = np.log(np.maximum(lower, tiny)) - np.log(np.maximum(flat[i], tiny))
            above = np.log(np.maximum(1.0 - flat[i], tiny)) - np.log(np.maximum(upper, tiny))
            return np.where(flat[i] < 0.5, below, above)

        low, high = np.full(flat.size, _LOWEST), np.full(flat.size, 20.0)
        found = bracketed_root(distance, low, high)
        found = np.where(flat == 0.0, -np.inf, np.where(flat == 1.0, np.inf, found))
        return found.reshape(fraction.shape)

    def _logarithm(self, s: FloatArray) -> FloatArray:
        """log F."""
        flat = s.ravel()
        value = np.where(flat < _LOWEST, -np.inf, 0.0)
        for i in np.flatnonzero((flat >= _LOWEST) & (flat <= _HIGHEST)):
            a = _bounded(np.asarray(np.linalg.eigvalsh(_operator(float(flat[i]))[0])))
            value[i] = np.log1p(-a if self.beta == 1 else -a * a).sum()
        return value.reshape(s.shape)

    def _slope(self, s: float) -> float:
        """Derivative of log F."""
        operator, moved = _operator(s)
        a, vectors = np.linalg.eigh(operator)
        a, rate = _bounded(a), ((moved @ vectors) * vectors).sum(axis=0)
        if self.beta == 2:
            a, rate = a * a, 2.0 * a * rate
        return float(-(rate / (1.0 - a)).sum())


_X, _W = np.polynomial.legendre.leggauss(_NODES)


def _operator(s: float) -> tuple[FloatArray, FloatArray]:
    """A_s on Gauss-Legendre nodes, and its derivative in s."""
    from scipy.special import airy

    length = 0.5 * (_FAR + max(-s, 0.0))
    x, w = 0.5 * length * (_X + 1.0), np.sqrt(0.5 * length * _W)
    value, slope = airy(np.add.outer(x, x) + s)[:2]
    weight = np.outer(w, w)
    return weight * value, weight * slope


def _bounded(a: FloatArray) -> FloatArray:
    """Eigenvalues of A_s, which has none beyond ±1 but for rounding."""
    return np.clip(a, -1.0 + 1e-16, 1.0 - 1e-16)
