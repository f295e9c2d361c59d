"""Single eigenvalues by the finite-rank determinant, of finite matrices exactly."""

import numpy as np

from rmtspec.solve.finite_rank import Form, isolated, solved, threshold


def test_zeros_of_the_determinant_are_the_eigenvalues_of_a_finite_matrix():
    rng = np.random.default_rng(5)
    levels = np.sort(rng.uniform(1.0, 2.0, 40))
    f, theta = rng.standard_normal((40, 3)), np.diag([2.0, 0.7, 0.3])
    h = rng.standard_normal(40)
    values, vectors = np.linalg.eigh(np.diag(levels) + f @ theta @ f.T)

    def form(z):
        g = 1.0 / (levels - z)
        scaled = g[:, None] * f
        return Form(np.linalg.inv(theta) + f.T @ scaled, scaled.T @ scaled, (h @ scaled)[None])

    lower = np.concatenate([[levels[0] - 100.0], levels])
    upper = np.concatenate([levels, [np.inf]])
    found = isolated(form, lower, upper, 1.0, 1)
    # An eigenvalue within 1e-9 of a level's gap is left to the bulk; here none is.
    np.testing.assert_allclose(found.location, values, rtol=1e-12)
    np.testing.assert_allclose(found.overlap[:, 0], (h @ vectors) ** 2, rtol=1e-6)


def test_known_zeros_of_one_direction_are_the_eigenvalues_of_a_finite_matrix():
    rng = np.random.default_rng(6)
    levels, h = np.sort(rng.uniform(1.0, 2.0, 20)), rng.standard_normal(20)
    values, vectors = np.linalg.eigh(np.diag(levels) + 0.7 * np.outer(h, h))
    # With the parameter k = −z, M = −1/hᵀRh = −1/hᵀR₀h − 0.7.
    scaled = h / (levels - values[:, None])
    found = solved(values, -np.ones(20), -(scaled**2).sum(1) / (scaled @ h) ** 2)
    np.testing.assert_array_equal(found.location, values)
    # A value next to a level has a small product, of which `eigh` rounds 1e-15 of |h|.
    np.testing.assert_allclose(found.overlap[:, 0], (h @ vectors) ** 2, rtol=1e-8, atol=1e-13)


def test_a_zero_where_the_parameter_rises_is_no_eigenvalue():
    rise = np.array([1.0, -1.0, 0.0, np.nan])
    found = solved(np.full(4, 5.0), rise, np.full(4, -2.0))
    np.testing.assert_array_equal(found.location, [np.nan, 5.0, np.nan, np.nan])
    np.testing.assert_array_equal(found.overlap[:, 0], [0.0, 0.5, 0.0, 0.0])


def test_the_threshold_is_the_nearest_end_of_a_visible_interval():
    visible = np.array([[0.0, 0.3], [1.7, np.inf]])
    np.testing.assert_array_equal(threshold(visible, np.array([0.2, 1.2, 9.0])), [0.3, 1.7, 1.7])
    assert np.isnan(threshold(np.empty((0, 2)), np.ones(2))).all()
