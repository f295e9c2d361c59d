"""What is measured on handwritten digits: numbers of images, diffusion times, splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PSI_P = 6.0
SETTINGS = ((128, 0.1), (512, 0.1), (128, 0.01), (512, 0.01))
SPLITS = 8
# Ten times a decade: the minimum of the test loss is flat, and found to about 10 % in time.
SCALED_TIMES = np.append(np.logspace(-2.0, 6.0, 81), np.inf)
SOURCES = ("images", "gaussian", "given data")


@dataclass(frozen=True)
class DigitsRun:
    """The splits of one setting: networks on images or on Gaussian data, or the theory of data."""

    samples: int
    t: float
    source: str
    draws: int
    work: float = 1.0

    @property
    def key(self) -> str:
        """Name in the records."""
        return f"{self.samples}, {self.t:g}, {self.source}"

    @property
    def tau(self) -> NDArray[np.float64]:
        """Times of the curves."""
        return times(self.t)


def times(t: float) -> NDArray[np.float64]:
    """Return the times at which curves are compared."""
    return np.asarray(SCALED_TIMES / -np.expm1(-2.0 * t))


def plan() -> list[DigitsRun]:
    """Return the runs in the order in which they are made."""
    return [DigitsRun(n, t, source, SPLITS) for n, t in SETTINGS for source in SOURCES]
