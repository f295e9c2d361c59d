"""The experiment on predictions: what it plans, and that its judgement can fail."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from validation.harness.checks import FAILED
from validation.harness.experiment import Outcome, Setup, Task, packed
from validation.parametrisations import draws, tables
from validation.parametrisations.experiment import EXPERIMENTS

(EXPERIMENT,) = EXPERIMENTS


def test_twelve_settings_over_paths_and_all_targets_are_simulated():
    for scale in ("smoke", "cpu"):
        keys = [task.key for task in EXPERIMENT.plan(scale)]
        assert len(keys) == len(set(keys))
        assert sum(key.startswith("networks") and "gaussian" in key for key in keys) == 12
        sizes = {key.rsplit(", ", 1)[1] for key in keys if "true" in key and "networks" in key}
        assert len(sizes) == 3
    assert sum(key.startswith("trained") for key in keys) == 4
    assert EXPERIMENT.plan("gpu") == []


def test_a_right_table_passes_and_a_wrong_one_fails(tmp_path):
    task = Task("table, two atoms, 0.3", {"data": "two atoms", "signal": 0.3})
    values = EXPERIMENT.measure(task, Setup(0, "cpu", tmp_path))
    assert all(check.verdict != FAILED for check in EXPERIMENT.judge([Outcome(task, values)]))
    wrong = copy.deepcopy(values)
    wrong["values"][2][1] *= 1.02
    verdicts = [check.verdict for check in EXPERIMENT.judge([Outcome(task, wrong)])]
    assert verdicts.count(FAILED) == 1


def test_networks_are_judged_against_theory_in_standard_errors(tmp_path):
    settings = {"level": "flow 0.5", "matrix": "gaussian", "d": 24, "draws": 6}
    task = Task("networks, flow 0.5, gaussian, 24", settings)
    values = EXPERIMENT.measure(task, Setup(0, "cpu", tmp_path))
    checks = EXPERIMENT.judge([Outcome(task, values)])
    assert len(checks) == 8
    assert all(check.verdict != FAILED for check in checks)
    theory, _ = draws.theory_of("flow 0.5")
    off = np.array(values["mean"], dtype=float)
    off[3, 1] += 0.2 * theory[3, 1]
    moved = {**values, "mean": packed(off)}
    assert [check.verdict for check in EXPERIMENT.judge([Outcome(task, moved)])].count(FAILED) == 1


def test_known_numbers_hold_for_two_data_sets():
    times = [tau for data, tau in tables.KNOWN_PAIRS if data == "two atoms"]
    for tau, row in zip(times, tables.pairs_of("two atoms", times), strict=True):
        known = [float(text) for text in tables.KNOWN_PAIRS["two atoms", tau].split()]
        np.testing.assert_allclose(row, known, rtol=5e-3, atol=5.1e-4)


def test_trained_networks_follow_the_exact_flow_of_their_own_features():
    pytest.importorskip("torch")
    from validation.parametrisations import networks

    found = networks.trained("velocity", 0)
    np.testing.assert_allclose(found["trained"], found["exact"], rtol=0.05)
