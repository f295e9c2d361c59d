"""Models of given rows by the exact kernel: where it is the Gaussian equivalent, and falls back."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.random_features import model as model_module

pytestmark = [
    pytest.mark.filterwarnings("ignore::rmtspec.FewDimensionsWarning"),
    pytest.mark.filterwarnings("ignore:the data have mean variance:rmtspec.DataWarning"),
    pytest.mark.filterwarnings("ignore:.* rows repeats? others:rmtspec.DataWarning"),
]
TAU = np.append(np.geomspace(0.01, 1e5, 15), np.inf)


def _data(n: int, d: int, rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scale = np.sqrt(np.linspace(0.2, 1.8, d))
    return rng.standard_normal((n, d)) * scale, rng.standard_normal((rows, d)) * scale


def _both(
    n: int, d: int, activation: str = "tanh", t: float = 0.2
) -> tuple[rs.RandomFeatureModel, rs.RandomFeatureModel]:
    x, fresh = _data(n, d, 70)
    exact, gaussian = (
        rs.RandomFeatureModel.from_data(x, 3.0, t, activation, test=fresh, kernel=kernel)
        for kernel in ("exact", "gaussian")
    )
    return exact, gaussian


@pytest.mark.parametrize(("n", "d"), [(30, 50), (120, 40)])
@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"ridge": 0.1},
        {"step": 0.05},
        {"step": 0.05, "momentum": 0.5, "ridge": 0.01},
        {"initial": 0.5, "ridge": 0.1},
    ],
)
def test_linear_neurons_are_their_own_gaussian_equivalent(
    n: int, d: int, rule: dict[str, float]
) -> None:
    exact, gaussian = _both(n, d, "linear")
    curves, expected = (one.training(**rule).learning_curves(TAU) for one in (exact, gaussian))
    for name in ("train", "test", "score_error"):
        bound = curves.error + expected.error
        assert np.all(np.abs(getattr(curves, name) - getattr(expected, name)) <= 3.0 * bound)
        assert float(bound.max()) < 1e-11
    z = [1.0 + 1.0j, 0.1 + 0.01j]
    np.testing.assert_allclose(exact.resolvent(z).q, gaussian.resolvent(z).q, rtol=1e-13)


def test_directions_of_linear_neurons_are_those_of_the_gaussian_equivalent() -> None:
    exact, gaussian = _both(30, 50, "linear")
    levels = gaussian.population.eigenvalues[[0, 3, -1]]
    curves, expected = (
        one.training(ridge=0.1).learning_curves(TAU, levels) for one in (exact, gaussian)
    )
    np.testing.assert_allclose(curves.train, expected.train, rtol=0, atol=1e-12)
    np.testing.assert_allclose(curves.test, expected.test, rtol=0, atol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_directions_add_up_to_the_whole(activation: str) -> None:
    model, _ = _both(30, 40, activation)
    weights, levels = model.population.weights, model.population.eigenvalues
    apart, whole = model.learning_curves(TAU, directions=levels), model.learning_curves(TAU)
    np.testing.assert_allclose(weights @ apart.train, whole.train, rtol=1e-11)
    np.testing.assert_allclose(weights @ apart.test, whole.test, rtol=1e-11)


def test_gaussian_data_of_many_dimensions_leave_little_between_the_two() -> None:
    misses = []
    for d in (30, 120):
        x, fresh = _data(2 * d, d, 400)
        exact, gaussian = (
            rs.RandomFeatureModel.from_data(x, 4.0, 0.1, test=fresh, kernel=kernel)
            for kernel in ("exact", "gaussian")
        )
        curves, expected = exact.learning_curves(TAU), gaussian.learning_curves(TAU)
        misses.append(
            [np.abs(curves.train - expected.train).max(), np.abs(curves.test - expected.test).max()]
        )
    # differences are of order 1/d: a quarter, and as much again for the fluctuations of one set
    assert np.all(np.array(misses[1]) < 0.5 * np.array(misses[0]))
    assert misses[1][0] < 0.01


@pytest.mark.parametrize("activation", ["tanh", "relu", "silu"])
def test_losses_start_at_one_and_train_loss_falls(activation: str) -> None:
    model, _ = _both(60, 40, activation)
    curves = model.learning_curves(np.append(0.0, TAU))
    assert curves.train[0] == curves.test[0] == pytest.approx(1.0, abs=1e-12)
    assert np.all(np.diff(curves.train) <= curves.error[1:])
    assert curves.train[-1] >= 0.0
    assert np.all(curves.error < 1e-9)
    assert curves.train[-1] == pytest.approx(curves.train[-2], abs=0.02)
    best, window = model.training().best_stopping(), model.training().window()
    assert best.test <= curves.test.min() + 1e-9
    assert window.tau_gen_curve < best.tau < window.tau_mem_curve
    shares = model.training().bulk_shares()
    assert shares.sum() == pytest.approx(1.0 - curves.train[-1], rel=1e-6)


def test_neurons_without_held_out_rows_have_a_train_loss_only() -> None:
    x, fresh = _data(60, 40, 50)
    model = rs.RandomFeatureModel.from_data(x, 3.0, 0.3)
    with pytest.warns(UserWarning, match="pass held-out rows"):
        curves = model.learning_curves(TAU)
    assert np.all(np.isnan([curves.test, curves.score_error, curves.generalization]))
    whole = rs.RandomFeatureModel.from_data(x, 3.0, 0.3, test=fresh).learning_curves(TAU)
    np.testing.assert_allclose(curves.train, whole.train, rtol=0, atol=1e-13)


def test_mean_feature_of_given_rows_is_the_top_of_their_spectrum() -> None:
    x, _ = _data(80, 40, 2)
    model = rs.RandomFeatureModel.from_data(x, 3.0, 0.2, "relu")
    alone = rs.RandomFeatureModel.from_data(x, 3.0, 0.2, "relu", kernel="gaussian")
    assert model.families[0].name == "constant"
    assert model.families[0].mass == pytest.approx(1.0 / 120.0)
    top = float(model.spectrum().support[-1].mean())
    # its norm fluctuates with the samples' norms, which the Gaussian equivalent does not know
    assert top == pytest.approx(alone.mean_feature_eigenvalue(40), rel=0.1)
    masses = {family.name: family.mass for family in model.families}
    assert masses["fast"] == pytest.approx(1.0 / 3.0)
    assert masses["sample"] == pytest.approx((80 - 41) / 120.0)
    with pytest.raises(ValueError, match="mean_feature_eigenvalue"):
        model.mean_feature_eigenvalue(40)
    assert "mean feature" not in str(model.summary())


@pytest.mark.parametrize("kind", ["repeated", "mirrored", "rotated", "one direction", "a zero row"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "silu"])
def test_losses_of_degenerate_rows_are_those_of_rows_beside_them(
    kind: str, activation: str
) -> None:
    x, fresh = _data(10, 6, 30)
    turned = np.roll(x, 1, axis=1)
    rows = {
        "repeated": np.repeat(x, 2, axis=0),
        "mirrored": np.vstack([x, -x]),
        "rotated": np.vstack([x, turned]),
        "one direction": np.outer(x[:, 0], x[0]),
        "a zero row": np.vstack([x, -x, np.zeros((1, 6))]),
    }[kind]
    moved = rows + 1e-6 * np.random.default_rng(1).standard_normal(rows.shape)
    exact, beside = (
        rs.RandomFeatureModel.from_data(data, 3.0, 0.1, activation, test=fresh).learning_curves(TAU)
        for data in (rows, moved)
    )
    np.testing.assert_allclose(exact.train, beside.train, rtol=0, atol=1e-4)
    np.testing.assert_allclose(exact.test, beside.test, rtol=0, atol=1e-4)
    assert exact.train.min() >= 0.0
    assert exact.test.min() >= 0.0


def test_an_activation_that_jumps_falls_back_and_says_so() -> None:
    x, _ = _data(30, 20, 2)
    for activation in ("sign", np.sign):
        with pytest.warns(UserWarning, match=r"jumps.*Gaussian equivalent.*15 n/PR\^3"):
            model = rs.RandomFeatureModel.from_data(x, 3.0, 0.3, activation)
        assert model.rows is None
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", rs.FewDimensionsWarning)
        asked = rs.RandomFeatureModel.from_data(x, 3.0, 0.3, "sign", kernel="gaussian")
    assert asked.floor == pytest.approx(model.floor, rel=1e-12)  # closed form and quadrature


def test_too_many_rows_fall_back_and_name_the_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "MOST_ROWS", 29)
    x, _ = _data(30, 20, 2)
    with pytest.warns(UserWarning, match=r"x has 30 rows, more than 29.*15 n/PR\^3 << 1 \(here"):
        model = rs.RandomFeatureModel.from_data(x, 3.0, 0.3)
    assert model.rows is None


def test_too_many_columns_fall_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "MOST_SIZE", 49)
    x, _ = _data(30, 20, 2)
    with pytest.warns(UserWarning, match="x has 30 rows of 20 numbers, together more than 49: the"):
        model = rs.RandomFeatureModel.from_data(x, 3.0, 0.3)
    assert model.rows is None


@pytest.mark.parametrize("kernel", ["ntk", None, 1])
def test_an_unknown_kernel_is_refused(kernel: object) -> None:
    with pytest.raises(ValueError, match="kernel must be 'exact' or 'gaussian'"):
        rs.RandomFeatureModel.from_data(np.eye(4), 3.0, 0.3, kernel=kernel)  # type: ignore[arg-type]


def test_rows_fix_the_number_of_samples() -> None:
    model, _ = _both(30, 20)
    with pytest.raises(ValueError, match="psi_n must be that of the rows given"):
        rs.RandomFeatureModel(
            3.0, 2.0, 0.3, population=model.population, conditional=True, rows=model.rows
        )


def test_changing_the_time_of_a_model_makes_the_kernels_anew() -> None:
    model, _ = _both(30, 20)
    later = replace(model, t=0.5)
    x, fresh = _data(30, 20, 70)
    again = rs.RandomFeatureModel.from_data(x, 3.0, 0.5, test=fresh)
    assert later.floor == again.floor
    np.testing.assert_array_equal(later.learning_curves(1.0).test, again.learning_curves(1.0).test)
