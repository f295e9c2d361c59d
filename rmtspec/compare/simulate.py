r"""Draws of finite matrices: eigenvalues and exact learning curves, to compare theory with.

A random-feature model has two finite matrices with the same limiting law.  The Gaussian equivalent
is

.. math::  U=HH^\top+s^2,\qquad
           H=\Big[\frac{cWX^\top/\sqrt d+v\,\Omega}{\sqrt n},\ \frac{bW}{\sqrt d}\Big],

with the smaller of H Hᵀ and HᵀH diagonalised: the atom at s² is exact.  The true one is the second
moment of features, its average over the noise done by Mehler's sum (`feature_matrices`).  Given a
data set, W and Ω are drawn and X is not: only its singular values matter where W is isotropic.  By
the exact kernel of given rows U is :math:`\mathcal GM\mathcal G^\top/d+s^2`
(`rmtspec.ensembles.exact_kernel`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..ensembles.exact_kernel import KernelEquations
from ..ensembles.sample_covariance import SampleCovariance
from ..inputs.diffusion.prediction import Prediction, convert_error
from ..random_features.model import RandomFeatureModel
from ..result import ConvergenceWarning, ProgressBar, caller_level, dataframe
from .finite_size import Model, Sizes, checked_dimension, directions, sizes
from .networks.feature_matrices import FeatureGram, equivalent_root, true_features
from .networks.fresh_features import data_moments, fresh_moments
from .networks.training_flow import (
    FeatureMoments,
    Flow,
    TargetFlow,
    decompose_with,
    equivalent_targets,
    flow_filters,
)

if TYPE_CHECKING:
    import pandas

FloatArray = NDArray[np.float64]

_ORDERS = (7, 15, 31)  # of Mehler's sum
_TRUNCATION = 1e-3  # of the floor s^2, or of the mean eigenvalue without one: error of eigenvalues


class Draw(NamedTuple):
    """One matrix.

    Attributes
    ----------
    eigenvalues : (p,) ascending
    error : bound on the mean of their errors, from the noise average of true features; 0 for
        Gaussian matrices
    """

    eigenvalues: FloatArray
    error: float


@dataclass(frozen=True, eq=False)
class SimulatedCurves:
    """Losses of networks of finite size under gradient flow from A = 0, per dimension.

    Attributes
    ----------
    tau : (k,) training times
    train, test, score_error : (size, k) as in `LearningCurves`, one row a network
    error : (size,) bound on the mean error of the eigenvalues of a feature matrix, as in `Draw`
    """

    tau: FloatArray
    train: FloatArray
    test: FloatArray
    score_error: FloatArray
    error: FloatArray

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a network and time: draw, tau, train, test, score_error; needs pandas.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        count = len(self.train)
        columns = {
            "draw": np.repeat(np.arange(count), self.tau.size),
            "tau": np.tile(self.tau, count),
        }
        losses = {name: getattr(self, name).ravel() for name in ("train", "test", "score_error")}
        return dataframe({**columns, **losses})


def simulate(
    model: Model,
    dimension: int | None = None,
    rng: np.random.Generator | int | None = None,
    size: int = 1,
    features: str = "gaussian",
    *,
    centred: bool = False,
    progress: bool = False,
) -> FloatArray:
    """Eigenvalues of random matrices of finite size, whose law a model gives in the limit.

    Parameters
    ----------
    model : RandomFeatureModel or SampleCovariance
        A model made by `from_data` draws neurons only.
    dimension : int in [1, 30,000], optional
        d.  It must make p = psi_p d, n = psi_n d and d times the weight of every population
        eigenvalue whole: theory has to be compared at the loads that were drawn, and `at_dimension`
        gives the nearest model that exists at d.  Omitted: what the population says.
    rng : numpy.random.Generator or int, optional
        The generator, or a seed; draws of one generator follow each other.
    size : int in [1, 1e9/p]
        Number of matrices.
    features : "gaussian" or "true"
        The Gaussian equivalent, or features of the activation itself.
    centred : bool
        Whether α_0, the Gaussian mean, is subtracted from true features.  Without, an eigenvalue of
        order p stands apart (`RandomFeatureModel.mean_feature_eigenvalue`).
    progress : bool
        Whether a bar is shown on standard error (with tqdm installed).

    Returns
    -------
    ndarray, shape (size, p)
        Ascending; (size, d) for a sample covariance.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, or true features are asked of a sample
        covariance, or of a given data set whose rows the model does not keep.

    Warns
    -----
    ConvergenceWarning
        If the noise average of true features moves eigenvalues by more than 1e-3 s² on average.

    Notes
    -----
    *Accuracy.*  Gaussian matrices: rounding, and the atom without it.  True features: Mehler's sum
    is taken to an order, 7 to 31, at which its remainder moves eigenvalues by less than 1e-3 s² on
    average; `draws` gives the bound for each matrix.

    *Cost.*  That of the eigenvalues of a matrix of the smaller of p and n + d rows; true features
    need all p, and some 20 products of that size.  `draws` yields one matrix after the other, so
    that what there is can be kept when a long run is interrupted.

    References
    ----------
    Bonnaire, Urfin, Biroli, Mézard, arXiv 2505.17638, Sect. 3 (both matrices).

    Examples
    --------
    >>> import rmtspec as rs
    >>> model = rs.RandomFeatureModel(psi_p=4, psi_n=2, t=0.1)
    >>> eigenvalues = rs.simulate(model, 50, rng=0, size=3)
    >>> eigenvalues.shape, int((eigenvalues[0] < 1.000001 * model.floor).sum())
    ((3, 200), 50)
    """
    size = _checks.integer("size", size, 1)
    progress = _checks.flag("progress", progress)
    made = draws(model, dimension, rng, features, centred=centred)
    count = sizes(model, checked_dimension(model, dimension)).rows
    if size * count > 10**9:
        raise ValueError(
            f"size must be at most {10**9 // count:,} for {count} eigenvalues, got {size}"
        )
    out = np.empty((size, count))
    with ProgressBar(size, progress, "matrices") as step:
        for row in out:
            row[:] = next(made).eigenvalues
            step()
    return out


def draws(
    model: Model,
    dimension: int | None = None,
    rng: np.random.Generator | int | None = None,
    features: str = "gaussian",
    *,
    centred: bool = False,
) -> Iterator[Draw]:
    """The matrices of `simulate`, one after the other and without end.

    Parameters are those of `simulate`.

    Raises
    ------
    TypeError, ValueError
        As `simulate`, when it is called.
    """
    d = checked_dimension(model, dimension)
    shape = sizes(model, d)
    generator = _checks.generator("rng", rng)
    _checks.choice("features", features, ("gaussian", "true"))
    centred = _checks.flag("centred", centred)
    if features == "true":
        return _true_draws(_with_neurons(model), shape, generator, centred)
    return _gaussian_draws(model, shape, generator)


def simulate_curves(
    model: RandomFeatureModel,
    dimension: int | None,
    rng: np.random.Generator | int | None,
    tau: ArrayLike,
    size: int = 1,
    features: str = "gaussian",
    *,
    prediction: str | Prediction | None = None,
    weight: float = 1.0,
    progress: bool = False,
) -> SimulatedCurves:
    r"""Learning curves of networks of finite size, exactly, from the eigenvectors of U.

    Gradient flow from A = 0 leaves :math:`\sqrt\Delta A/\sqrt p=-V^\top f_\tau(U)`, and the losses
    are sums over eigenvectors (`training_flow`); averages over noise and fresh data are exact, so
    that nothing is sampled but the network and its data.

    Parameters
    ----------
    model : RandomFeatureModel
        Made by `from_data`, it draws neurons only, and the test loss is that of its `test` rows,
        NaN without them.
    dimension, rng, size, features, progress : as for `simulate`
        The Gaussian equivalent of given rows is that of kernel="gaussian"; with the exact kernel
        only true features have curves.
    tau : array_like, shape (k,) or a number
        Training times (steps)(learning rate)/d², >= 0; inf is the end.
    prediction, weight : as for `RandomFeatureModel.training`
        The target whose losses are wanted, and the factor on them that makes the clock of tau.

    Returns
    -------
    SimulatedCurves

    Raises
    ------
    TypeError, ValueError
        As `simulate`.

    Notes
    -----
    The score error is :math:`(L_{test}-1)/\Delta+\frac1d\mathrm{Tr}\,\Sigma_t^{-1}`, an identity
    for Gaussian data.  Held-out rows of kernel="gaussian" enter by their variances along the
    eigendirections of the data, as they do in theory.

    Examples
    --------
    >>> import rmtspec as rs
    >>> model = rs.RandomFeatureModel(psi_p=4, psi_n=2, t=0.1)
    >>> found = rs.simulate_curves(model, 50, 0, [0.0, 1.0, 100.0], size=4)
    >>> found.train.shape, bool((found.train[:, 2] < found.test[:, 2]).all())
    ((4, 3), True)
    """
    if not isinstance(model, RandomFeatureModel):
        raise TypeError(f"model must be a RandomFeatureModel, got {_checks.shown(model)}")
    d = checked_dimension(model, dimension)
    shape = sizes(model, d)
    generator = _checks.generator("rng", rng)
    times = np.atleast_1d(_checks.real_array("tau", tau, 0.0, infinite=True))
    if times.ndim != 1:
        raise ValueError(f"tau must be a number or a row of numbers, got shape {times.shape}")
    size = _checks.integer("size", size, 1, 10**6)
    progress = _checks.flag("progress", progress)
    _checks.choice("features", features, ("gaussian", "true"))
    if features == "true":
        _with_neurons(model)
    elif model.rows is not None:
        raise ValueError(
            'features must be "true" for curves by the exact kernel of given rows, got "gaussian"; '
            'from_data(..., kernel="gaussian") has a Gaussian equivalent'
        )
    training = model.training(prediction=prediction, weight=weight)
    target = None if training.prediction is None else training.prediction.target(model.level)
    known = not model.conditional or model.held_out is not None
    at_start, unknown = _start_of_score(model, shape) if known else (math.nan, math.nan)
    least, to_score = 0.0, 1.0
    if training.prediction is not None:
        least = training.prediction.delta(model.level) ** 2 * unknown
        to_score = float(convert_error(1.0, model.level, training.prediction, "score"))
    curves, errors = np.empty((2, size, times.size)), np.zeros(size)
    with ProgressBar(size, progress, "networks") as step:
        for i in range(size):
            network, errors[i] = _network(model, shape, generator, features)
            flow = network.flow
            filters = flow_filters(flow.eigenvalues, times, training.clock, shape.rows / d)
            if target is None:
                curves[:, i] = flow.losses(filters)
            else:
                curves[:, i] = network.losses(filters, *target)
            step()
    if not known:
        curves[1] = math.nan
    if training.prediction is None:
        score = (curves[1] - 1.0) / model.delta + at_start
    else:
        score = to_score * (curves[1] - least)
    return SimulatedCurves(times, curves[0], curves[1], score, errors)


def _gaussian_draws(model: Model, shape: Sizes, rng: np.random.Generator) -> Iterator[Draw]:
    floor = 0.0 if isinstance(model, SampleCovariance) else model.floor
    law = model.spectrum()
    empty = round(float(law.atoms[:, 1].sum()) * shape.rows) if len(law.atoms) else 0
    while True:
        yield Draw(floor + _squares(_root(model, shape, rng), empty), 0.0)


def _squares(root: FloatArray, empty: int) -> FloatArray:
    """Eigenvalues of H Hᵀ, of which `empty` are exactly 0."""
    rows, columns = root.shape
    found = np.linalg.eigvalsh(root @ root.T if rows <= columns else root.T @ root)
    out = np.zeros(rows)
    seen = min(rows - empty, found.size)
    out[rows - seen :] = np.maximum(found[found.size - seen :], 0.0)
    return out


def _root(model: Model, shape: Sizes, rng: np.random.Generator) -> FloatArray:
    """A Gaussian H with the matrix H Hᵀ (+ s²)."""
    d, n, p = shape
    if isinstance(model, SampleCovariance):
        return _data(model, shape, rng).T / math.sqrt(n)
    equations = model.ensemble.equations
    if isinstance(equations, KernelEquations):
        return rng.standard_normal((p, equations.mu.size)) * np.sqrt(equations.mu / d)
    w = rng.standard_normal((p, d))
    x = _data(model, shape, rng)
    at = model.coefficients
    return equivalent_root(w, x, rng.standard_normal((p, n)), c=at.c, b=at.b, v=at.v)


def _data(model: Model, shape: Sizes, rng: np.random.Generator) -> FloatArray:
    """Rows of Gaussian data, or rows with the singular values of the data given."""
    variances = directions(model.population, shape.dimension)
    if isinstance(model, SampleCovariance) or not model.conditional:
        rows = rng.standard_normal((shape.samples, shape.dimension))
        return np.asarray(np.sqrt(variances) * rows)
    if model.rows is not None:
        return model.rows.train
    x = np.zeros((shape.samples, shape.dimension))
    filled = np.flatnonzero(variances)
    x[np.arange(filled.size), filled] = np.sqrt(shape.samples * variances[filled])
    return x


def _with_neurons(model: Model) -> RandomFeatureModel:
    """The model, if its features can be drawn."""
    if isinstance(model, SampleCovariance):
        raise ValueError('features must be "gaussian" for a sample covariance, got "true"')
    if model.conditional and model.rows is None:
        raise ValueError(
            'features must be "gaussian" for a model that knows the eigenvalues of its data and '
            'not the rows, got "true"; from_data(..., kernel="exact") keeps them'
        )
    return model


def _true_draws(
    model: RandomFeatureModel, shape: Sizes, rng: np.random.Generator, centred: bool
) -> Iterator[Draw]:
    mean = model.coefficients.mean if centred else 0.0
    while True:
        w = rng.standard_normal((shape.rows, shape.dimension))
        gram = _second_moments(model, w, _data(model, shape, rng), mean)
        yield Draw(np.asarray(np.linalg.eigvalsh(gram.matrix), dtype=np.float64), gram.error)


def _second_moments(
    model: RandomFeatureModel, w: FloatArray, x: FloatArray, mean: float
) -> FeatureGram:
    """U of true features, to the order of Mehler's sum that it needs."""
    for order in _ORDERS:
        gram = true_features(w, x, model.level, model.activation, mean=mean, order=order)
        allowed = _TRUNCATION * (model.floor or float(np.trace(gram.matrix)) / len(w))
        if gram.truncation <= allowed * math.sqrt(len(w)):
            break
    if gram.error > allowed:
        warnings.warn(
            f"the noise average of true features moves eigenvalues by up to {gram.error:.2g} on "
            f"average, more than {allowed:.2g}: try a larger dimension, or an activation without "
            "jumps",
            ConvergenceWarning,
            stacklevel=caller_level(),
        )
    return gram


def _network(
    model: RandomFeatureModel, shape: Sizes, rng: np.random.Generator, features: str
) -> tuple[TargetFlow, float]:
    """One trained network in the eigenbasis of its U, and the error of the eigenvalues."""
    w = rng.standard_normal((shape.rows, shape.dimension))
    x = _data(model, shape, rng)
    if features == "gaussian":
        at = model.coefficients
        omega = rng.standard_normal((shape.rows, shape.samples))
        fresh = _fresh_variances(model, shape)
        return equivalent_targets(w, x, omega, fresh, c=at.c, b=at.b, v=at.v, s=at.s), 0.0
    gram = _second_moments(model, w, x, 0.0)
    v = (gram.slope / np.linalg.norm(w, axis=1))[:, None] * w
    if model.rows is None:
        variances = _fresh_variances(model, shape)
        centre = np.zeros((1, shape.dimension))
        u_fresh, v_fresh = fresh_moments(w, centre, variances, model.level, model.activation)
        # Stein's lemma gives E φxᵀ from the same slopes as E φξᵀ.
        level = model.level
        data_fresh, spread = v_fresh * (level.alpha / level.sigma * variances), variances.mean()
    elif model.rows.held_out is None:
        u_fresh, v_fresh = np.zeros_like(gram.matrix), v
        data_fresh, spread = gram.data, np.nan
    else:
        others = model.rows.held_out
        held_out, v_fresh = data_moments(w, others, model.level, model.activation, _ORDERS[1])
        u_fresh, data_fresh, spread = held_out.matrix, held_out.data, np.mean(others * others)
    moments = FeatureMoments(gram.matrix, v, u_fresh, v_fresh)
    flow, vectors = decompose_with(moments)
    own, fresh = vectors.T @ gram.data, vectors.T @ data_fresh
    # Eigenvectors of eigenvalue 0 have no part of V: they stay untrained.
    seen = flow.eigenvalues > flow.eigenvalues.size * np.finfo(float).eps * flow.eigenvalues[-1]
    if not seen.all():
        own, fresh = own[seen], fresh[seen]
        flow = Flow(
            flow.eigenvalues[seen],
            flow.v[seen],
            flow.v_fresh[seen],
            flow.u_fresh[np.ix_(seen, seen)],
        )
    variance = float(np.sum(x * x)) / x.size
    return TargetFlow(flow, own, fresh, variance, float(spread)), gram.error


def _fresh_variances(model: RandomFeatureModel, shape: Sizes) -> FloatArray:
    """Variances of fresh data along the directions of `_data`."""
    if model.held_out is None:
        return directions(model.population, shape.dimension)
    counts = np.rint(model.population.weights * shape.dimension).astype(int)
    return np.repeat(model.held_out.overlaps @ model.held_out.eigenvalues, counts)


def _start_of_score(model: RandomFeatureModel, shape: Sizes) -> tuple[float, float]:
    """Tr Σ_t^-1/d, and Tr ΣΣ_t^-1/d without a difference."""
    if model.conditional:
        precision = float(model.learning_curves([0.0]).score_error[0])
        if model.held_out is None or math.isnan(precision):
            return math.nan, math.nan
        weights = model.population.weights
        unknown = model.held_out.noised(model.signal, model.delta, weights).unknown
        return precision, float(weights @ unknown)
    variances = directions(model.population, shape.dimension)
    noisy = model.signal * variances + model.delta
    return float(np.mean(1.0 / noisy)), float(np.mean(variances / noisy))
