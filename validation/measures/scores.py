r"""Measures of a denoiser: losses, error to an exact score, divergences, distance to a linear map.

Everything is Monte Carlo over noised samples and comes with a standard error. Denoisers and levels
are those of `validation.networks.diffusion`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from validation.harness import arguments
from validation.measures.exact_scores import GaussianMixture
from validation.networks.diffusion import Denoiser, Levels, normal

Tensor = torch.Tensor


class Estimate(NamedTuple):
    """A Monte Carlo mean; `error` is its standard error over samples, `noise_error` over noises.

    For a training loss the samples are given and `noise_error` is the error; for a test loss it is
    `error`, which holds both. With one noise a sample the two cannot be told apart and
    `noise_error` is `error`.
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
    """Return (1/d) E|eps(x_k, k) - xi|^2 over given samples and fresh noises.

    Parameters
    ----------
    denoiser : call of (x, k)
    clean : Tensor, shape (n, ...)
    levels, k
        The noise level, 1..T.
    generator : torch.Generator
        On the device of `clean`.
    noises : int
        Noises a sample.
    chunk : int
        Samples at once; limits memory only, though another chunk draws other noises.
    """

    def squares(x: Tensor, level: Tensor, noise: Tensor) -> Tensor:
        return (denoiser(x, level) - noise).flatten(1).square().mean(dim=1)

    return _average(squares, clean, levels, k, generator, noises, chunk)


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
    """Return (1/d) E|s(x_k) - s*(x_k)|^2, s* the score of an exact denoiser.

    Scores, not noises: a difference of noises is divided by Delta_k, as in `score_error` of the
    learning curves.
    """
    delta = float(levels.delta[k])

    def squares(x: Tensor, level: Tensor, noise: Tensor) -> Tensor:
        difference = denoiser(x, level) - exact(x, level)
        return difference.flatten(1).square().mean(dim=1) / delta

    return _average(squares, clean, levels, k, generator, noises, chunk)


@torch.no_grad()
def _average(
    squares: Callable[[Tensor, Tensor, Tensor], Tensor],
    clean: Tensor,
    levels: Levels,
    k: int,
    generator: torch.Generator,
    noises: int,
    chunk: int,
) -> Estimate:
    k = arguments.integer("k", k, 1, levels.steps)
    noises, chunk = arguments.integer("noises", noises, 1), arguments.integer("chunk", chunk, 1)
    means, within = [], 0.0
    for start in range(0, len(clean), chunk):
        part = clean[start : start + chunk]
        level = torch.full((len(part),), k, dtype=torch.int64, device=part.device)
        seen = []
        for _ in range(noises):
            noise = normal(part, generator)
            seen.append(squares(levels.noised(part, level, noise), level, noise).double())
        table = torch.stack(seen)
        means.append(table.mean(dim=0))
        if noises > 1:
            within += float(table.var(dim=0).sum())
    mean = torch.cat(means)
    n = len(mean)
    error = float(mean.std()) / math.sqrt(n) if n > 1 else math.inf
    noise_error = math.sqrt(within / noises) / n if noises > 1 else error
    return Estimate(float(mean.mean()), error, noise_error)


class Divergence(NamedTuple):
    """KL(model || target), total over the d components; `error` is its standard error.

    `value` = -`entropy` - `log_density`: entropy of the model, mean log density of the target.
    """

    value: float
    error: float
    entropy: float
    log_density: float


@torch.no_grad()
def time_integrated_kl(
    denoiser: Denoiser,
    target: GaussianMixture,
    generated: Tensor,
    levels: Levels,
    generator: torch.Generator,
) -> Divergence:
    r"""Return KL(model || target) with the entropy from the time-integrated score.

    Along dx = -x dt + sqrt(2) dB the entropy grows by :math:`I(t) = E[x\cdot s + |s|^2]`, s the
    score of the law at time t. From samples of the model, noised to every level, and the model's
    own score,

    .. math::  H = \frac d2\log(2\pi e) - \int_0^{t_T} I(t)\,dt,\qquad
               \mathrm{KL} = -H - E\log P_0 .

    Parameters
    ----------
    denoiser : call of (x, k)
        The model's.
    target : GaussianMixture
        P_0, with a density.
    generated : Tensor, shape (N, d)
        Samples of the model.
    levels : Levels
        Fine in t near 0 (trapezoidal rule in t; the first value stands for [0, t_1]) and ending
        where the noised law is a standard normal one: what is left of its entropy is not counted.
    generator : torch.Generator

    Accuracy
    --------
    The samples are taken for those that the denoiser's score belongs to: the error is of first
    order in what the score is off, weighted with 1/Delta at small t.

    References
    ----------
    arXiv 2505.17638, Section B (there beta_t dt/2 stands for dt).
    """
    x = generated.flatten(1)
    logs = target.log_density(x)
    total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    weights = _time_weights(levels)
    for k in range(1, levels.steps + 1):
        level = torch.full((len(x),), k, dtype=torch.int64, device=x.device)
        noised = levels.noised(generated, level, normal(generated, generator))
        score = levels.score(denoiser, noised, level)
        rate = (score * (noised + score)).flatten(1).sum(dim=1)
        total += float(weights[k - 1]) * rate.double()
    each = total - logs.double()
    white = 0.5 * x.shape[1] * math.log(2.0 * math.pi * math.e)
    error = float(each.std()) / math.sqrt(len(x))
    entropy = white - float(total.mean())
    return Divergence(float(each.mean()) - white, error, entropy, float(logs.mean()))


@torch.no_grad()
def girsanov_bound(
    denoiser: Denoiser,
    exact: Denoiser,
    clean: Tensor,
    levels: Levels,
    generator: torch.Generator,
) -> Estimate:
    r"""Return the bound :math:`\int_0^{t_T} E|s-s^*|^2dt` of KL(target || model), total.

    By Girsanov's theorem for the reverse diffusion in continuous time; the noised samples are
    those of the target, and the divergence of P_T from the start is not counted.

    Parameters
    ----------
    denoiser, exact : call of (x, k)
    clean : Tensor, shape (n, ...)
        Samples of the target.
    """
    total = torch.zeros(len(clean), dtype=torch.float64, device=clean.device)
    for k, weight in enumerate(_time_weights(levels), start=1):
        level = torch.full((len(clean),), k, dtype=torch.int64, device=clean.device)
        noised = levels.noised(clean, level, normal(clean, generator))
        difference = (denoiser(noised, level) - exact(noised, level)).flatten(1)
        squares = difference.square().sum(dim=1).double() / float(levels.delta[k])
        total += float(weight) * squares
    error = float(total.std()) / math.sqrt(len(total))
    return Estimate(float(total.mean()), error, error)


def _time_weights(levels: Levels) -> NDArray[np.float64]:
    """Trapezoidal weights of the levels 1..T; the first value is continued to t = 0."""
    t = levels.t.double().cpu().numpy()
    weights = np.zeros(levels.steps)
    weights[0] = t[1]
    gaps = np.diff(t[1:])
    weights[:-1] += 0.5 * gaps
    weights[1:] += 0.5 * gaps
    return weights


class LinearDistance(NamedTuple):
    """Squared distance to the Gaussian-optimal map by direction, arrays (levels, d).

    `eigenvalues` (d,) descend; `distance` is E[(v_i . (eps - eps_lin))^2], `scale` is
    E[(v_i . eps_lin)^2], `error` the standard error of `distance`.
    """

    eigenvalues: NDArray[np.float64]
    distance: NDArray[np.float64]
    scale: NDArray[np.float64]
    error: NDArray[np.float64]


@torch.no_grad()
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
    r"""Return the distance of a denoiser to the best affine one, by eigendirection and level.

    The best affine denoiser of data with this mean and covariance S is (arXiv 2505.24769, eq. 16
    compares maps by their mean squared distance on noised data)

    .. math::  \varepsilon_{lin}(x) = \sqrt{\Delta}\,[\bar\alpha S+\Delta]^{-1}
               (x-\sqrt{\bar\alpha}\,\mu).

    Parameters
    ----------
    clean : Tensor, shape (n, ...)
        Samples whose flattened length is d.
    ks : tuple of int
        Levels.
    mean, covariance : arrays, shapes (d,) and (d, d)
    """
    values, axes = np.linalg.eigh(arguments.table("covariance", covariance))
    values, axes = np.maximum(values[::-1], 0.0), axes[:, ::-1]

    def tensor(array: NDArray[np.float64]) -> Tensor:
        return torch.tensor(array.copy(), dtype=clean.dtype, device=clean.device)

    basis, spread, centre = tensor(axes), tensor(values), tensor(np.asarray(mean).reshape(-1))
    found = {name: np.empty((len(ks), len(values))) for name in ("distance", "scale", "error")}
    for row, k in enumerate(ks):
        level = torch.full((len(clean),), k, dtype=torch.int64, device=clean.device)
        signal, delta = levels.alpha_bar[k], levels.delta[k]
        gain = delta.sqrt() / (signal * spread + delta)
        squares, scales = [], []
        for _ in range(arguments.integer("noises", noises, 1)):
            x = levels.noised(clean, level, normal(clean, generator))
            linear = ((x.flatten(1) - signal.sqrt() * centre) @ basis) * gain
            seen = denoiser(x, level).flatten(1) @ basis
            squares.append((seen - linear).square())
            scales.append(linear.square())
        table = torch.stack(squares).mean(dim=0).double()
        found["distance"][row] = table.mean(dim=0).cpu().numpy()
        found["scale"][row] = torch.stack(scales).double().mean(dim=(0, 1)).cpu().numpy()
        found["error"][row] = table.std(dim=0).cpu().numpy() / math.sqrt(len(table))
    return LinearDistance(values, **found)
