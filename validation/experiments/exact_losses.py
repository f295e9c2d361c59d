"""Random-feature networks in training, their losses known exactly and not estimated from samples.

The losses of the network of eq. 7 (arXiv 2505.17638) are quadratic forms of A in the moments of its
own data and of fresh data (`rmtspec.compare.networks.fresh_features`), exact up to the stated
truncation of Mehler's sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.compare.networks.fresh_features import feature_moments, fresh_moments
from rmtspec.compare.networks.training_flow import FeatureMoments
from validation.harness.experiment import Setup

Array = NDArray[np.float64]

_ORDER = 7


def network_of(psi_p: float, d: int, t: float, seed: int) -> Any:
    from validation.networks.layers import RandomFeatureNet

    return RandomFeatureNet(d, round(psi_p * d), t, seed=seed)


def moments_of(network: Any, x: Array, t: float) -> FeatureMoments:
    w = network.frozen.cpu().numpy()
    d = w.shape[1]
    fresh = fresh_moments(w, np.zeros((1, d)), np.ones(d), t, "tanh")
    return feature_moments(w, x, fresh, t, "tanh", _ORDER)[0]


class ExactLosses:
    """Training loss, generalisation loss and score error of a network's A, isotropic data."""

    def __init__(self, moments: FeatureMoments, delta: float, device: str) -> None:
        import torch

        self.delta, self.moments = delta, moments
        self.parts = [
            tuple(torch.tensor(part, device=device) for part in pair)
            for pair in ((moments.u, moments.v), (moments.u_fresh, moments.v_fresh))
        ]

    def __call__(self, network: Any, step: int) -> dict[str, float]:
        a = network.trained.detach()
        d, p = a.shape
        m = math.sqrt(self.delta / p) * a
        train, test = (
            1.0 + float((2.0 * (m.T * v).sum() + ((m @ u) * m).sum()) / d) for u, v in self.parts
        )
        return {
            "train": train,
            "gap": test - train,
            # Sigma_t = 1: L_test = Delta E_score + 1 - Delta.
            "score": (test - 1.0 + self.delta) / self.delta,
        }


def train_on(
    network: Any, x: Array, t: float, plan: Any, at: Sequence[int], measure: Any, setup: Setup
) -> list[dict[str, float]]:
    import torch

    from validation.networks.diffusion import Levels
    from validation.networks.training import train

    levels = Levels.of(rs.NoiseSchedule.at_times([t]), device=setup.device)
    data = torch.tensor(x, device=setup.device)
    return train(network.to(setup.device), data, levels, plan, measure, at)
