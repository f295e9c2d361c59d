"""Cases in which a solver, an edge search or a quadrature easily goes wrong, each by its name."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.ensembles.random_feature import RandomFeatureGram
from rmtspec.testing.moments import gram_moments

ISOTROPIC = rs.PopulationSpectrum.isotropic()
TWO = rs.PopulationSpectrum([0.5, 1.5])
FAR = rs.PopulationSpectrum([1e-2, 1e2])
MASS, MOMENT, INVERSE = 1e-10, 1e-9, 1e-9


def assert_is_right(model):
    """All figures that a law must hold, and the solver at points of all kinds."""
    law, matrix = model.spectrum(), model.ensemble
    assert abs(law.masses.sum() + law.atoms[:, 1].sum() - 1.0) <= 1e-12
    assert np.all(np.abs(law.mass_defect) <= MASS)
    for k, trace in enumerate(gram_moments(matrix), start=1):
        assert law.moment(k) == pytest.approx(trace, rel=MOMENT)
    atom = law.atoms[:, 1].sum()
    u = np.linspace(min(atom + 1e-9, 1.0), 1.0, 201)
    assert np.all(
        np.abs(law.cdf(law.quantile(u, from_origin=True), from_origin=True) - u) <= INVERSE
    )
    heights = np.logspace(-12, 0, 13)
    top = law.support[-1, 1]
    for x in np.concatenate([law.support.mean(axis=1), [0.5 * law.origin, 1.5 * top]]):
        found = model.resolvent(x + 1j * top * heights)
        assert np.all(found.converged)
        assert np.all((found.q.imag > 0.0) & (found.residual <= 1e-12))
        assert np.all(found.y.imag <= 0.0)
    middle = law.edges.mean(axis=1)
    inside = model.ensemble.boundary(middle)
    assert np.all(inside.status == rs.Status.CONVERGED)
    assert law.density(middle, from_origin=True) == pytest.approx(inside.density, rel=1e-9)


@pytest.mark.parametrize("population", [ISOTROPIC, TWO, FAR], ids=["one", "two", "far"])
@pytest.mark.parametrize("t", [1e-8, 1e-4, 0.01, 1.0, 10.0])
@pytest.mark.parametrize(
    ("psi_p", "psi_n"),
    [
        pytest.param(4.0, 4.0, id="as many features as samples"),
        pytest.param(5.0, 4.0, id="as many features as samples and dimensions"),
        pytest.param(1.0, 1.0, id="all equal"),
        pytest.param(2.0, 1.0, id="twice as many features as samples or dimensions"),
        pytest.param(0.3, 4.0, id="fewer features than dimensions"),
        pytest.param(4.0, 0.3, id="fewer samples than dimensions"),
        pytest.param(0.3, 0.2, id="fewer of both"),
        pytest.param(2.0, 1e4, id="far more samples than dimensions"),
        pytest.param(1e4, 2.0, id="far more features than dimensions"),
        pytest.param(1e6, 1e6, id="few dimensions"),
        pytest.param(1e-6, 1e-6, id="many dimensions"),
    ],
)
@pytest.mark.parametrize("activation", ["erf", "linear"])
def test_law_holds_its_figures(psi_p, psi_n, t, population, activation):
    assert_is_right(rs.RandomFeatureModel(psi_p, psi_n, t, activation, population))


# --- lowest edges --------------------------------------------------------------------------


def test_equal_numbers_of_features_and_samples_leave_the_spectrum_just_above_the_floor():
    law = rs.RandomFeatureModel(4.0, 4.0, 0.01, "erf").spectrum()
    assert law.atoms.size == 0
    assert 0.0 < law.edges[0, 0] < 1e-3


def test_as_many_features_as_modes_make_a_hard_edge_at_the_floor():
    model = rs.RandomFeatureModel(5.0, 4.0, 0.01, "erf")
    law, at = model.spectrum(), model.coefficients
    assert law.edges[0, 0] == 0.0
    assert law.atoms.size == 0
    # mass below δz: 2 sqrt(M δz)/(π psi_p) with M = ∫dH/μ, next order smaller by δz M
    u = at.v**2 / 4.0
    inverse = (at.c**2 + u + 4.0 * at.b**2) / (at.b**2 * u)
    small = 1e-8 / inverse
    exact = 2.0 * np.sqrt(inverse * small) / (5.0 * np.pi)
    assert law.cdf(small, from_origin=True) == pytest.approx(exact, rel=1e-7)
    density = np.sqrt(inverse / small) / (5.0 * np.pi)
    assert law.density(small, from_origin=True) == pytest.approx(density, rel=1e-6)


@pytest.mark.parametrize("shift", [1e-3, 1e-6, 1e-9])
def test_lowest_edge_tends_to_the_floor_with_the_square_of_the_distance_from_the_hard_edge(shift):
    edges = [
        rs.RandomFeatureModel(5.0 * (1.0 + move), 4.0, 0.01, "erf").spectrum().edges[0, 0]
        for move in (-shift, -2.0 * shift)
    ]
    # psi_p itself has an error of eps in 1 + psi_n - psi_p
    assert edges[1] / edges[0] == pytest.approx(4.0, rel=5.0 * shift + 1e-14 / shift)


def test_bulk_of_a_vanishing_time_sits_beside_one_of_order_one():
    law = rs.RandomFeatureModel(8.0, 4.0, 1e-5, "erf").spectrum()
    assert law.edges[0, 0] < 1e-6
    assert law.edges[-1, 1] > 5.0
    assert law.masses == pytest.approx([1 / 8, 3 / 8, 1 / 8], abs=1e-14)


# --- stored edges --------------------------------------------------------------------------


def test_three_bulks_have_the_reference_edges_and_rational_masses():
    law = rs.RandomFeatureModel(8.0, 4.0, 0.01, "erf").spectrum()
    stored = [[1.478947e-4, 3.104000e-3], [8.026004e-3, 1.784900e-1], [0.7515749, 9.287227]]
    assert law.edges == pytest.approx(np.array(stored), rel=1e-6)  # seven digits are stored
    assert law.masses == pytest.approx([1 / 8, 3 / 8, 1 / 8], abs=1e-15)
    assert law.atoms[0, 1] == pytest.approx(3 / 8, abs=1e-15)


def test_three_bulks_of_two_atoms_have_the_reference_edges():
    law = rs.RandomFeatureModel(8.0, 4.0, 0.01, "erf", TWO).spectrum()
    stored = [[1.292657e-4, 4.350852e-3], [8.110510e-3, 0.1783097], [0.5313211, 11.23055]]
    assert law.edges == pytest.approx(np.array(stored), rel=1e-6)


# --- merging bulks -------------------------------------------------------------------------


def closing(count, low, high, make):
    """Last parameter with `count` bulks and the next float with fewer, by bisection."""
    assert len(make(low).masses) == count
    assert len(make(high).masses) < count
    while True:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            return low, high
        low, high = (middle, high) if len(make(middle).masses) == count else (low, middle)


FAMILIES = {
    "slow and sample bulks in time": (
        3, 0.01, 0.1, lambda t: rs.RandomFeatureModel(8.0, 4.0, t, "erf").spectrum(),
    ),
    "fast bulks of two atoms": (
        3, 20.0, 1.5,
        lambda gap: RandomFeatureGram(
            20.0, 200.0, rs.PopulationSpectrum([1.0, gap]), 1.0, 1e-3, 1e-3, 0.0
        ).spectrum(),
    ),
    "sample covariance of two atoms": (
        2, 20.0, 2.0,
        lambda gap: rs.SampleCovariance(0.2, rs.PopulationSpectrum([1.0, gap])).spectrum(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_bulks_about_to_merge_are_told_from_merged_ones(family):
    count, start, stop, make = FAMILIES[family]
    apart, merged = closing(count, start, stop, make)
    one, other = make(apart), make(merged)
    gap = np.min(one.edges[1:, 0] - one.edges[:-1, 1])
    place = int(np.argmin(one.edges[1:, 0] - one.edges[:-1, 1]))
    centre = 0.5 * (one.edges[place, 1] + one.edges[place + 1, 0])
    # a gap closes like the 3/2 power of the parameter, known to an ulp
    assert 0.0 <= gap <= 1e-12 * centre
    assert len(other.masses) == count - 1
    for law in (one, other):
        assert abs(law.masses.sum() + law.atoms[:, 1].sum() - 1.0) <= 1e-13
        assert np.all(np.abs(law.mass_defect) <= MASS)
        around = law.cdf(centre * (1.0 + 2.0**-52 * np.arange(-64, 65)), from_origin=True)
        assert np.all(np.diff(around) >= -1e-15)  # false too where one is NaN
    # either side has the same mass below the cusp; at the cusp the cdf rises like (δ)^(4/3)
    assert other.cdf(centre, from_origin=True) == pytest.approx(
        one.cdf(centre, from_origin=True), abs=1e-11
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_density_at_the_merging_point_is_a_cusp_of_power_one_third(family):
    count, start, stop, make = FAMILIES[family]
    apart, _ = closing(count, start, stop, make)
    law = make(apart)
    place = int(np.argmin(law.edges[1:, 0] - law.edges[:-1, 1]))
    centre = law.edges[place, 1]
    width = min(law.edges[place, 1] - law.edges[place, 0], centre)
    step = 1e-6 * width * np.array([1.0, 8.0])
    for side in (-1.0, 1.0):
        near = law.density(centre + side * step, from_origin=True)
        # corrections are of relative order step^(1/3)
        assert near[1] / near[0] == pytest.approx(2.0, rel=0.05)


def test_gap_far_from_closing_is_not_lost_next_to_a_pole():
    for gap in (1.5, 1.05, 1.005):
        population = rs.PopulationSpectrum([1.0, gap])
        law = rs.SampleCovariance(1e-3 * (gap - 1.0) ** 2, population).spectrum()
        assert len(law.masses) == 2


# --- populations ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [256, 4096])
def test_many_atoms_have_total_mass_one(size):
    population = rs.PopulationSpectrum(np.linspace(0.1, 3.0, size))
    for law in (
        rs.SampleCovariance(0.1, population).spectrum(),
        rs.RandomFeatureModel(8.0, 4.0, 0.01, "erf", population).spectrum(),
    ):
        assert abs(law.masses.sum() + law.atoms[:, 1].sum() - 1.0) <= 1e-12
        assert np.all(np.abs(law.mass_defect) <= MASS)
        assert law.integrate(np.ones_like) == pytest.approx(1.0, abs=MASS)


def test_power_law_over_ten_decades_holds_its_figures():
    exponent = 10.0 / np.log10(4096)
    population = rs.PopulationSpectrum.power_law(exponent, 4096)
    assert population.eigenvalues[-1] / population.eigenvalues[0] == pytest.approx(1e10, rel=1e-9)
    model = rs.RandomFeatureModel(8.0, 4.0, 0.01, "tanh", population)
    law = model.spectrum()
    assert abs(law.masses.sum() + law.atoms[:, 1].sum() - 1.0) <= 1e-12
    assert np.all(np.abs(law.mass_defect) <= MASS)
    for k, trace in enumerate(gram_moments(model.ensemble), start=1):
        assert law.moment(k) == pytest.approx(trace, rel=MOMENT)
    u = np.linspace(law.atoms[0, 1] + 1e-6, 1.0, 1001)
    assert np.all(
        np.abs(law.cdf(law.quantile(u, from_origin=True), from_origin=True) - u) <= INVERSE
    )


def test_atoms_a_factor_ten_thousand_apart_make_two_fast_bulks():
    law = rs.RandomFeatureModel(2.0, 50.0, 0.01, "erf", FAR).spectrum()
    assert len(law.masses) >= 2
    assert law.masses[-1] == pytest.approx(0.25, abs=1e-14)


@pytest.mark.parametrize("zeros", [0.25, 0.5, 0.9])
@pytest.mark.parametrize(
    ("psi_p", "psi_n"), [(3.0, 0.4), (3.0, 2.0), (3.0, 0.5), (0.4, 0.2), (1.5, 0.5)]
)
def test_zero_eigenvalues_hold_their_figures(psi_p, psi_n, zeros):
    population = rs.PopulationSpectrum(
        [0.0, 0.5, 2.0], [zeros, 0.6 - 0.6 * zeros, 0.4 - 0.4 * zeros]
    )
    model = rs.RandomFeatureModel(psi_p, psi_n, 0.05, "erf", population)
    assert_is_right(model)
    # moments know of the zeros only through their weight
    assert model.population.weights[0] == pytest.approx(zeros, rel=1e-15)


# --- activations ---------------------------------------------------------------------------


@pytest.mark.parametrize("psi_p", [0.5, 1.0, 3.0])
def test_linear_activation_has_only_the_modes_of_the_data_space(psi_p):
    model = rs.RandomFeatureModel(psi_p, 2.0, 0.1, "linear", TWO)
    law = model.spectrum()
    assert model.coefficients.v == model.coefficients.s == 0.0
    atom = max(0.0, 1.0 - 1.0 / psi_p)
    assert law.atoms[:, 1].sum() == pytest.approx(atom, abs=1e-15)
    # D then no longer depends on v: κ = k + b² is one sample covariance inside another
    assert law.origin == 0.0
    assert law.masses.sum() == pytest.approx(1.0 - atom, abs=1e-15)
    if psi_p == 1.0:
        assert law.edges[0, 0] == 0.0


def test_noiseless_limit_is_approached_as_the_square_of_b_vanishes():
    limit = RandomFeatureGram(3.0, 2.0, TWO, 0.5, 0.0, 0.05, 0.01).spectrum()
    z = np.array([0.02 + 0.02j, 0.5 + 0.1j, 4.0 + 1.0j])
    errors = [
        np.abs(
            RandomFeatureGram(3.0, 2.0, TWO, 0.5, b2, 0.05, 0.01).spectrum().stieltjes(z)
            - limit.stieltjes(z)
        )
        for b2 in (1e-6, 1e-7)
    ]
    assert errors[0] / errors[1] == pytest.approx(np.full(3, 10.0), rel=0.02)
    # without b the rank is psi_n: samples are all that is left of the directions
    assert limit.atoms[0, 1] == pytest.approx(1.0 - 2.0 / 3.0, abs=1e-15)


# --- spikes --------------------------------------------------------------------------------


def test_one_thousand_spikes_below_and_above_the_transition():
    spikes = np.linspace(0.01, 8.0, 1000)
    population = rs.PopulationSpectrum([1.0], spikes=spikes)
    model = rs.RandomFeatureModel(4.0, 3.0, 0.05, "erf", population)
    found, law = model.outliers(), model.spectrum()
    ends = np.unique(found.threshold)
    assert ends.size == 2
    low, high = ends
    outside = (spikes < low) | (spikes > high)
    assert np.array_equal(np.isfinite(found.location), outside)
    assert np.array_equal(found.overlap > 0.0, outside)
    assert np.all(found.overlap[outside] < 1.0)
    assert np.all(np.diff(found.location[spikes > high]) > 0.0)
    assert np.all(np.diff(found.location[spikes < low]) > 0.0)
    assert np.all(found.location[spikes > high] > law.support[-1, 1])
    fast = law.support[-1]
    assert np.all(found.location[spikes < low] < fast[0])
    # spikes move no bulk
    plain = rs.RandomFeatureModel(4.0, 3.0, 0.05, "erf", ISOTROPIC).spectrum()
    assert np.array_equal(plain.support, law.support)
    assert (
        law.outliers.size
        == np.isfinite(found.location).sum() + np.isfinite(found.slow_location).sum()
    )


def test_branch_end_that_is_rounded_opens_no_gap() -> None:
    # The middle interval of the inverse map ends where κ' vanishes; one float beyond the computed
    # end a Newton step used to land on another branch and report a gap of width zero.
    model = rs.RandomFeatureModel(8, 4, 0.5775440867185652)
    assert np.all(np.diff(model.spectrum().support.ravel()) > 0.0)
    assert model.spectrum().masses.sum() + model.spectrum().atoms[:, 1].sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("psi_n", "t"), [(0.0014084736280275273, 8.0), (0.11, 8.985)])
def test_as_many_features_as_dimensions_at_late_times_reach_down_to_the_floor(
    psi_n: float, t: float
) -> None:
    # At psi_p = 1 the bulk begins some 1e-23 above s²: folding the second equation into the first,
    # which helps where y is small, lost every digit there.
    law = rs.RandomFeatureModel(1.0, psi_n, t).spectrum()
    assert np.all(
        np.isfinite(law.density(np.geomspace(2.0, 1e20, 50) * law.edges[0, 0], from_origin=True))
    )
    assert np.abs(law.mass_defect).max() < 1e-9
