"""Losses predicted from a population fitted to few samples, beside those of the true one."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.inputs.samples import digits

pytestmark = pytest.mark.slow

D = 64
TAU = np.append(np.geomspace(1.0, 1e4, 40), np.inf)
POPULATIONS = {
    "power law": rs.PopulationSpectrum.power_law(1.0, D),
    "two atoms": rs.PopulationSpectrum(np.repeat([0.2, 3.4], [48, 16])),
}


def _figures(population):
    """Least test loss, final losses, best stopping time."""
    model = rs.RandomFeatureModel(6.0, 8.0, 0.1, population=population)
    curves = model.learning_curves(TAU)
    best = model.training().best_stopping().tau
    return np.array([curves.test.min(), curves.train[-1], curves.test[-1], best])


def _deviations(draw, truth, count):
    """Mean relative deviations of the figures from sample eigenvalues and from the fit."""
    known = _figures(truth)
    found = []
    for _ in range(count):
        x = draw()
        laws = [rs.PopulationSpectrum.from_samples(x, debias=debias) for debias in (False, True)]
        # At the true trace: its scatter from draw to draw is the same for both.
        scaled = [
            rs.PopulationSpectrum(law.eigenvalues * (truth.mean / law.mean), law.weights)
            for law in laws
        ]
        found.append([_figures(law) / known - 1.0 for law in scaled])
    return np.mean(found, axis=0), np.std(found, axis=0)[1] / np.sqrt(count)


@pytest.mark.parametrize("law", POPULATIONS)
@pytest.mark.parametrize(("load", "raw"), [(1, 0.15), (2, 0.07), (5, 0.025)])
def test_losses_from_few_samples_are_those_of_the_population(law, load, raw):
    truth = POPULATIONS[law]
    counts = np.rint(truth.weights * D).astype(int)
    scales = np.sqrt(np.repeat(truth.eigenvalues, counts))
    rng = np.random.default_rng(load)
    (before, after), error = _deviations(lambda: rng.normal(size=(load * D, D)) * scales, truth, 16)
    assert np.all(before[:3] < -raw)
    assert np.all(np.abs(after[:3]) < 0.01 + error[:3])
    assert abs(after[3]) < 0.3


@pytest.mark.parametrize("load", [1, 2, 5])
def test_losses_from_few_digits_are_those_of_all(load):
    pytest.importorskip("sklearn")
    x = digits()
    rng = np.random.default_rng(load)
    (_, after), _ = _deviations(
        lambda: x[rng.choice(len(x), load * D, replace=False)],
        rs.PopulationSpectrum.from_samples(x),
        8,
    )
    assert np.all(np.abs(after[:3]) < 0.04)
    assert abs(after[3]) < 0.3
