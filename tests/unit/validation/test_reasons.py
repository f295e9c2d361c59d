"""Exponents of series that differ in one setting, compared at the sizes that both reached."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from validation.experiments.pairs.reasons import judge_reasons
from validation.harness.experiment import Outcome, Task

STEPS = np.concatenate([[0.0], np.geomspace(1.0, 1e5, 200)])


def _outcome(n: int, draw: int, power: float, **settings: Any) -> Outcome:
    """A pair that memorises at 20 n^power updates, draws a tenth apart."""
    x = STEPS / (20.0 * n**power * math.exp(0.1 * (draw - 1)))
    rise = x / (1.0 + x)
    one = np.ones_like(rise)
    both = {"train": 1.0 - rise, "other": one, "test": 1.0 + rise,
            "copied": np.rint(1024.0 * rise), "pull": 1.0 - rise, "pull_other": one}  # fmt: skip
    values = {name: np.stack([c, c], axis=1).tolist() for name, c in both.items()}
    values["pull_other"][0] = [0.0, 0.0]
    # The updates granted differ from size to size.
    told = {"n": n, **settings, "source": "mixture", "rank": 0, "draw": draw, "steps": 100 * n}
    return Outcome(Task(f"{told}", told), {"step": STEPS.tolist(), **values})


def _series(power: float, sizes: tuple[int, ...], **settings: Any) -> list[Outcome]:
    return [_outcome(n, draw, power, **settings) for n in sizes for draw in range(3)]


@pytest.mark.parametrize(("power", "told"), [(1.5, "it moves"), (1.0, "no difference")])
def test_two_optimisers_differ_where_their_exponents_do(power: float, told: str) -> None:
    sizes = (16, 32, 64, 128)
    outcomes = _series(1.0, sizes, width=8, optimiser="sgd")
    outcomes += _series(power, sizes[:3], width=8, optimiser="adam")
    found = [c for c in judge_reasons(outcomes) if "half lean" in c.name]
    assert [c.name for c in found] == [
        "tau_mem, half lean: exponent in n, optimiser sgd less adam (width 8)"
    ]
    # Milestones 6 % apart; x = 1 is the onset of both, read off by interpolation.
    assert found[0].experiment == pytest.approx(1.0 - power, abs=0.01)
    assert told in found[0].note
    assert found[0].note.endswith("from n = 16, 32, 64")


def test_series_that_differ_twice_or_share_few_sizes_decide_nothing() -> None:
    first = _series(1.0, (16, 32, 64), width=8, optimiser="sgd")
    assert judge_reasons(first + _series(1.0, (16, 32, 64), width=4, optimiser="adam")) == []
    assert judge_reasons(first + _series(1.0, (32, 64, 128), width=4, optimiser="sgd")) == []
    assert judge_reasons(first + _series(1.0, (128, 256), width=4, optimiser="sgd")) == []
