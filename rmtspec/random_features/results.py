"""What is read off the learning curves of one training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class BestStopping:
    """Losses at the time at which test loss and score error are smallest.

    The two have their minimum together: test = Δ_t·score_error + constant.

    Attributes
    ----------
    tau : that time; inf when training never starts to overfit, 0 when it only does harm
    train, test, generalization, score_error : as in `LearningCurves`, there
    """

    tau: float
    train: float
    test: float
    generalization: float
    score_error: float


@dataclass(frozen=True)
class Window:
    """Beginning of generalisation and of memorisation in training time, by two definitions.

    They are stages, not a promise: the score error may rise long before test − train has gone a
    given part of its way, and a spectral tau_gen, the end of the slowest direction of the data, may
    come after the best time to stop.

    Attributes
    ----------
    tau_gen, tau_mem : by the spectrum, at the lower ends of the fast and the sample family (see
        `Training.timescales`); NaN without such a family
    tau_gen_curve : when the score error first comes within the factor 1 + excess of its minimum;
        NaN if it does so only at the end
    tau_mem_curve : when test − train, after the best time to stop, first reaches `fraction` of its
        final value; NaN if that is not positive
    excess, fraction : as asked
    """

    tau_gen: float
    tau_mem: float
    tau_gen_curve: float
    tau_mem_curve: float
    excess: float
    fraction: float


@dataclass(frozen=True)
class KLBound:
    """Bound on the Kullback-Leibler divergence per dimension.

    Attributes
    ----------
    tau : training times
    bound : start + integral, shaped like tau
    start : divergence of the noised data at t_max from the standard Gaussian
    integral : ∫ E_score dt, shaped like tau
    error : change of the integral when its nodes were doubled
    """

    tau: FloatArray
    bound: FloatArray
    start: float
    integral: FloatArray
    error: FloatArray
