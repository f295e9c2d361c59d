"""One comparison of learning curves: what theory says, and the same from one network.

A network is drawn with its data; its losses under gradient flow follow exactly from the
eigenvectors of its feature matrix (`rmtspec.compare.networks.training_flow`), training rules in
steps are iterated.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.compare.networks.feature_matrices import gaussian_equivalent
from rmtspec.compare.networks.fresh_features import data_moments, feature_moments, fresh_moments
from rmtspec.compare.networks.training_flow import (
    FeatureMoments,
    Flow,
    decompose,
    equivalent_flow,
    flow_filters,
)
from rmtspec.result import FewDimensionsWarning
from validation.curves.descent import descend
from validation.curves.settings import CurveSetting
from validation.harness.draws import generator
from validation.spectra.draws import gaussian_data

Array = NDArray[np.float64]

# Delta tau, three a decade: the fastest mode relaxes at psi_p/(2 lambda) = O(1), the slowest at
# psi_p/(2 s^2) < 1e5 in these settings.
SCALED_TIMES = np.append(np.logspace(-2.0, 6.0, 25), np.inf)
STEPS_RECORDED = 20
# Held-out rows of a fixed data set, per dimension.
HELD_OUT = 4


@dataclass(frozen=True)
class Prediction:
    """A curve over `tau` and the scale of its permitted deviation c·scale/d."""

    quantity: str
    tau: Array
    theory: Array
    scale: Array


@dataclass(frozen=True)
class Case:
    """A setting at one size with everything that its draws share."""

    setting: CurveSetting
    dimension: int
    model: rs.RandomFeatureModel
    predictions: tuple[Prediction, ...]
    step: float = 0.0
    data: tuple[Array, Array] | None = None

    @property
    def tau(self) -> Array:
        """Times of all curves."""
        return self.predictions[0].tau


def case(setting: CurveSetting, dimension: int, seed: int) -> Case:
    """Predict the curves of a setting for networks of one size."""
    p = setting
    if p.kind == "conditional":
        return _conditional(setting, dimension, seed)
    model = rs.RandomFeatureModel(p.psi_p, p.psi_n, p.t, population=p.spectrum())
    if p.rule is not None:
        return _descent(setting, dimension, model)
    tau = SCALED_TIMES / model.delta
    if p.spike:
        # The losses of all directions have a share 1/d of the spike, below what is compared.
        curves = model.learning_curves(tau, directions=[p.spike])
        return Case(setting, dimension, model, _predicted(curves, model.delta, along=True))
    curves = model.learning_curves(tau)
    return Case(setting, dimension, model, _predicted(curves, model.delta))


def _predicted(curves: Any, delta: float, *, along: bool = False) -> tuple[Prediction, ...]:
    """Train and test curve with their scales: the decrease, and delta times the score error.

    Both vanish or stay small where the curves have nothing to be wrong about: at the start, and
    where the score is learned. The decrease is added to the latter for a single direction, whose
    score can be learned almost perfectly while its variance among n samples is not the one told.
    """
    if not curves.converged:
        raise ArithmeticError("the predicted curves did not converge")
    shape = (-1, curves.tau.size)
    train, test, score = (
        np.reshape(curve, shape)[0] for curve in (curves.train, curves.test, curves.score_error)
    )
    decrease = np.abs(1.0 - train)
    suffix = " along" if along else ""
    return (
        Prediction(f"train{suffix}", curves.tau, train, decrease),
        Prediction(f"test{suffix}", curves.tau, test, delta * score + along * decrease),
    )


def _conditional(setting: CurveSetting, dimension: int, seed: int) -> Case:
    rng = generator(seed, setting.name, dimension, "data")
    samples = round(setting.psi_n * dimension)
    rows = gaussian_data(rng, samples + HELD_OUT * dimension, setting.eigenvalues(dimension))
    rows -= rows[:samples].mean(axis=0)
    x, held_out = rows[:samples], rows[samples:]
    with warnings.catch_warnings():
        # How far the curves can be trusted at few effective dimensions is what is measured here.
        warnings.simplefilter("ignore", FewDimensionsWarning)
        model = rs.RandomFeatureModel.from_data(
            x, setting.psi_p, setting.t, test=held_out, kernel="gaussian"
        )
    tau = SCALED_TIMES / model.delta
    predictions = _predicted(model.learning_curves(tau), model.delta)
    return Case(setting, dimension, model, predictions, data=(x, held_out))


def _descent(setting: CurveSetting, dimension: int, model: rs.RandomFeatureModel) -> Case:
    rule = setting.rule
    assert rule is not None
    # The largest stable step does not depend on the step asked with it.
    limit = model.training(step=1e-9, momentum=rule.momentum, ridge=rule.ridge).stability_limit
    step = rule.reach * limit
    training = model.training(
        step=step, momentum=rule.momentum, ridge=rule.ridge, initial=rule.initial
    )
    counts = recorded_steps(rule.steps)
    curves = training.learning_curves(step * counts)
    return Case(setting, dimension, model, _predicted(curves, model.delta), step)


def recorded_steps(steps: int) -> NDArray[np.int_]:
    """Numbers of steps, evenly spread in their logarithm."""
    return np.unique(np.rint(np.geomspace(1, steps, STEPS_RECORDED)).astype(int))


def draw(this: Case, matrix: str, rng: np.random.Generator, order: int) -> tuple[Array, float]:
    """Curves of one network, shape (quantities, times), and the bound on Mehler's remainder."""
    if this.setting.rule is not None:
        return _descended(this, rng), 0.0
    flow, truncation = _network(this, matrix, rng, order)
    filters = flow_filters(flow.eigenvalues, this.tau, this.model.delta, this.setting.psi_p)
    return np.array(flow.losses(filters, 0 if this.setting.spike else None)), truncation


def _network(this: Case, matrix: str, rng: np.random.Generator, order: int) -> tuple[Flow, float]:
    setting, d = this.setting, this.dimension
    w = rng.standard_normal((round(setting.psi_p * d), d))
    x, fresh = _data(this, rng)
    if matrix == "gaussian":
        k = this.model.coefficients
        omega = rng.standard_normal((len(w), len(x)))
        covariance = fresh if fresh.ndim == 1 else fresh.T @ fresh / len(fresh)
        return equivalent_flow(w, x, omega, covariance, c=k.c, b=k.b, v=k.v, s=k.s), 0.0
    moments, truncation = feature_moments(
        w, x, _fresh(this, w, fresh, order), setting.t, "tanh", order
    )
    return decompose(moments), truncation


def _data(this: Case, rng: np.random.Generator) -> tuple[Array, Array]:
    """Training samples, and fresh data as variances (d,) or rows (m, d)."""
    if this.data is not None:
        return this.data
    setting, d = this.setting, this.dimension
    variances = setting.eigenvalues(d)
    samples = round(setting.psi_n * d)
    if setting.kind == "mixture":
        variances[0] = 1.0
        x = gaussian_data(rng, samples, variances)
        x += rng.choice([-1.0, 1.0], samples)[:, None] * _centre(setting, d)
        return x, variances
    return gaussian_data(rng, samples, variances), variances


def _centre(setting: CurveSetting, dimension: int) -> Array:
    """Mean of one cluster: its square makes the spike together with the variance 1."""
    centre = np.zeros(dimension)
    centre[0] = np.sqrt(setting.spike - 1.0)
    return centre


def _fresh(this: Case, w: Array, fresh: Array, order: int) -> tuple[Array, Array]:
    t, d = this.setting.t, this.dimension
    if fresh.ndim == 2:
        gram, v = data_moments(w, fresh, t, "tanh", order)
        return gram.matrix, v
    centres = np.zeros((1, d))
    if this.setting.kind == "mixture":
        centres = np.array([[1.0], [-1.0]]) * _centre(this.setting, d)
    return fresh_moments(w, centres, fresh, t, "tanh")


def _descended(this: Case, rng: np.random.Generator) -> Array:
    """Curves of a Gaussian equivalent trained step by step."""
    setting, d, k = this.setting, this.dimension, this.model.coefficients
    rule = setting.rule
    assert rule is not None
    w = rng.standard_normal((round(setting.psi_p * d), d))
    x, variances = _data(this, rng)
    u = gaussian_equivalent(w, x, rng.standard_normal((len(w), len(x))), c=k.c, b=k.b, v=k.v, s=k.s)
    u_fresh = (w * (k.c**2 * variances + k.b**2)) @ w.T / d
    u_fresh[np.diag_indices_from(u_fresh)] += k.v**2 + k.s**2
    v = k.b / np.sqrt(d) * w
    start = rule.initial * rng.standard_normal((d, len(w)))
    return np.array(
        descend(
            FeatureMoments(u, v, u_fresh, v),
            float(this.model.delta),
            this.step,
            recorded_steps(rule.steps),
            momentum=rule.momentum,
            ridge=rule.ridge,
            start=start,
        )
    )
