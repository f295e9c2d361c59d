"""When to stop on given rows: the report is what the model of these rows answers."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from matplotlib.figure import Figure

import rmtspec as rs
from rmtspec.inputs.samples import standardise
from rmtspec.random_features.stopping import (
    SHARE,
    _disagreements,
    _doubling,
    _flatness,
    _loss,
    _Run,
    _time,
)
from rmtspec.random_features.summaries.stopping import Estimate


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, 10)) * np.geomspace(2.0, 0.3, 10) + 5.0


@pytest.fixture(scope="module")
def report(rows):
    return rs.stopping_report(rows, psi_p=8.0, t=0.1)


def test_the_report_is_that_of_the_standardised_rows_in_two_splits(rows, report):
    scaled, rng = standardise(rows), np.random.default_rng(0)
    best, ends = [], []
    for _ in range(2):
        order = rng.permutation(200)
        with pytest.warns(rs.FewDimensionsWarning):
            model = rs.RandomFeatureModel.from_data(
                scaled[order[40:]], 8.0, 0.1, test=scaled[order[:40]]
            )
        best.append(model.training().best_stopping())
        ends.append(model.training().window(share=SHARE))
    assert report.best.value == pytest.approx(math.sqrt(best[0].tau * best[1].tau), rel=1e-12)
    assert report.losses["test"].value == pytest.approx(0.5 * (best[0].test + best[1].test))
    both = math.sqrt(ends[0].tau_mem_loss * ends[1].tau_mem_loss)
    assert report.tau_mem.value == pytest.approx(both, rel=1e-12)
    assert report["data"]["trained"] == 160


def test_neither_mean_nor_unit_of_the_data_matters(rows, report):
    other = rs.stopping_report(1000.0 * rows - 7.0, psi_p=8.0, t=0.1)
    # Scaling is rounded to a few ulp; the minimum of the loss is flat to its square root.
    assert other.tau_mem.value == pytest.approx(report.tau_mem.value, rel=1e-6)
    assert other.losses["test"].value == pytest.approx(report.losses["test"].value, rel=1e-9)


def test_times_are_in_order_and_errors_are_never_below_what_the_theory_missed(report):
    assert 0.0 < report.tau_gen.value < report.best.value < report.tau_mem.value
    assert report.tau_gen.error >= 0.06 * report.tau_gen.value
    assert report.losses["final test"].error >= 0.07 * report.losses["final test"].value


def test_steps_are_times_by_the_rate(rows, report):
    steps = rs.stopping_report(rows, psi_p=8.0, t=0.1, learning_rate=0.5)
    assert steps.best.value == pytest.approx(report.best.value * 10**2 / 0.5)
    assert "steps" in str(steps)


def test_twice_the_data_follow_the_exponent_between_half_of_them_and_all(report):
    half, whole = report["subsets"][-2:]
    exponent = math.log(whole["tau_mem"] / half["tau_mem"]) / math.log(2.0)
    assert report.doubling["exponent"] == pytest.approx(exponent)
    assert report.doubling["tau_mem"] == pytest.approx(whole["tau_mem"] * 2.0**exponent)


def test_a_model_that_never_memorises_is_said_to(rows):
    report = rs.stopping_report(rows, psi_p=0.2, t=0.5)
    assert report.tau_mem.value == math.inf
    assert "never memorises" in str(report)
    assert '"value": "inf"' in report.to_json()


def test_training_that_only_harms_is_said_to(report):
    harms = {**report.values, "best": {"value": 0.0, "error": 0.0}}
    assert "only harms" in str(dataclasses.replace(report, values=harms))


def test_what_speaks_against_the_numbers_is_said(rows):
    few = rs.stopping_report(np.vstack([rows[:15], rows[:15]]), 4.0, 0.1)
    assert any("repeat others" in reason for reason in few.trust)
    assert any("held-out rows say little" in reason for reason in few.trust)
    idle = rs.stopping_report(np.column_stack([rows[:30], np.ones(30)]), 4.0, 0.1)
    assert any("1 of 11 columns is constant" in reason for reason in idle.trust)


def test_splits_that_disagree_are_a_reason_for_doubt():
    one = _Run(100, 1.0, 5.0, 30.0, 0.5, 0.6, 0.4, 0.7, 0.1)
    other = dataclasses.replace(one, tau_mem=math.inf)
    assert list(_disagreements([one, one])) == []
    assert list(_disagreements([other, other])) == []
    (said,) = _disagreements([one, other])
    assert "memorises" in said


def test_an_estimate_shows_no_digits_below_its_error():
    assert str(Estimate(764.63, 229.4)) == "760 ± 200"
    assert str(Estimate(0.48541, 0.0049)) == "0.485 ± 0.005"
    assert str(Estimate(math.inf, math.nan)) == "inf"
    assert str(Estimate(2499.0, math.inf)) == "2500, or never,"


RUN = _Run(100, 1.0, 5.0, 30.0, 0.5, 0.6, 0.4, 0.9, 0.1)


def test_halves_of_the_held_out_rows_give_twice_the_standard_error():
    """Losses 0.6 + noise of standard error s on a whole: the mean of two has s/sqrt(2)."""
    s = 0.02
    rng = np.random.default_rng(0)
    quoted = []
    for _ in range(400):
        halves = 0.6 + s * math.sqrt(2.0) * rng.standard_normal(4)
        runs = [dataclasses.replace(RUN, test=half) for half in halves]
        quoted.append(_loss([RUN, RUN], runs, "test", "early loss").error)
    # Root mean square over 1600 numbers: 2 % is more than its standard error.
    assert math.sqrt(np.mean(np.square(quoted))) == pytest.approx(
        2.0 * s / math.sqrt(2.0), rel=0.05
    )


def test_a_half_that_never_memorises_leaves_it_open_whether_all_do():
    never = dataclasses.replace(RUN, tau_mem=math.inf)
    assert _time([RUN, RUN], [RUN] * 4, "tau_mem", 1.0).error == pytest.approx(3.0)
    assert _time([RUN, RUN], [RUN, RUN, RUN, never], "tau_mem", 1.0).error == math.inf


def test_the_less_the_loss_rises_above_the_window_the_less_is_known_of_its_end():
    level = 0.6 + SHARE * 0.4
    ends = [dataclasses.replace(RUN, final_test=level + rise) for rise in (0.3, 0.03, 0.01)]
    small, large, open_ = (_flatness([end, end]) for end in ends)
    assert small < 0.1 < large < 1.0
    assert open_ == math.inf
    assert _time([ends[1]] * 2, [ends[1]] * 4, "tau_mem", 1.0).error == pytest.approx(30.0 * large)


@pytest.mark.parametrize(("end", "at_least"), [(0.9, False), (0.65, True)])
def test_a_rise_that_would_vanish_with_twice_the_data_gives_a_bound_only(end, at_least):
    """Exponents fall; the rise of 0.5 shares of 0.4 goes on as it went from a half to all."""
    quarter = {"rows": 25, "tau_mem": 2.0, "test": 0.6, "final_test": 1.4}
    half = {"rows": 50, "tau_mem": 10.0, "test": 0.6, "final_test": 1.0}
    whole = {"rows": 100, "tau_mem": 30.0, "test": 0.6, "final_test": end}
    found = _doubling([quarter, half, whole], Estimate(30.0, 6.0))
    assert found["at_least"] is at_least
    assert found["error"] == pytest.approx(0.4 * found["tau_mem"])


def test_the_picture_shades_the_window(report):
    ax = report.plot(Figure().subplots())
    (band,) = ax.patches
    ends = band.get_x(), band.get_x() + band.get_width()
    assert ends == pytest.approx((report.tau_gen.value, report.tau_mem.value))
    assert len(ax.lines) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.ones((24, 3))}, "x must"),
        ({"x": np.random.default_rng(0).normal(size=(24, 3))}, "x must have at least 25 rows"),
        ({"psi_p": -1.0}, "psi_p"),
        ({"t": 0.0}, r"t must be a finite number in \[1e-06, 20\]"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"seed": -1}, "seed"),
        ({"activation": "tahn"}, "did you mean"),
    ],
)
def test_bad_arguments_are_named(rows, change, message):
    with pytest.raises(ValueError, match=message):
        rs.stopping_report(**{"x": rows, **change})


@pytest.mark.parametrize("change", [{"source": 3}, {"progress": "False"}, {"learning_rate": "1"}])
def test_arguments_of_another_kind_are_refused_before_any_work(rows, change):
    (name,) = change
    with pytest.raises(TypeError, match=name):
        rs.stopping_report(rows, **change)
