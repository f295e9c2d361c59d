"""Whatever is given for an argument: an error that names it, or an answer without NaN.

Warnings are errors, so no answer may overflow on its way either.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtspec as rs
from rmtspec.inputs import noise
from rmtspec.linear import sampling
from rmtspec.linear.divergence import finite_sample
from rmtspec.linear.fitted import FittedDenoiser
from rmtspec.linear.results import Affine
from rmtspec.plots.linear import plot_against_load

POPULATION = rs.PopulationSpectrum([0.5, 1.0, 2.0])
SINGULAR = rs.PopulationSpectrum([0.0, 1.0, 2.0])
MODEL = rs.LinearDenoiser(POPULATION, 2.0, 0.1)
SCHEDULE = rs.NoiseSchedule.linear(5)
SAMPLES = np.random.default_rng(0).normal(size=(5, 3))
FIT = FittedDenoiser.from_data(SAMPLES, np.eye(3), 0.1)
BIAS = np.zeros(3)


def model(**changes):
    return rs.LinearDenoiser(**{"population": POPULATION, "load": 2.0, "c": 0.1} | changes)


def everything(fitted):
    return (fitted.train_loss(0.5), fitted.test_loss(0.5), fitted.alignment(0.5), fitted.kl())


CALLS = {
    "population": [lambda v: everything(model(population=v))],
    "load": [
        lambda v: everything(model(load=v)),
        lambda v: everything(model(load=v, c=0.0, population=SINGULAR)),
    ],
    "c": [
        lambda v: everything(model(c=v)),
        lambda v: everything(model(c=v, load=0.5)),
        lambda v: model(c=v).kl("model||data"),
        lambda v: everything(FittedDenoiser.from_data(SAMPLES, np.eye(3), v)),
        lambda v: everything(FittedDenoiser.from_covariance(np.eye(3), np.eye(3), v)),
    ],
    "dimension": [
        lambda v: model(dimension=v).test_loss(0.5, corrected=True),
        lambda v: finite_sample(9, v),
    ],
    "empirical_mean": [
        lambda v: model(empirical_mean=v).test_loss(0.5, corrected=True),
        lambda v: finite_sample(9, 3, empirical_mean=v),
    ],
    "alpha_bar": [
        MODEL.kappa,
        MODEL.train_loss,
        MODEL.penalised_loss,
        MODEL.test_loss,
        MODEL.optimal_loss,
        MODEL.alignment,
        lambda v: MODEL.alignment(v, reference="regularised"),
        MODEL.alignment_pair,
        lambda v: MODEL.alignment_along(1.0, v),
        lambda v: MODEL.training_curves(1.0, v),
        MODEL.optimal_stopping,
        FIT.optimum,
        FIT.train_loss,
        FIT.penalised_loss,
        FIT.test_loss,
        FIT.optimal_loss,
        FIT.alignment,
        FIT.optimal_stopping,
        lambda v: FIT.losses(FIT.optimum(0.5), v),
        lambda v: FIT.distance(FIT, v),
        lambda v: FIT.flow(1.0, v),
        lambda v: FIT.gradient_descent(3, 0.1, v),
        lambda v: FIT.training_curves(1.0, v),
        lambda v: sampling.continuous_path(1.0, v),
        noise.time_of_signal,
    ],
    "gamma": [
        lambda v: MODEL.kappa(0.5, gamma=v),
        lambda v: MODEL.train_loss(0.5, gamma=v),
        lambda v: MODEL.penalised_loss(0.5, gamma=v),
        lambda v: MODEL.test_loss(0.5, gamma=v),
        lambda v: MODEL.alignment(0.5, gamma=v),
        lambda v: MODEL.alignment_pair(0.5, gamma=v),
        lambda v: MODEL.alignment_along(1.0, 0.5, gamma=v),
        lambda v: MODEL.training_curves(1.0, 0.5, gamma=v),
        lambda v: MODEL.optimal_stopping(0.5, gamma=v),
        lambda v: FIT.optimum(0.5, gamma=v),
        lambda v: FIT.train_loss(0.5, gamma=v),
        lambda v: FIT.penalised_loss(0.5, gamma=v),
        lambda v: FIT.test_loss(0.5, gamma=v),
        lambda v: FIT.alignment(0.5, gamma=v),
        lambda v: FIT.optimal_stopping(0.5, gamma=v),
        lambda v: FIT.flow(1.0, 0.5, gamma=v),
        lambda v: FIT.gradient_descent(3, 0.1, 0.5, gamma=v),
        lambda v: FIT.training_curves(1.0, 0.5, gamma=v),
    ],
    "corrected": [
        lambda v: MODEL.train_loss(0.5, corrected=v),
        lambda v: MODEL.penalised_loss(0.5, corrected=v),
        lambda v: MODEL.test_loss(0.5, corrected=v),
        lambda v: MODEL.alignment(0.5, corrected=v),
        lambda v: MODEL.kl(corrected=v),
        lambda v: MODEL.training_curves(1.0, 0.5, corrected=v),
    ],
    "reference": [lambda v: MODEL.alignment(0.5, reference=v)],
    "other_load": [lambda v: MODEL.alignment_pair(0.5, other_load=v)],
    "eigenvalue": [
        lambda v: MODEL.alignment_along(v, 0.5),
        MODEL.sampled_variance,
        lambda v: MODEL.sampled_variance(v, schedule=SCHEDULE),
    ],
    "direction": [MODEL.kl, FIT.kl, lambda v: finite_sample(9, 3, v)],
    "steps": [
        rs.NoiseSchedule.linear,
        lambda v: MODEL.sampled_variance(1.0, v),
        lambda v: FIT.gradient_descent(v, 0.01, 0.5),
    ],
    "noise": [
        lambda v: MODEL.sampled_variance(1.0, noise=v),
        lambda v: FIT.sampled_law(noise=v),
        lambda v: sampling.sampled_variance(1.0, SCHEDULE, noise=v),
        lambda v: sampling.discrete_path(1.0, SCHEDULE, noise=v),
    ],
    "schedule": [
        lambda v: MODEL.sampled_variance(1.0, schedule=v),
        FIT.sampled_law,
        lambda v: sampling.discrete_path(1.0, v),
    ],
    "tau": [
        lambda v: MODEL.training_curves(v, 0.5),
        lambda v: FIT.flow(v, 0.5),
        lambda v: FIT.training_curves(v, 0.5),
    ],
    "initial_scale": [lambda v: MODEL.training_curves(1.0, 0.5, initial_scale=v)],
    "rtol": [lambda v: MODEL.training_curves(1.0, 0.5, rtol=v)],
    "beta": [rs.NoiseSchedule],
    "first": [lambda v: rs.NoiseSchedule.linear(5, v)],
    "last": [lambda v: rs.NoiseSchedule.linear(5, 1e-4, v)],
    "t": [rs.NoiseSchedule.at_times, noise.signal_of_time],
    "x": [lambda v: everything(FittedDenoiser.from_data(v, np.eye(3)))],
    "covariance": [
        lambda v: everything(FittedDenoiser.from_data(SAMPLES, v)),
        lambda v: everything(FittedDenoiser.from_covariance(np.eye(3), v)),
    ],
    "sample_covariance": [lambda v: everything(FittedDenoiser.from_covariance(v, np.eye(3)))],
    "mean": [
        lambda v: everything(FittedDenoiser.from_covariance(np.eye(3), np.eye(3), mean=v)),
        lambda v: sampling.discrete_path(1.0, SCHEDULE, mean=v),
        lambda v: sampling.continuous_path(1.0, [0.5], mean=v),
    ],
    "population_mean": [
        lambda v: everything(FittedDenoiser.from_data(SAMPLES, np.eye(3), population_mean=v))
    ],
    "center": [lambda v: everything(FittedDenoiser.from_data(SAMPLES, np.eye(3), center=v))],
    "fitted": [
        lambda v: FIT.losses(v, 0.5),
        lambda v: FIT.losses(Affine(v, BIAS), 0.5),
        lambda v: FIT.losses(Affine(np.eye(3), v), 0.5),
    ],
    "other": [lambda v: FIT.distance(v, 0.5)],
    "rate": [lambda v: FIT.gradient_descent(3, v, 0.5)],
    "initial": [
        lambda v: FIT.flow(1.0, 0.5, initial=v),
        lambda v: FIT.gradient_descent(3, 0.01, 0.5, initial=v),
    ],
    "variance": [
        lambda v: sampling.sampled_variance(v, SCHEDULE),
        lambda v: sampling.discrete_path(v, SCHEDULE),
        lambda v: sampling.continuous_path(v, [0.5, 1.0]),
    ],
    "final": [lambda v: sampling.continuous_path(1.0, [1.0], final=v)],
    "deterministic": [lambda v: sampling.continuous_path(1.0, [0.5], deterministic=v)],
    "samples": [lambda v: finite_sample(v, 3)],
    "model": [lambda v: plot_against_load(v, 0.5)],
}

ODD = [
    *(np.nan, np.inf, -np.inf, 0, -1, -0.0, 1, 0.5, 2, 3, 10**400, -(10**400)),
    *(5e-324, 1e-300, 1e-100, 1e-99, 1e99, 1e100, 1e300),
    *(None, True, False, np.True_, 1j, "", "text", "0.5", b"0.5", object(), {}, set(), [], ()),
    *([[1.0, 2.0], [3.0]], [None], ["a"], [1j], [True], [np.nan, 0.5], [0.5, np.inf], [0.5] * 7),
    *(np.array(0.5), np.array("a"), np.array([], dtype=object), np.zeros((3, 0)), [[[0.5]]]),
    *(np.float32(0.5), np.int8(1), np.array(1, dtype=np.uint64), np.array([0.5], dtype=object)),
    *(np.full((3, 3), value) for value in (np.nan, 0.0, 1e99, 1e-200)),
    *(np.full(3, value) for value in (np.nan, 0.0, 1e99, 1e-200)),
    *(scale * np.eye(3) for scale in (1.0, -1.0, 1e-200, 1e39, 1e99)),
    *(scale * np.arange(15.0).reshape(5, 3) for scale in (1.0, 1e-200, 1e38, 1j)),
    *(MODEL, FIT, SCHEDULE, POPULATION, Affine(np.eye(3), np.zeros(3)), (), (1, 2), [[1], [2]]),
]
FLOATS = st.floats(allow_subnormal=True)
ANYTHING = st.one_of(
    FLOATS,
    FLOATS.map(abs),
    st.lists(FLOATS, max_size=4),
    st.lists(st.lists(FLOATS, min_size=3, max_size=3), max_size=4),
    st.integers(),
    st.text(max_size=5),
    st.complex_numbers(),
)


def numbers_in(result):
    """All arrays of floats in a result."""
    if dataclasses.is_dataclass(result):
        result = [getattr(result, item.name) for item in dataclasses.fields(result)]
    if isinstance(result, (tuple, list)):
        return [array for item in result for array in numbers_in(item)]
    array = np.asarray(result)
    return [array] if array.dtype.kind == "f" else []


def answer_or_named_error(name, call, value):
    try:
        result, message = call(value), name
    except (TypeError, ValueError) as error:
        result, message = (), str(error)
    assert name in message
    assert not any(np.isnan(array).any() for array in numbers_in(result))


@pytest.mark.parametrize("name", CALLS)
def test_an_odd_value_is_refused_by_name_or_answered(name):
    for call in CALLS[name]:
        for value in ODD:
            answer_or_named_error(name, call, value)


@pytest.mark.parametrize("name", CALLS)
@given(st.data())
def test_a_random_value_is_refused_by_name_or_answered(name, data):
    call = data.draw(st.sampled_from(CALLS[name]))
    answer_or_named_error(name, call, data.draw(ANYTHING))
