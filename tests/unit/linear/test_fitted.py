"""A denoiser of one data set: closed forms against explicit weights, descent, steps and samples."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy.special import digamma

import rmtspec as rs
from rmtspec.linear.fitted import FittedDenoiser
from rmtspec.linear.results import Affine
from rmtspec.linear.sampling import continuous_path, discrete_path, sampled_variance

EPS = np.finfo(float).eps
LEVEL = 0.75
SIZE = 12


def problem(seed=0, samples=9, size=SIZE, c=0.05, center=True):
    """A data set of non-zero mean with a population covariance in a random basis."""
    rng = np.random.default_rng(seed)
    eigenvalues = 2.0 / np.arange(1, size + 1)
    basis = np.linalg.qr(rng.standard_normal((size, size)))[0]
    covariance = (basis * eigenvalues) @ basis.T
    mean = rng.standard_normal(size)
    x = mean + rng.standard_normal((samples, size)) @ (basis * np.sqrt(eigenvalues)).T
    fit = FittedDenoiser.from_data(x, covariance, c, population_mean=mean, center=center)
    return fit, x, rng


@pytest.mark.parametrize("center", [True, False])
def test_losses_of_the_optimum_are_those_of_its_weights(center):
    fit, _, _ = problem(center=center)
    train, test = fit.losses(fit.optimum(LEVEL), LEVEL)
    # Condition: the largest weight squared over the smallest eigenvalue, about 1e2.
    assert fit.train_loss(LEVEL) == pytest.approx(train, rel=1e-13)
    assert fit.test_loss(LEVEL) == pytest.approx(test, rel=1e-13)
    size = np.sum(fit.optimum(LEVEL).weights ** 2) / SIZE
    penalised = train + fit.c * LEVEL * size
    assert fit.penalised_loss(LEVEL) == pytest.approx(penalised, rel=1e-13)
    assert fit.train_loss(LEVEL, gamma=0.3) != fit.train_loss(LEVEL)


def test_the_optimum_minimises_the_penalised_training_loss():
    fit, _, rng = problem()

    def objective(affine):
        return fit.losses(affine, LEVEL)[0] + fit.c * LEVEL * np.sum(affine.weights**2) / SIZE

    best = fit.optimum(LEVEL)
    for _ in range(10):
        step = Affine(
            best.weights + 1e-3 * rng.standard_normal((SIZE, SIZE)),
            best.bias + 1e-3 * rng.standard_normal(SIZE),
        )
        assert objective(step) > objective(best)


def test_losses_are_those_of_explicitly_noised_points():
    fit, x, rng = problem(samples=30)
    affine = fit.optimum(LEVEL)
    draws = 200_000
    population = np.linalg.cholesky(fit.covariance)
    fresh = fit.population_mean + rng.standard_normal((draws, SIZE)) @ population.T
    for data, exact in (
        (x[rng.integers(30, size=draws)], fit.train_loss(LEVEL)),
        (fresh, fit.test_loss(LEVEL)),
    ):
        noise = rng.standard_normal((draws, SIZE))
        noised = np.sqrt(LEVEL) * data + np.sqrt(1 - LEVEL) * noise
        miss = np.mean((noise - noised @ affine.weights.T - affine.bias) ** 2, axis=1)
        assert abs(miss.mean() - exact) < 4 * miss.std() / np.sqrt(draws)


@pytest.mark.parametrize("center", [True, False])
def test_distance_to_the_optimum_is_test_minus_optimal_loss_for_every_data_set(center):
    fit, _, _ = problem(center=center)
    gap = fit.test_loss(LEVEL) - fit.optimal_loss(LEVEL)
    assert fit.alignment(LEVEL) == pytest.approx(gap, rel=1e-12)
    assert fit.distance(fit, LEVEL) == 0.0
    other, _, _ = problem(seed=1)
    with pytest.raises(ValueError, match="dimension"):
        fit.distance(problem(size=5)[0], LEVEL)
    assert fit.distance(other, LEVEL) > 0.0


def test_gradient_descent_is_a_power_of_its_decay():
    fit, x, rng = problem()
    sample = np.cov(x.T, bias=True)
    start, rate, gamma = rng.standard_normal((SIZE, SIZE)), 0.05, fit.c * LEVEL
    weights = start.copy()
    noised = LEVEL * sample + (1 - LEVEL + gamma) * np.eye(SIZE)
    for _ in range(200):
        weights -= rate * 2 * (weights @ noised - np.sqrt(1 - LEVEL) * np.eye(SIZE))
    exact = fit.gradient_descent(200, rate, LEVEL, initial=start).weights
    # 200 steps, each rounding entries of order one.
    np.testing.assert_allclose(exact, weights, atol=200 * EPS)
    many, small = 20_000, rate / 1000
    flow = fit.flow(2 * small * LEVEL * many, LEVEL, initial=start).weights
    descent = fit.gradient_descent(many, small, LEVEL, initial=start).weights
    # Euler's error: (rate)·(eigenvalue)²·time, about 1e-4.
    np.testing.assert_allclose(flow, descent, atol=5e-4)


def test_training_curves_are_the_losses_of_the_relaxing_weights():
    fit, _, _ = problem()
    tau = np.array([0.0, 0.1, 1.0, 30.0, np.inf])
    curves = fit.training_curves(tau, LEVEL)
    for i, time in enumerate(tau):
        train, test = fit.losses(fit.flow(time, LEVEL), LEVEL)
        assert curves.train[i] == pytest.approx(train, rel=1e-13)
        assert curves.test[i] == pytest.approx(test, rel=1e-13)
    assert curves.train[0] == curves.test[0] == 1.0
    assert curves.test[-1] == pytest.approx(fit.test_loss(LEVEL), rel=1e-14)


def test_each_direction_stops_where_its_own_loss_turns():
    fit, _, _ = problem(c=0.0)
    best = fit.optimal_stopping(0.99)
    s = (1 - 0.99) / 0.99
    fresh = fit.overlaps + fit.offsets
    overfits = np.flatnonzero(np.isfinite(best.each))
    assert overfits.size > 0
    for nu in overfits:
        rate = fit.eigenvalues[nu] + s

        def loss(tau, nu=nu, rate=rate):
            q = -np.expm1(-tau * rate) / rate
            return (1 - s * q) ** 2 + s * q**2 * fresh[nu]

        at = best.each[nu]
        assert loss(at) < min(loss(0.9 * at), loss(1.1 * at))
    scan = fit.training_curves(np.geomspace(1e-3, 1e4, 20_000), 0.99).test
    assert best.test <= scan.min() * (1 + 1e-12)
    assert best.gain == pytest.approx(fit.test_loss(0.99) - best.test, rel=1e-12)


@pytest.mark.parametrize("center", [True, False])
def test_divergences_are_those_of_two_gaussians(center):
    fit, _, _ = problem(center=center)
    model = (fit.vectors * (fit.eigenvalues + fit.c)) @ fit.vectors.T
    data, shift = fit.covariance, fit.population_mean - fit.mean

    def gaussian(first, second):
        ratio = np.linalg.solve(second, first)
        total = np.trace(ratio) - SIZE - np.linalg.slogdet(ratio)[1]
        return 0.5 * (total + shift @ np.linalg.solve(second, shift)) / SIZE

    assert fit.kl() == pytest.approx(gaussian(data, model), rel=1e-12)
    assert fit.kl("model||data") == pytest.approx(gaussian(model, data), rel=1e-12)


def test_divergences_are_infinite_where_a_law_is_degenerate():
    few, _, _ = problem(samples=9, c=0.0)
    assert few.kl() == few.kl("model||data") == np.inf
    flat = np.diag([1.0, 2.0, 0.0])
    x = np.random.default_rng(2).standard_normal((8, 3)) * np.sqrt(np.diag(flat))
    inside = FittedDenoiser.from_data(x[:, :2], flat[:2, :2])
    assert FittedDenoiser.from_data(x, flat).kl() == pytest.approx(inside.kl() * 2 / 3, rel=1e-13)
    assert FittedDenoiser.from_data(x, flat, 0.1).kl() == np.inf


def test_null_directions_are_counted_not_measured():
    fit, _, _ = problem(samples=5)
    assert np.count_nonzero(fit.eigenvalues) == 4
    fit, x, _ = problem(samples=5, center=False)
    assert np.count_nonzero(fit.eigenvalues) == 5
    centred = x - fit.population_mean
    again = FittedDenoiser.from_covariance(centred.T @ centred / 5, fit.covariance, fit.c)
    np.testing.assert_allclose(again.eigenvalues, fit.eigenvalues, rtol=1e-12, atol=1e-14)
    assert again.test_loss(LEVEL) == pytest.approx(fit.test_loss(LEVEL), rel=1e-12)


@pytest.mark.parametrize("noise", ["beta", "posterior", "deterministic"])
def test_sampled_law_is_that_of_the_vector_steps(noise):
    fit, _, _ = problem()
    schedule = rs.NoiseSchedule.linear(40, 1e-3, 0.1)
    signal = np.concatenate([[1.0], schedule.alpha_bar])
    mean, covariance = np.zeros(SIZE), np.eye(SIZE)
    for k in range(schedule.steps, 0, -1):
        here, below, beta = signal[k], signal[k - 1], schedule.beta[k - 1]
        affine = fit.optimum(here)
        if noise == "deterministic":
            outer = np.sqrt(below / here)
            inner = np.sqrt(1 - below) - outer * np.sqrt(1 - here)
            sigma2 = 0.0
        else:
            outer = 1 / np.sqrt(1 - beta)
            inner = -outer * beta / np.sqrt(1 - here)
            sigma2 = beta if noise == "beta" else schedule.posterior_variance[k - 1]
        step = outer * np.eye(SIZE) + inner * affine.weights
        mean = step @ mean + inner * affine.bias
        covariance = step @ covariance @ step.T + sigma2 * np.eye(SIZE)
    drawn_mean, drawn_covariance = fit.sampled_law(schedule, noise=noise)
    np.testing.assert_allclose(drawn_mean, mean, atol=1e-13)
    np.testing.assert_allclose(drawn_covariance, covariance, atol=1e-13)


def test_continuous_sampling_draws_the_sample_law():
    fit, x, _ = problem()
    mean, covariance = fit.sampled_law()
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(
        covariance, np.cov(x.T, bias=True) + fit.c * np.eye(SIZE), atol=1e-13
    )


@pytest.mark.parametrize("noise", ["beta", "deterministic"])
def test_paths_of_small_steps_approach_continuous_time(noise):
    lam, mean = np.array([0.0, 1e-3, 0.3, 1.0, 5.0]), 0.7
    errors = []
    for steps in (500, 1000):
        schedule = rs.NoiseSchedule.at_times(np.linspace(0.0, 2.0, steps + 1)[1:])
        path = discrete_path(lam, schedule, mean=mean, noise=noise)
        final = float(schedule.alpha_bar[-1])
        smooth = continuous_path(
            lam, path.alpha_bar, final=final, mean=mean, deterministic=noise == "deterministic"
        )
        gap = np.abs(path.variance - smooth.variance)[:, steps // 2 :].max()
        errors.append(max(gap, np.abs(path.mean - smooth.mean)[:, steps // 2 :].max()))
        np.testing.assert_array_equal(
            path.variance[:, 0], sampled_variance(lam, schedule, noise=noise)
        )
    # First order in the step.
    assert errors[0] < 0.02
    assert errors[1] < 0.6 * errors[0]
    np.testing.assert_allclose(path.variance[:, -1], 1.0, rtol=1e-14)
    np.testing.assert_allclose(path.mean[:, -1], 0.0, atol=1e-15)


def test_one_schedule_step_of_no_variance_leaves_the_noise_of_the_sampler():
    schedule = rs.NoiseSchedule.linear(1000)
    assert sampled_variance(0.0, schedule) == pytest.approx(schedule.beta[0], rel=1e-14)
    assert sampled_variance(0.0, schedule, noise="posterior") == 0.0
    assert sampled_variance(0.0, schedule, noise="deterministic") == 0.0


def draws(population, samples, number, c, seed, center=False):
    """Fits to independent Gaussian data of a diagonal covariance."""
    rng = np.random.default_rng(seed)
    eigenvalues = np.repeat(
        population.eigenvalues, np.rint(population.weights * population.dimension).astype(int)
    )
    for _ in range(number):
        x = rng.standard_normal((samples, eigenvalues.size)) * np.sqrt(eigenvalues)
        yield FittedDenoiser.from_data(x, np.diag(eigenvalues), c, center=center)


def test_averages_over_data_sets_approach_the_law():
    population = rs.PopulationSpectrum.power_law(1.0, 60)
    samples, c, number, level = 40, 0.05, 80, 0.9
    theory = rs.LinearDenoiser(population, samples / 60, c)
    fits = list(draws(population, samples, number, c, seed=5))
    tau = 5.0
    pairs = {
        "train": ([f.train_loss(level) for f in fits], theory.train_loss(level, corrected=True)),
        "test": ([f.test_loss(level) for f in fits], theory.test_loss(level, corrected=True)),
        "kl": ([f.kl() for f in fits], theory.kl(corrected=True)),
        "reverse": (
            [f.kl("model||data") for f in fits],
            theory.kl("model||data", corrected=True),
        ),
        "flow": (
            [f.training_curves(tau, level).test for f in fits],
            theory.training_curves(tau, level, corrected=True).test,
        ),
        "pair": (
            [a.distance(b, level) for a, b in zip(fits[::2], fits[1::2], strict=True)],
            theory.alignment_pair(level),
        ),
    }
    for name, (values, expected) in pairs.items():
        error = np.std(values) / np.sqrt(len(values))
        # Four standard errors, and the order beyond the one given: 1/d for the pair, else 1/d².
        order = 1 / 60 if name == "pair" else 5 / 60**2
        assert abs(np.mean(values) - expected) < 4 * error + order * expected, name


def test_averages_with_an_estimated_mean_approach_the_corrected_law():
    population = rs.PopulationSpectrum([0.5] * 20 + [1.5] * 20)
    theory = rs.LinearDenoiser(population, 1.5, 0.1, empirical_mean=True)
    fits = list(draws(population, 60, 150, 0.1, seed=6, center=True))
    known = rs.LinearDenoiser(population, 1.5, 0.1)
    for name in ("train_loss", "test_loss", "penalised_loss", "alignment"):
        values = [getattr(f, name)(0.9) for f in fits]
        expected = getattr(theory, name)(0.9, corrected=True)
        error = np.std(values) / np.sqrt(len(values))
        assert abs(np.mean(values) - expected) < 4 * error + 5 / 40**2 * expected, name
    # The effect of the mean is larger than the error here, or the test would see nothing.
    values = [f.test_loss(0.9) for f in fits]
    gap = np.mean(values) - known.test_loss(0.9, corrected=True)
    assert gap > 8 * np.std(values) / np.sqrt(len(values))


def test_mean_log_determinant_without_ridge_is_a_sum_of_digammas():
    population = rs.PopulationSpectrum([1.0] * 8)
    values = [f.kl("model||data") for f in draws(population, 20, 400, 0.0, seed=7)]
    exact = rs.LinearDenoiser(population, 2.5).kl("model||data", corrected=True)
    by_hand = -0.5 * np.mean(digamma((20 - np.arange(8)) / 2) + np.log(2 / 20))
    assert exact == pytest.approx(by_hand, rel=1e-13)
    assert abs(np.mean(values) - exact) < 4 * np.std(values) / 20.0


def test_participation_ratio_of_samples_is_below_that_of_the_population():
    population = rs.PopulationSpectrum.power_law(1.0, 200)
    values = [
        np.sum(f.eigenvalues) ** 2 / np.sum(f.eigenvalues**2)
        for f in draws(population, 60, 40, 0.0, seed=8)
    ]
    expected = population.sampled_participation_ratio(60)
    # The mean of a ratio is not the ratio of means: a relative term of order 1/PR, here 1/19.
    assert np.mean(values) == pytest.approx(expected, rel=0.05)
    assert expected < 0.85 * population.participation_ratio
    with pytest.raises(ValueError, match="dimension"):
        rs.PopulationSpectrum.isotropic().sampled_participation_ratio(10)


def test_wrong_arguments_are_refused_by_name():
    x, identity = np.zeros((4, 3)), np.eye(3)
    with pytest.raises(ValueError, match="x must"):
        FittedDenoiser.from_data(np.zeros(3), identity)
    with pytest.raises(ValueError, match="covariance must"):
        FittedDenoiser.from_data(x, np.eye(2))
    with pytest.raises(ValueError, match="symmetric"):
        FittedDenoiser.from_data(x, [[1, 1, 0], [0, 1, 0], [0, 0, 1]])
    with pytest.raises(ValueError, match="negative eigenvalues"):
        FittedDenoiser.from_data(x, -identity)
    with pytest.raises(ValueError, match="population_mean"):
        FittedDenoiser.from_data(x, identity, population_mean=[1.0])
    with pytest.raises(ValueError, match="c must"):
        FittedDenoiser.from_data(x, identity, -1.0)
    fit = FittedDenoiser.from_covariance(identity, identity)
    with pytest.raises(ValueError, match="alpha_bar"):
        fit.test_loss(1.0)
    with pytest.raises(ValueError, match="direction"):
        fit.kl("both")
    with pytest.raises(ValueError, match="initial"):
        fit.flow(1.0, 0.5, initial=[[1.0]])
    with pytest.raises(ValueError, match="noise"):
        fit.sampled_law(rs.NoiseSchedule.linear(3), noise="other")


@pytest.mark.parametrize("c", [1e-12, 0.3, 2.0, 1e30, 1e99])
def test_divergence_of_a_ridge_on_exact_data_is_that_of_two_variances(c):
    fit = FittedDenoiser.from_covariance(np.eye(3), np.eye(3), c)
    with mpmath.workdps(250):
        h = 1 + mpmath.mpf(c)
        forward, reverse = ((x - 1 - mpmath.log(x)) / 2 for x in (1 / h, h))
    # Both grow like (h - 1)^2/2 from 0, and h carries the rounding of a decomposition.
    atol = 16 * EPS * min(c, 1.0)
    assert fit.kl() == pytest.approx(float(forward), rel=8 * EPS, abs=atol)
    assert fit.kl("model||data") == pytest.approx(float(reverse), rel=8 * EPS, abs=atol)


def test_optimal_map_of_a_nearly_singular_covariance_is_exact():
    covariance = np.full((3, 3), 1e99)
    fit = FittedDenoiser.from_covariance(covariance, covariance)
    # Two directions of variance 0 and one where nothing is left of the noise.
    assert fit.optimal_loss(0.5) == pytest.approx(1 / 3, rel=4 * EPS)
    assert fit.alignment(0.5) == pytest.approx(0.0, abs=16 * EPS)


def test_a_rate_that_explodes_is_refused():
    fit = FittedDenoiser.from_covariance(np.eye(2), np.eye(2))
    with pytest.raises(ValueError, match="rate must keep the weights below 1e100"):
        fit.gradient_descent(1000, 10.0, 0.5)


@pytest.mark.parametrize("noise", ["beta", "posterior", "deterministic"])
def test_steps_through_pure_noise_change_nothing(noise):
    times = np.linspace(0.01, 30.0, 2000)
    longer = np.concatenate([times, np.linspace(31.0, 349.0, 200)])
    lam = [0.0, 1e-3, 1.0, 1e3]
    short, long = (
        discrete_path(lam, rs.NoiseSchedule.at_times(t), mean=1.0, noise=noise)
        for t in (times, longer)
    )
    # The signal at t = 30 is e^-60, and the mean there e^-30.
    np.testing.assert_allclose(long.variance[:, :2001], short.variance, rtol=1e-12)
    np.testing.assert_allclose(long.mean[:, :2001], short.mean, atol=1e-12)
    assert long.variance.shape == (4, 2201)
    np.testing.assert_allclose(long.variance[:, 2001:], 1.0, rtol=1e-12)


def test_a_million_steps_do_not_underflow():
    schedule = rs.NoiseSchedule.linear(1_000_000)
    assert schedule.alpha_bar[-1] == 0.0
    # At l = 1 this sampler is exact; T steps add up T roundings.
    assert sampled_variance(1.0, schedule) == pytest.approx(1.0, rel=1e6 * EPS)
