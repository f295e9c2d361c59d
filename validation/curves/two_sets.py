"""Two random-feature networks with the same features on disjoint data, over training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

import rmtspec as rs

Array = NDArray[np.float64]


class TwoSets(NamedTuple):
    """Curves over training; arrays shaped like the times.

    Attributes
    ----------
    train, test : losses
    distance : mean square between the two noise predictions
    beta : lean of the score on its own samples, from 0 to 1
    score : error of the score
    variance : what of it is spread between data sets; the rest is bias
    """

    train: Array
    test: Array
    distance: Array
    beta: Array
    score: Array
    variance: Array


def two_sets(model: rs.RandomFeatureModel, tau: ArrayLike) -> TwoSets:
    """Return the curves of two networks on independent data at finite times τ > 0."""
    times = np.atleast_1d(np.asarray(tau, dtype=float))
    training = model.training()
    curves, pair = training.learning_curves(times), training.two_data_sets(times)
    found = (
        curves.train, curves.test, pair.distance, training.memorised_fraction(times),
        pair.score_error, pair.variance,
    )  # fmt: skip
    return TwoSets(*(np.ravel(column) for column in found))
