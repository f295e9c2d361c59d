"""A right model is rejected as often as it is said to be, and a wrong one is not missed."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

import rmtspec as rs
from rmtspec.compare import nulls
from rmtspec.compare.comparison import with_spikes_inside
from rmtspec.compare.statistics import Statistics, trusted_directions
from rmtspec.law import SpectralLaw

pytestmark = pytest.mark.slow

TWO = rs.PopulationSpectrum([0.5, 1.5])
POWER = rs.PopulationSpectrum.power_law(1.0, 50)
SPIKED = rs.PopulationSpectrum([1.0], [1.0], spikes=[6.0])
DRAWS = 400


def _given(kernel: str) -> rs.RandomFeatureModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few dimensions
        rows = np.random.default_rng(3).normal(size=(100, 50))
        return rs.RandomFeatureModel.from_data(rows, 2.0, 0.1, kernel=kernel)


SETTINGS = {
    "atom": lambda: rs.RandomFeatureModel(5, 2, 0.1),
    "psi_p = psi_n": lambda: rs.RandomFeatureModel(2, 2, 0.1, "erf", TWO),
    "power law": lambda: rs.RandomFeatureModel(4, 2, 0.1, "tanh", POWER),
    "few samples": lambda: rs.RandomFeatureModel(3, 0.5, 0.1, "relu", TWO),
    "early": lambda: rs.RandomFeatureModel(2, 8, 0.01, "erf", TWO),
    "given data": lambda: _given("gaussian"),
    "exact kernel": lambda: _given("exact"),
    "spike": lambda: rs.RandomFeatureModel(2, 3, 0.3, population=SPIKED),
    "covariance": lambda: rs.SampleCovariance(0.5, TWO),
    "covariance, n < d": lambda: rs.SampleCovariance(2.0, POWER),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_test_has_its_size(name: str) -> None:
    model, d = SETTINGS[name](), 50
    drawn = rs.simulate(model, d, 7, size=DRAWS)
    statistics = Statistics.of(model.spectrum())
    null = nulls.by_formula(with_spikes_inside(model, d), statistics, drawn.shape[1], 1, "")
    sums, directions = statistics.sums(drawn), trusted_directions(null.covariance)
    rejected = sum(null.test(row[None], directions)[2] < 0.05 for row in sums)
    # Chance goes this far in one run of 1000.
    assert binomtest(rejected, DRAWS, 0.05).pvalue > 1e-3, rejected / DRAWS
    z = (sums - null.mean) / null.deviations(1)
    # 0.1 are what is promised at d = 50, the rest four standard errors.
    assert np.abs(z.mean(axis=0)).max() < 0.1 + 4.0 / np.sqrt(DRAWS)
    # Standard error of a variance: sqrt(2/DRAWS).
    assert np.abs(z.var(axis=0) - 1.0).max() < 0.1 + 4.0 * np.sqrt(2.0 / DRAWS)
    # What `compare` says of one of them is this, with the p-value of the formula.
    found = rs.compare(drawn[0], model.spectrum() if name != "spike" else model)
    np.testing.assert_allclose(found.z, z[0], rtol=1e-9)
    counts = rs.compare(drawn, model.spectrum())["atoms"]
    assert all(row["observed"] == [row["predicted"]] * 2 for row in counts)


@pytest.mark.parametrize("t", [0.1, 0.01])
def test_ten_draws_tell_small_errors(t: float) -> None:
    population = rs.PopulationSpectrum([0.5, 1.0, 3.0], [0.45, 0.45, 0.1])
    model = rs.RandomFeatureModel(4, 2, t, "erf", population)
    eigenvalues = rs.simulate(model, 200, 11, size=10)
    right = rs.compare(eigenvalues, model, 200)
    assert right.pvalue > 1e-3
    at = model.ensemble
    wrong = [
        SpectralLaw(replace(at, v2=1.02 * at.v2)),
        SpectralLaw(replace(at, b2=2.0 * at.b2)),
        replace(model, psi_n=1.1 * model.psi_n),
        replace(model, population=rs.PopulationSpectrum([0.5, 1.0], [0.5, 0.5])),
    ]
    for each in wrong:
        # Five standard deviations.
        assert rs.compare(eigenvalues, each).pvalue < 5.7e-7


@pytest.mark.parametrize(("d", "largest"), [(40, 160), (80, 40)])
def test_the_calibrated_null_has_its_size_on_true_features(
    d: int, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # From matrices as large as those observed, and from d = 20 and 40 to 80.
    monkeypatch.setattr(nulls, "_LARGEST_SMALL", largest)
    model, rng = rs.RandomFeatureModel(2, 1, 0.1, "erf"), np.random.default_rng(d)
    rejected = 0
    for _ in range(40):
        eigenvalues = rs.simulate(model, d, rng, 3, "true")
        found = rs.compare(eigenvalues, model, d, "calibrated", rng=rng, null_draws=40)
        rejected += found.pvalue < 0.05
    assert binomtest(rejected, 40, 0.05).pvalue > 1e-3


def test_the_two_sample_test_of_curves_has_its_size() -> None:
    model, rng = rs.RandomFeatureModel(2, 1, 0.3, "erf"), np.random.default_rng(5)
    tau = np.geomspace(0.1, 1e3, 8)
    rejected = 0
    for _ in range(100):
        curves = rs.simulate_curves(model, 20, rng, tau, 4)
        found = rs.compare(curves, model, 20, "simulate", rng=rng, null_draws=20)
        rejected += found.pvalue < 0.05
    assert binomtest(rejected, 100, 0.05).pvalue > 1e-3
