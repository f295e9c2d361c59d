"""One network a target, trained by stochastic gradient descent on sampled noise (PyTorch)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.compare.networks.data_pairs import true_fresh, true_moments
from rmtspec.compare.networks.training_flow import (
    FeatureMoments,
    TargetFlow,
    decompose_with,
    flow_filters,
)
from validation.harness.machine import one_thread

Array = NDArray[np.float64]

DIMENSION, NEURONS, SAMPLES = 24, 192, 96
LEVEL = rs.NoiseLevel.flow(0.4)
STEP, STEPS, NOISES = 0.02, 600, 16
RECORDED = (25, 100, 300, 600)


def trained(name: str, seed: int) -> dict[str, Any]:
    """Test losses of a trained network and of the exact flow of the same network, at STEP·k."""
    import torch

    one_thread()
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((NEURONS, DIMENSION))
    x = rng.standard_normal((SAMPLES, DIMENSION))
    target = rs.Prediction.named(name).target(LEVEL)
    generator = torch.Generator().manual_seed(seed)
    data, weights = torch.tensor(x), torch.tensor(w / np.sqrt(DIMENSION))
    fresh = torch.randn((4000, DIMENSION), generator=generator, dtype=torch.float64)
    noise = torch.randn(fresh.shape, generator=generator, dtype=torch.float64)
    a = torch.zeros((DIMENSION, NEURONS), dtype=torch.float64, requires_grad=True)

    def loss_of(clean: Any, added: Any) -> Any:
        shown = LEVEL.gain * (LEVEL.alpha * clean + LEVEL.sigma * added)
        output = torch.tanh(shown @ weights.T) @ a.T / NEURONS**0.5
        return ((output - target.noise * added - target.data * clean) ** 2).sum(
            1
        ).mean() / DIMENSION

    # τ grows by STEP where A moves by STEP·d² times the gradient.
    optimiser = torch.optim.SGD([a], lr=STEP * DIMENSION**2)
    repeated, losses = data.repeat(NOISES, 1), []
    for step in range(1, STEPS + 1):
        added = torch.randn(repeated.shape, generator=generator, dtype=torch.float64)
        optimiser.zero_grad()
        loss_of(repeated, added).backward()
        optimiser.step()
        if step in RECORDED:
            with torch.no_grad():
                losses.append(float(loss_of(fresh, noise)))
    return {"trained": losses, "exact": _exact(w, x, target), "theory": _theory(name)}


def _exact(w: Array, x: Array, target: Any) -> list[float]:
    """Test loss of gradient flow on the averaged loss, the same W and data."""
    own = true_moments(w, x, LEVEL, "tanh")
    fresh = true_fresh(w, np.ones(DIMENSION), LEVEL, "tanh")
    flow, vectors = decompose_with(FeatureMoments(own.u, own.noise, fresh.u, fresh.noise))
    whole = TargetFlow(
        flow, vectors.T @ own.data, vectors.T @ fresh.data, float(np.mean(x * x)), 1.0
    )
    tau = STEP * np.array(RECORDED)
    filters = flow_filters(flow.eigenvalues, tau, 1.0, NEURONS / DIMENSION)
    return [float(loss) for loss in whole.losses(filters, *target)[1]]


def _theory(name: str) -> list[float]:
    model = rs.RandomFeatureModel(NEURONS / DIMENSION, SAMPLES / DIMENSION, LEVEL)
    found = model.learning_curves(STEP * np.array(RECORDED), prediction=name)
    return [float(loss) for loss in found.test]
