r"""Gaussian mixtures: density, score and samples at every diffusion time, in closed form.

With components of weight pi_c, mean m_c and covariance S_c, the noised law at time t is again a
mixture, of means e^-t m_c and covariances S_c(t) = e^{-2t} S_c + Delta_t, and

.. math::  s(x,t) = \nabla\log P_t(x) = -\sum_c w_c(x)\,S_c(t)^{-1}(x-e^{-t}m_c),

w_c(x) the posterior weight of component c. For two components +-m of unit variance this is
m e^-t tanh(x.m e^-t) - x.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike

from validation.harness import arguments
from validation.networks.diffusion import Denoiser, Levels

Tensor = torch.Tensor


class GaussianMixture:
    """A mixture of Gaussians in R^d, one component being the plain Gaussian.

    Parameters
    ----------
    means : array_like, shape (C, d) or (d,)
    covariance : array_like
        One variance (scalar), one covariance for all components (d, d), or one a component
        (C, d, d). Symmetric, positive semi-definite.
    weights : array_like, shape (C,), optional
        Positive; normalised. Default: equal.

    Raises
    ------
    ValueError
        If shapes do not fit, a variance is negative or a weight is not positive.
    """

    def __init__(
        self,
        means: ArrayLike,
        covariance: ArrayLike = 1.0,
        weights: ArrayLike | None = None,
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        centres = np.atleast_2d(arguments.table("means", means))
        if centres.ndim != 2 or centres.size == 0:
            raise ValueError(f"means must have shape (C, d), got {centres.shape}")
        count, d = centres.shape
        shares = np.full(count, 1.0 / count)
        if weights is not None:
            shares = arguments.table("weights", weights, 0.0)
            if shares.shape != (count,) or not np.all(shares > 0.0):
                raise ValueError(f"weights must be {count} positive numbers, got {shares}")
            shares = shares / shares.sum()
        spread = arguments.table("covariance", covariance)
        if spread.ndim not in (0, 2, 3) or spread.shape not in ((), (d, d), (count, d, d)):
            raise ValueError(
                f"covariance must have shape (), ({d}, {d}) or ({count}, {d}, {d}), "
                f"got {spread.shape}"
            )

        def tensor(values: ArrayLike) -> Tensor:
            return torch.tensor(np.asarray(values), dtype=dtype, device=device)

        self.dimension = d
        self.means, self.weights = tensor(centres), tensor(shares)
        self._axes: Tensor | None = None
        if spread.ndim == 0:
            values = np.broadcast_to(spread, (count, d))
        else:
            values, axes = np.linalg.eigh(np.broadcast_to(spread, (count, d, d)))
            self._axes = tensor(axes)
        # eigh rounds a zero eigenvalue to +-1e-16 of the largest.
        if np.any(values < -1e-12 * np.max(np.abs(values), initial=1.0)):
            raise ValueError(f"covariance must be positive semi-definite, got {values.min()!r}")
        self.variances = tensor(np.maximum(values, 0.0))

    @classmethod
    def symmetric(cls, mean: ArrayLike, variance: float = 1.0) -> GaussianMixture:
        """Return the mixture of N(m, variance) and N(-m, variance) at equal weights, float64."""
        m = arguments.table("mean", mean)
        return cls(np.stack([m, -m]), variance)

    def to(self, *, dtype: torch.dtype, device: torch.device | str = "cpu") -> GaussianMixture:
        """Return the same mixture in another type or on another device."""
        other = object.__new__(GaussianMixture)
        other.dimension = self.dimension
        other.means, other.weights = self.means.to(device, dtype), self.weights.to(device, dtype)
        other.variances = self.variances.to(device, dtype)
        other._axes = None if self._axes is None else self._axes.to(device, dtype)
        return other

    def log_density(self, x: Tensor, t: float | Tensor = 0.0) -> Tensor:
        """Return log P_t(x), shape (N,); `t` is a number or one a row."""
        return torch.logsumexp(self._parts(x, t)[0], dim=1)

    def score(self, x: Tensor, t: float | Tensor = 0.0) -> Tensor:
        """Return grad log P_t(x), shape (N, d)."""
        logs, scaled = self._parts(x, t)
        posterior = torch.softmax(logs, dim=1)
        if self._axes is None:
            return -torch.einsum("nc,ncd->nd", posterior, scaled)
        return -torch.einsum("nc,cde,nce->nd", posterior, self._axes, scaled)

    def sample(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return samples (count, d) of P_0 and the component of each, (count,) int64."""
        count = arguments.integer("count", count, 1)
        device, dtype = self.means.device, self.means.dtype
        chosen = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        z = (
            torch.randn(count, self.dimension, generator=generator, dtype=dtype, device=device)
            * self.variances[chosen].sqrt()
        )
        if self._axes is not None:
            for c in range(len(self.means)):
                mine = chosen == c
                z[mine] = z[mine] @ self._axes[c].T
        return self.means[chosen] + z, chosen

    def denoiser(self, levels: Levels) -> Denoiser:
        """Return the exact denoiser(x, k) = -sqrt(Delta_k) s(x, t_k)."""

        def exact(x: Tensor, k: Tensor) -> Tensor:
            return -levels.delta[k].sqrt()[:, None] * self.score(x, levels.t[k])

        return exact

    def _parts(self, x: Tensor, t: float | Tensor) -> tuple[Tensor, Tensor]:
        """log(pi_c N(x; c)) (N, C); S_c(t)^-1 (x - mean_c), (N, C, d), in the axes of c."""
        time = torch.as_tensor(t, dtype=x.dtype, device=x.device).reshape(-1, 1, 1)
        variance = torch.exp(-2.0 * time) * self.variances - torch.expm1(-2.0 * time)
        if bool((variance <= 0.0).any()):
            raise ValueError("t must be positive: the covariance is singular")
        offset = x[:, None, :] - torch.exp(-time) * self.means
        if self._axes is not None:
            offset = torch.einsum("cde,ncd->nce", self._axes, offset)
        scaled = offset / variance
        logs = -0.5 * ((offset * scaled) + variance.log() + math.log(2.0 * math.pi)).sum(dim=2)
        return logs + self.weights.log(), scaled
