"""Theory against sampled matrices, at sizes that take seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.compare.networks.feature_matrices import gaussian_equivalent
from validation.certificates.law import feature_moments
from validation.spectra.draws import Comparison, compare, gaussian_data
from validation.spectra.run import simulate
from validation.spectra.settings import FEATURES, SCALES, Setting

pytestmark = pytest.mark.slow

SETTINGS = {
    "features of every kind": [
        Setting("three bulks", "features", 8, 4, 0.01, "tanh", draws={60: 6}),
        Setting("power law", "features", 4, 2, 0.1, "erf", "power law", draws={50: 8, 100: 8}),
        Setting("hard edge", "features", 3, 2, 0.1, "relu", "two atoms", draws={60: 8}),
    ],
    "a fixed data set": [
        Setting("n < d", "conditional", 3, 0.5, 0.1, "erf", "two atoms", draws={60: 8}),
        Setting("n > d", "conditional", 3, 1.5, 0.1, "tanh", "half rank", draws={60: 8}),
    ],
    "a spike": [Setting("spike", "outlier", 2, 1, 0.5, "tanh", draws={100: 12}, spike=9.0)],
    "sample covariances, with the fall of their error": [
        Setting(
            "n > d",
            "covariance",
            0.5,
            population="two atoms",
            draws={40: 60, 80: 60, 160: 40},
            matrices=("data",),
            trend=True,
        )
    ],
}


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_theory_agrees_with_sampled_matrices_for(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SCALES, "smoke", lambda: SETTINGS[name])
    assert simulate("smoke", 3, None) == 0


def test_a_theory_with_the_wrong_number_of_samples_is_refuted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting = Setting("small", "features", 4, 2, 0.1, "erf", draws={60: 12})
    right, wrong = (rs.RandomFeatureModel(4, psi_n, 0.1, "erf") for psi_n in (2, 2.2))
    z = right.spectrum().quantile(np.array(setting.levels)) * (1 + 0.3j)

    def mistaken(*arguments: Any) -> Comparison:
        made = compare(*arguments)
        theory = wrong.resolvent(z).q
        pairs = zip(made.observables, theory, strict=False)  # the counts stay right
        told = [replace(observable, theory=complex(q)) for observable, q in pairs]
        told += made.observables[len(theory) :]
        return Comparison(tuple(told), made.draw)

    monkeypatch.setitem(SCALES, "smoke", lambda: [setting])
    assert simulate("smoke", 3, None) == 0
    monkeypatch.setattr("validation.spectra.run.compare", mistaken)
    assert simulate("smoke", 3, None) == 1


def test_traces_of_sampled_matrices_equal_the_closed_moments() -> None:
    setting = FEATURES[1]
    model = rs.RandomFeatureModel(
        setting.psi_p, setting.psi_n, setting.t, setting.activation, setting.spectrum()
    )
    k = model.coefficients
    rng = np.random.default_rng(8)
    traces = []
    for _ in range(12):
        w = rng.standard_normal((400, 50))
        x = gaussian_data(rng, 200, setting.finite_spectrum(50))
        u = gaussian_equivalent(w, x, rng.standard_normal((400, 200)), c=k.c, b=k.b, v=k.v, s=k.s)
        traces.append([np.trace(u) / 400, np.sum(u * u) / 400])
    mean = np.mean(traces, axis=0)
    error = np.std(traces, axis=0, ddof=1) / np.sqrt(len(traces))
    exact = np.array(feature_moments(model))
    # Three standard errors plus the 1/d correction of a second moment (2/d of its size).
    assert np.all(np.abs(mean - exact) < 3.0 * error + 2.0 / 50 * exact)
