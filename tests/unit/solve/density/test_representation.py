"""Densities with a closed form, represented on their bulks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from rmtspec.solve.density.panels import HALF
from rmtspec.solve.density.representation import represent, search_python

ONE = np.array([1.0])


def made(density, edges, masses, hard=None, noise=lambda x: np.full(x.shape, 1e-16)):
    """Representation of a density that is a function of x, as is its noise."""
    hard = np.zeros(len(edges), dtype=np.bool_) if hard is None else np.array(hard)
    edges, masses = np.array(edges, dtype=np.float64), np.array(masses)

    def boundary(x):
        return density(x), noise(x), np.zeros(x.size, dtype=np.int8)

    return represent(search_python(edges, hard, boundary)[0], edges, masses, hard)


def semicircle(x, low=0.0, high=1.0):
    return 8.0 / np.pi * np.sqrt((x - low) * (high - x)) / (high - low) ** 2


def arcsine_root(x):
    """Marchenko-Pastur at ratio 1: hard at 0, regular at 4."""
    return np.sqrt((4.0 - x) / x) / (2.0 * np.pi)


def test_semicircle_and_its_distribution_function_are_exact_to_rounding():
    bulk = made(semicircle, [[0.0, 1.0]], ONE)
    x = np.linspace(0.0, 1.0, 101)
    assert bulk.density(x) == pytest.approx(semicircle(x), abs=1e-13)
    t = 2.0 * x - 1.0
    exact = 0.5 + (t * np.sqrt(1.0 - t**2) + np.arcsin(t)) / np.pi
    assert bulk.mass_below(x) == pytest.approx(exact, abs=1e-14)
    assert abs(bulk.defect[0]) <= 1e-14


def test_hard_edge_is_exact_down_to_the_edge():
    bulk = made(arcsine_root, [[0.0, 4.0]], ONE, [True])
    x = np.logspace(-200, np.log10(3.99), 300)
    assert bulk.density(x) == pytest.approx(arcsine_root(x), rel=1e-11)
    assert bulk.density(np.array([0.0])) == np.inf
    assert abs(bulk.defect[0]) <= 1e-14


def test_bulk_whose_scale_changes_by_twelve_decades_is_resolved():
    low = 1e-12

    def density(x):
        return np.sqrt((x - low) * (1.0 - x)) / x

    total = np.pi * (0.5 * (1.0 + low) - np.sqrt(low))
    bulk = made(density, [[low, 1.0]], np.array([total]))
    assert abs(bulk.defect[0]) <= 1e-12
    x = np.logspace(-11.99, -0.01, 50)
    assert bulk.density(x) == pytest.approx(density(x), rel=1e-9)


@pytest.mark.parametrize("depth", [1e-3, 1e-6, 1e-9])
def test_almost_closed_gap_inside_a_bulk_is_resolved(depth):
    def density(x):
        return np.sqrt(x * (1.0 - x)) * np.hypot(x - 0.4, depth)

    total = 0.0
    for a, b in ((0.0, 0.4), (0.4, 1.0)):  # x = a + (b - a) sin²θ removes the square roots at 0, 1

        def transformed(theta, a=a, b=b):
            x = a + (b - a) * np.sin(theta) ** 2
            return (b - a) * np.sin(2.0 * theta) * density(x)

        total += quad(transformed, 0.0, 0.5 * np.pi, epsabs=1e-14, epsrel=1e-13, limit=200)[0]
    # Half an ulp of x moves the density by this part.
    bulk = made(
        density, [[0.0, 1.0]], np.array([total]), noise=lambda x: 6e-17 / np.hypot(x - 0.4, depth)
    )
    assert abs(bulk.defect[0]) <= 1e-10
    near = 0.4 + depth * np.linspace(-3.0, 3.0, 41)
    assert bulk.density(near) == pytest.approx(density(near), rel=1e-8)


def test_several_bulks_keep_apart_and_carry_their_own_masses():
    def density(x):
        first, second = np.clip(x, 0.0, 1.0), np.clip(x, 2.0, 5.0)
        return 0.25 * semicircle(first) + 0.75 * semicircle(second, 2.0, 5.0)

    bulk = made(density, [[0.0, 1.0], [2.0, 5.0]], np.array([0.25, 0.75]))
    assert bulk.density(np.array([-1.0, 1.5, 6.0])).tolist() == [0.0, 0.0, 0.0]
    assert bulk.mass_below(np.array([-1.0, 1.5, 6.0])) == pytest.approx([0.0, 0.25, 1.0], abs=1e-15)
    assert bulk.mass_below(np.array([0.5, 3.5])) == pytest.approx([0.125, 0.625], abs=1e-14)


def test_density_is_scaled_to_the_exact_mass_and_the_defect_says_by_how_much():
    bulk = made(semicircle, [[0.0, 1.0]], np.array([0.9]))
    assert bulk.defect == pytest.approx([0.1], rel=1e-12)
    assert bulk.mass_below(np.array([1.0, 2.0])) == pytest.approx([0.9, 0.9], rel=1e-14)
    assert bulk.density(np.array([0.5])) == pytest.approx(0.9 * semicircle(0.5), rel=1e-12)


def test_quadrature_integrates_polynomials_and_both_kinds_of_edges():
    for bulk, moments in [
        (made(semicircle, [[0.0, 1.0]], ONE), [1.0, 1 / 2, 5 / 16, 7 / 32]),
        (made(arcsine_root, [[0.0, 4.0]], ONE, [True]), [1.0, 1.0, 2.0, 5.0]),
    ]:
        x, w = bulk.quadrature(24)
        assert [float(w @ x**k) for k in range(4)] == pytest.approx(moments, rel=1e-13)
        assert np.all(w > 0.0)


def test_locate_inverts_the_mass_to_rounding():
    bulk = made(arcsine_root, [[0.0, 4.0]], ONE, [True])
    mass = np.concatenate([np.linspace(0.0, 1.0, 201), [1e-12, 1.0 - 1e-12]])
    x = bulk.locate(np.zeros(mass.size, dtype=np.intp), mass)
    assert np.all((x >= 0.0) & (x <= 4.0))
    assert bulk.mass_below(x) == pytest.approx(mass, abs=1e-15)


def test_noise_of_the_solver_stops_the_refinement():
    rng = np.random.default_rng(0)

    def noisy(x):
        return semicircle(x) * (1.0 + 1e-7 * rng.normal(size=x.shape))

    bulk = made(noisy, [[0.0, 1.0]], ONE, noise=lambda x: np.full(x.shape, 1e-7))
    assert bulk.low.size < 100
    assert abs(bulk.defect[0]) <= 1e-6


def test_noise_that_the_solver_does_not_admit_cannot_refine_for_ever():
    rng = np.random.default_rng(0)
    calls = []

    def noisy(x):
        calls.append(x.size)
        return semicircle(x) * (1.0 + 1e-3 * rng.normal(size=x.shape))

    made(noisy, [[0.0, 1.0]], ONE)
    assert sum(calls) <= 3 * 1100 * 16  # 1100 panels, and as many as they may be halved into


def test_halves_of_bulks_that_are_not_wanted_are_not_asked_for():
    edges, hard, asked = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([True, False]), []

    def boundary(x):
        asked.extend(x)
        low, high = np.where(x < 2.5, edges[:1].T, edges[1:].T)
        density = np.where(
            x < 2.5, np.sqrt((high - x) / (x - low)), np.sqrt((high - x) * (x - low))
        )
        return density * np.exp(x), np.full(x.shape, 1e-15), np.zeros(x.shape, dtype=np.int8)

    whole = search_python(edges, hard, boundary)[0]
    asked.clear()
    halves = np.array([[False, True], [True, False]])
    found = search_python(edges, hard, boundary, halves)[0]
    np.testing.assert_array_equal(found, whole[np.isin(whole[:, HALF], [1, 2])])
    assert min(asked) >= 1.5
    assert max(asked) <= 4.0


def test_no_bulk_is_represented_by_nothing():
    empty = made(semicircle, np.empty((0, 2)), np.empty(0))
    x = np.array([0.0, 1.0])
    assert empty.density(x).tolist() == [0.0, 0.0]
    assert empty.mass_below(x).tolist() == [0.0, 0.0]
    assert [part.size for part in empty.quadrature(8)] == [0, 0]


@pytest.mark.parametrize("hard", [False, True])
def test_many_quantiles_are_those_of_a_few(hard):
    bulk = (
        made(arcsine_root, [[0.0, 4.0]], ONE, [True]) if hard else made(semicircle, [[0, 1]], ONE)
    )
    mass = np.concatenate(
        [[0.0, 1.0], np.geomspace(1e-30, 1.0, 500), 1.0 - np.geomspace(1e-15, 1, 500)]
    )
    many = bulk.locate(np.zeros(mass.size, dtype=np.intp), mass)
    few = np.array([bulk.locate(np.zeros(1, dtype=np.intp), one[None])[0] for one in mass])
    # a place in a panel is known to 1e-15 of it, its distance from the edge to the square of that
    assert many == pytest.approx(few, rel=1e-13, abs=1e-15)
    assert bulk.mass_below(many) == pytest.approx(mass, abs=4e-16)


def test_many_quantiles_next_to_an_edge_have_all_digits():
    bulk = made(semicircle, [[0.0, 1.0]], ONE)
    mass = np.geomspace(1e-30, 1e-9, 300)
    # mass = 16/(3 pi) x^(3/2) (1 - 3 x/10 + ...), solved for x; the next order is below 1e-13
    first = (3.0 * np.pi / 16.0 * mass) ** (2.0 / 3.0)
    exact = first * (1.0 + 0.2 * first)
    # the polynomial for u/v is exact to 1e-12, and x goes like u^2
    assert bulk.locate(np.zeros(mass.size, dtype=np.intp), mass) == pytest.approx(exact, rel=1e-11)
