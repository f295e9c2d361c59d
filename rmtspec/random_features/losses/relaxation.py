r"""How a mode of training relaxes: gradient flow, gradient descent, heavy ball.

Training on a quadratic loss leaves of a mode with eigenvalue x (the ridge included) the residual
r(x, τ), r = 1 at τ = 0, of what it started from, and has reached the fraction 1 − r of its goal.
With the rate ω of gradient flow, :math:`\eta=\omega\cdot` step and k = τ/step,

==================  =================================================================
gradient flow       :math:`r=e^{-\omega x\tau}`
gradient descent    :math:`r=(1-\eta x)^k`
heavy ball          :math:`r_{k+1}=(1+\beta-\eta x)r_k-\beta r_{k-1}`, :math:`r_1=1-\eta x`
==================  =================================================================

Each is bounded in a region of the complex plane, its region of stability, that touches 0: the
right half plane, a disk, an ellipse.  The heavy ball is
:math:`A_{k+1}=A_k-h\nabla L(A_k)+\beta(A_k-A_{k-1})`; its characteristic roots
:math:`\rho_1\rho_2=\beta,\ (1-\rho_1)(1-\rho_2)=\eta x` give

.. math::  \frac{1-r_k}x=\frac\eta{\rho_1-\rho_2}
           \Big[\rho_1\frac{1-\rho_1^k}{1-\rho_1}-\rho_2\frac{1-\rho_2^k}{1-\rho_2}\Big].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...solve.contour import Disk, Ellipse, HalfPlane, Region
from ...solve.kernel import kernel

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_GONE = -40.0  # exp of this is nothing beside 1


class Relaxation(Protocol):
    """A training rule."""

    @property
    def rate(self) -> float:
        """Rate of gradient flow, ω."""

    @property
    def region(self) -> Region:
        """Where the residual stays bounded."""

    def times(self, tau: FloatArray) -> FloatArray:
        """Times that can be realised, nearest to tau."""

    def residual(self, x: ComplexArray, tau: FloatArray) -> ComplexArray:
        """Return r(x, τ), shape (times, points)."""

    def filtered(self, x: ComplexArray, tau: FloatArray) -> ComplexArray:
        """(1 − r(x, τ))/x, shape (times, points), accurate for r close to 1."""


@dataclass(frozen=True)
class GradientFlow:
    """Continuous training at rate ω."""

    rate: float

    @property
    def region(self) -> Region:
        """The right half plane."""
        return HalfPlane()

    def times(self, tau: FloatArray) -> FloatArray:
        """Every time."""
        return tau

    def residual(self, x: ComplexArray, tau: FloatArray) -> ComplexArray:
        """exp(−ωxτ)."""
        return np.exp(np.multiply.outer(-self.rate * tau, x))

    def filtered(self, x: ComplexArray, tau: FloatArray) -> ComplexArray:
        """(1 − exp(−ωxτ))/x."""
        return reached(self.rate * tau, x, 1.0 / x)


@dataclass(frozen=True)
class GradientDescent:
    """Steps of length `step` in τ."""

    rate: float
    step: float

    @property
    def region(self) -> Region:
        """The disk ``|1 − ηx| < 1``."""
        return Disk(1.0 / (self.rate * self.step))

    def times(self, tau: FloatArray) -> FloatArray:
        """Whole numbers of steps."""
        return _whole_steps(tau, self.step)

    def residual(self, x: ComplexArray, tau: FloatArray) -> ComplexArray:
        """(1 − ηx)^k."""
        return np.exp(self._exponent(x, tau))

    def filtered(self, x: ComplexArray, tau: FloatArray) -> ComplexArray:
        """(1 − (1 − ηx)^k)/x."""
        steps = np.rint(tau / self.step)
        return reached(steps, -_log1p(-self.rate * self.step * x), 1.0 / x)

    def _exponent(self, x: ComplexArray, tau: FloatArray) -> ComplexArray:
        steps = np.rint(tau / self.step)
        return np.multiply.outer(steps, _log1p(-self.rate * self.step * x))


@dataclass(frozen=True)
class HeavyBall:
    """Gradient descent with momentum β in (0, 1)."""

    rate: float
    step: float
    momentum: float

    @property
    def region(self) -> Region:
        """The ellipse in which both characteristic roots are smaller than 1."""
        return Ellipse(1.0 / (self.rate * self.step), self.momentum)

    def times(self, tau: FloatArray) -> FloatArray:
        """Whole numbers of steps."""
        return _whole_steps(tau, self.step)

    def residual(self, x: ComplexArray, tau: FloatArray) -> ComplexArray:
        """r_k by its closed form."""
        return 1.0 - x * self.filtered(x, tau)

    def filtered(self, x: ComplexArray, tau: FloatArray) -> ComplexArray:
        """(1 − r_k)/x by its closed form."""
        eta = self.rate * self.step
        trace = 1.0 + self.momentum - eta * x
        root = np.sqrt(trace * trace - 4.0 * self.momentum)
        small = 0.5 * (trace - root * np.where((trace * root.conj()).real < 0.0, -1.0, 1.0))
        gap = eta * x / (1.0 - small)  # 1 − ρ_1, small for slow modes
        large = 1.0 - gap
        steps = np.rint(tau / self.step)
        slow = -np.expm1(np.multiply.outer(steps, _log1p(-gap))) / gap
        fast = -np.expm1(np.multiply.outer(steps, np.log(small))) / (1.0 - small)
        filtered: ComplexArray = eta * (large * slow - small * fast) / (large - small)
        return filtered


def _whole_steps(tau: FloatArray, step: float) -> FloatArray:
    with np.errstate(over="ignore"):
        steps = np.rint(tau / step)
    return np.where(np.isinf(steps), tau, step * steps)


def _log1p(w: ComplexArray) -> ComplexArray:
    """log(1 + w) to relative accuracy for small w, which NumPy's complex log1p does not keep."""
    result = np.empty_like(w)
    result.real = 0.5 * np.log1p(2.0 * w.real + (w.real**2 + w.imag**2))
    result.imag = np.arctan2(w.imag, 1.0 + w.real)
    return result


def reached(time: FloatArray, rate: ComplexArray, scale: ComplexArray) -> ComplexArray:
    """(1 − exp(−rate·time))·scale for all pairs, accurate where the exponent is small."""
    found: ComplexArray = _reached(np.ascontiguousarray(time), rate, scale)
    return found


@kernel
def _reached(time, rate, scale):
    """With w = a + 2ib, exp(w) − 1 = expm1(a) − 2 exp(a) sin b (sin b − i cos b)."""
    result = np.empty((time.size, rate.size), rate.dtype)
    for i in range(time.size):
        for j in range(rate.size):
            real, half = -time[i] * rate[j].real, -0.5 * time[i] * rate[j].imag
            if real < _GONE:
                result[i, j] = scale[j]
                continue
            sine, grown = np.sin(half), np.expm1(real)
            turned = 2.0 * (1.0 + grown) * sine
            result[i, j] = -complex(grown - turned * sine, turned * np.cos(half)) * scale[j]
    return result
