"""Gauss rules of discrete measures: moments, positivity, degenerate points."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from rmtspec.solve.cauchy_sums.gauss import ORDER, gauss_rule

# Eigenvalues and squared entries of a Jacobi matrix of norm 1 are right to some units of rounding
# a step; there are 16 nodes and two or three QL steps for each.
ROUNDING = 64 * np.finfo(float).eps


def rule_of(points, masses):
    """The Gauss rule of a measure."""
    nodes, weights = np.empty(ORDER), np.empty(ORDER)
    gauss_rule(points, masses / masses.sum(), np.int64(points.size), nodes, weights)
    return nodes, weights


def measures():
    """Points of [−1, 1] with masses, spread and crowded."""
    rng = np.random.default_rng(3)
    yield np.linspace(-1.0, 1.0, 48), np.ones(48)
    yield np.sort(rng.uniform(-1.0, 1.0, 33)), 10.0 ** rng.uniform(-8.0, 0.0, 33)
    yield 2.0 * np.geomspace(1e-9, 1.0, 40) - 1.0, rng.random(40)
    yield np.sort(np.append(1e-9 * rng.random(46), [-1.0, 1.0])), rng.random(48)


@pytest.mark.parametrize(("points", "masses"), list(measures()))
def test_rule_has_the_first_thirty_two_chebyshev_moments_of_its_points(points, masses):
    nodes, weights = rule_of(points, masses)
    with mp.workdps(30):
        share = [mp.mpf(mass) / mp.fsum(map(mp.mpf, masses)) for mass in masses]
        for degree in range(2 * ORDER):
            exact = mp.fdot(share, [mp.chebyt(degree, mp.mpf(x)) for x in points])
            found = mp.fdot(map(mp.mpf, weights), [mp.chebyt(degree, mp.mpf(x)) for x in nodes])
            # A node that is off by δ moves T_n by at most n² δ at the ends, n δ elsewhere.
            assert abs(found - exact) <= (1 + degree) * ROUNDING


@pytest.mark.parametrize(("points", "masses"), list(measures()))
def test_nodes_lie_between_the_points_and_weights_are_not_negative(points, masses):
    nodes, weights = rule_of(points, masses)
    assert np.all((nodes >= points[0] - ROUNDING) & (nodes <= points[-1] + ROUNDING))
    assert np.all(weights >= 0.0)
    assert weights.sum() == pytest.approx(1.0, abs=ROUNDING)


def test_few_points_are_their_own_rule():
    points, masses = np.array([-1.0, 0.25, 1.0]), np.array([0.2, 0.3, 0.5])
    nodes, weights = rule_of(points, masses)
    np.testing.assert_array_equal(nodes[:3], points)
    np.testing.assert_allclose(weights[:3], masses, rtol=1e-15)
    assert not weights[3:].any()
    assert np.all(np.abs(nodes) <= 1.0)
