r"""Gaussian moments of an activation seen by many neurons, in several classes, at several times.

A neuron of type τ sees a sample of class y at the noise level k through

.. math::  h=\mu_{\tau yk}+\theta_{yk}u+\delta_kv,\qquad u,v\sim N(0,1),

with u along the sample and v along the noise.  Let :math:`m_k(u)=E_v\sigma(h)`.  To leading order
in the dimension a feature is the sum of

================  =====================================================  ======================
`mean`            :math:`c^0_k=E_um_k`                                   a constant
`signal`          :math:`E_u[m_ku]`                                      linear in the sample
`noise`           :math:`B_k=E_{uv}[\sigma v]`                           linear in the noise
`kernel`          :math:`K_{kk'}=E_u[r_kr_{k'}]`                         one of the sample alone
`floor`           :math:`S_k=E_{uv}(\sigma-m_k-B_kv)^2`                  one of every noise alone
================  =====================================================  ======================

where :math:`r_k=m_k-c^0_k-E[m_ku]\,u`.  Both squares are integrated as squares, so that nothing
cancels.  The Hermite coefficients of second order enter eigenvalues of order one only:
:math:`\frac12E[m_k(u^2-1)]`, :math:`E[\sigma uv]` and :math:`\frac12E[\sigma(v^2-1)]`.

A smooth activation is integrated by the trapezoidal rule, which for Gaussian weights converges
faster than any power of its step; one with kinks or jumps on Gauss-Legendre panels that end where
the argument meets one of them, with ladders of panels on the scale of the blur about the places
where the mean over the noise bends.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .panels import NODES, REACH, WEIGHTS, Function, NotIntegrableError, normal_density, sample

Array = NDArray[np.float64]

_STEP = 0.1  # of the trapezoidal rule; tanh at unit scale is then exact to 1e-15
_MOST_NODES = 4000  # in one variable
_BLOCK = 4_000_000  # values of the activation held at once
_WIDTH = 1.6  # of panels in u and v, in units of the weight's standard deviation
_LADDER = np.array([-9.0, -6.0, -4.0, -2.5, -1.2, 0.0, 1.2, 2.5, 4.0, 6.0, 9.0])


class ChannelMoments(NamedTuple):
    """Moments by type, class and level; (N, Y, T) each, `kernel` (N, Y, T, T).

    `bend_signal`, `bend_mixed` and `bend_noise` are the coefficients of second order.
    """

    mean: Array
    signal: Array
    noise: Array
    kernel: Array
    floor: Array
    bend_signal: Array
    bend_mixed: Array
    bend_noise: Array


def channel_moments(
    function: Function, centre: Array, spread: Array, blur: Array
) -> ChannelMoments:
    """Moments of ``function(centre + spread u + blur v)``.

    Parameters
    ----------
    function : σ on a flat array
    centre : (N, Y, T), μ
    spread : (Y, T), θ >= 0
    blur : (T,), δ > 0

    Raises
    ------
    NotIntegrableError
        If a value is not finite.
    """
    widest = float(np.sqrt(spread**2 + blur**2).max())
    farthest = float(np.abs(centre).max()) + REACH * widest
    breaks = _breaks(function, farthest)
    types, classes, levels = centre.shape
    shape = (types, classes, levels)
    first, last = (np.empty((count, *shape)) for count in (3, 4))
    result = ChannelMoments(*first, np.empty((*shape, levels)), *last)  # type: ignore[call-arg]
    for y in range(classes):
        if breaks.size == 0:
            _smooth(function, centre[:, y], spread[y], blur, y, result)
            continue
        for i in range(types):
            _broken(function, breaks, centre[i, y], spread[y], blur, (i, y), result)
    return result


def _breaks(function: Function, farthest: float) -> Array:
    """Where the function or a derivative jumps, found at the scale of its argument."""
    gamma = max(1.0, farthest / REACH)
    found = gamma * sample(function, float(np.finfo(float).eps), gamma).breaks
    return found[np.abs(found) <= farthest]


def _trapezoid(scale: float) -> tuple[Array, Array]:
    """Nodes and weights of E f(u) where f varies on the scale 1/scale."""
    step = max(_STEP / max(1.0, scale), 2.0 * REACH / _MOST_NODES)
    count = int(np.ceil(REACH / step))
    nodes = step * np.arange(-count, count + 1, dtype=np.float64)
    weights = normal_density(nodes)
    return nodes, weights / weights.sum()


def _smooth(
    function: Function, centre: Array, spread: Array, blur: Array, y: int, out: ChannelMoments
) -> None:
    """All types of one class by the trapezoidal rule in both variables."""
    u, weight_u = _trapezoid(float(spread.max()))
    v, weight_v = _trapezoid(float(blur.max()))
    block = max(1, _BLOCK // (u.size * v.size))
    levels = spread.size
    for start in range(0, len(centre), block):
        rows = slice(start, start + block)
        means = []
        for k in range(levels):
            h = (centre[rows, k, None, None] + spread[k] * u[:, None]) + blur[k] * v
            values = _finite(function, h)
            means.append(_level(values, u, weight_u, v, weight_v, (rows, y, k), out))
        _kernel(np.stack(means), u, weight_u, (rows, y), out)


def _broken(
    function: Function,
    breaks: Array,
    centre: Array,
    spread: Array,
    blur: Array,
    place: tuple[int, int],
    out: ChannelMoments,
) -> None:
    """One type and class on panels that end at the breaks."""
    u, weight_u = _outer(breaks, centre, spread, blur)
    means = []
    for k in range(spread.size):
        v, weight_v = _inner((breaks - centre[k] - spread[k] * u[:, None]) / blur[k])
        h = centre[k] + spread[k] * u[:, None] + blur[k] * v
        values = _finite(function, h)
        means.append(_level(values, u, weight_u, v, weight_v, (*place, k), out))
    _kernel(np.stack(means), u, weight_u, place, out)


def _outer(breaks: Array, centre: Array, spread: Array, blur: Array) -> tuple[Array, Array]:
    """Panels in u, with ladders about the places where some level's mean bends."""
    edges = [np.arange(-REACH, REACH + 0.5 * _WIDTH, _WIDTH)]
    for k in np.flatnonzero(spread > 0.0):
        place = (breaks - centre[k])[:, None] / spread[k]
        edges.append((place + _LADDER * (blur[k] / spread[k])).ravel())
    joined = np.unique(np.clip(np.concatenate(edges), -REACH, REACH))
    joined = joined[np.append(True, np.diff(joined) > 1e-12)]
    nodes, half = _on_panels(joined)
    return nodes.ravel(), (half * normal_density(nodes)).ravel()


def _inner(meeting: Array) -> tuple[Array, Array]:
    """Panels in v for every u, broken where the argument meets a break; (u, nodes) each."""
    base = np.append(np.arange(-REACH, REACH, _WIDTH), REACH)
    inside = np.clip(meeting, -REACH, REACH)
    edges = np.sort(np.hstack([np.tile(base, (len(meeting), 1)), inside]), axis=1)
    nodes, half = _on_panels(edges)
    weights = half * normal_density(nodes)
    return nodes.reshape(len(meeting), -1), weights.reshape(len(meeting), -1)


def _on_panels(edges: Array) -> tuple[Array, Array]:
    left, right = edges[..., :-1, None], edges[..., 1:, None]
    half = 0.5 * (right - left)
    return 0.5 * (left + right) + half * NODES, half * WEIGHTS


def _finite(function: Function, h: Array) -> Array:
    values = function(h.ravel()).reshape(h.shape)
    bad = ~np.isfinite(values)
    if np.any(bad):
        raise NotIntegrableError(f"is not finite at x = {h[bad][0]:.6g}")
    return values


def _level(
    values: Array,
    u: Array,
    weight_u: Array,
    v: Array,
    weight_v: Array,
    place: tuple[slice | int, int, int],
    out: ChannelMoments,
) -> Array:
    """Moments of one level from values (..., u, v); returns the mean over the noise, (..., u)."""
    mean = np.einsum("...uv,...uv->...u", values, np.broadcast_to(weight_v, values.shape))
    linear = np.einsum("...uv,...uv->...u", values, np.broadcast_to(weight_v * v, values.shape))
    square = weight_v * (v * v - 1.0)
    bent = np.einsum("...uv,...uv->...u", values, np.broadcast_to(square, values.shape))
    noise = linear @ weight_u
    rest = values - mean[..., None] - np.asarray(noise)[..., None, None] * v
    lost = np.einsum("...uv,...uv->...u", rest * rest, np.broadcast_to(weight_v, values.shape))
    out.mean[place] = mean @ weight_u
    out.signal[place] = mean @ (weight_u * u)
    out.noise[place] = noise
    out.floor[place] = lost @ weight_u
    out.bend_signal[place] = 0.5 * (mean @ (weight_u * (u * u - 1.0)))
    out.bend_mixed[place] = linear @ (weight_u * u)
    out.bend_noise[place] = 0.5 * (bent @ weight_u)
    return np.asarray(mean)


def _kernel(
    means: Array, u: Array, weight_u: Array, place: tuple[slice | int, int], out: ChannelMoments
) -> None:
    """K from the means (T, ..., u) of all levels."""
    moved = np.moveaxis(means, 0, -2)
    rest = moved - out.mean[place][..., None] - out.signal[place][..., None] * u
    out.kernel[place] = np.einsum("...ku,...lu,u->...kl", rest, rest, weight_u, optimize=True)
