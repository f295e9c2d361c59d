"""What a law answers, whatever ensemble it comes from: shapes, refusals, edges of definition."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs


@pytest.fixture(scope="module")
def law():
    """Three bulks and an atom."""
    return rs.RandomFeatureModel(8.0, 4.0, 0.01, "erf").spectrum()


@pytest.fixture(scope="module")
def hard():
    """One bulk with a hard edge at 0."""
    return rs.SampleCovariance(1.0, rs.PopulationSpectrum.isotropic()).spectrum()


def test_figures_have_their_shapes_and_cannot_be_changed(law):
    assert law.support.shape == law.edges.shape == (3, 2)
    assert law.masses.shape == law.mass_defect.shape == (3,)
    assert law.atoms.shape == (1, 2)
    assert law.outliers.shape == (0,)
    for array in (law.support, law.edges, law.masses, law.atoms, law.outliers):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0
    assert repr(law) == "SpectralLaw(bulks=3, atoms=1, outliers=0)"


@pytest.mark.parametrize("name", ["density", "cdf", "quantile"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0)])
def test_answers_keep_the_shape_of_the_question(law, name, shape):
    x = np.full(shape, 0.5)
    kept = x.copy()
    answer = getattr(law, name)(x)
    assert answer.shape == shape
    assert answer.dtype == np.float64
    assert np.array_equal(x, kept)
    assert getattr(law, name)(np.float32(0.5)) == getattr(law, name)(0.5)
    assert getattr(law, name)([0, 1]).shape == (2,)


def test_strided_and_read_only_arrays_are_accepted(law):
    x = np.linspace(0.0, 10.0, 20)
    x.setflags(write=False)
    assert np.array_equal(law.density(x[::-2]), law.density(x)[::-2])
    assert np.array_equal(law.cdf(x.reshape(4, 5).T), law.cdf(x).reshape(4, 5).T)


def test_infinity_has_no_density_and_all_the_mass_below(law):
    assert law.density([-np.inf, np.inf]).tolist() == [0.0, 0.0]
    assert law.cdf([-np.inf, np.inf]) == pytest.approx([0.0, 1.0], abs=1e-14)


def test_distribution_function_jumps_at_the_atom_and_is_continuous_from_the_right(law):
    location, mass = law.atoms[0]
    assert law.cdf(np.nextafter(location, 0.0)) == 0.0
    assert law.cdf(location) == mass
    assert law.cdf(law.support[0, 0]) == pytest.approx(mass, abs=1e-14)


def test_quantile_is_the_smallest_point_that_reaches_the_fraction(law):
    location, mass = law.atoms[0]
    assert law.quantile([0.0, 0.5 * mass, mass]).tolist() == [location] * 3
    reached = mass + np.cumsum(law.masses)
    # masses add up to 1 within an ulp, and the cdf meets 1 like (edge - x)^(3/2)
    assert law.quantile(1.0) == pytest.approx(law.support[-1, 1], rel=1e-10)
    # a fraction reached at the end of a bulk is not carried over the gap
    assert law.quantile(reached[0] - 1e-12) <= law.support[0, 1]
    assert law.quantile(reached[0] + 1e-12) >= law.support[1, 0]


@pytest.mark.parametrize("ratio", [0.5, 1.0])
@pytest.mark.parametrize("count", [2, 1000])
def test_the_whole_law_lies_between_the_quantiles_of_zero_and_one(ratio, count):
    law = rs.SampleCovariance(ratio, rs.PopulationSpectrum.isotropic()).spectrum()
    x = law.quantile(np.linspace(0.0, 1.0, count), from_origin=True)
    assert x[[0, -1]].tolist() == law.edges[0].tolist()


def test_distances_from_the_origin_resolve_a_bulk_thinner_than_the_spacing_of_floats():
    thin = rs.RandomFeatureModel(8.0, 4.0, 8.0, "tanh").spectrum()
    low, high = thin.edges[0]
    assert high < np.spacing(thin.origin)
    x = np.linspace(low, high, 9)[1:-1]
    assert np.all(thin.density(x, from_origin=True) > 0.0)
    u = thin.cdf(x, from_origin=True)
    assert np.all(np.diff(u) > 0.0)
    assert thin.quantile(u, from_origin=True) == pytest.approx(x, rel=1e-10)


def test_hard_edge_has_an_infinite_density_and_no_atom(hard):
    assert hard.density([-1e-300, 0.0]).tolist() == [0.0, np.inf]
    assert hard.cdf(0.0) == 0.0
    assert hard.atoms.shape == (0, 2)
    x = 1e-14
    assert hard.density(x) * np.sqrt(x) == pytest.approx(1.0 / np.pi, rel=1e-9)


def test_density_vanishes_like_a_square_root_at_a_regular_edge(law):
    for low, high in law.edges:
        for edge, inwards in ((low, 1.0), (high, -1.0)):
            step = 1e-6 * min(high - low, low)
            near = law.density(edge + inwards * step * np.array([1.0, 4.0]), from_origin=True)
            # relative corrections are of the order of step over the curvature of the edge
            assert near[1] / near[0] == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("name", ["density", "cdf"])
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.nan, ValueError, "x must hold numbers"),
        ([1.0, np.nan], ValueError, "x must hold numbers"),
        (1j, TypeError, "x must be real"),
        ("1", TypeError, "x must hold real numbers"),
        (None, TypeError, "x must hold real numbers"),
        ([[1.0], [1.0, 2.0]], ValueError, "x must be a rectangular array"),
        (True, TypeError, "x must hold real numbers"),
    ],
)
def test_bad_points_are_refused_by_name(law, name, x, error, message):
    with pytest.raises(error, match=message):
        getattr(law, name)(x)


@pytest.mark.parametrize("u", [-1e-9, 1.0 + 1e-9, np.nan, np.inf])
def test_fraction_outside_the_unit_interval_is_refused_by_name(law, u):
    with pytest.raises(ValueError, match=r"u must hold finite numbers in \[0, 1\]"):
        law.quantile(u)


@pytest.mark.parametrize("z", [np.nan, np.inf, complex(0.0, np.inf)])
def test_point_that_is_not_finite_is_refused_by_name(law, z):
    with pytest.raises(ValueError, match="z must hold finite numbers"):
        law.stieltjes(z)


def test_real_point_of_the_support_is_refused_with_a_hint(law):
    for z in (*law.support.ravel(), law.support[1].mean(), law.atoms[0, 0]):
        with pytest.raises(ValueError, match=r"z must not be a real point of the support.*density"):
            law.stieltjes([1.0j, z])
    gaps = [law.support[0, 1], law.support[1, 0]], [law.support[1, 1], law.support[2, 0]]
    assert np.all(np.isfinite(law.stieltjes([np.mean(gap) for gap in gaps])))
    between = 0.5 * (law.atoms[0, 0] + law.support[0, 0])
    assert complex(law.stieltjes(between)).imag == 0.0


@pytest.mark.parametrize("t", [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("psi_p", [2.0, 4.0, 8.0, 16.0])
def test_every_reported_edge_is_a_point_of_the_support(psi_p, t):
    # rounded to a location beside a large s², an edge may lie an ulp off its bulk
    law = rs.RandomFeatureModel(psi_p, 4.0, t, "erf").spectrum()
    for z in law.support.ravel():
        with pytest.raises(ValueError, match="z must not be a real point of the support"):
            law.stieltjes(z)


def test_transform_of_empty_input_is_empty(law):
    assert law.stieltjes([]).shape == (0,)
    assert law.stieltjes(np.empty((3, 0))).shape == (3, 0)


@pytest.mark.parametrize("k", [-1, 1.0, None, "1", True, [1]])
def test_order_of_a_moment_must_be_a_natural_number(law, k):
    with pytest.raises((TypeError, ValueError), match="k must be an integer >= 0"):
        law.moment(k)


def test_integrals_of_constants_exponentials_and_complex_functions(law):
    assert law.integrate(lambda x: 3.0) == pytest.approx(3.0, rel=1e-12)
    assert isinstance(law.integrate(lambda x: 3), float)
    assert law.integrate(lambda x: 1.0 / (x - 1j)) == pytest.approx(
        complex(law.stieltjes(1j)), rel=1e-10
    )
    # the atom counts
    only_bulks = law.integrate(lambda x: (x > law.atoms[0, 0]) * 1.0)
    assert only_bulks == pytest.approx(1.0 - law.atoms[0, 1], rel=1e-12)


def test_jump_of_the_integrand_is_reported(hard):
    with pytest.warns(rs.ConvergenceWarning, match="order 512 changed the result"):
        value = hard.integrate(lambda x: np.where(x < 1.234, 1.0, 0.0))
    assert value == pytest.approx(hard.cdf(1.234), abs=1e-2)


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (None, TypeError, "f must be callable"),
        (1.0, TypeError, "f must be callable"),
        (lambda x: "x", TypeError, "f must return numbers"),
        (lambda x: None, TypeError, "f must return numbers"),
        (lambda x: x[:1], ValueError, "f must return shape"),
        (lambda x: x * np.nan, ValueError, "f must return finite numbers"),
    ],
)
def test_bad_integrands_are_refused_by_name(law, f, error, message):
    with pytest.raises(error, match=message):
        law.integrate(f)


@pytest.mark.parametrize(
    "settings",
    [{"rtol": 0.0}, {"rtol": 1e-17}, {"rtol": np.nan}, {"max_order": 8}, {"max_order": 1.5}],
)
def test_settings_of_an_integral_are_checked(law, settings):
    with pytest.raises((TypeError, ValueError), match=next(iter(settings))):
        law.integrate(np.cos, **settings)


def test_sample_has_the_shape_asked_for_and_comes_from_the_generator(law):
    assert law.sample(5, np.random.default_rng(0)).shape == (5,)
    assert law.sample((2, 3), np.random.default_rng(0)).shape == (2, 3)
    assert law.sample(0, np.random.default_rng(0)).shape == (0,)
    first, again = (law.sample(9, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("rng", [True, 0.0, np.random, "rng"])
def test_sample_needs_a_generator_or_a_seed(law, rng):
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, a seed or None"):
        law.sample(3, rng)


def test_a_seed_is_that_of_a_generator_and_none_is_another_each_time(law):
    seeded = law.sample(5, rng=1)
    np.testing.assert_array_equal(seeded, law.sample(5, np.random.default_rng(1)))
    assert not np.array_equal(law.sample(5), law.sample(5))
    with pytest.raises(ValueError, match="rng must be an integer >= 0"):
        law.sample(5, rng=-1)


def test_names_of_scipy_are_other_names_for_the_same(law):
    x, u = law.quantile([0.3, 0.8]), [0.1, 0.9]
    np.testing.assert_array_equal(law.pdf(x), law.density(x))
    np.testing.assert_array_equal(law.ppf(u), law.quantile(u))
    np.testing.assert_array_equal(law.rvs(4, 1), law.sample(4, 1))
    assert law.mean() == law.moment(1)
    # The second moment is a sum of squares of size m2, the variance its difference to m1².
    assert law.var() == pytest.approx(law.moment(2) - law.moment(1) ** 2, abs=1e-13 * law.moment(2))


def test_a_law_leaves_the_program_as_table_and_as_data_set(law):
    x = law.quantile([0.2, 0.5, 0.9])
    table, data = law.to_dataframe(x), law.to_xarray(x)
    for found in (table["density"], data.density):
        np.testing.assert_array_equal(found, law.density(x))
    for found in (table["cdf"], data.cdf):
        np.testing.assert_array_equal(found, law.cdf(x))
    np.testing.assert_array_equal(data.support, law.support)
    np.testing.assert_array_equal(data.mass, law.masses)
    with pytest.raises(ValueError, match="x must be a row"):
        law.to_dataframe(1.0)


def test_a_law_draws_itself(law):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert law.plot(ax, scale="linear") is ax


@pytest.mark.parametrize("size", [-1, 1.5, None, "3", (2, -1), True])
def test_size_of_a_sample_must_be_a_shape(law, size):
    with pytest.raises((TypeError, ValueError), match="size must be an integer >= 0"):
        law.sample(size, np.random.default_rng(0))


def test_bulk_too_narrow_for_double_precision_is_an_atom():
    population = rs.PopulationSpectrum([1.0, 2.0], [1.0, 1e-25])
    law = rs.SampleCovariance(1e-9, population).spectrum()
    # relative width 4 sqrt(c w) = 4e-17
    assert law.support.shape == (1, 2)
    assert law.atoms[0] == pytest.approx([2.0, 1e-25], rel=1e-6)
    assert law.masses.sum() + law.atoms[:, 1].sum() == pytest.approx(1.0, abs=1e-15)
    assert (
        law.quantile(1.0) == pytest.approx(law.support[0, 1], rel=1e-3) or law.quantile(1.0) > 1.9
    )


def test_density_that_is_not_known_is_nan_with_one_warning():
    class Broken:
        """A sample covariance, solved in Python, that fails on the upper half of its bulk."""

        def __init__(self):
            self.whole = rs.SampleCovariance(0.5, rs.PopulationSpectrum.isotropic())

        def __getattr__(self, name):
            if name == "panels":  # those would be placed by the compiled solver
                raise AttributeError(name)
            return getattr(self.whole, name)

        def boundary(self, distance):
            found = self.whole.boundary(distance)
            bad = distance > 1.5
            found.density[bad] = np.nan
            found.error[bad] = np.inf
            found.status[bad] = rs.Status.STEP_LIMIT
            return found

    law = rs.SpectralLaw(Broken())
    with pytest.warns(rs.ConvergenceWarning, match="points did not converge") as caught:
        value = law.density([1.0, 2.0])
    assert len(caught) == 1
    assert np.all(np.isnan(value))
    assert law.density(10.0) == 0.0
    assert np.isnan(law.mass_defect[0])
