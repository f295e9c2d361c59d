"""Derivatives with respect to parameters: against differences, and by exact identities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.random_features.losses.sensitivity import PARAMETERS

POPULATION = rs.PopulationSpectrum([0, 0.5, 1.5], [0.1, 0.4, 0.5])
TAU = np.array([[0.1, 1.0, 10.0], [100.0, 1e5, np.inf]])
Z = np.array([0.05 + 0.02j, 0.3 + 0.1j, -1.0])


@pytest.mark.parametrize(
    "model",
    [
        rs.RandomFeatureModel(4, 2, 0.1, "tanh", POPULATION),
        rs.RandomFeatureModel(4, 2, 0.1, "relu", POPULATION),
        rs.RandomFeatureModel(0.5, 3, 0.4, "softplus"),
        rs.RandomFeatureModel(3, 0.5, 0.05, "linear", POPULATION),
    ],
)
@pytest.mark.parametrize("name", ["psi_p", "psi_n", "t"])
def test_derivatives_are_the_limits_of_differences(model, name):
    found = model.sensitivity(name, z=Z, tau=TAU)
    step = 1e-4 * getattr(model, name)

    def difference(quantity):
        at = {i: quantity(replace(model, **{name: getattr(model, name) + i * step})) for i in
              (-2, -1, 1, 2)}  # fmt: skip
        return (8.0 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12.0 * step)

    for shown, quantity in (
        (found.q[0], lambda one: one.resolvent(Z).q),
        (found.edges[0], lambda one: one.spectrum().support),
        (found.train[0], lambda one: one.learning_curves(TAU).train),
        (found.test[0], lambda one: one.learning_curves(TAU).test),
    ):
        exact = difference(quantity)
        # Values good to 1e-14 of their scale, differenced by 1e-4: 1e-10.
        scale = np.abs(exact).max() + np.abs(quantity(model)).max() / getattr(model, name)
        np.testing.assert_allclose(shown, exact, rtol=0, atol=3e-9 * scale)


@pytest.mark.parametrize(
    ("psi_p", "psi_n", "t", "activation"),
    [
        (0.14241511365811055, 7938.482818232174, 13.683372728994714, "relu"),
        (2136.2361816871494, 1.6502265833306549, 29.510188353646143, "tanh"),
    ],
)
def test_edges_move_as_those_of_noise_where_the_signal_is_lost_in_it(psi_p, psi_n, t, activation):
    """U − s² is b²WWᵀ/d then, from b²(1 − ψ_p^½)² to b²(1 + ψ_p^½)²."""
    model = rs.RandomFeatureModel(psi_p, psi_n, t, activation)
    root, b2 = np.sqrt(psi_p), model.coefficients.b**2
    found = model.sensitivity("psi_p").edges[0, -1]
    np.testing.assert_allclose(found, b2 * np.array([1 - 1 / root, 1 + 1 / root]), rtol=1e-10)


def test_a_change_of_the_floor_only_shifts_the_law():
    model = rs.RandomFeatureModel(4, 2, 0.1, "tanh", POPULATION)
    found = model.sensitivity("s2", z=Z)
    np.testing.assert_allclose(found.edges, 1.0, rtol=1e-13)
    spacing = 1e-5
    slope = (model.resolvent(Z + spacing).q - model.resolvent(Z - spacing).q) / (2 * spacing)
    np.testing.assert_allclose(found.q[0], -slope, rtol=1e-6)


def test_scaling_of_all_scalars_is_a_scaling_of_the_law():
    """With c², b², v², s² times 1 + ε, every eigenvalue is: Euler's identity for edges and q."""
    model = rs.RandomFeatureModel(4, 2, 0.1, "tanh", POPULATION)
    at = model.coefficients
    sizes = np.array([at.c**2, at.b**2, at.v**2, at.s**2])
    found = model.sensitivity(["c2", "b2", "v2", "s2"], z=Z)
    np.testing.assert_allclose(
        np.tensordot(sizes, found.edges, 1), model.spectrum().support, rtol=1e-9
    )
    spacing = 1e-5
    slope = (model.resolvent(Z + spacing).q - model.resolvent(Z - spacing).q) / (2 * spacing)
    np.testing.assert_allclose(sizes @ found.q, -model.resolvent(Z).q - Z * slope, rtol=1e-6)


def test_every_edge_of_random_models_moves_as_the_scaling_says():
    rng = np.random.default_rng(3)
    for activation in ("tanh", "relu", "linear", "hermite2", "softplus") * 6:
        count = rng.integers(1, 6)
        population = rs.PopulationSpectrum(
            10.0 ** rng.uniform(-2.0, 2.0, count), rng.dirichlet(np.ones(count))
        )
        psi_p, psi_n = 10.0 ** rng.uniform(-1.0, 3.0, 2)
        time = 10.0 ** rng.uniform(-3.0, 0.3)
        model = rs.RandomFeatureModel(psi_p, psi_n, time, activation, population)
        at, edges = model.coefficients, model.spectrum().support
        scalars = np.array([at.c**2, at.b**2, at.v**2, at.s**2])
        found = model.sensitivity(("c2", "b2", "v2", "s2"))
        moved = np.tensordot(scalars, found.edges, 1)
        # Edges are known to 1e-13, and move by as much as terms of the sum that cancel.
        size = np.tensordot(scalars, np.abs(found.edges), 1)
        assert np.all(np.abs(moved - edges) <= 1e-12 * size)


def test_a_hard_edge_stays_at_the_floor():
    model = rs.RandomFeatureModel(1, 2, 0.5, "linear")
    assert model.spectrum().edges[0, 0] == 0.0
    found = model.sensitivity(PARAMETERS)
    low = dict(zip(PARAMETERS, found.edges[:, 0, 0], strict=True))
    assert low.pop("s2") == 1.0
    assert set(low.values()) == {0.0}


def test_shapes_and_what_was_not_asked_for():
    model = rs.RandomFeatureModel(4, 2, 0.1)
    found = model.sensitivity(tau=TAU)
    assert found.parameters == ("psi_p", "psi_n", "t")
    assert found.q is None
    assert found.train.shape == found.test.shape == (3, *TAU.shape)
    assert found.edges.shape == (3, *model.spectrum().edges.shape)
    assert model.sensitivity("t", z=1j).q.shape == (1,)


@pytest.mark.parametrize(
    ("parameters", "error", "said"),
    [
        ("psi", ValueError, "psi_p"),
        ([], TypeError, "parameters"),
        (3, TypeError, "parameters"),
        (["t", None], ValueError, "parameters"),
    ],
)
def test_bad_parameters_are_named(parameters, error, said):
    with pytest.raises(error, match=said):
        rs.RandomFeatureModel(4, 2, 0.1).sensitivity(parameters)


def test_given_data_have_no_such_parameters():
    x = np.random.default_rng(0).normal(size=(60, 20))
    with pytest.warns(rs.FewDimensionsWarning):
        model = rs.RandomFeatureModel.from_data(x, 4, 0.1)
    with pytest.raises(TypeError, match="fresh data"):
        model.sensitivity()


def test_a_point_that_does_not_converge_has_no_derivative():
    model = rs.RandomFeatureModel(4, 2, 0.1)
    with pytest.warns(rs.ConvergenceWarning, match="did not converge"):
        found = model.sensitivity("psi_n", z=[1j, 1e300])
    assert np.isfinite(found.q[0, 0])
    assert np.isnan(found.q[0, 1])
