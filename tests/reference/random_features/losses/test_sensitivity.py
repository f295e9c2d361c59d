"""Derivatives of the law against differences of 40 digits of a slower solver."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from mpmath import mp

import rmtspec as rs
from rmtspec.random_features.losses.sensitivity import PARAMETERS, SCALARS
from rmtspec.reference import random_feature as slow

Z = 0.05 + 0.02j
POPULATION = rs.PopulationSpectrum([0.5, 1.5], [0.4, 0.6])


@pytest.fixture
def model():
    return rs.RandomFeatureModel(4, 2, 0.1, "tanh", POPULATION)


def values(model):
    at = model.coefficients
    scalars = (at.c**2, at.b**2, at.v**2, at.s**2)
    return dict(zip(PARAMETERS[:2] + SCALARS, (model.psi_p, model.psi_n, *scalars), strict=True))


def difference(model, name, function):
    """Central difference of a function of all parameters, at 40 digits."""
    with mp.workdps(40):
        at = {key: mpmath.mpf(value) for key, value in values(model).items()}
        step = mpmath.mpf(10) ** -12 * at[name]
        up, down = (function({**at, name: at[name] + sign * step}) for sign in (1, -1))
        return complex((up - down) / (2 * step))


def q_of(at):
    found = slow.solve(
        Z, at["psi_p"], at["psi_n"], *levels(), *(at[name] for name in SCALARS), digits=40
    )
    return found.q


def levels():
    return POPULATION.eigenvalues.tolist(), POPULATION.weights.tolist()


def edge_of(at, near):
    found = slow.edges(
        [near], at["psi_p"], at["psi_n"], *levels(), *(at[name] for name in SCALARS), digits=40
    )
    return found[0] + at["s2"]


@pytest.mark.parametrize("name", ["psi_p", "psi_n", *SCALARS])
def test_resolvent_moves_as_forty_digits_say(model, name):
    found = model.sensitivity([name], z=Z).q[0]
    # Rounding of q, 1e-14, times the condition of the 2 x 2 system, which is below 100 here.
    assert found == pytest.approx(difference(model, name, q_of), rel=1e-11)


@pytest.mark.parametrize("name", ["psi_p", "psi_n", *SCALARS])
def test_edges_move_as_forty_digits_say(model, name):
    found = model.sensitivity([name]).edges[0].ravel()
    for near, motion in zip(model.spectrum().edges.ravel(), found, strict=True):
        exact = difference(model, name, lambda at, near=near: edge_of(at, float(near))).real
        assert motion == pytest.approx(exact, rel=1e-9, abs=1e-12 * np.abs(found).max())
