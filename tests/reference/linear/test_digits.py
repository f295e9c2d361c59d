"""Averages of affine denoisers against the same quantities in textbook form at many digits."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.reference import linear_denoiser as reference

# A few units of the last place for each sum, times the handful of sums multiplied: measured
# 1.1e-15 at most over 250 draws.
TOLERANCE = 2e-14


def random_population(rng):
    """Up to 24 eigenvalues over ten decades, gaps and zeros among them, of exact weights."""
    size = int(rng.integers(1, 25))
    eigenvalues = 10.0 ** rng.uniform(-10, 0, size) * 10.0 ** rng.uniform(-2, 2)
    kind = rng.integers(3)
    if kind == 1 and size > 2:
        eigenvalues[: size // 3] = 0.0
    if kind == 2:
        low = eigenvalues.max() * 1e-8 * rng.uniform(0.5, 2.0, size)
        eigenvalues = np.where(np.arange(size) < size // 2, eigenvalues.max(), low)
    weights = rng.integers(1, 6, size).astype(float)
    weights[0] += 128.0 - weights.sum()
    return rs.PopulationSpectrum(eigenvalues, weights)


def random_load(rng, population):
    """Any load; n = d; within 1e-12 of it; or n equal to a number of large eigenvalues."""
    above = population.weights[::-1].cumsum()
    choices = (
        10.0 ** rng.uniform(-3, 6),
        1.0,
        1.0 + rng.uniform(-1e-12, 1e-12),
        float(above[rng.integers(above.size)]),
    )
    return choices[rng.integers(4)]


@pytest.mark.parametrize("seed", range(60))
def test_ridge_losses_and_distances_at_many_digits(seed):
    rng = np.random.default_rng(seed)
    population = random_population(rng)
    load = random_load(rng, population)
    c = 0.0 if rng.random() < 0.4 else 10.0 ** rng.uniform(-14, 6)
    alpha_bar = 1.0 / (1.0 + 10.0 ** rng.uniform(-6, 6))
    fitted = rs.LinearDenoiser(population, load, c)
    exact = reference.losses(
        alpha_bar, load, population.eigenvalues, population.weights, c, digits=20
    )
    computed = {
        "kappa": fitted.kappa(alpha_bar),
        "train": fitted.train_loss(alpha_bar),
        "penalised": fitted.penalised_loss(alpha_bar),
        "test": fitted.test_loss(alpha_bar),
        "optimal": fitted.optimal_loss(alpha_bar),
        "alignment": fitted.alignment(alpha_bar),
        "alignment_pair": fitted.alignment_pair(alpha_bar),
    }
    for name, value in computed.items():
        expected = getattr(exact, name)
        assert abs(value - expected) <= TOLERANCE * abs(expected), name


@pytest.mark.parametrize("load", [1e-3, 0.5, 1.0, 3.0, 1e6])
@pytest.mark.parametrize("zeta", [1e-14, 1e-9, 1e-3, 1.0, 1e6])
def test_ridge_over_ten_decades_of_eigenvalues(zeta, load):
    population = rs.PopulationSpectrum(
        np.append(0.0, 2.0 ** -np.arange(0.0, 34.0)), [30] + [1] * 34
    )
    fitted = rs.LinearDenoiser(population, load)
    kappa = fitted._ridge.solve(np.array([zeta]), np.array([load])).kappa[0]
    exact = reference.kappa(zeta, load, population.eigenvalues, population.weights, digits=20)
    assert abs(kappa - exact) <= 1e-15 * exact


@pytest.mark.parametrize("seed", range(40))
def test_divergences_at_many_digits(seed):
    rng = np.random.default_rng(1000 + seed)
    size = int(rng.integers(1, 25))
    weights = rng.integers(1, 6, size).astype(float)
    weights[0] += 128.0 - weights.sum()
    population = rs.PopulationSpectrum(10.0 ** rng.uniform(-10, 0, size), weights)
    load, c = random_load(rng, population), 10.0 ** rng.uniform(-14, 6)
    fitted = rs.LinearDenoiser(population, load, c)
    exact = reference.divergences(c, load, population.eigenvalues, population.weights, digits=20)
    for direction, expected in zip(("data||model", "model||data"), exact, strict=True):
        assert abs(fitted.kl(direction) - expected) <= TOLERANCE * expected


@pytest.mark.parametrize(
    ("load", "c"),
    [
        (2.0**-20, 2.0**-40),
        (2.0**-20, 1.0),
        (2.0**36, 2.0**-12),
        (2.0**36, 2.0**-3),
        (2.0**36, 8.0),
    ],
)
def test_divergences_where_their_parts_cancel(load, c):
    # Few data with a tiny ridge: 1/(1 − a) against itself. Many data: numbers of order (c/l)².
    population = rs.PopulationSpectrum([0.5, 1.0])
    fitted = rs.LinearDenoiser(population, load, c)
    exact = reference.divergences(c, load, population.eigenvalues, population.weights, digits=20)
    for direction, expected in zip(("data||model", "model||data"), exact, strict=True):
        assert abs(fitted.kl(direction) - expected) <= TOLERANCE * expected


CURVES = [
    (0.5, [0.0, 0.25, 2.0], [0.25, 0.5, 0.25], 0.0, 0.9375),
    (0.5, [0.0, 0.25, 2.0], [0.25, 0.5, 0.25], 0.125, 0.9375),
    (1.0, [0.5, 1.0], [0.5, 0.5], 0.0, 0.75),
    (8.0, [2.0**-10, 1.0], [0.75, 0.25], 2.0**-6, 0.5),
    (0.125, [1.0], [1.0], 0.0, 2.0**-7),
    (0.25, [2.0**-20, 1.0], [0.75, 0.25], 0.0, 0.9375),
]


@pytest.mark.parametrize("case", CURVES)
@pytest.mark.parametrize("tau", [2.0**-6, 1.0, 4.0])
def test_learning_curves_on_another_contour(case, tau):
    load, eigenvalues, weights, c, alpha_bar = case
    population = rs.PopulationSpectrum(eigenvalues, weights)
    curve = rs.LinearDenoiser(population, load, c).training_curves(tau, alpha_bar)
    exact = reference.curves(tau, alpha_bar, load, eigenvalues, weights, c)
    for value, expected in zip((curve.train, curve.test), exact, strict=True):
        assert abs(float(value) - expected) <= 1e-12 * expected


def test_the_circle_has_enough_nodes():
    load, eigenvalues, weights, c, alpha_bar = CURVES[-1]
    arguments = (1.0, alpha_bar, load, eigenvalues, weights, c)
    coarse, fine = (reference.curves(*arguments, nodes=nodes) for nodes in (None, 600))
    for one, other in zip(coarse, fine, strict=True):
        assert abs(one - other) <= 1e-13 * other


@pytest.mark.parametrize("posterior", [False, True])
@pytest.mark.parametrize("lam", [0.0, 2.0**-10, 0.0625, 1.0, 4.0, 1e6])
@pytest.mark.parametrize("steps", [1, 2, 100])
def test_sampled_variance_is_that_of_the_steps_themselves(lam, steps, posterior):
    schedule = rs.NoiseSchedule.linear(steps)
    fitted = rs.LinearDenoiser(rs.PopulationSpectrum.isotropic(), 1.0)
    noise = "posterior" if posterior else "beta"
    exact = reference.sampled_variance(lam, schedule.beta, posterior, digits=20)
    computed = fitted.sampled_variance(lam, steps=steps, noise=noise)
    # A hundred positive terms, each of a few units.
    assert abs(computed - exact) <= 1e-14 * exact
