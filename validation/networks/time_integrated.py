r"""Random features over all diffusion times: one network for all, or one a time.

`TimeIntegratedNet` is one network for all times, S(x, t) = A sigma(W x/sqrt(d) + t b)/sqrt(p),
trained over t. `scores_by_time` has a network of its own for each of a list of times, trained by
exact gradient flow, and `generate` samples with them. On two Gaussians +-m of unit variance, a
random-feature score with d, n, p of the same order is in the limit a linear map of x: only a
Gaussian of the right covariance comes out as long as |m| = O(1). At |m| = O(sqrt(d)) each neuron
sees the two means apart, W.m/sqrt(d) = O(1), and two modes are generated.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn
from torch.nn import functional

import rmtspec as rs
from validation.curves.feature_flow import FeatureFlow
from validation.harness import arguments
from validation.networks.diffusion import Denoiser, Levels, ddim, euler_maruyama
from validation.networks.layers import ACTIVATIONS

Array = NDArray[np.float64]
Tensor = torch.Tensor


class TimeIntegratedNet(nn.Module):
    r"""One random-feature network for all times: S(x, t) = A sigma(W x/sqrt(d) + t b)/sqrt(p).

    Predicts the noise -sqrt(Delta_k) S(x, t_k). W and b are frozen with N(0, 1) entries (b times
    `bias`), A starts from 0. Trained over uniform levels it minimises the mean over the schedule's
    times: the times are the quadrature nodes.

    Parameters
    ----------
    dimension, neurons : int
    levels : Levels
        Where the times t_k are taken from; its type and device are the network's.
    activation : {"tanh", "erf", "relu", "linear"}
    bias : float
        Standard deviation of b; 0 leaves the network blind to t.
    seed : int
    """

    frozen: Tensor
    shift: Tensor
    times: Tensor
    roots: Tensor

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
        arguments.choice("activation", activation, tuple(ACTIVATIONS))
        self.dimension = arguments.integer("dimension", dimension, 1)
        self.neurons = arguments.integer("neurons", neurons, 1)
        self.activation = ACTIVATIONS[activation]
        generator = torch.Generator().manual_seed(arguments.integer("seed", seed, 0))
        double = torch.float64
        frozen = torch.randn((neurons, dimension), generator=generator, dtype=double)
        shift = torch.randn(neurons, generator=generator, dtype=double)
        self.register_buffer("frozen", frozen.to(levels.t))
        self.register_buffer("shift", (arguments.real("bias", bias, 0.0) * shift).to(levels.t))
        self.register_buffer("times", levels.t)
        self.register_buffer("roots", levels.delta.sqrt())
        self.trained = nn.Parameter(torch.zeros(dimension, neurons).to(levels.t))

    def features(self, x: Tensor, k: Tensor) -> Tensor:
        """Return sigma(W x/sqrt(d) + t_k b), shape (N, p)."""
        place = functional.linear(x, self.frozen / math.sqrt(self.dimension))
        return self.activation(place + self.times[k][:, None] * self.shift)

    def forward(self, x: Tensor, k: Tensor) -> Tensor:
        """Return the predicted noise, shape (N, d)."""
        score = functional.linear(self.features(x, k), self.trained) / math.sqrt(self.neurons)
        return -self.roots[k][:, None] * score


class ScoresByTime(NamedTuple):
    """Random-feature scores, one a diffusion time, that share the data."""

    levels: Levels
    flows: tuple[FeatureFlow, ...]

    def denoiser(self, tau: float) -> Denoiser:
        """Return the denoiser(x, k) after training all of them to the time tau."""
        activation = ACTIVATIONS[self.flows[0].activation]
        layers = [
            (
                torch.tensor(flow.w / math.sqrt(flow.dimension)),
                torch.tensor(flow.weights(tau) * -math.sqrt(flow.delta / flow.neurons)),
            )
            for flow in self.flows
        ]

        def predicted(x: Tensor, k: Tensor) -> Tensor:
            level = int(k[0])
            if bool((k != level).any()):
                raise ValueError("k must be one level for all samples")
            frozen, trained = layers[level - 1]
            return functional.linear(activation(functional.linear(x, frozen)), trained)

        return predicted


def two_means(mean: Array, count: int, rng: np.random.Generator) -> Array:
    """Return samples (count, d) of two Gaussians +-mean with unit variance and equal weights."""
    sign = rng.choice([-1.0, 1.0], count)
    return np.asarray(sign[:, None] * mean + rng.standard_normal((count, len(mean))))


def scores_by_time(
    data: Array, neurons: int, times: ArrayLike, rng: np.random.Generator, activation: str = "tanh"
) -> ScoresByTime:
    """Prepare one random-feature score a diffusion time on a data set (n, d).

    Each has frozen weights of its own. With common ones the error of the scores would point the
    same way at all times and add up on the way back: the variance of what is generated then grows
    about tenfold.

    Parameters
    ----------
    data : array, shape (n, d)
    neurons : int
        p: one eigendecomposition of size p for each time.
    times : array_like
        Ascending and positive; they are the levels of the sampler.
    """
    schedule = rs.NoiseSchedule.at_times(times)
    shape = (arguments.integer("neurons", neurons, 1), data.shape[1])
    flows = tuple(
        FeatureFlow(rng.standard_normal(shape), data, float(t), activation) for t in schedule.t
    )
    return ScoresByTime(Levels.of(schedule), flows)


def generate(
    scores: ScoresByTime,
    tau: float,
    count: int,
    rng: np.random.Generator,
    *,
    sampler: str = "euler",
) -> Array:
    """Sample with the scores of all times trained to tau; returns (count, d).

    Parameters
    ----------
    sampler : {"euler", "ddim"}
        Euler-Maruyama, whose noise makes the way back forget errors of the scores (it needs steps
        well below Delta: times a few per cent apart), or deterministic.
    """
    arguments.choice("sampler", sampler, ("euler", "ddim"))
    start = torch.tensor(rng.standard_normal((count, scores.flows[0].dimension)))
    if sampler == "ddim":
        return np.asarray(ddim(scores.denoiser(tau), scores.levels, start).numpy())
    noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
    drawn = euler_maruyama(scores.denoiser(tau), scores.levels, start, noise)
    return np.asarray(drawn.numpy())


class Modes(NamedTuple):
    """Spread of u = x.m/|m| over samples, with standard errors, and that of the mixture itself.

    A Gaussian has excess kurtosis 0 and a share 0.383 of samples within half a standard deviation
    of its mean (`central`). Two Gaussians at +-|m| have -2 |m|^4/(1 + |m|^2)^2, which tends to -2,
    and a share that tends to 0. Heavy tails raise the kurtosis of two modes too, but not their
    central share.
    """

    variance: float
    variance_error: float
    kurtosis: float
    kurtosis_error: float
    central: float
    central_error: float
    exact_variance: float
    exact_kurtosis: float
    exact_central: float


GAUSSIAN_CENTRAL = math.erf(0.5 / math.sqrt(2.0))


def modes(samples: Array, mean: Array) -> Modes:
    """Return how samples (N, d) spread along the means +-m; errors by the delta method."""
    size = float(np.linalg.norm(mean))
    if size == 0.0:
        raise ValueError("mean must not be the zero vector")
    u = samples @ mean / size
    u = u - u.mean()
    second = float(np.mean(u**2))
    kurtosis = float(np.mean(u**4)) / second**2 - 3.0
    root = math.sqrt(len(u))
    # Influence of one sample on m4/m2^2: its share in m4, less twice its share in m2.
    influence = u**4 / second**2 - 2.0 * (kurtosis + 3.0) * u**2 / second
    central = float(np.mean(np.abs(u) < 0.5 * math.sqrt(second)))
    half = 0.5 * math.sqrt(1.0 + size**2)
    inside = math.erf((half - size) / math.sqrt(2.0)) + math.erf((half + size) / math.sqrt(2.0))
    return Modes(
        second,
        float(np.std(u**2)) / root,
        kurtosis,
        float(np.std(influence)) / root,
        central,
        # The error of the standard deviation used is left out: it is of the same order, smaller.
        math.sqrt(max(central * (1.0 - central), 1.0 / len(u)) / len(u)),
        1.0 + size**2,
        -2.0 * size**4 / (1.0 + size**2) ** 2,
        0.5 * inside,
    )


def direction_learned(
    scores: ScoresByTime, mean: Array, tau: ArrayLike, test: Array, rng: np.random.Generator
) -> Array:
    r"""Return the share of the score along the means that is learned, shape (times, tau).

    For the exact score Stein's identity gives :math:`E[u\,s_u] = -1`, u = x_t.m/|m| and s_u the
    score along m. The share is :math:`-E[u\,s_u]` of the learned score on fresh noised samples: 0
    at tau = 0, near 1 when the direction is learned.

    Parameters
    ----------
    scores : ScoresByTime
    mean : array, shape (d,)
    tau : array_like, shape (m,)
        Training times.
    test : array, shape (N, d)
        Fresh samples.
    """
    unit = mean / np.linalg.norm(mean)
    taus = np.atleast_1d(np.asarray(tau, dtype=np.float64))
    share = np.empty((len(scores.flows), len(taus)))
    for i, flow in enumerate(scores.flows):
        noise = rng.standard_normal(test.shape)
        noised = math.exp(-flow.t) * test + math.sqrt(flow.delta) * noise
        u = noised @ unit
        for j, one in enumerate(taus):
            share[i, j] = -np.mean(u * (flow.score(noised, float(one)) @ unit))
    return share
