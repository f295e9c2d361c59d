"""Measures of samples (NumPy): memorised fraction, Frechet distance, cosine similarity of details."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Fraction(NamedTuple):
    """A share of samples with its bootstrap interval."""

    value: float
    low: float
    high: float


def nearest_ratio(generated: Array, training: Array) -> Array:
    """Return distance to the nearest over that to the second nearest training sample, shape (N,)."""
    raise NotImplementedError


def memorised_fraction(
    generated: Array,
    training: Array,
    rng: np.random.Generator,
    *,
    threshold: float = 1.0 / 3.0,
    bootstrap: int = 1000,
    confidence: float = 0.95,
) -> Fraction:
    """Return the share of generated samples whose `nearest_ratio` is below the threshold."""
    raise NotImplementedError


def frechet_distance(first: Array, second: Array) -> float:
    """Return |m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2)) of two feature tables (n, k)."""
    raise NotImplementedError


def convolution_features(images: Array, *, filters: int = 64, size: int = 3, seed: int = 0) -> Array:
    """Return features (n, 2 filters) of images (n, side, side): fixed random filters, rectified;
    mean and root mean square over the picture."""
    raise NotImplementedError


def principal_features(samples: Array, reference: Array, count: int) -> Array:
    """Return the coordinates (n, count) along the leading principal directions of a reference."""
    raise NotImplementedError


class Similarity(NamedTuple):
    """Mean cosine similarity over pairs, and its standard error."""

    value: float
    error: float


def detail_similarity(
    first: Array, second: Array, reference: Array, *, components: int = 0
) -> Similarity:
    """Return the mean cosine similarity of pairs of samples (n, ...), details only: the mean and
    the `components` leading principal directions of the reference are taken off both."""
    raise NotImplementedError
