"""Random-feature Gram matrices of finite size, their noise averaged exactly up to a stated bound.

Two matrices with the same limiting spectrum (arXiv 2505.17638, section 3): the true one,

    U = (1/n) sum_nu E_xi sigma(h_nu) sigma(h_nu)^T,  h_nu = W (e^-t x_nu + sqrt(Delta) xi)/sqrt(d),

and its Gaussian equivalent G G^T/n + (b^2/d) W W^T + s^2 I with G = c W X/sqrt(d) + v Omega.

**The noise average.** Given W and x the pre-activations are jointly Gaussian: neuron i has mean
u_i = e^-t W_i x/sqrt(d), standard deviation omega_i = sqrt(Delta) |W_i|/sqrt(d), and the noises of
neurons i and j have correlation C_ij = W_i W_j/(|W_i| |W_j|). With the Hermite polynomials He_k and

    m_k(u, omega) = E_g[sigma(u + omega g) He_k(g)] / sqrt(k!),

Mehler's formula gives, for i != j,

    E_xi[sigma(h_i) sigma(h_j)] = sum_k m_k(u_i, omega_i) m_k(u_j, omega_j) C_ij^k,

and the diagonal is the second moment itself. Off the diagonal |C_ij| = O(d^-1/2), so
the sum is cut at a small order K.

**What the cut costs.** By Parseval sum_k m_k^2 = E_g sigma^2, so the part of the sum beyond K,
tail_i(x), is known without further terms. Cauchy-Schwarz, over k > K and then over the samples,
bounds the entries left out by |C_ij|^(K+1) sqrt(T_i T_j) with T_i the sample mean of tail_i. The
Frobenius norm F of these bounds limits every eigenvalue's error (Weyl), and by Hoffman-Wielandt the
mean of |delta lambda| by F/sqrt(p), hence |delta q(z)| <= F/(sqrt(p) (Im z)^2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
Moments = Callable[[Array, Array, int], tuple[Array, Array]]

# Trapezoidal rule in the noise. Its error for tanh is set by the poles of tanh(u + omega g) at
# distance pi/(2 omega) from the real axis, exp(-pi^2/(omega step)) times up to a hundred from the
# residues: measured 2e-8 at omega = 0.8, from where on the step shrinks as 1/omega.
_NOISE_STEP = 0.5
_WIDEST = 0.8
_NOISE_RANGE = 8.0


def tanh_moments(u: Array, omega: Array, order: int) -> tuple[Array, Array]:
    """Moments m_0..m_order and E tanh^2 by the trapezoidal rule (within 3e-8)."""
    step = _NOISE_STEP * min(1.0, _WIDEST / float(omega.max(initial=_WIDEST)))
    nodes = np.arange(-_NOISE_RANGE, _NOISE_RANGE + 0.5 * step, step)
    weights = np.exp(-0.5 * nodes**2)
    weights /= weights.sum()
    hermite = _hermite(nodes, order)
    moments = np.zeros((order + 1, *u.shape))
    second = np.zeros(u.shape)
    for j, node in enumerate(nodes):
        value = np.tanh(u + omega * node)
        second += weights[j] * value**2
        for k in range(order + 1):
            moments[k] += (weights[j] * hermite[k, j]) * value
    return moments, second


def erf_moments(u: Array, omega: Array, order: int) -> tuple[Array, Array]:
    """Moments of erf in closed form, from E erf(u + omega g) = 2 Phi(u/w) - 1, w^2 = omega^2 + 1/2.

    m_k sqrt(k!) = omega^k d^k/du^k of the mean; the second moment is Owen's T function.
    """
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


MOMENTS: dict[str, Moments] = {"tanh": tanh_moments, "erf": erf_moments, "relu": relu_moments}


def _hermite(x: Array, order: int) -> Array:
    """Return He_k(x)/sqrt(k!) for k = 0..order, shape (order + 1, *x.shape)."""
    table = np.empty((order + 1, *x.shape))
    table[0] = 1.0
    if order >= 1:
        table[1] = x
    for k in range(1, order):
        table[k + 1] = (x * table[k] - math.sqrt(k) * table[k - 1]) / math.sqrt(k + 1.0)
    return table


@dataclass(frozen=True)
class FeatureGram:
    """The true matrix U, shape (p, p), and a bound on the Frobenius norm of what was left out.

    `slope` (p,) is the sample mean of m_1: by Stein's lemma, with W_ij/|W_i| the correlation of the
    noises of neuron i and direction j, E_xi[sigma(h_i) xi_j] = slope_i W_ij/|W_i|.
    """

    matrix: Array
    truncation: float
    slope: Array


def true_features(
    w: Array,
    x: Array,
    t: float,
    activation: str,
    *,
    mean: float = 0.0,
    order: int = 7,
    block: int = 256,
) -> FeatureGram:
    """Return U of the features sigma(W x_t/sqrt(d)) - mean, the noise averaged by Mehler's sum.

    Parameters
    ----------
    w : array, shape (p, d)
        Weights with unit-variance entries.
    x : array, shape (n, d)
        Samples.
    t : float
        Diffusion time, positive.
    activation : {"tanh", "erf", "relu"}
    mean : float
        Subtracted from every feature (the Gaussian mean alpha_0 for a centred activation).
    order : int
        Last order K >= 1 of Mehler's sum.
    block : int
        Samples treated at once; limits memory only.
    """
    dimension = w.shape[1]
    norms = np.linalg.norm(w, axis=1)
    omega = math.sqrt(-math.expm1(-2.0 * t)) * norms[:, None] / math.sqrt(dimension)
    correlation = (w @ w.T) / np.outer(norms, norms)
    np.fill_diagonal(correlation, 0.0)
    gram = np.zeros_like(correlation)
    diagonal, tail, slope = np.zeros((3, len(w)))
    for start in range(0, len(x), block):
        u = math.exp(-t) * (w @ x[start : start + block].T) / math.sqrt(dimension)
        moments, second = MOMENTS[activation](u, np.broadcast_to(omega, u.shape), order)
        second = second - 2.0 * mean * moments[0] + mean**2
        moments[0] -= mean
        power = np.ones_like(correlation)
        for moment in moments:
            gram += power * (moment @ moment.T)
            power *= correlation
        diagonal += second.sum(axis=1)
        slope += moments[1].sum(axis=1)
        tail += np.maximum(second - np.sum(moments**2, axis=0), 0.0).sum(axis=1)
    gram /= len(x)
    np.fill_diagonal(gram, diagonal / len(x))
    left_out = np.abs(correlation) ** (order + 1) * np.sqrt(np.outer(tail, tail)) / len(x)
    return FeatureGram(gram, float(np.linalg.norm(left_out)), slope / len(x))


def gaussian_equivalent(
    w: Array, x: Array, omega: Array, *, c: float, b: float, v: float, s: float
) -> Array:
    """Return G G^T/n + (b^2/d) W W^T + s^2 I with G = c W X^T/sqrt(d) + v Omega, shape (p, p)."""
    samples, dimension = x.shape
    g = (c / math.sqrt(dimension)) * (w @ x.T) + v * omega
    matrix: Array = g @ g.T / samples
    matrix += (b**2 / dimension) * (w @ w.T)
    matrix[np.diag_indices(len(w))] += s**2
    return matrix


def stieltjes(eigenvalues: Array, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return q(z) = (1/p) sum_i 1/(lambda_i - z)."""
    return np.asarray(np.mean(1.0 / (eigenvalues[:, None] - z[None, :]), axis=0))
