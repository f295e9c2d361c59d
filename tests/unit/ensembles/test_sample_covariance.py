"""Sample covariance matrices: closed forms, zero eigenvalues, the hard edge and spikes."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from tests.laws import marchenko_pastur_density

ISOTROPIC = rs.PopulationSpectrum.isotropic()


@pytest.mark.parametrize("ratio", [0.01, 0.25, 1.0, 4.0, 100.0])
def test_closed_form_of_density_transform_and_mass(ratio):
    law = rs.SampleCovariance(ratio, ISOTROPIC).spectrum()
    x = np.linspace(*law.support[0], 1001)[1:-1]
    expected = marchenko_pastur_density(x, ratio)
    # panels are interpolated to 1e-12 of their largest value; at small ratios the bulk is narrow
    assert np.all(np.abs(law.density(x) - expected) <= 1e-11 * expected.max() + 1e-11 * expected)
    z = np.array([1.0 + 1e-3j, -1.0 + 0.5j, 3.0j, 20.0 + 1.0j])
    root = np.sqrt(z - (1 - np.sqrt(ratio)) ** 2) * np.sqrt(z - (1 + np.sqrt(ratio)) ** 2)
    exact = (1.0 - ratio - z + root) / (2.0 * ratio * z)
    # the closed form itself cancels at small ratios
    bound = 1e-13 * np.abs(exact) / np.minimum(z.imag, 1.0) + 1e-15 / ratio
    assert np.all(np.abs(law.stieltjes(z) - exact) <= bound)
    assert law.masses.tolist() == [pytest.approx(min(1.0, 1.0 / ratio), rel=1e-15)]


@pytest.mark.parametrize("ratio", [0.2, 0.5, 1.0, 2.0, 30.0])
@pytest.mark.parametrize("zeros", [0.1, 0.5, 0.9])
def test_zero_eigenvalues_leave_the_larger_of_two_atoms(ratio, zeros):
    population = rs.PopulationSpectrum(
        [0.0, 1.0, 2.0], [zeros, 0.5 - 0.5 * zeros, 0.5 - 0.5 * zeros]
    )
    law = rs.SampleCovariance(ratio, population).spectrum()
    assert law.atoms[0].tolist() == [0.0, pytest.approx(max(zeros, 1.0 - 1.0 / ratio), rel=1e-14)]
    # the nonzero eigenvalues are those of the (1 - zeros) d directions that vary
    smaller = rs.SampleCovariance(
        ratio * (1.0 - zeros), rs.PopulationSpectrum([1.0, 2.0])
    ).spectrum()
    assert law.support == pytest.approx(smaller.support, rel=1e-12, abs=1e-14)
    assert law.moment(2) == pytest.approx((1.0 - zeros) * smaller.moment(2), rel=1e-12)


def test_as_many_samples_as_varying_directions_make_a_hard_edge_beside_an_atom():
    law = rs.SampleCovariance(4.0, rs.PopulationSpectrum([0.0, 1.0], [0.75, 0.25])).spectrum()
    assert law.atoms.tolist() == [[0.0, 0.75]]
    assert law.support.tolist() == [[0.0, pytest.approx(4.0, rel=1e-14)]]
    x = np.array([1e-8, 1e-3, 1.0, 3.9])
    assert law.density(x) == pytest.approx(0.25 * marchenko_pastur_density(x, 1.0), rel=1e-10)


def test_transform_at_zero_is_the_mean_inverse_eigenvalue():
    # of an inverse Wishart matrix: 1/(1 - c) times that of the population
    population = rs.PopulationSpectrum([0.5, 2.0], [0.25, 0.75])
    law = rs.SampleCovariance(0.2, population).spectrum()
    assert complex(law.stieltjes(0.0)) == pytest.approx(population.moment(-1) / 0.8, rel=1e-13)
    near = complex(law.stieltjes(1e-9))
    assert near == pytest.approx(population.moment(-1) / 0.8, rel=1e-8)


@pytest.mark.parametrize("spike", [1.51, 2.0, 10.0, 1e4, 0.49, 0.1, 1e-3])
def test_spike_beyond_the_transition_has_the_closed_form(spike):
    ratio = 0.25
    law = rs.SampleCovariance(ratio, rs.PopulationSpectrum([1.0], spikes=[spike])).spectrum()
    assert law.outliers == pytest.approx([spike * (1.0 + ratio / (spike - 1.0))], rel=1e-13)
    assert law.masses.tolist() == [1.0]


@pytest.mark.parametrize("spike", [1.0, 1.49, 0.51, 1.2])
def test_spike_before_the_transition_has_no_outlier(spike):
    law = rs.SampleCovariance(0.25, rs.PopulationSpectrum([1.0], spikes=[spike])).spectrum()
    assert law.outliers.size == 0


def test_outliers_are_ascending_and_lie_off_the_bulks():
    spikes = [9.0, 0.01, 3.0, 9.0]
    law = rs.SampleCovariance(0.1, rs.PopulationSpectrum([0.5, 1.0], spikes=spikes)).spectrum()
    assert law.outliers.size == 4
    assert np.all(np.diff(law.outliers) >= 0.0)
    inside = (law.outliers[:, None] > law.support[:, 0]) & (
        law.outliers[:, None] < law.support[:, 1]
    )
    assert not inside.any()


def test_spike_is_the_limit_of_a_vanishing_atom():
    for spike in (3.0, 0.2):
        outlier = rs.SampleCovariance(
            0.25, rs.PopulationSpectrum([1.0], spikes=[spike])
        ).spectrum().outliers[0]  # fmt: skip
        atom = rs.PopulationSpectrum([1.0, spike], [1.0, 1e-12])
        law = rs.SampleCovariance(0.25, atom).spectrum()
        near = law.support[np.argmin(np.abs(law.support.mean(axis=1) - outlier))]
        # a bulk of mass w around an outlier has a width of order sqrt(w)
        assert np.all(np.abs(near - outlier) <= 1e-5 * outlier)
        assert law.masses.min() == pytest.approx(1e-12, rel=1e-3)


@pytest.mark.parametrize("ratio", [0.0, -1.0, np.nan, np.inf, 1e-10, 1e10])
def test_ratio_out_of_range_is_refused_by_name(ratio):
    with pytest.raises(ValueError, match="ratio must be a finite number in"):
        rs.SampleCovariance(ratio, ISOTROPIC)


@pytest.mark.parametrize("ratio", [None, "1", True, 1j, [1.0]])
def test_ratio_of_a_wrong_kind_is_refused_by_name(ratio):
    with pytest.raises(TypeError, match="ratio must be a real number"):
        rs.SampleCovariance(ratio, ISOTROPIC)


@pytest.mark.parametrize("population", [None, [1.0], 1.0, "isotropic"])
def test_population_of_a_wrong_kind_is_refused_by_name(population):
    with pytest.raises(TypeError, match="population must be a PopulationSpectrum"):
        rs.SampleCovariance(1.0, population)


@pytest.mark.parametrize("z", [1e200, -1e-200])
def test_transform_out_of_reach_is_flagged_and_not_a_number(z):
    law = rs.SampleCovariance(0.5, rs.PopulationSpectrum([1.0, 2.0])).spectrum()
    with pytest.warns(rs.ConvergenceWarning):
        assert np.isnan(law.stieltjes(z))


@pytest.mark.parametrize("spike", [1.51, 4.0, 1e3, 0.49, 0.05])
def test_spike_of_white_samples_has_the_closed_overlap_and_spread(spike):
    # Paul 2007: (1 − c/(l−1)²)/(1 + c/(l−1)), and variance 2l²(1 − c/(l−1)²)/n
    c = 0.25
    found = rs.SampleCovariance(c, rs.PopulationSpectrum([1.0], spikes=[spike])).spike_images
    rise = 1.0 - c / (spike - 1.0) ** 2
    assert found.overlap == pytest.approx([rise / (1.0 + c / (spike - 1.0))], rel=1e-11)
    assert found.spread == pytest.approx([spike * np.sqrt(2.0 * rise)], rel=1e-11)
    assert found.threshold == pytest.approx([1.5 if spike > 1.0 else 0.5], rel=1e-9)
    exact = found.spread / np.sqrt(400.0)
    np.testing.assert_allclose(found.standard_deviation(100), exact, rtol=1e-14)
    np.testing.assert_allclose(
        found.standard_deviation(100, beta=2), exact / np.sqrt(2.0), rtol=1e-14
    )


def test_spike_before_the_transition_has_no_overlap_and_no_spread():
    found = rs.SampleCovariance(0.25, rs.PopulationSpectrum([1.0], spikes=[1.2])).spike_images
    assert np.isnan(found.location[0])
    assert np.isnan(found.spread[0])
    assert found.overlap[0] == 0.0
    assert found.threshold[0] == pytest.approx(1.5, rel=1e-9)


def test_spikes_between_two_atoms_are_seen_where_the_gap_is():
    population = rs.PopulationSpectrum([0.1, 2.0], [0.75, 0.25], spikes=[1.0, 1.9, 5.0])
    found = rs.SampleCovariance(0.05, population).spike_images
    assert np.isfinite(found.location).tolist() == [True, False, True]
    visible = [1.77637828, 1.77637828, 2.2236161]  # where 1 = 0.05∫t²dH/(l − t)²
    for end in visible:
        assert 0.05 * (0.75 * 0.01 / (end - 0.1) ** 2 + 1.0 / (end - 2.0) ** 2) == pytest.approx(
            1.0, rel=1e-6
        )
    assert found.threshold[[0, 2]] == pytest.approx([visible[0], visible[2]], rel=1e-8)
