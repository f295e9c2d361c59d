r"""Networks of finite size with true features: one for several diffusion times, on classes of data.

The network :math:`S(x,t)=\alpha_tA\varphi_t/\sqrt p+\beta x`,
:math:`\varphi_t=\sigma(Wx/\sqrt d+tb)`, is trained on

.. math::  L=\sum_k\omega_k\frac1d E\big|\sqrt{\Delta_k}\,S(x_{t_k},t_k)+\xi\big|^2,

which is quadratic in A.  Of a set M of samples (all, a class, fresh ones) it is known from
:math:`U_M`, :math:`V_M` and :math:`L_{0,M}`: the noise is averaged by Mehler's sum
(`rmtspec.compare.networks`), and so are fresh data, which are Gaussian in every class.  Gradient
flow from A = 0 then has the losses

.. math::  L_M=L_{0,M}-\tfrac2d\mathrm{Tr}V_M^\top f(U)V+\tfrac1d\mathrm{Tr}V^\top f(U)U_Mf(U)V .
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmtspec.compare.networks.noise_moments import noise_average

Array = NDArray[np.float64]

_ORDER = 7  # of Mehler's sum over the noise of one sample; correlations are of order d^-1/2
_FRESH_ORDER = 16  # over data and noise, with the correlations of whole pre-activations
_BLOCK = 256  # samples at once


@dataclass(frozen=True)
class Data:
    """Classes of data in d dimensions, every covariance diagonal.

    Attributes
    ----------
    weights : (Y,)
    means : (Y, d)
    variances : (Y, d)
    """

    weights: Array
    means: Array
    variances: Array

    def counts(self, samples: int) -> list[int]:
        """Samples of every class, as near to their shares as whole numbers can be."""
        ends = np.rint(np.cumsum(self.weights) * samples).astype(int)
        return [int(count) for count in np.diff(ends, prepend=0)]

    def draw(self, samples: int, rng: np.random.Generator) -> list[Array]:
        """Rows of every class."""
        return [
            mean + np.sqrt(variance) * rng.standard_normal((count, mean.size))
            for mean, variance, count in zip(
                self.means, self.variances, self.counts(samples), strict=True
            )
        ]


@dataclass(frozen=True)
class Network:
    """Frozen weights W (p, d) and biases b (p,), and the times that one A serves.

    Attributes
    ----------
    times, shares : (T,) diffusion times and their weights ω, which sum to 1
    powers : (T,) α²Δ
    skip : β
    """

    w: Array
    b: Array
    times: Array
    shares: Array
    powers: Array
    skip: float
    activation: str

    @property
    def scale(self) -> float:
        """Σ ω α² Δ, by which U is divided."""
        return float(self.shares @ self.powers)


@dataclass(frozen=True)
class Moments:
    """U (p, p), V (p, d) and L_0 of one set of samples."""

    u: Array
    v: Array
    start: float


def mixed(parts: list[Moments], weights: Array) -> Moments:
    """Moments of all samples from those of the classes."""
    return Moments(
        np.tensordot(weights, [one.u for one in parts], 1),
        np.tensordot(weights, [one.v for one in parts], 1),
        float(weights @ [one.start for one in parts]),
    )


def sample_moments(network: Network, x: Array, *, coupled: bool = True) -> Moments:
    """Moments of given rows, the noise averaged; without V if it is not asked for."""
    p, d = network.w.shape
    norms = np.linalg.norm(network.w, axis=1)
    correlation = network.w @ network.w.T / np.outer(norms, norms)
    np.fill_diagonal(correlation, 0.0)
    u, v, start = np.zeros((p, p)), np.zeros((p, d)), 0.0
    square = float((x * x).mean())
    for t, omega, power in zip(network.times, network.shares, network.powers, strict=True):
        delta = -math.expm1(-2.0 * t)
        deviation = math.sqrt(delta / d) * norms[:, None]
        gram, diagonal, slope = np.zeros((p, p)), np.zeros(p), np.zeros(p)
        seen = np.zeros((p, d))
        for block in np.array_split(x, -(-len(x) // _BLOCK)):
            h = math.exp(-t) / math.sqrt(d) * (network.w @ block.T) + t * network.b[:, None]
            moments, second = _averaged(network.activation, h, deviation, _ORDER)
            raised = np.ones_like(correlation)
            for moment in moments:
                gram += raised * (moment @ moment.T)
                raised *= correlation
            diagonal += second.sum(axis=1)
            slope += moments[1].sum(axis=1)
            seen += moments[0] @ block
        gram /= len(x)
        np.fill_diagonal(gram, diagonal / len(x))
        weight = omega * power / network.scale
        u += weight * gram
        noise, data = _target(network, t)
        start += omega * (noise**2 + data**2 * square)
        if coupled:
            root = math.sqrt(omega * weight)
            v += root * noise * (slope / len(x) / norms)[:, None] * network.w
            v += root * data * seen / len(x)
    return Moments(u, v, start)


def fresh_moments(network: Network, mean: Array, variance: Array) -> Moments:
    """Moments of fresh data of one class, the data and their noise averaged."""
    p, d = network.w.shape
    u, v, start = np.zeros((p, p)), np.zeros((p, d)), 0.0
    for t, omega, power in zip(network.times, network.shares, network.powers, strict=True):
        delta, decay = -math.expm1(-2.0 * t), math.exp(-t)
        covariance = (network.w * (decay**2 * variance + delta)) @ network.w.T / d
        deviation = np.sqrt(np.diag(covariance))
        correlation = covariance / np.outer(deviation, deviation)
        np.fill_diagonal(correlation, 0.0)
        h = (decay / math.sqrt(d) * (network.w @ mean) + t * network.b)[:, None]
        moments, second = _averaged(network.activation, h, deviation[:, None], _FRESH_ORDER)
        gram, raised = np.zeros((p, p)), np.ones_like(correlation)
        for moment in moments[:, :, 0]:
            gram += raised * np.outer(moment, moment)
            raised *= correlation
        np.fill_diagonal(gram, second[:, 0])
        weight = omega * power / network.scale
        u += weight * gram
        noise, data = _target(network, t)
        start += omega * (noise**2 + data**2 * float((variance + mean * mean).mean()))
        root = math.sqrt(omega * weight)
        slope = moments[1, :, 0] / deviation
        v += root * noise * math.sqrt(delta / d) * slope[:, None] * network.w
        v += root * data * np.outer(moments[0, :, 0], mean)
        v += root * data * decay / math.sqrt(d) * slope[:, None] * (network.w * variance)
    return Moments(u, v, start)


def losses(own: Moments, sets: list[Moments], tau: Array, scale: float, psi_p: float) -> Array:
    """Losses (sets, times) of gradient flow on `own` from A = 0; times may be infinite."""
    values, vectors = np.linalg.eigh(own.u)
    filters = -np.expm1(-np.multiply.outer(tau, 2.0 * scale * values / psi_p)) / values
    v = vectors.T @ own.v
    d = v.shape[1]
    result = np.empty((len(sets), tau.size))
    gram = v @ v.T / d
    for row, one in zip(result, sets, strict=True):
        cross = np.sum(v * (vectors.T @ one.v), axis=1) / d
        pairs = (vectors.T @ one.u @ vectors) * gram
        row[:] = one.start - 2.0 * filters @ cross + np.sum((filters @ pairs) * filters, axis=1)
    return result


def _target(network: Network, t: float) -> tuple[float, float]:
    """What is to be predicted is −(n ξ + a x): n and a."""
    delta = -math.expm1(-2.0 * t)
    return 1.0 + delta * network.skip, math.sqrt(delta) * network.skip * math.exp(-t)


def _averaged(activation: str, h: Array, deviation: Array, order: int) -> tuple[Array, Array]:
    wide = np.broadcast_to(deviation, h.shape)
    return noise_average(activation, h, wide).moments(h, wide, order)
