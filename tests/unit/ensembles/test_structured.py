"""Structured ensembles: two worked examples, what is refused, and what is said of failures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.ensembles.random_feature import RandomFeatureGram
from rmtspec.ensembles.structured.ensemble import StructuredEnsemble
from rmtspec.ensembles.structured.two_resolvent import loss_forms

SHARES = np.array([0.6, 0.4])
CLASSES = StructuredEnsemble(
    6.0, 3.0, [1.0], SHARES, [[[0.5507795557], [0.57728326917]]],
    0.264219816019 * np.sqrt(SHARES)[None, :, None], [[[[0.013402023669]], [[0.009563259723]]]],
    [0.012882884888], [[2.0, 0.5], [0.3, 1.0]], [0.4, 0.6],
)  # fmt: skip
TYPES = StructuredEnsemble(
    10.0, 1.0, [0.6, 0.4], [1.0], [[[0.548065009399]], [[0.406814459061]]],
    [[[0.257883519899]], [[0.191420256446]]], [[[[0.013841453738]]], [[[0.027997762672]]]],
    [0.013573872297, 0.017322309177], [[1.0]], [1.0],
)  # fmt: skip


def test_two_classes_of_one_type_have_two_bulks_and_an_atom():
    law = CLASSES.spectrum()
    # tanh at t = 0.1, from the ten digits of the coefficients: nine are left of the edges.
    edges = [[3.050420036e-4, 0.05567374999], [0.4075953031, 6.958664092]]
    np.testing.assert_allclose(law.edges, edges, rtol=1e-9)
    np.testing.assert_allclose(law.masses, [1 / 2, 1 / 6], rtol=1e-13)
    np.testing.assert_allclose(law.atoms, [[0.012882884888, 1 / 3]], rtol=1e-13)
    assert np.all(np.abs(law.mass_defect) <= 1e-12)


def test_two_types_have_atoms_at_their_floors():
    law = TYPES.spectrum()
    edges = [
        [4.128320475e-4, 3.601957399e-3],
        [9.156833685e-3, 0.2206663468],
        [0.3936267374, 11.77151716],
    ]
    np.testing.assert_allclose(law.edges, edges, rtol=1e-9)
    np.testing.assert_allclose(law.masses, [0.2, 0.1, 0.1], rtol=1e-13)
    np.testing.assert_allclose(
        law.atoms, [[0.013573872297, 0.4], [0.017322309177, 0.2]], rtol=1e-12
    )
    assert law.mean() == pytest.approx(trace(TYPES), rel=1e-11)


def trace(drawn: StructuredEnsemble) -> float:
    """Tr U/p from the coefficients alone."""
    g = drawn.given
    own = np.einsum("nykk,y->n", g.kernels, g.classes) + (g.noise**2).sum((1, 2))
    signal = np.einsum("nyk,y,jy,j->n", g.data**2, g.classes, g.levels, g.shares)
    return float(g.weights @ (own + signal + g.floors @ g.classes))


def test_moments_and_quantiles_follow_the_law():
    law = CLASSES.spectrum()
    assert law.mean() == pytest.approx(trace(CLASSES), rel=1e-11)
    u = np.linspace(0.4, 1.0, 30)
    np.testing.assert_allclose(law.cdf(law.quantile(u)), u, atol=1e-9)


@pytest.mark.parametrize("digits", [3, 6, 9])
def test_a_narrow_gap_is_found(digits):
    # Two variances of the data whose bulks are about to merge: the gap closes like (ratio - r)^1.5.
    def gram(ratio):
        population = rs.PopulationSpectrum([1.0, ratio])
        return RandomFeatureGram(40.0, 30.0, population, 0.5, 0.05, 0.01, 0.01)

    closed, opened, width = 1.0001, 2.0, 1.0
    while width > 10.0**-digits:
        middle = 0.5 * (closed + opened)
        edges = gram(middle).gaps.edges
        if len(edges) == 3:
            opened, width = middle, edges[2, 0] / edges[1, 1] - 1.0
        else:
            closed = middle
    alone = gram(opened)
    found = StructuredEnsemble(
        40.0, 30.0, [1.0], [1.0], [[[np.sqrt(0.5)]]], [[[np.sqrt(0.05)]]], [[[[0.01]]]], [0.01],
        [[1.0], [opened]], [0.5, 0.5],
    )  # fmt: skip
    assert found.gaps.edges.shape == alone.gaps.edges.shape
    # Two edges that nearly coincide are almost a threefold root: they keep 2/3 of the digits.
    np.testing.assert_allclose(found.gaps.edges, alone.gaps.edges, rtol=2e-10)
    np.testing.assert_allclose(found.gaps.masses, alone.gaps.masses, rtol=1e-12)


def test_a_hard_edge_is_known():
    drawn = StructuredEnsemble(
        4.0, 3.0, [1.0], [1.0], [[[0.6]]], [[[0.3]]], [[[[0.02]]]], [0.01], [[1.0]], [1.0]
    )
    assert drawn.is_hard
    law = drawn.spectrum()
    assert law.edges[0, 0] == 0.0
    assert law.masses.sum() == pytest.approx(1.0, abs=1e-14)
    assert np.all(np.abs(law.mass_defect) <= 1e-9)


def test_equal_floors_types_and_channels_are_merged():
    twice = dataclasses.replace(
        TYPES, type_weights=[0.3, 0.4, 0.3],
        **{name: np.asarray(getattr(TYPES, name))[[0, 1, 0]]
           for name in ("data_slopes", "noise_slopes", "kernels", "floors")},
    )  # fmt: skip
    assert twice.parts.weights.tolist() == [0.6, 0.4]
    assert twice.reduced.type_of.tolist() == [0, 1, 0]
    channels = dataclasses.replace(
        CLASSES,
        data_slopes=np.repeat(np.asarray(CLASSES.data_slopes) / np.sqrt(3.0), 3, axis=2),
        noise_slopes=np.repeat(np.asarray(CLASSES.noise_slopes) / np.sqrt(3.0), 3, axis=2),
        kernels=np.asarray(CLASSES.kernels) * np.full((3, 3), 1.0 / 3.0),
    )
    assert channels.parts.kernels.shape == (1, 2, 1, 1)
    np.testing.assert_allclose(channels.gaps.edges, CLASSES.gaps.edges, rtol=1e-11)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("psi_p", -1.0, "psi_p must be"),
        ("type_weights", [0.5, 0.4], "type_weights must sum to 1"),
        ("type_weights", [1.0, 0.0], "type_weights must be positive"),
        ("class_weights", [[1.0]], "class_weights must be a row"),
        ("data_slopes", [[[1.0]]], "data_slopes must have shape"),
        ("noise_slopes", [[[1.0, 2.0]], [[1.0, 2.0]]], "noise_slopes must have shape"),
        ("kernels", [[[[-1.0]]], [[[1.0]]]], "kernels must be positive semidefinite"),
        ("kernels", [[[[np.nan]]], [[[1.0]]]], "kernels must hold finite"),
        ("floors", [-1.0, 1.0], "floors must hold"),
        ("eigenvalues", [[-1.0]], "eigenvalues must hold"),
        ("eigenvalues", [[1.0, 2.0]], "eigenvalues must have shape"),
        ("eigenvalue_weights", [0.9], "eigenvalue_weights must sum to 1"),
        ("tolerance", 0.5, "tolerance must be"),
    ],
)
def test_what_is_no_ensemble_is_refused_by_name(name, value, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TYPES, **{name: value})


def test_kernels_over_the_channels_must_be_symmetric():
    with pytest.raises(ValueError, match="symmetric"):
        StructuredEnsemble(
            1.0, 1.0, [1.0], [1.0], np.ones((1, 1, 2)), np.ones((1, 1, 2)),
            [[[[1.0, 0.2], [0.1, 1.0]]]], [0.1], [[1.0]], [1.0],
        )  # fmt: skip


def test_real_points_of_the_support_are_refused_and_others_solved():
    with pytest.raises(ValueError, match="real point of the support"):
        CLASSES.solve(CLASSES.origin + 0.01)
    found = CLASSES.solve(np.array([CLASSES.origin + 0.2, -1.0, 1.0 + 0.1j, 1.0 - 0.1j]))
    assert found.converged.all()
    assert np.all(found.q.imag[:2] == 0.0)
    assert found.q[2] == pytest.approx(np.conj(found.q[3]), rel=1e-14)


def test_points_that_fail_are_nan_flagged_and_said_once():
    edge = CLASSES.origin + CLASSES.gaps.edges[-1, 1]
    z = np.array([edge * (1.0 + 3e-16) + 1e-300j, 1.0 + 1.0j])
    with pytest.warns(rs.ConvergenceWarning, match="1 of 2 points"):
        found = CLASSES.solve(z, rtol=1e-12)
    assert found.converged.tolist() == [False, True]
    assert np.isnan(found.q[0])
    assert np.isinf(found.error[0])


def test_losses_need_a_target():
    with pytest.raises(ValueError, match="target"):
        loss_forms(CLASSES, np.array([1.0 + 1.0j]))
