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
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..random_features.families import Timescales
from ..solve.search import first_true

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
    def of(cls, spectral: Timescales, curves: FloatArray) -> Self:
        """From the times by the spectrum, and (1 + Y, 3) those of all data and of every class."""
        total, *classes = curves
        gen, mem, gap = np.array(classes).T
        return cls(
            spectral.tau_gen,
            spectral.tau_mem,
            spectral.tau_slow,
            spectral.merged,
            spectral.families,
            float(total[0]),
            float(total[1]),
            float(total[2]),
            gen,
            mem,
            gap,
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


def stages(
    losses: Callable[[FloatArray], FloatArray], grid: FloatArray
) -> tuple[float, float, float]:
    """τ_gen, τ_mem and τ_gap of a test and a train loss.

    Parameters
    ----------
    losses : flat times, 0 and inf included, to (2, times): test, then train
    grid : times that cover the whole of training, ascending
    """
    start, end = losses(np.array([0.0, np.inf])).T
    test = losses(grid)[0]
    if not np.isfinite(test).all() or not np.isfinite(end).all():
        return np.nan, np.nan, np.nan
    best = int(test.argmin())
    least = min(float(test[best]), float(end[0]))
    learned = least + (1.0 - GENERALISED) * (float(start[0]) - least)
    gen = _first(lambda tau: losses(tau)[0] <= learned, grid)
    mem, rise = np.nan, float(end[0]) - least
    if rise > _RISE * float(start[0]):
        level = least + 0.5 * rise
        mem = _first(lambda tau: losses(tau)[0] > level, grid[best:])
    gap, wide = np.nan, 0.5 * float(end[0] - end[1])
    if wide > 0.5 * _RISE * float(start[0]):
        gap = _first(lambda tau: np.subtract(*losses(tau)) >= wide, grid)
    return gen, mem, gap


def _first(holds: Callable[[FloatArray], NDArray[np.bool_]], grid: FloatArray) -> float:
    """First time of the grid at which something holds, inf if only the end has it."""
    inside = first_true(holds, grid)
    return np.inf if np.isnan(inside) else inside
