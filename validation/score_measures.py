"""Measures of denoisers (torch): losses, error to an exact score, divergences, distance to linear."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from validation.diffusion import Denoiser, Levels
from validation.exact_scores import GaussianMixture

Tensor = torch.Tensor


class Estimate(NamedTuple):
    """A Monte Carlo mean; `error` is its standard error over samples, `noise_error` over noises.

    For a training loss the samples are given: `noise_error` is the error. For a test loss it is
    `error`, which holds both.
    """

    value: float
    error: float
    noise_error: float


def denoising_loss(
    denoiser: Denoiser,
    clean: Tensor,
    levels: Levels,
    k: int,
    generator: torch.Generator,
    *,
    noises: int = 1,
    chunk: int = 4096,
) -> Estimate:
    """Return (1/d) E|eps(x_k, k) - xi|^2 over given samples (n, ...) and `noises` noises each."""
    raise NotImplementedError


def score_error(
    denoiser: Denoiser,
    exact: Denoiser,
    clean: Tensor,
    levels: Levels,
    k: int,
    generator: torch.Generator,
    *,
    noises: int = 1,
    chunk: int = 4096,
) -> Estimate:
    """Return (1/d) E|s(x_k) - s*(x_k)|^2, s* the score of an exact denoiser (not multiplied by
    Delta): `score_error` of the learning curves."""
    raise NotImplementedError


class Divergence(NamedTuple):
    """KL(model || target), total over the d components, with its standard error and two parts."""

    value: float
    error: float
    entropy: float
    cross_entropy: float


def time_integrated_kl(
    denoiser: Denoiser,
    target: GaussianMixture,
    generated: Tensor,
    levels: Levels,
    generator: torch.Generator,
) -> Divergence:
    """Return KL(model || target) with the entropy from the time-integrated score (eqs. 25-28)."""
    raise NotImplementedError


def girsanov_bound(
    denoiser: Denoiser,
    exact: Denoiser,
    clean: Tensor,
    levels: Levels,
    generator: torch.Generator,
) -> Estimate:
    """Return int E|s - s*|^2 dt over the levels: bounds KL(target || model), total."""
    raise NotImplementedError


class LinearDistance(NamedTuple):
    """Squared distances to the Gaussian-optimal map, shape (levels, d), eigenvalues descending."""

    eigenvalues: NDArray[np.float64]
    distance: NDArray[np.float64]
    scale: NDArray[np.float64]


def linear_distance(
    denoiser: Denoiser,
    clean: Tensor,
    levels: Levels,
    ks: tuple[int, ...],
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    generator: torch.Generator,
    *,
    noises: int = 1,
) -> LinearDistance:
    """Return E[(v_i . (eps - eps_lin))^2] per eigendirection v_i and level (arXiv 2505.24769, eq.
    16), and `scale` E[(v_i . eps_lin)^2]; clean is (n, d) or (n, 1, side, side)."""
    raise NotImplementedError
