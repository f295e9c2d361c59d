"""Noising, sampling and the exact scores of Gaussian mixtures."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.linear.sampling import sampled_variance

torch = pytest.importorskip("torch", reason="the samplers need PyTorch")
torch.set_num_threads(1)

from validation.measures.exact_scores import GaussianMixture  # noqa: E402
from validation.networks.diffusion import Levels, ddim, euler_maruyama, guided  # noqa: E402

_EIGENVALUES = np.array([0.2, 1.0, 3.0])


def _covariance(seed: int = 0, eigenvalues: np.ndarray = _EIGENVALUES) -> np.ndarray:
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((len(eigenvalues),) * 2))[0]
    return (axes * eigenvalues) @ axes.T


def _mixtures() -> list[GaussianMixture]:
    means = np.array([[1.0, 0.0, -2.0], [-1.0, 0.5, 0.3]])
    both = np.stack([_covariance(0), _covariance(1)])
    return [
        GaussianMixture(means[0], 0.7),
        GaussianMixture(means[0], _covariance()),
        GaussianMixture(means, 0.4, [1.0, 3.0]),
        GaussianMixture(means, both, [1.0, 3.0]),
        GaussianMixture.symmetric(means[0]),
    ]


@pytest.mark.parametrize("law", _mixtures())
@pytest.mark.parametrize("t", [0.0, 0.05, 1.0])
def test_score_is_the_gradient_of_the_log_density(law: GaussianMixture, t: float) -> None:
    x = torch.tensor(np.random.default_rng(2).standard_normal((7, 3)), requires_grad=True)
    (gradient,) = torch.autograd.grad(law.log_density(x, t).sum(), x)
    torch.testing.assert_close(law.score(x, t), gradient, rtol=1e-12, atol=1e-12)


def test_score_of_two_means_is_a_hyperbolic_tangent() -> None:
    m = np.array([1.0, -0.5])
    x = torch.tensor(np.random.default_rng(0).standard_normal((5, 2)))
    t = 0.3
    mean = torch.tensor(m) * math.exp(-t)
    expected = mean * torch.tanh(x @ mean)[:, None] - x
    torch.testing.assert_close(GaussianMixture.symmetric(m).score(x, t), expected)


@pytest.mark.parametrize("t", [0.0, 0.4])
def test_density_has_mass_one_and_the_moments_of_the_noised_mixture(t: float) -> None:
    law = GaussianMixture([[1.0], [-2.0]], [[[0.3]], [[2.0]]], [0.25, 0.75])
    grid = torch.linspace(-20.0, 20.0, 4001, dtype=torch.float64)[:, None]
    density = law.log_density(grid, t).exp().numpy() * 0.01
    x = grid[:, 0].numpy()
    shrink = math.exp(-t)
    mean = shrink * (0.25 * 1.0 - 0.75 * 2.0)
    second = 0.25 * (0.3 + 1.0) + 0.75 * (2.0 + 4.0)
    # Trapezoidal rule of an analytic function: exact to rounding.
    assert density.sum() == pytest.approx(1.0, abs=1e-12)
    assert (density * x).sum() == pytest.approx(mean, abs=1e-12)
    expected = shrink**2 * second - math.expm1(-2.0 * t)
    assert (density * x**2).sum() == pytest.approx(expected, abs=1e-11)


def test_samples_have_the_moments_of_the_mixture() -> None:
    law = _mixtures()[3]
    x, chosen = law.sample(20_000, torch.Generator().manual_seed(0))
    # Five standard errors each.
    share = float(chosen.double().mean())
    assert abs(share - 0.75) < 5 * math.sqrt(0.75 * 0.25 / 20_000)
    for c, seed in ((0, 0), (1, 1)):
        mine = x[chosen == c].numpy()
        expected = _covariance(seed)
        error = 5.0 * np.sqrt(3.0**2 * 2.0 / len(mine))
        np.testing.assert_allclose(np.cov(mine.T), expected, rtol=0, atol=error)
        offset = np.abs(mine.mean(axis=0) - law.means[c].numpy())
        assert np.all(offset < 5.0 * np.sqrt(np.diag(expected) / len(mine)))


def test_noise_and_score_are_one_thing() -> None:
    levels = Levels.of(rs.NoiseSchedule.linear(10))
    law = _mixtures()[2]
    x = torch.tensor(np.random.default_rng(1).standard_normal((4, 3)))
    k = torch.tensor([1, 4, 10, 4])
    score = levels.score(law.denoiser(levels), x, k)
    for row in range(4):
        exact = law.score(x[row : row + 1], float(levels.t[k[row]]))
        torch.testing.assert_close(score[row : row + 1], exact, rtol=1e-12, atol=1e-12)


def test_noised_samples_mix_signal_and_noise_by_level() -> None:
    schedule = rs.NoiseSchedule.linear(10)
    levels = Levels.of(schedule)
    clean, noise = torch.ones(2, 2, 2).double(), 2.0 * torch.ones(2, 2, 2).double()
    x = levels.noised(clean, torch.tensor([3, 10]), noise)
    for row, k in enumerate([3, 10]):
        expected = math.sqrt(schedule.alpha_bar[k - 1]) + 2.0 * math.sqrt(schedule.delta[k - 1])
        np.testing.assert_allclose(x[row].numpy(), expected, rtol=1e-15)
    assert torch.equal(levels.noised(clean, torch.tensor([0, 0]), noise), clean)


def _linear_map(steps: int | None, levels: Levels, covariance: np.ndarray) -> np.ndarray:
    """What DDIM with the exact score of a Gaussian does to the unit vectors: rows."""
    law = GaussianMixture(np.zeros(len(covariance)), covariance)
    unit = torch.eye(len(covariance), dtype=torch.float64)
    return np.asarray(ddim(law.denoiser(levels), levels, unit, steps=steps).numpy())


def test_ddim_of_the_exact_score_returns_the_covariance_of_the_discrete_sampler() -> None:
    schedule = rs.NoiseSchedule.linear(50)
    covariance = _covariance()
    drawn = _linear_map(None, Levels.of(schedule), covariance)
    variance = np.diag(sampled_variance(_EIGENVALUES, schedule, noise="deterministic"))
    axes = np.linalg.eigh(covariance)[1]
    np.testing.assert_allclose(drawn.T @ drawn, axes @ variance @ axes.T, rtol=0, atol=1e-12)


def test_ddim_along_some_levels_is_ddim_of_the_schedule_of_these_levels() -> None:
    schedule = rs.NoiseSchedule.linear(60)
    thinned = rs.NoiseSchedule.at_times(schedule.t[11::12])
    covariance = _covariance()
    some = _linear_map(5, Levels.of(schedule), covariance)
    all_of_them = _linear_map(None, Levels.of(thinned), covariance)
    np.testing.assert_allclose(some, all_of_them, rtol=0, atol=1e-13)


def test_ddim_of_the_exact_score_tends_to_the_covariance_of_the_gaussian() -> None:
    covariance = _covariance()
    off = []
    for steps in (250, 500, 1000):
        levels = Levels.of(rs.NoiseSchedule.at_times(np.geomspace(1e-4, 6.0, steps)))
        drawn = _linear_map(None, levels, covariance)
        off.append(np.abs(drawn.T @ drawn - covariance).max())
    # First order in the step, down to e^-12 from the start at t = 6.
    assert off[2] < 0.02
    np.testing.assert_allclose([off[0] / off[1], off[1] / off[2]], 2.0, rtol=0.05)


@pytest.mark.parametrize("sampler", ["posterior", "euler"])
def test_random_samplers_have_the_variance_of_their_recursion(sampler: str) -> None:
    schedule = rs.NoiseSchedule.linear(30, last=0.2)
    levels = Levels.of(schedule)
    law = GaussianMixture(np.zeros(3), np.diag(_EIGENVALUES))
    generator = torch.Generator().manual_seed(4)
    start = torch.randn(20_000, 3, generator=generator, dtype=torch.float64)
    if sampler == "posterior":
        x = ddim(law.denoiser(levels), levels, start, eta=1.0, generator=generator)
        expected = sampled_variance(_EIGENVALUES, schedule, noise="posterior")
    else:
        x = euler_maruyama(law.denoiser(levels), levels, start, generator)
        expected = np.ones(3)
        t = levels.t.numpy()
        for k in range(30, 0, -1):
            h, noised = t[k] - t[k - 1], np.exp(-2 * t[k]) * (_EIGENVALUES - 1.0) + 1.0
            expected = expected * (1.0 + h * (1.0 - 2.0 / noised)) ** 2 + 2.0 * h
    # Five standard errors of a Gaussian's sample variance.
    error = 5.0 * expected * math.sqrt(2.0 / 20_000)
    assert np.all(np.abs(x.numpy().var(axis=0) - expected) < error)


def test_guidance_moves_from_no_class_through_the_class_and_beyond() -> None:
    def network(x: torch.Tensor, k: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return x * (1.0 + labels[:, None])

    x, k = torch.ones(2, 3), torch.tensor([1, 1])
    assert torch.equal(guided(network, 1, 0.0, 4)(x, k), 2.0 * x)
    assert torch.equal(guided(network, 1, -1.0, 4)(x, k), 5.0 * x)
    assert torch.equal(guided(network, 1, 2.0, 4)(x, k), (3.0 * 2.0 - 2.0 * 5.0) * x)


def test_wrong_arguments_are_named() -> None:
    levels = Levels.of(rs.NoiseSchedule.linear(5))
    start = torch.zeros(1, 3).double()
    exact = GaussianMixture(np.zeros(3)).denoiser(levels)
    with pytest.raises(ValueError, match="steps"):
        ddim(exact, levels, start, steps=6)
    with pytest.raises(ValueError, match="generator"):
        ddim(exact, levels, start, eta=0.5)
    with pytest.raises(ValueError, match="label"):
        guided(lambda x, k, y: x, 3, 1.0, 3)
    with pytest.raises(ValueError, match="covariance must have shape"):
        GaussianMixture(np.zeros(3), np.eye(2))
    with pytest.raises(ValueError, match="positive semi-definite"):
        GaussianMixture(np.zeros(2), np.diag([1.0, -1.0]))
    with pytest.raises(ValueError, match="weights"):
        GaussianMixture(np.zeros((2, 3)), 1.0, [1.0, 0.0])
    with pytest.raises(ValueError, match="singular"):
        GaussianMixture(np.zeros(2), np.diag([1.0, 0.0])).score(torch.zeros(1, 2).double())
