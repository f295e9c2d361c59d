"""How a solver says what it found: one status a point, one warning a call."""

from __future__ import annotations

import sys
import warnings
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class ConvergenceWarning(UserWarning):
    """Some points did not converge; they hold NaN and are flagged in `converged`."""


class FewDimensionsWarning(UserWarning):
    """The data fill few dimensions: the limit d -> inf is far for their lowest eigenvalues."""


class Status(IntEnum):
    """How the solution at one point ended."""

    CONVERGED = 0
    STEP_LIMIT = 1
    LEFT_HALF_PLANE = 2
    NOT_FINITE = 3
    PRECISION_EXHAUSTED = 4

    @property
    def sentence(self) -> str:
        """What the status means, as one sentence."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.CONVERGED: "The value is within tolerance and on the physical branch.",
    Status.STEP_LIMIT: "The step limit was reached before the tolerance.",
    Status.LEFT_HALF_PLANE: "The iteration ended on a branch that no resolvent has.",
    Status.NOT_FINITE: "A sum overflowed or lost its meaning.",
    Status.PRECISION_EXHAUSTED: "Rounding alone exceeds the tolerance at this point.",
}


def warn_unconverged(where: str, points: NDArray[np.generic], status: NDArray[np.integer]) -> None:
    """Warn once if any status differs from CONVERGED: how many, where, and why the first failed."""
    failed = np.asarray(status) != Status.CONVERGED
    count = int(np.count_nonzero(failed))
    if count == 0:
        return
    first = np.asarray(points)[failed].flat[0]
    reason = Status(int(np.asarray(status)[failed].flat[0])).sentence
    warnings.warn(
        f"{where}: {count} of {failed.size} points did not converge and are NaN, "
        f"the first at {first}. {reason} Try a larger imaginary part or a point farther "
        "from a bulk edge.",
        ConvergenceWarning,
        stacklevel=caller_level(),
    )


def caller_level() -> int:
    """Stack level, for a warning raised by the calling function, of the first frame outside."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("rmtspec."):
        frame, level = frame.f_back, level + 1
    return level
