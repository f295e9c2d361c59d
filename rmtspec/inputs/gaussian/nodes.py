"""Closed quadrature over what neurons draw: Gaussian numbers of one or more dimensions, times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LIGHTEST = 1e-9
"""Nodes of several dimensions below this weight are dropped: together they hold less than 1e-6."""


def normal_nodes(count: int, dimension: int = 1) -> tuple[Array, Array]:
    """Gauss-Hermite nodes of a standard normal vector.

    Parameters
    ----------
    count : nodes a dimension, >= 1
    dimension : >= 0; 0 gives one node without coordinates

    Returns
    -------
    nodes : (N, dimension)
    weights : (N,), which sum to 1
    """
    x, w = np.polynomial.hermite_e.hermegauss(count)
    w = w / w.sum()
    nodes, weights = np.empty((1, 0)), np.ones(1)
    for _ in range(dimension):
        nodes = np.hstack([np.repeat(nodes, count, 0), np.tile(x, len(nodes))[:, None]])
        weights = np.multiply.outer(weights, w).ravel()
    if dimension > 1:
        kept = weights >= LIGHTEST
        nodes, weights = nodes[kept], weights[kept]
    return nodes, weights / weights.sum()


def uniform_nodes(low: float, high: float, count: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights of the uniform law on [low, high]."""
    x, w = np.polynomial.legendre.leggauss(count)
    return 0.5 * (low + high) + 0.5 * (high - low) * x, 0.5 * w
