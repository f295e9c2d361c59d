"""Learning curves in double precision against a stored table of twenty digits, and the table.

The table and the script that made it lie beside this file. It comes from another formulation: the
variables (q, D) of Theorem 3.1 of arXiv 2505.17638, 2 x 2 blocks at fixed data, an elliptic contour
in log z; its two-resolvent kernel is checked here against the Dyson equation of a linear pencil.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf

import rmtspec as rs
from rmtspec.ensembles.random_feature import RandomFeatureGram
from rmtspec.ensembles.two_point import Points, Source
from rmtspec.inputs.activation import gaussian_equivalence
from rmtspec.inputs.held_out import HeldOut
from rmtspec.reference import (
    _arguments,
    learning_curves,
    linear_pencil,
    random_feature,
    two_resolvents,
)
from rmtspec.reference._arguments import CertificateError

TABLE = json.loads((Path(__file__).parents[2] / "data" / "learning_curves.json").read_text())
ROWS = TABLE["rows"]
# Of the largest loss on a curve; 1e-8 is asked of every curve, tables of N² resolvent pairs summed
# in double precision give a few hundred machine epsilons.
ACCURACY = 1e-12
# Bound that the package may claim for itself, of the largest loss: an error that is always large
# would be honest as well.
CLAIM = 1e-10

named = pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])


def model_of(row):
    """The model of a row, with the scalars the table was made with."""
    population = rs.PopulationSpectrum(row["eigenvalues"], row["weights"])
    given = row["variances"]
    model = rs.RandomFeatureModel(
        row["psi_p"], row["psi_n"], row["t"], row["activation"], population,
        conditional=given is not None,
        held_out=None if given is None else HeldOut(np.array(given), np.eye(len(given))),
    )  # fmt: skip
    # The cached property is filled in, so that rounding of the scalars is no part of the deviation.
    model.__dict__["coefficients"] = replace(model.coefficients, **row["scalars"])
    return model


def stored(values):
    return np.array([float(value) for value in values])


def deviation(found, exact):
    """Distance from the stored numbers, formed in thirty digits."""
    with mpmath.workdps(30):
        return np.array(
            [float(abs(mpf(float(f)) - mpf(e))) for f, e in zip(found, exact, strict=True)]
        )


def assert_agrees(curves, row, index, delta):
    """Every loss within the error reported, which is small; `index` picks a direction or all."""
    error = curves.error[index]
    largest = stored(row["test"]).max() + 1.0
    assert np.all(error <= CLAIM * largest)
    for name in ("train", "test"):
        off = deviation(getattr(curves, name)[index], row[name])
        assert np.all(off <= error), name
        assert np.all(off <= ACCURACY * largest), name
    if row["score_error"] is not None:
        off = deviation(curves.score_error[index], row["score_error"])
        # The error bound is that of the losses; rounding of the constant comes on top.
        assert np.all(off <= error / delta + 1e-15 * stored(row["score_error"]).max())
        assert np.all(off <= ACCURACY * largest / delta)


@named
def test_curves_lie_within_their_reported_error_of_twenty_digits(row):
    model = model_of(row)
    curves = model.training(**row["rule"]).learning_curves(np.array(row["tau"], dtype=float))
    assert curves.converged
    assert_agrees(curves, row, ..., model.delta)
    with_gap = stored(row["test"]) - stored(row["train"])
    assert np.all(
        abs(curves.generalization - with_gap) <= curves.error + 4e-16 * stored(row["test"])
    )


@pytest.mark.parametrize(
    "row", [r for r in ROWS if r["directions"]], ids=[r["name"] for r in ROWS if r["directions"]]
)
def test_curves_of_single_directions_lie_within_their_reported_error(row):
    model = model_of(row)
    levels = [along["eigenvalue"] for along in row["directions"]]
    curves = model.learning_curves(np.array(row["tau"], dtype=float), directions=levels)
    for index, along in enumerate(row["directions"]):
        assert_agrees(curves, along, index, model.delta)


def test_curve_along_a_spike_is_the_same_whether_or_not_the_population_names_it():
    row = next(r for r in ROWS if r["name"] == "few samples, a spike")
    model, tau = model_of(row), np.array(row["tau"], dtype=float)
    spiked = replace(model, population=replace_spikes(model.population, (9.0,)))
    spiked.__dict__["coefficients"] = model.coefficients
    found = spiked.learning_curves(tau, directions=[9.0])
    along = next(a for a in row["directions"] if a["eigenvalue"] == 9.0)
    assert_agrees(found, along, 0, model.delta)


def replace_spikes(population, spikes):
    return rs.PopulationSpectrum(population.eigenvalues, population.weights, spikes)


@pytest.mark.parametrize(
    "row", [r for r in ROWS if r["variances"]], ids=[r["name"] for r in ROWS if r["variances"]]
)
def test_score_error_at_fixed_data_follows_from_the_test_loss(row):
    model = model_of(row)
    curves = model.training(**row["rule"]).learning_curves(np.array(row["tau"], dtype=float))
    with mpmath.workdps(30):
        delta = mpf(row["scalars"]["b"]) ** 2
        delta = delta / (delta + mpf(row["scalars"]["c"]) ** 2)
        constant = mp.fsum(
            w / ((1 - delta) * t + delta)
            for w, t in zip(row["weights"], row["variances"], strict=True)
        )
        exact = [constant + (mpf(value) - 1) / delta for value in row["test"]]
        assert np.all(deviation(curves.score_error, exact) <= curves.error / model.delta + 1e-14)


@named
def test_scalars_of_the_table_are_those_of_the_activation(row):
    population = rs.PopulationSpectrum(row["eigenvalues"], row["weights"])
    at = gaussian_equivalence(row["activation"], row["t"], population.mean)
    for name, value in row["scalars"].items():
        assert getattr(at, name) == pytest.approx(value, rel=1e-12, abs=0.0), name


def test_table_holds_every_kind_of_curve():
    rules = [set(row["rule"]) for row in ROWS]
    assert {"step", "momentum", "ridge", "initial"} <= set().union(*rules)
    assert {row["activation"] for row in ROWS} == {"tanh", "erf", "sign", "relu", "linear"}
    assert any(row["psi_p"] == 1.0 + row["psi_n"] for row in ROWS)
    assert min(row["t"] for row in ROWS) < 0.01
    assert max(row["t"] for row in ROWS) == 2.0
    assert any(0.0 in row["eigenvalues"] and row["variances"] is None for row in ROWS)


MODELS = {
    "two atoms": (3, 2, [0.5, 1.5], [0.25, 0.75], 0.5, 0.25, 0.125, 0.0625),
    "an atom at 0, few samples": (2, 0.5, [0.0, 1.0], None, 0.5, 0.25, 0.125, 0.0),
    "linear activation": (0.5, 3, [1.0, 4.0], None, 0.5, 0.25, 0.0, 0.0),
}
SOURCES = {
    "identity": (1.0, 0.0, 0.0),
    "noise": (0.0, 1.0, 0.0),
    "data": (0.0, 0.0, 1.0),
    "mixed": (0.5, -0.25, 2.0),
}
FIRST, SECOND = 0.5 + 0.5j, -0.25 + 1.5j


def pencil_response(model, one, two, beta):
    """(Tr R_1 B R_2/p, Tr Wᵀ R_1 B R_2 W/(pd)) as the linear response of the Dyson equation.

    B enters the pencil as an off-diagonal constant C_12 in a second pair of indices: β_0 beside s²,
    β_1 + β_2 Σ beside b². The off-diagonal block of 𝒢 = (C - η(𝒢))^{-1} is then linear in itself,
    𝒢_12 = 𝒢_1 (η(𝒢_12) - C_12) 𝒢_2, through its four traces.
    """
    zero, first, second = beta

    def resolvents(solution, floor):
        form = linear_pencil.pencil(model.psi_p, model.psi_n, model.c2, model.b2, model.v2, floor)
        kernel = -(1 - solution.s / solution.q) / (model.psi_p * solution.q)
        known = {"phi": solution.q, "a": -1 / solution.D, "h": kernel}
        known["omega"] = model.psi_p * solution.r

        def trace(block, coloured):
            assert coloured == (block == "omega")
            return known[block]

        etas = [linear_pencil.covariance_map(form, trace, level) for level in model.atoms]
        return form, [mp.inverse(form.constant - mpmath.diag(eta)) for eta in etas]

    (z1, at1), (z2, at2) = one, two
    form, left = resolvents(at1, model.s2 - z1)
    _, right = resolvents(at2, model.s2 - z2)
    blocks = linear_pencil.BLOCKS

    def image(traces, constant):
        known = dict(zip(blocks, traces, strict=True))
        rows = []
        for level, a, b in zip(model.atoms, left, right, strict=True):
            eta = linear_pencil.covariance_map(form, lambda block, _: known[block], level)
            source = [zero, 0, first + second * level, 0]
            inner = [e - constant * c for e, c in zip(eta, source, strict=True)]
            rows.append(a * mpmath.diag(inner) * b)
        parts = list(zip(model.weights, model.atoms, rows, strict=True))
        return [
            mp.fsum(w * (level if block == "omega" else 1) * g[i, i] for w, level, g in parts)
            for i, block in enumerate(blocks)
        ], mp.fsum(w * g[2, 2] for w, _, g in parts)

    forced, _ = image([mpf(0)] * 4, 1)
    matrix = mp.eye(4)
    for j in range(4):
        column, _ = image([mpf(i == j) for i in range(4)], 0)
        for i in range(4):
            matrix[i, j] -= column[i]
    traces = list(mp.lu_solve(matrix, mpmath.matrix(forced)))
    again, plain = image(traces, 1)
    assert max(abs(a - b) for a, b in zip(again, traces, strict=True)) < mpf(10) ** -30
    return -traces[0], -plain / model.psi_p


@pytest.mark.parametrize("beta", SOURCES.values(), ids=SOURCES.keys())
@pytest.mark.parametrize("arguments", MODELS.values(), ids=MODELS.keys())
def test_two_resolvents_are_the_response_of_the_dyson_equation_to_thirty_digits(arguments, beta):
    with mpmath.workdps(40):
        model = _arguments.gram(*arguments)
        solved = [
            (mp.mpc(z), random_feature.solve(z, *arguments, digits=38)) for z in (FIRST, SECOND)
        ]
        trace, along = pencil_response(model, *solved, beta)
        (_, one), (_, two) = solved
        Q, Y = two_resolvents.response(one, two, model, beta)
        q12 = one.q * two.q
        e = [
            [1 + model.psi_p * at.q * (model.b2 + model.c2 * level / at.D) for level in model.atoms]
            for at in (one, two)
        ]
        j0, j1 = (
            mp.fsum(
                w * level**j / (e1 * e2)
                for w, level, e1, e2 in zip(model.weights, model.atoms, *e, strict=True)
            )
            for j in (0, 1)
        )
        inside = model.psi_p * (beta[1] * j0 + (beta[2] + model.c2 * Y) * j1)
        assert abs(q12 * Q - trace) <= mpf(10) ** -30 * abs(trace)
        assert abs(q12 * (Q * j0 + inside) - along) <= mpf(10) ** -30 * abs(along)


@pytest.mark.parametrize("beta", SOURCES.values(), ids=SOURCES.keys())
@pytest.mark.parametrize("arguments", MODELS.values(), ids=MODELS.keys())
def test_package_has_the_same_two_resolvents(arguments, beta):
    psi_p, psi_n, levels, weights, c2, b2, v2, s2 = arguments
    population = rs.PopulationSpectrum(levels, weights)
    gram = RandomFeatureGram(psi_p, psi_n, population, c2, b2, v2, s2)
    solved = [random_feature.solve(z, *arguments, digits=25) for z in (FIRST, SECOND)]
    one, two = (Points(np.array([complex(at.k)]), np.array([complex(at.y)])) for at in solved)
    # The package lists the direction of eigenvalue 0 first, present or not.
    variances = population.eigenvalues
    if variances[0] > 0.0:
        variances = np.append(0.0, variances)
    found = gram.equations.respond(one, two, Source(*beta, variances))
    with mpmath.workdps(30):
        Q, Y = two_resolvents.response(*solved, _arguments.gram(*arguments), beta)
        exact = complex(Q / psi_p), complex(Y)
    # Inputs rounded to doubles, magnified by the `loss` that the response reports.
    tolerance = 1e-15 * float(found.loss[0, 0])
    assert abs(complex(found.k[0, 0]) - exact[0]) <= tolerance * abs(exact[0])
    assert abs(complex(found.y[0, 0]) - exact[1]) <= tolerance * max(abs(exact[1]), abs(exact[0]))


# A large s² keeps the ends of the spectrum together and the contour short.
SMALL = (0.5, 2, [1.0], None, 0.5, 0.25, 0.0625, 2.0)


def test_another_contour_gives_the_same_fifteen_digits():
    tau, rule = [0.0, 4.0], {"ridge": 0.125, "initial": 0.5, "step": 0.125, "momentum": 0.25}
    wide = learning_curves.learning_curves(tau, *SMALL, 15, **rule)
    slim = learning_curves.learning_curves(tau, *SMALL, 15, opening=0.75, **rule)
    assert wide.nodes < slim.nodes
    for name in ("train", "test", "score_error"):
        for one, other in zip(getattr(wide, name), getattr(slim, name), strict=True):
            assert abs(one - other) < 1e-15
    # Δ σ_0² Tr U/p, with the trace c² + b² + v² + s².
    assert abs(wide.train[0] - 1 - mpf("2.8125") / 12) < 1e-15


def test_given_data_of_covariance_sigma_without_nonlinear_part_are_infinitely_many():
    # With v = 0 and XXᵀ/n = Σ, U is the matrix of fresh data itself.
    given = learning_curves.learning_curves(
        [2.0], 0.5, 2.0, [0.5, 1.5], None, 0.5, 0.25, 0.0, 2.0, 15, test_variances=[0.5, 1.5]
    )
    many = learning_curves.learning_curves(
        [2.0], 0.5, mpf(10) ** 30, [0.5, 1.5], None, 0.5, 0.25, 0.0, 2.0, 15
    )
    assert abs(given.train[0] - many.train[0]) < 1e-15
    assert abs(given.test[0] - many.test[0]) < 1e-15
    assert abs(given.test[0] - given.train[0]) < 1e-15


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tau": [-1.0]}, "tau must be finite and >= 0"),
        ({"tau": [0.3], "step": 0.125}, "multiples of the step"),
        ({"ridge": -1.0}, "ridge must be"),
        ({"test_variances": [1.0, 2.0]}, "test_variances must be 1, got 2"),
        ({"test_variances": [1.0], "psi_n": 0.5}, "at least the rank over d"),
        ({"psi_p": 1.0, "v2": 0.0, "s2": 0.0}, "psi_p must not be 1"),
        ({"b2": 0.0}, "b2 must be finite and > 0"),
    ],
)
def test_reference_refuses_by_name(changes, message):
    names = ("psi_p", "psi_n", "eigenvalues", "weights", "c2", "b2", "v2", "s2")
    arguments = {"tau": [1.0], **dict(zip(names, SMALL, strict=True)), "digits": 15, **changes}
    with pytest.raises(ValueError, match=message):
        learning_curves.learning_curves(**arguments)


def test_reference_refuses_steps_beyond_stability():
    with pytest.raises(CertificateError, match="steps too long"):
        learning_curves.learning_curves([0.0, 8.0, 8e5], *SMALL, 15, step=8.0)
