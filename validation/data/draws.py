"""Learning curves of one split of the digits, by experiment and by theory."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.compare.networks.fresh_features import data_moments, feature_moments, fresh_moments
from rmtspec.compare.networks.training_flow import decompose, flow_filters
from rmtspec.result import FewDimensionsWarning
from validation.data.settings import PSI_P, DigitsRun, times
from validation.harness.draws import generator
from validation.spectra.draws import gaussian_data
from validation.spectra.settings import MEHLER_ORDER

Array = NDArray[np.float64]


def draw(images: Array, run: DigitsRun, split: int, seed: int) -> Array:
    """Train and test curve of one split: one network, or the theory given its data."""
    rng = generator(seed, "split", run.samples, split)
    order = rng.permutation(len(images))
    x, held_out = images[order[: run.samples]], images[order[run.samples :]]
    x, held_out = x - x.mean(axis=0), held_out - x.mean(axis=0)
    if run.source != "given data":
        return _network(images, x, held_out, run, rng)
    with warnings.catch_warnings():
        # How far the theory goes at few effective dimensions is what is measured here.
        warnings.simplefilter("ignore", FewDimensionsWarning)
        model = rs.RandomFeatureModel.from_data(x, PSI_P, run.t, test=held_out, kernel="gaussian")
    found = model.learning_curves(run.tau)
    return np.array([found.train, found.test])


def _network(
    images: Array, x: Array, held_out: Array, run: DigitsRun, rng: np.random.Generator
) -> Array:
    d = images.shape[1]
    w = rng.standard_normal((round(PSI_P * d), d))
    if run.source == "images":
        gram, v = data_moments(w, held_out, run.t, "tanh", MEHLER_ORDER)
        fresh = gram.matrix, v
    else:
        # In its eigenbasis: the weights have no direction of their own.
        covariance = np.linalg.eigvalsh(images.T @ images / len(images)).clip(0.0)
        x = gaussian_data(rng, len(x), covariance)
        fresh = fresh_moments(w, np.zeros((1, d)), covariance, run.t, "tanh")
    flow = decompose(feature_moments(w, x, fresh, run.t, "tanh", MEHLER_ORDER)[0])
    delta = -np.expm1(-2.0 * run.t)
    return np.array(flow.losses(flow_filters(flow.eigenvalues, run.tau, delta, PSI_P)))


def population_curves(images: Array, samples: int, t: float) -> Array:
    """Train and test curve of the theory that takes all images for the population."""
    population = rs.PopulationSpectrum.from_samples(images)
    model = rs.RandomFeatureModel(PSI_P, samples / images.shape[1], t, population=population)
    found = model.learning_curves(times(t))
    return np.array([found.train, found.test])
