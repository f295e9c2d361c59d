"""Random-feature Gram matrices of finite size, their noise averaged exactly up to a stated bound.

Two matrices with the same limiting spectrum (arXiv 2505.17638, section 3): the true one,

    U = (1/n) sum_nu E_xi sigma(h_nu) sigma(h_nu)^T,  h_nu = W (e^-t x_nu + sqrt(Delta) xi)/sqrt(d),

and its Gaussian equivalent G G^T/n + (b^2/d) W W^T + s^2 I with G = c W X/sqrt(d) + v Omega.

**The noise average.** Given W and x the pre-activations are jointly Gaussian: neuron i has mean
u_i = e^-t W_i x/sqrt(d), standard deviation omega_i = sqrt(Delta) ``|W_i|``/sqrt(d), and the noises
of neurons i and j have correlation C_ij = ``W_i W_j/(|W_i| |W_j|)``. With the Hermite polynomials
He_k and

    m_k(u, omega) = E_g[sigma(u + omega g) He_k(g)] / sqrt(k!),

Mehler's formula gives, for i != j,

    E_xi[sigma(h_i) sigma(h_j)] = sum_k m_k(u_i, omega_i) m_k(u_j, omega_j) C_ij^k,

and the diagonal is the second moment itself. Off the diagonal ``|C_ij|`` = O(d^-1/2), so
the sum is cut at a small order K.

**What the cut costs.** By Parseval sum_k m_k^2 = E_g sigma^2, so the part of the sum beyond K,
tail_i(x), is known without further terms. Cauchy-Schwarz, over k > K and then over the samples,
bounds the entries left out by ``|C_ij|^(K+1)`` sqrt(T_i T_j) with T_i the sample mean of tail_i.
The Frobenius norm F of these bounds limits every eigenvalue's error (Weyl), and by
Hoffman-Wielandt the mean of ``|delta lambda|`` by F/sqrt(p), hence
``|delta q(z)| <= F/(sqrt(p) (Im z)^2)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...inputs.activation import ActivationLike
from ...inputs.diffusion.level import NoiseLevel, noised
from .noise_moments import noise_average

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureGram:
    """The true matrix U, shape (p, p), and a bound on the Frobenius norm of what was left out.

    `data` (p, d) is the mean of ``E_xi[sigma(h_i)] x_j`` over the samples.

    `integration` estimates the norm of what the integrals over the noise are off by: an entry is a
    sum of products of moments, whose squares sum up to the second moment.
    `slope` (p,) is the sample mean of m_1: by Stein's lemma, with ``W_ij/|W_i|`` the correlation of
    the noises of neuron i and direction j, ``E_xi[sigma(h_i) xi_j] = slope_i W_ij/|W_i|``.
    """

    matrix: Array
    truncation: float
    slope: Array
    integration: float
    data: Array

    @property
    def error(self) -> float:
        """Bound on the mean ``|delta lambda|``, Hoffman-Wielandt: both errors, as if they added."""
        return (self.truncation + self.integration) / math.sqrt(len(self.matrix))


def true_features(
    w: Array,
    x: Array,
    t: float | NoiseLevel,
    activation: ActivationLike,
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
    t : float or NoiseLevel
        Diffusion time, positive, or a level of any path.
    activation : str, callable or sequence
    mean : float
        Subtracted from every feature (the Gaussian mean alpha_0 for a centred activation).
    order : int
        Last order K >= 1 of Mehler's sum.
    block : int
        Samples treated at once; limits memory only.
    """
    dimension = w.shape[1]
    average = None
    norms = np.linalg.norm(w, axis=1)
    shown = noised(t)
    omega = shown.noise * norms[:, None] / math.sqrt(dimension)
    correlation = (w @ w.T) / np.outer(norms, norms)
    np.fill_diagonal(correlation, 0.0)
    gram, data = np.zeros_like(correlation), np.zeros_like(w)
    diagonal, tail, slope = np.zeros((3, len(w)))
    for start in range(0, len(x), block):
        u = shown.data * (w @ x[start : start + block].T) / math.sqrt(dimension)
        if average is None:
            average = noise_average(activation, u, np.broadcast_to(omega, u.shape))
        moments, second = average.moments(u, np.broadcast_to(omega, u.shape), order)
        second = second - 2.0 * mean * moments[0] + mean**2
        moments[0] -= mean
        power = np.ones_like(correlation)
        for moment in moments:
            gram += power * (moment @ moment.T)
            power *= correlation
        diagonal += second.sum(axis=1)
        slope += moments[1].sum(axis=1)
        data += moments[0] @ x[start : start + block]
        tail += np.maximum(second - np.sum(moments**2, axis=0), 0.0).sum(axis=1)
    gram /= len(x)
    np.fill_diagonal(gram, diagonal / len(x))
    left_out = np.abs(correlation) ** (order + 1) * np.sqrt(np.outer(tail, tail)) / len(x)
    integration = 0.0 if average is None else 2.0 * average.error * float(np.trace(gram))
    return FeatureGram(
        gram, float(np.linalg.norm(left_out)), slope / len(x), integration, data / len(x)
    )


def equivalent_root(w: Array, x: Array, omega: Array, *, c: float, b: float, v: float) -> Array:
    r"""Return H, shape (p, n + d), of the Gaussian equivalent :math:`U=HH^\top+s^2`."""
    samples, dimension = x.shape
    scaled = w / np.sqrt(dimension)
    return np.hstack([(c * (scaled @ x.T) + v * omega) / np.sqrt(samples), b * scaled])


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
