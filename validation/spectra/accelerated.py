"""Sampled feature matrices and their eigenvalues through PyTorch, for sizes that need a GPU.

The same matrices as in `rmtspec.compare.networks.feature_matrices`, from the same random numbers,
which NumPy draws: a matrix made here differs from one made there by rounding only. Everything is in
double precision; p = 20,000 needs 3.2 GB a matrix, and about six of them.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from rmtspec.compare.networks.noise_moments import noise_average

Array = NDArray[np.float64]
Tensor = torch.Tensor

# Trapezoidal rule in the noise as in
# `rmtspec.compare.networks.noise_moments`, whose error it shares.
_NOISE_STEP = 0.5
_NOISE_RANGE = 8.0


def eigenvalues(matrix: Tensor) -> Array:
    """Return the eigenvalues of a symmetric matrix, ascending."""
    return cast(Array, torch.linalg.eigvalsh(matrix).cpu().numpy())


def eigensystem(matrix: Tensor) -> tuple[Array, Array]:
    """Return eigenvalues, ascending, and eigenvectors as columns."""
    values, vectors = torch.linalg.eigh(matrix)
    return values.cpu().numpy(), vectors.cpu().numpy()


def gaussian_equivalent(
    w: Array, x: Array, omega: Array, device: str, *, c: float, b: float, v: float, s: float
) -> Tensor:
    """Return G G^T/n + (b^2/d) W W^T + s^2 I with G = c W X^T/sqrt(d) + v Omega, shape (p, p)."""
    samples, dimension = x.shape
    weights = torch.tensor(w, device=device)
    g = (c / math.sqrt(dimension)) * (weights @ torch.tensor(x, device=device).T)
    g += v * torch.tensor(omega, device=device)
    matrix = (b**2 / dimension) * (weights @ weights.T)
    matrix.addmm_(g, g.T, alpha=1.0 / samples)
    matrix.diagonal().add_(s**2)
    return matrix


def true_features(
    w: Array,
    x: Array,
    t: float,
    activation: str,
    device: str,
    *,
    mean: float = 0.0,
    order: int = 7,
    block: int = 512,
) -> tuple[Tensor, float]:
    """Return U of the true features and the bound on what Mehler's sum leaves out.

    Parameters are those of `rmtspec.compare.networks.feature_matrices.true_features`. The moments
    of tanh are computed on the device, those of erf and relu by SciPy.
    """
    dimension = w.shape[1]
    weights = torch.tensor(w, device=device)
    norms = weights.norm(dim=1)
    omega = math.sqrt(-math.expm1(-2.0 * t)) * norms[:, None] / math.sqrt(dimension)
    correlation = (weights @ weights.T) / torch.outer(norms, norms)
    correlation.fill_diagonal_(0.0)
    gram = torch.zeros_like(correlation)
    diagonal, tail = torch.zeros_like(norms), torch.zeros_like(norms)
    # One pass a term of the sum keeps one power of the correlations in memory; the moments of a
    # block are cheap beside the product of matrices, so they are made again in every pass.
    power = torch.ones_like(correlation)
    for k in range(order + 1):
        for start in range(0, len(x), block):
            u = weights @ torch.tensor(x[start : start + block], device=device).T
            u *= math.exp(-t) / math.sqrt(dimension)
            moments, second = _moments(activation, u, omega, order)
            second = second - 2.0 * mean * moments[0] + mean**2
            moments[0] -= mean
            gram.addcmul_(power, moments[k] @ moments[k].T)
            if k == 0:
                diagonal += second.sum(dim=1)
                rest = second - moments.square().sum(dim=0)
                tail += rest.clamp(min=0.0).sum(dim=1)
        power *= correlation
    gram /= len(x)
    gram.diagonal().copy_(diagonal / len(x))
    left_out = correlation.abs() ** (order + 1) * torch.outer(tail, tail).sqrt() / len(x)
    return gram, float(left_out.norm())


def _moments(activation: str, u: Tensor, omega: Tensor, order: int) -> tuple[Tensor, Tensor]:
    if activation != "tanh":
        seen, wide = u.cpu().numpy(), np.broadcast_to(omega.cpu().numpy(), tuple(u.shape))
        moments, second = noise_average(activation, seen, wide).moments(seen, wide, order)
        return torch.tensor(moments, device=u.device), torch.tensor(second, device=u.device)
    nodes = np.arange(-_NOISE_RANGE, _NOISE_RANGE + 0.5 * _NOISE_STEP, _NOISE_STEP)
    shares = np.exp(-0.5 * nodes**2)
    shares /= shares.sum()
    found = torch.zeros((order + 1, *u.shape), dtype=u.dtype, device=u.device)
    second = torch.zeros_like(u)
    for node, share in zip(nodes, shares, strict=True):
        value = torch.tanh(u + omega * node)
        second += share * value.square()
        before, hermite = 0.0, 1.0
        for k in range(order + 1):
            found[k] += (share * hermite) * value
            # Normalised Hermite polynomials, k -> k + 1.
            following = (node * hermite - math.sqrt(k) * before) / math.sqrt(k + 1.0)
            before, hermite = hermite, following
    return found, second
