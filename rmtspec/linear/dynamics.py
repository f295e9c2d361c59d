r"""Gradient flow of an affine denoiser, averaged over data sets.

In the eigenbasis of the sample covariance every entry of W relaxes on its own, at the rate
:math:`2\eta\bar\alpha(\lambda_\rho+\zeta)` of its column.  With :math:`\tau=2\eta\bar\alpha\cdot`
steps and W(0) = 0,

.. math::  W = \frac{\sqrt{1-\bar\alpha}}{\bar\alpha}\,q_\tau(\hat\Sigma),\qquad
           q_\tau(\lambda) = \frac{1-e^{-\tau(\lambda+\zeta)}}{\lambda+\zeta},\qquad
           m_\tau = 1-sq_\tau = \frac{\lambda+c+s\,e^{-\tau(\lambda+\zeta)}}{\lambda+\zeta},

and both losses are traces of one function of :math:`\hat\Sigma` each.  As q and m are entire, and
:math:`\mathrm{tr}\,h(\hat\Sigma)A=-\frac1{2\pi i}\oint h(z)\,\mathrm{tr}[(\hat\Sigma-z)^{-1}A]dz`,
their averages follow from the averaged resolvent alone:

.. math::  L_{\rm test}(\tau) = -\frac1{2\pi i}\oint\{m_\tau^2\mathcal T_I
               +s\,q_\tau^2\mathcal T_\Sigma\}\,dz,\qquad
           L_{\rm train}(\tau) = -\frac1{2\pi i}\oint\{m_\tau^2+s\,q_\tau^2z\}\mathcal T_I\,dz,

.. math::  \mathcal T_I = r\Bigl\langle\frac1{l+\kappa}\Bigr\rangle,\quad
           \mathcal T_\Sigma = r\Bigl\langle\frac l{l+\kappa}\Bigr\rangle,\quad
           r = \frac\kappa{-z},\quad \kappa=\kappa(\zeta=-z),

counter-clockwise around the spectrum and 0.  A null space and the point z = −ζ need nothing; what
must stay outside is the far left, where :math:`e^{-\tau z}` grows.

*Contour.*  An ellipse in ln(z + ε): it gives every decade between ε and the top of the spectrum
the same number of nodes, and the trapezoidal rule converges geometrically on it.  ε is at most half
the top: a wider loop would cancel digits where the losses are small.

*κ on it* is the k of :class:`~rmtspec.ensembles.weighted_gram.WeightedGram` at ψ_n z, certified
there by Im κ < 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..ensembles.weighted_gram import WeightedGram
from ..result import Status, warn_unconverged
from .renormalised_ridge import RenormalisedRidge
from .results import LinearCurves, OptimalStopping

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_DIGITS = 20.0
"""Nodes per width of the strip of analyticity: exp(-2 · 20) is far below machine epsilon even with
the strip half used up."""

_REFINEMENTS = 3
_SATURATED = 40.0
"""τζ beyond which exp(-τζ) is below machine epsilon times any factor met here."""

_SETTLED = 1000.0
"""τζ beyond which exp(-τζ) is 0 in double precision even times 1e100: infinite time."""

LEAST_GAIN = 1e-12
"""Relative gains below this are within the error of the contour: they count as none."""

BELOW = 1e-6
"""Of the first time of a grid: a minimum before that is one at 0."""


class Points(NamedTuple):
    """Flat points of evaluation."""

    tau: FloatArray
    s: FloatArray
    c: FloatArray
    load: FloatArray


class _Contour(NamedTuple):
    """Nodes, weights (that make an integral a real sum) and the two traces."""

    z: ComplexArray
    weight: ComplexArray
    plain: ComplexArray
    weighted: ComplexArray
    certified: bool

    def integrate(self, values: ComplexArray) -> FloatArray:
        """−1/(2πi)∮ of values given on the upper half, last axis along the nodes."""
        return np.asarray(-np.sum((values * self.weight).imag, axis=-1))


def average_curves(
    ridge: RenormalisedRidge,
    points: Points,
    final: tuple[FloatArray, FloatArray],
    initial_scale: float,
    dimension: int | None,
    rtol: float,
    shape: tuple[int, ...],
) -> LinearCurves:
    """Curves at flat points; `final` holds train and test loss at infinite time.

    Each distinct (s, c, load) has one contour for all its times.  The nodes are multiplied by 1.5
    until the losses agree to `rtol`.
    """
    tau = points.tau
    with np.errstate(over="ignore"):
        settled = tau * (points.s + points.c) > _SETTLED
    train, test = (np.where(settled, loss, 1.0) for loss in final)
    start = initial_scale**2 / (1.0 + points.s)
    # At τ = 0: w₀²ᾱ(⟨l⟩ + s), with the same mean in training and test.
    zero = tau == 0.0
    train[zero] += (start * (ridge.mean + points.s))[zero]
    test[zero] += (start * (ridge.mean + points.s))[zero]
    error = np.zeros(tau.size)
    status = np.full(tau.size, Status.CONVERGED, dtype=np.int8)
    inside = np.flatnonzero(~settled & ~zero)
    keys = np.stack([points.s[inside], points.c[inside], points.load[inside]])
    distinct, place = np.unique(keys, axis=1, return_inverse=True)
    for i, (s, c, load) in enumerate(distinct.T):
        mine = inside[np.ravel(place) == i]
        values, error[mine], certified = _refined(
            ridge, tau[mine], (s, c, load), initial_scale, dimension, rtol
        )
        train[mine], test[mine] = values
        good = (error[mine] <= rtol) & certified
        status[mine] = np.where(good, Status.CONVERGED, Status.PRECISION_EXHAUSTED)
    converged = status == Status.CONVERGED
    train[~converged] = test[~converged] = np.nan
    warn_unconverged("training_curves", tau, status)
    return LinearCurves(
        tau.reshape(shape).copy(),
        train.reshape(shape),
        test.reshape(shape),
        error.reshape(shape),
        converged.reshape(shape),
    )


def optimal_stopping(
    ridge: RenormalisedRidge,
    s: FloatArray,
    c: FloatArray,
    load: FloatArray,
    final: FloatArray,
    shape: tuple[int, ...],
) -> OptimalStopping:
    """Minimise the averaged test loss over τ at flat points."""
    tau, test = np.empty(s.size), np.empty(s.size)
    for i in range(s.size):
        tau[i], test[i] = _best_time(ridge, (s[i], c[i], load[i]), float(final[i]))
    arrays = (tau, test, final, final - test)
    return OptimalStopping(*(a.reshape(shape) for a in arrays))


def _best_time(
    ridge: RenormalisedRidge, level: tuple[float, float, float], final: float
) -> tuple[float, float]:
    """Lowest point of the curve: a logarithmic grid, then the root of the derivative beside it."""
    s, c, load = level
    longest = _SATURATED / (s + c)
    shortest = 1e-2 / (_top(ridge, load) + s + c)
    grid = np.geomspace(shortest, longest, 10 * int(np.ceil(np.log10(longest / shortest))) + 1)
    contour = _contour(ridge, level, longest, None, 1.0)
    losses = _losses(contour, grid, level, 0.0)[1]
    best = int(np.argmin(losses))
    if not losses[best] < final * (1.0 - LEAST_GAIN):
        return np.inf, final

    def slope(log_tau: float) -> float:
        time = np.array([np.exp(log_tau)])
        relax, q = _relaxation(contour.z, time, s + c)[1:]
        inner = q * (contour.weighted + s * contour.plain) - contour.plain
        return float(contour.integrate(relax * inner)[0])

    low = np.log(grid[best - 1] if best > 0 else BELOW * grid[0])
    high = np.log(grid[min(best + 1, grid.size - 1)])
    if slope(low) >= 0.0 and best == 0:  # it only ever rises
        return 0.0, float(_losses(contour, np.zeros(1), level, 0.0)[1][0])
    if slope(high) <= 0.0 and best == grid.size - 1:  # it only ever falls
        return np.inf, final
    at = float(np.log(grid[best]))
    if slope(low) < 0.0 < slope(high):
        from scipy.optimize import brentq

        at = float(brentq(slope, low, high, xtol=1e-12))
    lowest = float(_losses(contour, np.exp([at]), level, 0.0)[1][0])
    return (float(np.exp(at)), lowest) if lowest < final * (1.0 - LEAST_GAIN) else (np.inf, final)


def _refined(
    ridge: RenormalisedRidge,
    tau: FloatArray,
    level: tuple[float, float, float],
    initial_scale: float,
    dimension: int | None,
    rtol: float,
) -> tuple[FloatArray, FloatArray, bool]:
    """Losses (2, k), their relative change under the last refinement, whether κ is certified."""
    longest = float(tau.max())
    density = 1.0
    contour = _contour(ridge, level, longest, dimension, density)
    values = _losses(contour, tau, level, initial_scale)
    error = np.full(tau.size, np.inf)
    for _ in range(_REFINEMENTS):
        density *= 1.5
        contour = _contour(ridge, level, longest, dimension, density)
        finer = _losses(contour, tau, level, initial_scale)
        error = np.max(np.abs(finer - values) / np.abs(finer), axis=0)
        values = finer
        if np.all(error <= rtol):
            break
    return values, error, contour.certified


def _losses(
    contour: _Contour, tau: FloatArray, level: tuple[float, float, float], initial_scale: float
) -> FloatArray:
    """Train and test loss at finite positive times, shape (2, k)."""
    s, c, _ = level
    z = contour.z
    exponent, relax, q = _relaxation(z, tau, s + c)
    m = (z + c + s * relax) / (z + (s + c))
    train = (m * m + s * q * q * z) * contour.plain
    test = m * m * contour.plain + s * q * q * contour.weighted
    if initial_scale > 0.0:
        start = initial_scale**2 / (1.0 + s) * np.exp(2.0 * exponent)
        train = train + start * (z + s) * contour.plain
        test = test + start * (contour.weighted + s * contour.plain)
    return np.stack([contour.integrate(train), contour.integrate(test)])


def _relaxation(
    z: ComplexArray, tau: FloatArray, zeta: float
) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
    """−τ(z + ζ), its exponential and q, each of shape (times, nodes)."""
    exponent = -tau[:, None] * (z + zeta)
    return exponent, np.exp(exponent), -np.expm1(exponent) / (z + zeta)


def _contour(
    ridge: RenormalisedRidge,
    level: tuple[float, float, float],
    longest: float,
    dimension: int | None,
    density: float,
) -> _Contour:
    """Upper half of the ellipse in ln(z + ε), with the averaged traces on it."""
    s, c, load = level
    top = _top(ridge, load)
    shift = min(0.5 * top, max(0.5 * (s + c), 1.0 / longest))
    half = 0.5 * np.log1p(top / shift)
    width = 0.5 * np.arcsinh(np.pi / (2.0 * half))
    count = int(np.ceil(density * _DIGITS / width))
    theta = (np.arange(count) + 0.5) * np.pi / count
    wide, tall = half * np.cosh(width), half * np.sinh(width)
    z = shift * np.expm1(half + wide * np.cos(theta) + 1j * tall * np.sin(theta))
    speed = (z + shift) * (-wide * np.sin(theta) + 1j * tall * np.cos(theta))
    # From the left end on: there κ is small and the solver's start is good.
    z, speed = z[::-1].copy(), speed[::-1]
    positive = ridge.eigenvalues > 0.0
    gram = WeightedGram(load, ridge.eigenvalues[positive], ridge.weights[positive])
    solution = gram.solve(load * z)
    plain, weighted = _traces(ridge, z, solution.k, load, dimension)
    certified = bool(np.all(solution.status == Status.CONVERGED))
    return _Contour(z, speed / count, plain, weighted, certified)


def _traces(
    ridge: RenormalisedRidge, z: ComplexArray, kappa: ComplexArray, load: float, size: int | None
) -> tuple[ComplexArray, ComplexArray]:
    """Averages of the resolvent and of Σ times it, with their O(1/d) shifts where d is given."""
    lam, w = ridge.eigenvalues, ridge.weights
    inverse = 1.0 / (lam + kappa[:, None])
    ratio = -kappa / z
    plain = ratio * (inverse @ w)
    weighted = ratio * (inverse @ (w * lam))
    if size is not None:
        u = lam * inverse
        slope = 1.0 / (-z / kappa + kappa * ((u * inverse) @ w) / load)
        spread = slope**2 * ((u**3 @ w) / load - ((u**2 @ w) / load) ** 2)
        plain = plain + slope**2 * ((u**2 * inverse) @ w) / load / size
        weighted = weighted + ratio * spread / size
    return plain, weighted


def _top(ridge: RenormalisedRidge, load: float) -> Any:
    """A little above the largest eigenvalue of the sample covariance."""
    return 1.05 * ridge.eigenvalues[-1] * (1.0 + 1.0 / np.sqrt(load)) ** 2
