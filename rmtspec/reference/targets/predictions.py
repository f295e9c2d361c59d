r"""Losses of a network that predicts u ξ + w x, and of two data sets, at any number of digits.

With A/√p = Vᵀ f(U), f = (1 - e)/(λ + ϱ), V ≃ u b W/√d + w G Xᵀ/n, and the contour of
`rmtspec.reference.learning_curves`,

    L_train = L_0 - ∮ (2f - λf²) X,   L_test = L_0 - 2 ∮ f X̃ + ∮∮ f f T,   L_0 = u² + w² σ_x²,
    X  = ∫ρ [w² l (1 - y) + κ² g],    X̃ = ∫ρ κ (u b + w c t),     κ_l = (u b + w c y l)/g_l,
    T  = ∫ρ [(t + Y l)(w - c κ_1)(w - c κ_2) + (u - b κ_1)(u - b κ_2) + K κ_1 κ_2],

k = 1/(ψ_p q), y = 1/D, g_l = k e_l in the variables of `rmtspec.reference.two_resolvents`, whose
(Q, Y) are (ψ_p K, Y): the whole of T is summed, its constants included. Where the
two resolvents share W and not their samples Y = 0 and 𝒜 Q = β_0 + β_1 J_0 + β_2 J_1; where they
share nothing K = 0 as well. E|N_1|² and E N_1 N_2 on the training points of the first set are
∮ λ f² X and ∮∮ λ_1 f f K_I ∫ρ κ κ with the response K_I to the identity, and the pulls of N to the
clean sample are P_train = ∮ f ∫ρ [w l (1 - y) + c y l κ] and P_fresh = ∮ f ∫ρ c t κ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
from mpmath import mp

from .. import _arguments
from ..learning_curves import Dynamics, Evaluation
from ..two_resolvents import GivenData, Node, RandomData

_GUARD_DIGITS = 15


@dataclass(frozen=True)
class Curves:
    """Values at every τ, lists of mpf; what asks for fresh data sets is None at fixed data.

    Attributes
    ----------
    train, test : losses
    shared, apart : test losses where the two trainings share W only, and nothing
    own, crossed : E|N_1|² and E N_1 N_2 (same W) on the training points of the first, per dimension
    train_pull, fresh_pull : P_train and P_fresh
    error : bound on the error of the trapezoidal rule, from integrals known in closed form
    """

    train: list[Any]
    test: list[Any]
    shared: list[Any] | None
    apart: list[Any] | None
    own: list[Any] | None
    crossed: list[Any] | None
    train_pull: list[Any]
    fresh_pull: list[Any]
    error: Any


def predictions(
    tau: Sequence[Any],
    psi_p: Any,
    psi_n: Any,
    eigenvalues: Sequence[Any],
    weights: Sequence[Any] | None,
    c: Any,
    b: Any,
    v2: Any,
    s2: Any,
    noise: Any,
    data: Any,
    digits: int = 15,
    *,
    ridge: Any = 0,
    test_variances: Sequence[Any] | None = None,
) -> Curves:
    """Evaluate losses and pulls at every τ of gradient flow on the loss of weight 1.

    Parameters
    ----------
    tau : sequence of numbers
        Training times >= 0, infinity allowed: modes relax as exp(-2λτ/ψ_p).
    psi_p, psi_n, eigenvalues, weights, v2, s2, ridge, test_variances
        As in `rmtspec.reference.learning_curves.learning_curves`.
    c, b : number
        How a feature sees data and noise, with their signs; b not 0.
    noise, data : number
        u and w of the target, after its skip.
    digits : int
        Digits asked for.

    Returns
    -------
    Curves

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its range.
    CertificateError
        If no root, no contour or no small enough error is found.

    Examples
    --------
    >>> from rmtspec.reference.targets.predictions import predictions
    >>> found = predictions([0, 1], 0.5, 2, [1.0], None, 0.75, 0.5, 0.0625, 2, 1, -1, digits=15)
    >>> [round(float(loss), 8) for loss in found.train]
    [2.0, 1.94465347]
    """
    digits = _arguments.digits_of(digits)
    with mpmath.workdps(digits + _GUARD_DIGITS):
        named = {"c": c, "b": b, "noise": noise, "data": data}
        c, b, u, w = (mp.mpf(value) for value in named.values())
        model = _arguments.gram(psi_p, psi_n, eigenvalues, weights, c * c, b * b, v2, s2)
        dynamics = Dynamics(ridge=_arguments.exact("ridge", ridge, 0))
        times = [mp.inf if mp.isinf(value) else mp.mpf(value) for value in tau]
        problem: RandomData | GivenData = RandomData(model, [], digits)
        if test_variances is not None:
            given = [_arguments.exact("test_variances", value, 0) for value in test_variances]
            problem = GivenData(model, given, digits)
        return _Targets(problem, dynamics, times, digits, mp.mpf(1), (c, b, u, w)).predictions()


class _Targets(Evaluation):
    """The contour of the learning curves with the sums of a target."""

    def __init__(
        self,
        problem: RandomData | GivenData,
        dynamics: Dynamics,
        times: Sequence[Any],
        digits: int,
        opening: Any,
        numbers: tuple[Any, Any, Any, Any],
    ) -> None:
        self._c, self._b, self._u, self._w = numbers
        super().__init__(problem, dynamics, times, digits, opening)

    def _rest(self, z: Any, tau: Any) -> Any:
        return self.dynamics.rest(2 * (z + self.dynamics.ridge) / self.model.psi_p, tau)

    @property
    def _fresh(self) -> Sequence[Any]:
        """Variance of fresh data along every atom."""
        given = isinstance(self.problem, GivenData)
        return self.problem.variances if given else self.model.atoms  # type: ignore[union-attr]

    def _map(self, node: Node) -> tuple[Any, Any, list[Any]]:
        """k, y and κ along every atom."""
        at = self.model
        if isinstance(self.problem, GivenData):
            k = node.D
            y = k / (k + self.problem.u)
            h = [entry[0] for entry in node.inverse]
        else:
            k, y = 1 / (at.psi_p * node.q), 1 / node.D
            h = [part / k for part in node.inverse[: len(at.atoms)]]
        driven = [self._u * self._b + self._w * self._c * y * atom for atom in at.atoms]
        return k, y, [x * part for x, part in zip(driven, h, strict=True)]

    def _singles(self, node: Node) -> list[Any]:
        """X, X̃ and the integrands of the pulls."""
        (_, y, kappa), at, c, w = self._map(node), self.model, self._c, self._w
        rows = [mp.mpf(0)] * 4
        for weight, atom, fresh, part in zip(at.weights, at.atoms, self._fresh, kappa, strict=True):
            driven = self._u * self._b + w * c * y * atom
            rows[0] += weight * (w * w * atom * (1 - y) + part * driven)
            rows[1] += weight * part * (self._u * self._b + w * c * fresh)
            rows[2] += weight * (w * atom * (1 - y) + c * y * atom * part)
            rows[3] += weight * c * fresh * part
        return rows

    def _doubles(self, one: Node, two: Node) -> list[Any]:
        """T; with W shared; with nothing shared; and K_I ∫ κκ."""
        at, problem = self.model, self.problem
        (_, _, first), (_, _, second) = self._map(one), self._map(two)
        if isinstance(problem, GivenData):
            K, Y = problem.response(one, two)
            others: list[Any] = []
        else:
            Q, Y, *alone = problem.responses(one, two)
            K, others = Q / at.psi_p, [value / at.psi_p for value in alone]
        both = mp.mpf(0)
        direct = shared = mp.mpf(0)
        for weight, atom, fresh, a, b in zip(
            at.weights, at.atoms, self._fresh, first, second, strict=True
        ):
            data = (self._w - self._c * a) * (self._w - self._c * b)
            noise = (self._u - self._b * a) * (self._u - self._b * b)
            direct += weight * (fresh * data + noise)
            shared += weight * atom * data
            both += weight * a * b
        total = direct + Y * shared + K * both
        if not others:
            return [total]
        return [total, direct + others[0] * both, direct, others[1] * both]

    def predictions(self) -> Curves:
        """All values and their certificate."""
        below = [node.conjugate() for node in self.nodes]
        pairs = [
            (i, j, self._doubles(one, two), self._doubles(one, below[j]))
            for i, one in enumerate(self.nodes)
            for j, two in enumerate(self.nodes[: i + 1])
        ]
        self._kernels = [
            (i, j, self.problem.kernel(one, two), self.problem.kernel(one, below[j]))
            for i, one in enumerate(self.nodes)
            for j, two in enumerate(self.nodes[: i + 1])
        ]
        error = self._certificate([self.problem.data_resolvents(node) for node in self.nodes])
        singles = list(zip(*(self._singles(node) for node in self.nodes), strict=True))
        mean, fresh = (
            mp.fsum(x * level for x, level in zip(self.model.weights, levels, strict=True))
            for levels in (self.model.atoms, self._fresh)
        )
        start, start_fresh = (self._u**2 + self._w**2 * value for value in (mean, fresh))
        rows = []
        for tau in self.times:
            f = [self._filter(z, tau) for z in self.points]
            done = [z * value for z, value in zip(self.points, f, strict=True)]
            squared = [x * value for x, value in zip(done, f, strict=True)]
            self._kernels = pairs
            double = self._double_sum(f)
            known = self._sum(f, singles[1])
            own = self._sum(squared, singles[0])
            row = [
                start - 2 * self._sum(f, singles[0]) + own,
                *(start_fresh - 2 * known + value for value in double[:3]),
                own,
                self._sum(f, singles[2]),
                self._sum(f, singles[3]),
            ]
            if len(double) > 1:
                row.append(self._mixed_sum(done, f, pairs))
            rows.append(row)
        columns = [list(column) for column in zip(*rows, strict=True)]
        if len(columns) == 5:
            train, test, _, pull, away = columns
            return Curves(train, test, None, None, None, None, pull, away, error)
        train, test, shared, apart, own_column, pull, away, crossed = columns
        return Curves(train, test, shared, apart, own_column, crossed, pull, away, error)

    def _mixed_sum(self, g: Sequence[Any], f: Sequence[Any], pairs: Sequence[Any]) -> Any:
        """Both contours of the last kernel, with g on the first variable and f on the second."""
        G = [w * value for w, value in zip(self.weights, g, strict=True)]
        F = [w * value for w, value in zip(self.weights, f, strict=True)]
        total = mp.mpf(0)
        for i, j, same, other in pairs:
            equal = G[i] * F[j] + (G[j] * F[i] if i != j else 0)
            opposite = G[i] * mp.conj(F[j])
            if i != j:
                # The pair (j, ī) is the conjugate of (i, j̄) with the variables exchanged.
                opposite += mp.conj(G[j]) * F[i]
            total += 2 * mp.re(equal * same[-1] + opposite * other[-1])
        return total
