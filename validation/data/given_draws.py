"""One split of a set of pictures: networks of true features on it, and two theories of it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.compare.networks.fresh_features import data_moments, feature_moments
from rmtspec.compare.networks.training_flow import Flow, decompose, flow_filters
from rmtspec.result import DataWarning, FewDimensionsWarning
from validation.data.given_settings import FINE_TIMES, PSI_P, QUANTILES, SCALED_TIMES, GivenRun
from validation.data.pictures import pictures
from validation.harness.draws import generator, rounded
from validation.spectra.settings import MEHLER_ORDER

Array = NDArray[np.float64]

SHARE = 0.05
"""Of the gain in test loss: the window is where no more of it is missing."""
NEVER = "never"


class Numbers(NamedTuple):
    """What is read off a pair of curves; times are infinite if they never come."""

    best: float
    least_test: float
    final_train: float
    final_test: float
    tau_gen: float
    tau_mem: float


class Source(NamedTuple):
    """What networks or a theory of them give.

    Attributes
    ----------
    curves : train and test loss at `SCALED_TIMES`, shape (2, times)
    laws : quantiles of U, one row a law: of a theory its own and, if it has one, the law with a
        floor for every neuron
    flatness : of a theory, of the crossing at the end of its window
    """

    numbers: Numbers
    curves: Array
    laws: Array
    flatness: float = math.nan


def draw(run: GivenRun, split: int, seed: int) -> dict[str, Any]:
    """Return the numbers of networks and of both theories on one split, and their curves."""
    rng = generator(seed, "given", run.pictures, run.samples, split)
    x, test = split_rows(pictures(run.pictures), run.samples, run.held_out, rng)
    single = [networks(x, test, run.t, run.activation, rng) for _ in range(run.networks)]
    exact, gaussian = (
        theory(x, test, run.t, run.activation, kind) for kind in ("exact", "gaussian")
    )
    curves = [np.mean([one.curves for one in single], axis=0), exact.curves, gaussian.curves]
    return {
        "networks": [packed_numbers(one.numbers) for one in single],
        "exact": packed_numbers(exact.numbers),
        "gaussian": packed_numbers(gaussian.numbers),
        "flatness": rounded(exact.flatness, 6),
        "quantiles": {
            "networks": rounded(np.array([one.laws[0] for one in single]), 6),
            "one floor": rounded(exact.laws[0], 6),
            "by neuron": rounded(exact.laws[1], 6),
            "gaussian": rounded(gaussian.laws[0], 6),
        },
        "curves": rounded(np.array(curves), 6),
    }


def packed_numbers(numbers: Sequence[float]) -> list[float | str | None]:
    """Return numbers as JSON: infinite ones, times that never come, as a word."""
    return [
        NEVER if math.isinf(value) else None if math.isnan(value) else rounded(value, 10)
        for value in numbers
    ]


def unpacked_numbers(packed: Sequence[float | str | None]) -> Array:
    """Return what `packed_numbers` made."""
    table = {NEVER: math.inf, None: math.nan}
    return np.array([table.get(value, value) for value in packed], dtype=float)  # type: ignore[arg-type]


def split_rows(
    rows: Array, samples: int, held_out: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return disjoint random rows to train on and to test on, less the mean of the former."""
    order = rng.permutation(len(rows))
    x, test = rows[order[:samples]], rows[order[samples : samples + held_out]]
    mean = x.mean(axis=0)
    return x - mean, test - mean


def theory(x: Array, test: Array, t: float, activation: str, kernel: str) -> Source:
    """Return what the model of these very rows says."""
    with warnings.catch_warnings():
        # How far the theory goes at few effective dimensions is what is measured here; the error
        # of the score is not asked.
        warnings.simplefilter("ignore", FewDimensionsWarning)
        warnings.simplefilter("ignore", DataWarning)
        model = rs.RandomFeatureModel.from_data(x, PSI_P, t, activation, test=test, kernel=kernel)
        training = model.training()
        best, window = training.best_stopping(), training.window(share=SHARE)
        found = training.learning_curves(SCALED_TIMES / model.delta)
    numbers = Numbers(
        best.tau,
        best.test,
        float(found.train[-1]),
        float(found.test[-1]),
        window.tau_gen_loss,
        window.tau_mem_loss,
    )
    laws = [model.spectrum(), *([model.spectrum_by_neuron()] if kernel == "exact" else [])]
    quantiles = np.array([law.quantile(list(QUANTILES)) for law in laws])
    return Source(numbers, np.array([found.train, found.test]), quantiles, window.flatness)


def networks(
    x: Array,
    test: Array,
    t: float,
    activation: str,
    rng: np.random.Generator,
    order: int = MEHLER_ORDER,
) -> Source:
    """Return what a network of true features does under exact gradient flow."""
    d = x.shape[1]
    w = rng.standard_normal((round(PSI_P * d), d))
    gram, v = data_moments(w, test, t, activation, order)
    flow = decompose(feature_moments(w, x, (gram.matrix, v), t, activation, order)[0])
    delta = -math.expm1(-2.0 * t)
    train, fine = _losses(flow, FINE_TIMES / delta, delta)
    numbers = read_off(FINE_TIMES / delta, train, fine)
    quantiles = np.quantile(flow.eigenvalues, list(QUANTILES))[None, :]
    return Source(numbers, np.array(_losses(flow, SCALED_TIMES / delta, delta)), quantiles)


def _losses(flow: Flow, tau: Array, delta: float) -> tuple[Array, Array]:
    return flow.losses(flow_filters(flow.eigenvalues, tau, delta, PSI_P))


def read_off(tau: Array, train: Array, test: Array) -> Numbers:
    """Return best stopping, final losses and the window of curves whose last time is infinite.

    Before training both losses are 1. The window is where the test loss lies below its least value
    plus `SHARE` of what it has fallen; if it never rises above that again its end is infinite.
    """
    best = int(np.argmin(test))
    level = test[best] + SHARE * (1.0 - test[best])
    begin = _crossing(tau, test, level, lambda j: test[j] <= level, 0)
    end = _crossing(tau, test, level, lambda j: test[j] > level, best)
    return Numbers(
        float(tau[best]), float(test[best]), float(train[-1]), float(test[-1]), begin, end
    )


def _crossing(
    tau: Array, test: Array, level: float, holds: Callable[[int], bool], start: int
) -> float:
    """First time from `start` on at which something holds, interpolated in the logarithm."""
    if not holds(len(tau) - 1) and not any(holds(j) for j in range(start, len(tau))):
        return math.inf
    j = next(j for j in range(start, len(tau)) if holds(j))
    if j == 0 or not math.isfinite(tau[j]):
        return float(tau[j])
    share = (level - test[j - 1]) / (test[j] - test[j - 1])
    return float(tau[j - 1] * (tau[j] / tau[j - 1]) ** share)
