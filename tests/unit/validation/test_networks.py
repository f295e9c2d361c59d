"""Networks of the training experiments: their sizes, their starts, and one step of descent."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rmtspec as rs

torch = pytest.importorskip("torch", reason="the networks need PyTorch")
torch.set_num_threads(1)

from validation.networks.diffusion import Levels  # noqa: E402
from validation.networks.layers import (  # noqa: E402
    LinearNet,
    RandomFeatureNet,
    ResidualMLP,
    parameter_count,
    sinusoidal,
)
from validation.networks.time_integrated import TimeIntegratedNet  # noqa: E402
from validation.networks.training import Plan, train  # noqa: E402
from validation.networks.unet import UNet, _Attention  # noqa: E402


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize(("d", "width"), [(8, 128), (8, 64), (16, 32)])
def test_residual_network_has_the_number_of_weights_of_section_b(d: int, width: int) -> None:
    expected = width * (2 * d + 13) + d + 6 * width**2
    assert parameter_count(ResidualMLP(d, width)) == expected


@pytest.mark.parametrize(("width", "millions"), [(8, 0.26), (16, 1.0), (32, 4.0)])
def test_u_net_has_the_number_of_weights_of_the_paper(width: int, millions: float) -> None:
    # The paper gives two digits.
    count = parameter_count(UNet(32, width)) / 1e6
    assert count == pytest.approx(millions, abs=0.025)


def test_one_step_of_descent_is_the_euler_step_of_gradient_flow() -> None:
    d, p, n, t, rate = 6, 11, 9, 0.3, 0.7
    net = RandomFeatureNet(d, p, t, initial=0.5, seed=3)
    before = net.trained.detach().numpy().copy()
    delta = -math.expm1(-2.0 * t)
    x, noise = _random(n, d), _random(n, d, seed=1)
    noised = math.exp(-t) * x + math.sqrt(delta) * noise
    loss = torch.nn.functional.mse_loss(net(noised), noise)
    loss.backward()
    with torch.no_grad():
        net.trained -= rate * net.trained.grad

    features = np.tanh(noised.numpy() @ net.frozen.numpy().T / math.sqrt(d))
    u = features.T @ features / n
    v = features.T @ noise.numpy() / n
    # dA/dtau = -2 Delta (d/p) A U - (2 d sqrt(Delta)/sqrt(p)) V^T and tau advances by rate/d^2.
    flow = -2 * delta * d / p * before @ u - 2 * d * math.sqrt(delta / p) * v.T
    expected = before + rate / d**2 * flow
    np.testing.assert_allclose(net.trained.detach().numpy(), expected, rtol=0, atol=1e-14)


def test_rate_turns_a_step_of_tau_into_a_learning_rate() -> None:
    net = RandomFeatureNet(6, 4, 0.1)
    assert net.rate(0.25) / net.dimension**2 == 0.25


@pytest.mark.parametrize("momentum", [0.0, 0.7])
def test_descent_on_a_linear_network_is_the_recursion_of_its_normal_equations(
    momentum: float,
) -> None:
    d, n, rate, steps = 3, 40, 0.4, 5
    x = _random(n, d)
    levels = Levels.of(rs.NoiseSchedule.at_times([0.2]))
    net = LinearNet(d, bias=False)
    plan = Plan(steps=steps, rate=rate, momentum=momentum, level=1, seed=7)
    train(net, x, levels, plan, lambda *_: {}, (steps,))

    generator = torch.Generator().manual_seed(7)
    w, velocity = np.zeros((d, d)), np.zeros((d, d))
    for _ in range(steps):
        noise = torch.randn((n, d), generator=generator, dtype=torch.float64).numpy()
        noised = math.exp(-0.2) * x.numpy() + math.sqrt(-math.expm1(-0.4)) * noise
        gradient = 2.0 / (n * d) * (w @ noised.T - noise.T) @ noised
        velocity = momentum * velocity + gradient
        w = w - rate * velocity
    np.testing.assert_allclose(net.weight[0].detach().numpy(), w, rtol=0, atol=1e-14)


def test_linear_network_keeps_a_map_for_every_level() -> None:
    net = LinearNet(3, levels=4)
    with torch.no_grad():
        net.weight.copy_(_random(4, 3, 3))
        net.bias.copy_(_random(4, 3, seed=1))
    x, k = _random(5, 3, seed=2), torch.tensor([4, 1, 2, 2, 3])
    for row in range(5):
        level = int(k[row]) - 1
        expected = net.weight[level] @ x[row] + net.bias[level]
        torch.testing.assert_close(net(x, k)[row], expected, rtol=0, atol=1e-14)


def test_untrained_networks_predict_no_noise() -> None:
    k = torch.tensor([1, 2])
    levels = Levels.of(rs.NoiseSchedule.linear(2))
    x = _random(2, 64)
    assert not RandomFeatureNet(64, 8, 0.1)(x, k).any()
    assert not LinearNet(64)(x, k).any()
    assert not TimeIntegratedNet(64, 8, levels)(x, k).any()
    assert not UNet(8, 8)(x.reshape(2, 1, 8, 8).float(), k).any()


def test_a_seed_fixes_the_weights_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = ResidualMLP(4, 8, seed=5).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    second, other = ResidualMLP(4, 8, seed=5).state_dict(), ResidualMLP(4, 8, seed=6).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["first.weight"], other["first.weight"])


def test_sinusoidal_embedding_turns_with_the_position() -> None:
    # A shift of the position rotates every pair of sine and cosine: scalar products depend on
    # differences of positions alone.
    positions = torch.tensor([0.0, 3.0, 10.0, 13.0], dtype=torch.float64)
    table = sinusoidal(positions, 16)
    torch.testing.assert_close(table.square().sum(dim=1), torch.full((4,), 8.0).double())
    torch.testing.assert_close(table[0] @ table[1], table[2] @ table[3])
    assert sinusoidal(positions, 7).shape == (4, 7)


def _awake(net: torch.nn.Module) -> torch.nn.Module:
    """Replace the zeros at the ends of the branches, so that every part is seen."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in net.parameters():
            if not weight.any():
                weight.copy_(0.1 * torch.randn(weight.shape, generator=generator))
    return net


@pytest.mark.parametrize(("side", "multipliers"), [(8, (1, 2, 4)), (12, (1, 2)), (5, (1,))])
def test_u_net_keeps_the_shape_of_its_images(side: int, multipliers: tuple[int, ...]) -> None:
    attention = (False, *(True,) * (len(multipliers) - 1))
    net = _awake(UNet(side, 8, multipliers=multipliers, attention=attention))
    x, k = _random(3, 1, side, side).float(), torch.tensor([1, 5, 9])
    out = net(x, k)
    assert out.shape == x.shape
    torch.testing.assert_close(net(x[:, 0], k), out[:, 0], rtol=0, atol=0)


def test_u_net_treats_images_of_a_batch_alone_and_sees_the_time() -> None:
    net = _awake(UNet(8, 8)).eval()
    x, k = _random(3, 1, 8, 8).float(), torch.tensor([1, 500, 900])
    together = net(x, k)
    alone = torch.cat([net(x[i : i + 1], k[i : i + 1]) for i in range(3)])
    # Sums in another order: float32 epsilon times the depth of some ten layers.
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4)
    assert (net(x, k.flip(0)) - together).abs().max() > 1e-2


def test_attention_is_the_softmax_of_scalar_products() -> None:
    block = _awake(_Attention(8))
    x = _random(2, 8, 3, 3).float()
    query, key, value = (
        part.flatten(2).transpose(1, 2) for part in block.triple(block.norm(x)).chunk(3, dim=1)
    )
    seen = torch.nn.functional.scaled_dot_product_attention(query, key, value)
    expected = x + block.out(seen.transpose(1, 2).reshape(x.shape))
    torch.testing.assert_close(block(x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "make", [lambda: UNet(8, 8, classes=3), lambda: ResidualMLP(64, classes=3)]
)
def test_no_label_is_the_label_after_the_last(make: object) -> None:
    net = make()  # type: ignore[operator]
    net = _awake(net)
    shape = (2, 1, 8, 8) if isinstance(net, UNet) else (2, 64)
    x, k = _random(*shape).float(), torch.tensor([3, 4])
    none = net(x, k, torch.tensor([3, 3]))
    assert torch.equal(net(x, k), none)
    assert (net(x, k, torch.tensor([0, 1])) - none).abs().min() > 0.0


def test_time_integrated_features_shift_with_the_diffusion_time() -> None:
    levels = Levels.of(rs.NoiseSchedule.at_times([0.1, 0.7]))
    net = TimeIntegratedNet(5, 7, levels, seed=1)
    x, k = _random(2, 5), torch.tensor([1, 2])
    with torch.no_grad():
        net.trained.copy_(_random(5, 7, seed=4))
    w, b, a = net.frozen.numpy(), net.shift.numpy(), net.trained.detach().numpy()
    for row, t in enumerate([0.1, 0.7]):
        inside = w @ x[row].numpy() / math.sqrt(5) + t * b
        score = a @ np.tanh(inside) / math.sqrt(7)
        expected = -math.sqrt(-math.expm1(-2.0 * t)) * score
        np.testing.assert_allclose(net(x, k)[row].detach().numpy(), expected, atol=1e-14)


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match="side must be a multiple of 4, got 10"):
        UNet(10)
    with pytest.raises(ValueError, match="attention"):
        UNet(8, attention=(True,))
    with pytest.raises(ValueError, match="activation"):
        RandomFeatureNet(2, 2, 0.1, activation="step")
    with pytest.raises(ValueError, match="t must"):
        RandomFeatureNet(2, 2, 0.0)
