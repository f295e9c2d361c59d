r"""Hermite moments of an activation whose argument is a signal and Gaussian noise.

With normalised Hermite polynomials and a standard normal g,

    m_k(u, omega) = E[sigma(u + omega g) He_k(g)] / sqrt(k!),    k = 0..K,

and the second moment E sigma(u + omega g)^2, in which sum_k m_k^2 ends (Parseval).  The error
function, ramps and the sign have closed forms; other functions are integrated by the trapezoidal
rule, whose step is halved until moments at sampled arguments agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...inputs.activation import ActivationLike, resolve
from ...inputs.gaussian.kernels import ErfKernels, RampKernels

Array = NDArray[np.float64]
Moments = Callable[[Array, Array, int], tuple[Array, Array]]

# Trapezoidal rule in the noise. Its error for tanh is set by the poles of tanh(u + omega g) at
# distance pi/(2 omega) from the real axis, exp(-pi^2/(omega step)) times up to a hundred from the
# residues: measured 2e-8 at omega = 0.8, from where on the step shrinks as 1/omega.
_NOISE_STEP = 0.5
_WIDEST = 0.8
_NOISE_RANGE = 8.0
_TANH_ERROR = 3e-8
# Of other functions: the step is halved at most so often, until so many moments agree so well.
_MOST_HALVINGS, _AGREEMENT, _ROUNDING = 5, 1e-8, 1e-14
_SAMPLED, _SAMPLED_ORDER = 200, 7


def integrated_moments(
    function: Callable[[Array], Array],
    u: Array,
    omega: Array,
    order: int,
    *,
    halvings: int = 0,
) -> tuple[Array, Array]:
    """Moments m_0..m_order and E sigma^2 by the trapezoidal rule."""
    step = _NOISE_STEP * min(1.0, _WIDEST / float(omega.max(initial=_WIDEST))) / 2**halvings
    nodes = np.arange(-_NOISE_RANGE, _NOISE_RANGE + 0.5 * step, step)
    weights = np.exp(-0.5 * nodes**2)
    weights /= weights.sum()
    hermite = _hermite(nodes, order)
    moments = np.zeros((order + 1, *u.shape))
    second = np.zeros(u.shape)
    for j, node in enumerate(nodes):
        value = function(u + omega * node)
        second += weights[j] * value**2
        for k in range(order + 1):
            moments[k] += (weights[j] * hermite[k, j]) * value
    return moments, second


def tanh_moments(u: Array, omega: Array, order: int) -> tuple[Array, Array]:
    """Moments of tanh by the trapezoidal rule (within 3e-8)."""
    return integrated_moments(np.tanh, u, omega, order)


def erf_moments(u: Array, omega: Array, order: int) -> tuple[Array, Array]:
    """Moments of erf in closed form, from E erf(u + omega g) = 2 Phi(u/w) - 1, w^2 = omega^2 + 1/2.

    m_k sqrt(k!) = omega^k d^k/du^k of the mean; the second moment is Owen's T function.
    """
    from scipy import special  # imported where used: it would slow every start

    width = np.sqrt(omega**2 + 0.5)
    x = u / width
    shrink = omega / width
    moments = np.empty((order + 1, *u.shape))
    moments[0] = special.erf(x / math.sqrt(2.0))
    bell = 2.0 * np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi)
    hermite = _hermite(-x, max(order - 1, 0))
    for k in range(1, order + 1):
        moments[k] = shrink**k * hermite[k - 1] * bell / math.sqrt(k)
    # E Phi(sqrt(2) h)^2 = Phi(x) - 2 T(x, 1/sqrt(1 + 4 omega^2)) and erf(h) = 2 Phi(sqrt(2) h) - 1.
    return moments, 1.0 - 8.0 * special.owens_t(x, 1.0 / np.sqrt(1.0 + 4.0 * omega**2))


def relu_moments(u: Array, omega: Array, order: int) -> tuple[Array, Array]:
    """Moments of max(x, 0) in closed form: its second derivative is a point mass at zero."""
    from scipy import special

    x = u / omega
    bell = np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi)
    phi = special.ndtr(x)
    moments = np.empty((order + 1, *u.shape))
    moments[0] = u * phi + omega * bell
    if order >= 1:
        moments[1] = omega * phi
    hermite = _hermite(-x, max(order - 2, 0))
    for k in range(2, order + 1):
        moments[k] = omega * hermite[k - 2] * bell / math.sqrt(k * (k - 1.0))
    return moments, (u**2 + omega**2) * phi + u * omega * bell


def ramp_moments(
    constant: float, linear: float, ramp: float, u: Array, omega: Array, order: int
) -> tuple[Array, Array]:
    """Moments of constant + linear x + ramp max(x, 0), by x max(x, 0) = max(x, 0)^2."""
    moments, square = relu_moments(u, omega, order)
    first = moments[0].copy()
    moments *= ramp
    moments[0] += linear * u + constant
    if order >= 1:
        moments[1] += linear * omega
    second = ramp * (2.0 * linear + ramp) * square + linear**2 * (u**2 + omega**2)
    second += constant * (constant + 2.0 * (linear * u + ramp * first))
    return moments, second


def sign_moments(u: Array, omega: Array, order: int) -> tuple[Array, Array]:
    """Moments of the sign in closed form: its derivative is twice a point mass at zero."""
    from scipy import special

    x = u / omega
    moments = np.empty((order + 1, *u.shape))
    moments[0] = special.erf(x / math.sqrt(2.0))
    bell = 2.0 * np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi)
    hermite = _hermite(-x, max(order - 1, 0))
    for k in range(1, order + 1):
        moments[k] = hermite[k - 1] * bell / math.sqrt(k)
    return moments, np.ones(u.shape)


class NoiseAverage(NamedTuple):
    """Moments of an activation, and the absolute error of one relative to the root of E sigma^2."""

    moments: Moments
    error: float = 0.0


def noise_average(activation: ActivationLike, u: Array, omega: Array) -> NoiseAverage:
    """Return the moments of an activation, good at arguments like u and omega.

    The error of an integrated function is the change with the step halved, at 200 of the
    arguments; kinks leave the square of the step, jumps the step itself.
    """
    resolved = resolve(activation)
    if isinstance(resolved.pairs, ErfKernels):
        return NoiseAverage(erf_moments)
    if isinstance(resolved.pairs, RampKernels):
        at = resolved.pairs
        if (at.constant, at.linear, at.ramp) == (0.0, 0.0, 1.0):
            return NoiseAverage(relu_moments)
        return NoiseAverage(partial(ramp_moments, at.constant, at.linear, at.ramp))
    if resolved.name == "sign":
        return NoiseAverage(sign_moments)
    if resolved.name == "tanh":
        return NoiseAverage(tanh_moments, _TANH_ERROR)
    return _integrated(resolved.function, u, omega)


def _integrated(function: Callable[[Array], Array], u: Array, omega: Array) -> NoiseAverage:
    """The trapezoidal rule with the step that the function needs at arguments like these."""
    chosen = np.linspace(0, u.size - 1, min(u.size, _SAMPLED)).astype(int)
    u, omega = u.ravel()[chosen], omega.ravel()[chosen]
    before, change = integrated_moments(function, u, omega, _SAMPLED_ORDER), math.inf
    for halvings in range(1, _MOST_HALVINGS + 1):
        moments, second = integrated_moments(function, u, omega, _SAMPLED_ORDER, halvings=halvings)
        scale = math.sqrt(float(second.max()))
        worst = max(
            float(np.abs(moments - before[0]).max()) / (scale or 1.0),
            float(np.abs(second - before[1]).max()) / (scale**2 or 1.0),
        )
        if worst <= _AGREEMENT:
            return NoiseAverage(
                partial(integrated_moments, function, halvings=halvings - 1), max(worst, _ROUNDING)
            )
        before, change = (moments, second), worst
    return NoiseAverage(partial(integrated_moments, function, halvings=_MOST_HALVINGS), change)


def _hermite(x: Array, order: int) -> Array:
    """Return He_k(x)/sqrt(k!) for k = 0..order, shape (order + 1, *x.shape)."""
    table = np.empty((order + 1, *x.shape))
    table[0] = 1.0
    if order >= 1:
        table[1] = x
    for k in range(1, order):
        table[k + 1] = (x * table[k] - math.sqrt(k) * table[k - 1]) / math.sqrt(k + 1.0)
    return table
