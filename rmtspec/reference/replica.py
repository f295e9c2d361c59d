r"""The replica action of U in symbols, its saddle point, and the free energy it reduces to.

Write det(U - z)^{-1/2} as a Gaussian integral over φ in ℝ^p and average over X, Ω and W (U and
its coefficients as in `rmtspec.reference.random_feature`). The average of exp(-½ φᵀ(U - z)φ)
needs three overlaps, ``q = |φ|²/p, s = |Wᵀφ|²/(p d), r = φᵀWΣWᵀφ/(p d)``:

* given φ and W the n columns of Gᵀφ are Gaussian, of variance p (c² r + v² q): a factor
  (1 + (ψ_p/ψ_n)(c² r + v² q))^{-n/2};
* given φ the vector Wᵀφ/√d is Gaussian of covariance ψ_p q I_d; the conjugate variables ŝ, r̂ that
  fix s and r make it one of covariance p (ŝ + r̂ Σ)^{-1}/d, at the cost ½ Tr log(ŝ + r̂ Σ);
* the volume of the sphere ``|φ|² = p q`` gives q^{p/2}.

Together, with the average at fixed overlaps written as exp(-½ p 𝒮),

    𝒮 = (s² - z) q + b² s + (ψ_n/ψ_p) log(1 + (ψ_p/ψ_n)(c² r + v² q)) - (1 - 1/ψ_p) log q
        + s/(ψ_p q) - (s ŝ + r r̂)/ψ_p + (1/ψ_p) ∫ log(ŝ + r̂ l) dρ(l)

(the coefficient s², a square, and the overlap s are different things). With several replicas of φ
the overlaps become matrices; `replicated_action` has two replicas, whose off-diagonal overlaps
are stationary at zero and whose action is then twice this one, so that the quenched and annealed
averages agree. At its saddle point 𝒮 - 1 = lim (1/p) log det(U - z), and d/dz gives -q.

The integral over ρ is written over a stated number of atoms l_j of weight w_j.

References
----------
Bonnaire, Urfin, Biroli, Mézard, arXiv 2505.17638, Theorem 3.1 and its derivation by replicas. The
form of the action above is derived here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy as sp

q, r, s, r_hat, s_hat = sp.symbols("q r s r_hat s_hat")
k, y, z = sp.symbols("k y z")
q_off, r_off, s_off, r_hat_off, s_hat_off = sp.symbols("q_off r_off s_off r_hat_off s_hat_off")
psi_p, psi_n, c2, b2, v2, s2 = sp.symbols("psi_p psi_n c2 b2 v2 s2", positive=True)

OVERLAPS = (q, r, s, r_hat, s_hat)
OFF_DIAGONAL = (q_off, r_off, s_off, r_hat_off, s_hat_off)


def atom(j: int) -> Any:
    """The symbol l_j of an eigenvalue of Σ."""
    return sp.Symbol(f"l_{j}", nonnegative=True)


def weight(j: int) -> Any:
    """The symbol w_j of its weight. The last weight is 1 minus the others: see `average`."""
    return sp.Symbol(f"w_{j}", positive=True)


def average(function: Any, atoms: int) -> Any:
    """∫ f dρ over `atoms` atoms whose weights sum to 1."""
    weights = [weight(j) for j in range(atoms - 1)]
    weights.append(1 - sp.Add(*weights))
    return sp.Add(*[weights[j] * function(atom(j)) for j in range(atoms)])


@lru_cache
def action(atoms: int = 2) -> Any:
    """The action 𝒮(q, r, s, r̂, ŝ) of the module docstring."""
    samples = (psi_n / psi_p) * sp.log(1 + (psi_p / psi_n) * (c2 * r + v2 * q))
    spectrum = average(lambda t: sp.log(s_hat + r_hat * t), atoms)
    return (
        (s2 - z) * q
        + b2 * s
        + samples
        - (1 - 1 / psi_p) * sp.log(q)
        + s / (psi_p * q)
        + (spectrum - s * s_hat - r * r_hat) / psi_p
    )


@lru_cache
def saddle_point_equations(atoms: int = 2) -> dict[Any, Any]:
    """The derivative of the action by each overlap; they all vanish at the saddle point."""
    return {overlap: sp.diff(action(atoms), overlap) for overlap in OVERLAPS}


@lru_cache
def theorem_equations(atoms: int = 2) -> dict[Any, Any]:
    """The equations of Theorem 3.1, each as an expression that vanishes.

    Keyed by the overlap whose saddle-point equation it is, up to a factor: see
    `theorem_factors`.
    """
    D = 1 + (psi_p / psi_n) * (c2 * r + v2 * q)
    return {
        q: psi_p * (s2 - z) + psi_p * v2 / D + (1 - psi_p) / q - s / q**2,
        r: r_hat - psi_p * c2 / D,
        s: s_hat - psi_p * b2 - 1 / q,
        r_hat: r - average(lambda t: t / (s_hat + r_hat * t), atoms),
        s_hat: s - average(lambda t: 1 / (s_hat + r_hat * t), atoms),
    }


def theorem_factors() -> dict[Any, Any]:
    """What each saddle-point equation is multiplied by to give the theorem's."""
    return {q: psi_p, r: -psi_p, s: -psi_p, r_hat: -psi_p, s_hat: -psi_p}


@lru_cache
def reduced_equations(atoms: int = 2) -> tuple[Any, Any]:
    """Two equations in k = 1/(ψ_p q) and y = 1/D, each as an expression that vanishes:

    z = s² + v² y - (ψ_p - 1) k - k² S_0,   ψ_n (1/y - 1) = v²/k + c² S_1,
    S_j = ∫ l^j dρ/(k + b² + c² y l).
    """

    def moment(j: int) -> Any:
        return average(lambda t: t**j / (k + b2 + c2 * y * t), atoms)

    return (
        s2 - z + v2 * y - (psi_p - 1) * k - k**2 * moment(0),
        psi_n * (1 / y - 1) - v2 / k - c2 * moment(1),
    )


@lru_cache
def elimination(atoms: int = 2) -> dict[Any, Any]:
    """The overlaps in terms of (k, y), by the equations of ŝ, r̂, s and r."""
    hats = {s_hat: psi_p * (k + b2), r_hat: psi_p * c2 * y}
    traces = {
        s: average(lambda t: 1 / (s_hat + r_hat * t), atoms).subs(hats),
        r: average(lambda t: t / (s_hat + r_hat * t), atoms).subs(hats),
    }
    return {q: 1 / (psi_p * k), **hats, **traces}


@lru_cache
def free_energy(atoms: int = 2) -> Any:
    """lim (1/p) log det(U - z) as a function Φ(q, y), stationary in both, with dΦ/dz = -q:

    Φ = -log q - 1 + (s² - z) q + v² q y + (1/ψ_p) ∫ log(1 + ψ_p q (b² + c² y l)) dρ
        + (ψ_n/ψ_p)(y - 1 - log y).
    """
    spectrum = average(lambda t: sp.log(1 + psi_p * q * (b2 + c2 * y * t)), atoms)
    samples = (psi_n / psi_p) * (y - 1 - sp.log(y))
    return -sp.log(q) - 1 + (s2 - z) * q + v2 * q * y + spectrum / psi_p + samples


@lru_cache
def free_energy_from_action(atoms: int = 2) -> Any:
    """𝒮 - 1 with ŝ, r̂ and r (through 1/D = y) put at their saddle; s then drops out by itself.

    Equal to `free_energy` as a function of (q, y), not at the saddle point only.
    """
    at_y = {
        s_hat: psi_p * b2 + 1 / q,
        r_hat: psi_p * c2 * y,
        r: ((1 / y - 1) * psi_n / psi_p - v2 * q) / c2,
    }
    return action(atoms).subs(at_y) - 1


@lru_cache
def replicated_action(atoms: int = 1) -> Any:
    """The action of two replicas, from 2 × 2 overlap matrices with off-diagonal q_off, r_off, ...

    log and reciprocal become log det and inverse, products become traces of products.
    """
    pairs = zip(OVERLAPS, OFF_DIAGONAL, strict=True)
    Q, R, S, R_hat, S_hat = (sp.Matrix([[a, off], [off, a]]) for a, off in pairs)
    samples = sp.eye(2) + (psi_p / psi_n) * (c2 * R + v2 * Q)
    spectrum = average(lambda t: sp.log((S_hat + t * R_hat).det()), atoms)
    return (
        (s2 - z) * Q.trace()
        + b2 * S.trace()
        + (psi_n / psi_p) * sp.log(samples.det())
        - (1 - 1 / psi_p) * sp.log(Q.det())
        + (S * Q.inv()).trace() / psi_p
        + (spectrum - (S * S_hat).trace() - (R * R_hat).trace()) / psi_p
    )


def first_bulk_discriminant() -> Any:
    """Discriminant in k of the law of the first bulk, z = s² + v² y - ψ_p k, 1/y = 1 + v²/(ψ_n k).

    This is U without its signal (c = b = 0): to leading order at large ψ_p and ψ_n, the first
    bulk of Theorem 3.2 of arXiv 2505.17638, whose edges are s² + v² (1 ∓ √(ψ_p/ψ_n))². With w = z
    - s² the discriminant is ψ_n² [(w - v² - v² ψ_p/ψ_n)² - 4 v⁴ ψ_p/ψ_n], which those edges
    annul. (Equation 172 of the paper prints another one; its edges, Equation 173, are these.)
    """
    shrinkage = psi_n * k / (psi_n * k + v2)
    numerator, _ = sp.fraction(sp.together(s2 - z + v2 * shrinkage - psi_p * k))
    return sp.factor(sp.discriminant(sp.expand(numerator), k))
