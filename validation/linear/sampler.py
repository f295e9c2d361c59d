"""The discrete samplers of an affine denoiser: particles, and the recursion of one direction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.linear.sampling import SamplerNoise, discrete_path, sampled_variance

Array = NDArray[np.float64]

NOISES: tuple[SamplerNoise, ...] = ("beta", "posterior", "deterministic")
STEPS, PARTICLES, DIMENSION, RIDGE = 200, 20_000, 4, 0.05
_EIGENVALUES = np.array([2.0, 1.0, 0.3, 0.0])
_MEAN = np.array([1.0, -0.5, 0.25, 2.0])


class Particles(NamedTuple):
    """A moment along an eigenvector: theory (exact, no correction), particles, standard error."""

    label: str
    quantity: str
    theory: float
    corrected: None
    simulation: float
    error: float
    count: int


def sampler_rows(rng: np.random.Generator) -> list[Particles]:
    """Mean and variance of the particles of every sampler, along every eigenvector."""
    rotation = np.linalg.qr(rng.standard_normal((DIMENSION, DIMENSION)))[0]
    covariance, centre = (rotation * _EIGENVALUES) @ rotation.T, rotation @ _MEAN
    schedule = rs.NoiseSchedule.linear(STEPS)
    rows: list[Particles] = []
    for noise in NOISES:
        path = discrete_path(_EIGENVALUES + RIDGE, schedule, mean=_MEAN, noise=noise)
        drawn = _draw_particles(rng, covariance, centre, schedule, noise) @ rotation
        for i, eigenvalue in enumerate(_EIGENVALUES):
            mean, variance = float(drawn[:, i].mean()), float(drawn[:, i].var(ddof=1))
            # The final law is Gaussian: the sample variance has relative variance 2/(P - 1).
            errors = np.sqrt(variance / PARTICLES), variance * np.sqrt(2.0 / (PARTICLES - 1))
            for name, theory, seen, error in (
                ("mean", path.mean[i, 0], mean, errors[0]),
                ("var", path.variance[i, 0], variance, errors[1]),
            ):
                quantity = f"{name}, lambda {eigenvalue:g}"
                label = f"{PARTICLES} particles, {STEPS} steps, {noise}"
                rows.append(
                    Particles(label, quantity, float(theory), None, seen, float(error), PARTICLES)
                )
    return rows


def _draw_particles(
    rng: np.random.Generator,
    covariance: Array,
    mean: Array,
    schedule: rs.NoiseSchedule,
    noise: SamplerNoise,
) -> Array:
    """Samples drawn step by step, each with the fitted map as explicit weights and bias."""
    u = rng.standard_normal((PARTICLES, DIMENSION))
    levels = np.concatenate([[1.0], schedule.alpha_bar])
    for k in range(STEPS, 0, -1):
        level, before, beta = levels[k], levels[k - 1], schedule.beta[k - 1]
        noised = level * (covariance + RIDGE * np.eye(DIMENSION)) + (1 - level) * np.eye(DIMENSION)
        weights = np.sqrt(1.0 - level) * np.linalg.inv(noised)
        predicted = (u - np.sqrt(level) * mean) @ weights.T
        if noise == "deterministic":
            clean = (u - np.sqrt(1.0 - level) * predicted) / np.sqrt(level)
            u = np.sqrt(before) * clean + np.sqrt(1.0 - before) * predicted
            continue
        u = (u - beta / np.sqrt(1.0 - level) * predicted) / np.sqrt(1.0 - beta)
        variance = beta if noise == "beta" else beta * (1.0 - before) / (1.0 - level)
        u += np.sqrt(variance) * rng.standard_normal(u.shape)
    return u


def recursion_error() -> float:
    """Largest relative difference of the closed variance from its recursion, step by step."""
    lam = np.array([0.0, 1e-3, 0.05, 0.3, 1.0, 4.0, 30.0])
    worst = 0.0
    for steps in (1, 100, 1000):
        schedule = rs.NoiseSchedule.linear(steps)
        for noise in NOISES:
            exact = _recursion(lam, schedule, noise)
            off = np.abs(sampled_variance(lam, schedule, noise=noise) - exact)
            # Where the exact variance is zero so must the other be, to rounding of the scale 1.
            worst = max(worst, float(np.max(off / np.where(exact > 1e-15, exact, 1.0))))
    return worst


def _recursion(lam: Array, schedule: rs.NoiseSchedule, noise: SamplerNoise) -> Array:
    v = np.ones_like(lam)
    delta = np.concatenate([[0.0], schedule.delta])
    levels = np.concatenate([[1.0], schedule.alpha_bar])
    for k in range(schedule.steps, 0, -1):
        beta, m = schedule.beta[k - 1], delta[k] + levels[k] * lam
        if noise == "deterministic":
            root = np.sqrt(levels[k - 1] * levels[k]) * lam + np.sqrt(delta[k - 1] * delta[k])
            v = v * (root / m) ** 2
            continue
        # 1 − β/M without cancellation: M − β = (1 − β)(Δ' + ᾱ'λ), primes one step earlier.
        factor = (1.0 - beta) * (delta[k - 1] + levels[k - 1] * lam) / m
        variance = beta if noise == "beta" else beta * delta[k - 1] / delta[k]
        v = v * factor**2 / (1.0 - beta) + variance
    return v
