"""Affine denoisers: published numbers, closed forms in special cases, shapes and refusals."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.linear.divergence import finite_sample

EPS = np.finfo(float).eps
ISOTROPIC = rs.PopulationSpectrum([1.0] * 200)
TWO = rs.PopulationSpectrum([4.0] * 40 + [0.25] * 160)
POWER = rs.PopulationSpectrum.power_law(1.0, 200)
STEEP = rs.PopulationSpectrum.power_law(2.0, 200)
SQUARE = rs.PopulationSpectrum.power_law(1.0, 300)
DECADES = rs.PopulationSpectrum.power_law(10.0 / np.log10(200.0), 200)
RANK = rs.PopulationSpectrum(
    np.concatenate([np.zeros(90), rs.PopulationSpectrum.power_law(1.0, 60).eigenvalues])
)
FORWARD, REVERSE = "data||model", "model||data"


def model(population, samples, c=0.0, **options):
    return rs.LinearDenoiser(population, samples / population.dimension, c, **options)


# Leading order and with the O(1/d) term, rounded as printed; each was confirmed by simulation.
LOSSES = [
    ("test_loss", ISOTROPIC, 100, 0.0, 0.9, 4.98015, 4.98104),
    ("test_loss", ISOTROPIC, 400, 0.001, 0.99, 1.03321, 1.03415),
    ("test_loss", POWER, 100, 0.0, 0.9, 2.37344, 2.37865),
    ("test_loss", POWER, 100, 0.001, 0.99, 17.8842, 17.9228),
    ("test_loss", STEEP, 50, 0.1, 0.5, 0.09833, 0.09864),
    ("test_loss", TWO, 400, 0.0, 0.9, 0.89118, 0.89218),
    ("test_loss", RANK, 30, 0.01, 0.9, 0.98596, 0.99267),
    ("test_loss", RANK, 400, 0.01, 0.9, 0.33380, 0.33399),
    ("train_loss", ISOTROPIC, 100, 0.0, 0.9, 0.45384, 0.45354),
    ("train_loss", POWER, 100, 0.1, 0.5, 0.23206, 0.23176),
    ("train_loss", TWO, 400, 0.1, 0.5, 0.29921, 0.29910),
    ("alignment", POWER, 1600, 0.0, 0.9, 0.02010, 0.02022),
]
DIVERGENCES = [
    (FORWARD, ISOTROPIC, 100, 0.1, 1.75490, 1.75564),
    (FORWARD, POWER, 100, 0.001, 104.439, 104.673),
    (FORWARD, STEEP, 400, 0.001, 0.18123, 0.18276),
    (REVERSE, ISOTROPIC, 50, 0.001, 2.43470, 2.43506),
    (REVERSE, STEEP, 100, 0.1, 4.52633, 4.52663),
    (FORWARD, POWER, 400, 0.0, 0.346574, 0.350733),
    (REVERSE, POWER, 400, 0.0, 0.153426, 0.154292),
    (FORWARD, rs.PopulationSpectrum.power_law(1.0, 1000), 20000, 0.0, 0.013602, 0.013617),
    (FORWARD, SQUARE, 300, 1e-2, 1.826, 1.838),
    (FORWARD, SQUARE, 300, 1e-6, 280.5, 412.7),
    (REVERSE, SQUARE, 300, 1e-6, 0.4982, 0.5029),
    (FORWARD, DECADES, 100, 1e-9, 124.6, 126.7),
    (REVERSE, DECADES, 100, 1e-9, 1.2265, 1.2284),
    (FORWARD, DECADES, 800, 1e-8, 0.07172, 0.07220),
    (REVERSE, DECADES, 100, 1e-4, 500.83, 500.83),
]
CURVES = [
    (ISOTROPIC, 0.0, 0.9, 3.0, 1.08454, 1.08469),
    (ISOTROPIC, 0.0, 0.9, 10.0, 2.55798, 2.55873),
    (POWER, 0.0, 0.99, 10.0, 1.09947, 1.10001),
    (POWER, 0.0, 0.99, 100.0, 9.05475, 9.07389),
]


def as_printed(value):
    """Half a unit of the last digit, of numbers printed to four digits or more."""
    return pytest.approx(value, rel=4e-4 if value >= 100 else 0.0, abs=6e-5 if value < 1 else 6e-4)


@pytest.mark.parametrize("case", LOSSES)
def test_losses_agree_with_values_confirmed_by_simulation(case):
    name, population, samples, c, alpha_bar, leading, corrected = case
    loss = getattr(model(population, samples, c), name)
    assert loss(alpha_bar) == as_printed(leading)
    assert loss(alpha_bar, corrected=True) == as_printed(corrected)


@pytest.mark.parametrize("case", DIVERGENCES)
def test_divergences_agree_with_values_confirmed_by_simulation(case):
    direction, population, samples, c, leading, corrected = case
    kl = model(population, samples, c).kl
    assert kl(direction) == as_printed(leading)
    assert kl(direction, corrected=True) == as_printed(corrected)


@pytest.mark.parametrize("case", CURVES)
def test_learning_curves_agree_with_values_confirmed_by_simulation(case):
    population, c, alpha_bar, tau, leading, corrected = case
    fitted = model(population, 100, c)
    assert float(fitted.training_curves(tau, alpha_bar).test) == as_printed(leading)
    assert float(fitted.training_curves(tau, alpha_bar, corrected=True).test) == as_printed(
        corrected
    )


def test_distances_agree_with_values_confirmed_by_simulation():
    regularised = model(POWER, 100, 0.1).alignment(0.5, reference="regularised")
    assert regularised == as_printed(0.09488)
    assert model(POWER, 100).alignment_pair(0.9) == as_printed(1.96867)
    assert model(TWO, 1600, 0.001).alignment_pair(0.99) == as_printed(0.01037)
    assert model(POWER, 100, 0.01).alignment_pair(0.9, other_load=2.0) == as_printed(1.23968)
    along = model(POWER, 100, 0.01).alignment_along(POWER.eigenvalues[[-1, -21, -101, 0]], 0.9)
    np.testing.assert_allclose(along, [41.6, 22.8, 6.017, 2.599], rtol=1.5e-3)


def test_random_initial_weights_add_their_own_decay():
    curves = model(POWER, 100).training_curves([0.0, 1.0, np.inf], 0.9, initial_scale=1.0)
    assert curves.test[1] == as_printed(1.12953)
    # At the start W adds its variance times the mean of the noised data: ᾱ<l> + 1 − ᾱ = 1.
    np.testing.assert_allclose(curves.test[0], 2.0, rtol=4 * EPS)
    assert curves.test[2] == model(POWER, 100).test_loss(0.9)


@pytest.mark.parametrize(
    ("samples", "tau", "loss", "final"),
    [(400, 4.2, 0.97701, 1.070), (100, 2.4, 0.98169, 21.49), (200, 3.2, 0.97929, 3.663)],
)
def test_optimal_stopping_agrees_with_a_scan(samples, tau, loss, final):
    best = model(POWER, samples).optimal_stopping(0.99)
    assert float(best.tau) == pytest.approx(tau, abs=0.06)
    assert float(best.test) == pytest.approx(loss, abs=2e-5)
    assert float(best.final) == pytest.approx(final, rel=5e-4)
    assert best.gain == best.final - best.test


def test_stopping_gains_nothing_where_the_ridge_is_large():
    best = model(ISOTROPIC, 2000, 1.0).optimal_stopping(0.9)
    assert best.tau == np.inf
    assert best.gain == 0.0


def test_empirical_mean_enters_with_the_next_order():
    power = rs.PopulationSpectrum.power_law(1.0, 60)
    assert model(power, 90, 0.01, empirical_mean=True).kl(corrected=True) == as_printed(0.63451)
    assert model(power, 300, empirical_mean=True).kl(REVERSE, corrected=True) == as_printed(0.05651)
    plain, mean = model(power, 90, 0.01), model(power, 90, 0.01, empirical_mean=True)
    assert plain.kl() == mean.kl()
    assert mean.test_loss(0.9, corrected=True) > plain.test_loss(0.9, corrected=True)
    gap = mean.test_loss(0.9, corrected=True) - mean.optimal_loss(0.9)
    # A difference of numbers of order 3: a few of their units.
    assert mean.alignment(0.9, corrected=True) == pytest.approx(gap, abs=50 * EPS)


@pytest.mark.parametrize("load", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("zeta", [1e-12, 1e-3, 1.0, 1e5])
def test_isotropic_ridge_is_the_root_of_a_quadratic(load, zeta):
    variance = 2.0
    alpha_bar = 0.5
    h = (zeta + variance / load) - variance
    root = np.sqrt(h * h + 4 * zeta * variance)
    exact = 0.5 * (h + root) if h >= 0 else 2 * zeta * variance / (root - h)
    fitted = rs.LinearDenoiser(rs.PopulationSpectrum.isotropic(variance), load)
    # s = 1 at ᾱ = 1/2, so smaller ridges come from the solver below the class.
    sums = fitted._ridge.solve(np.array([zeta]), np.array([load]))
    assert sums.kappa[0] == pytest.approx(exact, rel=1e-14)
    if zeta > 1.0:
        assert fitted.kappa(alpha_bar, gamma=alpha_bar * (zeta - 1.0)) == pytest.approx(
            exact, rel=1e-14
        )


@pytest.mark.parametrize("load", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("c", [0.0, 0.25])
def test_isotropic_averages_are_marchenko_pastur_integrals(load, c):
    variance, alpha_bar = 0.75, 0.875
    s = 1.0 / 7.0
    low, high = (variance * (1 + sign / np.sqrt(load)) ** 2 for sign in (-1.0, 1.0))
    # Substituting λ = low + (high − low) sin²(θ/2) leaves a smooth periodic integrand.
    theta = (np.arange(4000) + 0.5) * np.pi / 4000
    at = low + (high - low) * np.sin(theta / 2) ** 2
    weight = ((high - low) * np.sin(theta)) ** 2 / at * load / (8 * variance) / 4000
    atom = max(0.0, 1.0 - load)
    zeta = s + c

    def average(function):
        return weight @ function(at) + atom * function(0.0)

    fitted = rs.LinearDenoiser(rs.PopulationSpectrum.isotropic(variance), load, c)
    train = average(lambda lam: ((lam + c) ** 2 + s * lam) / (lam + zeta) ** 2)
    test = average(lambda lam: ((lam + c) ** 2 + s * variance) / (lam + zeta) ** 2)
    np.testing.assert_allclose(average(lambda lam: 1.0 + 0.0 * lam), 1.0, rtol=1e-12)
    np.testing.assert_allclose(fitted.train_loss(alpha_bar), train, rtol=1e-12)
    np.testing.assert_allclose(fitted.test_loss(alpha_bar), test, rtol=1e-12)
    for tau in (0.5, 20.0, 1e3):
        q = lambda lam: -np.expm1(-tau * (lam + zeta)) / (lam + zeta)  # noqa: B023, E731
        curve = fitted.training_curves(tau, alpha_bar)
        along = average(lambda lam: (1 - s * q(lam)) ** 2 + s * q(lam) ** 2 * variance)  # noqa: B023
        np.testing.assert_allclose(curve.test, along, rtol=1e-12)


def test_divergences_without_ridge_are_infinite_where_a_law_is_degenerate():
    kl = {n: rs.LinearDenoiser(POWER, n).kl for n in (0.5, 1.0, 2.0)}
    assert [kl[n](FORWARD) for n in (0.5, 1.0)] == [np.inf, np.inf]
    assert (kl[0.5](REVERSE), kl[1.0](REVERSE)) == (np.inf, 0.5)
    assert np.isfinite([kl[2.0](FORWARD), kl[2.0](REVERSE)]).all()
    flat = rs.PopulationSpectrum([0.0, 1.0, 2.0, 3.0])
    assert rs.LinearDenoiser(flat, 2.0, 0.1).kl() == np.inf
    # Without a ridge only the subspace counts: 2/(3/4) samples a direction of it.
    inside = 0.75 * rs.LinearDenoiser(POWER, 2.0 / 0.75).kl()
    assert rs.LinearDenoiser(flat, 2.0).kl() == pytest.approx(inside, rel=4 * EPS)


def test_finite_sample_divergence_follows_the_law_of_one_over_four_n():
    for direction in (FORWARD, REVERSE):
        # d/(4n) with relative corrections of order d/n and 1/d.
        assert finite_sample(2_000_000, 1000, direction) == pytest.approx(1 / 8000, rel=3e-3)
    assert finite_sample(201, 200) == np.inf
    assert np.isfinite(finite_sample(202, 200))
    assert np.isfinite(finite_sample(200, 200, REVERSE))
    assert finite_sample(199, 200, REVERSE) == np.inf


def test_finite_sample_divergence_in_one_dimension_is_an_integral_of_chi_square():
    rng = np.random.default_rng(3)
    count, draws = 12, 400_000
    z = rng.standard_normal((draws, count))
    known = (z**2).mean(axis=1)
    forward = 0.5 * (1 / known - 1 + np.log(known))
    shift, own = z.mean(axis=1) ** 2, z.var(axis=1)
    with_mean = 0.5 * ((1 + shift) / own - 1 + np.log(own))
    for values, empirical in ((forward, False), (with_mean, True)):
        error = values.std() / np.sqrt(draws)
        exact = finite_sample(count, 1, empirical_mean=empirical)
        assert abs(values.mean() - exact) < 4 * error


def test_a_support_of_no_whole_number_of_directions_has_divergences_of_whole_samples():
    population = rs.PopulationSpectrum([0.0, 1.0], [0.374, 0.626])  # 62.6 of 100 have data
    for samples in (1, 64, 100, 201):
        fitted = rs.LinearDenoiser(population, samples / 100, dimension=100)
        known = 0.626 * finite_sample(samples, 63)
        assert fitted.kl(corrected=True) == pytest.approx(known, rel=8 * EPS)
    with pytest.raises(ValueError, match=r"got n = 50\.5$"):
        rs.LinearDenoiser(population, 0.505, dimension=100).kl(corrected=True)


def test_arguments_broadcast_to_a_grid():
    loads, ridges = np.array([[0.5], [2.0]]), np.array([0.0, 0.1, 1.0])
    fitted = rs.LinearDenoiser(TWO, loads, ridges)
    grid = fitted.test_loss(0.9)
    assert grid.shape == fitted.kl().shape == (2, 3)
    for i, j in np.ndindex(grid.shape):
        alone = rs.LinearDenoiser(TWO, loads[i, 0], ridges[j])
        # Warm and cold starts of Newton end within rounding of each other.
        assert alone.test_loss(0.9) == pytest.approx(grid[i, j], rel=8 * EPS)
        assert alone.kl() == pytest.approx(fitted.kl()[i, j], rel=8 * EPS)
    assert np.ndim(rs.LinearDenoiser(TWO, 0.5).test_loss(0.9)) == 0
    curves = rs.LinearDenoiser(TWO, loads).training_curves([1.0, 2.0], [[[0.5]], [[0.9]]])
    assert curves.test.shape == (2, 2, 2)


def test_a_penalty_replaces_the_ridge_level_by_level():
    fixed = rs.LinearDenoiser(TWO, 0.5, 0.2)
    free = rs.LinearDenoiser(TWO, 0.5)
    levels = np.array([0.25, 0.5, 0.75])
    for name in ("kappa", "train_loss", "test_loss", "penalised_loss", "alignment"):
        np.testing.assert_allclose(
            getattr(free, name)(levels, gamma=0.2 * levels),
            getattr(fixed, name)(levels),
            rtol=1e-14,
        )


def test_wrong_arguments_are_refused_by_name():
    with pytest.raises(TypeError, match="population"):
        rs.LinearDenoiser([1.0], 0.5)
    for load in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="load"):
            rs.LinearDenoiser(TWO, load)
    with pytest.raises(ValueError, match="c must"):
        rs.LinearDenoiser(TWO, 0.5, -0.1)
    with pytest.raises(ValueError, match="load and c must broadcast"):
        rs.LinearDenoiser(TWO, [0.5, 1.0], [0.1, 0.2, 0.3])
    fitted = rs.LinearDenoiser(rs.PopulationSpectrum.isotropic(), 0.5)
    for level in (0.0, 1.0, 1.5):
        with pytest.raises(ValueError, match="alpha_bar"):
            fitted.test_loss(level)
    with pytest.raises(ValueError, match="dimension"):
        fitted.test_loss(0.5, corrected=True)
    with pytest.raises(ValueError, match="gamma"):
        fitted.test_loss(0.5, gamma=-1.0)
    for level, penalty in ((1e-300, 1e90), (0.5, 1e100)):
        with pytest.raises(ValueError, match="gamma must be at most"):
            fitted.test_loss(level, gamma=penalty)
    with pytest.raises(ValueError, match="gamma and alpha_bar must broadcast"):
        fitted.test_loss([0.5, 0.6], gamma=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="direction"):
        fitted.kl("forward")
    with pytest.raises(ValueError, match="reference"):
        fitted.alignment(0.5, reference="other")
    with pytest.raises(ValueError, match="corrected"):
        fitted.alignment(0.5, reference="regularised", corrected=True)
    with pytest.raises(ValueError, match="tau"):
        fitted.training_curves(-1.0, 0.5)
    with pytest.raises(ValueError, match="broadcast"):
        rs.LinearDenoiser(TWO, [0.5, 1.0]).test_loss([0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="integer number of samples"):
        rs.LinearDenoiser(TWO, 2.001).kl(corrected=True)
    with pytest.raises(ValueError, match="two samples"):
        model(TWO, 1, 0.1, empirical_mean=True).test_loss(0.5, corrected=True)
    with pytest.raises(ValueError, match="corrected must be False"):
        model(TWO, 50, empirical_mean=True).training_curves(1.0, 0.5, corrected=True)
