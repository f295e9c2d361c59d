"""A report on when to stop, from few rows, against networks that are tested on many others."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.inputs.samples import standardise
from rmtspec.result import DataWarning
from validation.data.given_draws import Numbers, networks
from validation.data.given_settings import PSI_P
from validation.data.pictures import pictures
from validation.harness.draws import generator

Array = NDArray[np.float64]

QUANTITIES = ("tau_gen", "best", "tau_mem", "test", "final train", "final test")
TWICE = "tau_mem at twice the rows"
_TESTED_ON = 1000
_SUBSETS = 3


@dataclass(frozen=True)
class ReportRun:
    """Reports on different rows of one set.

    Attributes
    ----------
    rows : what the report is given, of which it holds out a fifth
    """

    pictures: str
    rows: int
    t: float
    draws: int

    @property
    def key(self) -> str:
        """Name in the records and in the tables."""
        return f"report on {self.rows} {self.pictures}, t = {self.t:g}"

    @property
    def work(self) -> float:
        """Relative cost of one draw, for the progress bar."""
        return 6.0 + self.rows / 20.0

    @property
    def trained(self) -> int:
        """Rows that the report trains on when it has held out a fifth."""
        return self.rows - self.rows // 5


def draw_report(run: ReportRun, i: int, seed: int) -> dict[str, tuple[float, float, float]]:
    """Return what the report says of each quantity, the error it quotes, and what networks say.

    Networks are trained on random subsets of the rows of the report, as many as it trains on; at
    twice the rows, on all of them and others.  They are tested on rows that the report has not.
    """
    rng = generator(seed, "report", run.pictures, run.rows, i)
    found = pictures(run.pictures)
    chosen = found[rng.permutation(len(found))[: run.rows + run.trained + _TESTED_ON]]
    given = chosen[: run.rows]
    # All in the units of the report: its own rows have mean 0 and mean variance 1.
    chosen = (chosen - given.mean(axis=0)) / np.sqrt(np.mean((given - given.mean(axis=0)) ** 2))
    more, test = np.split(chosen, [run.rows + run.trained])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        report = rs.stopping_report(standardise(given), PSI_P, run.t, seed=i)
    now = _trained(more[: run.rows], run.trained, test, run.t, rng)
    later = _trained(more, 2 * run.trained, test, run.t, rng)
    losses = report.losses
    said = {
        "tau_gen": report.tau_gen,
        "best": report.best,
        "tau_mem": report.tau_mem,
        "test": losses["test"],
        "final train": losses["final train"],
        "final test": losses["final test"],
    }
    true = (now.tau_gen, now.best, now.tau_mem, now.least_test, now.final_train, now.final_test)
    pairs = {
        name: (said[name].value, said[name].error, value)
        for name, value in zip(QUANTITIES, true, strict=True)
    }
    twice = report.doubling
    # "At least" allows any later time.
    pairs[TWICE] = (
        twice["tau_mem"],
        math.inf if twice["at_least"] else twice["error"],
        later.tau_mem,
    )
    return pairs


def _trained(rows: Array, samples: int, test: Array, t: float, rng: np.random.Generator) -> Numbers:
    """Mean over random subsets and networks, geometric for times."""
    single = []
    for _ in range(_SUBSETS):
        x = rows[rng.permutation(len(rows))[:samples]]
        mean = x.mean(axis=0)
        single.append(networks(x - mean, test - mean, t, "tanh", rng).numbers)
    table = np.array(single)
    times = np.exp(np.log(table).mean(axis=0))
    return Numbers(*np.where([n in LOSSES for n in Numbers._fields], table.mean(axis=0), times))


LOSSES = ("least_test", "final_train", "final_test")
