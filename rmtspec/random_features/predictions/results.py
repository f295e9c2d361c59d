"""What is known of two data sets, and of the best skip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TwoDataSets:
    """Two networks trained on disjoint data for the same time; arrays shaped like tau.

    All but `distance` and `train_distance` are parts of the squared error of the score, per
    dimension, on fresh points: `bias` + `variance` = `score_error`.

    Attributes
    ----------
    tau : training times
    distance : mean squared distance of the two noise predictions, σ²E|s_1 − s_2|²/d, on fresh
        points; 2σ² times the variance
    train_distance : the same on the training points of one of the two
    bias : squared error of the score averaged over what the two do not share
    variance : mean squared deviation of one score from that average
    feature_variance : of this, or of the bias where the features are shared, what comes from W
    score_error : bias + variance
    error : bound on the error of bias and variance; that of the distance is 2σ² times as large
    train_error : bound on the error of train_distance, a difference of three terms
    same_features : whether the two share W
    converged : whether the contour was solved; the values are NaN otherwise
    """

    tau: FloatArray
    distance: FloatArray
    train_distance: FloatArray
    bias: FloatArray
    variance: FloatArray
    feature_variance: FloatArray
    score_error: FloatArray
    error: FloatArray
    train_error: FloatArray
    same_features: bool
    converged: bool


@dataclass(frozen=True, eq=False)
class BestSkip:
    """The skip with which the error of the score is least at given times; shaped like tau.

    Attributes
    ----------
    tau : training times
    skip : χ, of ``Prediction(1.0, 0.0, skip)``: 0 predicts noise and 1/σ data
    score_error : least squared error of the score, per dimension
    noise_error : the same of the prediction of noise, without a skip
    """

    tau: FloatArray
    skip: FloatArray
    score_error: FloatArray
    noise_error: FloatArray
