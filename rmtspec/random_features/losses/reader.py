"""What is read off the losses of one training: the best time to stop, and windows of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import _checks
from ...solve.search import first_true, smallest
from ..families import Timescales
from ..results import BestStopping, LearningCurves, Window

FloatArray = NDArray[np.float64]


class Losses(Protocol):
    """Losses as multiples of Δ above that of A = 0, and a bound on their error; (times,) each."""

    @property
    def train(self) -> FloatArray:
        """On the samples."""

    @property
    def test(self) -> FloatArray:
        """On fresh data."""

    @property
    def error(self) -> FloatArray:
        """Of both."""


@dataclass(frozen=True)
class Reader:
    """The losses of one training, as functions of time.

    Parameters
    ----------
    losses : of flat times that the rule of training has, inf included
    test : of any flat times, what is least where the test loss is
    gap : of any flat times, the generalisation loss over `unit`
    curves : as the user sees them
    realised : times that the rule of training has, nearest to given ones
    grid : times that cover the whole of training, ascending
    offset : score error less `test`
    unit : of `gap`
    delta : of `test`
    """

    losses: Callable[[FloatArray], Losses]
    test: Callable[[FloatArray], FloatArray]
    gap: Callable[[FloatArray], FloatArray]
    curves: Callable[[ArrayLike], LearningCurves]
    realised: Callable[[FloatArray], FloatArray]
    grid: FloatArray
    offset: Callable[[], float]
    unit: float
    delta: float

    @cached_property
    def best(self) -> BestStopping:
        """The time at which the test loss is smallest, and the losses there."""
        tau = float(self.realised(np.array(smallest(self.test, self.grid))))
        at = np.array([0.0, tau, np.inf])
        ordered = self.losses(at)
        # A minimum that lies below the two ends only by rounding is none.
        margin = np.array([0.0, 1.0, 0.0]) * (ordered.error[1] + ordered.error[2])
        best = self.curves(float(at[np.argmin(ordered.test + margin)]))
        return BestStopping(
            float(best.tau),
            float(best.train),
            float(best.test),
            float(best.generalization),
            float(best.score_error),
        )

    def window(self, times: Timescales, share: float, excess: float, fraction: float) -> Window:
        """Between generalisation and memorisation; see `Training.window`."""
        share = _checks.real("share", share, 0.0, 1.0, low_open=True, high_open=True)
        excess = _checks.positive("excess", excess)
        fraction = _checks.real("fraction", fraction, 0.0, 1.0, low_open=True, high_open=True)
        best = self.best
        end = self.curves(np.inf)
        goal = (1.0 + excess) * best.score_error - self.offset()
        memorised = fraction * float(end.generalization) / self.unit
        grid = later = self.grid
        if 0.0 < best.tau < np.inf:
            grid, later = np.union1d(grid, best.tau), np.append(best.tau, grid[grid > best.tau])

        def learned(tau: FloatArray) -> NDArray[np.bool_]:
            return self.test(tau) <= goal

        def overfits(tau: FloatArray) -> NDArray[np.bool_]:
            return self.gap(tau) >= memorised

        first = _first(learned, grid)
        last = _first(overfits, later, best.tau) if memorised > 0.0 else np.nan
        start, least, late = self.test(np.array([0.0, best.tau, np.inf]))
        level = least + share * (start - least)
        begin, over = self._within_loss(level, late, best.tau, grid, later)
        rise = self.delta * abs(late - level)  # these losses are shifted and over Δ
        flatness = float(end.test / rise) if rise > 0.0 else np.inf
        first, last, begin, over = self.realised(np.array([first, last, begin, over]))
        return Window(
            times.tau_gen,
            times.tau_mem,
            float(first),
            float(last),
            float(begin),
            float(over),
            excess,
            fraction,
            share,
            flatness,
        )

    def _within_loss(
        self, level: float, late: float, best: float, grid: FloatArray, later: FloatArray
    ) -> tuple[float, float]:
        """When the test loss comes down to a level, and when it has left that again."""
        if best == 0.0:
            return 0.0, 0.0
        begin = _first(lambda tau: self.test(tau) <= level, grid)
        if not late > level:
            return begin, np.inf
        return begin, _first(lambda tau: self.test(tau) > level, later, best)


def _first(
    holds: Callable[[FloatArray], NDArray[np.bool_]], grid: FloatArray, start: float = 0.0
) -> float:
    """First time from `start` on at which something holds: the grid lacks 0 and inf."""
    if holds(np.array([start]))[0]:
        return start
    inside = first_true(holds, grid)
    return np.inf if np.isnan(inside) and holds(np.array([np.inf]))[0] else inside
