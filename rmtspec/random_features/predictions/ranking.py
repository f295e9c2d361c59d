r"""The least score error of every prediction along a path, and where two of them change places.

At a noise level every prediction is that of noise with a skip χ, so that three forms give the
errors of all: :math:`E_{score}=e_0-2\chi e_1+\chi^2e_2`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...inputs.diffusion.prediction import Prediction
from .questions import PredictionCourse

FloatArray = NDArray[np.float64]

RATIOS = np.geomspace(1e3, 1e-2, 26)
"""Signal-to-noise ratios at which rankings are looked at."""

_SPARSE = 3  # one time in so many of those that cover training: eight a decade
_POINTS = 12  # around a minimum, each round
_ROUNDS = 2
_TIE = 1e-6  # errors closer than this are one
_ZERO = 1e-13  # of the score error: rounding


class Ranking(NamedTuple):
    """Least score errors along the path, and where rankings flip.

    Attributes
    ----------
    ratios : (levels,) signal-to-noise ratios, falling
    errors : (predictions, levels)
    flips : one dict a pair and flip: ``below``, the prediction that is better at less signal,
        ``above``, ``snr``, ``alpha_bar`` and ``t``
    """

    ratios: FloatArray
    errors: FloatArray
    flips: list[dict[str, Any]]


def ranking(training: PredictionCourse, predictions: Sequence[Prediction]) -> Ranking:
    """Least errors of predictions at other levels of the same path; the clock is of no matter."""
    plain = replace(training, prediction=Prediction.noise())
    known: dict[float, FloatArray] = {}

    def errors_at(t: float) -> FloatArray:
        if t not in known:
            known[t] = least_errors(plain, t, predictions)
        return known[t]

    times = 0.5 * np.log1p(1.0 / RATIOS)
    errors = np.array([errors_at(float(t)) for t in times]).T
    flips = []
    for first, second in combinations(range(len(predictions)), 2):
        apart = _apart(errors[first], errors[second])
        for i in range(times.size - 1):
            if apart[i] * apart[i + 1] < 0.0:
                t = _crossing(errors_at, first, second, float(times[i]), float(times[i + 1]))
                above, below = (first, second) if apart[i] < 0.0 else (second, first)
                flips.append(
                    {
                        "above": predictions[above].name,
                        "below": predictions[below].name,
                        "snr": float(1.0 / np.expm1(2.0 * t)),
                        "alpha_bar": float(np.exp(-2.0 * t)),
                        "t": t,
                    }
                )
    return Ranking(RATIOS, errors, flips)


def least_errors(
    training: PredictionCourse, t: float, predictions: Sequence[Prediction]
) -> FloatArray:
    """Least score error over training time of every prediction, at time t of the path."""
    at = replace(training, model=replace(training.model, t=t))
    level = at.model.level
    skips = np.array([one.noise_skip(level) for one in predictions])

    def errors(tau: FloatArray) -> FloatArray:
        return _errors(at, at.relaxation.times(tau), skips)

    end = at.probes[-1]
    grid = np.concatenate([[0.0], at.probes[::_SPARSE], [end]])
    found = errors(grid)
    least = found.min(axis=1)
    for _ in range(_ROUNDS):
        finer = []
        for best in np.argmin(found, axis=1):
            low = max(grid[max(best - 1, 0)], 1e-6 * grid[1])
            finer.append(np.geomspace(low, grid[min(best + 1, grid.size - 1)], _POINTS))
        grid = np.concatenate([[0.0], np.unique(np.concatenate(finer)), [end]])
        found = errors(grid)
        least = np.minimum(least, found.min(axis=1))
    return np.asarray(np.maximum(least, 0.0))


def _errors(at: PredictionCourse, tau: FloatArray, skips: FloatArray) -> FloatArray:
    zero, one, two = at.sketched_forms(tau)
    chi = skips[:, None]
    return np.asarray(zero - 2.0 * chi * one + chi * chi * two)


def _apart(first: FloatArray, second: FloatArray) -> FloatArray:
    """Logarithm of the ratio of two errors, 0 where it is rounding."""
    logs = np.log(np.maximum(first, _ZERO)) - np.log(np.maximum(second, _ZERO))
    return np.where(np.abs(logs) > _TIE, logs, 0.0)


def _crossing(
    errors_at: Callable[[float], FloatArray], first: int, second: int, low: float, high: float
) -> float:
    from scipy.optimize import brentq

    def apart(log_t: float) -> float:
        found = np.maximum(errors_at(float(np.exp(log_t))), _ZERO)
        return float(np.log(found[first]) - np.log(found[second]))

    return float(np.exp(brentq(apart, np.log(low), np.log(high), xtol=1e-4)))
