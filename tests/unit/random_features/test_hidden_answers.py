"""Small gains are found, hidden ones are said to be hidden, and silent features learn nothing."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.ensembles.feature_equations import FeatureEquations
from rmtspec.ensembles.feature_gaps import FeatureSolution
from rmtspec.random_features.predictions.questions import memorised_at
from rmtspec.random_features.training import Training


def _far_apart(t: float = 1e-60) -> Training:
    """Whose losses at the end of training are not known at early times t."""
    population = rs.PopulationSpectrum([1e-100, 1e100], [0.5, 0.5])
    return rs.RandomFeatureModel(3.0, 0.3, t, population=population).training()


def test_eigenvalues_two_hundred_decades_apart_have_a_known_end() -> None:
    end = _far_apart(1e-12).learning_curves(np.inf)
    # Both equations and the formula of the test loss at 400 digits.
    assert abs(end.test - 4904093374790.7355) <= end.error < 1e-12 * end.test


@pytest.mark.parametrize("psi", [(64.0, 8.0), (2.0, 2.0)])
@pytest.mark.parametrize("t", [1e-6, 3e-8, 1e-8])
def test_the_best_time_goes_like_one_over_the_noise_however_small(
    psi: tuple[float, float], t: float
) -> None:
    """The losses above that of A = 0 are of order Δ while the final test loss grows without end."""
    first, then = (rs.RandomFeatureModel(*psi, time).training() for time in (1e-5, t))
    best, known = then.best_stopping(), first.best_stopping()
    assert best.tau * t == pytest.approx(known.tau * 1e-5, rel=1e-3)  # corrections are O(t)
    assert best.score_error == pytest.approx(known.score_error, rel=1e-3)
    window = then.window()
    assert 0.0 < window.tau_gen_loss < best.tau < window.tau_mem_loss


def test_a_poorly_known_end_does_not_hide_a_minimum_far_below_it() -> None:
    population = rs.PopulationSpectrum(np.append(np.zeros(30), np.geomspace(0.01, 100.0, 40)))
    model = rs.RandomFeatureModel(5356.0, 5355.0, 1e-7, "erf", population)
    training = model.training(prediction="v")
    best, curves = training.best_stopping(), training.learning_curves([0.0, np.inf])
    assert curves.error[1] > 1e-3  # of a loss of 3e5
    assert best.test < curves.test[0] - 1e-4
    around = training.learning_curves(best.tau * np.array([0.5, 2.0])).test
    assert best.test < around.min()


def test_what_the_losses_do_not_tell_is_nan_with_one_warning() -> None:
    training = _far_apart()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        best = training.best_stopping()
        assert [one.category for one in caught] == [rs.ConvergenceWarning]
        window = training.window()
    assert [one.category for one in caught] == [rs.ConvergenceWarning] * 2
    assert np.isnan([best.tau, best.test, window.tau_gen_loss, window.tau_mem_curve]).all()


def test_a_hidden_best_time_is_not_called_harm() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rs.ConvergenceWarning)
        assert np.isnan(memorised_at(_far_apart(), np.nan))
        said = str(_far_apart().summary())
    assert "not known" in said
    assert "only harms" not in said


_SETTINGS = (
    {},
    {"initial": 0.1},
    {"ridge": 0.1, "initial": 2.0},
    {"prediction": "v"},
    {"step": 0.1, "initial": 0.1},
    {"step": 0.1, "momentum": 0.5},
)


@pytest.mark.parametrize("activation", ["hermite0", [0.0, 0.0]])
@pytest.mark.parametrize("settings", _SETTINGS, ids=str)
def test_silent_features_learn_nothing(activation: object, settings: dict[str, object]) -> None:
    training = rs.RandomFeatureModel(8.0, 4.0, 0.1, activation).training(**settings)
    times = np.array([0.0, 1.0, 1e300, np.inf])
    curves = training.learning_curves(times)
    assert np.ptp(curves.train) == np.ptp(curves.test) == np.ptp(curves.score_error) == 0.0
    best = training.best_stopping()
    assert (best.tau, best.test) == (0.0, curves.test[0])
    assert training.window().tau_mem_loss == 0.0
    assert training.bulk_shares().sum() == 0.0
    assert np.isnan(training.time_at_fraction(0.5)) or training.prediction is not None
    assert np.ptp(training.best_skip(times).skip) == 0.0
    assert "training changes nothing" in str(training.summary())
    assert "no longer within" not in str(training.summary())


def test_silent_features_make_the_same_network_of_any_data() -> None:
    training = rs.RandomFeatureModel(8.0, 4.0, 0.1, "hermite0").training()
    found = training.two_data_sets([0.0, 1.0, np.inf])
    assert (found.variance == 0.0).all()
    assert (found.distance == 0.0).all()
    assert (found.score_error == float(training.learning_curves(0.0).score_error)).all()


def test_losses_of_silent_features_answer_to_the_noise_slope_alone() -> None:
    """With little b² the losses are 1 − 4Δ_t b²τ: the next activation of small slope says so."""
    times = np.array([0.0, 1.0, np.inf])
    model = rs.RandomFeatureModel(8.0, 4.0, 0.1, "hermite0")
    found = model.sensitivity(("psi_p", "psi_n", "t", "v2", "b2"), tau=times)
    assert (found.test[:4] == 0.0).all()
    assert (found.train[:4] == 0.0).all()
    small = rs.RandomFeatureModel(8.0, 4.0, 0.1, [0.0, 1e-3])
    lost = small.training().learning_curves(1.0).test - 1.0
    assert found.test[4, 1] == pytest.approx(lost / small.coefficients.b**2, rel=1e-4)
    assert found.train[4, 0] == 0.0
    assert found.train[4, 2] == -np.inf


@pytest.mark.filterwarnings("ignore::rmtspec.FewDimensionsWarning")
@pytest.mark.parametrize("activation", ["hermite0", "hermite2"])
@pytest.mark.parametrize("kernel", ["exact", "gaussian"])
def test_a_score_that_answers_to_no_noise_has_no_memorised_fraction(
    activation: str, kernel: str
) -> None:
    """Of centred rows the mean of He_2' is 0: fractions of its rounding were 1, or −300."""
    rows, fresh = np.random.default_rng(0).normal(size=(2, 60, 40))
    model = rs.RandomFeatureModel.from_data(rows, 4.0, 0.1, activation, test=fresh, kernel=kernel)
    found = model.training().memorised_fraction([0.0, 1.0, np.inf])
    np.testing.assert_array_equal(found, [0.0, np.nan, np.nan])


@pytest.mark.parametrize("kernel", ["exact", "gaussian"])
def test_silent_features_learn_nothing_of_given_rows(kernel: str) -> None:
    rows = np.random.default_rng(0).normal(size=(400, 60))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rs.FewDimensionsWarning)
        model = rs.RandomFeatureModel.from_data(
            rows[:120], 4.0, 0.1, [0.0, 0.0], test=rows[120:], kernel=kernel
        )
        assert model.ensemble.gaps.edges.size == 0
        for prediction in (None, "v"):
            training = model.training(initial=0.1, prediction=prediction)
            curves = training.learning_curves([0.0, 1.0, np.inf])
            assert np.ptp(curves.train) == np.ptp(curves.test) == 0.0
            assert training.best_stopping().tau == 0.0


@pytest.mark.parametrize("prediction", [None, "noise", "velocity"])
def test_curves_of_an_unsolved_contour_are_nan_with_one_word_of_it(
    prediction: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    solve = FeatureEquations.solve

    def unsolved(self: FeatureEquations, z: np.ndarray) -> FeatureSolution:
        found = solve(self, z)
        nothing = np.full_like(found.k, np.nan)
        return found._replace(k=nothing, y=nothing, status=np.zeros_like(found.status))

    training = rs.RandomFeatureModel(4.0, 2.0, 0.1).training(prediction=prediction)
    monkeypatch.setattr(FeatureEquations, "solve", unsolved)
    for ask in (training.learning_curves, training.two_data_sets):
        with pytest.warns(rs.ConvergenceWarning, match="could not be solved on the contour"):
            found = ask([1.0, 10.0])
        assert np.isinf(found.error).all()


@pytest.mark.parametrize("activation", ["cosine", "hermite2", "hermite4"])
@pytest.mark.parametrize("t", [20.0, 30.0, 34.0, 40.0, 100.0])
def test_even_features_that_hardly_see_the_sample_have_times_and_learn_nothing(
    activation: str, t: float
) -> None:
    """v² falls like e^(-4t), and nothing is linear: at last all eigenvalues are those of the floor.

    Products of powers of v² are below the least float long before v² is.
    """
    for psi_p in (0.01, 64.0):
        model = rs.RandomFeatureModel(psi_p, 8.0, t, activation)
        training = model.training()
        assert model.timescales().tau_mem == pytest.approx(psi_p / model.floor, rel=1e-14)
        assert len(training.bulk_shares()) == len(model.spectrum().support)
        assert training.learning_curves(np.inf).test == 1.0


def test_two_networks_without_signal_are_those_of_the_limit() -> None:
    nearly, without = (
        rs.RandomFeatureModel(64.0, 8.0, t).training().two_data_sets([1.0, 2.0])
        for t in (300.0, 800.0)  # e^-800 is no float
    )
    np.testing.assert_allclose(without.bias, nearly.bias, rtol=1e-12)
    np.testing.assert_array_equal(without.variance, 0.0)
