"""The random-feature matrix for given scalars: limits, statuses and refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.ensembles.random_feature import RandomFeatureGram
from rmtspec.testing.moments import gram_moments

TWO = rs.PopulationSpectrum([0.5, 1.5])
PLAIN = {
    "psi_p": 8.0,
    "psi_n": 4.0,
    "population": TWO,
    "c2": 0.4,
    "b2": 0.1,
    "v2": 0.04,
    "s2": 0.01,
}


def gram(**new):
    return RandomFeatureGram(**(PLAIN | new))


def assert_is_sound(law, matrix):
    """Masses, moments and the inverse of the distribution function."""
    assert abs(law.masses.sum() + law.atoms[:, 1].sum() - 1.0) <= 1e-13
    assert np.all(np.abs(law.mass_defect) <= 1e-10)
    for k, trace in enumerate(gram_moments(matrix), start=1):
        assert law.moment(k) == pytest.approx(trace, rel=1e-9)
    u = np.linspace(law.atoms[:, 1].sum() + 1e-6, 1.0, 50)
    assert np.all(np.abs(law.cdf(law.quantile(u, from_origin=True), from_origin=True) - u) <= 1e-9)


@pytest.mark.parametrize("psi_p", [0.5, 1.0, 4.0, 5.0, 8.0])
@pytest.mark.parametrize("zero", ["b2", "v2", "c2", ("b2", "v2"), ("c2", "v2"), ("c2", "b2")])
def test_law_is_sound_where_scalars_vanish(psi_p, zero):
    matrix = gram(psi_p=psi_p, **dict.fromkeys([zero] if isinstance(zero, str) else zero, 0.0))
    assert_is_sound(matrix.spectrum(), matrix)


@pytest.mark.parametrize("zero", ["b2", "v2", "c2", ("b2", "v2"), ("c2", "v2"), ("c2", "b2")])
def test_law_is_continuous_where_scalars_vanish(zero):
    names = [zero] if isinstance(zero, str) else zero
    law = gram(**dict.fromkeys(names, 0.0)).spectrum()
    near = gram(**dict.fromkeys(names, 1e-12)).spectrum()
    z = np.array([0.05 + 0.02j, 1.0 + 0.1j, -0.5, 20.0])
    # U moves by at most 1e-12 of a few Marchenko-Pastur matrices, g by that over the distance²
    assert np.all(np.abs(near.stieltjes(z) - law.stieltjes(z)) <= 1e-7 * np.abs(law.stieltjes(z)))


def test_all_scalars_zero_leave_one_atom():
    law = gram(c2=0.0, b2=0.0, v2=0.0).spectrum()
    assert law.atoms.tolist() == [[0.01, 1.0]]
    assert law.masses.size == 0
    assert law.support.shape == (0, 2)
    assert law.stieltjes([0.0, 1.0, 1.0 + 1.0j]) == pytest.approx(
        [100.0, -1.0 / 0.99, 1.0 / (0.01 - 1.0 - 1.0j)], rel=1e-14
    )
    assert law.quantile([0.0, 0.5, 1.0]).tolist() == [0.01, 0.01, 0.01]
    assert law.moment(2) == pytest.approx(1e-4, rel=1e-15)
    assert law.density([0.01, 0.5]).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("c2", [0.5, 2.0])
def test_isotropic_data_without_noise_are_a_product_of_two_wishart_matrices(c2):
    # v = b = 0: U = c² W(XXᵀ/n)Wᵀ/d; its S-transform is that of two Marchenko-Pastur laws
    psi_p, psi_n = 0.5, 3.0
    matrix = RandomFeatureGram(psi_p, psi_n, rs.PopulationSpectrum.isotropic(), c2, 0.0, 0.0, 0.0)
    law = matrix.spectrum()
    x = -np.array([0.3, 3.0, 30.0])
    w = -1.0 - (law.stieltjes(1.0 / x).real / x)
    # S of the p x p product: one factor each for the ratios p/d and p/n
    transform = (1.0 + w) / w * x * c2
    assert 1.0 / transform == pytest.approx(
        (1.0 + psi_p * w) * (1.0 + psi_p / psi_n * w), rel=1e-11
    )


def test_population_of_two_equal_atoms_is_isotropic():
    twice = gram(population=rs.PopulationSpectrum([1.0, 1.0])).spectrum()
    once = gram(population=rs.PopulationSpectrum.isotropic()).spectrum()
    assert np.array_equal(twice.support, once.support)


def test_points_within_rounding_of_an_edge_are_flagged_and_others_unharmed():
    matrix = gram()
    edge = matrix.spectrum().support[-1, 1]
    z = np.array([1.0 + 1.0j, edge * (1.0 + 4e-16), 2.0 * edge])
    with pytest.warns(rs.ConvergenceWarning, match="1 of 3 points"):
        found = matrix.solve(z, rtol=1e-12)
    assert found.converged.tolist() == [True, False, True]
    assert found.status[1] == rs.Status.PRECISION_EXHAUSTED
    assert np.isnan(found.q[1])
    assert found.error[1] == np.inf
    assert np.all(np.isfinite(found.q[[0, 2]]))


def test_step_limit_is_reported():
    equations = dataclasses.replace(gram().equations, max_steps=1)
    found = equations.solve(np.array([1.0 + 0.1j]))
    assert found.status[0] == rs.Status.STEP_LIMIT
    assert np.isnan(found.k[0])


@pytest.mark.parametrize("name", ["psi_p", "psi_n"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, 1e-10, 1e10])
def test_ratio_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a finite number in"):
        gram(**{name: value})


@pytest.mark.parametrize("name", ["c2", "b2", "v2", "s2"])
@pytest.mark.parametrize("value", [-1e-300, np.nan, np.inf, 1e101])
def test_square_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a finite number in"):
        gram(**{name: value})


@pytest.mark.parametrize("name", ["psi_p", "psi_n", "c2", "b2", "v2", "s2"])
@pytest.mark.parametrize("value", [None, "1", True, 1j, [1.0]])
def test_argument_of_a_wrong_kind_is_refused_by_name(name, value):
    with pytest.raises(TypeError, match=f"{name} must be a real number"):
        gram(**{name: value})


@pytest.mark.parametrize("rtol", [0.0, 1e-17, 2.0, np.nan])
def test_tolerance_out_of_range_is_refused_by_name(rtol):
    with pytest.raises(ValueError, match="rtol must be a finite number in"):
        gram().solve(1.0j, rtol=rtol)


def test_real_point_on_the_support_is_refused_with_a_hint():
    matrix = gram()
    law = matrix.spectrum()
    for z in (law.support[0].mean(), *law.support.ravel(), law.atoms[0, 0]):
        with pytest.raises(ValueError, match=r"z must not be a real point of the support.*density"):
            matrix.solve(z)


def test_a_root_that_the_last_step_reaches_is_the_one_after_that_step():
    # From the solution at the middle point Newton's method just gets there in twelve steps.
    gram = RandomFeatureGram(1.0, 1.0, rs.PopulationSpectrum([1.0]), 1.0, 1.0, 1.0, 1.0)
    z = np.array([1.14604224 + 12.5376244j, -2.38016463 + 1.25376244j, 1.14604224 + 5.28707239e-4j])
    followed, alone = gram.solve(z), gram.solve(z[2])
    assert abs(followed.q[2] - alone.q) <= 2.0 * alone.error * abs(alone.q)
