"""Curves of any target on any path, and two data sets, against a table at fifteen digits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.inputs.held_out import HeldOut
from rmtspec.random_features.losses.sums import Values

TABLE = Path(__file__).parents[2] / "data" / "predictions.json"
ROWS = json.loads(TABLE.read_text())["rows"]
TAU = np.array([0.0, 0.125, 2.0, 32.0, 1024.0, np.inf])
# Of the largest loss of a row; measured: at most 4e-16.
ACCURACY, TYPICAL = 1e-10, 1e-12
IDS = [f"{i} {row['prediction']} {row['level'][0]}" for i, row in enumerate(ROWS)]


def model_of(row):
    population = rs.PopulationSpectrum(row["eigenvalues"], row["weights"])
    level = rs.NoiseLevel.named(*row["level"])
    given = {}
    if row["variances"] is not None:
        # Fresh data whose covariance is diagonal where that of the given data is.
        overlaps = np.eye(len(row["variances"]))
        given = {
            "conditional": True,
            "held_out": HeldOut(np.array(row["variances"]), overlaps),
        }
    args = (row["psi_p"], row["psi_n"], level, row["activation"], population)
    return rs.RandomFeatureModel(*args, **given)


def training_of(row):
    return model_of(row).training(prediction=row["prediction"], ridge=row["ridge"])


def column(row, name):
    return np.array([float(value) for value in row[name]])


def test_table_has_thirty_settings_with_certificates_far_below_what_is_asked():
    assert len(ROWS) == 30
    assert max(float(row["certificate"]) for row in ROWS) < 1e-14
    assert {row["tau"][-1] for row in ROWS} == {"inf"}


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_losses_are_those_of_the_table_and_inside_their_error(row):
    found = training_of(row).learning_curves(TAU)
    largest = max(np.abs(column(row, name)).max() for name in ("train", "test"))
    for name in ("train", "test"):
        off = np.abs(getattr(found, name) - column(row, name))
        assert off.max() <= ACCURACY * largest
        assert off.max() <= TYPICAL * largest
        # The table has 18 digits of losses of order one.
        assert np.all(off <= found.error + 1e-16 * largest)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_excess_is_what_the_test_loss_lies_above_the_least(row):
    found = training_of(row).learning_curves(TAU)
    above = column(row, "test") - found.best_possible
    assert np.abs(found.excess - above).max() <= TYPICAL * column(row, "test").max()


RANDOM = [pytest.param(row, id=name) for row, name in zip(ROWS, IDS, strict=True)
          if row["variances"] is None]  # fmt: skip


@pytest.mark.parametrize("row", RANDOM)
def test_two_data_sets_split_the_error_as_the_table_does(row):
    training = training_of(row)
    model, prediction = training.model, rs.Prediction.named(row["prediction"])
    level = model.level
    nu = (level.alpha / (level.sigma * prediction.delta(level))) ** 2
    to_noise = nu * level.sigma**2
    test, shared, apart = (column(row, name) for name in ("test", "shared", "apart"))
    least = training.learning_curves(0.0).best_possible
    for same, mean in ((True, shared), (False, apart)):
        found = training.two_data_sets(TAU, same_features=same)
        size = nu * test.max()
        assert np.abs(found.bias - nu * (mean - least)).max() <= TYPICAL * size
        assert np.abs(found.variance - nu * (test - mean)).max() <= TYPICAL * size
        assert np.abs(found.distance - 2.0 * to_noise * (test - mean)).max() <= 2 * TYPICAL * size
        assert np.all(np.abs(found.bias - nu * (mean - least)) <= found.error + 1e-15 * size)
    # E|N_2|² on fresh points from the table's own test loss: L = L_0 − 2∮fX̃ + E|N|².
    found = training.two_data_sets(TAU)
    fresh = test - row["target"][0] ** 2 - row["target"][1] ** 2 * model.population.mean
    fresh = fresh + 2.0 * _known(row)
    expected = to_noise * (column(row, "own") - 2.0 * column(row, "crossed") + fresh)
    assert np.abs(found.train_distance - expected).max() <= 10 * TYPICAL * to_noise * test.max()


def _known(row):
    """∮ f X̃ = u·(noise part) + w·P_fresh, from pulls at two targets of the same model."""
    u, w = row["target"]
    model = model_of(row)
    at, level = model.coefficients, model.level
    # P_fresh = ∮f∫ρ c l κ and ∮f∫ρ κ(ub + wcl): the first is known, the rest is b∮f∫ρ κ.
    curves = training_of(row)._targets
    along = curves.along(None)

    def on_grid(grid, times):
        f = grid.weights * curves.base.relaxation.filtered(grid.x, times)
        mean = 2.0 * (f @ (curves.map(grid.points, along).kappa @ along.weights)).real
        return Values(mean[None], np.zeros((1, times.size)))

    def at_end(points):
        return (curves.map(points, along).kappa @ along.weights)[None].real

    (mean,), _ = curves.base.over_times(TAU, 1, on_grid, lambda: curves.base.end(1, at_end))
    assert level.sigma > 0.0
    return u * at.b * mean + w * column(row, "fresh_pull")


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_memorised_fraction_is_that_of_the_pulls_of_the_table(row):
    training = training_of(row)
    w, mean = row["target"][1], np.dot(row["weights"], row["eigenvalues"])
    levels = row["eigenvalues"] if row["variances"] is None else row["variances"]
    fresh_mean = np.dot(row["weights"], levels)
    own = w * mean - column(row, "train_pull")
    fresh = w * fresh_mean - column(row, "fresh_pull")
    with np.errstate(invalid="ignore"):
        expected = 1.0 - own / fresh
    expected[(TAU == 0.0) & (w == 0.0)] = 0.0
    np.testing.assert_allclose(training.memorised_fraction(TAU), expected, atol=1e-11)
