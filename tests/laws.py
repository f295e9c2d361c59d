"""What tests of several folders say about laws."""

from __future__ import annotations

import numpy as np

import rmtspec as rs
from rmtspec.testing.strategies import ends


def scale_of(law: rs.SpectralLaw) -> float:
    """A length of the order of the largest eigenvalue."""
    return max(abs(end) for end in ends(law)) or 1.0


def marchenko_pastur_density(x: np.ndarray, ratio: float, variance: float = 1.0) -> np.ndarray:
    """Closed form for an isotropic population."""
    low, high = (variance * (1.0 + sign * np.sqrt(ratio)) ** 2 for sign in (-1.0, 1.0))
    inside = np.clip((high - x) * (x - low), 0.0, None)
    return np.sqrt(inside) / (2.0 * np.pi * variance * ratio * x)
