"""Losses, errors and divergences of denoisers against closed forms of Gaussian data."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rmtspec as rs

torch = pytest.importorskip("torch", reason="measures of denoisers need PyTorch")
torch.set_num_threads(1)

from validation.measures.exact_scores import GaussianMixture  # noqa: E402
from validation.measures.scores import (  # noqa: E402
    denoising_loss,
    girsanov_bound,
    linear_distance,
    score_error,
    time_integrated_kl,
)
from validation.networks.diffusion import Levels  # noqa: E402

_EIGENVALUES = np.array([0.3, 1.0, 2.5, 4.0])
_ONE = Levels.of(rs.NoiseSchedule.at_times([0.3]))


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _nothing(x: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(x)


def _gaussian(eigenvalues: np.ndarray = _EIGENVALUES, mean: float = 0.0) -> GaussianMixture:
    return GaussianMixture(np.full(len(eigenvalues), mean), np.diag(eigenvalues))


def _fine(steps: int = 300) -> Levels:
    return Levels.of(rs.NoiseSchedule.at_times(np.geomspace(1e-3, 6.0, steps)))


def test_loss_of_the_exact_score_is_what_no_denoiser_can_avoid() -> None:
    law = _gaussian()
    x, _ = law.sample(4000, _generator())
    loss = denoising_loss(law.denoiser(_ONE), x, _ONE, 1, _generator(1), noises=3)
    t = 0.3
    noised = np.exp(-2 * t) * _EIGENVALUES - np.expm1(-2 * t)
    exact = 1.0 + np.expm1(-2 * t) * np.mean(1.0 / noised)
    assert abs(loss.value - exact) < 4.0 * loss.error
    assert loss.error < 0.01


def test_error_over_samples_holds_the_noise_and_more() -> None:
    # 200 repetitions: a standard deviation is known to 5 %; four times that.
    law = _gaussian()
    rest = law.denoiser(_ONE)
    fixed, _ = law.sample(50, _generator())
    again, fresh, errors = [], [], []
    for i in range(200):
        generator = _generator(10 + i)
        one = denoising_loss(rest, fixed, _ONE, 1, generator, noises=4)
        drawn, _ = law.sample(50, generator)
        other = denoising_loss(rest, drawn, _ONE, 1, generator, noises=4)
        again.append(one.value)
        fresh.append(other.value)
        errors.append((one.noise_error, other.error))
    expected = np.mean(errors, axis=0)
    assert np.std(again) == pytest.approx(expected[0], rel=0.2)
    assert np.std(fresh) == pytest.approx(expected[1], rel=0.2)


def test_chunks_only_bound_the_memory() -> None:
    law = _gaussian()
    x, _ = law.sample(100, _generator())
    small = denoising_loss(_nothing, x, _ONE, 1, _generator(1), chunk=7)
    large = denoising_loss(_nothing, x, _ONE, 1, _generator(2), chunk=100)
    assert abs(small.value - large.value) < 4.0 * math.hypot(small.error, large.error)


def test_loss_and_score_error_differ_by_the_unavoidable_loss() -> None:
    # L = Delta E_score + 1 - Delta Tr Sigma_t^-1/d, on the same noised samples up to a
    # covariance of mean zero.
    law = _gaussian()
    x, _ = law.sample(20_000, _generator())

    def half(y: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return 0.5 * y

    loss = denoising_loss(half, x, _ONE, 1, _generator(1))
    error = score_error(half, law.denoiser(_ONE), x, _ONE, 1, _generator(2))
    delta = -math.expm1(-0.6)
    noised = math.exp(-0.6) * _EIGENVALUES + delta
    predicted = delta * error.value + 1.0 - delta * np.mean(1.0 / noised)
    assert abs(loss.value - predicted) < 4.0 * math.hypot(loss.error, delta * error.error)


def test_score_error_of_nothing_is_the_size_of_the_score() -> None:
    law = _gaussian()
    x, _ = law.sample(20_000, _generator())
    found = score_error(_nothing, law.denoiser(_ONE), x, _ONE, 1, _generator(1))
    noised = math.exp(-0.6) * _EIGENVALUES - math.expm1(-0.6)
    assert abs(found.value - np.mean(1.0 / noised)) < 4.0 * found.error
    same = score_error(law.denoiser(_ONE), law.denoiser(_ONE), x, _ONE, 1, _generator(1))
    assert same.value == 0.0


@pytest.mark.parametrize(
    "law",
    [_gaussian(np.ones(3)), _gaussian(), GaussianMixture.symmetric([1.0, 1.0, 1.0, 1.0])],
    ids=["white", "gaussian", "two means"],
)
def test_divergence_of_the_exact_score_is_zero(law: GaussianMixture) -> None:
    x, _ = law.sample(3000, _generator())
    levels = _fine()
    found = time_integrated_kl(law.denoiser(levels), law, x, levels, _generator(1))
    # Rectangle below t = 1e-3 and trapezoids of relative width 0.03: under 1e-3 of an integrand
    # of order d.
    assert abs(found.value) < 4.0 * found.error + 1e-3 * law.dimension
    assert found.error < 0.05
    assert found.value == pytest.approx(-found.entropy - found.log_density, abs=1e-9)


def test_divergence_of_another_gaussian_is_the_closed_form() -> None:
    target, model = _gaussian(), _gaussian(1.3 * _EIGENVALUES, mean=0.4)
    x, _ = model.sample(3000, _generator())
    levels = _fine()
    found = time_integrated_kl(model.denoiser(levels), target, x, levels, _generator(1))
    exact = 0.5 * np.sum(1.3 - 1.0 - np.log(1.3) + 0.16 / _EIGENVALUES)
    assert abs(found.value - exact) < 4.0 * found.error + 4e-3
    entropy = 0.5 * np.sum(np.log(2.0 * np.pi * np.e * 1.3 * _EIGENVALUES))
    assert found.entropy == pytest.approx(entropy, abs=4.0 * found.error + 4e-3)


def test_girsanov_bound_of_a_shift_is_the_divergence() -> None:
    # Scores of two white Gaussians a distance delta apart differ by e^-t delta everywhere, and
    # int e^-2t dt = 1/2: the bound is |delta|^2/2.
    target, model = _gaussian(np.ones(4)), _gaussian(np.ones(4), mean=0.5)
    x, _ = target.sample(20, _generator())
    levels = _fine(1000)
    found = girsanov_bound(
        model.denoiser(levels), target.denoiser(levels), x, levels, _generator(1)
    )
    # Trapezoids of relative width 0.009, and e^-12 beyond the end.
    assert found.value == pytest.approx(0.5, abs=2e-5)
    assert found.error < 1e-12


def test_girsanov_bound_is_tight_where_the_model_has_a_score() -> None:
    # Both ways back then are true reversals: the divergence of the paths is that of the clean
    # samples, KL(target || model), and what is left of it at the last level is e^-24.
    target, model = _gaussian(), _gaussian(1.5 * _EIGENVALUES)
    x, _ = target.sample(2000, _generator())
    levels = _fine()
    bound = girsanov_bound(
        model.denoiser(levels), target.denoiser(levels), x, levels, _generator(1)
    )
    divergence = 0.5 * 4 * (1.0 / 1.5 - 1.0 + math.log(1.5))
    # Below t = 1e-3 the integrand stands still, and the trapezoids have a relative width of 0.03.
    assert abs(bound.value - divergence) < 4.0 * bound.error + 1e-4
    assert bound.error < 0.003


def test_distance_to_the_linear_map_vanishes_for_it_and_is_its_size_for_nothing() -> None:
    levels = Levels.of(rs.NoiseSchedule.at_times([0.05, 0.5, 2.0]))
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    covariance, mean = (axes * _EIGENVALUES) @ axes.T, np.array([1.0, -2.0, 0.0, 0.5])
    law = GaussianMixture(mean, covariance)
    x, _ = law.sample(4000, _generator())
    ks = (1, 2, 3)
    found = linear_distance(law.denoiser(levels), x, levels, ks, mean, covariance, _generator(1))
    np.testing.assert_allclose(found.eigenvalues, _EIGENVALUES[::-1], rtol=1e-12)
    np.testing.assert_allclose(found.distance, 0.0, atol=1e-25)

    nothing = linear_distance(_nothing, x, levels, ks, mean, covariance, _generator(1), noises=2)
    np.testing.assert_allclose(nothing.distance, nothing.scale, rtol=1e-12)
    for row, t in enumerate([0.05, 0.5, 2.0]):
        delta = -math.expm1(-2.0 * t)
        exact = delta / (math.exp(-2.0 * t) * _EIGENVALUES[::-1] + delta)
        assert np.all(np.abs(nothing.distance[row] - exact) < 4.0 * nothing.error[row])


def test_images_are_flattened_against_the_linear_map() -> None:
    law = _gaussian()
    x, _ = law.sample(50, _generator())

    def exact(y: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return law.denoiser(_ONE)(y.flatten(1), k).reshape(y.shape)

    pictures = x.reshape(-1, 1, 2, 2)
    found = linear_distance(
        exact, pictures, _ONE, (1,), np.zeros(4), np.diag(_EIGENVALUES), _generator()
    )
    np.testing.assert_allclose(found.distance, 0.0, atol=1e-25)
    flat = denoising_loss(law.denoiser(_ONE), x, _ONE, 1, _generator(3))
    assert denoising_loss(exact, pictures, _ONE, 1, _generator(3)).value == pytest.approx(
        flat.value, rel=1e-12
    )


def test_wrong_levels_are_named() -> None:
    x = torch.zeros(3, 4).double()
    with pytest.raises(ValueError, match="k must"):
        denoising_loss(_nothing, x, _ONE, 2, _generator())
    with pytest.raises(ValueError, match="noises"):
        denoising_loss(_nothing, x, _ONE, 1, _generator(), noises=0)
