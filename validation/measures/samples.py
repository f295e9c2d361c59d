"""Measures of generated samples: memorised share, Frechet distance, similarity of details.

Samples are arrays (n, ...), one a row; images (n, side, side) are flattened where needed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from validation.harness import arguments

Array = NDArray[np.float64]

_BLOCK = 1024


class Fraction(NamedTuple):
    """A share of samples with its bootstrap interval."""

    value: float
    low: float
    high: float


def nearest_ratio(generated: Array, training: Array) -> Array:
    """Return distance to the nearest over that to the second nearest training sample.

    Parameters
    ----------
    generated : array, shape (N, ...)
    training : array, shape (n, ...)
        At least two samples.

    Returns
    -------
    ndarray, shape (N,)
        In [0, 1]; 0 for an exact copy. A training sample that occurs twice makes its copies'
        neighbours look new (ratio 1): remove duplicates first.
    """
    points, known = _rows("generated", generated), _rows("training", training)
    if len(known) < 2:
        raise ValueError(f"training must hold at least two samples, got {len(known)}")
    if points.shape[1] != known.shape[1]:
        raise ValueError(f"generated has {points.shape[1]} entries a sample, not {known.shape[1]}")
    squares = np.sum(known**2, axis=1)
    ratio = np.empty(len(points))
    for start in range(0, len(points), _BLOCK):
        block = points[start : start + _BLOCK]
        # Up to |x|^2, which all have in common; the two nearest are measured again without
        # the cancellation of this form.
        distance = squares - 2.0 * block @ known.T
        two = np.argpartition(distance, 1, axis=1)[:, :2]
        exact = np.linalg.norm(block[:, None, :] - known[two], axis=2)
        near, far = exact.min(axis=1), exact.max(axis=1)
        ratio[start : start + len(block)] = near / np.where(far > 0.0, far, 1.0)
    return ratio


def memorised_fraction(
    generated: Array,
    training: Array,
    rng: np.random.Generator,
    *,
    threshold: float = 1.0 / 3.0,
    bootstrap: int = 1000,
    confidence: float = 0.95,
) -> Fraction:
    """Return the share of generated samples whose `nearest_ratio` is below the threshold.

    The interval is the percentile bootstrap over generated samples, as in arXiv 2505.17638; where
    no sample (or every one) is memorised it has no width: with N samples the share then is below
    3/N at 95 %.
    """
    threshold = arguments.real("threshold", threshold, 0.0, 1.0)
    bootstrap = arguments.integer("bootstrap", bootstrap, 1)
    confidence = arguments.below_one("confidence", arguments.positive("confidence", confidence))
    copied = nearest_ratio(generated, training) < threshold
    value = float(copied.mean())
    # Drawing N samples with replacement and counting the copies among them is one binomial draw.
    draws = rng.binomial(len(copied), value, bootstrap) / len(copied)
    low, high = np.quantile(draws, [0.5 * (1.0 - confidence), 0.5 * (1.0 + confidence)])
    return Fraction(value, float(low), float(high))


def frechet_distance(first: Array, second: Array) -> float:
    """Return |m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2)) of two tables of features (n, k).

    Squared 2-Wasserstein distance of the Gaussians with the tables' means and covariances (1/n).
    Finite samples make it positive: compare with the distance of two real sets of the same size.
    It depends on the features, which a report must name; there is no common scale with distances
    in the features of other networks.
    """
    a, b = _rows("first", first), _rows("second", second)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"second has {b.shape[1]} features, not {a.shape[1]}")
    shift = a.mean(axis=0) - b.mean(axis=0)
    roots = [_root(np.cov(table.T, bias=True).reshape(a.shape[1], -1)) for table in (a, b)]
    # Tr (C1 C2)^(1/2) is the nuclear norm of C1^(1/2) C2^(1/2).
    cross = np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum()
    total = float(shift @ shift + np.sum(roots[0] ** 2) + np.sum(roots[1] ** 2) - 2.0 * cross)
    return max(total, 0.0)


def convolution_features(
    images: Array, *, filters: int = 64, size: int = 3, seed: int = 0
) -> Array:
    """Return features of grey images by fixed random filters, shape (n, 2 filters).

    Each filter has independent normal entries of variance 1/size^2, wraps around the border, and
    is rectified; its mean and root mean square over the picture are the features.

    Parameters
    ----------
    images : array, shape (n, side, side)
    """
    pictures = arguments.table("images", images)
    if pictures.ndim != 3:
        raise ValueError(f"images must have shape (n, side, side), got {pictures.shape}")
    filters, size = arguments.integer("filters", filters, 1), arguments.integer("size", size, 1)
    rng = np.random.default_rng(seed)
    table = np.empty((len(pictures), 2 * filters))
    for j in range(filters):
        kernel = rng.standard_normal((1, size, size)) / size
        seen = np.maximum(ndimage.convolve(pictures, kernel, mode="wrap"), 0.0)
        table[:, 2 * j] = seen.mean(axis=(1, 2))
        table[:, 2 * j + 1] = np.sqrt(np.mean(seen**2, axis=(1, 2)))
    return table


def principal_features(samples: Array, reference: Array, count: int) -> Array:
    """Return the coordinates (n, count) along the leading principal directions of a reference."""
    x, known = _rows("samples", samples), _rows("reference", reference)
    count = arguments.integer("count", count, 1, known.shape[1])
    return np.asarray((x - known.mean(axis=0)) @ _principal(known)[:, :count])


class Similarity(NamedTuple):
    """Mean cosine similarity over pairs, and its standard error."""

    value: float
    error: float


def detail_similarity(
    first: Array, second: Array, reference: Array, *, components: int = 0
) -> Similarity:
    """Return the mean cosine similarity of pairs of samples, details only.

    Two networks trained on disjoint data and started from the same noise draw the same sample
    where they generalise. The mean and the `components` leading principal directions of a
    reference set are taken off first: what all samples share would hide the rest (in the spirit of
    arXiv 2505.24769, Appendix A; the cut is ours). Pairs without any detail left are not counted.

    Parameters
    ----------
    first, second : array, shape (n, ...)
    reference : array, shape (m, ...)
    components : int
    """
    a, b = _rows("first", first), _rows("second", second)
    known = _rows("reference", reference)
    if a.shape != b.shape:
        raise ValueError(f"second must have shape {a.shape} as first has, got {b.shape}")
    components = arguments.integer("components", components, 0, known.shape[1])
    rest = _principal(known)[:, components:]
    a, b = ((table - known.mean(axis=0)) @ rest for table in (a, b))
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    # Rounding leaves 1e-16 of what was taken off; that is no detail.
    seen = size > 1e-24 * max(float(np.sum(known**2)) / len(known), 1e-300)
    if seen.sum() < 2:
        raise ValueError(f"fewer than two of {len(a)} pairs have any detail left")
    cosine = np.sum(a * b, axis=1)[seen] / size[seen]
    return Similarity(float(cosine.mean()), float(cosine.std(ddof=1) / np.sqrt(len(cosine))))


def _rows(name: str, samples: Array) -> Array:
    table = arguments.table(name, samples)
    if table.ndim < 2 or table.size == 0:
        raise ValueError(f"{name} must hold samples of shape (n, ...), got shape {table.shape}")
    return table.reshape(len(table), -1)


def _principal(samples: Array) -> Array:
    """Orthonormal principal directions as columns, variance descending, shape (d, d)."""
    covariance = np.cov(samples.T, bias=True).reshape(samples.shape[1], -1)
    return np.asarray(np.linalg.eigh(covariance)[1][:, ::-1])


def _root(covariance: Array) -> Array:
    values, axes = np.linalg.eigh(covariance)
    return np.asarray((axes * np.sqrt(np.maximum(values, 0.0))) @ axes.T)
