"""What learning an affine denoiser gives: on average over data sets, and for a given one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class LinearCurves:
    """Averaged losses per dimension along gradient flow; all arrays of one shape.

    Attributes
    ----------
    tau : training times
    train, test : bare losses, NaN where the integral failed
    error : relative change of the worse of the two under the last refinement of the contour
    converged : whether `error` is within the tolerance and κ was certified on the whole contour
    """

    tau: FloatArray
    train: FloatArray
    test: FloatArray
    error: FloatArray
    converged: NDArray[np.bool_]


@dataclass(frozen=True)
class OptimalStopping:
    """Best stopping time, the test loss there and after infinite training, and their difference."""

    tau: FloatArray
    test: FloatArray
    final: FloatArray
    gain: FloatArray


class Affine(NamedTuple):
    """Weights W, shape (d, d), and bias b, shape (d,)."""

    weights: FloatArray
    bias: FloatArray


class GivenCurves(NamedTuple):
    """Times and bare losses along gradient flow for one data set."""

    tau: FloatArray
    train: FloatArray
    test: FloatArray


class GivenStopping(NamedTuple):
    """Best time for one data set, the test loss there, and what it gains over infinite time.

    `each` holds the best time of every eigendirection by itself; `inf` where it never overfits.
    """

    tau: float
    test: float
    gain: float
    each: FloatArray
