"""The bound on what a Gauss rule leaves of a Cauchy sum, against the truth at forty digits."""

from __future__ import annotations

import mpmath as mp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rmtspec.solve.cauchy_sums.cells import ZETA
from rmtspec.solve.cauchy_sums.gauss import ORDER

DIGITS = 60


@st.composite
def measures(draw):
    """20 to 30 points of [−1, 1], both ends among them, with weights over eight decades."""
    count = draw(st.integers(ORDER + 4, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    crowd = draw(st.sampled_from([1.0, 1e-3, 1e-9]))
    centre = draw(st.floats(-0.9, 0.9))
    inner = np.clip(centre + crowd * rng.uniform(-1.0, 1.0, count - 2), -1.0, 1.0)
    points = np.unique(np.concatenate([[-1.0, 1.0], inner]))
    return points, 10.0 ** rng.uniform(-8.0, 0.0, points.size)


def exact_rule(points, weights):
    """Gauss rule at 60 digits: Lanczos with full orthogonalisation, then a Jacobi matrix."""
    size, x = points.size, [mp.mpf(p) for p in points]
    total = mp.fsum(weights)
    basis = [[mp.sqrt(mp.mpf(w) / total) for w in weights]]
    jacobi = mp.zeros(min(ORDER, size))
    for k in range(jacobi.rows):
        new = [x[i] * basis[-1][i] for i in range(size)]
        jacobi[k, k] = mp.fdot(new, basis[-1])
        for _ in range(2):
            for old in basis:
                part = mp.fdot(new, old)
                new = [a - part * b for a, b in zip(new, old, strict=True)]
        length = mp.sqrt(mp.fdot(new, new))
        if k + 1 < jacobi.rows:
            jacobi[k, k + 1] = jacobi[k + 1, k] = length
            basis.append([a / length for a in new])
    nodes, vectors = mp.eigsy(jacobi)
    return list(nodes), [total * vectors[0, k] ** 2 for k in range(jacobi.rows)]


def outside(angle, farther):
    """A point on the ellipse that a cell is taken for its rule from, or outside; and its ϱ."""
    zeta = mp.mpf(ZETA) * mp.exp(farther)
    rho = zeta + mp.sqrt(zeta**2 - 1)
    turned = rho * mp.expj(angle)
    return -(turned + 1 / turned) / 2, rho


def bound(rho):
    """Least modulus of T_32 on the ellipse, and by how much its inverse grows along a path."""
    chebyshev = (rho ** (2 * ORDER) - rho ** (-2 * ORDER)) / 2
    assert chebyshev >= 2e18 * (1 - mp.mpf(10) ** -12)  # ZETA is rounded
    return chebyshev, 2 * ORDER * (rho + 1) / (rho - 1) * (1 + mp.mpf(10) ** -30)


ANGLES, FARTHER = st.floats(0.0, 2.0 * np.pi), st.floats(0.0, 1.5)


@settings(max_examples=15)
@given(measures(), ANGLES, FARTHER)
def test_truncation_never_exceeds_its_bound(measure, angle, farther):
    points, weights = measure
    with mp.workdps(DIGITS):
        eta, rho = outside(angle, farther)
        places, masses = [mp.mpf(p) for p in points], [mp.mpf(w) for w in weights]
        nodes, shares = exact_rule(points, weights)
        chebyshev, growth = bound(rho)
        for power, factor in ((1, 1), (2, 1 + growth)):
            exact = [w / (eta + p) ** power for p, w in zip(places, masses, strict=True)]
            rule = [w / (eta + p) ** power for p, w in zip(nodes, shares, strict=True)]
            size = mp.fsum(map(abs, exact)) + mp.fsum(map(abs, rule))
            assert abs(mp.fsum(exact) - mp.fsum(rule)) <= factor * size / chebyshev


@settings(max_examples=15)
@given(measures(), st.tuples(ANGLES, ANGLES), st.tuples(FARTHER, FARTHER))
def test_truncation_of_products_of_two_poles_never_exceeds_its_bound(measure, angles, farther):
    points, weights = measure
    with mp.workdps(DIGITS):
        (one, rho1), (two, rho2) = map(outside, angles, farther)
        chebyshev, growth = bound(min(rho1, rho2))
        nodes, shares = exact_rule(points, weights)

        def terms(places, masses):
            return [w / ((one + p) * (two + p)) for p, w in zip(places, masses, strict=True)]

        exact = terms([mp.mpf(p) for p in points], [mp.mpf(w) for w in weights])
        rule = terms(nodes, shares)
        size = mp.fsum(map(abs, exact)) + mp.fsum(map(abs, rule))
        allowed = (1 + mp.pi / 2 * growth) * size / chebyshev
        assert abs(mp.fsum(exact) - mp.fsum(rule)) <= allowed


def test_bound_is_reached_within_two_digits():
    points = np.cos(np.pi * (np.arange(200) + 0.5) / 200.0)
    with mp.workdps(DIGITS):
        eta = mp.mpf(ZETA)
        nodes, shares = exact_rule(points, np.ones(200))
        exact = mp.fsum(1 / (eta + mp.mpf(p)) for p in points)
        rule = mp.fsum(w / (eta + p) for p, w in zip(nodes, shares, strict=True))
        assert abs(exact - rule) >= 1e-2 * 2 * exact / 2e18
