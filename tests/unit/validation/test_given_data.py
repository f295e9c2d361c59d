"""The exact kernel of pictures against networks: what is read off curves, and what decides."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import rmtspec as rs
from validation.data import given_run as given_module
from validation.data.given_draws import (
    Numbers,
    networks,
    packed_numbers,
    read_off,
    split_rows,
    theory,
    unpacked_numbers,
)
from validation.data.given_run import OF_THE_LAW, SPLITS, deviation, judge
from validation.data.given_settings import GIVEN_SCALES, PSI_P, GivenRun
from validation.data.pictures import SETS, pictures
from validation.experiments.real_data import GIVEN
from validation.harness.checks import FAILED, MEASURED, PASSED
from validation.harness.experiment import Outcome, Task

LIMITS = {"least test loss": 0.01, "tau_mem": 0.1}
RUN = GivenRun("digits", 20, 0.1, "tanh", LIMITS, draws=2, held_out=40, networks=2)
TAU = np.append(np.logspace(-2.0, 4.0, 601), np.inf)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


def curve(rise: float) -> np.ndarray:
    """A loss that falls from 1 towards 0.5 and then rises by `rise`."""
    return 1.0 - 0.5 * -np.expm1(-TAU) + rise * -np.expm1(-TAU / 1e3)


def test_a_window_is_read_off_where_the_test_loss_crosses_its_level() -> None:
    found = read_off(TAU, np.exp(-TAU), curve(0.2))
    least = curve(0.2).min()
    level = least + 0.05 * (1.0 - least)
    inside = np.array([found.tau_gen, found.tau_mem])
    values = 1.0 - 0.5 * -np.expm1(-inside) + 0.2 * -np.expm1(-inside / 1e3)
    # Between neighbours, 2.3 % apart, the loss is interpolated: its curvature is of order one.
    np.testing.assert_allclose(values, level, atol=0.03**2)
    assert found.tau_gen < found.best < found.tau_mem
    assert found.final_test == pytest.approx(0.7)
    assert found.final_train == 0.0


def test_a_curve_that_stays_within_its_window_never_memorises() -> None:
    assert read_off(TAU, curve(0.0), curve(0.02)).tau_mem == math.inf
    assert read_off(TAU, curve(0.0), curve(0.03)).tau_mem < math.inf


def test_the_window_of_networks_is_that_of_the_training() -> None:
    """The definition of the package on the package's own curve."""
    x, test = split_rows(pictures("digits"), 64, 200, np.random.default_rng(0))
    with pytest.warns(rs.FewDimensionsWarning):
        training = rs.RandomFeatureModel.from_data(x, PSI_P, 0.1, test=test).training()
    tau = np.append(np.logspace(-1.0, 6.0, 1401), np.inf)
    curves = training.learning_curves(tau)
    again, window = read_off(tau, curves.train, curves.test), training.window(share=0.05)
    assert again.tau_gen == pytest.approx(window.tau_gen_loss, rel=1e-3)
    assert again.tau_mem == pytest.approx(window.tau_mem_loss, rel=1e-3)


def test_times_that_never_come_survive_their_record() -> None:
    numbers = [1.5, math.inf, math.nan]
    np.testing.assert_array_equal(unpacked_numbers(packed_numbers(numbers)), numbers)


def records(
    test: float = 0.5, tau_mem: float = 300.0, flatness: float = 3.0
) -> list[dict[str, Any]]:
    seen = Numbers(90.0, 0.5, 0.3, 0.7, 40.0, 300.0)
    said = seen._replace(least_test=test, tau_mem=tau_mem)
    one = {"networks": [packed_numbers(seen)] * 2, "exact": packed_numbers(said)}
    seen_quantiles = [0.01, 0.02, 0.5]
    laws = {"one floor": [0.015, 0.02, 0.5], "by neuron": [0.0119, 0.02, 0.54]}
    quantiles = {"networks": [seen_quantiles] * 2, "gaussian": seen_quantiles, **laws}
    one |= {"gaussian": packed_numbers(said), "flatness": flatness, "quantiles": quantiles}
    return [one] * 2


@pytest.mark.parametrize(
    ("changed", "quantity", "verdict"),
    [
        ({"test": 0.5049}, "least test loss", PASSED),
        ({"test": 0.5051}, "least test loss", FAILED),
        ({"test": 0.4949}, "least test loss", FAILED),
        ({"test": math.nan}, "least test loss", FAILED),
        ({"tau_mem": 329.0}, "tau_mem", PASSED),
        ({"tau_mem": 331.0}, "tau_mem", FAILED),
        ({"tau_mem": math.nan}, "tau_mem", FAILED),
        ({"tau_mem": 331.0}, SPLITS, PASSED),
        ({"tau_mem": math.inf}, SPLITS, FAILED),
        ({"test": 0.6}, "final test loss", MEASURED),
        # 2 % of the late loss times the flatness of the crossing: 12 %, 120 %
        ({"tau_mem": 335.0, "flatness": 6.0}, "tau_mem", PASSED),
        ({"tau_mem": 337.0, "flatness": 6.0}, "tau_mem", FAILED),
        ({"tau_mem": math.inf, "flatness": 49.0}, SPLITS, FAILED),
        ({"tau_mem": math.inf, "flatness": 60.0}, SPLITS, PASSED),
        ({"test": 0.5051, "flatness": 60.0}, "least test loss", FAILED),
    ],
)
def test_a_limit_decides_and_a_missing_number_fails(
    changed: dict[str, float], quantity: str, verdict: str
) -> None:
    rows = {row["quantity"]: row for row in judge(RUN, records(**changed))}
    assert rows[quantity]["verdict"] == verdict


def test_quantiles_of_one_law_are_judged_and_of_the_other_shown() -> None:
    rows = {row["quantity"]: row["verdict"] for row in judge(RUN, records())}
    assert {name: rows[name] for name in OF_THE_LAW} == {
        "10 % quantile of U, one floor": MEASURED,
        "10 % quantile of U, floors by neuron": PASSED,
        "50 % quantile of U, one floor": MEASURED,
        "50 % quantile of U, floors by neuron": PASSED,
        "90 % quantile of U, one floor": MEASURED,
        "90 % quantile of U, floors by neuron": FAILED,
    }


def test_a_time_is_compared_on_the_splits_on_which_it_comes() -> None:
    first, second = records(tau_mem=303.0)[0], records(tau_mem=math.inf)[0]
    row = {row["quantity"]: row for row in judge(RUN, [first, second])}["tau_mem"]
    assert deviation(row, "exact") == pytest.approx(0.01)


def test_the_page_shows_both_theories_and_the_verdict_of_one() -> None:
    rows = judge(RUN, records(test=0.6, tau_mem=335.0, flatness=6.0))
    checks = GIVEN.judge([Outcome(Task("pictures"), {"rows": rows})])
    assert len(checks) == 2 * len(rows)
    failed = [check for check in checks if check.verdict == FAILED]
    assert [check.name for check in failed] == [
        f"{RUN.key}: least test loss, exact kernel",
        f"{RUN.key}: 90 % quantile of U, floors by neuron, exact kernel",
    ]
    assert failed[0].note == "theory +20.0 %"
    flat = next(check for check in checks if "tau_mem" in check.name)
    assert flat.note == "theory +11.7 %, limit 12 %: a flat crossing"
    assert all(check.verdict == MEASURED for check in checks[1::2])


@pytest.mark.parametrize("name", SETS)
def test_pictures_are_centred_and_of_mean_variance_one(name: str) -> None:
    rows = pictures(name)
    np.testing.assert_allclose(rows.mean(axis=0), 0.0, atol=1e-12)
    assert np.mean(rows**2) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.filterwarnings("error")
def test_the_kernel_sees_what_networks_of_few_digits_do() -> None:
    x, test = split_rows(pictures("digits"), 64, 200, np.random.default_rng(0))
    seen = networks(x, test, 0.1, "silu", np.random.default_rng(1)).numbers
    said = theory(x, test, 0.1, "silu", "exact").numbers
    blind = theory(x, test, 0.1, "silu", "gaussian").numbers
    # One network of 384 neurons: its least test loss scatters by 0.3 %.
    assert said.least_test == pytest.approx(seen.least_test, rel=0.015)
    assert said.final_test == pytest.approx(seen.final_test, rel=0.07)
    assert blind.final_test > 1.2 * seen.final_test


def test_an_interrupted_comparison_resumes_to_the_same_file(
    resumes_to_the_same_file: Callable[[str, ModuleType], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = replace(RUN, limits={}, draws=5, networks=1)
    monkeypatch.setitem(GIVEN_SCALES, "smoke", lambda: [tiny])
    assert resumes_to_the_same_file("data", given_module)
