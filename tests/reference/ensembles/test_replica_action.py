"""The replica action: its saddle point is the theorem, its value the log-determinant."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy as sp
from mpmath import mp, mpf

from rmtspec.reference import random_feature, replica

MODEL = (2, 3, [0.5, 1.5], [0.25, 0.75], 0.5, 0.25, 0.125, 0.0625)


@pytest.mark.parametrize("overlap", replica.OVERLAPS, ids=str)
@pytest.mark.parametrize("atoms", [1, 2])
def test_saddle_point_of_the_action_is_the_theorem(overlap, atoms):
    stationary = replica.saddle_point_equations(atoms)[overlap]
    printed = replica.theorem_equations(atoms)[overlap]
    assert sp.simplify(stationary * replica.theorem_factors()[overlap] - printed) == 0


@pytest.mark.parametrize("atoms", [1, 2])
def test_eliminating_the_hats_leaves_the_two_equations_that_are_solved(atoms):
    first, second = replica.reduced_equations(atoms)
    overlaps = replica.elimination(atoms)
    theorem = replica.theorem_equations(atoms)
    for conjugate in (replica.r_hat, replica.s_hat):
        assert sp.simplify(theorem[conjugate].subs(overlaps)) == 0
    assert sp.simplify(theorem[replica.s].subs(overlaps)) == 0
    # The equation of r̂ is D = 1/y, the second of the pair.
    inverse_y = replica.psi_p * replica.c2 / (replica.psi_p * replica.c2 * replica.y)
    denominator = replica.psi_p * replica.c2 / (replica.r_hat - theorem[replica.r])
    closing = sp.simplify((inverse_y - denominator.subs(overlaps)) * replica.psi_n - second)
    assert closing == 0
    # On it the equation of q is the first, times psi_p.
    on_second = {
        replica.r: ((1 / replica.y - 1) * replica.psi_n / replica.psi_p - replica.v2 * replica.q)
        / replica.c2
    }
    last = theorem[replica.q].subs(on_second).subs(overlaps)
    assert sp.simplify(last - replica.psi_p * first) == 0


def test_free_energy_is_the_action_with_its_hats_eliminated():
    q, y = sp.symbols("q y", positive=True)
    positive = {replica.q: q, replica.y: y}
    difference = (replica.free_energy() - replica.free_energy_from_action()).subs(positive)
    together = difference.replace(sp.log, lambda x: sp.log(sp.factor(sp.together(x))))
    assert sp.simplify(sp.expand_log(together, force=True)) == 0


def test_free_energy_is_stationary_where_the_two_equations_hold():
    first, second = replica.reduced_equations()
    energy = replica.free_energy()
    at_k = {replica.q: 1 / (replica.psi_p * replica.k)}
    by_q = sp.diff(energy, replica.q).subs(at_k)
    by_y = sp.diff(energy, replica.y).subs(at_k)
    assert sp.simplify(by_q - first) == 0
    assert sp.simplify(by_y * replica.psi_p + second) == 0


def test_derivative_of_the_free_energy_in_z_is_minus_q():
    assert sp.diff(replica.free_energy(), replica.z) == -replica.q


def test_replicas_decouple_at_the_saddle_point():
    action = replica.replicated_action()
    apart = dict.fromkeys(replica.OFF_DIAGONAL, 0)
    for overlap in replica.OFF_DIAGONAL:
        assert sp.simplify(sp.diff(action, overlap).subs(apart)) == 0
    doubled = 2 * replica.action(1)
    for overlap in replica.OVERLAPS:
        slope = sp.diff(action.subs(apart) - doubled, overlap)
        assert sp.simplify(slope) == 0


def test_discriminant_of_the_first_bulk_vanishes_at_its_edges():
    discriminant = replica.first_bulk_discriminant()
    psi = replica.psi_p / replica.psi_n
    w = replica.z - replica.s2
    expected = replica.psi_n**2 * ((w - replica.v2 * (1 + psi)) ** 2 - 4 * replica.v2**2 * psi)
    assert sp.simplify(discriminant - expected) == 0
    for sign in (-1, 1):
        edge = replica.s2 + replica.v2 * (1 + sign * sp.sqrt(psi)) ** 2
        assert sp.simplify(discriminant.subs(replica.z, edge)) == 0


def log_determinant(z, model, digits=30):
    """Φ at the solution: the free energy as a number."""
    psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2 = model
    at = random_feature.solve(z, *model, digits=digits)
    values = {
        replica.psi_p: psi_p,
        replica.psi_n: psi_n,
        replica.c2: c2,
        replica.b2: b2,
        replica.v2: v2,
        replica.s2: s2,
        replica.weight(0): weights[0],
        replica.atom(0): eigenvalues[0],
        replica.atom(1): eigenvalues[1],
        replica.q: at.q.real,
        replica.y: at.y.real,
        replica.z: z,
    }
    names = list(values)
    return sp.lambdify(names, replica.free_energy(), "mpmath")(*values.values())


def test_free_energy_along_the_solution_has_the_slope_minus_q():
    with mpmath.workdps(40):
        step = mpf(10) ** -8
        rise = log_determinant(-1 + step, MODEL) - log_determinant(-1 - step, MODEL)
        q = random_feature.solve(-1, *MODEL).q.real
        # A central difference: the third derivative of Φ is of order one.
        assert abs(rise / (2 * step) + q) < mpf(10) ** -14


def test_free_energy_is_the_log_determinant_of_a_sampled_matrix():
    rng = np.random.default_rng(7)
    psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2 = MODEL
    z, d = -1.0, 160
    p, n = psi_p * d, psi_n * d
    roots = np.sqrt(np.repeat(eigenvalues, (np.array(weights) * d).astype(int)))
    draws = []
    for _ in range(6):
        W = rng.standard_normal((p, d))
        X = roots[:, None] * rng.standard_normal((d, n))
        G = np.sqrt(c2 / d) * W @ X + np.sqrt(v2) * rng.standard_normal((p, n))
        U = G @ G.T / n + b2 / d * W @ W.T + s2 * np.eye(p)
        draws.append(np.linalg.slogdet(U - z * np.eye(p))[1] / p)
    theory = float(mp.re(log_determinant(z, MODEL)))
    spread = np.std(draws, ddof=1) / np.sqrt(len(draws))
    # A linear statistic divided by p fluctuates and is biased by O(1/p); real entries bias it by
    # about (1/2p) times a number of order one.
    assert abs(np.mean(draws) - theory) < 3 * spread + 1 / p
