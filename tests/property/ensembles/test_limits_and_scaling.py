"""Limits with closed forms, scaling, duality and monotonicity of both ensembles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

import rmtspec as rs
from rmtspec.ensembles.random_feature import RandomFeatureGram
from rmtspec.testing.strategies import (
    loads,
    populations,
    powers_of_ten,
    random_feature_grams,
    sample_covariances,
)
from tests.laws import marchenko_pastur_density, scale_of

EXACT = 1e-11  # two solutions of equations with the same root, each to some hundred ulps
HEIGHTS = np.array([1e-2, 0.1, 1.0, 10.0])


def probes(law):
    """Points of the upper half plane over the whole support."""
    x = law.quantile([0.05, 0.4, 0.7, 0.99])
    return x + 1j * scale_of(law) * HEIGHTS


def assert_close(found, expected, rtol=EXACT):
    assert np.all(np.abs(found - expected) <= rtol * np.abs(expected))


def assert_same_edges(found, expected):
    """Square roots of edges have an absolute error: an edge at 0 moves with the square of c - 1."""
    top = expected.max(initial=0.0)
    assert found.shape == expected.shape
    assert np.all(np.abs(found - expected) <= 1e-12 * expected + 1e-14 * np.sqrt(expected * top))


# --- Marchenko and Pastur ------------------------------------------------------------------


@given(powers_of_ten(-4.0, 4.0), powers_of_ten(-3.0, 3.0), st.floats(0.001, 0.999))
def test_isotropic_sample_covariance_has_the_closed_form(ratio, variance, place):
    law = rs.SampleCovariance(ratio, rs.PopulationSpectrum.isotropic(variance)).spectrum()
    root = np.sqrt(ratio)
    # |1 - sqrt c| loses the digits of c next to 1, and is rounded as 1 + sqrt c is
    assert law.support[0, 1] == pytest.approx(variance * (1.0 + root) ** 2, rel=1e-13)
    assert np.sqrt(law.support[0, 0] / variance) == pytest.approx(
        abs(1.0 - root), abs=1e-14 * (1.0 + root)
    )
    x = np.array([law.support[0, 0] + place * np.ptp(law.support)])
    expected = marchenko_pastur_density(x, ratio, variance)
    assert_close(law.density(x), expected, 1e-9)


def test_ratio_one_has_a_hard_edge_at_zero_with_the_closed_form():
    law = rs.SampleCovariance(1.0, rs.PopulationSpectrum.isotropic(2.0)).spectrum()
    assert law.support.tolist() == [[0.0, pytest.approx(8.0, rel=1e-14)]]
    assert law.atoms.size == 0
    x = np.logspace(-12, np.log10(7.9), 50)
    assert_close(law.density(x), marchenko_pastur_density(x, 1.0, 2.0), 1e-10)
    assert law.density(0.0) == np.inf
    # (1/2π)∫ sqrt((8 - x)/x)/2 dx, whose next term is smaller by x; one ulp of 1 is the rest
    assert abs(law.cdf(1e-12) - np.sqrt(2e-12) / np.pi) <= 1e-15


@given(powers_of_ten(-3.0, 3.0), powers_of_ten(-2.0, 2.0))
def test_exchanging_samples_and_dimensions_keeps_the_nonzero_spectrum(ratio, variance):
    population = rs.PopulationSpectrum.isotropic(variance)
    law = rs.SampleCovariance(ratio, population).spectrum()
    dual = rs.SampleCovariance(1.0 / ratio, population).spectrum()
    assert_same_edges(dual.support * ratio, law.support)
    z = probes(law)
    expected = -(1.0 - ratio) / z + ratio * law.stieltjes(z)
    assert_close(dual.stieltjes(z / ratio) / ratio, expected, 1e-10)


@given(sample_covariances(), powers_of_ten(-6.0, 6.0))
def test_scaling_the_population_scales_the_law(matrix, factor):
    population = matrix.population
    scaled = rs.SampleCovariance(
        matrix.ratio, rs.PopulationSpectrum(factor * population.eigenvalues, population.weights)
    ).spectrum()
    law = matrix.spectrum()
    z = probes(law)
    assert_close(factor * scaled.stieltjes(factor * z), law.stieltjes(z))
    assert_same_edges(scaled.support, factor * law.support)


@given(populations(zeros=st.just(False)), st.floats(0.1, 0.9))
def test_few_dimensions_a_sample_give_back_the_population(population, level):
    ratio = 1e-8
    law = rs.SampleCovariance(ratio, population).spectrum()
    # a bulk around l reaches l(1 ± sqrt(c/w)·sqrt w), and its neighbours repel it
    below = np.searchsorted(np.cumsum(population.weights), level)
    gaps = np.diff(np.log(population.eigenvalues))
    if np.all(gaps > 0.01):
        expected = population.eigenvalues[below]
        assert abs(law.quantile(level) / expected - 1.0) <= 3.0 * np.sqrt(ratio)


@given(sample_covariances(), st.floats(-5.0, -0.01))
def test_sample_covariance_is_the_free_product_with_marchenko_pastur(matrix, log_scale):
    law, population, c = matrix.spectrum(), matrix.population, matrix.ratio
    point = -(10.0**log_scale) / scale_of(law)  # a negative argument of psi, off all supports

    def psi(x):
        return float(np.sum(population.weights * x * population.eigenvalues
                            / (1.0 - x * population.eigenvalues)))  # fmt: skip

    w = -1.0 - complex(law.stieltjes(1.0 / point)).real / point
    low = -1.0 / np.finfo(float).eps / population.eigenvalues[-1]
    if not psi(low) < w < 0.0:
        return
    chi = -np.exp(
        brentq(lambda s: psi(-np.exp(s)) - w, np.log(-point) - 40, np.log(-low), xtol=1e-15)
    )
    # S(w) = (1 + w)/w·chi(w), and S of the product is the product, with S_MP = 1/(1 + c w);
    # w comes from a difference of numbers close to one
    assert point == pytest.approx(chi / (1.0 + c * w), rel=1e-11 + 1e-15 / abs(w))


@given(sample_covariances(), st.floats(1e-12, 1e-9))
def test_merging_two_close_eigenvalues_is_continuous(matrix, split):
    population = matrix.population
    pairs = np.concatenate([population.eigenvalues, population.eigenvalues * (1.0 + split)])
    doubled = rs.PopulationSpectrum(pairs, np.tile(0.5 * population.weights, 2))
    law = matrix.spectrum()
    z = probes(law)
    changed = rs.SampleCovariance(matrix.ratio, doubled).spectrum().stieltjes(z)
    # every eigenvalue grows by at most the relative split, so g moves by split·|z g'| and more
    bound = 10.0 * split * np.abs(z) / z.imag**2 * scale_of(law) / np.abs(z)
    assert np.all(np.abs(changed - law.stieltjes(z)) <= bound + EXACT * np.abs(changed))


# --- random features -----------------------------------------------------------------------


def changed(gram, **new):
    """The same matrix with some of its numbers replaced."""
    names = ("psi_p", "psi_n", "population", "c2", "b2", "v2", "s2")
    return RandomFeatureGram(**{name: new.get(name, getattr(gram, name)) for name in names})


@given(random_feature_grams(), powers_of_ten(-3.0, 1.0))
def test_raising_the_floor_shifts_the_law(gram, shift):
    law, raised = gram.spectrum(), changed(gram, s2=gram.s2 + shift).spectrum()
    z = probes(law)
    assert_close(raised.stieltjes(z + shift), law.stieltjes(z), 1e-9)
    assert np.array_equal(raised.edges, law.edges)


@given(random_feature_grams(), powers_of_ten(-6.0, 6.0))
def test_scaling_all_parts_scales_the_law(gram, factor):
    scaled = changed(
        gram, c2=factor * gram.c2, b2=factor * gram.b2, v2=factor * gram.v2, s2=factor * gram.s2
    ).spectrum()
    law = gram.spectrum()
    z = probes(law)
    assert_close(factor * scaled.stieltjes(factor * z), law.stieltjes(z))
    assert_same_edges(scaled.edges, factor * law.edges)


@given(random_feature_grams(), powers_of_ten(-6.0, 6.0))
def test_only_the_product_of_coefficient_and_covariance_enters(gram, factor):
    population = rs.PopulationSpectrum(
        gram.population.eigenvalues / factor, gram.population.weights
    )
    other = changed(gram, c2=factor * gram.c2, population=population).spectrum()
    law = gram.spectrum()
    z = probes(law)
    assert_close(other.stieltjes(z), law.stieltjes(z))
    assert_same_edges(other.edges, law.edges)


@given(random_feature_grams())
def test_splitting_and_permuting_atoms_changes_nothing(gram):
    old = gram.population
    split = rs.PopulationSpectrum(
        np.concatenate([old.eigenvalues[::-1], old.eigenvalues]),
        np.concatenate([0.25 * old.weights[::-1], 0.75 * old.weights]),
    )
    law, other = gram.spectrum(), changed(gram, population=split).spectrum()
    z = probes(law)
    assert_close(other.stieltjes(z), law.stieltjes(z))
    assert_same_edges(other.edges, law.edges)


@given(random_feature_grams(), st.floats(1e-13, 1e-10))
def test_eigenvalues_a_hair_apart_act_as_one(gram, split):
    old = gram.population
    eigenvalues = np.concatenate([old.eigenvalues, old.eigenvalues * (1.0 + split)])
    near = rs.PopulationSpectrum(eigenvalues, np.tile(0.5 * old.weights, 2))
    law, other = gram.spectrum(), changed(gram, population=near).spectrum()
    z = probes(law)
    bound = 10.0 * split * scale_of(law) / z.imag**2
    assert np.all(np.abs(other.stieltjes(z) - law.stieltjes(z)) <= bound + 1e-10 / z.imag)


@given(loads(), powers_of_ten(-3.0, 3.0), populations())
def test_noise_of_the_samples_alone_is_a_marchenko_pastur_law_of_ratio_p_over_n(
    case, v2, population
):
    psi_p, psi_n = case
    gram = RandomFeatureGram(psi_p, psi_n, population, 0.0, 0.0, v2, 0.0).spectrum()
    other = rs.SampleCovariance(psi_p / psi_n, rs.PopulationSpectrum.isotropic(v2)).spectrum()
    z = probes(other)
    assert_close(gram.stieltjes(z), other.stieltjes(z), 1e-10)


@given(loads(), powers_of_ten(-3.0, 3.0), populations())
def test_noise_of_the_directions_alone_is_a_marchenko_pastur_law_of_ratio_p_over_d(
    case, b2, population
):
    psi_p, psi_n = case
    gram = RandomFeatureGram(psi_p, psi_n, population, 0.0, b2, 0.0, 0.0).spectrum()
    other = rs.SampleCovariance(psi_p, rs.PopulationSpectrum.isotropic(b2)).spectrum()
    z = probes(other)
    assert_close(gram.stieltjes(z), other.stieltjes(z), 1e-10)
    assert_close(gram.support[:, 1], other.support[:, 1], 1e-12)


@given(loads(), powers_of_ten(-2.0, 2.0), powers_of_ten(-2.0, 2.0))
def test_without_data_two_free_marchenko_pastur_laws_add_up(case, b2, v2):
    psi_p, psi_n = case
    gram = RandomFeatureGram(psi_p, psi_n, rs.PopulationSpectrum([1.0]), 0.0, b2, v2, 0.0)
    z = probes(gram.spectrum())
    k, u = gram.solve(z).k, v2 / psi_n
    # z(k) is a sum: R-transforms of free matrices add
    terms = np.array([-psi_p * k, psi_n * u * k / (k + u), b2 * k / (k + b2)])
    assert np.all(np.abs(terms.sum(axis=0) - z) <= 1e-12 * (np.abs(terms).sum(axis=0) + np.abs(z)))


@given(populations(), powers_of_ten(-1.0, 1.0), powers_of_ten(-2.0, 0.5), powers_of_ten(-2.0, 0.5))
def test_many_samples_give_the_population_matrix_with_an_error_of_one_over_their_number(
    population, psi_p, b2, v2
):
    # n -> inf: W(Σ + b²)Wᵀ/d + v², whose nonzero part is that of a sample covariance with n = p
    ridge = rs.PopulationSpectrum(psi_p * (population.eigenvalues + b2), population.weights)
    limit = rs.SampleCovariance(1.0 / psi_p, ridge).spectrum()
    errors = []
    for psi_n in (1e4, 1e5, 1e6):
        gram = RandomFeatureGram(psi_p, psi_n, population, 1.0, b2, v2, 0.0)
        z = v2 + scale_of(limit) * np.array([0.3 + 0.3j, 1.0 + 1.0j])
        found, target = gram.spectrum().stieltjes(z), companion(limit, psi_p, z - v2)
        errors.append(np.max(np.abs(found / target - 1.0)))
    assert errors[2] <= 1e-3
    assert errors[0] / errors[1] == pytest.approx(10.0, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(10.0, rel=0.1)


def companion(limit, psi_p, z):
    """Transform of the p x p matrix whose d x d companion has the given law."""
    return limit.stieltjes(z) / psi_p - (1.0 - 1.0 / psi_p) / z


@given(random_feature_grams(), st.sampled_from(["b2", "s2"]), st.floats(1.001, 3.0))
def test_adding_noise_moves_every_eigenvalue_up(gram, name, factor):
    more = max(getattr(gram, name), 0.1) * factor
    law, raised = gram.spectrum(), changed(gram, **{name: more}).spectrum()
    u = np.linspace(0.001, 1.0, 60)
    before, after = law.quantile(u), raised.quantile(u)
    assert np.all(after >= before - 1e-9 * scale_of(raised))
    assert raised.support[-1, 1] > law.support.max(initial=law.origin)


@given(st.floats(20.0, 40.0), st.sampled_from(["tanh", "erf", "relu"]))
def test_late_times_forget_the_data(t, activation):
    model = rs.RandomFeatureModel(3.0, 2.0, t, activation, rs.PopulationSpectrum([0.5, 4.0]))
    at = model.coefficients
    free = RandomFeatureGram(3.0, 2.0, model.population, 0.0, at.b**2, at.v**2, at.s**2)
    law, other = model.spectrum(), free.spectrum()
    z = probes(law)
    # what remains of the data is c², below 1e-17 here
    assert_close(law.stieltjes(z), other.stieltjes(z), 1e-10)
    assert_close(law.support[-1], other.support[-1], 1e-10)
