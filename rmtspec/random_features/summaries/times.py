r"""Which training times are worth seeing, of one training and of several beside it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from ..interfaces import Trained
from ..results import LearningCurves

FloatArray = NDArray[np.float64]

_POINTS = 281  # of the automatic range: one in twenty makes a table of fifteen rows
_STILL = 1e-3  # share of a loss's whole variation below which it has come to its end
_DECADES = 30.0  # the longest automatic range: beyond it no float tells two losses apart

_SAMPLES_BESIDE = (0.5, 1.0, 2.0, 4.0)  # a collapse shows these multiples of psi_n
_LINE_POINTS = 400  # of a smooth line


def automatic_times(training: Trained) -> FloatArray:
    r"""Times over which the losses change: a decade before the first mode to one past the last.

    The mode λ has the time :math:`\psi_p/(\omega'(\lambda+\mathrm{ridge}))`, times 1 − momentum; ω'
    is the clock of the training, Δ_t by default.
    Where the slowest modes carry nothing that could be seen (a bulk may reach down to 0), the range
    ends a decade after the losses have.

    Returns
    -------
    ndarray of float64
        Even in the logarithm, its ends at whole or half powers of ten.
    """
    fastest, slowest = _extreme_times(training)
    first = math.floor(2.0 * math.log10(fastest) - 2.0) / 2.0
    longest = min(math.log10(slowest), first + _DECADES)
    last = math.ceil(2.0 * longest + 2.0) / 2.0
    probe = np.logspace(first, last, math.ceil(8.0 * (last - first)) + 1)
    curves, end = training.learning_curves(probe), training.learning_curves(np.inf)
    moving = np.zeros(probe.shape, dtype=bool)
    for name in ("train", "test"):
        values = np.asarray(getattr(curves, name))
        rest = np.abs(values - float(getattr(end, name)))
        moving |= rest > _STILL * np.max(rest, initial=0.0)
    if np.any(moving):
        last = min(last, math.ceil(2.0 * math.log10(probe[moving][-1]) + 2.0) / 2.0)
    return in_whole_steps(training, np.logspace(first, last, _POINTS))


def in_whole_steps(training: Trained, times: FloatArray) -> FloatArray:
    """The same times, each once, at the ends of steps where training goes by steps."""
    return np.unique(training.relaxation.times(times))


def dense_times(training: Trained, times: FloatArray) -> FloatArray:
    """The range of the times with enough points for a smooth line."""
    inside = _on_a_logarithmic_axis(times)
    if inside.size == 0:
        return automatic_times(training)
    ends = (inside[0], inside[-1]) if inside.size > 1 else (inside[0] / 10.0, inside[0] * 10.0)
    return np.union1d(np.geomspace(*ends, _LINE_POINTS), inside)


def curves_beside(
    training: Trained, psi_n: FloatArray | None = None, times: FloatArray | None = None
) -> dict[float, LearningCurves]:
    """Curves of the same training at several psi_n, to be laid over each other.

    Parameters
    ----------
    training : Training
        Not of given data, whose psi_n is fixed.
    psi_n : ndarray, shape (m,), optional
        Half, one, two and four times that of the model by default.
    times : ndarray, shape (k,), optional
        Their range is that of the curves; by default until all have ended their change, each up to
        the same tau/psi_n.

    Returns
    -------
    dict
        psi_n to learning curves, in the order given.

    Raises
    ------
    ValueError
        If the model is one of given data.
    """
    model = training.model
    if model.conditional:
        raise ValueError("curves_beside varies psi_n, which given data have fixed")
    loads = model.psi_n * np.array(_SAMPLES_BESIDE) if psi_n is None else psi_n
    trainings = {
        float(load): dataclasses.replace(
            training, model=dataclasses.replace(model, psi_n=float(load))
        )
        for load in loads
    }
    asked = np.empty(0) if times is None else _on_a_logarithmic_axis(times)
    if asked.size > 1:
        dense = np.union1d(np.geomspace(asked[0], asked[-1], _LINE_POINTS), asked)
        ranges = dict.fromkeys(trainings, dense)
    else:
        found = [_on_a_logarithmic_axis(automatic_times(one)) for one in trainings.values()]
        first, last = min(one[0] for one in found), max(one[-1] for one in found)
        ranges = {
            load: np.geomspace(first, last * load / min(trainings), _LINE_POINTS)
            for load in trainings
        }
    return {
        load: one.learning_curves(_on_a_logarithmic_axis(in_whole_steps(one, ranges[load])))
        for load, one in trainings.items()
    }


def _on_a_logarithmic_axis(times: FloatArray) -> FloatArray:
    return times[(times > 0.0) & np.isfinite(times)]


def _extreme_times(training: Trained) -> tuple[float, float]:
    """Times of the fastest and the slowest mode outside the atom at the floor."""
    model = training.model
    law = model.spectrum()
    found = np.concatenate([np.asarray(law.support).ravel(), np.asarray(law.outliers)])
    found = found[np.isfinite(found)] + training.ridge
    if not found.size:
        found = np.ones(1)
    scale = (1.0 - training.momentum) * model.psi_p / training.clock
    lowest = float(found.min())
    return scale / float(found.max()), scale / lowest if lowest > 0.0 else math.inf
