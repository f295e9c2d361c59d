"""Exact gradient flow of random features, and what is generated with one score a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rmtspec as rs
from validation.curves.feature_flow import FeatureFlow

torch = pytest.importorskip("torch", reason="sampling needs PyTorch")
torch.set_num_threads(1)

from validation.measures.scores import denoising_loss  # noqa: E402
from validation.networks.diffusion import Levels  # noqa: E402
from validation.networks.layers import RandomFeatureNet  # noqa: E402
from validation.networks.time_integrated import (  # noqa: E402
    GAUSSIAN_CENTRAL,
    direction_learned,
    generate,
    modes,
    scores_by_time,
    two_means,
)

_D, _N, _P, _T = 30, 50, 60, 0.2


def _flow(activation: str = "tanh", seed: int = 0) -> FeatureFlow:
    rng = np.random.default_rng(seed)
    w, x = rng.standard_normal((_P, _D)), rng.standard_normal((_N, _D))
    return FeatureFlow(w, x, _T, activation)


def _data(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rng.standard_normal((_P, _D))
    return rng.standard_normal((_N, _D))


@pytest.mark.parametrize("activation", ["tanh", "erf", "relu"])
@pytest.mark.parametrize("tau", [0.3, 30.0, math.inf])
def test_exact_loss_is_the_measured_loss_of_the_weights(activation: str, tau: float) -> None:
    flow = _flow(activation)
    net = RandomFeatureNet(_D, _P, _T, activation=activation)
    with torch.no_grad():
        net.frozen.copy_(torch.tensor(flow.w))
        net.trained.copy_(torch.tensor(flow.weights(tau)))
    levels = Levels.of(rs.NoiseSchedule.at_times([_T]))
    generator = torch.Generator().manual_seed(1)
    found = denoising_loss(net, torch.tensor(_data()), levels, 1, generator, noises=400)
    exact = float(flow.train_loss(tau))
    assert exact < 1.0
    # Four standard errors; Mehler's sum cut at order 7 leaves less than 1e-4 at d = 30.
    assert abs(found.value - exact) < 4.0 * found.noise_error + 1e-4
    noised = torch.tensor(_data())
    np.testing.assert_allclose(
        flow.score(noised.numpy(), tau), net.score(noised).detach().numpy(), atol=1e-12
    )


def test_small_steps_of_descent_are_the_flow() -> None:
    flow = _flow()
    off = []
    for step in (0.02, 0.01):
        off.append(np.abs(flow.weights(5.0, step=step) - flow.weights(5.0)).max())
    assert off[0] / off[1] == pytest.approx(2.0, rel=0.05)
    # One update from A = 0 is step times the forcing, which the slope of the flow shows too.
    one = flow.weights(1e-3, step=1e-3) / 1e-3
    slope = (flow.weights(1e-7) - flow.weights(0.0)) / 1e-7
    np.testing.assert_allclose(one, slope, rtol=0, atol=1e-6 * np.abs(one).max())


def test_flow_starts_down_the_gradient() -> None:
    # dA/dtau = -d^2 grad L with L = (1/d) E|sqrt(Delta) A phi/sqrt(p) + xi|^2; along the flow
    # dL/dtau = -|dA/dtau|^2/d^2.
    flow = _flow()
    small = 1e-6
    slope = flow.weights(small) / small
    fallen = (1.0 - float(flow.train_loss(small))) / small
    assert fallen == pytest.approx(float(np.sum(slope**2)) / _D**2, rel=1e-4)


def test_loss_falls_from_one_to_its_minimum() -> None:
    flow = _flow()
    tau = np.concatenate([[0.0], np.geomspace(1e-2, 1e6, 30), [np.inf]])
    loss = flow.train_loss(tau)
    assert loss[0] == 1.0
    assert np.all(np.diff(loss) <= 1e-14)


def test_kurtosis_tells_one_mode_from_two() -> None:
    rng = np.random.default_rng(0)
    mean = np.full(16, 1.0)
    found = modes(two_means(mean, 20_000, rng), mean)
    assert abs(found.variance - found.exact_variance) < 4.0 * found.variance_error
    assert abs(found.kurtosis - found.exact_kurtosis) < 4.0 * found.kurtosis_error
    assert abs(found.central - found.exact_central) < 4.0 * found.central_error
    assert found.exact_kurtosis == pytest.approx(-2.0 * (16.0 / 17.0) ** 2)
    gaussian = modes(rng.standard_normal((20_000, 16)), mean)
    assert abs(gaussian.kurtosis) < 4.0 * gaussian.kurtosis_error
    assert abs(gaussian.central - GAUSSIAN_CENTRAL) < 4.0 * gaussian.central_error
    # For a Gaussian the error of the excess kurtosis is sqrt(24/N).
    assert gaussian.kurtosis_error == pytest.approx(math.sqrt(24.0 / 20_000), rel=0.05)


@pytest.fixture(scope="module")
def far_and_near() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    found = {}
    d = 40
    for name, size in (("near", 3.0), ("far", math.sqrt(d))):
        rng = np.random.default_rng(1)
        mean = np.full(d, size / math.sqrt(d))
        data = two_means(mean, 12 * d, rng)
        scores = scores_by_time(data, 4 * d, np.geomspace(0.02, 4.0, 40), rng, "erf")
        found[name] = (generate(scores, 1e3, 2000, rng), mean)
    return found


def test_means_of_order_one_apart_give_one_gaussian(
    far_and_near: dict[str, tuple[np.ndarray, np.ndarray]],
) -> None:
    found = modes(*far_and_near["near"])
    # Finite d and coarse steps leave tails heavier than a Gaussian's, hence one-sided.
    assert found.central > GAUSSIAN_CENTRAL - 4.0 * found.central_error
    assert found.kurtosis > -4.0 * found.kurtosis_error
    assert found.exact_central < 0.1
    assert found.exact_kurtosis == pytest.approx(-1.62)
    assert found.variance > 5.0


def test_means_of_order_root_d_apart_give_two_modes(
    far_and_near: dict[str, tuple[np.ndarray, np.ndarray]],
) -> None:
    found = modes(*far_and_near["far"])
    assert found.central < GAUSSIAN_CENTRAL - 5.0 * found.central_error


def test_direction_of_the_means_is_learned_before_the_others() -> None:
    d, rng = 30, np.random.default_rng(3)
    mean = np.zeros(d)
    mean[0] = 3.0
    data, test = two_means(mean, 10 * d, rng), two_means(mean, 4000, rng)
    scores = scores_by_time(data, 2 * d, [0.5], rng)
    tau = [0.0, 0.5, 1e3]
    along = direction_learned(scores, mean, tau, test, rng)
    across = direction_learned(scores, np.eye(d)[1], tau, test, rng)
    assert along.shape == (1, 3)
    assert along[0, 0] == 0.0
    # The first updates learn a direction at the rate of its noised variance: 1 + 9/e = 4.3
    # against 1, before the fast one saturates.
    assert along[0, 1] > 2.0 * across[0, 1] > 0.0
    assert along[0, 2] == pytest.approx(1.0, abs=0.15)


def test_wrong_arguments_are_named() -> None:
    flow = _flow()
    with pytest.raises(ValueError, match="tau"):
        flow.weights(-1.0)
    with pytest.raises(ValueError, match="step must be 0, or positive with a finite tau"):
        flow.weights(math.inf, step=0.1)
    with pytest.raises(ValueError, match="step must be at most"):
        flow.weights(1e4, step=1e3)
    with pytest.raises(ValueError, match="activation"):
        FeatureFlow(flow.w, _data(), _T, "linear")
    scores = scores_by_time(_data(), 4, [0.5], np.random.default_rng(0))
    with pytest.raises(ValueError, match="sampler"):
        generate(scores, 1.0, 2, np.random.default_rng(0), sampler="heun")
    with pytest.raises(ValueError, match="mean must not be"):
        modes(_data(), np.zeros(_D))
