"""Averages of affine denoisers against sampled data sets, at sizes that take seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from validation.__main__ import main
from validation.linear import run as linear_module
from validation.linear.draws import Prediction, predictions
from validation.linear.settings import LINEAR_SCALES, LinearSetting

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    # Matrices this small lose to the waiting of threads for each other, tenfold on a busy machine.
    with threadpool_limits(1):
        yield


SETTINGS = {
    "losses, curves, distances and divergences": [
        LinearSetting("k = 1", 0.3, 1e-3, 100, 0.9, 60),
        LinearSetting("two atoms", 3.0, 1e-6, 100, 0.5, 60),
        LinearSetting("k = 2", 1.0, 0.1, 100, 0.99, 60),
        LinearSetting("k = 0.5", 5.0, 0.0, 100, 0.7, 60),
    ],
    "data centred with their own mean": [
        LinearSetting("k = 1", 0.5, 1e-2, 60, 0.9, 200, own_mean=True),
        LinearSetting("two atoms", 3.0, 0.0, 60, 0.9, 200, own_mean=True),
    ],
    "random initial weights and sets of two sizes": [
        LinearSetting("k = 1", 2.0, 1e-2, 100, 0.7, 60, start=1.0),
        LinearSetting("two atoms", 0.5, 1e-2, 100, 0.9, 60, other_load=3.0),
    ],
    "the fall of the deviation with the size": [
        LinearSetting("two atoms", 2.0, 0.1, d, 0.9, count, trend="two atoms")
        for d, count in ((50, 300), (100, 200), (200, 60))
    ],
}


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_averages_agree_with_sampled_data_sets_for(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LINEAR_SCALES, "smoke", lambda: SETTINGS[name])
    assert main(["linear", "--seed", "5"]) == 0


def test_averages_without_the_next_order_are_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    # The next order of this alignment is 1.2/d relative (measured as a slope in 1/d), the standard
    # error of 400 pairs 0.16/d: seven standard errors.
    setting = LinearSetting("two atoms", 2.0, 1e-2, 100, 0.9, 400)

    def leading(setting: LinearSetting) -> list[Prediction]:
        return [replace(row, corrected=row.leading) for row in predictions(setting)]

    monkeypatch.setitem(LINEAR_SCALES, "smoke", lambda: [setting])
    assert main(["linear", "--seed", "6"]) == 0
    monkeypatch.setattr(linear_module, "predictions", leading)
    assert main(["linear", "--seed", "6"]) == 1


def test_averages_of_a_wrong_load_are_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = LinearSetting("k = 1", 0.5, 1e-2, 100, 0.9, 40)
    monkeypatch.setitem(LINEAR_SCALES, "smoke", lambda: [setting])
    monkeypatch.setattr(
        linear_module, "predictions", lambda asked: predictions(replace(asked, load=0.55))
    )
    assert main(["linear", "--seed", "7"]) == 1


def test_deviations_permitted_without_a_correction_are_small_beside_the_averages() -> None:
    # Steep spectra have few large directions, and c/d is of the order of one over their number.
    for setting in LINEAR_SCALES["cpu"]():
        for row in predictions(setting):
            assert row.allowance / setting.dimension < 0.5
            assert np.isfinite(row.best)
