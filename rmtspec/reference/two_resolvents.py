r"""Products of two resolvents of the random-feature matrix U, at any number of digits.

Let B = β_0 + W(β_1 + β_2 Σ)Wᵀ/d stand between them, and e_l = 1 + ψ_p q (b² + c² l/D). With J_j =
∫ lʲ dρ(l)/(e_l^{(1)} e_l^{(2)}), 𝒜 = 1 - ∫ (1 - 1/e_l^{(1)})(1 - 1/e_l^{(2)}) dρ/ψ_p and γ =
(ψ_p/ψ_n) q_1 q_2,

    𝒜 Q - (v² + c² J_1) Y = β_0 + β_1 J_0 + β_2 J_1,
    -γ (v² + c² J_1) Q + (D_1 D_2 - γ ψ_p c⁴ J_2) Y = γ ψ_p c² (β_1 J_1 + β_2 J_2),
    Tr R_1 B R_2/p = q_1 q_2 Q,
    Tr Wᵀ R_1 B R_2 W/(pd) = q_1 q_2 [Q J_0 + ψ_p (β_1 J_0 + (β_2 + c² Y) J_1)].

It is the response of the Dyson equation of `rmtspec.reference.linear_pencil` to U + εB. At fixed
data the blocks M of `rmtspec.reference.conditional` take its place: with H = (k + M)^{-1}, N = b² +
c² t on the data direction (t the variance of test data along it), tr the sum over blocks over d,

    K [ψ_p - tr M H_1 M H_2] = v² + s² + k_1 k_2 tr H_1 N H_2,
    T = (1/ψ_p) tr_W H_1 (K + N) H_2     (tr_W: first diagonal entries only).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mpmath import mp

from . import conditional, random_feature
from ._arguments import Gram


def response(
    first: random_feature.Solution,
    second: random_feature.Solution,
    model: Gram,
    beta: tuple[Any, Any, Any],
) -> tuple[Any, Any]:
    """Return (Q, Y) of the module docstring for B = β_0 + W(β_1 + β_2 Σ)Wᵀ/d."""
    problem = RandomData(model, [], 15)
    return problem.response(problem.node_of(first), problem.node_of(second), beta)


@dataclass(frozen=True)
class Node:
    """What two resolvents need of one: q, D (or k), and 1/e_l (or the entries of H) at each l."""

    q: Any
    D: Any
    inverse: tuple[Any, ...]

    def conjugate(self) -> Node:
        """The other side of the real axis."""
        turned = (
            tuple(map(mp.conj, item)) if isinstance(item, tuple) else mp.conj(item)
            for item in self.inverse
        )
        return Node(mp.conj(self.q), mp.conj(self.D), tuple(turned))


class RandomData:
    """Data drawn from N(0, Σ)."""

    def __init__(self, model: Gram, levels: Sequence[Any], digits: int) -> None:
        self.model = model
        self.levels = (*model.atoms, *levels)
        self.digits = digits
        self.beta = (model.v2 + model.s2, model.b2, model.c2)
        self.scale = replace(model, atoms=self.levels).scale

    def solve(self, z: Any, start: Node | None) -> Node:
        """Solve at z, from the solution at a neighbour if there is one."""
        at, guess = self.model, None if start is None else (start.q, start.D)
        arguments = (at.psi_p, at.psi_n, at.atoms, at.weights, at.c2, at.b2, at.v2, at.s2)
        return self.node_of(random_feature.solve(z, *arguments, digits=self.digits, start=guess))

    def node_of(self, found: random_feature.Solution) -> Node:
        """Add the direction factors."""
        at = self.model
        inverse = [
            1 / (1 + at.psi_p * found.q * (at.b2 + at.c2 * level / found.D))
            for level in self.levels
        ]
        return Node(found.q, found.D, tuple(inverse))

    def data_resolvents(self, node: Node) -> list[Any]:
        """∫ μ_l(dλ)/(λ - z), averaged and for each direction."""
        along = [self.model.psi_p * node.q * part for part in node.inverse]
        return self._averaged(along)

    def _averaged(self, along: Sequence[Any]) -> list[Any]:
        inside = zip(self.model.weights, along, strict=False)
        return [mp.fsum(w * part for w, part in inside), *along[len(self.model.atoms) :]]

    def population_trace(self, node: Node) -> Any:
        """Tr Ũ R/p."""
        at = self.model
        parts = list(zip(at.weights, at.atoms, node.inverse, strict=False))
        signal = mp.fsum(w * (at.c2 * level + at.b2) * part for w, level, part in parts)
        return node.q * (signal + at.v2 + at.s2)

    def response(self, one: Node, two: Node, beta: tuple[Any, Any, Any]) -> tuple[Any, Any]:
        """Q and Y."""
        at = self.model
        zero, first, second = beta
        (a, b, c, d), (j0, j1, j2), ratio = self._equations(one, two)
        right = zero + first * j0 + second * j1
        below = ratio * at.psi_p * at.c2 * (first * j1 + second * j2)
        scale = 1 / (a * d - b * c)
        return (d * right - b * below) * scale, (a * below - c * right) * scale

    def responses(self, one: Node, two: Node) -> tuple[Any, Any, Any, Any]:
        """Q and Y; Q where the two share W and not their samples (Y = 0); this to the identity."""
        zero, first, second = self.beta
        (a, b, c, d), (j0, j1, j2), ratio = self._equations(one, two)
        right = zero + first * j0 + second * j1
        below = ratio * self.model.psi_p * self.model.c2 * (first * j1 + second * j2)
        scale = 1 / (a * d - b * c)
        both = (d * right - b * below) * scale, (a * below - c * right) * scale
        return (*both, right / a, 1 / a)

    def determinant(self, one: Node, two: Node) -> Any:
        """The determinant of the equations for Q and Y over D_1 D_2, 1 far from the spectrum."""
        (a, b, c, d), _, _ = self._equations(one, two)
        return (a * d - b * c) / (one.D * two.D)

    def _equations(self, one: Node, two: Node) -> tuple[tuple[Any, ...], tuple[Any, ...], Any]:
        """The 2 x 2 matrix by rows, J_0 to J_2 and γ."""
        at = self.model
        j0 = j1 = j2 = left = mp.mpf(0)
        for w, level, e1, e2 in zip(at.weights, at.atoms, one.inverse, two.inverse, strict=False):
            part = w * e1 * e2
            left += part - w * (e1 + e2)
            j0, j1, j2 = j0 + part, j1 + part * level, j2 + part * level * level
        ratio = at.psi_p / at.psi_n * one.q * two.q
        cross = at.v2 + at.c2 * j1
        a, d = 1 - (1 + left) / at.psi_p, one.D * two.D - ratio * at.psi_p * at.c2**2 * j2
        return (a, -cross, -ratio * cross, d), (j0, j1, j2), ratio

    def kernel(self, one: Node, two: Node) -> list[Any]:
        """T, averaged and for each direction."""
        at = self.model
        Q, Y = self.response(one, two, self.beta)
        both = one.q * two.q
        constant, slope = both * (Q + at.psi_p * at.b2), both * at.psi_p * at.c2 * (1 + Y)
        along = [
            (constant + slope * level) * e1 * e2
            for level, e1, e2 in zip(self.levels, one.inverse, two.inverse, strict=True)
        ]
        return self._averaged(along)

    def kernel_mass(self) -> Any:
        """Tr Wᵀ Ũ W/(pd), the integral of T over both contours."""
        at = self.model
        return at.v2 + at.s2 + (1 + at.psi_p) * (at.b2 + at.c2 * at.mean)

    def score_constants(self) -> list[Any]:
        """Tr Σ_t^{-1}/d for Σ_t = e^{-2t} Σ + Δ, and its entry in each direction."""
        delta = self.model.b2 / (self.model.b2 + self.model.c2)
        return self._averaged([1 / ((1 - delta) * level + delta) for level in self.levels])


class GivenData:
    """One data set: 2 x 2 blocks (direction of the data, its partner among the samples)."""

    def __init__(self, model: Gram, variances: Sequence[Any], digits: int) -> None:
        self.model = model
        self.variances = variances
        self.digits = digits
        self.u = model.v2 / model.psi_n
        # XXᵀ/n itself is given: the norm that the bound allows for a random X it has already.
        self.scale = model.scale

    def solve(self, z: Any, start: Node | None) -> Node:
        """Solve at z, from the solution at a neighbour if there is one."""
        at, guess = self.model, None if start is None else start.q
        arguments = (at.psi_p, at.psi_n, at.atoms, at.weights, at.c2, at.b2, at.v2, at.s2)
        found = conditional.solve(z, *arguments, digits=self.digits, start=guess)
        entries = []
        for atom in at.atoms:
            (a, b), (_, d) = self._block(atom)
            a, d = a + found.k, d + found.k
            determinant = a * d - b * b
            entries.append((d / determinant, -b / determinant, a / determinant))
        return Node(found.q, found.k, tuple(entries))

    def _block(self, atom: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        signal = self.model.c2 * atom
        mixed = mp.sqrt(signal * self.u)
        return (signal + self.model.b2, mixed), (mixed, self.u)

    def data_resolvents(self, node: Node) -> list[Any]:
        """∫ μ(dλ)/(λ - z)."""
        pairs = zip(self.model.weights, node.inverse, strict=True)
        return [mp.fsum(w * h[0] for w, h in pairs)]

    def population_trace(self, node: Node) -> Any:
        """Tr Ũ R/p."""
        at = self.model
        parts = zip(at.weights, self.variances, node.inverse, strict=True)
        signal = mp.fsum(w * (at.b2 + at.c2 * t) * h[0] for w, t, h in parts)
        return signal / at.psi_p + (at.v2 + at.s2) * node.q

    def kernel(self, one: Node, two: Node) -> list[Any]:
        """T."""
        K, passed, forced = self._sums(one, two)
        return [(K * passed + forced) / self.model.psi_p]

    def response(self, one: Node, two: Node) -> tuple[Any, Any]:
        """The responses −∂k and −∂y to Ũ; y = k/(k + u) follows k."""
        K, u = self._sums(one, two)[0], self.u
        return K, K * u / ((one.D + u) * (two.D + u))

    def _sums(self, one: Node, two: Node) -> tuple[Any, Any, Any]:
        """K, tr_W H_1 H_2 and tr_W H_1 N H_2."""
        at, u, k1, k2 = self.model, self.u, one.D, two.D
        lost = (at.psi_n - 1) * u * u / ((k1 + u) * (k2 + u)) if u else mp.mpf(0)
        seen = passed = forced = mp.mpf(0)
        parts = zip(at.weights, at.atoms, self.variances, one.inverse, two.inverse, strict=True)
        for w, atom, t, (a1, b1, d1), (a2, b2, d2) in parts:
            (m, mixed), (_, lower) = self._block(atom)
            # Tr M H_1 M H_2 with M H = ((m a + x b, m b + x d), (x a + u b, x b + u d)).
            loss = (m * a1 + mixed * b1) * (m * a2 + mixed * b2)
            loss += (m * b1 + mixed * d1) * (mixed * a2 + lower * b2)
            loss += (mixed * a1 + lower * b1) * (m * b2 + mixed * d2)
            loss += (mixed * b1 + lower * d1) * (mixed * b2 + lower * d2)
            new = at.b2 + at.c2 * t
            lost += w * loss
            seen += w * new * (a1 * a2 + b1 * b2)
            passed += w * (a1 * a2 + b1 * b2)
            forced += w * new * a1 * a2
        K = (at.v2 + at.s2 + k1 * k2 * seen) / (at.psi_p - lost)
        return K, passed, forced

    def kernel_mass(self) -> Any:
        """Tr Wᵀ Ũ W/(pd)."""
        at = self.model
        parts = zip(at.weights, self.variances, strict=True)
        signal = mp.fsum(w * (at.b2 + at.c2 * t) for w, t in parts)
        return at.v2 + at.s2 + (1 + at.psi_p) * signal
