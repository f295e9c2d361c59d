"""Matrices of finite size: their eigenvalues, exact curves, and what may not be drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.compare import simulate as module
from rmtspec.compare.finite_size import directions
from rmtspec.compare.networks.feature_matrices import gaussian_equivalent, true_features
from rmtspec.compare.simulate import draws
from rmtspec.result import ConvergenceWarning, FewDimensionsWarning

TWO = rs.PopulationSpectrum([0.5, 1.5])
FULL = ((4.0, 2.0, "tanh"), (0.5, 2.0, "erf"), (3.0, 2.0, "relu"), (2.0, 0.5, "linear"))


def _gaussian_matrix(model: rs.RandomFeatureModel, d: int, seed: int) -> np.ndarray:
    """U, the whole of it, from the same random numbers."""
    rng, k = np.random.default_rng(seed), model.coefficients
    p, n = round(model.psi_p * d), round(model.psi_n * d)
    w = rng.standard_normal((p, d))
    x = np.sqrt(directions(model.population, d)) * rng.standard_normal((n, d))
    return gaussian_equivalent(w, x, rng.standard_normal((p, n)), c=k.c, b=k.b, v=k.v, s=k.s)


@pytest.mark.parametrize(("psi_p", "psi_n", "activation"), FULL)
def test_eigenvalues_are_those_of_the_whole_gaussian_equivalent(
    psi_p: float, psi_n: float, activation: str
) -> None:
    model = rs.RandomFeatureModel(psi_p, psi_n, 0.1, activation, TWO)
    found = rs.simulate(model, 20, 3)[0]
    whole = np.linalg.eigvalsh(_gaussian_matrix(model, 20, 3))
    # Rounding of either: p machine epsilons of the largest eigenvalue.
    np.testing.assert_allclose(found, whole, rtol=0.0, atol=80 * 2.3e-16 * whole[-1])
    assert (np.diff(found) >= 0.0).all()


@pytest.mark.parametrize(("psi_p", "psi_n", "activation"), [*FULL, (6.0, 2.0, "hermite2")])
def test_the_atom_is_exact_and_counted_by_the_law(
    psi_p: float, psi_n: float, activation: str
) -> None:
    model = rs.RandomFeatureModel(psi_p, psi_n, 0.1, activation, TWO)
    atoms = model.spectrum().atoms
    expected = round(float(atoms[:, 1].sum()) * psi_p * 20)
    assert np.count_nonzero(rs.simulate(model, 20, 3)[0] == model.floor) == expected


def test_a_sample_covariance_has_its_zeros_and_its_spike() -> None:
    model = rs.SampleCovariance(2.0, rs.PopulationSpectrum([0.0, 2.0], spikes=[40.0]))
    found = rs.simulate(model, 60, 1, size=50)
    assert found.shape == (50, 60)
    assert (np.count_nonzero(found == 0.0, axis=1) == 30).all()
    # sqrt(n) (lambda - z) has variance 2 l^2 z' <= 2 l^2; means of 50 draws, 4 standard errors,
    # and a correction of order 1/n.
    allowed = 40.0 * (4.0 * math.sqrt(2.0 / (30 * 50)) + 1.0 / 30)
    assert abs(found[:, -1].mean() - model.outliers[-1]) < allowed


def test_draws_follow_each_other_and_a_seed_repeats_them() -> None:
    model = rs.RandomFeatureModel(2, 1, 0.1)
    both = rs.simulate(model, 16, 7, size=2)
    rng = np.random.default_rng(7)
    one, two = rs.simulate(model, 16, rng), rs.simulate(model, 16, rng)
    np.testing.assert_array_equal(both, np.concatenate([one, two]))
    kept = [draw.eigenvalues for draw, _ in zip(draws(model, 16, 7), range(2), strict=False)]
    np.testing.assert_array_equal(both, kept)


@pytest.mark.parametrize("kernel", ["gaussian", "exact"])
def test_given_data_fix_all_but_the_neurons(kernel: str) -> None:
    x = np.random.default_rng(1).normal(size=(30, 24)) * np.linspace(0.3, 1.5, 24)
    with pytest.warns(FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(x, 2.0, 0.3, kernel=kernel)
    found = rs.simulate(model, rng=0, size=400)
    assert found.shape == (400, 48)
    law = model.spectrum()
    # The trace has no correction to its mean: 4 standard errors.
    means = found.mean(axis=1)
    assert abs(means.mean() - law.moment(1)) < 4.0 * means.std() / 20.0


def test_true_features_are_the_features_of_the_activation() -> None:
    model = rs.RandomFeatureModel(2, 1, 0.3, "relu", TWO)
    rng = np.random.default_rng(4)
    w = rng.standard_normal((40, 20))
    x = np.sqrt(directions(TWO, 20)) * rng.standard_normal((20, 20))
    gram = true_features(w, x, 0.3, lambda z: np.maximum(z, 0.0), order=15)
    found = next(draws(model, 20, 4, "true"))
    # A callable is integrated: its kink leaves what `integration` says.
    worst = np.abs(found.eigenvalues - np.linalg.eigvalsh(gram.matrix)).mean()
    assert worst < found.error + gram.error
    assert found.error < 1e-3 * model.floor


def test_centred_features_lack_the_eigenvalue_of_the_mean() -> None:
    model = rs.RandomFeatureModel(2, 1, 0.3, "relu")
    top = [
        rs.simulate(model, 60, 0, features="true", centred=centred)[0, -1]
        for centred in (False, True)
    ]
    assert abs(top[0] / model.mean_feature_eigenvalue(60) - 1.0) < 0.15
    assert top[1] < 1.3 * model.spectrum().support[-1, 1]


def test_a_noise_average_that_did_not_come_out_is_said() -> None:
    model = rs.RandomFeatureModel(2, 1, 1e-4, lambda z: np.where(z > 0.3, 1.0, 0.0))
    with pytest.warns(ConvergenceWarning, match="noise average"):
        rs.simulate(model, 8, 0, features="true")


@pytest.mark.parametrize("features", ["gaussian", "true"])
def test_curves_start_at_one_and_end_at_the_minimum_of_the_training_loss(features: str) -> None:
    model = rs.RandomFeatureModel(2, 1, 0.5, "tanh", TWO)
    found = rs.simulate_curves(model, 40, 0, [0.0, 1.0, 1e3, np.inf], 3, features)
    np.testing.assert_array_equal(found.train[:, 0], 1.0)
    np.testing.assert_array_equal(found.test[:, 0], 1.0)
    assert (np.diff(found.train, axis=1) <= 0.0).all()
    theory = model.learning_curves([1.0])
    # Relative deviations of order c/d with c of a few, and three draws.
    np.testing.assert_allclose(found.train[:, 1].mean(), theory.train, rtol=0.05)
    np.testing.assert_allclose(found.test[:, 1].mean(), theory.test, rtol=0.05)
    np.testing.assert_allclose(found.score_error[:, 1].mean(), theory.score_error, rtol=0.05)


def test_curves_of_linear_features_are_those_of_their_gaussian_equivalent() -> None:
    model, tau = rs.RandomFeatureModel(2, 1, 0.5, "linear"), [0.1, 3.0, np.inf]
    one, two = (rs.simulate_curves(model, 16, 2, tau, features=f) for f in ("gaussian", "true"))
    # The same W and X come first; the kernel of U is told from rounding in both.
    np.testing.assert_allclose(one.train, two.train, rtol=1e-7)
    np.testing.assert_allclose(one.test, two.test, rtol=1e-7)


def test_curves_of_given_data_need_held_out_rows_for_their_test_loss() -> None:
    rng = np.random.default_rng(1)
    x, test = rng.normal(size=(30, 24)), rng.normal(size=(90, 24))
    tau = [0.3, 3.0]
    for kernel, features in (("gaussian", "gaussian"), ("exact", "true")):
        with pytest.warns(FewDimensionsWarning):
            known = rs.RandomFeatureModel.from_data(x, 2.0, 0.3, test=test, kernel=kernel)
        with pytest.warns(FewDimensionsWarning):
            blind = rs.RandomFeatureModel.from_data(x, 2.0, 0.3, kernel=kernel)
        found = rs.simulate_curves(known, None, 0, tau, 20, features)
        theory = known.learning_curves(tau)
        for name in ("train", "test", "score_error"):
            got = getattr(found, name).mean(axis=0)
            np.testing.assert_allclose(got, getattr(theory, name), rtol=0.03)
        unseen = rs.simulate_curves(blind, None, 0, tau, 1, features)
        assert np.isnan(unseen.test).all()
        assert np.isfinite(unseen.train).all()
        np.testing.assert_array_equal(unseen.train[0], found.train[0])


def test_a_table_has_a_row_a_network_and_time() -> None:
    table = rs.simulate_curves(rs.RandomFeatureModel(2, 1, 0.5), 8, 0, [1.0, 2.0], 3).to_dataframe()
    assert list(table.columns) == ["draw", "tau", "train", "test", "score_error"]
    assert len(table) == 6
    assert table.tau.tolist() == [1.0, 2.0] * 3


def test_the_nearest_model_has_whole_numbers_and_the_quantiles_of_the_population() -> None:
    population = rs.PopulationSpectrum([0.0, 1.0, 4.0], [0.31, 0.5, 0.19])
    near = rs.at_dimension(rs.RandomFeatureModel(2.5, 1.25, 0.1, population=population), 11)
    assert (near.psi_p * 11, near.psi_n * 11) == (28, 14)
    np.testing.assert_array_equal(np.rint(11 * near.population.weights), [3, 6, 2])
    assert rs.at_dimension(near, 11) is near
    assert rs.simulate(near, 11, 0).shape == (1, 28)
    half = rs.at_dimension(rs.SampleCovariance(0.3, rs.PopulationSpectrum.power_law(1.0, 40)), 20)
    full = rs.PopulationSpectrum.power_law(1.0, 40).eigenvalues
    np.testing.assert_array_equal(half.population.eigenvalues, full[::2])
    assert half.ratio == 20 / 67


def test_given_rows_keep_their_number_at_any_load_of_neurons() -> None:
    x = np.random.default_rng(1).normal(size=(30, 24))
    with pytest.warns(FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(x, 2.03, 0.3)
    near = rs.at_dimension(model)
    assert (near.psi_p, near.psi_n) == (49 / 24, 30 / 24)
    assert near.rows is model.rows


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (rs.RandomFeatureModel(2.5, 1, 0.1), (21,), r"dimension must make p = psi_p d .*52\.5"),
        (rs.RandomFeatureModel(2, 0.3, 0.1), (21,), r"dimension must make n = psi_n d"),
        (rs.SampleCovariance(0.3, TWO), (20,), r"dimension must make n = d/ratio"),
        (rs.RandomFeatureModel(2, 1, 0.1, population=TWO), (21,), r"weight of every population"),
        (rs.RandomFeatureModel(2, 1, 0.1), (), "dimension must be given"),
        (rs.RandomFeatureModel(2, 1, 0.1), (20_000,), "dimension must keep p = psi_p d at most"),
        (rs.RandomFeatureModel(2, 1, 0.1), (10, 0, 0), "size"),
        (rs.RandomFeatureModel(2, 1, 0.1), (10, 0, 10**8), "size must be at most"),
        (rs.RandomFeatureModel(2, 1, 0.1), (10, 0, 1, "real"), "features"),
        (rs.SampleCovariance(0.5, TWO), (10, 0, 1, "true"), "features must be"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(model, arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        rs.simulate(model, *arguments)


def test_data_whose_rows_are_not_kept_have_no_true_features() -> None:
    x = np.random.default_rng(1).normal(size=(30, 24))
    with pytest.warns(FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(x, 2.0, 0.3, kernel="gaussian")
    with pytest.raises(ValueError, match="features must be"):
        rs.simulate(model, rng=0, features="true")
    with pytest.raises(ValueError, match="dimension must be that of the data given, 24, got 12"):
        rs.simulate(model, 12)
    with pytest.warns(FewDimensionsWarning):
        exact = rs.RandomFeatureModel.from_data(x, 2.0, 0.3)
    with pytest.raises(ValueError, match='features must be "true"'):
        rs.simulate_curves(exact, None, 0, [1.0])


def test_a_long_run_can_be_interrupted_and_keeps_what_was_drawn(monkeypatch) -> None:
    model, kept = rs.RandomFeatureModel(2, 1, 0.1), []
    plain = module._squares

    def squares(*arguments):
        if len(kept) == 3:
            raise KeyboardInterrupt
        return plain(*arguments)

    def run():
        for draw in draws(model, 8, 0):
            kept.append(draw.eigenvalues)

    monkeypatch.setattr(module, "_squares", squares)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert len(kept) == 3
