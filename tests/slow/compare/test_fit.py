"""Parameters are recovered within their errors, as often as errors promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

import rmtspec as rs

TRUTH = rs.RandomFeatureModel(4, 2, 0.1)
START = rs.RandomFeatureModel(4, 2.3, 0.12)
NEAR = rs.RandomFeatureModel(4, 2.02, 0.101)  # half the steps, where the start is not in question
SETS = 200


def deviations_of(found):
    """Distances from the truth in errors."""
    return [
        (found.values[name] - getattr(TRUTH, name)) / found.errors[name] for name in found.values
    ]


def test_errors_cover_the_truth_as_often_as_they_say():
    rng, d = np.random.default_rng(5), 60
    fits = [
        rs.fit(rs.simulate(TRUTH, d, rng, size=3), NEAR, ["psi_n", "t"], dimension=d)
        for _ in range(SETS)
    ]
    pvalues = [found.pvalue for found in fits]
    deviations = [deviations_of(found) for found in fits]
    for size, share in ((1.0, 0.683), (1.96, 0.95)):
        low, high = binom.interval(0.999, SETS, share)
        for column in np.abs(deviations).T:
            assert low <= np.count_nonzero(column < size) <= high
    low, high = binom.interval(0.999, SETS, 0.05)
    assert low <= np.count_nonzero(np.array(pvalues) < 0.05) <= high


def test_curves_give_the_parameters_back():
    tau = np.geomspace(0.1, 1e4, 12)
    rng = np.random.default_rng(1)
    deviations = []
    for _ in range(4):
        seen = rs.simulate_curves(TRUTH, 60, rng, tau, 5)
        found = rs.fit(seen, START, ["psi_n", "t"], dimension=60)
        deviations += deviations_of(found)
    # Eight deviations: the mean square of normal ones exceeds 3.3 once in a thousand.
    assert np.mean(np.square(deviations)) < 3.3


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_true_features_give_the_parameters_back(activation):
    truth = rs.RandomFeatureModel(4, 2, 0.1, activation)
    seen = rs.simulate(truth, 60, 3, size=3, features="true")
    start = rs.RandomFeatureModel(4, 2.3, 0.12, activation)
    found = rs.fit(seen, start, ["psi_n", "t"], dimension=60, features="true")
    for name in ("psi_n", "t"):
        assert abs(found.values[name] - getattr(truth, name)) < 4.0 * found.errors[name]
        assert found.errors[name] < 0.2 * getattr(truth, name)
