r"""Noising and sampling with any denoiser: one convention for every network and exact score.

A **denoiser** is a call ``denoiser(x, k)`` that predicts the noise: `x` is (N, ...) samples at the
noise levels `k`, an int64 tensor of shape (N,) with entries 1..T. Level k of a schedule has

.. math::  x_k = \sqrt{\bar\alpha_k}\,x_0 + \sqrt{\Delta_k}\,\xi, \qquad
           \bar\alpha_k = e^{-2t_k},\quad \Delta_k = 1 - \bar\alpha_k,

so that noise and score are one thing, :math:`\varepsilon(x,k) = -\sqrt{\Delta_k}\,s(x,t_k)`, and
the loss of arXiv 2505.17638 (eq. 3), :math:`\frac1d E|\sqrt{\Delta}\,s+\xi|^2`, is the mean squared
error of the predicted noise. A single diffusion time t is the schedule
``rs.NoiseSchedule.at_times([t])``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

import rmtspec as rs
from validation.harness import arguments

Tensor = torch.Tensor
Denoiser = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Levels:
    """The noise levels k = 1..T of a schedule as tensors; entry 0 is the clean sample.

    Attributes
    ----------
    t, alpha_bar, delta : Tensor, shape (T + 1,)
        Diffusion time, signal and noise variance; 0, 1 and 0 at entry 0.
    """

    t: Tensor
    alpha_bar: Tensor
    delta: Tensor

    @classmethod
    def of(
        cls,
        schedule: rs.NoiseSchedule,
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> Levels:
        """Return the levels of a schedule, rounded to `dtype` on `device`."""

        def tensor(first: float, values: object) -> Tensor:
            clean = torch.tensor([first], dtype=torch.float64)
            rest = torch.tensor(values, dtype=torch.float64)
            return torch.cat([clean, rest]).to(device=device, dtype=dtype)

        return cls(
            tensor(0.0, schedule.t), tensor(1.0, schedule.alpha_bar), tensor(0.0, schedule.delta)
        )

    @property
    def steps(self) -> int:
        """Number of levels T."""
        return len(self.t) - 1

    def noised(self, clean: Tensor, k: Tensor, noise: Tensor) -> Tensor:
        """Return sqrt(alpha_bar_k) x_0 + sqrt(Delta_k) xi, row by row."""
        shape = (-1,) + (1,) * (clean.ndim - 1)
        signal = self.alpha_bar[k].sqrt().reshape(shape)
        return signal * clean + self.delta[k].sqrt().reshape(shape) * noise

    def score(self, denoiser: Denoiser, x: Tensor, k: Tensor) -> Tensor:
        """Return the score -eps/sqrt(Delta_k) that a denoiser stands for, shaped like `x`."""
        shape = (-1,) + (1,) * (x.ndim - 1)
        return -denoiser(x, k) / self.delta[k].sqrt().reshape(shape)


def normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Return standard normal numbers shaped, typed and placed like a tensor."""
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)


def guided(network: Callable[..., Tensor], label: int, strength: float, classes: int) -> Denoiser:
    r"""Classifier-free guidance: :math:`(1+w)\,\varepsilon(x,k,y) - w\,\varepsilon(x,k)`.

    Parameters
    ----------
    network : call of (x, k, labels)
        Trained with labels dropped out at random; label `classes` means "no label".
    label : int in [0, classes)
    strength : float
        w: 0 samples from the class as learned, -1 ignores the class.
    classes : int
        Number of classes.

    References
    ----------
    Ho, Salimans (2022), arXiv 2207.12598, eq. 6.
    """
    label = arguments.integer("label", label, 0, classes - 1)
    strength = arguments.real("strength", strength)

    def denoiser(x: Tensor, k: Tensor) -> Tensor:
        with_label = network(x, k, torch.full_like(k, label))
        if strength == 0.0:
            return with_label
        without = network(x, k, torch.full_like(k, classes))
        return (1.0 + strength) * with_label - strength * without

    return denoiser


@torch.no_grad()
def euler_maruyama(
    denoiser: Denoiser, levels: Levels, start: Tensor, generator: torch.Generator
) -> Tensor:
    r"""Run the reverse diffusion from level T to the clean sample, one Euler step a level.

    .. math::  x_{k-1} = x_k + (x_k + 2 s(x_k,t_k))\,h + \sqrt{2h}\,\xi, \qquad h=t_k-t_{k-1}.

    Parameters
    ----------
    denoiser : call of (x, k)
    levels : Levels
    start : Tensor, shape (N, ...)
        Samples at level T, usually standard normal.
    generator : torch.Generator
        On the device of `start`.

    Accuracy
    --------
    First order in h; needs h well below Delta at every level (a schedule with growing beta).
    """
    x = start.clone()
    for k in range(levels.steps, 0, -1):
        h = levels.t[k] - levels.t[k - 1]
        score = levels.score(denoiser, x, _level(x, k))
        x = x + (x + 2.0 * score) * h + (2.0 * h).sqrt() * normal(x, generator)
    return x


@torch.no_grad()
def ddim(
    denoiser: Denoiser,
    levels: Levels,
    start: Tensor,
    *,
    steps: int | None = None,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Sample along a subset of the levels; deterministic for eta = 0.

    .. math::  x' = \sqrt{\bar\alpha'}\,\hat x_0 + \sqrt{\Delta'-\sigma^2}\,\varepsilon
               + \sigma\xi,\qquad \hat x_0=(x-\sqrt{\Delta}\,\varepsilon)/\sqrt{\bar\alpha},
               \quad \sigma^2=\eta^2\,\frac{\Delta'}{\Delta}\Bigl(1-\frac{\bar\alpha}{\bar\alpha'}
               \Bigr),

    primes one visited level earlier; the last step ends at the clean sample.

    Parameters
    ----------
    denoiser, levels, start
        As in `euler_maruyama`.
    steps : int in [1, T]
        Levels visited, evenly spread and ending at T. Default: all.
    eta : float in [0, 1]
        1 adds the noise of the posterior; needs a `generator`.

    References
    ----------
    Song, Meng, Ermon (2021), arXiv 2010.02502, eqs. 12 and 16.
    """
    count = levels.steps if steps is None else arguments.integer("steps", steps, 1, levels.steps)
    eta = arguments.real("eta", eta, 0.0, 1.0)
    if eta > 0.0 and generator is None:
        raise ValueError(f"generator must be given when eta > 0, got eta = {eta}")
    visited = [(i * levels.steps) // count for i in range(count + 1)]
    x = start.clone()
    for before, k in zip(visited[-2::-1], visited[:0:-1], strict=True):
        signal, delta = levels.alpha_bar[k], levels.delta[k]
        next_signal, next_delta = levels.alpha_bar[before], levels.delta[before]
        noise = denoiser(x, _level(x, k))
        clean = (x - delta.sqrt() * noise) / signal.sqrt()
        variance = eta**2 * next_delta / delta * (1.0 - signal / next_signal)
        x = next_signal.sqrt() * clean + (next_delta - variance).clamp(min=0.0).sqrt() * noise
        if eta > 0.0 and generator is not None:
            x = x + variance.sqrt() * normal(x, generator)
    return x


def _level(x: Tensor, k: int) -> Tensor:
    return torch.full((len(x),), k, dtype=torch.int64, device=x.device)
