r"""Observed learning curves beside predicted ones.

Differences of a few losses are tested together, at times chosen on the grid by equal falls of the
predicted curve.  Means over R repeats are compared with means over M networks that were drawn, by
Hotelling's two-sample test with the covariance of both together.  The null "calibrated" draws small
networks of true features: losses are sums over eigenvalues divided by d, so that their distance
from the limit and their standard deviation scale like 1/d.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ensembles.sample_covariance import SampleCovariance
from ..law import SpectralLaw
from ..random_features.model import RandomFeatureModel
from ..random_features.results import LearningCurves
from .finite_size import Model, at_dimension, checked_dimension, loads_used, named, rounding
from .observed import SPLITS, Curves
from .simulate import simulate_curves

FloatArray = NDArray[np.float64]

LEAST_REPEATS = 3
_TIMES = 3  # a split
_NETWORKS = {"simulate": 40, "calibrated": 60}
_SMALL = 40  # d of calibrating networks, at most
_LEAST_VARIANCE = 1e-3  # of combinations, as for eigenvalues
_LIMIT = (
    "gaussian: the limit d -> inf; the mean of finite networks misses it by some 0.1 to 0.6 "
    "standard deviations of one network, whatever d"
)


def compare_curves(
    found: Curves,
    model: Model | SpectralLaw,
    dimension: int | None,
    null: str,
    rng: np.random.Generator,
    null_draws: int | None,
    progress: bool,
) -> tuple[dict[str, Any], LearningCurves]:
    """Values of a `Comparison`, and the predicted curves.

    Raises
    ------
    TypeError, ValueError
        As `compare`.
    """
    if not isinstance(model, RandomFeatureModel):
        kind = "SampleCovariance" if isinstance(model, SampleCovariance) else "SpectralLaw"
        raise TypeError(f"model must be a RandomFeatureModel for curves, got a {kind}")
    d = checked_dimension(model, dimension) if null != "gaussian" or dimension is not None else None
    used = model if null == "gaussian" or d is None else at_dimension(model, d)
    assert isinstance(used, RandomFeatureModel)
    loads = loads_used(model, used)
    theory = used.learning_curves(found.tau)
    splits = [name for name in SPLITS if name in found.losses]
    if "test" in splits and np.isnan(theory.test).all():
        raise ValueError("model must have held-out rows (test=...) for an observed test loss")
    places = {name: _places(getattr(theory, name)) for name in splits}
    names = [f"{name} at tau {found.tau[i]:.4g}" for name in splits for i in places[name]]
    observed = np.hstack([found.losses[name][:, places[name]] for name in splits])
    repeats = len(observed)
    predicted = np.concatenate([getattr(theory, name)[places[name]] for name in splits])
    square, degrees, pvalue, refused = math.nan, 0, None, None
    sentence, freedom = _LIMIT, max(repeats - 1.0, 0.0)
    sd = np.full(predicted.size, math.nan)
    if repeats >= 2:
        sd = observed.std(axis=0, ddof=1) / math.sqrt(repeats)
    if null == "gaussian":
        refused = "the null is the limit d -> inf, whose distance from finite networks is not known"
    else:
        assert d is not None
        number = _NETWORKS[null] if null_draws is None else null_draws
        drawn, sentence = _networks(found, used, d, null, rng, number, splits, places, progress)
        predicted, sd = drawn.mean(axis=0), _spread(observed, drawn)
        freedom = float(len(drawn) + repeats - 2)
        square, degrees, pvalue = _hotelling(observed, drawn)
        if pvalue is None:
            refused = "too few networks and repeats for the covariance of the losses"
    if repeats < LEAST_REPEATS:
        pvalue = None
        refused = f"a spread needs at least {LEAST_REPEATS} repeats, got {repeats}"
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (observed.mean(axis=0) - predicted) / sd
    rows = [
        {
            "statistic": name,
            "observed": float(o),
            "predicted": float(e),
            "sd": float(s),
            "z": float(x),
        }
        for name, o, e, s, x in zip(names, observed.mean(axis=0), predicted, sd, z, strict=True)
    ]
    values = {
        "kind": "curves",
        "what": f"{repeats} network{'s' * (repeats > 1)}, {found.tau.size} times",
        "model": named(used),
        "loads": loads,
        "draws": repeats,
        "dimension": d,
        "null": {"name": null, "sentence": sentence, "freedom": freedom},
        "statistics": rows,
        "chi2": square,
        "degrees": degrees,
        "pvalue": pvalue,
        "pvalue_source": "",
        "refused": refused,
        "largest_deviation": {
            name: float(np.abs(found.losses[name].mean(axis=0) - getattr(theory, name)).max())
            for name in splits
        },
        "trust": rounding(loads, d),
    }
    return values, theory


def _places(curve: FloatArray) -> NDArray[np.intp]:
    """Where a curve has gone a sixth, a half and all of its way, counted along it."""
    way = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(curve)))])
    if way[-1] == 0.0:
        return np.array([curve.size - 1])
    wanted = (np.arange(_TIMES) + 0.5) / _TIMES * way[-1]
    chosen = np.abs(way[:, None] - wanted).argmin(axis=0)
    chosen[-1] = curve.size - 1
    return np.unique(chosen)


def _networks(
    found: Curves,
    whole: RandomFeatureModel,
    d: int,
    null: str,
    rng: np.random.Generator,
    number: int,
    splits: list[str],
    places: dict[str, NDArray[np.intp]],
    progress: bool,
) -> tuple[FloatArray, str]:
    """Losses of networks as large as those observed, (M, losses), and what they are.

    `whole` exists at d.
    """
    times = found.tau

    def losses(of: Any) -> FloatArray:
        return np.concatenate(
            [np.atleast_2d(getattr(of, name))[:, places[name]] for name in splits], axis=1
        )

    if null == "simulate":
        drawn = simulate_curves(whole, d, rng, times, number, progress=progress)
        return losses(drawn), f"simulate: {number} Gaussian equivalents of the same size, d = {d}"
    if whole.conditional:
        raise ValueError("null must be 'gaussian' or 'simulate' for a model of given data")
    small = min(_SMALL, d)
    near = at_dimension(whole, small)
    assert isinstance(near, RandomFeatureModel)
    drawn = simulate_curves(near, small, rng, times, number, "true", progress=progress)
    shift = losses(drawn) - losses(near.learning_curves(times))
    here = losses(whole.learning_curves(times))
    return (
        np.asarray(here + shift * (small / d)),
        f"calibrated: {number} networks of true features at d = {small}, their distance from the "
        f"limit times {small}/{d}",
    )


def _spread(observed: FloatArray, drawn: FloatArray) -> FloatArray:
    """Standard deviation of the difference of two means, from all draws together."""
    freedom = len(observed) + len(drawn) - 2
    squares = sum(((x - x.mean(axis=0)) ** 2).sum(axis=0) for x in (observed, drawn))
    weight = 1.0 / len(observed) + 1.0 / len(drawn)
    return np.asarray(np.sqrt(squares / freedom * weight))


def _hotelling(observed: FloatArray, drawn: FloatArray) -> tuple[float, int, float | None]:
    """Two-sample T-square, the number of combinations, and the p-value of the F distribution."""
    from scipy.stats import f

    pooled = np.zeros((observed.shape[1],) * 2)
    for sample in (observed, drawn):
        moved = sample - sample.mean(axis=0)
        pooled += moved.T @ moved
    freedom = len(observed) + len(drawn) - 2
    pooled /= freedom
    sd = np.sqrt(np.diag(pooled))
    if not np.all(sd > 0.0):
        return math.nan, 0, None
    # Combinations are chosen by the drawn networks alone, as if they were given.
    values, vectors = np.linalg.eigh(np.corrcoef(drawn.T))
    directions = vectors[:, values > _LEAST_VARIANCE] / sd[:, None]
    moved = (observed.mean(axis=0) - drawn.mean(axis=0)) @ directions
    weight = 1.0 / len(observed) + 1.0 / len(drawn)
    square = float(moved @ np.linalg.solve(directions.T @ pooled @ directions * weight, moved))
    rest = freedom - moved.size + 1.0
    if rest < LEAST_REPEATS:
        return square, moved.size, None
    return square, moved.size, float(f.sf(square * rest / (moved.size * freedom), moved.size, rest))
