"""Laws of many eigenvalues: sums through cells change them by rounding, and no certificate."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.ensembles.conditional_feature import ConditionalFeatureGram
from rmtspec.ensembles.random_feature import RandomFeatureGram
from rmtspec.solve.cauchy_sums import cells

COUNT = 300
EPS = np.finfo(float).eps
ROUNDING = (8.0 + np.sqrt(COUNT)) * EPS  # of a sum over the atoms, relative to its terms
SCALARS = {"c2": 0.36, "b2": 7.3e-3, "v2": 0.0255, "s2": 0.01}


def sample_spectrum():
    """Eigenvalues of a Wishart matrix."""
    rows = np.random.default_rng(5).standard_normal((COUNT, 2 * COUNT))
    return np.linalg.eigvalsh(rows @ rows.T / (2 * COUNT))


def clusters(width):
    """Five clusters of eigenvalues over eight decades."""
    spread = np.random.default_rng(6).random(COUNT // 5)
    return np.outer([1e-6, 1e-3, 1.0, 10.0, 100.0], 1.0 + width * spread).ravel()


SPECTRA = {
    "log-uniform": np.geomspace(1e-4, 1.0, COUNT),
    "fifteen decades": np.geomspace(1e-15, 1.0, COUNT),
    "power law": 1.0 / np.arange(1.0, COUNT + 1.0),
    "steep power law": np.arange(1.0, COUNT + 1.0) ** -3,
    "uniform": np.linspace(0.5, 1.5, COUNT),
    "of samples": sample_spectrum(),
    "clusters of width 1e-3": clusters(1e-3),
    "clusters of width 1e-9": clusters(1e-9),
}


def matrices(eigenvalues):
    """One of every kind: open and closed gaps, hard edges, no linear part in the noise."""
    population = rs.PopulationSpectrum(eigenvalues / eigenvalues.mean())
    for psi_n in (0.5, 1.0, 300.0):
        yield rs.SampleCovariance(1.0 / psi_n, population)
        yield RandomFeatureGram(2.0 * psi_n, psi_n, population, **SCALARS)
    yield RandomFeatureGram(5.0, 4.0, population, **SCALARS)
    yield RandomFeatureGram(2.0, 4.0, population, **{**SCALARS, "b2": 0.0})
    yield ConditionalFeatureGram(8.0, 4.0, population, **SCALARS)


@pytest.fixture
def through_cells(monkeypatch):
    """A switch between sums over all atoms and sums through cells."""
    return lambda wanted: monkeypatch.setattr(cells, "LARGE", 64 if wanted else 10**9)


def both(through_cells, eigenvalues):
    """Laws of the same matrices by sums over atoms and through cells, and their mass defects."""
    found = []
    for wanted in (False, True):
        through_cells(wanted)
        laws = [matrix.spectrum() for matrix in matrices(eigenvalues)]
        found.append([(law, np.abs(law.mass_defect).max()) for law in laws])
    return zip(*found, strict=True)


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_edges_masses_and_densities_are_the_same_to_rounding(through_cells, spectrum):
    u = (np.arange(99) + 0.5) / 99.0
    for (plain, lost), (celled, defect) in both(through_cells, SPECTRA[spectrum]):
        # z is a sum of a few terms of either sign, each as exact as the sums.
        np.testing.assert_allclose(celled.edges, plain.edges, rtol=4.0 * ROUNDING)
        np.testing.assert_array_equal(celled.masses, plain.masses)
        # Of the integral of a density that is right to 1e-12 where a panel ends.
        assert defect <= lost + 1e-12
        x = plain.quantile(u, from_origin=True)
        first, second = (law.density(x, from_origin=True) for law in (plain, celled))
        inside = first > 0.0
        nearest = np.abs(x[inside, None] - plain.edges.ravel()).min(axis=1)
        # Panels hold polynomials to 1e-12 of their largest value, which may be tens of times the
        # value at x; next to an edge the root of the distance is as uncertain as z there.
        allowed = 1e-10 + 4.0 * ROUNDING * x[inside] / nearest
        assert np.all(np.abs(first - second)[inside] <= allowed * first[inside])


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_resolvents_differ_by_less_than_their_bounds_and_converge(through_cells, spectrum):
    population = rs.PopulationSpectrum(SPECTRA[spectrum] / SPECTRA[spectrum].mean())
    z = np.array([1e-3j, 0.1 + 0.01j, 1.0 + 1e-6j, 3.0 + 2.0j, -0.5 + 1e-9j, -1.0])
    for kind in (RandomFeatureGram, ConditionalFeatureGram):
        found = []
        for wanted in (False, True):
            through_cells(wanted)
            found.append(kind(8.0, 4.0, population, **SCALARS).solve(z))
        plain, celled = found
        assert plain.converged.all()
        assert celled.converged.all()
        bound = plain.error + celled.error
        for name in ("q", "r", "s", "k"):
            first, second = getattr(plain, name), getattr(celled, name)
            assert np.all(np.abs(first - second) <= bound * np.abs(first))
        assert np.all(celled.error <= 4.0 * plain.error)


def test_transform_and_outliers_of_a_sample_covariance_are_the_same(through_cells):
    population = rs.PopulationSpectrum(
        np.append(0.0, SPECTRA["power law"]), spikes=[0.3, 1.5, 20.0]
    )
    z = np.array([0.1 + 0.1j, 1.0 + 1e-5j, -0.3, 30.0, 1e-4 + 1e-4j])
    found = []
    for wanted in (False, True):
        through_cells(wanted)
        law = rs.SampleCovariance(0.4, population).spectrum()
        found.append((law.stieltjes(z), law.outliers, law.atoms))
    # At z next to a bulk the root is known to rounding over the height above it.
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e3 * ROUNDING)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=4.0 * ROUNDING)
    np.testing.assert_array_equal(found[1][2], found[0][2])


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("prediction", [None, "noise", "data"])
def test_losses_through_cells_differ_by_less_than_their_bounds(through_cells, spectrum, prediction):
    population = rs.PopulationSpectrum(SPECTRA[spectrum] / SPECTRA[spectrum].mean())
    tau = np.append(np.geomspace(1e-2, 1e10, 40), np.inf)
    for psi_p, psi_n in ((8.0, 4.0), (3.0, 300.0)):
        curves = []
        for wanted in (False, True):
            through_cells(wanted)
            model = rs.RandomFeatureModel(psi_p, psi_n, 0.01, population=population)
            training = model.training(prediction=prediction) if prediction else model.training()
            curves.append(training.learning_curves(tau))
        plain, celled = curves
        bound = plain.error + celled.error
        assert np.all(bound < 1e-7)
        for name in ("train", "test", "excess" if prediction else "generalization"):
            assert np.all(np.abs(getattr(plain, name) - getattr(celled, name)) <= bound)
        assert np.all(celled.error <= 4.0 * plain.error)


def test_parts_of_the_error_of_two_networks_are_the_same_through_cells(through_cells):
    population = rs.PopulationSpectrum(SPECTRA["power law"] / SPECTRA["power law"].mean())
    tau, found = np.append(np.geomspace(1.0, 1e8, 20), np.inf), []
    for wanted in (False, True):
        through_cells(wanted)
        training = rs.RandomFeatureModel(8.0, 4.0, 0.01, population=population).training()
        found.append(training.two_data_sets(tau))
    plain, celled = found
    for part, bound in (
        ("bias", "error"),
        ("variance", "error"),
        ("train_distance", "train_error"),
    ):
        allowed = getattr(plain, bound) + getattr(celled, bound)
        assert np.all(np.abs(getattr(plain, part) - getattr(celled, part)) <= allowed)


def test_a_hundred_thousand_eigenvalues_are_solved():
    eigenvalues = 1.0 / np.arange(1.0, 100_001.0)
    population = rs.PopulationSpectrum(eigenvalues / eigenvalues.mean())
    law = RandomFeatureGram(8.0, 4.0, population, **SCALARS).spectrum()
    assert len(law.edges) > 200
    assert np.abs(law.mass_defect).max() < 1e-12
    # tr U/p, a sum of eigenvalues and of what is in all directions.
    mean = SCALARS["c2"] * population.mean + SCALARS["b2"] + SCALARS["v2"] + SCALARS["s2"]
    assert law.mean() == pytest.approx(mean, rel=1e-11)
