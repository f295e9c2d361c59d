r"""Times of training at which a structured model, and every class of its data, goes on to a stage.

From the spectrum follow the times :math:`\psi_p/(\bar\Delta\lambda)` of the families of
eigenvalues; classes share the modes and differ in their curves.  Of the test loss of all data, or
of a class,

* τ_gen is when 90 % of the way from its start to its minimum are done,
* τ_mem when it has risen half way from its minimum to its end, NaN if it never rises,
* τ_gap when it exceeds the train loss by half of what it does in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ..random_features.families import Timescales
from ..solve.search import first_true

if TYPE_CHECKING:
    from .training import StructuredTraining

FloatArray = NDArray[np.float64]

GENERALISED = 0.9
_RISE = 1e-7  # of the start: a test loss that rises by less is flat


@dataclass(frozen=True)
class ClassTimescales(Timescales):
    """Times by the spectrum, by the curves, and by the curves of every class.

    Attributes
    ----------
    gen_curve, mem_curve, gap_curve : τ_gen, τ_mem and τ_gap of all data
    class_gen, class_mem, class_gap : (Y,) those of every class
    """

    gen_curve: float
    mem_curve: float
    gap_curve: float
    class_gen: FloatArray
    class_mem: FloatArray
    class_gap: FloatArray

    @classmethod
    def of(cls, training: StructuredTraining) -> Self:
        """Times of one training."""
        spectral = training.spectral_times()
        rows = [_stages(training, test, train) for test, train in _pairs(training)]
        total, classes = rows[0], np.array(rows[1:]).T
        return cls(
            spectral.tau_gen,
            spectral.tau_mem,
            spectral.tau_slow,
            spectral.merged,
            spectral.families,
            *total,
            *classes,
        )

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        names = ("gen_curve", "mem_curve", "gap_curve")
        by_class = ("class_gen", "class_mem", "class_gap")
        return {
            **super().to_dict(),
            **{name: getattr(self, name) for name in names},
            **{name: getattr(self, name).tolist() for name in by_class},
        }


def _pairs(training: StructuredTraining) -> list[tuple[int, int]]:
    """Numbers of the rows of test and train loss: all data, then the classes."""
    count = len(training.model.class_weights)
    return [(0, 1)] + [(2 + y, 2 + count + y) for y in range(count)]


def _stages(training: StructuredTraining, test: int, train: int) -> tuple[float, float, float]:
    """τ_gen, τ_mem and τ_gap of one pair of losses."""
    grid = training.grid

    def rows(tau: FloatArray) -> FloatArray:
        return training.losses.losses(training.relaxation.times(tau)).rows

    start, end = rows(np.array([0.0, np.inf])).T
    course = rows(grid)
    if not np.isfinite(course).all() or not np.isfinite(end).all():
        return np.nan, np.nan, np.nan
    best = int(course[test].argmin())
    least = min(float(course[test, best]), float(end[test]))
    learned = least + (1.0 - GENERALISED) * (float(start[test]) - least)
    gen = _first(lambda tau: rows(tau)[test] <= learned, grid)
    mem, rise = np.nan, float(end[test]) - least
    if rise > _RISE * float(start[test]):
        level = least + 0.5 * rise
        mem = _first(lambda tau: rows(tau)[test] > level, grid[best:])
    gap, wide = np.nan, 0.5 * float(end[test] - end[train])
    if wide > 0.5 * _RISE * float(start[test]):
        gap = _first(lambda tau: np.subtract(*rows(tau)[[test, train]]) >= wide, grid)
    return gen, mem, gap


def _first(holds: Callable[[FloatArray], NDArray[np.bool_]], grid: FloatArray) -> float:
    """First time of the grid at which something holds, inf if only the end has it."""
    inside = first_true(holds, grid)
    return np.inf if np.isnan(inside) else inside
