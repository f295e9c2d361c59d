"""Isotropic data: one polynomial, its discriminant, and the edges selected among its roots."""

from __future__ import annotations

import mpmath
import pytest
import sympy as sp
from mpmath import mp, mpf

from rmtspec.reference import _arguments, algebraic_curve, random_feature, sample_covariance

DIGITS = 40
ERF = {"c2": 0.40625, "b2": 0.0078125, "v2": 0.0390625}
# psi_p, psi_n, variance, c2, b2, v2 and the number of bulks.
MODELS = {
    "three bulks": ((8, 4, 1.0, *ERF.values()), 3),
    "slow bulk of 64 on 8": ((64, 8, 1.0, *ERF.values()), 3),
    "psi_p = psi_n": ((4, 4, 1.0, *ERF.values()), 2),
    "psi_p = 1 + psi_n": ((3, 2, 1.0, *ERF.values()), 3),
    "psi_n = 1": ((2, 1, 1.0, *ERF.values()), 2),
    "psi_n < 1": ((16, 0.25, 1.0, *ERF.values()), 3),
    "psi_p < 1": ((0.5, 1, 4.0, *ERF.values()), 1),
    "linear activation": ((2, 3, 1.0, 0.5, 0.25, 0.0), 1),
    "no noise": ((2, 3, 1.0, 0.5, 0.0, 0.25), 1),
}


def theorem(model):
    psi_p, psi_n, variance, c2, b2, v2 = model
    return psi_p, psi_n, [variance], None, c2, b2, v2, 0


everywhere = pytest.mark.parametrize(("model", "bulks"), MODELS.values(), ids=list(MODELS.keys()))


def test_curve_is_of_degree_five_in_q_and_two_in_z():
    curve = algebraic_curve.curve()
    assert curve.degree(algebraic_curve.q) == 5
    assert curve.degree(algebraic_curve.w) == 2


@everywhere
def test_solution_lies_on_the_curve(model, bulks):
    polynomial = algebraic_curve.specialise(*model)
    with mpmath.workdps(90):
        for z in (mp.mpc(0.5, 0.01), mp.mpc(-0.25, 1.5)):
            q = random_feature.solve(z, *theorem(model), digits=60).q
            roots = algebraic_curve.sheets(polynomial, z)
            assert min(abs(root - q) for root in roots) < mpf(10) ** -55 * abs(q)


@everywhere
def test_edges_from_the_discriminant_are_the_critical_values_of_z(model, bulks):
    found = algebraic_curve.edges(*model, digits=DIGITS)
    assert len(found) == bulks
    with mpmath.workdps(DIGITS + 20):
        for edge in (value for bulk in found for value in bulk):
            if edge == 0:
                continue
            polished = random_feature.edge(edge, *theorem(model), digits=DIGITS).distance
            assert abs(polished - edge) < mpf(10) ** -(DIGITS - 2) * edge


def test_discriminant_has_real_roots_that_are_no_edges():
    model, _ = MODELS["three bulks"]
    polynomial = algebraic_curve.discriminant(algebraic_curve.specialise(*model))
    with mpmath.workdps(120):
        roots = [root for root in algebraic_curve.real_roots(polynomial, 20) if root != 0]
        found = algebraic_curve.edges(*model, digits=20)
    edges = [edge for bulk in found for edge in bulk]
    assert len(roots) > len(edges)
    for edge in edges:
        assert any(abs(root - edge) < mpf(10) ** -18 * edge for root in roots)


def test_left_edge_is_hard_exactly_at_psi_p_equal_to_one_plus_psi_n():
    coefficients = tuple(ERF.values())
    hard = algebraic_curve.edges(3, 2, 1.0, *coefficients, digits=20)[0][0]
    beside = [
        algebraic_curve.edges(3 + step, 2, 1.0, *coefficients, digits=20)[0][0]
        for step in (-(2.0**-10), 2.0**-10)
    ]
    assert hard == 0
    # A soft edge grows like the square of the distance from the hard one.
    assert all(0 < edge < 1e-8 for edge in beside)


def test_erf_edges_agree_with_the_printed_ones():
    with mpmath.workdps(40):
        noise = -mp.expm1(mpf("-0.02"))
        gain, v2 = mpf("0.4244131816"), mpf("3.7362091e-2")
        found = algebraic_curve.edges(8, 4, 1, (1 - noise) * gain, noise * gain, v2, digits=30)
    printed = [1.478947e-4, 3.104000e-3, 8.026004e-3, 1.784900e-1, 0.7515749, 9.287227]
    edges = [edge for bulk in found for edge in bulk]
    # Seven printed digits; the coefficients carry eight.
    assert [float(edge) for edge in edges] == pytest.approx(printed, rel=1e-6)


def test_without_signal_the_edges_are_those_of_marchenko_and_pastur():
    with mpmath.workdps(40):
        (bulk,) = algebraic_curve.edges(3, 2, 1.0, 0, 0, 0.5, digits=30)
        for sign, edge in zip((-1, 1), bulk, strict=True):
            closed = mpf("0.5") * (1 + sign * mp.sqrt(mpf(3) / 2)) ** 2
            assert abs(edge - closed) < mpf(10) ** -29
        # The same law by Silverstein's equation, its atom at zero left out.
        upper = sample_covariance.edge(2.4, 1.5, [0.5], digits=30)
        assert abs(bulk[1] - upper) < mpf(10) ** -28


def test_slow_bulk_lies_where_its_closed_form_says_to_leading_order():
    # Mass 1/psi_p at μ_- (√(psi_p - psi_n) ∓ 1)², μ_- = b² v²/(psi_n (c² l + b²)); the spread of
    # X Xᵀ/n, of relative size psi_n^{-1/2}, is neglected there.
    psi_p, psi_n = 2**13, 2**12
    model = (psi_p, psi_n, 1.0, ERF["c2"], ERF["b2"], ERF["v2"])
    left, right = algebraic_curve.edges(*model, digits=20)[0]
    slow = ERF["b2"] * ERF["v2"] / (psi_n * (ERF["c2"] + ERF["b2"]))
    for sign, edge in ((-1, left), (1, right)):
        predicted = slow * ((psi_p - psi_n) ** 0.5 + sign) ** 2
        assert abs(float(edge) / predicted - 1) < 3 / psi_n**0.5


def test_exactly_one_sheet_has_both_imaginary_parts_positive():
    model, _ = MODELS["three bulks"]
    polynomial = algebraic_curve.specialise(*model)
    system = algebraic_curve.TheoremSystem(_arguments.gram(*theorem(model)))
    several = 0
    with mpmath.workdps(60):
        for z in (mp.mpc(x, y) for x in (0.001, 0.05, 0.5, 4) for y in (0.001, 0.25)):
            roots = algebraic_curve.sheets(polynomial, z)
            upper = [root for root in roots if mp.im(root) > 0]
            both = [r for r in upper if mp.im(algebraic_curve._partner(system.model, r, z)) > 0]
            assert len(both) == 1
            several += len(upper) > 1
    assert several > 0


def test_rational_inputs_stay_exact():
    polynomial = algebraic_curve.specialise(3, 2, 1.0, 0.5, 0.25, 0.125)
    assert all(isinstance(value, sp.Rational) for value in polynomial.coeffs())


@pytest.mark.parametrize("name", ["psi_p", "psi_n", "variance"])
def test_bad_arguments_are_named(name):
    good = {"psi_p": 2, "psi_n": 2, "variance": 1, "c2": 1, "b2": 1, "v2": 1}
    with pytest.raises(ValueError, match="must be finite and > 0"):
        algebraic_curve.edges(**(good | {name: 0}))
