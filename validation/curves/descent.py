"""Gradient descent with momentum at finite size, iterated step by step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rmtspec.compare.networks.training_flow import FeatureMoments

Array = NDArray[np.float64]


def descend(
    moments: FeatureMoments,
    delta: float,
    step: float,
    recorded: NDArray[np.int_],
    *,
    momentum: float = 0.0,
    ridge: float = 0.0,
    start: Array | None = None,
) -> tuple[Array, Array]:
    r"""Losses along heavy-ball gradient descent, by iterating on the whole matrix A.

    :math:`A_{k+1}=A_k-h\,d^2\nabla L(A_k)+\beta(A_k-A_{k-1})`, with the penalty
    :math:`\Delta\,ridge\,|A|^2/(dp)` in L; the losses are without it.

    Parameters
    ----------
    step : float
        Increment h of τ in one step.
    recorded : array of int, ascending
        Numbers of steps after which the losses are taken.
    start : array, shape (d, p), optional
        A(0), zero if omitted.
    """
    p, d = moments.v.shape
    pull = 2.0 * delta * d / p * (moments.u + ridge * np.eye(p))
    push = 2.0 * d * np.sqrt(delta / p) * moments.v.T
    a = np.zeros((d, p)) if start is None else start.copy()
    before = a
    values, done = [], 0
    for count in recorded:
        for _ in range(int(count) - done):
            a, before = a - step * (a @ pull + push) + momentum * (a - before), a
        done = int(count)
        values.append(_both_losses(a, moments, delta))
    train, test = np.array(values).reshape(-1, 2).T
    return train, test


def _both_losses(a: Array, moments: FeatureMoments, delta: float) -> list[float]:
    d, p = a.shape
    m = np.sqrt(delta / p) * a
    pairs = ((moments.u, moments.v), (moments.u_fresh, moments.v_fresh))
    return [1.0 + float(2.0 * np.sum(m.T * v) + np.sum((m @ u) * m)) / d for u, v in pairs]
