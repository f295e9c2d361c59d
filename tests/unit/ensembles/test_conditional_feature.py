"""The law given one data set: its limit, a sampled matrix, rank deficiency, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtspec as rs
from rmtspec.ensembles.conditional_feature import ConditionalFeatureGram
from rmtspec.ensembles.random_feature import RandomFeatureGram
from rmtspec.testing.moments import gram_moments
from rmtspec.testing.strategies import powers_of_ten

SCALARS = (0.4, 0.05, 0.04, 0.01)
Z = np.array([0.1 + 0.05j, 1.0 + 0.3j, 5.0 + 1.0j, -0.5])


def typical_data(psi_n, population, size=2000):
    """Eigenvalues of a sample covariance matrix at their typical places: quantiles of its law."""
    law = rs.SampleCovariance(1.0 / psi_n, population).spectrum()
    return rs.PopulationSpectrum(law.quantile((np.arange(size) + 0.5) / size))


@pytest.mark.parametrize("psi_n", [0.25, 0.5, 2.0, 4.0])
@pytest.mark.parametrize(
    "population", [rs.PopulationSpectrum([1.0]), rs.PopulationSpectrum([0.5, 2.0])]
)
def test_law_given_typical_data_is_the_average_law(psi_n, population):
    average = RandomFeatureGram(3.0, psi_n, population, *SCALARS).spectrum()
    given_data = ConditionalFeatureGram(3.0, psi_n, typical_data(psi_n, population), *SCALARS)
    found, expected = given_data.solve(Z).q, average.stieltjes(Z)
    # the midpoint rule at an edge errs by size^(-5/3)
    assert np.all(np.abs(found / expected - 1.0) <= 1e-4)
    assert given_data.spectrum().support[-1, 1] == pytest.approx(average.support[-1, 1], rel=1e-3)
    assert given_data.spectrum().atoms == pytest.approx(average.atoms, abs=1e-12)


@pytest.mark.filterwarnings("ignore::rmtspec.FewDimensionsWarning")
@pytest.mark.parametrize(("n", "d"), [(240, 120), (60, 120), (120, 120)])
def test_law_given_data_is_the_spectrum_of_sampled_features_of_that_data(n, d):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, d)) * np.sqrt(np.linspace(0.2, 2.0, d))
    model = rs.RandomFeatureModel.from_data(x, 2.0, 0.3, "erf", kernel="gaussian")
    at, p = model.coefficients, 2 * d
    centred = (x - x.mean(axis=0)).T
    z = model.spectrum().quantile([0.6, 0.95]) * (1.0 + 0.3j)
    draws = []
    for _ in range(12):
        w, omega = rng.normal(size=(p, d)), rng.normal(size=(p, n))
        g = at.c * w @ centred / np.sqrt(d) + at.v * omega
        u = g @ g.T / n + at.b**2 / d * w @ w.T + at.s**2 * np.eye(p)
        draws.append(np.mean(1.0 / (np.linalg.eigvalsh(u) - z[:, None]), axis=1))
    mean, error = np.mean(draws, axis=0), np.std(draws, axis=0) / np.sqrt(len(draws))
    q = model.resolvent(z).q
    # three standard errors, and a bias of 1/p of the value
    assert np.all(np.abs(mean - q) <= 3.0 * error + np.abs(q) / p)
    assert np.all(error < 0.01 * np.abs(q))


@pytest.mark.filterwarnings("ignore:the data have mean variance:rmtspec.DataWarning")
@given(
    powers_of_ten(-1.0, 1.5),
    st.integers(2, 40),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["tanh", "erf", "relu", "linear"]),
    st.floats(0.01, 2.0),
)
def test_masses_and_moments_are_exact_whatever_the_shape_of_the_data(
    psi_p, n, d, seed, activation, t
):
    x = np.random.default_rng(seed).normal(size=(n, d))
    with pytest.warns(rs.FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(x, psi_p, t, activation, kernel="gaussian")
    law, at, hat = model.spectrum(), model.coefficients, model.population
    assert abs(law.masses.sum() + law.atoms[:, 1].sum() - 1.0) <= 1e-12
    assert np.all(np.abs(law.mass_defect) <= 1e-10)
    s2, a2, b2, v2 = at.s**2, at.c**2, at.b**2, at.v**2
    one, two, psi_n = hat.moment(1), hat.moment(2), n / d
    assert law.moment(1) == pytest.approx(s2 + v2 + b2 + a2 * one, rel=1e-9)
    # Wick's theorem given X: M has the trace a²τ1 + b² + v² and the square below, per dimension
    square = a2**2 * two + 2.0 * a2 * one * (b2 + v2 / psi_n) + b2**2 + v2**2 / psi_n
    trace = a2 * one + b2 + v2
    second = s2**2 + 2.0 * s2 * trace + trace**2 + psi_p * square
    assert law.moment(2) == pytest.approx(second, rel=1e-9)
    assert model.psi_n == n / d


def test_second_moment_given_typical_data_is_that_of_the_average():
    population = rs.PopulationSpectrum([0.5, 2.0])
    average = RandomFeatureGram(3.0, 2.0, population, *SCALARS)
    given_data = ConditionalFeatureGram(3.0, 2.0, typical_data(2.0, population), *SCALARS)
    assert given_data.spectrum().moment(2) == pytest.approx(gram_moments(average)[1], rel=1e-3)


def test_rank_deficient_data_have_all_zero_modes():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 40))
    with pytest.warns(rs.FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(x, 3.0, 0.1, "erf", kernel="gaussian")
    assert model.population.weights[0] == pytest.approx(35 / 40, abs=1e-15)
    masses = {family.name: family.mass for family in model.families}
    assert masses["noise"] == pytest.approx(35 / 40 / 3.0, rel=1e-12)
    assert masses["fast"] == pytest.approx(5 / 40 / 3.0, rel=1e-12)
    assert masses["sample"] == pytest.approx((60 - 5) / 40 / 3.0, rel=1e-12)


def test_shifting_the_data_changes_nothing_and_rotating_them_neither():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(500, 80))
    rotation, _ = np.linalg.qr(rng.normal(size=(80, 80)))
    laws = [
        rs.RandomFeatureModel.from_data(data, 2.0, 0.1, kernel="gaussian").spectrum()
        for data in (x, x + 7.0, x @ rotation)
    ]
    for law in laws[1:]:
        assert law.support[-1] == pytest.approx(laws[0].support[-1], rel=1e-11)


def test_data_of_few_dimensions_bring_a_warning_with_the_participation_ratio():
    x = np.random.default_rng(0).normal(size=(100, 3))
    with pytest.warns(rs.FewDimensionsWarning, match=r"participation ratio of [23]\.\d, below 50"):
        rs.RandomFeatureModel.from_data(x, 2.0, 0.1, kernel="gaussian")


def test_fewer_samples_than_the_rank_are_refused():
    with pytest.raises(ValueError, match="psi_n must be at least the rank over d"):
        ConditionalFeatureGram(2.0, 0.5, rs.PopulationSpectrum([1.0]), *SCALARS)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([], "x must have shape"),
        ([1.0, 2.0], "x must have shape"),
        ([[1.0, 2.0]], "x must have shape"),
        ([[1.0, 2.0], [1.0, 2.0]], "x must vary"),
        ([[1.0, np.nan], [0.0, 1.0]], "x must hold finite numbers"),
        ([[1.0, np.inf], [0.0, 1.0]], "x must hold finite numbers"),
        ([[1.0, 2.0], [0.0]], "x must be a rectangular array"),
        (np.zeros((2, 2, 0)), "x must have shape"),
        ([[1j, 0.0], [0.0, 1.0]], "x must be real"),
        ("data", "x must hold real numbers"),
        (None, "x must hold real numbers"),
        ([[True, False], [False, True]], "x must hold real numbers"),
    ],
    ids=str,
)
def test_bad_data_are_refused_by_name(x, message):
    with pytest.raises((TypeError, ValueError), match=message):
        rs.RandomFeatureModel.from_data(x, 2.0, 0.1, kernel="gaussian")
