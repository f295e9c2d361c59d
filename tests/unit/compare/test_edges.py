"""Tracy-Widom scale and centring of edges against closed forms."""

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.compare.edges import Edges
from rmtspec.ensembles.conditional_feature import ConditionalFeatureGram
from rmtspec.ensembles.random_feature import RandomFeatureGram

ISOTROPIC = rs.PopulationSpectrum.isotropic()
TWO = rs.PopulationSpectrum([0.2, 1.5], [0.5, 0.5])


@pytest.mark.parametrize("c", [0.05, 0.25, 0.9, 1.1, 2.0])
def test_white_wishart_edges_have_johnstones_scale_and_centring(c):
    edges = Edges.of(rs.SampleCovariance(c, ISOTROPIC).spectrum())
    root = np.sqrt(c)
    ends = (1 + root * np.array([-1, 1])) ** 2
    np.testing.assert_allclose(edges.location, ends, rtol=1e-12)
    density = np.sqrt(ends[1] - ends[0]) / (2 * c * ends)
    np.testing.assert_allclose(edges.coefficient, density, rtol=1e-10)
    # (√(n − 1/2) ± √(p − 1/2))²/n, to the first order in 1/n
    signs = np.array([-1, 1])
    exact = -0.5 * c * (1 + signs * root) * (1 + signs / root)
    np.testing.assert_allclose(edges.shift, exact, rtol=5e-6)  # extrapolated: see _expansion
    # √n + √p times (1/√n + 1/√p)^(1/3), over n: Johnstone 2001
    p, n = 100.0 * c, 100.0
    upper = (n**0.5 + p**0.5) * (n**-0.5 + p**-0.5) ** (1 / 3) / n
    assert edges.scale(p)[1] == pytest.approx(upper, rel=1e-10)


def test_scale_is_that_of_the_critical_point_of_the_inverse_map():
    # n^(-2/3)(z''(u)/2)^(1/3), El Karoui 2007, with 1/n per eigenvalue of the companion
    model = rs.SampleCovariance(0.3, TWO)
    edges, n = Edges.of(model.spectrum()), 1000.0
    t, w = TWO.eigenvalues, TWO.weights
    for place, end in enumerate(edges.location):
        z = lambda u: -1 / u + 0.3 * np.sum(w * t / (1 + t * u))  # noqa: E731
        u = np.real(model._companion.solve_real(np.array([end + 1e-9 * edges.side[place]])).k[0])
        u = 1.0 / u
        for _ in range(60):  # Newton on z'(u) = 0
            first = 1 / u**2 - 0.3 * np.sum(w * t**2 / (1 + t * u) ** 2)
            second = -2 / u**3 + 0.6 * np.sum(w * t**3 / (1 + t * u) ** 3)
            u -= first / second
        assert z(u) == pytest.approx(end, rel=1e-10)
        exact = n ** (-2 / 3) * abs(second / 2) ** (1 / 3)
        assert edges.scale(0.3 * n)[place] == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("kind", [RandomFeatureGram, ConditionalFeatureGram])
def test_all_edges_of_random_features_have_a_coefficient(kind):
    law = kind(4.0, 2.0, ISOTROPIC, 0.4, 0.1, 0.1, 0.05).spectrum()
    edges = Edges.of(law)
    assert np.all(edges.error < 1e-8)
    rows = zip(law.edges.ravel(), edges.side, edges.coefficient, edges.room, strict=True)
    for end, side, steepness, room in rows:
        near = 1e-6 * room
        density = law.density(end - side * near, from_origin=True)
        assert np.pi * density / np.sqrt(near) == pytest.approx(
            steepness, rel=1e-5
        )  # the next term


def test_random_features_without_data_have_the_edges_of_a_gram_matrix():
    one, two = (
        Edges.of(kind(2.0, 3.0, TWO, 0.0, 0.3, 0.25, 0.2).spectrum())
        for kind in (RandomFeatureGram, ConditionalFeatureGram)
    )
    np.testing.assert_allclose(one.coefficient, two.coefficient, rtol=1e-9)
    np.testing.assert_allclose(one.shift, two.shift, rtol=5e-6)


def test_hard_edges_have_no_tracy_widom_law():
    edges = Edges.of(rs.SampleCovariance(1.0, ISOTROPIC).spectrum())
    assert edges.is_soft.tolist() == [False, True]
    assert np.isnan(edges.scale(100)).tolist() == [True, False]
    assert np.isnan(edges.pvalues([[0.0, 4.0]], 100)[0]).tolist() == [True, False]
    assert not edges.is_clear(100)[0]


def test_eigenvalues_above_an_edge_are_counted():
    law = rs.SampleCovariance(0.05, rs.PopulationSpectrum([0.1, 2.0], [0.75, 0.25])).spectrum()
    assert Edges.of(law).above.tolist() == [1.0, 0.25, 0.25, 0.0]


def test_complex_matrices_keep_the_edge_of_the_law():
    edges = Edges.of(rs.SampleCovariance(0.25, ISOTROPIC).spectrum())
    np.testing.assert_array_equal(edges.centre(100, beta=2), edges.location)
    moved = edges.location + np.array([0.0625, -0.5625]) / 100
    np.testing.assert_allclose(edges.centre(100), moved, rtol=1e-8)


def test_wrong_arguments_are_named():
    edges = Edges.of(rs.SampleCovariance(0.25, ISOTROPIC).spectrum())
    with pytest.raises(ValueError, match="observed must have 2 columns"):
        edges.scaled([1.0, 2.0, 3.0], 100)
    with pytest.raises(ValueError, match="size"):
        edges.scale(-1.0)
    with pytest.raises(TypeError, match="law"):
        Edges.of("law")
