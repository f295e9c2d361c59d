"""Structured laws next to their floors, where one type's resolvent outgrows all others."""

from __future__ import annotations

import warnings

import mpmath
import numpy as np
import pytest

import rmtspec as rs
from rmtspec.ensembles.structured import bulks, gaps
from rmtspec.ensembles.structured.ensemble import StructuredEnsemble
from rmtspec.ensembles.structured.kernels.counting import fractions_below
from rmtspec.ensembles.structured.points import graded, solve
from rmtspec.ensembles.structured.search import Axis
from validation.certificates.structured_draws import ensemble_of

SHARE, RATIO, FLOOR = 0.4, 0.3, 1.7
EDGES = np.array([(1.0 - RATIO**0.5) ** 2, (1.0 + RATIO**0.5) ** 2])


def above_a_floor(size: float) -> StructuredEnsemble:
    """Samples alone above a floor, a Marchenko-Pastur law of this size; the others are an atom."""
    nothing = np.zeros((2, 1, 1))
    return StructuredEnsemble(
        2.0, 2.0 * SHARE / RATIO, [1.0 - SHARE, SHARE], [1.0], nothing, nothing,
        [[[[0.0]]], [[[size]]]], [0.0, FLOOR], [[1.0]], [1.0],
    )  # fmt: skip


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-9, 1e-11])
def test_a_thin_bulk_above_a_floor_is_that_of_marchenko_and_pastur(size):
    drawn = above_a_floor(size)
    law = drawn.spectrum()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        defect = law.mass_defect
    np.testing.assert_allclose(law.masses, [SHARE], rtol=1e-14)
    # The panels resolve 1e-12 of the density.
    assert np.all(np.abs(defect) <= 1e-11)
    floors, ends = drawn.gaps.ends_of_bulks(law.edges[:, 0])
    np.testing.assert_array_equal(floors, FLOOR)
    np.testing.assert_allclose(ends[0], size * EDGES, rtol=1e-13)
    # Inside, a location is known to an ulp of the floor.
    middle = law.quantile(1.0 - SHARE + SHARE * np.array([0.25, 0.5, 0.75])) - FLOOR
    alone = rs.SampleCovariance(RATIO, rs.PopulationSpectrum.isotropic()).spectrum()
    expected = alone.quantile([0.25, 0.5, 0.75])
    np.testing.assert_allclose(middle / size, expected, rtol=1e-10, atol=4e-16 * FLOOR / size)


def test_a_bulk_that_rounding_hides_is_an_atom():
    law = above_a_floor(1e-14).spectrum()
    np.testing.assert_allclose(law.atoms, [[0.0, 1.0 - SHARE], [FLOOR, SHARE]], rtol=1e-12)
    assert law.edges.shape == (0, 2)
    # Its place is known to 1e-12, the width below which a bulk becomes an atom.
    np.testing.assert_array_equal(law.cdf([-1.0, 0.5, 2.0]), [0.0, 1.0 - SHARE, 1.0])
    np.testing.assert_array_equal(law.density([0.5, 2.0]), [0.0, 0.0])


def test_the_density_is_within_its_bound():
    drawn = above_a_floor(1e-6)
    low, high = 1e-6 * EDGES
    # From 1e-10 of an edge to the middle; the distances themselves are the exact arguments.
    step = (high - low) * np.geomspace(1e-10, 0.5, 60)
    seen = drawn.parts._replace(floors=drawn.parts.floors - FLOOR)
    for x in (low + step, high - step[::-1]):
        root = solve(seen, x.astype(complex))
        density = root.trace(seen).imag
        exact = SHARE * np.sqrt((x - low) * (high - x)) / (2.0 * RATIO * 1e-6 * x)
        bound = root.error_of(density, seen)
        rounding = 4e-16 * x * (1.0 / (x - low) + 1.0 / (high - x))
        assert np.all(np.abs(density / exact - 1.0) <= bound + rounding)
        assert np.all(bound <= 1e-3)


def test_the_trace_is_within_its_bound_where_its_terms_cancel():
    # Between the atom at 0 and the bulk the trace vanishes: of its digits none are left there.
    drawn = above_a_floor(1e-3)
    low, high = 0.5, 1.5
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if terms(middle)[1] < terms(middle)[0] else (low, middle)
    x = low + np.array([0.0, 1e-14, 1e-10, 1e-2])
    found = drawn.transform(x.astype(complex))
    exact = np.array([float(terms(point)[1] - terms(point)[0]) for point in x])
    assert np.all(np.abs(found.value / exact - 1.0) <= found.error)
    with pytest.warns(rs.ConvergenceWarning, match="3 of 4"):
        solved = drawn.solve(x)
    np.testing.assert_array_equal(solved.converged, found.error <= 1e-8)
    assert np.all(np.isnan(solved.q[~solved.converged]))


def terms(x: float) -> tuple[mpmath.mpf, mpmath.mpf]:
    """What makes up the trace: less the atom's part, and the bulk's; to 40 digits."""
    with mpmath.workdps(40):
        a, b, y = mpmath.mpf(1e-3), mpmath.mpf(RATIO), mpmath.mpf(FLOOR) - mpmath.mpf(x)
        # Of Marchenko and Pastur's law of size a and ratio b at −y: a b y g² + p g = 1.
        p = y + a * (1 - b)
        bulk = 2 / (p + mpmath.sqrt(p * p + 4 * a * b * y))
        return (1 - mpmath.mpf(SHARE)) / mpmath.mpf(x), mpmath.mpf(SHARE) * bulk


@pytest.mark.parametrize("index", [79, 109, 118, 151])
def test_bulks_next_to_floors_have_their_masses(index):
    # A bulk 3e-12 of its place above a floor; resolvents of 1e9; an edge at 3e-11; an atom inside
    # of a bulk, beside which the density has a peak 1e-5 of its place wide.
    law = ensemble_of(0, index).spectrum()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        defect = law.mass_defect
    assert np.all(np.abs(defect) <= 1e-9)


def test_a_heavy_type_leaves_the_others_their_digits():
    parts = ensemble_of(0, 109).parts
    x = np.linspace(5.2e-10, 4.2e-9, 30)
    root = solve(parts, x.astype(complex))
    assert np.abs(root.g).max() > 1e8
    # A dozen terms an equation, each rounded a few times.
    assert np.all(root.error <= 1e-11)
    assert np.all(root.residual <= 1e-14)


def test_the_fraction_below_a_point_has_no_noise():
    parts = ensemble_of(0, 109).parts
    x = 2e-9 * (1.0 + 1e-15 * np.arange(40))
    root = solve(parts, x.astype(complex))
    below = fractions_below(parts, root.g, root.d)
    # In all this the fraction grows by the density, 1e7, times 1e-22.
    assert np.ptp(below) <= 2e-15


def test_channels_that_the_neurons_of_a_floor_hardly_see_leave_the_others_their_digits():
    # The neurons of a floor, half as many again as samples, see a second channel a hundredth as
    # strongly: it alone keeps a third of them off the floor.  The other type turns the channels.
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    nothing = np.zeros((2, 1, 2))
    drawn = StructuredEnsemble(
        30.0, 2.0, [0.9, 0.1], [1.0], nothing, nothing,
        [[np.diag([2e-3, 1e-3])], [turn @ np.diag([1e-3, 1e-7]) @ turn.T]], [0.0, FLOOR],
        [[1.0]], [1.0],
    )  # fmt: skip
    law = drawn.spectrum()
    floors, ends = drawn.gaps.ends_of_bulks(law.edges[:, 0])
    thin = int(np.flatnonzero(floors[:, 0] == FLOOR)[0])
    assert law.masses[thin] == pytest.approx(0.1 / 3.0, rel=1e-12)
    assert ends[thin, 1] < 1e-6
    assert abs(law.mass_defect[thin]) <= 1e-13
    x = np.linspace(*ends[thin], 22)[1:-1].astype(complex)
    plain = solve(drawn.parts._replace(floors=drawn.parts.floors - FLOOR), x)
    turned = solve(graded(drawn.parts, FLOOR)[0], x)
    assert np.all(turned.good)
    assert np.median(turned.error) <= 1e-2 * np.median(plain.error)


def test_a_search_that_ends_at_its_limit_says_so(monkeypatch):
    monkeypatch.setattr(bulks, "_MOST", 3)
    with pytest.warns(rs.ConvergenceWarning, match="narrow ones may be missing"):
        _ = ensemble_of(0, 3).gaps


@pytest.mark.parametrize(
    ("owner", "name"), [(gaps, "search"), (bulks, "_valley"), (Axis, "isolate")]
)
def test_a_search_that_finds_no_roots_says_so(monkeypatch, owner, name):
    search = getattr(owner, name)

    def blinded(axis, *arguments):
        axis.look = lambda x, near: None
        found = search(axis, *arguments)
        del axis.look
        return found

    monkeypatch.setattr(owner, name, blinded)
    with pytest.warns(rs.ConvergenceWarning, match="narrow ones may be missing"):
        _ = ensemble_of(0, 3).gaps


def test_floors_below_the_rounding_of_the_spectrum_share_one_atom():
    # Neurons far out on the tails of tanh: their floors are 1e-21 to 1e-17 of the top.
    classes = [rs.DataClass(1.0, 0.43, mean=-2.35)]
    law = rs.MixtureModel(4.9, 0.64, 0.027, classes, activation="tanh", nodes=16).spectrum()
    floors = law.ensemble.parts.floors
    assert np.sum((floors > 0.0) & (floors < 1e-15)) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        total = law.masses.sum() + law.atoms[:, 1].sum()
    assert total == pytest.approx(1.0, abs=1e-14)
    # Samples keep all of these few neurons off their floors, by less than 1e-16 of the top.
    assert law.atoms[0, 1] == pytest.approx(law.ensemble.parts.weights[floors < 1e-15].sum())
