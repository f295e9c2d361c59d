"""The linear pencil of U, its Dyson equation, and the way from there to Theorem 3.1."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy as sp
from mpmath import mp, mpf

from rmtspec.reference import linear_pencil, random_feature, replica
from rmtspec.reference._arguments import CertificateError

MODELS = {
    "isotropic": (2, 3, [1.0], None, 0.5, 0.25, 0.125, 0.0625),
    "two atoms": (3, 2, [0.5, 1.5], [0.25, 0.75], 0.5, 0.25, 0.125, 0.0625),
    "fewer samples than dimensions": (2, 0.5, [0.0, 1.0], None, 0.5, 0.25, 0.125, 0.0),
    "linear activation": (0.5, 3, [1.0, 4.0], None, 0.5, 0.25, 0.0, 0.0),
}


def test_inverse_of_the_pencil_holds_the_resolvent_of_u_exactly():
    rng = np.random.default_rng(3)
    p, d, n = 3, 4, 1

    def whole(rows, columns):
        return sp.Matrix(rows, columns, [int(i) for i in rng.integers(-4, 5, rows * columns)])

    W, X, Omega = whole(p, d), whole(d, n), whole(p, n)
    c, b, v, floor = sp.Rational(2, 3), sp.Rational(1, 2), sp.Rational(3, 5), sp.Rational(7, 4)
    G = c * W * X / sp.sqrt(d) + v * Omega
    U = G * G.T / n + b**2 / d * W * W.T + floor * sp.eye(p)
    L = linear_pencil.assemble(W, X, Omega, c, b, v, floor)
    assert L == L.T
    resolvent = L.inv()[:p, :p]
    assert (resolvent * U - sp.eye(p)) == sp.zeros(p)


def test_inverse_of_the_pencil_holds_the_resolvent_of_a_sampled_u():
    rng = np.random.default_rng(4)
    p, d, n = 6, 4, 5
    with mpmath.workdps(40):
        W, X, Omega = (
            mpmath.matrix(rng.standard_normal(shape).tolist()) for shape in ((p, d), (d, n), (p, n))
        )
        c, b, v, floor = mpf("0.7"), mpf("0.5"), mpf("0.3"), mp.mpc("-1.5", "0.25")
        G = c * W * X / mp.sqrt(d) + v * Omega
        U = G * G.T / n + b**2 / d * W * W.T + floor * mp.eye(p)
        L = linear_pencil.assemble(W, X, Omega, c, b, v, floor)
        difference = mp.inverse(L)[:p, :p] - mp.inverse(U)
        assert mp.norm(difference, mp.inf) < mpf(10) ** -35


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_dyson_equation_maps_to_the_theorem_to_thirty_digits(model):
    with mpmath.workdps(40):
        z = 0.5 + 0.5j
        pencil = linear_pencil.solve(z, *model, digits=32)
        theorem = random_feature.solve(z, *model, digits=40)
        for name in ("q", "r", "s", "D"):
            exact = getattr(theorem, name)
            assert abs(getattr(pencil, name) - exact) < mpf(10) ** -30 * abs(exact)
        kernel = -(1 - theorem.s / theorem.q) / (model[0] * theorem.q)
        assert abs(pencil.zeta[3] - kernel) < mpf(10) ** -30 * abs(kernel)


def test_dyson_equation_in_symbols_becomes_the_two_equations_that_are_solved():
    zeta_1, zeta_3, variance = sp.symbols("zeta_1 zeta_3 l_0")
    names = {name: getattr(replica, name) for name in ("psi_p", "psi_n", "c2", "b2", "v2")}
    names |= {"floor": replica.s2 - replica.z, "zeta_1": zeta_1, "zeta_3": zeta_3}
    entries = linear_pencil.scalar_equations(variance, names)
    to_theorem = {zeta_1: 1 / (replica.psi_p * replica.k), zeta_3: -replica.y}
    inner = {sp.Symbol(f"zeta_{name}"): entries[name].subs(to_theorem) for name in ("omega", "h")}
    level = replica.k + replica.b2 + replica.c2 * replica.y * variance
    assert sp.simplify(inner[sp.Symbol("zeta_omega")] - 1 / level) == 0

    named = {replica.atom(0): variance}
    first, second = (equation.subs(named) for equation in replica.reduced_equations(atoms=1))
    feature = 1 / entries["phi"].subs(inner).subs(to_theorem) - replica.psi_p * replica.k
    sample = 1 / entries["a"].subs(inner).subs(to_theorem) + 1 / replica.y
    assert sp.simplify(feature - first) == 0
    assert sp.simplify(sample * replica.psi_n - second) == 0


def test_dyson_equation_wants_a_point_above_the_axis():
    with pytest.raises(ValueError, match="positive imaginary part"):
        linear_pencil.solve(1.0, *MODELS["isotropic"])


def test_dyson_equation_says_when_it_has_not_settled():
    with pytest.raises(CertificateError, match="3 steps"):
        linear_pencil.solve(1 + 1j, *MODELS["isotropic"], max_steps=3)
