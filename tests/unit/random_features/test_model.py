"""The model's own answers: families, training times, asymptotic bulks, outliers, mean feature."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtspec as rs
from rmtspec.testing.strategies import populations, powers_of_ten

TWO = rs.PopulationSpectrum([0.5, 1.5])


def model(psi_p, psi_n, t, activation="tanh", population=None):
    return rs.RandomFeatureModel(psi_p, psi_n, t, activation, population)


# --- families and times --------------------------------------------------------------------


def test_three_families_of_three_separate_bulks():
    case = model(8.0, 4.0, 0.01, "erf")
    law = case.spectrum()
    assert [family.name for family in case.families] == ["fast", "sample", "slow"]
    assert [family.mass for family in case.families] == [1 / 8, 3 / 8, 1 / 8]
    assert not any(family.merged for family in case.families)
    for family, (low, high) in zip(case.families, law.support[::-1], strict=True):
        assert (family.lower, family.upper) == (low, high)
        assert family.tau == pytest.approx(8.0 / (case.delta * low), rel=1e-15)
    assert case.bulk_names() == ("slow", "sample", "fast")
    times = case.timescales()
    assert (times.tau_gen, times.tau_mem, times.tau_slow) == tuple(f.tau for f in case.families)
    assert not times.merged


def test_merged_bulks_give_mass_quantiles_and_say_so():
    case = model(8.0, 4.0, 0.1)
    law = case.spectrum()
    times = case.timescales()
    assert times.merged
    sample = next(family for family in case.families if family.name == "sample")
    assert sample.merged
    assert law.cdf(sample.lower) == pytest.approx(0.5, abs=1e-9)  # psi_n of psi_p lie above
    assert "slow + sample" in case.bulk_names() or "sample + slow" in case.bulk_names()


def test_no_slow_family_for_fewer_features_than_samples():
    times = model(4.0, 8.0, 0.01).timescales()
    assert np.isnan(times.tau_slow)
    assert times.tau_gen < times.tau_mem


def test_fewer_samples_than_dimensions_have_a_noise_bulk_at_the_noise_level():
    # bulk of the directions without data, near s² + b²(sqrt(psi_p - psi_n) ∓ sqrt(1 - psi_n))²
    case = model(16.0, 0.25, 0.01, "erf")
    noise = next(family for family in case.families if family.name == "noise")
    assert noise.mass == pytest.approx(0.75 / 16.0, rel=1e-14)
    assert noise.lower - case.floor == pytest.approx(0.0812, abs=5e-5)
    assert noise.upper - case.floor == pytest.approx(0.1967, abs=5e-5)
    assert np.isnan(case.timescales().tau_mem)
    assert "noise" in case.bulk_names()


@given(powers_of_ten(-2.0, 3.0), powers_of_ten(-2.0, 3.0), powers_of_ten(-4.0, 0.5), populations())
def test_families_share_out_everything_but_the_atom(psi_p, psi_n, t, population):
    case = model(psi_p, psi_n, t, "erf", population)
    atom = case.spectrum().atoms[:, 1].sum()
    assert sum(family.mass for family in case.families) == pytest.approx(1.0 - atom, abs=1e-12)
    lowers = [family.lower for family in case.families]
    assert lowers == sorted(lowers, reverse=True)
    taus = [family.tau for family in case.families]
    assert taus == sorted(taus)
    assert all(family.lower <= family.upper for family in case.families)


def test_times_of_many_features_and_samples_tend_to_their_limits():
    # tau_mem -> psi_n/(Delta v²) for psi_p >> psi_n >> 1
    case = model(1e5, 1e3, 0.01, "erf")
    at = case.coefficients
    sample = case.spectrum().support
    assert np.all(sample > case.floor)
    assert case.timescales().tau_mem == pytest.approx(1e3 / (at.delta * at.v**2), rel=0.25)


# --- asymptotic bulks ----------------------------------------------------------------------

# Relative errors in z - s² at t = 0.01, erf, atoms {0.5, 1.5}, psi_p = 2 psi_n
ASYMPTOTIC_ERRORS = {
    4: (2.7e-1, -1.8e-1, 4.0e-2, -3.9e-3, 3.9e-1),
    16: (5.7e-2, -4.4e-2, 1.1e-2, 6e-5, 1.9e-1),
    64: (1.4e-2, -1.1e-2, 2.7e-3, 6e-5, 9.3e-2),
    512: (1.7e-3, -1.4e-3, 3.3e-4, 9e-6, 3.2e-2),
}


@pytest.mark.parametrize("psi_n", ASYMPTOTIC_ERRORS)
def test_errors_of_the_asymptotic_bulks_are_those_measured(psi_n):
    case = model(2.0 * psi_n, float(psi_n), 0.01, "erf", TWO)
    bulks, s2 = case.asymptotic_bulks(), case.floor
    sample = next(family for family in case.families if family.name == "sample")
    exact = np.array([sample.lower, sample.upper]) - s2
    theorem = exact / (np.array(bulks.rho_1_edges) - s2) - 1.0
    corrected = exact / (np.array(bulks.sample_edges) - s2) - 1.0
    top = (case.spectrum().support[-1, 1] - s2) / (bulks.rho_2_edges[-1, 1] - s2) - 1.0
    stored = ASYMPTOTIC_ERRORS[psi_n]
    # the stored errors have one or two digits
    assert np.abs(theorem) == pytest.approx(np.abs(stored[:2]), rel=0.1)
    assert np.abs(corrected) == pytest.approx(np.abs(stored[2:4]), rel=0.2)
    assert abs(top) == pytest.approx(stored[4], rel=0.1)


def test_theorem_three_two_has_two_regimes_and_rational_masses():
    first, second = (
        model(8.0, 4.0, 0.01).asymptotic_bulks(),
        model(4.0, 8.0, 0.01).asymptotic_bulks(),
    )
    assert (first.regime, second.regime) == ("I", "II")
    assert (first.rho_1_mass, first.rho_2_mass) == (0.5, 0.125)
    assert (second.rho_1_mass, second.rho_2_mass) == (0.75, 0.25)
    assert (first.sample_mass, first.slow_mass) == (0.375, 0.125)
    assert (second.sample_mass, second.slow_mass) == (0.75, 0.0)
    assert first.atom[1] == 0.375
    assert second.atom[1] == 0.0
    assert np.all(np.isnan(second.slow_edges))
    assert np.all(np.isnan(model(8.0, 0.5, 0.01).asymptotic_bulks().sample_edges))


def test_slow_bulk_formula_brackets_the_exact_one_as_measured():
    # erf, isotropic: predicted and exact z - s²
    for psi_p, psi_n, predicted, exact in [
        (128.0, 64.0, (5.7e-4, 9.4e-4), (5.1e-4, 1.02e-3)),
        (64.0, 8.0, (3.9e-3, 6.7e-3), (2.6e-3, 1.2e-2)),
        (8.0, 4.0, (1.9e-4, 1.7e-3), (1.5e-4, 3.1e-3)),
    ]:
        case = model(psi_p, psi_n, 0.01, "erf")
        slow = np.array(case.asymptotic_bulks().slow_edges) - case.floor
        assert slow == pytest.approx(predicted, rel=0.05)
        assert case.spectrum().edges[0] == pytest.approx(exact, rel=0.05)


# --- outliers ------------------------------------------------------------------------------

OUTLIERS = [
    # psi_p, psi_n, t, spike, activation, location, squared overlap
    (8.0, 4.0, 0.01, 5.0, "tanh", 15.912, 0.9128),
    (4.0, 8.0, 0.1, 4.0, "erf", 6.767, 0.8997),
    (2.0, 1.0, 0.5, 9.0, "tanh", 3.731, 0.8187),
    (3.0, 4.0, 0.1, 0.02, "tanh", 0.1448, 0.4001),
]


@pytest.mark.parametrize("row", OUTLIERS, ids=lambda row: f"spike {row[3]}")
def test_outliers_agree_with_the_measured_table(row):
    psi_p, psi_n, t, spike, activation, location, overlap = row
    case = model(psi_p, psi_n, t, activation, rs.PopulationSpectrum([1.0], spikes=[spike]))
    found = case.outliers()
    # four digits are stored
    assert found.location == pytest.approx([location], rel=3.5e-4)
    assert found.overlap == pytest.approx([overlap], abs=6e-5)


def test_a_spike_has_a_second_outlier_beside_the_slow_bulk():
    case = model(8.0, 4.0, 0.01, "tanh", rs.PopulationSpectrum([1.0], spikes=[5.0]))
    found = case.outliers()
    assert found.slow_location == pytest.approx([0.00194], abs=5e-6)
    assert found.slow_overlap == pytest.approx([0.0009], abs=5e-5)
    law = case.spectrum()
    assert law.outliers == pytest.approx(np.sort([*found.location, *found.slow_location]))
    assert case.floor < found.slow_location[0] < law.support[0, 0]


@given(
    powers_of_ten(-0.7, 1.7),
    powers_of_ten(-0.7, 1.7),
    powers_of_ten(-3.0, 0.0),
    powers_of_ten(-2.0, 2.0),
)
def test_outliers_are_the_narrow_bulks_of_an_atom_of_vanishing_weight(psi_p, psi_n, t, spike):
    weight = 1e-12
    plain = rs.PopulationSpectrum([0.5, 1.5], [0.5, 0.5], spikes=[spike])
    # the same coefficients: the weight of the atom changes tr Σ/d by 1e-10 at most
    atom = rs.PopulationSpectrum([0.5, 1.5, spike], [0.5, 0.5, weight])
    case = model(psi_p, psi_n, t, "erf", plain)
    outliers, law = case.spectrum().outliers, model(psi_p, psi_n, t, "erf", atom).spectrum()
    narrow = law.masses < 10.0 * weight / psi_p
    found = law.edges[narrow].mean(axis=1)
    expected = outliers - case.floor
    # next to its transition an outlier's bulk is as wide as its distance from the bulk
    distance = np.min(
        np.abs(expected[:, None] - case.spectrum().edges.ravel()), axis=1, initial=np.inf
    )
    clear = distance > 1e-2 * expected
    for place in expected[clear]:
        assert np.min(np.abs(found / place - 1.0), initial=np.inf) <= 1e-3
    assert found.size <= expected.size + 1


@given(powers_of_ten(-0.5, 1.5), powers_of_ten(-0.5, 1.5), st.floats(1.0, 3.0))
def test_overlap_vanishes_at_the_threshold_and_grows_beyond(psi_p, psi_n, factor):
    start = rs.PopulationSpectrum([1.0], spikes=[50.0])
    threshold = model(psi_p, psi_n, 0.1, "erf", start).outliers().threshold[0]
    assert threshold > 1.0
    spikes = threshold * np.array([1.0 - 1e-6, 1.0 + 1e-6, factor + 1e-3, factor + 1.0])
    case = model(psi_p, psi_n, 0.1, "erf", rs.PopulationSpectrum([1.0], spikes=spikes))
    found = case.outliers()
    assert found.threshold == pytest.approx(np.full(4, threshold), rel=1e-10)
    assert np.isnan(found.location[0])
    assert found.overlap[0] == 0.0
    assert 0.0 < found.overlap[1] < 1e-4
    assert found.overlap[1] < found.overlap[2] < found.overlap[3] < 1.0
    top = case.spectrum().support[-1, 1]
    assert top < found.location[1] < found.location[2] < found.location[3]
    # dz/dk vanishes at the threshold: the outlier leaves the bulk quadratically
    assert found.location[1] == pytest.approx(top, rel=1e-9)


def test_a_given_data_set_has_no_spikes():
    x = np.random.default_rng(0).normal(size=(400, 80))
    found = rs.RandomFeatureModel.from_data(x, 2.0, 0.1).outliers()
    assert all(array.size == 0 for array in vars(found).values())


# --- the mean feature ----------------------------------------------------------------------


def test_odd_activation_has_no_eigenvalue_of_order_p():
    assert np.isnan(model(4.0, 2.0, 0.1, "erf").mean_feature_eigenvalue(100))


def test_mean_feature_eigenvalue_is_the_top_of_sampled_matrices():
    d, psi_p, psi_n, t = 60, 2.0, 3.0, 0.2
    case = model(psi_p, psi_n, t, "relu")
    at = case.coefficients
    p, n = int(psi_p * d), int(psi_n * d)
    rng = np.random.default_rng(7)
    tops = []
    for _ in range(40):
        w, x, omega = rng.normal(size=(p, d)), rng.normal(size=(d, n)), rng.normal(size=(p, n))
        g = at.c * w @ x / np.sqrt(d) + at.v * omega + at.mean
        u = g @ g.T / n + at.b**2 / d * w @ w.T + at.s**2 * np.eye(p)
        tops.append(np.linalg.eigvalsh(u)[-1])
    expected = case.mean_feature_eigenvalue(d)
    error = np.std(tops) / np.sqrt(len(tops))
    assert abs(np.mean(tops) - expected) <= 4.0 * error
    assert error < 0.02 * expected
    assert expected > p * at.mean**2


@given(powers_of_ten(-1.0, 1.5), powers_of_ten(-1.0, 1.5), st.integers(1000, 10**7))
def test_mean_feature_eigenvalue_is_close_to_p_times_the_squared_mean(psi_p, psi_n, d):
    case = model(psi_p, psi_n, 0.3, "relu")
    found = case.mean_feature_eigenvalue(d)
    pull = psi_p * d * case.coefficients.mean**2
    at, law = case.coefficients, case.spectrum()
    # second order in 1/z of q and D: pull + tr U/p + (p/n)(c² + v²), the last from the sample mean
    shift = law.moment(1) + psi_p / psi_n * (at.c**2 + at.v**2)
    next_order = 10.0 * (1.0 + psi_p / psi_n) * (law.moment(2) + shift**2)
    assert abs(found - pull - shift) <= next_order / pull + 1e-9 * pull


# --- construction --------------------------------------------------------------------------


def test_population_defaults_to_unit_variance():
    assert model(2.0, 1.0, 0.1).population == rs.PopulationSpectrum.isotropic()


def test_models_are_frozen_and_take_integers():
    case = model(2, 1, 1)
    assert (case.psi_p, case.psi_n, case.t) == (2.0, 1.0, 1.0)
    with pytest.raises(AttributeError):
        case.psi_p = 3.0


def test_law_is_made_once():
    case = model(2.0, 1.0, 0.1)
    assert case.spectrum() is case.spectrum()


@pytest.mark.parametrize("population", [[1.0], 1.0, "isotropic", np.eye(2)])
def test_population_of_a_wrong_kind_is_refused_by_name(population):
    with pytest.raises(TypeError, match="population must be a PopulationSpectrum"):
        model(2.0, 1.0, 0.1, "tanh", population)


@pytest.mark.parametrize("dimension", [0, -1, 1.5, None, "1", True, 10**16])
def test_dimension_out_of_range_is_refused_by_name(dimension):
    with pytest.raises((TypeError, ValueError), match="dimension must be an integer"):
        model(2.0, 1.0, 0.1, "relu").mean_feature_eigenvalue(dimension)


def test_an_activation_that_is_too_large_is_named():
    with pytest.raises(ValueError, match="activation 'hermite100' has coefficients whose squares"):
        rs.RandomFeatureModel(8, 4, 1.0, "hermite100").spectrum()
