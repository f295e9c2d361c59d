"""Which prediction at which level: tables, flips, skips, second data sets, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.random_features.results import PredictionCurves

ATOMS = rs.PopulationSpectrum([0.5, 1.5], [0.5, 0.5])


def model_of(signal=0.8, population=ATOMS, psi_p=16, psi_n=4):
    return rs.RandomFeatureModel(psi_p, psi_n, rs.NoiseLevel.ddpm(signal), "tanh", population)


@pytest.fixture(scope="module")
def compared():
    return model_of().training().compare()


def test_table_has_a_row_a_prediction_with_what_one_asks_of_each(compared):
    rows = {row["name"]: row for row in compared["predictions"]}
    # Found before by another program, to three digits; times on a grid of 12 %.
    known = {"noise": (3.8, 0.1166), "data": (15, 0.412), "v": (1.5, 0.1008)}
    known["velocity"] = (1.9, 0.1708)
    for name, (tau, error) in known.items():
        assert rows[name]["tau"] == pytest.approx(tau, rel=0.12)
        assert rows[name]["score_error"] == pytest.approx(error, rel=6e-3)
        training = model_of().training(prediction=name)
        best = training.best_stopping()
        assert rows[name]["score_error"] == best.score_error
        assert rows[name]["memorised"] == pytest.approx(
            float(training.memorised_fraction(best.tau)), rel=1e-12
        )
        assert rows[name]["tau_mem_curve"] == training.window().tau_mem_curve
    assert compared.best == "v"
    shown = str(compared)
    assert "velocity" in shown
    assert "better above" in shown
    assert set(compared.curves) == set(known)


def test_noise_and_data_change_places_where_they_did_before(compared):
    flips = {(flip["above"], flip["below"]): flip for flip in compared.flips}
    assert flips["noise", "data"]["alpha_bar"] == pytest.approx(0.329, abs=1e-3)
    # At the flip both are equally good.
    at = model_of(flips["noise", "data"]["alpha_bar"])
    errors = [
        at.training(prediction=name).best_stopping().score_error for name in ("noise", "data")
    ]
    assert errors[0] == pytest.approx(errors[1], rel=2e-3)


def test_data_of_variance_four_are_the_exception_to_v_prediction():
    population = rs.PopulationSpectrum([2.0, 6.0], [0.5, 0.5])
    found = model_of(population=population).training().compare(flips=False)
    errors = {row["name"]: row["score_error"] for row in found["predictions"]}
    assert list(errors) == ["noise", "data", "v", "velocity", "edm:2"]
    assert errors["noise"] == pytest.approx(0.0533, rel=6e-3)
    assert errors["v"] == pytest.approx(0.238, rel=6e-3)
    assert errors["edm:2"] == pytest.approx(0.0457, rel=6e-3)
    assert found.ranking is None
    assert "better above" not in str(found)


def test_flips_follow_the_path_of_the_model():
    """In time of flow matching the same loads flip at another signal-to-noise ratio: G < 1."""
    model = rs.RandomFeatureModel(16, 4, rs.NoiseLevel.flow(0.4), "tanh", ATOMS)
    flips = model.training().compare(["noise", "data"]).flips
    assert len(flips) == 1
    level = rs.NoiseLevel.flow(0.4).at_time(flips[0]["t"])
    at = rs.RandomFeatureModel(16, 4, level, "tanh", ATOMS)
    noise, data = (
        at.training(prediction=name).best_stopping().score_error for name in ("noise", "data")
    )
    assert noise == pytest.approx(data, rel=2e-3)
    assert level.snr == pytest.approx(flips[0]["snr"])
    assert not np.isclose(flips[0]["alpha_bar"], 0.329, atol=1e-3)


def test_best_skip_has_the_form_of_the_errors():
    population = rs.PopulationSpectrum.power_law(1.0, 100)
    training = model_of(0.98, population).training(prediction="noise")
    found = training.best_skip(np.geomspace(1.0, 100.0, 200))
    best = int(np.argmin(found.score_error))
    sigma = training.model.level.sigma
    assert found.score_error[best] == pytest.approx(0.321, rel=6e-3)
    assert found.skip[best] / sigma == pytest.approx(2.07, rel=0.03)
    np.testing.assert_allclose(
        found.noise_error, training.learning_curves(found.tau).score_error, rtol=1e-10
    )


def test_memorised_fractions_at_the_best_stopping_are_those_found_before():
    for signal, known in ((0.98, (0.179, 0.62, 0.156, 0.37)), (0.3, (0.063, 0.071, 0.038, 0.052))):
        for name, fraction in zip(("noise", "data", "v", "velocity"), known, strict=True):
            training = model_of(signal).training(prediction=name)
            found = float(training.memorised_fraction(training.best_stopping().tau))
            # The known ones stand at the nearest of times of 12 % a step.
            assert found == pytest.approx(fraction, rel=0.12)


def test_time_at_a_fraction_is_when_it_is_first_reached():
    training = rs.RandomFeatureModel(32, 8, 0.1).training()
    for beta in (1e-8, 0.01, 0.5):
        tau = training.time_at_fraction(beta)
        assert float(training.memorised_fraction(tau)) == pytest.approx(beta, rel=1e-6)
    assert np.isnan(training.time_at_fraction(0.9))


def test_averaging_networks_leaves_the_bias_of_the_mean_score():
    training = rs.RandomFeatureModel(32, 8, 0.1).training()
    found = training.two_data_sets([16.2, np.inf])
    share = found.bias / found.score_error
    assert share[0] < 0.3
    assert share[1] == pytest.approx(0.58, abs=0.005)
    assert found.train_distance[1] == pytest.approx(1.6 * found.distance[1], rel=0.02)


def test_curves_of_a_prediction_say_what_they_are_of():
    model = model_of()
    found = model.learning_curves([0.0, 1.0], prediction="velocity", weight=2.0)
    assert isinstance(found, PredictionCurves)
    assert found.prediction == rs.Prediction.velocity()
    assert found.level == model.level
    assert found.weight == 2.0
    assert found.initial_test == found.initial_train == 2.0
    along = model.learning_curves([0.0, 1.0], [0.5, 9.0], prediction="velocity")
    assert along.train.shape == along.excess.shape == (2, 2)
    np.testing.assert_allclose(along.initial_test, [1.5, 10.0])
    np.testing.assert_allclose(along.test[:, 0], [1.5, 10.0], rtol=1e-14)
    parts = model.learning_curves([1.0, 1e3], [0.5, 1.5], prediction="velocity")
    whole = model.learning_curves([1.0, 1e3], prediction="velocity")
    for name in ("train", "test", "excess", "score_error"):
        np.testing.assert_allclose(
            getattr(parts, name).mean(axis=0), getattr(whole, name), rtol=1e-12
        )


def test_descent_with_small_steps_is_the_flow():
    model = model_of()
    limit = model.training(prediction="data").stability_limit
    tau = np.array([0.5, 2.0, 8.0])
    flow = model.learning_curves(tau, prediction="data")
    rough = model.training(prediction="data", step=1e-3 * limit).learning_curves(tau)
    np.testing.assert_allclose(rough.test, flow.test, rtol=2e-3)
    assert np.abs(rough.test - flow.test).max() > 1e-8
    start = model.training(prediction="data", initial=0.5).learning_curves(tau)
    assert np.all(start.test > flow.test)


def test_a_level_given_as_number_or_object_is_the_same_model():
    assert rs.RandomFeatureModel(4, 2, rs.NoiseLevel.ou(0.3)) == rs.RandomFeatureModel(4, 2, 0.3)
    model = rs.RandomFeatureModel(4, 2, rs.NoiseLevel.flow(0.4))
    from dataclasses import replace

    assert replace(model, psi_n=3).level == model.level
    assert replace(model, t=0.1).level == rs.NoiseLevel.flow(0.4).at_time(0.1)
    assert replace(model, t=rs.NoiseLevel.ou(0.1)).noise_level is None


def test_bounds_and_derivatives_move_along_the_path():
    flow = rs.RandomFeatureModel(4, 2, rs.NoiseLevel.flow(0.4), population=ATOMS)
    moved = [flow.learning_curves(2.0).test]
    step = 1e-4
    for sign in (1.0, -1.0):
        at = flow.level.at_time(flow.t + sign * step)
        moved.append(rs.RandomFeatureModel(4, 2, at, population=ATOMS).learning_curves(2.0).test)
    found = flow.sensitivity("t", tau=2.0).test[0]
    assert float(found) == pytest.approx(float(moved[1] - moved[2]) / (2.0 * step), rel=1e-5)
    # A linear activation does not feel the gain, and the bound is one of the law, not of units.
    plain = rs.RandomFeatureModel(4, 2, flow.t, "linear", ATOMS)
    other = rs.RandomFeatureModel(4, 2, flow.level, "linear", ATOMS)
    bounds = [model.training().kl_bound(np.inf, t_min=0.1) for model in (plain, other)]
    assert float(bounds[0].bound) == pytest.approx(float(bounds[1].bound), rel=1e-10)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda m: m.training(prediction="velocty"), ValueError, "did you mean 'velocity'"),
        (lambda m: m.training(prediction=3), TypeError, "prediction"),
        (lambda m: m.training(weight=0.0), ValueError, "weight"),
        (
            lambda m: m.training(prediction=rs.Prediction(m.level.sigma, m.level.alpha)),
            ValueError,
            "multiple of what the network is shown",
        ),
        (lambda m: m.training().compare([]), ValueError, "predictions"),
        (lambda m: m.training().compare("noise"), TypeError, "predictions"),
        (lambda m: m.training().compare(["noise", "noise"]), ValueError, "different"),
        (lambda m: m.training().compare(["noises"]), ValueError, "predictions"),
        (lambda m: m.training().time_at_fraction(1.0), ValueError, "beta"),
        (lambda m: m.training().memorised_fraction(-1.0), ValueError, "tau"),
        (lambda m: m.training().two_data_sets(1.0, same_features=1), TypeError, "same_features"),
        (lambda m: m.training(initial=1.0).two_data_sets(1.0), ValueError, "initial"),
    ],
)
def test_wrong_arguments_are_refused_by_name(call, kind, words):
    with pytest.raises(kind, match=words):
        call(model_of())


def test_given_data_have_one_data_set_and_need_held_out_rows():
    x = np.random.default_rng(0).normal(size=(60, 55))
    with pytest.warns(rs.FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(x, 3, 0.1)
    training = model.training(prediction="data")
    with pytest.raises(ValueError, match="two_data_sets"):
        training.two_data_sets(1.0)
    for question in (training.memorised_fraction, training.best_skip, training.time_at_fraction):
        with pytest.raises(ValueError, match="held-out"):
            question(0.5)
    with pytest.warns(UserWarning, match="only the train loss"):
        found = training.learning_curves([0.0, 1.0])
    assert np.all(np.isfinite(found.train))
    assert np.all(np.isnan(found.test) & np.isnan(found.score_error))


def test_activations_that_see_nothing_leave_the_loss_where_it_is():
    model = rs.RandomFeatureModel(4, 2, rs.NoiseLevel.ddpm(0.5), [0.0, 0.0], ATOMS)
    found = model.learning_curves([0.0, 1.0, np.inf], prediction="velocity")
    np.testing.assert_array_equal(found.test, np.full(3, 2.0))
    np.testing.assert_allclose(found.score_error, found.score_error[0])
    even = rs.RandomFeatureModel(4, 2, rs.NoiseLevel.ddpm(0.5), "hermite2", ATOMS)
    # Features without a linear part memorise data, and learn nothing of fresh ones.
    learned = even.learning_curves([0.0, 10.0], prediction="data")
    assert learned.train[1] < learned.train[0]
    assert learned.test[1] >= learned.test[0]
