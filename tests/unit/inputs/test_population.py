"""Population spectra: normalisation, merging, moments, sample eigenvalues and rejected input."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rmtspec.inputs.population import PopulationSpectrum

pytestmark = pytest.mark.filterwarnings("ignore:the data have mean variance:rmtspec.DataWarning")

EPS = np.finfo(float).eps

ATOMS = hnp.arrays(
    float, st.integers(1, 30), elements=st.one_of(st.just(0.0), st.floats(1e-6, 1e6))
).filter(np.any)


@st.composite
def weighted(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    atoms = draw(ATOMS)
    weights = draw(hnp.arrays(float, atoms.size, elements=st.floats(1e-3, 1e3)))
    return atoms, weights


@given(weighted(), st.integers(1, 4))
def test_moment_is_the_weighted_mean_of_powers(law, k):
    atoms, weights = law
    direct = np.average(atoms**k, weights=weights)
    # One rounding a term and a few for the power and the normalisation; all terms are positive.
    assert PopulationSpectrum(atoms, weights).moment(k) == pytest.approx(direct, rel=64 * EPS)


@given(weighted())
def test_atoms_are_distinct_and_ascending_and_weights_sum_to_one(law):
    pop = PopulationSpectrum(*law)
    assert np.all(np.diff(pop.eigenvalues) > 0)
    assert np.all(pop.weights > 0)
    assert pop.weights.sum() == pytest.approx(1.0, abs=8 * EPS)
    assert pop.moment(0) == 1.0


@given(weighted(), st.randoms(use_true_random=False))
def test_permuting_or_splitting_atoms_changes_nothing(law, random):
    atoms, weights = law
    order = list(range(atoms.size))
    random.shuffle(order)
    split = PopulationSpectrum(
        np.concatenate([atoms[order], atoms]), np.concatenate([weights[order], weights]) / 2
    )
    pop = PopulationSpectrum(atoms, weights)
    np.testing.assert_array_equal(split.eigenvalues, pop.eigenvalues)
    # Sums of at most 60 positive weights in another order.
    np.testing.assert_allclose(split.weights, pop.weights, rtol=60 * EPS)


@given(weighted(), st.floats(1e-3, 1e3))
def test_scaling_the_weights_changes_nothing_but_rounding(law, factor):
    atoms, weights = law
    pop, scaled = PopulationSpectrum(atoms, weights), PopulationSpectrum(atoms, factor * weights)
    np.testing.assert_allclose(scaled.weights, pop.weights, rtol=60 * EPS)


@given(ATOMS)
def test_participation_ratio_of_listed_eigenvalues_is_squared_sum_over_sum_of_squares(atoms):
    pop = PopulationSpectrum(atoms)
    assert pop.dimension == atoms.size
    assert pop.participation_ratio == pytest.approx(
        atoms.sum() ** 2 / (atoms**2).sum(), rel=64 * EPS
    )
    assert 1 - 64 * EPS <= pop.participation_ratio <= atoms.size * (1 + 64 * EPS)


def test_participation_ratio_of_a_weighted_law_is_a_fraction_until_the_dimension_is_known():
    fraction = PopulationSpectrum([0.5, 1.5], [1, 1]).participation_ratio
    assert fraction == pytest.approx(0.8, rel=8 * EPS)
    assert PopulationSpectrum(
        [0.5, 1.5], [1, 1], dimension=50
    ).participation_ratio == pytest.approx(40)
    assert PopulationSpectrum.isotropic(3.0).participation_ratio == 1.0


def test_equal_eigenvalues_are_merged_with_exact_counts():
    pop = PopulationSpectrum([2, 0, 2, 5, -0.0, 2])
    np.testing.assert_array_equal(pop.eigenvalues, [0, 2, 5])
    np.testing.assert_array_equal(pop.weights, [2 / 6, 3 / 6, 1 / 6])
    signed, unsigned = PopulationSpectrum([-0.0, 1]), PopulationSpectrum([0.0, 1])
    assert signed == unsigned
    assert hash(signed) == hash(unsigned)


def test_spikes_are_kept_apart_in_the_order_given():
    pop = PopulationSpectrum([1.0], spikes=[9, 0, 4, 9])
    np.testing.assert_array_equal(pop.spikes, [9, 0, 4, 9])
    assert pop.mean == 1.0
    assert pop.participation_ratio == 1.0


def test_atoms_of_weight_zero_are_dropped():
    assert PopulationSpectrum([1, 2, 3], [1, 0, 1]) == PopulationSpectrum([1, 3], [1, 1])


def test_weights_far_apart_or_huge_are_still_normalised():
    pop = PopulationSpectrum([1, 2, 3], [1e308, 1e308, 1.0])
    np.testing.assert_allclose(pop.weights, [0.5, 0.5, 5e-309], rtol=4 * EPS)


def test_negative_moment_is_the_mean_inverse_eigenvalue():
    assert PopulationSpectrum([0.5, 2.0]).moment(-1) == 1.25
    with pytest.raises(ValueError, match=r"k must be >= 0 .* got -1"):
        PopulationSpectrum([0.0, 2.0]).moment(-1)


def test_overflowing_moment_is_refused():
    assert PopulationSpectrum([1e100]).moment(3) == pytest.approx(1e300, rel=8 * EPS)
    with pytest.raises(ValueError, match="k must keep the moment below"):
        PopulationSpectrum([1e100]).moment(4)


@pytest.mark.parametrize(("exponent", "dimension"), [(0.0, 5), (1.0, 64), (2.5, 4096), (0.0, 1)])
def test_power_law_has_its_exponent_and_its_trace(exponent, dimension):
    pop = PopulationSpectrum.power_law(exponent, dimension, trace=7.0)
    ranks = np.repeat(pop.eigenvalues[::-1], np.rint(pop.weights[::-1] * dimension).astype(int))
    assert ranks.size == dimension == pop.dimension
    np.testing.assert_allclose(
        ranks / ranks[0], np.arange(1, dimension + 1) ** -exponent, rtol=8 * EPS
    )
    assert pop.mean * dimension == pytest.approx(7.0, rel=dimension * EPS + 8 * EPS)


def test_power_law_has_mean_one_by_default():
    assert PopulationSpectrum.power_law(1.5, 300).mean == pytest.approx(1.0, rel=300 * EPS)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("shape", [(30, 12), (12, 30), (7, 1), (12, 12)])
def test_sample_eigenvalues_are_those_of_the_covariance_matrix(shape, center):
    x = np.random.default_rng(1).normal(1.0, 2.0, shape)
    pop = PopulationSpectrum.from_samples(x, center=center)
    covariance = np.cov(x.T, bias=True) if center else x.T @ x / len(x)
    expected = np.linalg.eigvalsh(np.atleast_2d(covariance))
    counts = np.rint(pop.weights * shape[1]).astype(int)
    # Absolute error of a symmetric eigenvalue solver: a few eps times the norm.
    np.testing.assert_allclose(
        np.repeat(pop.eigenvalues, counts), expected, rtol=0, atol=100 * EPS * expected[-1]
    )
    assert (pop.samples, pop.dimension) == shape


@pytest.mark.parametrize(("center", "rank"), [(True, 11), (False, 12)])
def test_fewer_samples_than_dimensions_leave_exact_zeros(center, rank):
    x = np.random.default_rng(2).normal(size=(12, 40))
    pop = PopulationSpectrum.from_samples(x, center=center)
    assert pop.eigenvalues[0] == 0.0
    assert pop.weights[0] == (40 - rank) / 40
    assert pop.eigenvalues.size == rank + 1


def test_constant_and_repeated_columns_give_exact_zeros():
    x = np.random.default_rng(3).normal(size=(200, 3))
    table = np.column_stack([np.full(200, 0.1), x, x[:, :1]])
    pop = PopulationSpectrum.from_samples(table)
    assert pop.eigenvalues[0] == 0.0
    assert pop.weights[0] == 2 / 5


def test_sample_eigenvalues_keep_relative_accuracy_over_ten_decades():
    # Orthogonal columns: the eigenvalues of the covariance are their squared norms over n.
    signs = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1]]).T
    scales = np.array([1.0, 1e-3, 1e-5])
    pop = PopulationSpectrum.from_samples(signs * scales, center=False)
    # Backward stability of the singular values: relative error eps * sqrt(l_max / l), times 10.
    np.testing.assert_allclose(pop.eigenvalues, scales[::-1] ** 2, rtol=10 * EPS * 1e5)


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_sample_spectrum_ignores_the_mean_and_scales_with_the_variance(shift, scale):
    x = np.random.default_rng(4).normal(size=(20, 6))
    base = PopulationSpectrum.from_samples(x).eigenvalues
    moved = PopulationSpectrum.from_samples(scale * (x + shift)).eigenvalues
    # Adding the mean rounds the data to eps * |shift|; relative to entries of order one.
    np.testing.assert_allclose(moved, scale**2 * base, rtol=400 * EPS * (1 + abs(shift)))


def test_participation_ratio_from_samples_has_the_bias_that_is_documented():
    rng = np.random.default_rng(5)
    truth = PopulationSpectrum.power_law(0.5, 60)
    samples, draws = 90, 200
    scales = np.sqrt(truth.eigenvalues)
    inverse = [
        1 / PopulationSpectrum.from_samples(x * scales, center=False).participation_ratio
        for x in rng.normal(size=(draws, samples, 60))
    ]
    predicted = (1 + 1 / samples) / truth.participation_ratio + 1 / samples
    # 1/PR fluctuates by about 4 % a draw; the formula neglects terms of order 1/(n PR).
    assert np.mean(inverse) == pytest.approx(predicted, rel=0.04 / np.sqrt(draws) * 3 + 3e-4)


@pytest.mark.parametrize(
    "eigenvalues",
    [
        [1, 2],
        (1, 2),
        np.array([1, 2], dtype=np.float32),
        np.array([1, 2], dtype=np.uint8),
        np.array([1.0, 9.0, 2.0])[::2],
    ],
)
def test_lists_integers_and_strided_arrays_are_accepted(eigenvalues):
    assert PopulationSpectrum(eigenvalues) == PopulationSpectrum([1.0, 2.0])


def test_a_scalar_is_one_atom():
    assert PopulationSpectrum(3) == PopulationSpectrum.isotropic(3)


def test_input_arrays_are_neither_changed_nor_shared():
    atoms, weights, spikes = np.array([2.0, 1.0]), np.array([1.0, 3.0]), np.array([5.0])
    pop = PopulationSpectrum(atoms, weights, spikes)
    np.testing.assert_array_equal(atoms, [2, 1])
    np.testing.assert_array_equal(weights, [1, 3])
    spikes[0] = 7.0
    assert pop.spikes[0] == 5.0
    x = np.random.default_rng(6).normal(size=(5, 3))
    before = x.copy()
    PopulationSpectrum.from_samples(x)
    np.testing.assert_array_equal(x, before)


def test_spectrum_is_frozen_hashable_and_survives_pickling():
    pop = PopulationSpectrum([1, 2], [1, 3], [9])
    with pytest.raises(dataclasses.FrozenInstanceError):
        pop.dimension = 3
    for array in (pop.eigenvalues, pop.weights, pop.spikes):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
    assert pickle.loads(pickle.dumps(pop)) == pop
    assert hash(PopulationSpectrum([2, 1], [3, 1], [9])) == hash(pop)
    assert pop != PopulationSpectrum([1, 2], [1, 3])
    assert pop != "spectrum"


def test_replacing_a_field_checks_it_again():
    pop = PopulationSpectrum.power_law(1.0, 8)
    assert dataclasses.replace(pop, spikes=[30.0]).dimension == 8
    with pytest.raises(ValueError, match="spikes"):
        dataclasses.replace(pop, spikes=[-1.0])


def test_repr_is_short_and_says_what_is_known():
    assert repr(PopulationSpectrum([0.5, 1.5], [1, 1], [4])) == (
        "PopulationSpectrum([0.5, 1.5], weights=[0.5, 0.5], spikes=[4])"
    )
    many = PopulationSpectrum(np.arange(1, 101), spikes=np.arange(9))
    assert repr(many) == (
        "PopulationSpectrum(100 atoms in [1, 100], mean=50.5, 9 spikes, dimension=100)"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "eigenvalues must hold at least one"),
        (([0.0, 0.0],), "eigenvalues must hold a positive number"),
        (([1, 0], [0, 1]), "eigenvalues must hold a positive number of positive weight"),
        (([1, -2],), r"eigenvalues .*-2"),
        (([1, np.nan],), r"eigenvalues .*nan"),
        (([1, np.inf],), r"eigenvalues .*inf"),
        (([1e-200],), r"eigenvalues .*1e-200"),
        (([1e200],), r"eigenvalues .*1e\+200"),
        (([[1, 2], [3, 4]],), r"eigenvalues must be one-dimensional, got shape \(2, 2\)"),
        (([[1, 2], [3]],), "eigenvalues"),
        (([1, 2], [1]), r"weights must have the length of eigenvalues, 2, got shape \(1,\)"),
        (([1, 2], [1, -1]), r"weights .*-1"),
        (([1, 2], [1, np.nan]), r"weights .*nan"),
        (([1, 2], [0, 0]), "weights must have a positive sum"),
        (([1], None, [-1]), r"spikes .*-1"),
        (([1], None, [[1]]), r"spikes must be one-dimensional"),
    ],
)
def test_bad_values_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        PopulationSpectrum(*arguments)


@pytest.mark.parametrize("bad", [["1", "2"], [1j], [True], None, [object()]])
def test_entries_that_are_no_real_numbers_are_a_type_error(bad):
    with pytest.raises(TypeError, match="eigenvalues"):
        PopulationSpectrum(bad)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PopulationSpectrum.isotropic(0.0), "variance"),
        (lambda: PopulationSpectrum.isotropic(np.nan), "variance"),
        (lambda: PopulationSpectrum.power_law(-1, 4), "exponent"),
        (lambda: PopulationSpectrum.power_law(1000.0, 4), "exponent"),
        (lambda: PopulationSpectrum.power_law(1, 0), "dimension"),
        (lambda: PopulationSpectrum.power_law(1, 10**12), "dimension"),
        (lambda: PopulationSpectrum.power_law(1, 4, trace=0), "trace"),
        (lambda: PopulationSpectrum.power_law(1, 4, trace=1e-101), "trace"),
        (lambda: PopulationSpectrum([1], dimension=0), "dimension"),
        (lambda: PopulationSpectrum([1], samples=0), "samples"),
        (lambda: PopulationSpectrum.from_samples([1.0, 2.0]), r"x must have shape"),
        (lambda: PopulationSpectrum.from_samples([[1.0, 2.0]]), r"x must have shape"),
        (lambda: PopulationSpectrum.from_samples(np.zeros((0, 3))), r"x must have shape"),
        (lambda: PopulationSpectrum.from_samples(np.zeros((3, 0))), r"x must have shape"),
        (lambda: PopulationSpectrum.from_samples([[1, 2], [3]]), "x must be a rectangular"),
        (lambda: PopulationSpectrum.from_samples([[1, 2], [3, np.nan]]), r"x .*nan"),
        (lambda: PopulationSpectrum.from_samples([[1, 1e300], [3, 4]]), r"x .*1e\+300"),
        (lambda: PopulationSpectrum.from_samples(np.full((9, 3), 0.1)), "x must vary"),
    ],
)
def test_constructors_refuse_bad_values_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: PopulationSpectrum.power_law(1, 4.0),
        lambda: PopulationSpectrum.power_law("1", 4),
        lambda: PopulationSpectrum([1]).moment(1.0),
        lambda: PopulationSpectrum.from_samples([["a", "b"], ["c", "d"]]),
    ],
)
def test_constructors_refuse_other_types(call):
    with pytest.raises(TypeError, match="must"):
        call()


def test_unbiased_participation_ratio_is_the_inverse_of_the_sampled_one():
    measured = PopulationSpectrum(np.geomspace(0.1, 10.0, 60), samples=90)
    truth = measured.unbiased_participation_ratio
    assert truth > measured.participation_ratio
    again = 1.0 / ((1.0 + 1.0 / 90) / truth + 1.0 / 90)
    assert again == pytest.approx(measured.participation_ratio, rel=1e-14)
    # A measured value that is not below n would need infinitely many directions; d are there.
    assert PopulationSpectrum(np.ones(90), samples=90).unbiased_participation_ratio == 90.0
    plain = PopulationSpectrum(np.ones(90))
    assert plain.unbiased_participation_ratio == plain.participation_ratio


@pytest.mark.parametrize(("samples", "dimension"), [(200, 30), (40, 1), (5, 12)])
def test_no_participation_ratio_exceeds_the_dimension(samples, dimension):
    x = np.random.default_rng(8).normal(size=(samples, dimension))
    x = np.linalg.qr(x - x.mean(axis=0))[0][:, :dimension] if samples > dimension else x
    measured = PopulationSpectrum.from_samples(x * np.sqrt(samples))
    ratios = measured.participation_ratio, measured.unbiased_participation_ratio
    assert ratios[0] <= ratios[1] * (1.0 + 1e-14)
    assert ratios[1] <= dimension


def test_zero_to_rounding_is_zero_for_listed_eigenvalues_only():
    x = np.random.default_rng(7).normal(size=(5, 12))
    solved = np.linalg.eigvalsh(x.T @ x / 5)
    assert np.any(solved < 0.0)
    assert PopulationSpectrum(solved).weights[0] == 7 / 12
    single = np.linalg.eigvalsh((x.T @ x / 5).astype(np.float32))
    assert PopulationSpectrum(single).weights[0] == 7 / 12
    assert PopulationSpectrum([1e-30, 1.0], [1, 1]).eigenvalues[0] == 1e-30
    assert PopulationSpectrum.power_law(10.0, 500).eigenvalues[0] > 0.0
    assert PopulationSpectrum([1e-15, 1.0]).eigenvalues[0] == 1e-15  # above 2 epsilons
    with pytest.raises(ValueError, match="eigenvalues"):
        PopulationSpectrum([-1e-15, 1.0])


def test_dimension_is_the_number_of_listed_eigenvalues():
    assert PopulationSpectrum([1, 2, 2], dimension=3).dimension == 3
    with pytest.raises(ValueError, match="dimension must be the number of eigenvalues, 3"):
        PopulationSpectrum([1, 2, 2], dimension=4)
    assert PopulationSpectrum([1, 2], [1, 2], dimension=99).dimension == 99


def test_exponent_and_dimension_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match="the exponent comes first, then the dimension"):
        PopulationSpectrum.power_law(200, 1)
