"""Random structured ensembles: the Gaussian equivalents of networks of true nonlinear features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmtspec.ensembles.structured.ensemble import StructuredEnsemble
from rmtspec.ensembles.structured.reduction import Target

Array = NDArray[np.float64]

_STEP, _REACH = 0.1, 9.5
_GRID = np.arange(-_REACH, _REACH + 0.5 * _STEP, _STEP)
_MASS = np.exp(-0.5 * _GRID**2) / np.sqrt(2.0 * np.pi) * _STEP
_LEAST_TYPE, _LEAST_CLASS = 0.01, 0.02

ACTIVATIONS: tuple[Callable[[Array], Array], ...] = (
    np.tanh,
    lambda x: np.maximum(x, 0.0),
    np.sin,
    lambda x: x + 0.3 * x**2 * np.exp(-0.25 * x * x),
    lambda x: x / (1.0 + np.exp(-x)),
)


def ensemble_of(
    seed: int,
    index: int,
    *,
    types: int | None = None,
    classes: int | None = None,
    channels: int | None = None,
    ratios: tuple[float, float] = (-1.0, 2.0),
    tolerance: float = 1e-9,
) -> StructuredEnsemble:
    """Ensemble `index`: numbers of types (1-4), classes (1-3) and channels (1-3) unless given.

    Ratios are log-uniform in 10^`ratios`, times in [0.003, 2]; up to three joint eigenvalues,
    biases and class means of order one, five activations, a target with a random skip term.
    """
    rng = np.random.default_rng([seed, index])
    counts = types or int(rng.integers(1, 5)), classes or int(rng.integers(1, 4))
    psi_p, psi_n = 10.0 ** rng.uniform(*ratios, 2)
    activation = ACTIVATIONS[int(rng.integers(len(ACTIVATIONS)))]
    weights = _fractions(rng, counts[0], _LEAST_TYPE)
    shares = _fractions(rng, counts[1], _LEAST_CLASS)
    joint = int(rng.integers(1, 4))
    levels = rng.gamma(1.5, 1.0, (joint, counts[1])) + 0.01
    if joint > 1 and rng.random() < 0.1:
        levels[0, 0] = 0.0
    masses = rng.dirichlet(np.full(joint, 3.0))
    times = np.sort(10.0 ** rng.uniform(-2.5, 0.3, channels or int(rng.integers(1, 4))))
    bias, mean = rng.normal(size=counts[0]), rng.normal(size=counts) * rng.integers(0, 2)
    shift = np.outer(bias, times) if times.size > 1 else bias[:, None]
    table = _coefficients(
        activation, times, np.sqrt(masses @ levels), shares, np.asarray(mean), shift
    )
    skip, unit = rng.normal(size=times.size), 1.0 + 0.3 * rng.normal(size=times.size)
    share = 1.0 / np.sqrt(times.size)
    target = Target(np.tile(share * skip, (counts[1], 1)), share * np.outer(np.sqrt(shares), unit))
    return StructuredEnsemble(
        psi_p, psi_n, weights, shares, *table, levels, masses, target, tolerance=tolerance
    )


def _fractions(rng: np.random.Generator, count: int, least: float) -> Array:
    drawn = np.maximum(rng.dirichlet(np.full(count, 3.0)), least)
    return np.asarray(drawn / drawn.sum())


def _coefficients(
    activation: Callable[[Array], Array],
    times: Array,
    deviations: Array,
    shares: Array,
    means: Array,
    shifts: Array,
) -> tuple[Any, ...]:
    """C, B, K and S by the trapezoidal rule, uniform weights of the times absorbed."""
    size = (*means.shape, times.size)
    data, noise, floors = np.zeros(size), np.zeros(size), np.zeros(means.shape)
    kernels = np.zeros((*size, times.size))
    weight = 1.0 / times.size
    for i, y in np.ndindex(*means.shape):
        rest = []
        for k, t in enumerate(times):
            center = np.exp(-t) * (means[i, y] + deviations[y] * _GRID) + shifts[i, k]
            value = activation(center[:, None] + np.sqrt(1.0 - np.exp(-2.0 * t)) * _GRID)
            mean = value @ _MASS
            slope, tilt = _MASS @ (mean * _GRID), _MASS @ (value @ (_MASS * _GRID))
            data[i, y, k] = np.sqrt(weight) * slope / deviations[y]
            noise[i, y, k] = np.sqrt(weight * shares[y]) * tilt
            rest.append(np.sqrt(weight) * (mean - _MASS @ mean - slope * _GRID))
            own = value - mean[:, None] - tilt * _GRID
            floors[i, y] += weight * (_MASS @ (own**2 @ _MASS))
        kernels[i, y] = np.einsum("ax,bx,x->ab", rest, rest, _MASS)
    return data, noise, kernels, floors
