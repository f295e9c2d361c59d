"""Measures of samples: memorised share, Frechet distance, similarity of details."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from validation.measures.samples import (
    convolution_features,
    detail_similarity,
    frechet_distance,
    memorised_fraction,
    nearest_ratio,
    principal_features,
)


def _normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_ratio_is_that_of_the_two_smallest_distances() -> None:
    points, known = _normal(1500, 3) + 1e3, _normal(40, 3, seed=1) + 1e3
    two = np.sort(cdist(points, known), axis=1)[:, :2]
    # |x|^2 = 3e6 cancels in finding the two, to 3e6 eps = 7e-10; their distances are exact.
    np.testing.assert_allclose(nearest_ratio(points, known), two[:, 0] / two[:, 1], rtol=1e-9)


def test_copies_are_memorised_and_fresh_samples_are_not() -> None:
    known = _normal(200, 32)
    rng = np.random.default_rng(0)
    assert memorised_fraction(known, known, rng) == (1.0, 1.0, 1.0)
    blurred = known + 0.01 * _normal(200, 32, seed=2)
    assert memorised_fraction(blurred, known, rng).value == 1.0
    assert memorised_fraction(_normal(300, 32, seed=3), known, rng).value == 0.0
    half = np.concatenate([known[:100], _normal(100, 32, seed=3)])
    assert memorised_fraction(half, known, rng).value == 0.5


def test_images_are_compared_as_vectors() -> None:
    known = _normal(5, 4, 4)
    assert np.array_equal(nearest_ratio(known, known), np.zeros(5))


def test_interval_is_that_of_a_resampled_share() -> None:
    known = _normal(100, 32)
    mixed = np.concatenate([known[:30], _normal(70, 32, seed=3)])
    found = memorised_fraction(mixed, known, np.random.default_rng(1), bootstrap=20_000)
    law = stats.binom(100, 0.3)
    # Quantiles of 20,000 draws lie within one count of those of the law.
    assert abs(found.low - law.ppf(0.025) / 100) < 0.011
    assert abs(found.high - law.ppf(0.975) / 100) < 0.011


def test_frechet_distance_of_gaussians_is_that_of_their_moments() -> None:
    first, second = _normal(500, 4), _normal(700, 4, seed=1)

    def whitened(table: np.ndarray) -> np.ndarray:
        table = table - table.mean(axis=0)
        root = np.linalg.cholesky(np.linalg.inv(np.cov(table.T, bias=True)))
        return np.asarray(table @ root)

    axes = np.linalg.qr(_normal(4, 4, seed=2))[0]
    scales = np.array([[1.0, 2.0, 0.5, 0.0], [3.0, 2.0, 0.1, 0.4]])
    shift = np.array([1.0, 0.0, -2.0, 0.5])
    a = whitened(first) * scales[0] @ axes.T
    b = whitened(second) * scales[1] @ axes.T + shift
    # Commuting covariances: (sqrt(a) - sqrt(b))^2 in every direction. A root of a zero
    # eigenvalue that rounding has moved by 1e-15 leaves 1e-8.
    expected = np.sum((scales[0] - scales[1]) ** 2) + shift @ shift
    assert frechet_distance(a, b) == pytest.approx(expected, abs=1e-6)
    assert frechet_distance(b, a) == pytest.approx(expected, abs=1e-6)


def test_frechet_distance_of_gaussians_that_do_not_commute() -> None:
    # In two dimensions Tr (AB)^(1/2) = sqrt(Tr AB + 2 sqrt(det A det B)).
    a, b = _normal(50, 2) @ _normal(2, 2, seed=1), _normal(60, 2, seed=2) @ _normal(2, 2, seed=3)
    p, q = (np.cov(table.T, bias=True) for table in (a, b))
    shift = a.mean(axis=0) - b.mean(axis=0)
    root = np.sqrt(np.trace(p @ q) + 2.0 * np.sqrt(np.linalg.det(p) * np.linalg.det(q)))
    expected = shift @ shift + np.trace(p + q) - 2.0 * root
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-10)


def test_frechet_distance_of_a_set_from_itself_is_zero() -> None:
    a = _normal(30, 5)
    assert frechet_distance(a, a[::-1]) == pytest.approx(0.0, abs=1e-12)


def test_convolution_features_do_not_move_with_the_picture() -> None:
    pictures = _normal(3, 8, 8)
    table = convolution_features(pictures, filters=10)
    moved = convolution_features(np.roll(pictures, (3, 5), axis=(1, 2)), filters=10)
    assert table.shape == (3, 20)
    np.testing.assert_allclose(table, moved, rtol=1e-12)
    assert np.abs(table[0] - table[1]).max() > 0.01
    # Rectified and linear in the scale; the mean is never above the root mean square.
    np.testing.assert_allclose(convolution_features(2.0 * pictures, filters=10), 2.0 * table)
    assert np.all(table[:, ::2] <= table[:, 1::2])


def test_principal_features_have_the_leading_variances() -> None:
    reference = _normal(400, 6) * np.arange(6, 0, -1)
    table = principal_features(reference, reference, 3)
    values = np.linalg.eigvalsh(np.cov(reference.T, bias=True))[::-1]
    np.testing.assert_allclose(np.cov(table.T, bias=True), np.diag(values[:3]), atol=1e-12)


def test_details_of_the_same_samples_agree_and_of_opposite_ones_do_not() -> None:
    reference = _normal(300, 4, 4)
    a = _normal(20, 4, 4, seed=1)
    centre = reference.mean(axis=0)
    assert detail_similarity(a, a, reference, components=5).value == pytest.approx(1.0)
    assert detail_similarity(a, 2.0 * centre - a, reference).value == pytest.approx(-1.0)


def test_details_of_independent_samples_are_uncorrelated() -> None:
    found = detail_similarity(
        _normal(400, 50, seed=1), _normal(400, 50, seed=2), _normal(500, 50), components=10
    )
    assert abs(found.value) < 4.0 * found.error
    # A cosine in the 40 directions left has variance 1/40.
    assert found.error == pytest.approx(1.0 / np.sqrt(40 * 400), rel=0.15)


def test_what_leading_directions_share_is_no_detail() -> None:
    scale = np.concatenate([[30.0], np.ones(20)])
    reference = _normal(2000, 21) * scale
    a, b = _normal(200, 21, seed=1) * scale, _normal(200, 21, seed=2) * scale
    b[:, 0] = a[:, 0]
    assert detail_similarity(a, b, reference).value > 0.8
    # The measured leading direction is off by about 1/(30 sqrt(2000)): what is left of it is
    # no larger than a detail.
    details = detail_similarity(a, b, reference, components=1)
    assert abs(details.value) < 5.0 * details.error


def test_wrong_samples_are_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="training must hold at least two"):
        nearest_ratio(_normal(3, 2), _normal(1, 2))
    with pytest.raises(ValueError, match="generated has 3 entries"):
        nearest_ratio(_normal(3, 3), _normal(4, 2))
    with pytest.raises(ValueError, match="threshold"):
        memorised_fraction(_normal(3, 2), _normal(4, 2), rng, threshold=1.5)
    with pytest.raises(ValueError, match="second has 3 features"):
        frechet_distance(_normal(3, 2), _normal(4, 3))
    with pytest.raises(ValueError, match="images"):
        convolution_features(_normal(3, 4))
    with pytest.raises(ValueError, match="second must have shape"):
        detail_similarity(_normal(3, 2), _normal(4, 2), _normal(4, 2))
    with pytest.raises(ValueError, match="any detail left"):
        detail_similarity(_normal(3, 2), _normal(3, 2), _normal(4, 2), components=2)
    with pytest.raises(ValueError, match="first must hold"):
        frechet_distance(np.array([[np.nan, 1.0]]), _normal(4, 2))
