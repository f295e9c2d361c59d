r"""Learning curves of the random-feature score model, at any number of digits.

With e(λ) what is left of a mode of eigenvalue λ of U after the training time τ, and the ridge ϱ,
the filter f = (1 - e)/(λ + ϱ) turns the forcing V ≃ b W/√d into the weights
A/√p = -Δ^{-1/2} Vᵀ f(U), and the losses, whose value at A = 0 is 1, are

    L_train = 1 - b² ∫ μ(dλ) (2f - λf²),
    L_test  = 1 - 2b² ∫ μ(dλ) f + b² ψ_p ∮∮ f(z_1) f(z_2) T(z_1, z_2) dz_1 dz_2/(2πi)²,

where μ is the measure of Wᵀ(U - z)^{-1}W/d ≃ ∫ μ(dλ)/(λ - z), with one such measure for each
eigendirection l of Σ: μ_l has the transform ψ_p q/e_l, e_l = 1 + ψ_p q (b² + c² l/D), and
T = Tr Wᵀ R(z_1) Ũ R(z_2) W/(pd) with Ũ = W(c²Σ + b²)Wᵀ/d + v² + s².

Gradient flow has e = exp(-2Δ(λ + ϱ)τ/ψ_p); heavy-ball steps h with momentum β have, with
x = 2Δ(λ + ϱ)h/ψ_p, the polynomials e_{k+1} = (1 + β - x) e_k - β e_{k-1}, e_0 = e_{-1} = 1, at
k = τ/h (β = 0: e_k = (1 - x)^k). Independent entries of A(0), of standard deviation σ_0, add
Δσ_0² Tr U e(U)²/p to the training loss and Δσ_0² Tr Ũ e(U)²/p to the test loss.

T is in `rmtspec.reference.two_resolvents`.

Contour. log z = centre + h cosh(ϑ + iθ) is an ellipse about the logarithm of an interval [m, M]
that holds the spectrum seen by W. It stays in the wedge ``|Im log z| <= h sinh ϑ``; the filter is
bounded on the ellipse ϑ' of the doubled wedge, and the trapezoidal rule in θ of N nodes converges
like e^{-N min(ϑ, ϑ' - ϑ)}.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
from mpmath import mp

from . import _arguments
from ._arguments import CertificateError
from .two_resolvents import GivenData, Node, RandomData

_GUARD_DIGITS = 15
_WIDEST = 0.785
"""Half opening of the wedge that holds the contour: its double is the right half plane."""
_LARGEST_FILTER = 8
"""Bound on |e| on the double of the contour, beyond which a narrower one is taken."""


@dataclass(frozen=True)
class Curves:
    """Losses at every τ, in units of the loss of A = 0, and what it took.

    Attributes
    ----------
    train, test, score_error : list of mpf
        `score_error` is None at fixed data, whose test covariance is known in part only.
    directions : list of Curves
        One data eigendirection each.
    nodes : int
        Nodes of the contour in the upper half plane; 0 for a direction.
    error : mpf
        Bound on the error of the trapezoidal rule, from integrals known in closed form.
    """

    train: list[Any]
    test: list[Any]
    score_error: list[Any] | None
    directions: list[Curves]
    nodes: int
    error: Any


@dataclass(frozen=True)
class Dynamics:
    """Gradient flow (step 0) or heavy-ball descent, a ridge, and the spread of A(0)."""

    step: Any = 0
    momentum: Any = 0
    ridge: Any = 0
    initial: Any = 0

    def rest(self, rate: Any, tau: Any) -> Any:
        """e at 2Δ(λ + ϱ)/ψ_p = `rate`."""
        if mp.isinf(tau):
            return mp.mpf(0)
        if self.step == 0:
            return mp.exp(-rate * tau)
        count = tau / self.step
        if count != mp.nint(count):
            raise ValueError(f"tau must hold multiples of the step {self.step}, got {tau}")
        return _heavy_ball(rate * self.step, self.momentum, int(count))


def learning_curves(
    tau: Sequence[Any],
    psi_p: Any,
    psi_n: Any,
    eigenvalues: Sequence[Any],
    weights: Sequence[Any] | None,
    c2: Any,
    b2: Any,
    v2: Any,
    s2: Any,
    digits: int = 20,
    *,
    step: Any = 0,
    momentum: Any = 0,
    ridge: Any = 0,
    initial: Any = 0,
    directions: Sequence[Any] = (),
    test_variances: Sequence[Any] | None = None,
    opening: Any = 1,
) -> Curves:
    """Evaluate training, test and score error at every τ.

    Parameters
    ----------
    tau : sequence of numbers
        Training times >= 0, infinity allowed; multiples of `step` if that is positive.
    psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2
        As in `rmtspec.reference.random_feature.solve`; b2 > 0, and Δ = b²/(b² + c²).
    digits : int
        Digits asked for, relative to 1 + the size of a loss. The cost grows like digits² times the
        square of the logarithm of the ratio of the spectrum's ends.
    step, momentum, ridge, initial : number
        Gradient flow if `step` is 0; else the increment of τ a step, with the momentum in [0, 1) of
        heavy-ball descent. The ridge is added to every eigenvalue of U in the dynamics; `initial`
        is the standard deviation of A(0). The steps must be stable with a factor of two to spare.
    directions : sequence of numbers
        Eigenvalues of Σ whose own curves are wanted.
    test_variances : sequence of numbers, optional
        Conditions on the data: `eigenvalues` are then those of the given X Xᵀ/n, zeros included,
        and these the variances of test data along its eigenvectors.
    opening : number in (0, 1]
        Opening of the contour relative to the widest: another one is another quadrature.

    Returns
    -------
    Curves

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its range, or s² = v² = 0 and ψ_p = 1, where the spectrum
        has a hard edge at 0.
    CertificateError
        If no root, no contour or no small enough error is found.

    Notes
    -----
    Accuracy: `error`, below 10^-digits times the largest loss.

    References
    ----------
    Bonnaire, Urfin, Biroli, Mézard, arXiv 2505.17638, Section 3; George, Veiga, Macris,
    arXiv 2502.00336, for the losses at τ = infinity.

    Examples
    --------
    >>> from rmtspec.reference import learning_curves
    >>> curves = learning_curves.learning_curves(
    ...     [0, 1], 0.5, 2, [1.0], None, 0.5, 0.25, 0.0625, 2, digits=15)
    >>> [round(float(loss), 10) for loss in curves.train]
    [1.0, 0.9592459146]
    """
    digits = _arguments.digits_of(digits)
    with mpmath.workdps(digits + _GUARD_DIGITS):
        model = _arguments.gram(psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2)
        _arguments.exact("b2", b2, 0, above=True)
        times = [_time(value) for value in tau]
        named = {"step": step, "momentum": momentum, "ridge": ridge, "initial": initial}
        dynamics = Dynamics(**{k: _arguments.exact(k, value, 0) for k, value in named.items()})
        levels = [_arguments.exact("directions", value, 0) for value in directions]
        if test_variances is None:
            problem: RandomData | GivenData = RandomData(model, levels, digits)
        else:
            given = [_arguments.exact("test_variances", value, 0) for value in test_variances]
            if len(given) != len(model.atoms):
                raise ValueError(f"test_variances must be {len(model.atoms)}, got {len(given)}")
            rank = mp.fsum(w for w, at in zip(model.weights, model.atoms, strict=True) if at)
            if rank > model.psi_n:
                raise ValueError(f"psi_n must be at least the rank over d, {rank}, got {psi_n!r}")
            problem = GivenData(model, given, digits)
        return Evaluation(problem, dynamics, times, digits, mp.mpf(opening)).curves()


def _time(value: Any) -> Any:
    if value in (mp.inf, float("inf")):
        return mp.inf
    return _arguments.exact("tau", value, 0)


def _heavy_ball(x: Any, momentum: Any, count: int) -> Any:
    """e_count, by binary powers of the companion matrix (its action on e_0 = e_{-1} = 1)."""
    power = [[1 + momentum - x, -momentum], [mp.mpf(1), mp.mpf(0)]]
    state = [mp.mpf(1), mp.mpf(1)]
    while count:
        (a, b), (c, d) = power
        if count % 2:
            state = [a * state[0] + b * state[1], c * state[0] + d * state[1]]
        power = [[a * a + b * c, b * (a + d)], [c * (a + d), b * c + d * d]]
        count //= 2
    return state[0]


class Evaluation:
    """Nodes, weights and kernels of one contour, and the losses they give."""

    def __init__(
        self,
        problem: RandomData | GivenData,
        dynamics: Dynamics,
        times: Sequence[Any],
        digits: int,
        opening: Any,
    ) -> None:
        self.problem, self.dynamics, self.times = problem, dynamics, times
        self.model, self.digits = problem.model, digits
        self.delta = self.model.b2 / (self.model.b2 + self.model.c2)
        low, high = self._interval()
        self.centre, self.half = mp.log(low * high) / 2, mp.log(high / low) / 2
        self._place(opening * mp.mpf(_WIDEST))

    def _interval(self) -> tuple[Any, Any]:
        """An interval that holds the spectrum, or, if s² = 0, what of it is not the atom at 0.

        Were a bulk too narrow to be met on the way down, the certificate of the masses would tell.
        """
        at = self.model
        high = self.problem.scale + at.s2
        while self._sign_outside(high * mp.mpf("0.875")) < 0:
            high *= mp.mpf("0.875")
        if at.s2 > 0:
            return at.s2, high
        if at.v2 == 0 and at.psi_p == 1:
            raise ValueError("psi_p must not be 1 if s2 = v2 = 0: the spectrum begins at 0")
        low = high * mp.mpf(2) ** -60
        while self._sign_outside(2 * low) > 0:
            low = 2 * low
        return low, high

    def _sign_outside(self, z: Any) -> int:
        """Sign that all of ∫ μ_l(dλ)/(λ - z) share at a real z outside the support, else 0.

        A direction whose outlier lies on the other side of z has the other sign.
        """
        try:
            node = self.problem.solve(z, None)
        except CertificateError:
            return 0
        values = self.problem.data_resolvents(node)
        if any(mp.im(value) != 0 for value in values):
            return 0
        signs = {int(mp.sign(mp.re(value))) for value in values}
        return signs.pop() if len(signs) == 1 else 0

    def _point(self, angle: Any, tilt: Any) -> tuple[Any, Any]:
        """z on the ellipse, and the weight of f(U) = Σ weight f(z) R(z) but for the 1/N."""
        at = mp.mpc(tilt, angle)
        z = mp.exp(self.centre + self.half * mp.cosh(at))
        return z, -z * self.half * mp.sinh(at)

    def _place(self, opening: Any) -> None:
        while not self._bounded(opening):
            opening /= 2
            if opening < mp.mpf("0.01"):
                raise CertificateError("the filter grows beside the spectrum: steps too long?")
        tilt = mp.asinh(opening / self.half)
        # Room on the inner side, to the spectrum, and on the outer one, to the doubled wedge.
        room = min(tilt, mp.asinh(2 * opening / self.half) - tilt)
        count = int(mp.ceil((self.digits + 4) * mp.log(10) / room / 2))
        placed = [self._point((j + mp.mpf("0.5")) * mp.pi / count, tilt) for j in range(count)]
        self.points = [z for z, _ in placed]
        self.weights = [weight / (2 * count) for _, weight in placed]
        self.nodes: list[Node] = []
        for z in self.points:
            self.nodes.append(self.problem.solve(z, self.nodes[-1] if self.nodes else None))

    def _bounded(self, opening: Any) -> bool:
        tilt = mp.asinh(2 * opening / self.half)
        outer = [self._point(j * mp.pi / 60, tilt)[0] for j in range(61)]
        return all(abs(self._rest(z, tau)) <= _LARGEST_FILTER for z in outer for tau in self.times)

    def _rest(self, z: Any, tau: Any) -> Any:
        rate = 2 * self.delta * (z + self.dynamics.ridge) / self.model.psi_p
        return self.dynamics.rest(rate, tau)

    def _filter(self, z: Any, tau: Any) -> Any:
        return (1 - self._rest(z, tau)) / (z + self.dynamics.ridge)

    def _sum(self, function: Sequence[Any], values: Sequence[Any]) -> Any:
        """The trace of f(U), f given at the nodes, against a resolvent trace given there."""
        terms = zip(self.weights, function, values, strict=True)
        return 2 * mp.re(mp.fsum(w * f * value for w, f, value in terms))

    def _double_sum(self, function: Sequence[Any]) -> list[Any]:
        """Both contours against T: average and directions."""
        F = [w * f for w, f in zip(self.weights, function, strict=True)]
        total = [mp.mpf(0)] * len(self._kernels[0][2])
        for i, j, same, other in self._kernels:
            twice = 2 if i != j else 1
            equal, opposite = F[i] * F[j], F[i] * mp.conj(F[j])
            for m, (first, second) in enumerate(zip(same, other, strict=True)):
                total[m] += 2 * twice * mp.re(equal * first + opposite * second)
        return total

    def curves(self) -> Curves:
        """Losses and their certificate."""
        below = [node.conjugate() for node in self.nodes]
        self._kernels = [
            (i, j, self.problem.kernel(one, two), self.problem.kernel(one, below[j]))
            for i, one in enumerate(self.nodes)
            for j, two in enumerate(self.nodes[: i + 1])
        ]
        resolvents = [self.problem.data_resolvents(node) for node in self.nodes]
        error = self._certificate(resolvents)
        columns = [[row[m] for row in resolvents] for m in range(len(resolvents[0]))]
        starts = [self._from_start(tau) for tau in self.times]
        filters = [[self._filter(z, tau) for z in self.points] for tau in self.times]
        doubles = [self._double_sum(filtered) for filtered in filters]
        problem = self.problem
        constants = problem.score_constants() if isinstance(problem, RandomData) else None
        found = [
            self._losses(
                column, filters, [d[m] for d in doubles], starts, constants and constants[m], error
            )
            for m, column in enumerate(columns)
        ]
        whole = found[0]
        return Curves(whole.train, whole.test, whole.score_error, found[1:], len(self.nodes), error)

    def _losses(
        self,
        values: list[Any],
        filters: list[list[Any]],
        doubles: list[Any],
        starts: list[Any],
        constant: Any,
        error: Any,
    ) -> Curves:
        b2, psi_p = self.model.b2, self.model.psi_p
        train, test, score = [], [], []
        for filtered, double, (own, other) in zip(filters, doubles, starts, strict=True):
            single = self._sum(filtered, values)
            squares = [z * f**2 for z, f in zip(self.points, filtered, strict=True)]
            square = self._sum(squares, values)
            train.append(1 - b2 * (2 * single - square) + own)
            change = b2 * (psi_p * double - 2 * single) + other
            test.append(1 + change)
            if constant is not None:
                score.append(constant + change / self.delta)
        return Curves(train, test, score if constant is not None else None, [], 0, error)

    def _from_start(self, tau: Any) -> tuple[Any, Any]:
        """What A(0) adds to the training and to the test loss."""
        spread = self.delta * self.dynamics.initial**2
        if spread == 0:
            return mp.mpf(0), mp.mpf(0)
        squares = [self._rest(z, tau) ** 2 for z in self.points]
        own = [z * node.q for z, node in zip(self.points, self.nodes, strict=True)]
        fresh = [self.problem.population_trace(node) for node in self.nodes]
        return spread * self._sum(squares, own), spread * self._sum(squares, fresh)

    def _certificate(self, resolvents: Sequence[Sequence[Any]]) -> Any:
        """Distance of the masses of every μ and of T from their closed forms."""
        one = [mp.mpf(1)] * len(self.points)
        masses = [self._sum(one, column) for column in zip(*resolvents, strict=True)]
        both = self._double_sum(one)[0]
        wrong = [abs(mass / self.model.psi_p - 1) for mass in masses]
        error = max(*wrong, abs(both / self.problem.kernel_mass() - 1))
        if error > mp.mpf(10) ** -self.digits:
            raise CertificateError(f"the contour is off by {mp.nstr(error, 3)}")
        return error
