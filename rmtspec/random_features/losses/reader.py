"""What is read off the losses of one training: the best time to stop, and windows of time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import _checks
from ...result import ConvergenceWarning, caller_level
from ...solve.search import crossings, smallest
from ..families import Timescales
from ..results import BestStopping, LearningCurves, Window

FloatArray = NDArray[np.float64]

_BY_CURVES = ("tau_gen_curve", "tau_mem_curve", "tau_gen_loss", "tau_mem_loss", "flatness")
_TIE = 1e-6  # of the gain: losses that differ by less are as good


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


class _Question(NamedTuple):
    """When a row of `Reader.read`, times a sign, first rises to a level times it."""

    row: int
    sign: float
    level: float
    start: float


@dataclass(frozen=True)
class Reader:
    """The losses of one training, as functions of time.

    Parameters
    ----------
    losses : of flat times that the rule of training has, inf included
    read : of any flat times, two rows: what is least where the test loss is, and the
        generalisation loss over `unit`
    curves : as the user sees them
    realised : times that the rule of training has, nearest to given ones
    grid : times that cover the whole of training, ascending
    offset : score error less what is least
    unit : of the generalisation loss
    delta : of what is least
    """

    losses: Callable[[FloatArray], Losses]
    read: Callable[[FloatArray], FloatArray]
    curves: Callable[[ArrayLike], LearningCurves]
    realised: Callable[[FloatArray], FloatArray]
    grid: FloatArray
    offset: Callable[[], float]
    unit: float
    delta: float

    @cached_property
    def _on_grid(self) -> FloatArray:
        return self.read(self.grid)

    def best_stopping(self) -> BestStopping:
        """The time at which the test loss is smallest, and the losses there; see `Training`."""
        if np.isnan(self._best.tau):
            warnings.warn(
                "best_stopping: the losses are not known well enough to tell the best time from "
                "the beginning or the end of training; it is NaN",
                ConvergenceWarning,
                stacklevel=caller_level(),
            )
        return self._best

    @cached_property
    def _best(self) -> BestStopping:
        tau = self._best_time()
        if np.isnan(tau):
            return BestStopping(*[np.nan] * 5)
        best = self.curves(tau)
        return BestStopping(
            float(best.tau),
            float(best.train),
            float(best.test),
            float(best.generalization),
            float(best.score_error),
        )

    def _best_time(self) -> float:
        """When the test loss is smallest, NaN where the errors of the losses hide it."""
        found = smallest(lambda tau: self.read(tau)[0], self.grid, self._on_grid[0])
        tau = float(self.realised(np.array(found)))
        losses = self.losses(np.array([0.0, tau, np.inf]))
        (start, inside, end), (at_start, here, at_end) = losses.test, losses.error
        # A minimum that lies below an end only by the errors of these two is none.
        if inside + at_start + here < start and inside + here + at_end < end:
            return tau
        if end < start:
            known, best = here + at_end <= _TIE * (start - end), np.inf
        else:
            known, best = inside >= start or tau < self.grid[0], 0.0
        return best if known and np.isfinite(losses.error).all() else np.nan

    def window(self, times: Timescales, share: float, excess: float, fraction: float) -> Window:
        """Between generalisation and memorisation; see `Training.window`."""
        share = _checks.real("share", share, 0.0, 1.0, low_open=True, high_open=True)
        excess = _checks.positive("excess", excess)
        fraction = _checks.real("fraction", fraction, 0.0, 1.0, low_open=True, high_open=True)
        best = self.best_stopping()
        if np.isnan(best.tau):
            hidden = dict.fromkeys(_BY_CURVES, np.nan)
            return Window(
                tau_gen=times.tau_gen,
                tau_mem=times.tau_mem,
                excess=excess,
                fraction=fraction,
                share=share,
                **hidden,
            )
        end = self.curves(np.inf)
        goal = (1.0 + excess) * best.score_error - self.offset()
        memorised = fraction * float(end.generalization) / self.unit
        ends = self.read(np.array([0.0, best.tau, np.inf]))
        start, least, late = ends[0]
        level = float(least + share * (start - least))
        tau, rows = np.array([0.0, best.tau, np.inf]), ends
        if not 0.0 < best.tau < np.inf:
            tau, rows = tau[::2], ends[:, ::2]
        tau, rows = np.append(tau, self.grid), np.append(rows, self._on_grid, axis=1)
        order = np.argsort(tau)
        found = self._first(
            tau[order],
            rows[:, order],
            (
                _Question(0, -1.0, goal, 0.0),
                _Question(1, 1.0, memorised, best.tau),
                _Question(0, -1.0, level, 0.0),
                _Question(0, 1.0, np.nextafter(level, np.inf), best.tau),
            ),
        )
        if not memorised > 0.0:
            found[1] = np.nan
        if best.tau == 0.0 or not late > level:
            found[3] = 0.0 if best.tau == 0.0 else np.inf
        rise = self.delta * abs(late - level)  # these losses are shifted and over Δ
        flatness = float(end.test / rise) if rise > 0.0 else np.inf
        first, last, begin, over = self.realised(found)
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

    def _first(
        self, tau: FloatArray, rows: FloatArray, questions: Sequence[_Question]
    ) -> FloatArray:
        """Answers, from the rows at ascending times; NaN where a level is not reached."""
        found = np.full(len(questions), np.nan)
        inside: dict[int, tuple[_Question, FloatArray, FloatArray]] = {}
        for i, question in enumerate(questions):
            rise = question.sign * (rows[question.row] - question.level)
            holds = (rise >= 0.0) & (tau >= question.start)
            if not holds.any():
                continue
            at = int(np.argmax(holds))
            found[i] = tau[at]
            if tau[at] > question.start and tau[at - 1] > 0.0 and tau[at] < np.inf:
                inside[i] = question, tau[at - 1 : at + 1], rise[at - 1 : at + 1]
        if inside:
            asked, ends, rises = zip(*inside.values(), strict=True)

            def above(times: FloatArray) -> FloatArray:
                read = self.read(times)
                return np.array([q.sign * (read[q.row, j] - q.level) for j, q in enumerate(asked)])

            found[list(inside)] = crossings(above, np.array(ends), np.array(rises))
        return found
