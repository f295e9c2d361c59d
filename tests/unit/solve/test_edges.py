"""Roots and gaps on the real axis, on functions whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from rmtspec.ensembles.weighted_gram import WeightedGram
from rmtspec.solve.edges import REACH, Gaps, Intervals, bracketed_root, checked, gap_search
from rmtspec.solve.kernel import kernel


def intervals(count, **new):
    """Bounded unit intervals with walls at both ends."""
    fields = {
        "low": np.zeros(count),
        "high": np.ones(count),
        "scale": np.ones(count),
        "low_value": np.full(count, np.nan),
        "high_value": np.full(count, np.nan),
        "above": np.zeros(count),
    }
    return Intervals(**(fields | new))


def test_many_roots_are_found_at_once_to_the_tolerance():
    roots = np.array([-70.0, -1.0, 0.0, 1e-9, 3.0, 79.0])
    steep = np.array([1e-3, 1.0, 100.0, 1e3, 1.0, 5.0])
    found = bracketed_root(
        lambda i, x: np.sinh(np.clip(steep[i] * (x - roots[i]), -200, 200)),
        np.full(6, -90.0),
        np.full(6, 90.0),
        xtol=1e-14,
    )
    assert np.all(np.abs(found - roots) <= 4e-14 * (1.0 + np.abs(roots)))


def test_infinite_values_only_count_by_their_sign():
    def pole(_, x):
        with np.errstate(divide="ignore"):
            return np.where(x > 2.0, np.inf, np.log(np.abs(x) / 1.5))

    assert bracketed_root(pole, np.array([0.1]), np.array([10.0])) == pytest.approx(
        [1.5], rel=1e-10
    )


def test_without_a_change_of_sign_the_outer_end_is_returned():
    found = bracketed_root(lambda i, x: -1.0 - 0.0 * x, np.array([0.0]), np.array([REACH]))
    assert found.tolist() == [REACH]


def test_no_roots_asked_for_are_no_roots():
    assert bracketed_root(lambda i, x: x, np.empty(0), np.empty(0)).size == 0


@kernel
def two_poles(_, anchor, offset, data):
    """Φ/P = level·(a³/k² + b³/(1 - k)²), a + b = 1, on (0, 1): its minimum, at k = a, is level.

    Of z only the order counts.  The data are log a, log b and log level.
    """
    log_a, log_b, log_level = data
    near, far = np.log(abs(offset)), np.log1p(-abs(offset))
    log_k, log_rest = (near, far) if anchor == 0.0 else (far, near)
    terms = np.logaddexp(3.0 * log_a - 2.0 * log_k, 3.0 * log_b - 2.0 * log_rest)
    return -(log_k - log_rest), np.expm1(terms + log_level), np.exp(log_k)


FIND, LOCATE = gap_search(two_poles)
UNIT = np.array([[0.0], [1.0], [1.0], [np.nan], [np.nan], [0.5]])


def poles(place, level):
    return -np.logaddexp(0.0, -place), -np.logaddexp(0.0, place), np.log(level)


@pytest.mark.parametrize("place", [-60.0, -30.0, -1.0, 0.0, 0.3, 30.0, 60.0])
@pytest.mark.parametrize("depth", [1e-9, 1e-6, 1e-3, 0.5])
def test_a_gap_is_found_wherever_the_convex_function_dips(place, depth):
    data = poles(place, 1.0 - depth)
    found, ordered = FIND(UNIT, 1.0, data)
    assert ordered
    assert found[2:4].tolist() == [[0.5], [0.0]]
    left, right = found[4:, 0]
    assert left < place < right
    # coordinates are known to 1e-11 of themselves, and |dF/dx| <= 2
    for x in (left, right):
        anchor, offset = Intervals(*UNIT).point(np.zeros(1, dtype=np.intp), np.array([x]))
        excess = np.log1p(two_poles(0, anchor[0], offset[0], data)[1])
        assert abs(excess) <= 4e-11 * (1.0 + abs(x))


@pytest.mark.parametrize("place", [-60.0, -1.0, 0.0, 0.3, 60.0])
@pytest.mark.parametrize("height", [1e-12, 1e-9, 1e-3, 1.0])
def test_no_gap_opens_where_the_convex_function_stays_above(place, height):
    assert FIND(UNIT, 1.0, poles(place, 1.0 + height))[0].shape == (6, 0)


def test_points_of_a_gap_are_located_and_points_off_it_are_not():
    data = poles(0.3, 0.5)
    found, _ = FIND(UNIT, 1.0, data)
    z = np.array([found[0, 0] - 1.0, 0.25, 0.0, found[1, 0] + 1.0])
    interval, x = LOCATE(z, found, UNIT, 1.0, data)
    assert np.isnan(interval).tolist() == np.isnan(x).tolist() == [True, False, False, True]
    # z is -x here, and found to 4e-16 of it, beyond the rounding of a logarithm of some 1
    assert np.abs(z[1:3] + x[1:3]).max() <= 1e-15


def test_gaps_come_in_ascending_order_and_those_that_overlap_are_refused():
    many = np.repeat(UNIT, 5, axis=1)
    found, ordered = FIND(many, 1.0, poles(0.3, 0.5))
    assert not ordered
    with pytest.raises(ValueError, match="gaps that overlap"):
        checked(found, ordered)


def test_points_next_to_either_end_keep_their_distance_from_it():
    ends = intervals(1, low=np.array([-3.0]), high=np.array([-1.0]))
    index = np.zeros(2, dtype=np.intp)
    anchor, offset = ends.point(index, np.array([-200.0, 200.0]))
    assert anchor.tolist() == [-3.0, -1.0]
    assert offset == pytest.approx([2.0 * np.exp(-200.0), -2.0 * np.exp(-200.0)], rel=1e-13)
    outer = intervals(2, low=np.array([-np.inf, 1.0]), high=np.array([-1.0, np.inf]))
    anchor, offset = outer.point(np.arange(2), np.array([-50.0, 50.0]))
    assert anchor.tolist() == [-1.0, 1.0]
    assert offset == pytest.approx([-np.exp(50.0), np.exp(50.0)], rel=1e-13)


def test_gaps_that_touch_enclose_an_atom_and_no_bulk():
    gaps = Gaps(
        lower=np.array([-np.inf, 0.0, 2.0, 5.0 * (1.0 + 1e-16)]),
        upper=np.array([0.0, 1.0, 5.0, np.inf]),
        above=np.array([1.0, 0.6, 0.25, 0.0]),
        interval=np.arange(4),
        left=np.zeros(4),
        right=np.zeros(4),
    )
    assert gaps.edges.tolist() == [[1.0, 2.0]]
    assert gaps.masses == pytest.approx([0.35])
    assert gaps.narrow.tolist() == [[5.0, 0.25]]  # the atom at the origin belongs to the ensemble


def test_edges_are_where_the_explicit_map_of_two_atoms_is_stationary():
    gram = WeightedGram(1.0, np.array([1.0, 50.0]), np.array([0.05, 0.05]))
    gaps = gram.gaps
    assert gaps.edges.shape == (2, 2)
    for end in gaps.edges.ravel():
        # dz/dk = 0 there: solve the quartic Σ w μ²(k + μ)^-2 = 1 for k
        k = np.polynomial.Polynomial([1.0])
        a, b = (np.polynomial.Polynomial([mu, 1.0]) ** 2 for mu in gram.mu)
        quartic = a * b - 0.05 * 1.0 * b - 0.05 * 2500.0 * a + 0.0 * k
        stationary = quartic.roots()
        stationary = stationary[np.abs(stationary.imag) < 1e-12].real
        values, _ = gram.inverse_map(stationary)
        assert np.min(np.abs(values / end - 1.0)) <= 1e-11


def test_slope_of_the_inverse_map_is_its_derivative():
    gram = WeightedGram(2.0, np.array([0.5, 3.0]), np.array([1.0, 0.7]))
    k = np.array([-10.0, -1.0, -0.2, 0.4, 5.0])
    step = 1e-6 * np.abs(k)
    (above, _), (below, _), (_, slope) = (gram.inverse_map(at) for at in (k + step, k - step, k))
    assert (above - below) / (2.0 * step) == pytest.approx(slope, rel=1e-8)


def test_a_bulk_needs_more_mass_than_the_rounding_of_the_fraction_above_it():
    def masses(above):
        unused = np.zeros(3)
        lower, upper = np.array([-np.inf, 2.0, 4.0]), np.array([1.0, 3.0, np.inf])
        return Gaps(lower, upper, np.array(above), unused.astype(np.intp), unused, unused).masses

    # at the top of the spectrum nothing cancels; below it a difference of an ulp is no mass
    assert masses([1.0, 1e-25, 0.0]).tolist() == [1.0, 1e-25]
    assert masses([1.0, np.nextafter(1.0, 0.0), 0.0]).tolist() == [np.nextafter(1.0, 0.0)]
    assert masses([1e-20, 1e-20, 0.0]).tolist() == [1e-20]
    assert masses([1e-20, 0.5e-20, 0.0]).tolist() == [0.5e-20, 0.5e-20]
