r"""Gaussian mixtures: density, score and samples at every diffusion time, in closed form.

With components of weight pi_c, mean m_c and covariance S_c, the noised law at time t is again a
mixture, of means e^-t m_c and covariances S_c(t) = e^{-2t} S_c + Delta_t, and

.. math::  s(x,t) = \nabla\log P_t(x) = -\sum_c w_c(x)\,S_c(t)^{-1}(x-e^{-t}m_c),

w_c(x) the posterior weight of component c.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike

from rmtspec import _checks
from validation.diffusion import Levels

Tensor = torch.Tensor


class GaussianMixture:
    """A mixture of Gaussians in R^d, one component being the plain Gaussian.

    Parameters
    ----------
    means : array_like, shape (C, d) or (d,)
    covariance : array_like
        A variance for all (scalar), a variance a component (C,), one covariance for all (d, d), or
        one a component (C, d, d). Positive semi-definite.
    weights : array_like, shape (C,), optional
        Positive; normalised. Default: equal.
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
        raise NotImplementedError

    @classmethod
    def symmetric(cls, mean: ArrayLike, variance: float = 1.0, **kind: object) -> GaussianMixture:
        """Return the mixture of N(m, variance) and N(-m, variance) at equal weights."""
        raise NotImplementedError

    def log_density(self, x: Tensor, t: float = 0.0) -> Tensor:
        """Return log P_t(x), shape (N,)."""
        raise NotImplementedError

    def score(self, x: Tensor, t: float = 0.0) -> Tensor:
        """Return grad log P_t(x), shape (N, d)."""
        raise NotImplementedError

    def sample(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return samples (count, d) of P_0 and the component of each, (count,) int64."""
        raise NotImplementedError

    def denoiser(self, levels: Levels) -> object:
        """Return the exact denoiser(x, k) = -sqrt(Delta_k) s(x, t_k)."""
        raise NotImplementedError
