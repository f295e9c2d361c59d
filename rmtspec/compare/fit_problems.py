r"""What a fit compares: sums over eigenvalues, or losses at a few times, and how they scatter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..ensembles.random_feature import RandomFeatureGram
from ..random_features.losses.sensitivity import SCALARS, change_of, resolvent_motion
from ..random_features.model import RandomFeatureModel
from .finite_size import at_dimension
from .observed import SPLITS, Curves, Eigenvalues
from .simulate import simulate, simulate_curves

FloatArray = NDArray[np.float64]

EIGENVALUE_PARAMETERS = ("psi_n", "t", *SCALARS)
CURVE_PARAMETERS = ("psi_p", "psi_n", "t")

_SCALES = 9  # resolvent traces: more than ever carry information of their own
_LOWEST_SHARE = 0.02  # of the mass lies below the smallest x
_TIMES = 4  # a split
_NETWORKS = 60
_SMALL = 40  # d of the networks, at most


class Problem(Protocol):
    """Observed statistics, what is expected of them, and how they scatter."""

    described: str

    def observed(self) -> FloatArray:
        """(k,) mean statistics."""

    def expected(self, values: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
        """Expectation (k,) and its derivatives (k, m) with respect to the parameters."""

    def scatter(self, values: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
        """Shift (k,) of the mean beyond the expectation, and covariance (k, k) of it."""

    def at(self, values: Mapping[str, float]) -> RandomFeatureModel | RandomFeatureGram:
        """The model."""


class EigenvalueProblem:
    """Traces of resolvents at real points left of the spectrum."""

    def __init__(
        self,
        found: Eigenvalues,
        start: RandomFeatureModel,
        names: tuple[str, ...],
        dimension: int,
        features: str,
        seed: int,
    ) -> None:
        self.start, self.names, self.dimension = start, names, dimension
        self.draws, self.size = found.values.shape
        if abs(start.psi_p * dimension - self.size) > 1e-6 * self.size:
            raise ValueError(
                f"observed must have psi_p d = {start.psi_p * dimension:g} eigenvalues at "
                f"dimension {dimension}, got {self.size}"
            )
        law = start.spectrum()
        empty = float(law.atoms[:, 1].sum()) if len(law.atoms) else 0.0
        low = float(law.quantile(empty + _LOWEST_SHARE * (1.0 - empty)))
        self.x = np.geomspace(low, 3.0 * law.support[-1, 1], _SCALES)
        self.functions = [partial(_trace, x) for x in self.x]
        self.sums = np.stack([f(found.values).sum(1) for f in self.functions], axis=1)
        self.seed = seed
        self.small = min(dimension, _SMALL) if features == "true" else None
        word = "the Gaussian equivalent: known shift and covariance"
        if self.small is not None:
            word = (
                f"true features: shift and covariance of {_NETWORKS} networks of d = {self.small}"
            )
        many = "s" * (self.draws > 1)
        self.described = f"fit to {self.draws} draw{many} of {self.size} eigenvalues of {word}"

    def observed(self) -> FloatArray:
        return np.asarray(self.sums.mean(axis=0))

    def at(self, values: Mapping[str, float]) -> RandomFeatureModel | RandomFeatureGram:
        moved: dict[str, Any] = {k: value for k, value in values.items() if k not in SCALARS}
        scalars: dict[str, Any] = {k: value for k, value in values.items() if k in SCALARS}
        model = replace(self.start, **moved)
        if not set(SCALARS) & set(self.names):
            return model
        gram = model.ensemble
        assert isinstance(gram, RandomFeatureGram)
        return replace(gram, **scalars)

    def expected(self, values: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
        model = self.at(values)
        gram = model.ensemble if isinstance(model, RandomFeatureModel) else model
        assert isinstance(gram, RandomFeatureGram)
        q = gram.solve(-self.x).q.real
        slopes = [
            resolvent_motion(gram, -self.x, change_of(model, name)).real
            if isinstance(model, RandomFeatureModel)
            else resolvent_motion(gram, -self.x, {name: 1.0}).real
            for name in self.names
        ]
        return self.size * q, self.size * np.stack(slopes, axis=1)

    def scatter(self, values: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
        model = self.at(values)
        if self.small is None:
            found = model.spectrum().fluctuations(*self.functions)
            return found.mean, found.covariance / self.draws
        assert isinstance(model, RandomFeatureModel)
        near = at_dimension(model, self.small)
        assert isinstance(near, RandomFeatureModel)
        drawn = simulate(near, self.small, self.seed, size=_NETWORKS, features="true")
        sums = np.stack([f(drawn).sum(axis=1) for f in self.functions], axis=1)
        shift = sums.mean(axis=0) - drawn.shape[1] * near.resolvent(-self.x).q.real
        return shift, _covariance(sums, self.draws)


class CurveProblem:
    """Losses at a few times, beside those of drawn networks."""

    def __init__(
        self,
        found: Curves,
        start: RandomFeatureModel,
        dimension: int,
        features: str,
        seed: int,
    ) -> None:
        self.start = start
        theory = start.learning_curves(found.tau)
        self.splits = [name for name in SPLITS if name in found.losses]
        places = {name: _places(getattr(theory, name)) for name in self.splits}
        self.tau = {name: found.tau[places[name]] for name in self.splits}
        self.seen = np.hstack([found.losses[name][:, places[name]] for name in self.splits])
        self.repeats = len(self.seen)
        self.seed, self.features = seed, features
        self.dimension, self.small = dimension, min(dimension, _SMALL)
        self.described = (
            f"fit to the losses of {self.repeats} network{'s' * (self.repeats > 1)}; shift and "
            f"covariance of {_NETWORKS} networks of d = {self.small} ({features} features)"
        )

    def observed(self) -> FloatArray:
        return np.asarray(self.seen.mean(axis=0))

    def at(self, values: Mapping[str, float]) -> RandomFeatureModel:
        moved: dict[str, Any] = dict(values)
        return replace(self.start, **moved)

    def expected(self, values: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
        model = self.at(values)
        losses, slopes = [], []
        for name in self.splits:
            losses.append(getattr(model.learning_curves(self.tau[name]), name))
            moved = model.sensitivity(list(values), tau=self.tau[name])
            slopes.append(getattr(moved, name))
        return np.concatenate(losses), np.concatenate(slopes, axis=1).T

    def scatter(self, values: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
        near = at_dimension(self.at(values), self.small)
        assert isinstance(near, RandomFeatureModel)
        tau = np.unique(np.concatenate(list(self.tau.values())))
        drawn = simulate_curves(near, self.small, self.seed, tau, _NETWORKS, self.features)
        limit = near.learning_curves(tau)
        losses, shifts = [], []
        for name in self.splits:
            places = np.searchsorted(tau, self.tau[name])
            losses.append(getattr(drawn, name)[:, places])
            shifts.append(losses[-1].mean(axis=0) - getattr(limit, name)[places])
        # Losses are sums over eigenvalues divided by d: shift and deviation fall like 1/d.
        scale = self.small / self.dimension
        covariance = _covariance(np.hstack(losses), self.repeats)
        return scale * np.concatenate(shifts), scale**2 * covariance


def _trace(x: float, z: Any) -> Any:
    return 1.0 / (z + x)


def _places(curve: FloatArray) -> list[int]:
    """A few times at which a loss has fallen by equal parts."""
    finite = np.flatnonzero(np.isfinite(curve))
    fallen = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(curve[finite])))])
    goals = np.linspace(0.0, fallen[-1], _TIMES + 1)[1:]
    return sorted({int(finite[np.abs(fallen - goal).argmin()]) for goal in goals})


def _covariance(drawn: FloatArray, repeats: int) -> FloatArray:
    """Covariance of the mean of `repeats` draws less the mean of those drawn here.

    The inverse of a covariance of few draws is too large on average; the last factor makes up for
    it (Hartlap, Simon, Schneider 2007).
    """
    networks, count = drawn.shape
    inverse = (networks - 1.0) / (networks - count - 2.0)
    return np.asarray(inverse * (1.0 / repeats + 1.0 / networks) * np.atleast_2d(np.cov(drawn.T)))
