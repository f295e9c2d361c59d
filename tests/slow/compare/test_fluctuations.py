"""Sums over eigenvalues, outermost eigenvalues and outliers of draws, against their fluctuations.

Limits are those of 500 draws: a mean of 500 standard normals has the standard deviation 0.045, a
variance 0.063; the bound on the mean also covers corrections of 1/N.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import eigvalsh_tridiagonal

import rmtspec as rs
from rmtspec.compare.edges import Edges
from rmtspec.compare.positions import outermost
from rmtspec.ensembles.conditional_feature import ConditionalFeatureGram
from rmtspec.ensembles.random_feature import RandomFeatureGram
from rmtspec.solve.tracy_widom import TracyWidom

DRAWS = 500
SCALARS = (0.6, 0.3, 0.25, 0.2)
ISOTROPIC = rs.PopulationSpectrum.isotropic()
TWO = rs.PopulationSpectrum([0.5, 1.5], [0.5, 0.5])
POWER = rs.PopulationSpectrum(np.arange(1, 51) ** -1.0 / 0.09, np.full(50, 0.02))


def trace(x):
    return x


def square(x):
    return x * x


def decay(x):
    return np.exp(-x)


def inverse(x):
    return 1.0 / (x + 0.3)


def levels(population, dimension):
    """The eigenvalues of a covariance of this size, spikes first."""
    bulk = dimension - population.spikes.size
    counts = np.round(population.weights * bulk).astype(int)
    counts[-1] += bulk - counts.sum()
    return np.concatenate([population.spikes, np.repeat(population.eigenvalues, counts)])


def sample_covariances(model, dimension, rng):
    n = round(dimension / model.ratio)
    scale = np.sqrt(levels(model.population, dimension))
    while True:
        x = rng.normal(size=(n, dimension)) * scale
        few = x.T if n >= dimension else x
        yield np.append(np.zeros(max(dimension - n, 0)), np.linalg.eigvalsh(few @ few.T / n))


def feature_matrices(gram, dimension, rng):
    """Eigenvalues of U = GGᵀ/n + b²WWᵀ/d + s², G = cWX/√d + vΩ."""
    p, n = round(gram.psi_p * dimension), round(gram.psi_n * dimension)
    scale = np.sqrt(levels(gram.population, dimension))[:, None]
    fixed = None
    if isinstance(gram, ConditionalFeatureGram):  # rows of X orthogonal: XXᵀ/n has these levels
        turn = np.linalg.qr(rng.normal(size=(n, dimension)))[0]
        fixed = scale * turn.T * np.sqrt(n)
    while True:
        w = rng.normal(size=(p, dimension))
        x = scale * rng.normal(size=(dimension, n)) if fixed is None else fixed
        g = np.sqrt(gram.c2 / dimension) * (w @ x) + np.sqrt(gram.v2) * rng.normal(size=(p, n))
        u = g @ g.T / n + gram.b2 / dimension * (w @ w.T) + gram.s2 * np.eye(p)
        yield np.linalg.eigvalsh(u)


CASES = {
    "features, two atoms": (RandomFeatureGram(2.0, 3.0, TWO, *SCALARS), 50, np.log),
    "features, atom at the floor": (RandomFeatureGram(3.0, 1.0, TWO, *SCALARS), 50, np.log),
    "features, psi_p = psi_n": (RandomFeatureGram(1.5, 1.5, ISOTROPIC, *SCALARS), 50, np.log),
    "features, power law": (RandomFeatureGram(1.0, 2.0, POWER, *SCALARS), 50, np.log),
    "features, given data": (ConditionalFeatureGram(2.0, 3.0, TWO, *SCALARS), 50, np.log),
    "covariance, two atoms": (rs.SampleCovariance(0.5, TWO), 100, np.log),
    "covariance, atom at zero": (rs.SampleCovariance(2.0, TWO), 100, np.sqrt),
    "covariance, hard edge": (rs.SampleCovariance(1.0, TWO), 100, decay),
    "covariance, spikes": (
        rs.SampleCovariance(0.4, rs.PopulationSpectrum([1.0], spikes=[6.0, 1.3])), 100, np.log,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_standardised_sums_over_eigenvalues_have_mean_zero_and_variance_one(name):
    model, dimension, third = CASES[name]
    # an outlier's own variance, 1/n of its square, is much of that of the trace and of the squares
    functions = (decay, third, inverse) if "spikes" in name else (trace, square, third, inverse)
    rng = np.random.default_rng(20)
    draw = feature_matrices if isinstance(model, RandomFeatureGram) else sample_covariances
    size = dimension * getattr(model, "psi_p", 1.0)
    found = model.spectrum().fluctuations(*functions, size=size)
    draws = draw(model, dimension, rng)
    floor = getattr(model, "s2", 0.0)
    sums = np.empty((DRAWS, len(functions)))
    for row in sums:
        values = np.maximum(next(draws), floor)
        row[:] = [f(values).sum() for f in functions]
    z = (sums - found.expected) / found.standard_deviation
    whitened = np.linalg.solve(np.linalg.cholesky(found.covariance), (sums - found.expected).T)
    chi_square = (whitened**2).sum(axis=0)
    print(name, np.round(z.mean(axis=0), 3), np.round(z.var(axis=0), 3), chi_square.mean())
    assert np.all(np.abs(z.mean(axis=0)) < 0.15)
    assert np.all(np.abs(z.var(axis=0) - 1.0) < 0.2)


def test_outliers_of_sample_covariances_have_the_stated_location_overlap_and_spread():
    spikes = [6.0, 0.05]
    model = rs.SampleCovariance(0.25, rs.PopulationSpectrum([1.0], spikes=spikes))
    found, d, rng = model.spike_images, 80, np.random.default_rng(21)
    scale, n = np.sqrt(levels(model.population, d)), 320
    ends, overlaps = np.empty((DRAWS, 2)), np.empty((DRAWS, 2))
    for i in range(DRAWS):
        x = rng.normal(size=(n, d)) * scale
        values, vectors = np.linalg.eigh(x.T @ x / n)
        ends[i] = values[-1], values[0]
        overlaps[i] = vectors[0, -1] ** 2, vectors[1, 0] ** 2
    z = (ends - found.location) / found.standard_deviation(d)
    print("outliers", z.mean(axis=0), z.var(axis=0), overlaps.mean(axis=0) - found.overlap)
    assert np.all(np.abs(z.mean(axis=0)) < 0.2)  # 1/√n of a spread, and 0.045
    assert np.all(np.abs(z.var(axis=0) - 1.0) < 0.2)
    np.testing.assert_allclose(overlaps.mean(axis=0), found.overlap, atol=0.01)


def kolmogorov(p):
    """Greatest distance of the empirical distribution from the uniform one."""
    p, steps = np.sort(p), np.arange(len(p) + 1) / len(p)
    return max(np.max(steps[1:] - p), np.max(p - steps[:-1]))


def check_edges(model, dimension, outer):
    edges = Edges.of(model.spectrum())
    distance = [kolmogorov(p) for p in edges.pvalues(outer, dimension).T]
    moved = edges.scaled(outer, dimension).mean(axis=0) - TracyWidom(1).mean
    print("edges", dimension, np.round(distance, 3), np.round(moved, 3))
    # 1 % of samples of 500 uniform numbers are 0.073 away
    assert max(distance) < 0.073


def test_tracy_widom_pvalues_of_white_samples_are_uniform_at_both_ends():
    # Gaussian samples turned to a bidiagonal matrix of chi variables (Dumitriu and Edelman 2002)
    p, n, rng = 300, 900, np.random.default_rng(22)
    outer = np.empty((DRAWS, 2))
    for row in outer:
        along = np.sqrt(rng.chisquare(n - np.arange(p)))
        below = np.sqrt(rng.chisquare(p - 1 - np.arange(p - 1)))
        diagonal = along**2 + np.append(0.0, below) ** 2
        for place, index in enumerate((0, p - 1)):
            row[place] = eigvalsh_tridiagonal(
                diagonal, along[:-1] * below, select="i", select_range=(index, index)
            )[0]
    check_edges(rs.SampleCovariance(p / n, ISOTROPIC), p, outer / n)


def test_tracy_widom_pvalues_of_two_atoms_are_uniform_at_both_ends():
    model = rs.SampleCovariance(0.5, TWO)
    draws = sample_covariances(model, 100, np.random.default_rng(23))
    check_edges(model, 100, np.array([next(draws)[[0, -1]] for _ in range(DRAWS)]))


def test_tracy_widom_pvalues_of_features_are_uniform_at_all_edges_once_these_are_shifted():
    model, d, size = rs.RandomFeatureModel(3, 1, 0.3, "erf"), 60, 180
    law = model.spectrum()
    edges = Edges.of(law)
    assert edges.is_clear(size).tolist() == [True] * 4
    outer = outermost(law, rs.simulate(model, d, 24, size=DRAWS), edges)
    check_edges(model, size, outer)
    # Sums of four squares in standard errors, 0.057: chance goes to 18.5 once in a thousand.
    for at, right in ((edges, True), (replace(edges, shift=np.zeros(4)), False)):
        moved = at.scaled(outer, size).mean(axis=0) - TracyWidom(1).mean
        square = DRAWS * np.sum((moved / TracyWidom(1).standard_deviation) ** 2)
        assert (square < 18.5) == right, square
