"""Mean shift and covariance of sums over eigenvalues against closed forms, and what is refused."""

import numpy as np
import pytest
from scipy.special import comb

import rmtspec as rs
from rmtspec.ensembles.conditional_feature import ConditionalFeatureGram
from rmtspec.ensembles.random_feature import RandomFeatureGram

ISOTROPIC = rs.PopulationSpectrum.isotropic()
TWO = rs.PopulationSpectrum([0.5, 1.5], [0.5, 0.5])
FLOOR = rs.RandomFeatureModel(4.0, 2.0, 0.1)


FIELDS = {
    rs.SampleCovariance: ("ratio", "population"),
    RandomFeatureGram: ("psi_p", "psi_n", "population", "c2", "b2", "v2", "s2"),
}


def power(r):
    return lambda x: x**r


def first(x):
    return x


def bai_silverstein_mean(c, r):
    """Bai and Silverstein 2004, (1.23), the mean shift of Σλ^r for H = δ_1."""
    j = np.arange(r + 1)
    ends = (1 - c**0.5) ** (2 * r) + (1 + c**0.5) ** (2 * r)
    return ends / 4 - 0.5 * (comb(r, j) ** 2 * c**j).sum()


def bai_silverstein_covariance(c, r1, r2):
    """Bai and Silverstein 2004, (1.24)."""
    total = 0.0
    for k1 in range(r1):
        for k2 in range(r2 + 1):
            inner = sum(
                step * comb(2 * r1 - 1 - k1 - step, r1 - 1) * comb(2 * r2 - 1 - k2 + step, r2 - 1)
                for step in range(1, r1 - k1 + 1)
            )
            total += comb(r1, k1) * comb(r2, k2) * ((1 - c) / c) ** (k1 + k2) * inner
    return 2 * c ** (r1 + r2) * total


@pytest.mark.parametrize("c", [1e-3, 0.25, 0.8, 1.0, 2.0, 50.0])
@pytest.mark.parametrize("r", [1, 2, 3, 5])
def test_means_of_white_wishart_powers_are_those_of_bai_and_silverstein(c, r):
    found = rs.SampleCovariance(c, ISOTROPIC).fluctuations(power(r))
    # the closed form's own terms cancel: its rounding is that of the largest
    assert abs(found.mean[0] - bai_silverstein_mean(c, r)) <= 1e-12 * (1 + c**0.5) ** (2 * r)


@pytest.mark.parametrize("c", [0.25, 0.8, 1.0, 1.25])
def test_covariances_of_white_wishart_powers_are_those_of_bai_and_silverstein(c):
    powers = [1, 2, 3, 4]
    found = rs.SampleCovariance(c, ISOTROPIC).fluctuations(*map(power, powers))
    exact = [[bai_silverstein_covariance(c, a, b) for b in powers] for a in powers]
    np.testing.assert_allclose(found.covariance, exact, rtol=1e-10)


@pytest.mark.parametrize("c", [1e-3, 0.25, 0.8, 0.999])
def test_log_determinant_of_a_white_wishart_matrix_has_the_known_mean_and_variance(c):
    found = rs.SampleCovariance(c, ISOTROPIC).fluctuations(np.log, first, dimension=100)
    assert found.mean[0] == pytest.approx(0.5 * np.log1p(-c), rel=1e-10)
    assert found.covariance[0, 0] == pytest.approx(-2.0 * np.log1p(-c), rel=1e-10)
    assert found.covariance[0, 1] == pytest.approx(2.0 * c, rel=1e-10)


@pytest.mark.parametrize("c", [0.3, 3.0])
def test_covariance_with_the_trace_of_a_white_wishart_matrix_is_the_response_to_its_scale(c):
    # d/dσ² of the density exp(−n tr S/2σ²): Cov(X_f, tr S) = 2c∫λf'(λ)dρ, with no contour
    model = rs.SampleCovariance(c, ISOTROPIC)
    found = model.fluctuations(first, lambda x: np.exp(-x), lambda x: 1.0 / (x + 0.1))
    slopes = (lambda x: x, lambda x: -x * np.exp(-x), lambda x: -x / (x + 0.1) ** 2)
    exact = [2.0 * c * model.spectrum().integrate(slope) for slope in slopes]
    np.testing.assert_allclose(found.covariance[0], exact, rtol=1e-9)


@pytest.mark.parametrize("c", [0.2, 5.0])
def test_trace_has_no_shift_and_the_variance_of_a_chi_square(c):
    population = rs.PopulationSpectrum([0.1, 1.0, 7.0], [0.3, 0.5, 0.2])
    found = rs.SampleCovariance(c, population).fluctuations(first)
    second = float(population.weights @ population.eigenvalues**2)
    assert abs(found.mean[0]) <= 1e-12
    assert found.covariance[0, 0] == pytest.approx(2.0 * c * second, rel=1e-12)


def test_log_determinant_of_any_population_fluctuates_as_that_of_white_samples():
    # log det S = log det Σ + log det of a white Wishart matrix
    c, population = 0.4, rs.PopulationSpectrum([0.01, 1.0, 50.0], [0.3, 0.5, 0.2])
    found = rs.SampleCovariance(c, population).fluctuations(np.log)
    assert found.mean[0] == pytest.approx(0.5 * np.log1p(-c), rel=1e-9)
    assert found.covariance[0, 0] == pytest.approx(-2.0 * np.log1p(-c), rel=1e-9)


def test_random_features_without_data_are_a_gram_matrix_of_two_atoms():
    averaged = RandomFeatureGram(2.0, 3.0, TWO, 0.0, 0.3, 0.25, 0.2)
    given = ConditionalFeatureGram(2.0, 3.0, TWO, 0.0, 0.3, 0.25, 0.2)
    one, two = (gram.spectrum().fluctuations(np.log, first) for gram in (averaged, given))
    np.testing.assert_allclose(one.mean, two.mean, atol=1e-12)
    np.testing.assert_allclose(one.covariance, two.covariance, rtol=1e-11)


def test_random_features_of_noise_free_data_are_a_sample_covariance_of_their_data():
    # b = v = 0 and psi_n -> inf: U = c²WΣWᵀ/d, its companion has ratio 1/psi_p
    far = RandomFeatureGram(0.5, 1e8, TWO, 1.0, 0.0, 0.0, 0.0).spectrum()
    found = far.fluctuations(first, np.log)
    given = ConditionalFeatureGram(0.5, 1e8, TWO, 1.0, 0.0, 0.0, 0.0).spectrum()
    exact = given.fluctuations(first, np.log)
    np.testing.assert_allclose(found.covariance, exact.covariance, rtol=1e-7)  # terms of 1/psi_n


def test_variance_of_the_trace_of_random_features_is_that_of_its_gaussians():
    # Tr U given the data is a sum of chi-squares of variance 2∫μ²dH; over the data its mean
    # c²ψ_p tr Σ̂ varies by 2(c²ψ_p)²trΣ²/n, and tr Σ̂²/d is trΣ²/d + (trΣ/d)²/psi_n
    p, n, c2, b2, v2, second = 2.0, 3.0, 0.6, 0.3, 0.25, 1.25
    found = RandomFeatureGram(p, n, TWO, c2, b2, v2, 0.2).spectrum().fluctuations(first)
    given = ConditionalFeatureGram(p, n, TWO, c2, b2, v2, 0.2).spectrum().fluctuations(first)
    others = 2 * c2 * b2 + b2**2 + 2 * c2 * v2 / n + v2**2 / n
    of_weights = 2 * p * (c2**2 * second + others)
    of_both = 2 * p * (c2**2 * (second + 1 / n) + others) + 2 * (p * c2) ** 2 * second / n
    assert max(abs(given.mean[0]), abs(found.mean[0])) <= 1e-12
    assert given.covariance[0, 0] == pytest.approx(of_weights, rel=1e-11)
    assert found.covariance[0, 0] == pytest.approx(of_both, rel=1e-11)


def test_complex_matrices_have_no_shift_and_half_the_covariance():
    real, complex_ = (FLOOR.fluctuations(np.log, first, beta=beta) for beta in (1, 2))
    assert not complex_.mean.any()
    np.testing.assert_array_equal(complex_.covariance, 0.5 * real.covariance)


@pytest.mark.parametrize("beta", [1, 2])
def test_spikes_shift_the_mean_as_an_eigenvalue_of_weight_one_over_d_does(beta):
    # the law with weight 1/d at the spike moves N∫f dρ by the same, to the first order in 1/d
    d, spikes = 10**7, [9.0, 0.9, 0.02]
    population = rs.PopulationSpectrum([0.5, 1.5], [0.5, 0.5], spikes=spikes)
    weights = [*np.full(2, 0.5 * (1 - 3 / d)), *np.full(3, 1 / d)]
    finite = rs.PopulationSpectrum([0.5, 1.5, *spikes], weights)
    functions = (first, np.log, lambda x: np.exp(-3.0 * x))
    for model, other in (
        (rs.SampleCovariance(0.4, population), rs.SampleCovariance(0.4, finite)),
        (
            RandomFeatureGram(2.0, 3.0, population, 0.6, 0.3, 0.25, 0.2),
            RandomFeatureGram(2.0, 3.0, finite, 0.6, 0.3, 0.25, 0.2),
        ),
    ):
        plain = type(model)(*({**vars(model), "population": TWO}[n] for n in FIELDS[type(model)]))
        size = d * getattr(model, "psi_p", 1.0)
        found = model.spectrum().fluctuations(*functions, beta=beta).mean
        without = plain.spectrum().fluctuations(*functions, beta=beta).mean
        for f, shift in zip(functions, found - without, strict=True):
            moved = other.spectrum().integrate(f) - plain.spectrum().integrate(f)
            assert shift == pytest.approx(size * moved, rel=1e-4)  # 1e-10·size and 1/d


def test_expected_sum_is_that_of_the_law_and_the_shift():
    model = rs.SampleCovariance(0.25, TWO)
    found = model.fluctuations(np.log, first, dimension=80)
    limit = [model.spectrum().integrate(f) for f in (np.log, first)]
    np.testing.assert_allclose(found.expected, 80 * np.array(limit) + found.mean)
    assert found.names == ("log", "first")
    assert "log" in repr(found)
    assert len(found.to_dataframe()) == 2
    with pytest.raises(ValueError, match="dimension"):
        _ = model.fluctuations(np.log).expected


def test_features_per_dimension_count_the_eigenvalues():
    found = FLOOR.fluctuations(first, dimension=50)
    assert found.size == 200.0
    exact = 200 * FLOOR.spectrum().moment(1)
    assert found.expected[0] == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize(
    "f",
    [
        np.abs, np.real, np.imag, np.sign, lambda x: x * x.conj(), lambda x: np.where(x > 1, x, 1),
        lambda x: np.float64(1) * np.real(x) ** 2, lambda x: 1.0 / (1e-9 + (x - 2.0) ** 2),
        lambda x: (x.real if np.iscomplexobj(x) else x), lambda x: np.minimum(x.real, 2.0),
    ],
)  # fmt: skip
def test_functions_that_are_not_analytic_around_the_spectrum_are_refused(f):
    with pytest.raises((ValueError, TypeError), match=r"\bf must"):
        FLOOR.fluctuations(f)


def test_the_second_function_is_named_where_it_is_at_fault():
    with pytest.raises(ValueError, match=r"more\[1\] must be analytic"):
        FLOOR.fluctuations(first, np.log, np.abs)
    with pytest.raises(TypeError, match=r"more\[0\] must be callable"):
        FLOOR.fluctuations(first, 3.0)


def test_logarithm_is_refused_where_eigenvalues_vanish():
    with pytest.raises(ValueError, match="atom"):
        rs.SampleCovariance(2.0, ISOTROPIC).fluctuations(np.log)
    with pytest.raises(ValueError, match="f must return finite numbers"):
        rs.SampleCovariance(1.0, ISOTROPIC).fluctuations(np.log)


def test_functions_with_a_pole_next_to_the_spectrum_get_a_closer_contour():
    # at distance 0.02 of a spectrum of length 5: analytic, and far from it to the left half plane
    pole = FLOOR.floor + 0.5j
    near = FLOOR.fluctuations(lambda x: 1.0 / (x - pole) + 1.0 / (x - np.conj(pole)), np.log)
    assert np.all(near.error <= 1e-8 * near.standard_deviation)


@pytest.mark.parametrize("decades", [2, 6, 10])
def test_logarithm_next_to_zero_keeps_its_digits(decades):
    # Tr log of a sample covariance whose least eigenvalue is 10^-decades of the largest
    population = rs.PopulationSpectrum([10.0**-decades, 1.0], [0.5, 0.5])
    found = rs.SampleCovariance(0.25, population).fluctuations(np.log)
    assert found.covariance[0, 0] == pytest.approx(-2.0 * np.log(0.75), rel=1e-9)
    assert found.mean[0] == pytest.approx(0.5 * np.log(0.75), rel=1e-9)


def test_laws_without_a_determinant_say_so():
    class Bare:
        origin, is_hard = 0.0, False

    with pytest.raises(ValueError, match="no determinant"):
        rs.SpectralLaw(Bare()).fluctuations(first)
