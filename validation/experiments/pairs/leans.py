r"""When pairs of networks begin to lean on single samples: before the least test loss, or after?

Of a pair on disjoint data, at the update of least test loss (averaged over the two): beta, the mean
square D between the noise predictions, and, where the exact score is known, the share of the score
error that is spread between data sets, D/(2 Delta), the rest being bias.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from validation.experiments.pairs.memorisation import measured_level, schedule
from validation.experiments.pairs.onsets import first_above, lean
from validation.harness.checks import Check, limit, measured, within
from validation.harness.experiment import Outcome, unpacked

Array = NDArray[np.float64]


class Lean(NamedTuple):
    """What a pair, or the theory, does over training.

    Attributes
    ----------
    steps, test, beta, distance : over training
    variance, bias : parts of the score error; None where the exact score is not known
    """

    steps: Array
    test: Array
    beta: Array
    distance: Array
    variance: Array | None = None
    bias: Array | None = None

    @property
    def best(self) -> int:
        """Index of the least test loss."""
        return int(np.nanargmin(self.test))

    def early(self) -> float:
        """Return beta at half the updates of the least test loss."""
        # A weighted mean of milestones: linear in the logarithm.
        logs = np.log(np.maximum(self.steps, 0.1))
        return float(np.interp(logs[self.best] - math.log(2.0), logs, self.beta))

    def share(self) -> float:
        """Return the variance's share of the score error at the least test loss."""
        if self.variance is None or self.bias is None:
            return math.nan
        at = self.best
        return float(self.variance[at] / (self.variance[at] + self.bias[at]))

    def overtaken(self) -> float:
        """Return when variance exceeds bias, as a multiple of the update of least test loss."""
        if self.variance is None or self.bias is None:
            return math.nan
        ratio = np.maximum(self.variance, 1e-300) / np.maximum(self.bias, 1e-300)
        return first_above(self.steps, np.log(ratio), 0.0) / float(self.steps[self.best])


def of_pair(outcome: Outcome) -> Lean:
    """Return what was measured of a pair."""
    source, values = outcome.task.settings["source"], outcome.values
    distance = unpacked(values["distance"]).mean(axis=1)
    variance = bias = None
    if "score" in values:
        delta = float(schedule(source).delta[measured_level(source) - 1])
        variance = distance / (2.0 * delta)
        bias = unpacked(values["score"]).mean(axis=1) - variance
    steps, test = np.array(values["step"], dtype=float), unpacked(values["test"]).mean(axis=1)
    return Lean(steps, test, lean(values), distance, variance, bias)


def mean_of(numbers: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard error, 0 of a single number."""
    array = np.asarray(numbers, dtype=float)
    array = array[np.isfinite(array)]
    if array.size == 0:
        return math.nan, 0.0
    error = float(array.std(ddof=1) / math.sqrt(array.size)) if array.size > 1 else 0.0
    return float(array.mean()), error


def judge_leans(group: Sequence[Outcome], theory: dict[float, Lean]) -> list[Check]:
    """Return the lean of a series in n at and before the least test loss, by size.

    Parameters
    ----------
    group : pairs that differ in n and the draw
    theory : size -> random features
    """
    checks = []
    for n in sorted(theory):
        pairs = [of_pair(o) for o in group if o.task.settings["n"] == n]
        known, at = theory[n], f"n = {n:g}, at the least test loss"
        draws = f"{len(pairs)} pairs"
        for name, numbers, expected in (
            ("beta", [p.beta[p.best] for p in pairs], known.beta[known.best]),
            ("D", [p.distance[p.best] for p in pairs], known.distance[known.best]),
            ("share of variance in the score error", [p.share() for p in pairs], known.share()),
        ):
            mean, error = mean_of([float(x) for x in numbers])
            if math.isfinite(mean):
                checks.append(measured(f"{at}: {name}", mean, error, float(expected), draws))
        mean, error = mean_of([p.overtaken() for p in pairs])
        if math.isfinite(mean):
            checks.append(
                measured(f"n = {n:g}: updates at which variance overtakes bias, over those of the "
                         "least test loss", mean, error, known.overtaken(), draws)
            )  # fmt: skip
    mean, error, draws = _early(group)
    checks.append(
        within("beta at half the updates of the least test loss, all sizes", mean,
               limit(draws) * error, math.inf, error,
               f"{len(group)} pairs; the lean is there before the test loss turns")
    )  # fmt: skip
    return checks


def _early(group: Sequence[Outcome]) -> tuple[float, float, int]:
    """Return the mean early lean of all pairs, its error, and for how many draws that counts.

    Draws are random and sizes are not: the error is that of draws of one size.
    """
    sizes: dict[float, list[float]] = {}
    for outcome in group:
        sizes.setdefault(outcome.task.settings["n"], []).append(of_pair(outcome).early())
    every = np.concatenate([np.array(values) for values in sizes.values()])
    free = every.size - len(sizes)
    around = sum(float(np.var(values)) * len(values) for values in sizes.values())
    error = math.sqrt(around / free / every.size) if free > 0 else 0.0
    return float(every.mean()), error, free + 1
