"""The best time to stop is 0 where training only does harm, inf where it never does."""

from __future__ import annotations

import numpy as np

import rmtspec as rs
from rmtspec.linear.fitted import FittedDenoiser


def test_optimal_stopping_is_a_minimum_or_an_end() -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        population = rs.PopulationSpectrum(10.0 ** rng.uniform(-3.0, 1.0, 3))
        model = rs.LinearDenoiser(population, load=float(10.0 ** rng.uniform(-3.0, 2.0)))
        alpha = float(rng.uniform(0.01, 0.999))
        best = model.optimal_stopping(alpha)
        tau = float(best.tau)
        around = np.array([0.0, 0.9 * tau, 1.1 * tau]) if 0.0 < tau < np.inf else np.array([1e-9])
        test = model.training_curves(around, alpha).test
        assert np.all(test >= float(best.test) * (1.0 - 1e-10))


def test_optimal_stopping_of_one_data_set_is_a_minimum_or_an_end() -> None:
    rng = np.random.default_rng(4)
    variances = np.array([0.2, 0.5, 1.0, 2.0])
    for samples in (3, 6, 12, 40):
        x = rng.normal(size=(samples, 4)) * np.sqrt(variances)
        fitted = FittedDenoiser.from_data(x, np.diag(variances), 0.01)
        for alpha in (0.1, 0.9, 0.999):
            best = fitted.optimal_stopping(alpha)
            around = np.append([0.0, 1e-9], best.tau * np.array([0.9, 1.1]))
            test = fitted.training_curves(around, alpha).test
            assert np.all(test >= best.test * (1.0 - 1e-10))
