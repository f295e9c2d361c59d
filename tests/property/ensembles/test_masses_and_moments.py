"""Masses, moments and distribution functions of the laws, against counting rules and traces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rmtspec as rs
from rmtspec.testing.moments import covariance_moments, gram_moments
from rmtspec.testing.strategies import (
    ends,
    laws,
    laws_with_points,
    random_feature_grams,
    random_feature_models,
    sample_covariances,
)
from tests.laws import scale_of

ROUNDING = 1e-12  # a few hundred additions of numbers below one
MASS = 1e-10  # promised for the integrated density
MOMENT = 1e-9  # promised for the first two moments


@given(laws())
def test_bulks_and_atoms_together_have_mass_one(law):
    assert abs(law.masses.sum() + law.atoms[:, 1].sum() - 1.0) <= ROUNDING
    assert np.all(law.masses > 0.0)
    assert np.all(law.atoms[:, 1] > 0.0)


@given(laws())
def test_integrated_density_of_every_bulk_is_its_exact_mass(law):
    assert np.all(np.abs(law.mass_defect) <= MASS)


@given(laws())
def test_bulks_are_disjoint_and_ascending(law):
    ordered = law.edges.ravel()
    assert np.all(np.diff(ordered) > 0.0)
    assert np.all(law.edges >= 0.0)
    assert np.array_equal(law.support, law.origin + law.edges)


@given(laws(), st.lists(st.floats(-0.5, 1.5), min_size=2, max_size=20))
def test_distribution_function_rises_from_zero_to_one(law, places):
    low, high = (end - law.origin for end in ends(law))
    x = np.sort(low + np.array(places) * (high - low))
    cdf = law.cdf(x, from_origin=True)
    assert np.all(np.diff(cdf) >= -1e-16)  # below one ulp of 1 two polynomials may differ
    assert np.all((cdf >= 0.0) & (cdf <= 1.0))
    below = min(law.edges.min(initial=np.inf), law._atoms[:, 0].min(initial=np.inf))
    assert law.cdf(np.nextafter(below, -np.inf), from_origin=True) == 0.0
    assert np.all(
        np.abs(law.cdf([-np.inf, high, np.inf], from_origin=True) - [0, 1, 1]) <= ROUNDING
    )


@given(laws(), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_quantile_inverts_the_distribution_function(law, fractions):
    u = np.array(fractions)
    x = law.quantile(u, from_origin=True)
    reached = law.cdf(x, from_origin=True)
    atoms = law.atoms[:, 0] - law.origin
    on_atom = np.isin(x, law._atoms[:, 0])
    assert np.all(reached[on_atom] >= u[on_atom] - ROUNDING)
    assert np.all(np.abs(reached - u)[~on_atom] <= 1e-9)
    assert np.all(np.diff(x[np.argsort(u)]) >= 0.0)
    assert atoms.size <= 1


@given(laws(), st.lists(st.floats(0.01, 0.99), min_size=1, max_size=10))
def test_distribution_function_inverts_the_quantile_inside_bulks(law, places):
    for low, high in law.edges:
        x = low + np.array(places) * (high - low)
        back = law.quantile(law.cdf(x, from_origin=True), from_origin=True)
        # an error of 1e-15 of the cdf moves x by that over the density
        density = law.density(x, from_origin=True)
        assert np.all(np.abs(back - x) <= 1e-12 * np.abs(x) + 1e-14 / density)


@given(laws(), st.floats(0.01, 0.99))
def test_density_is_the_slope_of_the_distribution_function(law, place):
    for low, high in law.edges:
        x, step = low + place * (high - low), 1e-4 * min(place, 1.0 - place) * (high - low)
        near = law.density([x - step, x, x + step], from_origin=True)
        slope = np.diff(law.cdf([x - step, x + step], from_origin=True))[0] / (2.0 * step)
        if np.ptp(near) < 1e-3 * near[1]:  # the parabola through them bounds the error of the slope
            assert abs(slope - near[1]) <= np.ptp(near) + 1e-14 / step


@given(laws())
def test_density_vanishes_off_the_support_and_nowhere_is_negative(law):
    low, high = ends(law)
    x = np.concatenate([np.linspace(low, high, 301), [low - 1.0, high + 1.0, -np.inf, np.inf]])
    density = law.density(x)
    inside = np.any((x[:, None] > law.support[:, 0]) & (x[:, None] < law.support[:, 1]), axis=1)
    assert np.all(density >= 0.0)
    assert np.all(density[~inside & ~np.isin(x, law.support)] == 0.0)


@given(random_feature_grams())
def test_first_two_moments_are_the_traces_of_the_random_feature_matrix(gram):
    law = gram.spectrum()
    for k, trace in enumerate(gram_moments(gram), start=1):
        assert abs(law.moment(k) - trace) <= MOMENT * trace


@given(sample_covariances())
def test_first_three_moments_are_the_traces_of_the_sample_covariance(matrix):
    law = matrix.spectrum()
    for k, trace in enumerate(covariance_moments(matrix), start=1):
        assert abs(law.moment(k) - trace) <= MOMENT * trace


@given(random_feature_models())
def test_mean_eigenvalue_is_the_second_moment_of_the_activation(model):
    law, at = model.spectrum(), model.coefficients
    variance = at.second_moment - at.mean**2  # the mean feature is an eigenvalue of its own
    # the coefficients are exact to 1e-12, their sum loses what the mean takes away
    assert abs(law.moment(1) - variance) <= MOMENT * at.second_moment


@given(laws())
def test_moment_zero_is_the_mass_and_integrate_agrees_with_moments(law):
    assert abs(law.moment(0) - 1.0) <= MASS
    assert abs(law.integrate(np.ones_like) - 1.0) <= MASS
    assert abs(law.integrate(lambda x: x) - law.moment(1)) <= MASS * law.moment(1)


@given(laws())
def test_hankel_matrix_of_the_moments_is_positive_semidefinite(law):
    scale = scale_of(law)
    moments = [law.moment(k) / scale**k for k in range(7)]
    hankel = np.array([[moments[i + j] for j in range(4)] for i in range(4)])
    assert moments[2] >= moments[1] ** 2 * (1.0 - 1e-14)
    assert np.linalg.eigvalsh(hankel)[0] >= -1e-13


@settings(max_examples=20)
@given(st.one_of(sample_covariances(), random_feature_grams()))
def test_contour_integrals_of_the_transform_are_the_moments(ensemble):
    law = ensemble.spectrum()
    low, high = ends(law)
    centre, radius = 0.5 * (low + high), 0.75 * (high - low) or 1.0
    turn = np.exp(1j * np.pi * (np.arange(200) + 0.5) / 100)
    z = centre + radius * turn
    g = law.stieltjes(z)
    for k in range(4):
        integral = -np.mean(g * z**k * radius * turn)
        # the trapezoidal rule errs by (2/3)^200, the values of g by 1e-12
        assert abs(integral - law.moment(k)) <= 1e-10 * (abs(centre) + radius) ** k


@given(laws_with_points(count=st.just(3)))
def test_distribution_function_of_a_gap_does_not_depend_on_the_place(case):
    law, _ = case
    above = law.atoms[:, 1].sum() + np.cumsum(law.masses)
    for (_, end), (start, _), below in zip(law.edges[:-1], law.edges[1:], above[:-1], strict=False):
        x = np.linspace(end, start, 5)
        assert np.all(np.abs(law.cdf(x, from_origin=True) - below) <= ROUNDING)


@given(sample_covariances())
def test_mass_above_a_gap_is_the_population_above_the_image_of_the_gap(matrix):
    law, ratio, population = matrix.spectrum(), matrix.ratio, matrix.population
    for (_, end), (start, _) in zip(law.support[:-1], law.support[1:], strict=True):
        z = 0.5 * (end + start)
        if not end < z < start or start - end < 1e-9 * start:
            continue
        companion = -(1.0 - ratio) / z + ratio * complex(law.stieltjes(z)).real
        exact = population.weights[population.eigenvalues > -1.0 / companion].sum()
        assert abs(1.0 - law.cdf(z) - exact) <= MASS


@given(sample_covariances())
def test_sample_covariance_has_at_most_one_bulk_an_eigenvalue_of_the_population(matrix):
    law = matrix.spectrum()
    positive = matrix.population.eigenvalues > 0.0
    zeros = float(matrix.population.weights[~positive].sum())
    assert 1 <= len(law.masses) <= np.count_nonzero(positive)
    expected = max(zeros, 1.0 - 1.0 / matrix.ratio)
    if expected > 1e-12:
        assert law.atoms.tolist() == [[0.0, pytest.approx(expected, rel=1e-14)]]
    else:
        assert law.atoms[:, 1].sum() <= 2e-12


@given(random_feature_grams())
def test_atom_of_random_features_is_what_the_samples_and_directions_leave(gram):
    law, w0 = (
        gram.spectrum(),
        1.0 - float(gram.population.weights[gram.population.eigenvalues > 0.0].sum()),
    )
    rank = min(gram.psi_n, 1.0 - w0) if gram.c2 > 0.0 else 0.0
    has_b, has_v = gram.b2 > 0.0, gram.v2 > 0.0
    modes = rank * (1 + (has_b and has_v)) + (1.0 - rank) * has_b + (gram.psi_n - rank) * has_v
    mass = 1.0 - modes / gram.psi_p
    if has_b and has_v:
        assert modes == pytest.approx(1.0 + gram.psi_n, rel=1e-14)
    if mass > 1e-12:
        assert law.atoms.tolist() == [[gram.s2, pytest.approx(mass, abs=1e-14)]]
    elif mass < -1e-12:
        assert law.atoms.size == 0
        assert law.edges[0, 0] > 0.0
    assert law.edges.min(initial=np.inf) >= 0.0


@given(st.floats(2.0, 50.0), st.floats(0.5, 50.0), st.sampled_from([0.5, 1.0, 4.0]))
def test_open_bulks_of_isotropic_random_features_have_rational_masses(psi_n, excess, variance):
    psi_p = psi_n + 1.0 + excess
    model = rs.RandomFeatureModel(
        psi_p, psi_n, 1e-3, "erf", rs.PopulationSpectrum.isotropic(variance)
    )
    law = model.spectrum()
    sizes = np.array([1.0, psi_n - 1.0, 1.0]) / psi_p  # slow, sample, fast
    below = law.atoms[0, 1] + np.cumsum(law.masses)
    possible = law.atoms[0, 1] + np.cumsum(sizes)
    assert law.atoms[0, 1] == pytest.approx(excess / psi_p, abs=1e-14)
    assert all(np.min(np.abs(possible - mass)) <= 1e-14 for mass in below)


@settings(max_examples=10)
@given(laws(), st.integers(0, 2**32 - 1))
def test_sampled_eigenvalues_follow_the_distribution_function(law, seed):
    drawn = law.sample(2000, np.random.default_rng(seed))
    assert drawn.shape == (2000,)
    ordered = np.sort(drawn)
    steps = np.arange(1, 2001) / 2000
    low, high = ends(law)
    assert np.all((ordered >= low) & (ordered <= high))
    # Kolmogorov: the distance exceeds 2.3/sqrt(n) with probability 5e-5; ties only at the atom
    inside = ~np.isin(ordered, law.atoms[:, 0])
    distance = np.abs(law.cdf(ordered) - steps)[inside]
    assert distance.max(initial=0.0) <= 2.3 / np.sqrt(2000)
    for location, mass in law.atoms:
        hits = np.mean(drawn == location)
        assert abs(hits - mass) <= 5.0 * np.sqrt(mass * (1.0 - mass) / 2000) + 1e-12
