"""A test of the wrong size, and an edge out of place, fail in the experiment on comparisons."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rmtspec.solve.tracy_widom import TracyWidom
from validation.comparisons.experiment import COMPARE
from validation.harness.experiment import Outcome, Setup, Task

D = 100


def _verdicts(task: Task, values: dict[str, object]) -> dict[str, str]:
    return {check.name: check.verdict for check in COMPARE.judge([Outcome(task, values)])}


@pytest.mark.parametrize(("rejected", "verdict"), [(28, "passed"), (70, "failed")])
@pytest.mark.parametrize("kind", ["formula", "comparison"])
def test_the_share_of_rejected_models_is_judged(kind: str, rejected: int, verdict: str) -> None:
    asked = {"kind": kind, "setting": "covariance, n > d", "d": D, "draws": 500}
    values = {
        "rejected": [rejected, 5],
        "mean": [0.0, 0.02],
        "square": [1.0, 1.05],
        "combinations": [[0.0], [1.0], [0.0], [3.0]],
        "shares": [0.1],
    }
    found = _verdicts(Task("a", asked), values)
    (name,) = (name for name in found if name.endswith("rejected at 0.05"))
    assert found[name] == verdict
    assert all(other != "failed" for key, other in found.items() if key != name)


@pytest.mark.parametrize(("off", "verdict"), [(0.05, "passed"), (0.4, "failed")])
def test_the_place_of_an_edge_is_judged(off: float, verdict: str) -> None:
    law = TracyWidom(1)
    sd = law.standard_deviation
    asked = {"kind": "edges", "setting": "atom", "d": D, "draws": 2000}
    values = {
        "location": [1.0], "side": [1.0], "distance": [0.02], "spread": [sd],
        "mean": [law.mean + off * sd],
    }  # fmt: skip
    found = _verdicts(Task("a", asked), values)
    (name,) = (name for name in found if "mean place" in name)
    assert found[name] == verdict


@pytest.mark.parametrize("kind", ["formula", "comparison", "edges"])
def test_a_task_measures_what_is_judged(kind: str, tmp_path: Path) -> None:
    asked = {"kind": kind, "setting": "covariance, n > d", "d": 26, "draws": 3}
    task = Task("a", asked)
    values = json.loads(json.dumps(COMPARE.measure(task, Setup(0, "cpu", tmp_path))))
    assert np.isfinite([c.experiment for c in COMPARE.judge([Outcome(task, values)])]).all()
