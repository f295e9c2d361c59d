r"""How spectrum and learning curves of a random-feature model answer to its parameters.

Solutions (k, y) move along a change of the parameters by implicit differentiation
(`ensembles.feature_tangents`).  Resolvents, edges and losses are explicit functions of them.  With
:math:`S=\frac1d\mathrm{Tr}\,W^\top RW` and T as in `curves`, on a contour that stays where it is,

.. math::  L_{train}=1+b^2\oint(\lambda f^2-2f)S,\qquad
           L_{test}=1-2b^2\oint fS+b^2\psi_p\oint\oint ffT .

Each is analytic in the parameters, so its derivative along one of them is a mean over a small
circle, :math:`g'(0)=\frac1{2\varepsilon}\mathrm{Re}\,[\bar\omega g(\varepsilon\omega)-\omega
g(-\varepsilon\bar\omega)]+O(\varepsilon^4),\ \omega=e^{i\pi/4}`, on which k, y and all parameters
move along their tangents: nothing cancels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import _checks
from ...ensembles.feature_equations import FeatureEquations
from ...ensembles.feature_tangents import FeatureTangents
from ...ensembles.random_feature import RandomFeatureGram
from ...ensembles.two_point import Points, Source, averaged_response
from ...inputs.activation import gaussian_equivalence
from ...result import ConvergenceWarning, caller_level
from ..interfaces import Model
from .curves import Curves
from .relaxation import GradientFlow

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

SCALARS = ("c2", "b2", "v2", "s2")
PARAMETERS = ("psi_p", "psi_n", "t", *SCALARS)

_CIRCLE = 1e-3  # of a parameter: truncation 1e-12, rounding 1e-13
_DIFFERENCES = np.array([672.0, -168.0, 32.0, -3.0]) / 840.0  # central, of order 8
_TIME_STEP = 0.01  # of t, by which the coefficients are differenced: error about 1e-13


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Derivatives with respect to each parameter; made by `RandomFeatureModel.sensitivity`.

    Attributes
    ----------
    parameters : tuple of str, length m
    q : ndarray of complex128, shape (m,) + z.shape, or None
        Of the trace q(z) = Tr (U − z)^-1/p.
    edges : ndarray of float64, shape (m, bulks, 2)
        Of the ends of the bulks, as places on the axis (`SpectralLaw.support`).
    train, test : ndarray of float64, shape (m,) + tau.shape, or None
        Of the losses of gradient flow.
    """

    parameters: tuple[str, ...]
    q: ComplexArray | None
    edges: FloatArray
    train: FloatArray | None
    test: FloatArray | None


def sensitivity(
    model: Model,
    parameters: Sequence[str] = ("psi_p", "psi_n", "t"),
    *,
    z: ArrayLike | None = None,
    tau: ArrayLike | None = None,
) -> Sensitivity:
    """See `RandomFeatureModel.sensitivity`."""
    names = _names(parameters)
    if model.conditional:
        raise TypeError("the model must be one of fresh data: given data have no parameters psi_n")
    points = None if z is None else _checks.complex_array("z", z)
    times = None if tau is None else _checks.real_array("tau", tau, 0.0, infinite=True)
    changes = [change_of(model, name) for name in names]
    moving, gram = Moving(model), model.ensemble
    assert isinstance(gram, RandomFeatureGram)
    return Sensitivity(
        names,
        None
        if points is None
        else np.array([resolvent_motion(gram, points, one) for one in changes]),
        moving.edges(changes),
        *(
            (None, None)
            if times is None
            else np.moveaxis(np.array([moving.losses(times, one) for one in changes]), 1, 0)
        ),
    )


def _names(parameters: Any) -> tuple[str, ...]:
    given = (parameters,) if isinstance(parameters, str) else parameters
    if not isinstance(given, Sequence) or not given:
        raise TypeError(
            f"parameters must be a sequence of {', '.join(PARAMETERS)}, "
            f"got {_checks.shown(parameters)}"
        )
    for name in given:
        if name not in PARAMETERS:
            hint = _checks.did_you_mean(name, PARAMETERS) if isinstance(name, str) else ""
            raise ValueError(
                f"parameters must be of {', '.join(PARAMETERS)}, got {_checks.shown(name)}{hint}"
            )
    return tuple(given)


def change_of(model: Model, name: str) -> dict[str, float]:
    """What a unit change of a parameter does to psi_p, psi_n, the scalars and Δ_t."""
    if name != "t":
        return {name: 1.0}
    step = _TIME_STEP * model.t

    def scalars(time: float) -> FloatArray:
        shown = time if model.noise_level is None else model.noise_level.at_time(time)
        at = gaussian_equivalence(model.activation, shown, model.population.mean)
        return np.array([at.c**2, at.b**2, at.v**2, at.s**2, at.delta])

    slopes = sum(
        weight * (scalars(model.t + i * step) - scalars(model.t - i * step))
        for i, weight in enumerate(_DIFFERENCES, 1)
    )
    *of_scalars, of_noise = (slopes / step).tolist()
    exact = 2.0 * float(np.exp(-2.0 * model.t))
    return {
        **dict(zip(SCALARS, of_scalars, strict=True)),
        "delta": exact if model.noise_level is None else of_noise,
    }


def resolvent_motion(
    gram: RandomFeatureGram, z: ArrayLike, change: Mapping[str, float]
) -> ComplexArray:
    """Derivative of q = 1/(psi_p k) along a change of the ensemble's parameters.

    NaN where q did not converge, of which the solver has warned.
    """
    found = gram.solve(z)
    assert isinstance(gram.equations, FeatureEquations)
    forces = {name: rate for name, rate in change.items() if name != "delta"}
    motion = np.full(found.k.shape, np.nan + 0j)
    known = found.converged
    moved, _ = FeatureTangents(gram.equations).move(found.k[known], found.y[known], forces)
    relative = moved / found.k[known] + change.get("psi_p", 0.0) / gram.psi_p
    motion[known] = -found.q[known] * relative
    return motion


class Moving:
    """A model whose parameters move."""

    def __init__(self, model: Model) -> None:
        assert isinstance(model.ensemble.equations, FeatureEquations)
        self.model = model
        self.equations = model.ensemble.equations
        self.tangents = FeatureTangents(self.equations)
        self.curves = Curves(model, GradientFlow(2.0 * model.delta / model.psi_p), 0.0, 0.0)
        self.values = {
            "psi_p": model.psi_p,
            "psi_n": model.psi_n,
            "c2": self.equations.c2,
            "b2": self.equations.b2,
            "v2": self.equations.v2,
            "s2": model.floor,
            "delta": model.delta,
        }

    def edges(self, changes: Sequence[Mapping[str, float]]) -> FloatArray:
        """Derivatives of both ends of every bulk; NaN, with one warning, where none is found."""
        edges, ends = self.model.ensemble.gaps.edges, self.equations.ends_of_gaps.reshape(3, -1)
        forces = [{name: change[name] for name in change if name != "delta"} for change in changes]
        motion = np.empty((*edges.shape, len(changes)))
        with np.errstate(all="ignore"):
            for place in np.ndindex(edges.shape):
                if edges[place] == 0.0:  # a hard edge stays at s²
                    motion[place] = [force.get("s2", 0.0) for force in forces]
                    continue
                nearest = np.abs(ends[0] - edges[place]).argmin()
                k, y = self.tangents.critical(*ends[1:, nearest])
                motion[place] = [self.tangents.edge_motion(k, y, force) for force in forces]
        if not np.all(np.isfinite(motion)):
            warnings.warn(
                "sensitivity: an edge could not be solved; its derivatives are NaN",
                ConvergenceWarning,
                stacklevel=caller_level(),
            )
        return np.moveaxis(np.where(np.isfinite(motion), motion, np.nan), -1, 0)

    def losses(self, tau: FloatArray, change: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
        """Derivatives of train and test loss, shaped like tau."""
        if self.curves.silent:  # f = 2Δτ/ψ_p on U = 0: the first b² lowers both losses by 4Δτ b²
            slope = -4.0 * self.model.delta * change.get("b2", 0.0)
            lost = slope * tau if slope != 0.0 else np.zeros_like(tau)
            return lost, lost
        flat = np.minimum(tau.ravel(), self.curves.latest)
        ended = np.isinf(tau.ravel())
        result = np.zeros((2, flat.size))
        if np.any(~ended):
            grid = self.curves.grid(float(flat[~ended].max()))
            result[:, ~ended] = self._along_contour(grid, flat[~ended], change)
        if np.any(ended):
            result[:, ended] = self._at_the_end(change)[:, None]
        return result[0].reshape(tau.shape), result[1].reshape(tau.shape)

    def _along_contour(self, grid: Any, tau: FloatArray, change: Mapping[str, float]) -> FloatArray:
        x = np.concatenate([grid.x, grid.x.conj()])
        weights = np.concatenate([grid.weights, grid.weights.conj()])
        k, y = (np.concatenate([value, value.conj()]) for value in grid.points)

        def losses(at: Mapping[str, Any], points: Points) -> ComplexArray:
            rate = 2.0 * at["delta"] / at["psi_p"]
            bare = -np.expm1(np.multiply.outer(-rate * tau, x)) / x
            single, double = self._traces(at, points)
            f = weights * bare
            seen = f * single
            train = 1.0 + at["b2"] * (x * bare * seen - 2.0 * seen).sum(1)
            test = 1.0 + at["b2"] * (((f @ double) * f).sum(1) - 2.0 * seen.sum(1))
            return np.array([train, test])

        return self._derivative(losses, Points(k, y), change)

    def _at_the_end(self, change: Mapping[str, float]) -> FloatArray:
        """At τ = inf: f = 1/λ, and the contours close on λ = 0."""
        base = self.curves.base
        distance = -base if base > 0.0 else -1e-30 * self.curves.ends[1]
        found = self.equations.solve_real(np.array([distance]))

        def losses(at: Mapping[str, Any], points: Points) -> ComplexArray:
            single, double = self._traces(at, points)
            train = 1.0 - at["b2"] * single[0]
            return np.array([train, train + at["b2"] * (double[0, 0] - single[0])])

        return self._derivative(losses, Points(found.k + 0j, found.y + 0j), change)

    def _derivative(
        self,
        function: Callable[[Mapping[str, Any], Points], ComplexArray],
        points: Points,
        change: Mapping[str, float],
    ) -> FloatArray:
        """Derivative of a real function along the change, by its mean over a small circle."""
        forces = {name: rate for name, rate in change.items() if name != "delta"}
        dk, dy = self.tangents.move(points.k, points.y, forces)
        size = min(
            (abs(self.values[name] / rate) for name, rate in change.items() if rate != 0.0),
            default=1.0,
        )
        radius = _CIRCLE * (size or 1.0)
        turn = np.exp(0.25j * np.pi)
        total: FloatArray = 0.0  # type: ignore[assignment]
        for corner in (turn, -turn.conjugate()):
            move = radius * corner
            at = {name: value + move * change.get(name, 0.0) for name, value in self.values.items()}
            value = function(at, Points(points.k + move * dk, points.y + move * dy))
            total = total + (value / corner).real
        return total / (2.0 * radius)

    def _traces(self, at: Mapping[str, Any], points: Points) -> tuple[ComplexArray, ComplexArray]:
        """Tr WᵀRW/d at every point, and ψ_p T at every pair."""
        directions = self.equations.directions_from(points)
        source = Source(at["v2"] + at["s2"], at["b2"], at["c2"], directions.eigenvalues)
        pair = averaged_response(
            points, points, source, directions,
            at["psi_p"], at["psi_n"], at["c2"], at["b2"], at["v2"],
        )  # fmt: skip
        single = points.along(directions.eigenvalues, at["c2"], at["b2"]) @ directions.weights
        return single, pair.mean
