"""Held-out rows: eigenspaces, the correction for few rows, and the cost."""

from __future__ import annotations

import dataclasses
import time
import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.inputs.held_out import HeldOut

pytestmark = [
    pytest.mark.filterwarnings("ignore:the data have mean variance:rmtspec.DataWarning"),
    pytest.mark.filterwarnings("ignore:.* rows repeats? others:rmtspec.DataWarning"),
]

Array = NDArray[np.float64]

RNG = np.random.default_rng(7)
TAU = np.append(np.geomspace(0.1, 1e5, 12), np.inf)


def _whitened() -> Array:
    left, _, right = np.linalg.svd(_centred(RNG.normal(size=(60, 20))), full_matrices=False)
    return np.sqrt(60.0) * left @ right


def _centred(x: Array) -> Array:
    return x - x.mean(axis=0)


def _rotated() -> Array:
    picture = RNG.normal(size=(12, 4, 4))
    return np.concatenate([np.rot90(picture, k, (1, 2)) for k in range(4)]).reshape(48, 16)


def _with_its_mirror() -> Array:
    x = RNG.normal(size=(10, 16))
    return np.concatenate([x, -x])


DEGENERATE = {
    "whitened": (_whitened(), 20),
    "whitened in single precision": (_whitened().astype(np.float32).astype(np.float64), 20),
    "one-hot": (4.0 * np.eye(24), 24),
    "one-hot, twice": (4.0 * np.tile(np.eye(16), (3, 1)), 16),
    "rotated pictures": (_rotated(), 16),
    "cyclic shifts": (np.stack([np.roll(RNG.normal(size=18), k) for k in range(18)]), 18),
    "shifts of one row": (
        np.stack([np.roll(np.cos(np.arange(18.0) ** 2), k) for k in range(18)]),
        18,
    ),
    "x and -x": (_with_its_mirror(), 16),
    "signs": (np.array(np.meshgrid(*[[-1.0, 1.0]] * 4)).reshape(4, 16).T, 4),
    "few rows": (RNG.normal(size=(6, 40)), 40),
}


def _model(x: Array, test: Array, t: float) -> rs.RandomFeatureModel:
    """The Gaussian equivalent given rows, with what held-out rows do along their directions."""
    population = rs.PopulationSpectrum.from_samples(x)
    return rs.RandomFeatureModel(
        4.0,
        len(x) / x.shape[1],
        t,
        "tanh",
        population,
        conditional=True,
        held_out=HeldOut.measure(test, x, population),
    )


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_data_have_the_curves_of_data_nearby(name: str) -> None:
    x, dimension = DEGENERATE[name]
    test = RNG.normal(size=(80, dimension)) * np.linspace(0.5, 1.5, dimension)
    moved = x + 1e-6 * RNG.normal(size=x.shape)
    # Eigenvalues move by 1e-6 of their size; what a curve loses by that is of this order, over
    # eigenvalues of the null space too, which move to 1e-12.
    at, beside = (_model(data, test, 0.1).learning_curves(TAU) for data in (x, moved))
    assert at.converged
    for column in ("train", "test", "score_error"):
        value = getattr(at, column)
        assert np.all(value >= 0.0)
        np.testing.assert_allclose(value, getattr(beside, column), rtol=0, atol=1e-4)


@pytest.mark.filterwarnings("ignore::rmtspec.FewDimensionsWarning")
@pytest.mark.parametrize("name", DEGENERATE)
def test_the_exact_kernel_of_degenerate_data_has_the_curves_of_data_nearby(name: str) -> None:
    x, dimension = DEGENERATE[name]
    rng = np.random.default_rng(5)
    test = rng.normal(size=(80, dimension)) * np.linspace(0.5, 1.5, dimension)
    moved = x + 1e-6 * rng.normal(size=x.shape)
    at, beside = (
        rs.RandomFeatureModel.from_data(data, 4.0, 0.1, test=test).learning_curves(TAU)
        for data in (x, moved)
    )
    assert at.converged
    for column in ("train", "test", "score_error"):
        value = getattr(at, column)
        assert np.all(value >= 0.0)
        np.testing.assert_allclose(value, getattr(beside, column), rtol=0, atol=1e-4)


@pytest.mark.filterwarnings("ignore::rmtspec.FewDimensionsWarning")
def test_where_networks_do_better_than_gaussian_data_allow_there_is_no_score_error() -> None:
    """Rows of two lengths: the true score is far from linear, and tanh networks find that out."""
    rng = np.random.default_rng(3)
    lengths = np.where(rng.random(700) < 0.2, 2.2, 0.1)
    x = lengths[:, None] * rng.normal(size=(700, 16))
    model = rs.RandomFeatureModel.from_data(x[:300], 8.0, 0.1, test=x[300:])
    with pytest.warns(rs.result.DataWarning, match="do better than that score"):
        curves = model.learning_curves(TAU)
    assert np.isnan(curves.score_error).all()
    assert np.isfinite(curves.test).all()
    linear = rs.RandomFeatureModel.from_data(x[:300], 8.0, 0.1, test=x[300:], kernel="gaussian")
    assert np.all(linear.learning_curves(TAU).score_error > 0.0)


@pytest.mark.parametrize("name", DEGENERATE)
def test_lengths_over_all_eigenspaces_sum_to_one(name: str) -> None:
    x, dimension = DEGENERATE[name]
    population = rs.PopulationSpectrum.from_samples(x)
    for rows in (1, 7, 80):
        found = HeldOut.measure(RNG.normal(size=(rows, dimension)), x, population)
        assert found.certificate < 1e-12
        assert np.all(found.overlaps >= 0.0)
        np.testing.assert_allclose(found.overlaps.sum(axis=1), 1.0, rtol=1e-12)
        counts = population.weights * dimension
        columns = counts @ found.overlaps
        # One direction a column, but for the null space of few rows, which holds the rest.
        expected = np.ones(columns.size)
        expected[-1] += dimension - columns.size
        np.testing.assert_allclose(columns, expected, rtol=1e-12)


def test_directions_inside_one_eigenspace_share_the_variance_of_fresh_data() -> None:
    x, _ = DEGENERATE["whitened"]
    population = rs.PopulationSpectrum.from_samples(x)
    assert population.eigenvalues.size == 1
    test = RNG.normal(size=(50, 20)) * np.linspace(0.1, 2.0, 20)
    found = HeldOut.measure(test, x, population)
    shifted = test - x.mean(axis=0)
    assert found.overlaps @ found.eigenvalues == pytest.approx(np.mean(shifted**2), rel=1e-12)


def test_data_in_single_precision_are_computed_in_double() -> None:
    x = RNG.normal(size=(50, 12)).astype(np.float32) + np.float32(1e3)
    test = x[:20] + np.float32(0.5)
    population = rs.PopulationSpectrum.from_samples(x)
    single = HeldOut.measure(test, x, population)
    double = HeldOut.measure(test.astype(float), x.astype(float), population)
    np.testing.assert_array_equal(single.overlaps, double.overlaps)
    np.testing.assert_array_equal(single.eigenvalues, double.eigenvalues)


def test_variances_of_held_out_rows_are_those_of_their_projections() -> None:
    x, test = RNG.normal(size=(9, 30)), RNG.normal(size=(5, 30))
    population = rs.PopulationSpectrum.from_samples(x)
    found = HeldOut.measure(test, x, population)
    _, singular, axes = np.linalg.svd(_centred(x))
    projected = ((test - x.mean(axis=0)) @ axes.T) ** 2
    variance = projected.mean(axis=0)
    rank = 8
    expected = np.append(variance[rank:].mean(), variance[:rank][::-1])
    np.testing.assert_allclose(found.overlaps @ found.eigenvalues, expected, rtol=1e-10)
    assert singular[rank] < 1e-12 * singular[0]


@pytest.mark.parametrize(
    ("rows", "within"),
    # Standard error of the trace, sqrt(2 d)/(r d), and a bias of order d/r²: measured below these.
    [(40, 0.04), (80, 0.02), (320, 0.01)],
)
def test_score_error_of_few_held_out_rows_is_that_of_the_population(
    rows: int, within: float
) -> None:
    dimension, noise = 40, -np.expm1(-0.2)
    scales = np.sqrt(rs.PopulationSpectrum.power_law(1.0, dimension).eigenvalues)
    rng = np.random.default_rng(11)
    known = np.mean(1.0 / ((1.0 - noise) * scales**2 + noise))
    found, plain = [], []
    for _ in range(24):
        norms = np.sqrt(rng.gamma(2.0, 0.5, (rows, 1)))  # lengths that differ, as those of pictures
        held_out = _held_out(norms * rng.normal(size=(rows, dimension)) * scales)
        weights = np.ones(1)
        found.append(float(held_out.noised(1.0 - noise, noise, weights).precision[0]))
        plain.append(
            float((held_out.overlaps @ (1.0 / ((1.0 - noise) * held_out.eigenvalues + noise)))[0])
        )
    assert np.mean(found) == pytest.approx(known, rel=within)
    assert np.mean(plain) > known * (1.0 + 0.3 * dimension / rows)


def _held_out(test: Array) -> HeldOut:
    """Rows seen from isotropic data, whose one eigenspace is everything."""
    dimension = test.shape[1]
    x = np.concatenate([np.eye(dimension), -np.eye(dimension)])
    return HeldOut.measure(test, x, rs.PopulationSpectrum.from_samples(x))


def test_too_few_rows_for_the_score_error_are_said_and_leave_the_test_loss() -> None:
    x, test = RNG.normal(size=(200, 40)), RNG.normal(size=(10, 40))
    model = _model(x, test, 0.01)
    with pytest.warns(rs.DataWarning, match="held-out rows are too few for the score error"):
        curves = model.learning_curves(TAU)
    assert np.all(np.isnan(curves.score_error))
    assert np.all(np.isfinite(curves.test))
    later = dataclasses.replace(model, t=2.0).learning_curves(TAU)
    assert np.all(later.score_error >= 0.0)


def test_exact_moments_need_no_correction() -> None:
    exact = HeldOut(np.array([0.5, 2.0]), np.eye(2))
    np.testing.assert_allclose(
        exact.noised(0.5, 0.5, np.full(2, 0.5)).precision, [1.0 / 0.75, 1.0 / 1.5], rtol=1e-15
    )


@pytest.mark.parametrize("exact", [True, False])
def test_what_is_unknown_of_data_needs_no_difference(exact: bool) -> None:
    x = _centred(RNG.normal(size=(60, 8)) * np.linspace(0.3, 2.0, 8))
    population = rs.PopulationSpectrum.from_samples(x)
    found = HeldOut.measure(RNG.normal(size=(30, 8)) * np.linspace(0.3, 2.0, 8), x, population)
    if exact:
        found = dataclasses.replace(found, pull=None)
    for signal in (0.99, 0.5, 1e-2, 1e-5):
        noised = found.noised(signal, 1.0 - signal, population.weights)
        by_difference = (1.0 - (1.0 - signal) * noised.precision) / signal
        np.testing.assert_allclose(noised.unknown, by_difference, rtol=1e-14 / signal)
    variance = found.overlaps @ found.eigenvalues
    for signal in (1e-9, 1e-18, 1e-300, 0.0):
        noised = found.noised(signal, 1.0, population.weights)
        lost = float(population.weights @ (variance - noised.unknown))
        # The mean of l/(1 + αl) is that of l − αl² and more; both means have some roundings.
        assert -1e-14 <= lost <= 100.0 * signal + 1e-14
        np.testing.assert_allclose(noised.precision, 1.0, atol=100.0 * signal + 1e-15)


def test_no_entry_of_the_precision_is_below_the_inverse_of_its_variance() -> None:
    for rows in (20, 45, 60, 300):
        x, test = RNG.normal(size=(30, 40)), RNG.normal(size=(rows, 40))
        population = rs.PopulationSpectrum.from_samples(x)
        found = HeldOut.measure(test, x, population)
        entries = found.noised(0.3, 0.7, population.weights).precision
        bound = 1.0 / (0.3 * found.overlaps @ found.eigenvalues + 0.7)
        assert np.all(entries >= bound * (1.0 - 1e-14))


def test_a_spectrum_of_other_data_is_refused() -> None:
    with pytest.raises(ValueError, match="population must be the spectrum of x"):
        HeldOut.measure(
            RNG.normal(size=(5, 7)),
            RNG.normal(size=(9, 7)),
            rs.PopulationSpectrum([1.0, 2.0], [0.01, 0.99]),
        )


def test_eigenvectors_that_are_not_orthonormal_leave_no_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = RNG.normal(size=(30, 5))
    monkeypatch.setattr("rmtspec.inputs.held_out._axes", lambda rows: 0.9 * np.eye(rows.shape[1]))
    with pytest.warns(rs.ConvergenceWarning, match="not orthonormal"):
        found = HeldOut.measure(x, x, rs.PopulationSpectrum.from_samples(x))
    assert np.all(np.isnan(found.overlaps))


def test_cost_is_that_of_the_rows_where_they_are_fewer_than_the_dimensions() -> None:
    x, test = RNG.normal(size=(140, 4096)), RNG.normal(size=(140, 4096))
    population = rs.PopulationSpectrum.from_samples(x)
    start = time.process_time()
    found = HeldOut.measure(test, x, population)
    # 0.3 s on one core; a decomposition in 4096 dimensions takes 100 s.
    assert time.process_time() - start < 10.0
    assert found.overlaps.shape == (140, 141)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(found.noised(0.01, 0.99, population.weights).precision).all()


@pytest.mark.parametrize("kernel", ["exact", "gaussian"])
def test_data_that_are_all_but_lost_in_the_noise_have_curves(kernel: str) -> None:
    scale = np.linspace(0.3, 2.0, 8)
    x, test = RNG.normal(size=(60, 8)) * scale, RNG.normal(size=(30, 8)) * scale
    errors = []
    for t in (6.0, 12.0, 20.0, 380.0, 1000.0):
        with warnings.catch_warnings():
            warnings.simplefilter("error", rs.ConvergenceWarning)
            warnings.simplefilter("ignore", rs.FewDimensionsWarning)
            model = rs.RandomFeatureModel.from_data(x, 6.0, t, test=test, kernel=kernel)
            data, noise = (model.training(prediction=name) for name in ("data", "noise"))
            curves = data.learning_curves(np.append(0.0, TAU))
            assert np.all(curves.score_error >= 0.0)
            assert "velocity" in str(data.compare())
        errors.append(curves.score_error[0] * np.exp(4.0 * t) if t < 100.0 else np.nan)
        shown, score = noise.learning_curves(TAU), model.training(weight=1.0 / model.delta)
        np.testing.assert_allclose(shown.test, score.learning_curves(TAU).test, rtol=1e-10)
        np.testing.assert_allclose(shown.score_error, shown.test, rtol=1e-4, atol=1e-4)
    assert errors[1] == pytest.approx(errors[0], rel=1e-3)  # e^(-4t) E l², and less by e^(-2t)
