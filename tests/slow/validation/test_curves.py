"""Learning curves against networks of finite size, at sizes that take seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import rmtspec as rs
from rmtspec.compare.networks.training_flow import equivalent_flow, flow_filters
from validation.__main__ import main
from validation.curves import run as curves_module
from validation.curves.draws import SCALED_TIMES, Case
from validation.curves.settings import CURVE_SCALES, CurveSetting, Descent
from validation.spectra.draws import gaussian_data

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    # Matrices this small lose to the waiting of threads for each other, tenfold on a busy machine.
    with threadpool_limits(1):
        yield


_EQUIVALENT = ("gaussian",)
# Corrections of true features: 1.5 times what 200 networks drawn with another seed showed.
SETTINGS = {
    "gradient flow on Gaussian data of every kind": [
        CurveSetting("three bulks", "flow", 8, 4, 0.01, draws={60: 16}, matrices=_EQUIVALENT),
        CurveSetting(
            "power law", "flow", 2, 4, 1.0, "power law", draws={100: 16}, matrices=_EQUIVALENT
        ),
        CurveSetting(
            "n < d", "flow", 3, 0.5, 0.1, "two atoms", 4.0, draws={60: 24}, matrices=_EQUIVALENT
        ),
    ],
    "true features where little is overfitted": [
        CurveSetting("many samples", "flow", 2, 8, 0.5, draws={60: 16}, corrections=(2.0, 3.0)),
    ],
    "a fixed data set and its held-out rows": [
        CurveSetting("n < d", "conditional", 3, 0.5, 0.1, draws={60: 16}, matrices=_EQUIVALENT),
        CurveSetting("n > d", "conditional", 2, 3, 0.1, draws={60: 16}, matrices=_EQUIVALENT),
    ],
    "a spike and two clusters": [
        CurveSetting("spike", "spike", 2, 4, 0.5, draws={100: 64}, spike=6.0, corrections=(5, 3)),
        CurveSetting(
            "clusters", "mixture", 2, 4, 0.5, draws={100: 64}, spike=6.0,
            matrices=("true",), corrections=(5, 3),
        ),
    ],
    "training rules in steps": [
        CurveSetting("steps", "descent", 3, 2, 0.2, draws={40: 16}, rule=Descent(0.6),
                     matrices=_EQUIVALENT),
        CurveSetting("ball", "descent", 3, 2, 0.2, draws={40: 16},
                     rule=Descent(0.3, 0.9, 0.2, 0.5), matrices=_EQUIVALENT),
    ],
    "the fall of the deviation with the size": [
        CurveSetting("trend", "flow", 2, 1, 1.0, "two atoms", trend=True,
                     draws={50: 80, 100: 60, 200: 40}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_theory_agrees_with_trained_networks_for(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CURVE_SCALES, "smoke", lambda: SETTINGS[name])
    assert main(["curves", "--seed", "3"]) == 0


@pytest.mark.parametrize(
    "mistake",
    [
        {"psi_n": 2.2},
        {"psi_p": 4.4},
        {"t": 0.11},
        {"variance": 1.1},
    ],
    ids=str,
)
def test_curves_of_a_slightly_wrong_model_are_refuted(
    mistake: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = CurveSetting("small", "flow", 4, 2, 0.1, draws={100: 16}, matrices=("gaussian",))
    monkeypatch.setitem(CURVE_SCALES, "smoke", lambda: [setting])
    real = curves_module.case

    def mistaken(asked: CurveSetting, dimension: int, seed: int) -> Case:
        right, wrong = (
            real(asked, dimension, seed),
            real(replace(asked, **mistake), dimension, seed),
        )
        return replace(right, predictions=wrong.predictions)

    assert main(["curves", "--seed", "4"]) == 0
    monkeypatch.setattr(curves_module, "case", mistaken)
    assert main(["curves", "--seed", "4"]) == 1


def test_every_direction_of_the_data_has_its_own_curve() -> None:
    # Three variances, a third of the directions each: the mean over 40 rows of A and 16 networks.
    psi_p, psi_n, t, d = 3.0, 2.0, 0.1, 120
    levels = np.array([0.25, 0.75, 2.0])
    model = rs.RandomFeatureModel(psi_p, psi_n, t, population=rs.PopulationSpectrum(levels))
    tau = SCALED_TIMES / model.delta
    theory = model.learning_curves(tau, directions=levels)
    k, eigenvalues = model.coefficients, np.repeat(levels, d // 3)
    found: Any = []
    for seed in range(16):
        rng = np.random.default_rng([11, seed])
        w = rng.standard_normal((round(psi_p * d), d))
        x = gaussian_data(rng, round(psi_n * d), eigenvalues)
        omega = rng.standard_normal((len(w), len(x)))
        flow = equivalent_flow(w, x, omega, eigenvalues, c=k.c, b=k.b, v=k.v, s=k.s)
        filters = flow_filters(flow.eigenvalues, tau, model.delta, psi_p)
        rows = np.array([flow.losses(filters, direction=j) for j in range(d)])
        found.append(rows.reshape(3, d // 3, 2, -1).mean(axis=1))
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / 4.0
    for j, curve in enumerate((theory.train, theory.test)):
        scale = 1.0 - theory.train if j == 0 else model.delta * theory.score_error
        # Five standard errors of 16 networks (over 150 values), and 2/d as for the whole loss.
        assert np.all(np.abs(mean[:, j] - curve) < 5.0 * error[:, j] + 2.0 / d * scale)
