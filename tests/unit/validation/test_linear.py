"""Affine denoisers against data sets: memory, the rule that decides, and that it can fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import binom, t
from threadpoolctl import threadpool_limits

from validation.__main__ import main
from validation.harness.chance import COUNT_TAIL, permitted, verdict
from validation.linear import run as linear_module
from validation.linear import sampler as linear_sampler
from validation.linear.draws import Prediction, draw, predictions
from validation.linear.run import (
    LinearRow,
    compared,
    judge,
    line_in_inverse_size,
)
from validation.linear.sampler import recursion_error
from validation.linear.settings import LINEAR_SCALES, LinearSetting

TINY = [
    LinearSetting("two atoms", 2.0, 0.1, 40, 0.9, 12),
    LinearSetting("isotropic", 0.5, 0.1, 40, 0.5, 12, trend="isotropic"),
    LinearSetting("isotropic", 0.5, 0.1, 80, 0.5, 12, trend="isotropic"),
]


@pytest.fixture(autouse=True)
def _small_and_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Matrices this small lose to the waiting of threads for each other.
    monkeypatch.setattr(linear_sampler, "PARTICLES", 500)
    with threadpool_limits(1):
        yield


def test_an_interrupted_run_resumes_to_the_same_file(
    resumes_to_the_same_file: Callable[[str, ModuleType], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LINEAR_SCALES, "smoke", lambda: TINY)
    assert resumes_to_the_same_file("linear", linear_module)


@pytest.mark.parametrize(
    "setting",
    [
        LinearSetting("k = 1", 0.5, 1e-3, 30, 0.9, 1),
        LinearSetting("two atoms", 2.0, 0.1, 30, 0.5, 1, own_mean=True),
        LinearSetting("isotropic", 0.5, 1e-3, 30, 0.9, 1, own_mean=True),
        LinearSetting("k = 0.5", 3.0, 0.0, 30, 0.99, 1, start=1.0),
        LinearSetting("k = 2", 0.5, 0.0, 30, 0.9, 1, other_load=2.0),
    ],
    ids=lambda setting: setting.key,
)
def test_sampled_values_are_those_of_the_definitions_and_each_has_a_prediction(
    setting: LinearSetting,
) -> None:
    values, disagreement = draw(setting, np.random.default_rng(3), check=True)
    assert len(values) == len(predictions(setting))
    # Explicit inverses lose the condition number, at most 1e4 (eigenvalues of 30 samples over a
    # ridge of 1e-3 or a noise of 0.1), of a rounding error.
    assert disagreement is not None
    assert disagreement < 1e4 * 10 * np.finfo(float).eps


def test_sampler_equals_its_recursion_to_rounding() -> None:
    assert recursion_error() < linear_module.RECURSION_TOLERANCE


def test_every_scale_has_the_promised_range_and_draws_enough_for_a_standard_error() -> None:
    settings = LINEAR_SCALES["cpu"]()
    assert len({setting.key for setting in settings}) == len(settings) >= 30
    assert {setting.dimension for setting in settings} == {100, 200, 400}
    assert min(setting.load for setting in settings) == 0.1
    assert max(setting.load for setting in settings) == 30.0
    assert {1e-6, 1.0} <= {setting.c for setting in settings}
    assert all(setting.draws >= 40 for setting in settings)
    # The expansion in 1/d has no meaning at n = 1 with a tiny ridge.
    assert all(setting.c >= 1e-2 for setting in settings if 0.7 < setting.load < 1.5)


@pytest.mark.parametrize(
    ("deviation", "told"), [(2.9, "ok"), (3.1, "beyond 3"), (9.0, "FAILED"), (np.nan, "FAILED")]
)
def test_a_deviation_is_judged_by_its_standard_errors(deviation: float, told: str) -> None:
    row = compared("a setting", "a loss", 2.0, 1.0, 1.0 + 0.1 * deviation, 0.1, 100)
    assert verdict(row, 0.01 / 500) == told
    assert row.beyond == pytest.approx(2.0 * t.sf(3.0, 99))


def test_without_a_correction_a_deviation_of_c_over_d_is_permitted_and_no_more() -> None:
    values = 2.0 * (1.0 + np.array([0.0299, 0.0301, 0.0300, 0.0300]))
    allowed = judge("a setting", Prediction("pair", 2.0, None, 3.0), values, 100)
    assert allowed.sigmas == pytest.approx(0.0, abs=1e-9)
    assert allowed.seen == pytest.approx(3.0)
    tight = judge("a setting", Prediction("pair", 2.0, None, 2.0), values, 100)
    assert tight.sigmas == pytest.approx(2.0 * 0.01 / float(values.std(ddof=1) / 2.0))


def test_line_through_exact_values_has_their_intercept_and_slope() -> None:
    sizes = np.array([100.0, 200.0, 400.0])
    line, errors = line_in_inverse_size(sizes, 0.01 + 3.0 / sizes, np.array([1e-3, 1e-3, 2e-3]))
    np.testing.assert_allclose(line, [0.01, 3.0], rtol=1e-10)
    assert np.all(errors > 0.0)


def test_permitted_count_is_the_tail_of_the_binomial_law_when_settings_are_alike() -> None:
    row = LinearRow("", "loss", 1.0, None, 1.0, 0.1, 0.0, 1.0, 0.02)
    rows = [replace(row, label=f"setting {i}") for i in range(50) for _ in range(3)]
    count, expected = permitted(rows)
    assert expected == pytest.approx(50 * 0.06)
    tails = [float(binom.sf(count - 1 + i, 50, 0.06)) for i in range(2)]
    assert tails[1] < COUNT_TAIL <= tails[0]


def test_a_wrong_prediction_ends_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def mistaken(setting: LinearSetting) -> list[Prediction]:
        rows = predictions(setting)
        return [replace(rows[0], corrected=1.05 * rows[0].best), *rows[1:]]

    monkeypatch.setitem(LINEAR_SCALES, "smoke", lambda: TINY)
    monkeypatch.setattr(linear_module, "predictions", mistaken)
    assert main(["linear"]) == 1
    assert "FAILED" in capsys.readouterr().out
