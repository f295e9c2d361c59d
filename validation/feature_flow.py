r"""Gradient flow of the random-feature score with the noise average done exactly (NumPy)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class FeatureFlow:
    """Exact gradient flow (from A = 0) of the network of eq. 7 on a data set, at one time t.

    Parameters
    ----------
    w : (p, d); x : (n, d); t : float; activation : {"tanh", "erf", "relu"}
    """

    def __init__(self, w: Array, x: Array, t: float, activation: str = "tanh") -> None:
        raise NotImplementedError

    def weights(self, tau: float) -> Array:
        """Return A(tau), shape (d, p); tau = inf is the minimum."""
        raise NotImplementedError

    def score(self, x: Array, tau: float) -> Array:
        """Return the score A(tau) sigma(W x/sqrt(d))/sqrt(p) at noised points (N, d)."""
        raise NotImplementedError

    def train_loss(self, tau: Array) -> Array:
        """Return the exact training loss at every tau."""
        raise NotImplementedError
