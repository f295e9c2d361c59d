r"""One random-feature network for all diffusion times, and one for each (generation on mixtures)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from validation.diffusion import Levels

Array = NDArray[np.float64]
Tensor = torch.Tensor


class TimeIntegratedNet(nn.Module):
    """S(x, t) = A sigma(W x/sqrt(d) + t b)/sqrt(p), predicted noise -sqrt(Delta_k) S(x, t_k)."""

    def __init__(
        self,
        dimension: int,
        neurons: int,
        levels: Levels,
        *,
        activation: str = "tanh",
        bias: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        raise NotImplementedError

    def forward(self, x: Tensor, k: Tensor) -> Tensor:
        """Return the predicted noise, shape (N, d)."""
        raise NotImplementedError


class Modes(NamedTuple):
    """Projection u = x.m/|m| of samples: mean, variance, excess kurtosis with standard errors, and
    the kurtosis of the mixture itself."""

    variance: float
    kurtosis: float
    kurtosis_error: float
    exact: float


def generate_by_features(
    mean: Array,
    *,
    samples: int,
    neurons: int,
    times: Array,
    tau: float,
    count: int,
    rng: np.random.Generator,
    activation: str = "tanh",
) -> Array:
    """Sample with one random-feature score per diffusion time, each trained by exact gradient flow
    to tau on `samples` draws of the mixture +-mean with unit variance; returns (count, d)."""
    raise NotImplementedError


def modes(samples: Array, mean: Array) -> Modes:
    """Return how the samples spread along the direction of the means."""
    raise NotImplementedError


def direction_learned(
    mean: Array,
    *,
    samples: int,
    neurons: int,
    times: Array,
    tau: Array,
    rng: np.random.Generator,
    activation: str = "tanh",
) -> Array:
    """Return the share in [0, 1] of the score along the means that is learned, shape (times, tau):
    regression slope of m.s on m.x_t over that of the exact score."""
    raise NotImplementedError
