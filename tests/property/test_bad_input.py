"""Whatever is thrown at a public name: a TypeError or ValueError that names it, or a right answer.

A right answer is finite, or comes with the one warning of a solve; nothing takes over a second.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import rmtspec as rs
from rmtspec.testing.strategies import ACTIVATIONS, powers_of_ten

SECONDS = 1.0

odd_numbers = st.sampled_from(
    [0, 0.0, -0.0, -1.0, 1e300, -1e300, 1e-300, 5e-324, np.nan, np.inf, -np.inf, 10**400, 1, 2.5,
     1e9, 1e-9, np.float32(0.5), np.int64(3), np.array(0.5), 1.0 + 1e-16]
)  # fmt: skip
odd_things = st.sampled_from(
    [
        None, "", "1", "tanh", b"1", True, False, np.bool_(True), 1j, complex(np.nan, 0.0),
        [], [[]], {}, [1.0, "a"], [None], [[1.0, 2.0], [3.0]], range(3), object(), print,
        np.empty((0, 3)), np.array(["a"]), np.array([1.0, None], dtype=object), np.ones((2, 2, 2)),
        np.datetime64("2020-01-01"), np.array([1 + 1j]),
        [1e300, 1e-300], [np.nan, 1.0], [-1.0], [0.0], [1.0, 2.0, 3.0],
    ]
)  # fmt: skip
anything = st.one_of(
    odd_numbers,
    odd_things,
    st.floats(),
    st.lists(st.floats(), max_size=4),
    powers_of_ten(-300, 300),
)

LAW = rs.RandomFeatureModel(8.0, 4.0, 0.01, "erf").spectrum()
MODEL = rs.RandomFeatureModel(2.0, 1.0, 0.1, "relu", rs.PopulationSpectrum([1.0], spikes=[4.0]))


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """Compile every kernel before time counts."""
    for law in (
        LAW,
        MODEL.spectrum(),
        rs.SampleCovariance(0.5, rs.PopulationSpectrum([1.0])).spectrum(),
    ):
        law.density(1.0), law.cdf(1.0), law.quantile(0.5), law.stieltjes([1j, -1.0])
    MODEL.mean_feature_eigenvalue(10)
    MODEL.outliers()
    for activation in ACTIVATIONS:
        rs.RandomFeatureModel(2.0, 1.0, 0.1, activation).spectrum().moment(1)
    rs.RandomFeatureModel(2.0, 1.0, 1e3, "tanh").spectrum().moment(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rs.RandomFeatureModel.from_data(np.eye(3), 2.0, 0.1).spectrum().density(1.0)


def outcome(name, call):
    """The answer, or None if it was refused by name, and whether a warning came with it."""
    answer, refusal = None, None
    start = time.process_time()  # other processes do not count
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = call()
        except (TypeError, ValueError) as error:
            refusal = str(error)
    assert time.process_time() - start < SECONDS
    assert refusal is None or name in refusal
    kinds = {warning.category for warning in caught}
    assert kinds <= {rs.ConvergenceWarning, rs.DataWarning, rs.FewDimensionsWarning}
    return answer, bool(kinds)


def figures(law):
    """Every figure of a law at a few places."""
    x = LAW.support.ravel()
    return [
        law.support, law.masses, law.atoms, law.mass_defect, law.density(x), law.cdf(x),
        law.quantile([0.0, 0.3, 1.0]), np.array(law.moment(1)), law.stieltjes(x + 1j),
    ]  # fmt: skip


def assert_right(law, warned):
    """Finite figures and a mass of one, or a warning."""
    total = law.masses.sum() + law.atoms[:, 1].sum()
    assert abs(total - 1.0) <= 1e-12
    if not warned:
        assert all(not np.any(np.isnan(part)) for part in figures(law))
        assert np.all(np.abs(law.mass_defect) <= 1e-8)


def law_of(make):
    """The law with everything that it computes lazily."""

    def call():
        law = make().spectrum()
        figures(law)
        return law

    return call


@given(anything)
def test_population_eigenvalues(value):
    found, _ = outcome("eigenvalues", lambda: rs.PopulationSpectrum(value))
    if found is not None:
        assert np.all(np.isfinite(found.eigenvalues))
        assert found.weights.sum() == pytest.approx(1.0)


@given(anything)
def test_population_weights_and_spikes(value):
    for name in ("weights", "spikes"):
        found, _ = outcome(
            name, lambda name=name: rs.PopulationSpectrum([1.0, 2.0], **{name: value})
        )
        if found is not None:
            assert np.all(np.isfinite(getattr(found, name)))


@given(anything)
def test_population_constructors_and_moments(value):
    for name, call in [
        ("variance", lambda: rs.PopulationSpectrum.isotropic(value)),
        ("exponent", lambda: rs.PopulationSpectrum.power_law(value, 16)),
        ("dimension", lambda: rs.PopulationSpectrum.power_law(1.0, value)),
        ("trace", lambda: rs.PopulationSpectrum.power_law(1.0, 16, trace=value)),
        ("x", lambda: rs.PopulationSpectrum.from_samples(value)),
        ("k", lambda: rs.PopulationSpectrum([0.5, 2.0]).moment(value)),
    ]:
        found, _ = outcome(name, call)
        if isinstance(found, rs.PopulationSpectrum):
            assert np.all(np.isfinite(found.eigenvalues))
        elif found is not None:
            assert np.isfinite(found)


@given(anything)
def test_ratio_of_a_sample_covariance(value):
    law, warned = outcome("ratio", law_of(lambda: rs.SampleCovariance(value, MODEL.population)))
    if law is not None:
        assert_right(law, warned)


@settings(max_examples=100)
@given(anything, st.sampled_from(["psi_p", "psi_n", "t"]))
@example(1e9, "psi_p")
@example(1e-9, "psi_p")
@example(1e9, "psi_n")
@example(1e-9, "psi_n")
@example(1e300, "t")
@example(1e-300, "t")
def test_numbers_of_a_random_feature_model(value, name):
    numbers = {"psi_p": 2.0, "psi_n": 1.0, "t": 0.1} | {name: value}
    law, warned = outcome(name, law_of(lambda: rs.RandomFeatureModel(**numbers)))
    if law is not None:
        assert_right(law, warned)


@given(anything)
def test_activation_and_population_of_a_model(value):
    if value not in ACTIVATIONS if isinstance(value, str) else not callable(value):
        model, _ = outcome("activation", lambda: rs.RandomFeatureModel(2.0, 1.0, 0.1, value))
        if model is not None:  # a list of Hermite coefficients is an activation
            assert np.all(np.isfinite([model.coefficients.a, model.coefficients.v, model.floor]))
    if value is not None:
        found, _ = outcome(
            "population", lambda: rs.RandomFeatureModel(2.0, 1.0, 0.1, "tanh", value)
        )
        assert found is None


@given(anything)
def test_data_given_to_a_model(value):
    model, warned = outcome("x", lambda: rs.RandomFeatureModel.from_data(value, 2.0, 0.1))
    if model is not None:
        assert warned
        law, late = outcome("x", law_of(lambda: model))
        assert_right(law, late)


@given(anything)
def test_points_given_to_resolvent_and_transform(value):
    for call in (lambda: MODEL.resolvent(value), lambda: MODEL.spectrum().stieltjes(value)):
        found, warned = outcome("z", call)
        if found is not None:
            q = found if isinstance(found, np.ndarray) else found.q
            assert q.shape == np.shape(value)
            assert warned or np.all(np.isfinite(q))


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
@example(0.0, 5e-324)
@example(0.0, 1e-300)
@example(1e300, 1e300)
@example(-1e300, 1e-300)
def test_huge_and_tiny_complex_points(re, im):
    found, warned = outcome("z", lambda: MODEL.spectrum().stieltjes(complex(re, im)))
    if found is not None and not warned:
        g = complex(found)
        assert np.isfinite(g)
        assert g.imag * im >= 0.0


@given(anything)
def test_points_given_to_density_and_distribution_function(value):
    for call in (LAW.density, LAW.cdf):
        found, warned = outcome("x", lambda call=call: call(value))
        if found is not None:
            assert not warned
            assert found.shape == np.shape(value)
            assert np.all(found >= 0.0)


@given(anything)
def test_fractions_given_to_quantile(value):
    found, warned = outcome("u", lambda: LAW.quantile(value))
    if found is not None:
        assert not warned
        assert found.shape == np.shape(value)
        assert np.all((found >= LAW.atoms[0, 0]) & (found <= LAW.support[-1, 1]))


@given(anything)
def test_orders_integrands_sizes_and_generators(value):
    rng = np.random.default_rng(0)
    outcome("k", lambda: LAW.moment(value) if not _is_big(value) else 0.0)
    outcome("rtol", lambda: LAW.integrate(np.cos, rtol=value))
    outcome("max_order", lambda: LAW.integrate(np.cos, max_order=value))
    outcome("size", lambda: LAW.sample(value, rng) if not _is_big(value) else 0.0)
    found, _ = outcome("rng", lambda: LAW.sample(1, value))
    assert found is None or value is None or isinstance(value, int | np.integer)
    if not callable(value):
        found, _ = outcome("f", lambda: LAW.integrate(value))
        assert found is None
    outcome("f", lambda: LAW.integrate(lambda x: value))


def _is_big(value):
    """An integer for which memory, not checking, is at stake."""
    return isinstance(value, int | np.integer) and abs(value) > 10**6


@given(anything)
def test_dimension_of_the_mean_feature(value):
    found, warned = outcome("dimension", lambda: MODEL.mean_feature_eigenvalue(value))
    if found is not None:
        assert not warned
        # NaN says that the mean of one or two features does not leave the bulk
        assert found > MODEL.spectrum().support[-1, 1] or (np.isnan(found) and value < 10)


@st.composite
def extreme_models(draw):
    """Models at the ends of their documented ranges."""
    eigenvalues = draw(st.lists(powers_of_ten(-100.0, 100.0), min_size=1, max_size=3))
    if draw(st.booleans()):
        eigenvalues.append(0.0)
    size = len(eigenvalues)
    weights = draw(st.lists(powers_of_ten(-300.0, 300.0), min_size=size, max_size=size))
    spikes = draw(st.lists(powers_of_ten(-100.0, 100.0), max_size=2))
    population = rs.PopulationSpectrum([*eigenvalues, 1.0], [*weights, 1.0], spikes)
    psi_p, psi_n = draw(powers_of_ten(-9.0, 9.0)), draw(powers_of_ten(-9.0, 9.0))
    t, activation = draw(powers_of_ten(-300.0, 300.0)), draw(st.sampled_from(ACTIVATIONS))
    return rs.RandomFeatureModel(psi_p, psi_n, t, activation, population)


@given(extreme_models())
def test_extreme_models_answer_or_warn_and_never_hang(model):
    law, _ = outcome("population", law_of(lambda: model))
    if law is None:  # scales too far apart for double precision
        return
    for name in ("timescales", "outliers", "bulk_names"):
        answer, _ = outcome("", getattr(model, name))
        assert answer is not None
    outcome("population", model.asymptotic_bulks)  # a law of its own, which may be out of reach
    total = law.masses.sum() + law.atoms[:, 1].sum()
    assert abs(total - 1.0) <= 1e-9


@given(powers_of_ten(-9.0, 9.0), st.lists(powers_of_ten(-100, 100), min_size=1, max_size=4))
def test_extreme_sample_covariances_answer_or_warn_and_never_hang(ratio, eigenvalues):
    law, _ = outcome(
        "population", law_of(lambda: rs.SampleCovariance(ratio, rs.PopulationSpectrum(eigenvalues)))
    )
    assert law is None or abs(law.masses.sum() + law.atoms[:, 1].sum() - 1.0) <= 1e-9
