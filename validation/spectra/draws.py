"""One comparison: what theory says about a setting, and the same numbers from one sampled matrix.

A comparison lists observables (name, theoretical value, allowance) and draws their values. The
allowance c is the stated size of the finite-size correction: the mean over draws may miss the
theory by 3 standard errors plus c/d, relative.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.compare.networks.feature_matrices import gaussian_equivalent, true_features
from rmtspec.result import FewDimensionsWarning
from validation.harness.draws import generator
from validation.spectra.settings import Setting

Array = NDArray[np.float64]

# c of the Gaussian equivalent and of the sample covariance: a linear statistic of a real Gaussian
# matrix has corrections of relative order 1/d; measured 0.05 to 1.4 at d = 100 and 200.
GAUSSIAN_ALLOWANCE = 2.0
# c of true features, c0 + c1 |s^2 + v^2 y|^2 |dq/dz|. Neuron i has its own Gamma_i^2 = Gamma^2
# |W_i|^2/d, of relative variance 2/d, so that its self-energy s_i^2 + v_i^2 y (y = 1/D) in
# R_ii = 1/(s_i^2 + v_i^2 y + ... - z) varies from neuron to neuron. To second order the mean of
# R_ii is q at z moved by q times the variance of the self-energy, a relative change of q by |dq/dz|
# times this variance: c1 = 2 theta^2, theta = d log s^2/d log Gamma^2, at most 1.42 for s^2 and
# 1.27 for v^2 with the activations and times used here. c0 stands for the norms of the samples,
# which act alike with smaller weight (measured 0.1 to 3). Both are multiplied by d/PR, PR the
# participation ratio of the population: the variances are 2/PR.
TRUE_ALLOWANCE = (4.0, 4.0)
# Where c/d reaches this, at points inside the smeared atom, the expansion in 1/d has lost its
# meaning; no comparison is allowed to miss by more.
LARGEST_MISS = 0.5
OUTLIER_ALLOWANCE = 8.0
# Edges of a finite matrix fluctuate by p^(-2/3): only gaps this wide must separate exactly.
GAUSSIAN_GAP = 1.5
TRUE_GAP = 2.5


@dataclass(frozen=True)
class Observable:
    """A number that theory predicts; `allowance` is c, and counts are exact (c = 0)."""

    name: str
    theory: complex
    allowance: float


@dataclass(frozen=True)
class Sample:
    """Values of the observables in one draw, and the bound on Mehler's remainder (true matrix)."""

    values: NDArray[np.complex128]
    truncation: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """Observables of one setting at one size, and how to draw them (`order` is Mehler's)."""

    observables: tuple[Observable, ...]
    draw: Callable[[np.random.Generator, int], Sample]


def compare(
    setting: Setting, matrix: str, dimension: int, seed: int, device: str = "cpu"
) -> Comparison:
    """Return the comparison for `setting` with d = `dimension`; `matrix` as in Setting.matrices.

    On the device "cuda" the matrices of random data are made and diagonalised by PyTorch.
    """
    if setting.kind == "covariance":
        return _covariance(setting, dimension, device)
    if setting.kind == "conditional":
        return _conditional(setting, matrix, dimension, seed, device)
    model = rs.RandomFeatureModel(
        setting.psi_p, setting.psi_n, setting.t, setting.activation, setting.spectrum()
    )
    if setting.kind == "outlier":
        return _outliers(setting, matrix, dimension, model, device)
    return _features(setting, matrix, dimension, model, device)


def gaussian_data(rng: np.random.Generator, samples: int, eigenvalues: Array) -> Array:
    """Return `samples` rows of centred Gaussian data with diagonal covariance."""
    return np.sqrt(eigenvalues) * rng.standard_normal((samples, len(eigenvalues)))


def _features(
    setting: Setting, matrix: str, dimension: int, model: rs.RandomFeatureModel, device: str
) -> Comparison:
    points, thresholds, observables = _spectral_observables(setting, matrix, dimension, model)
    neurons, samples = _sizes(setting, dimension)
    eigenvalues = setting.finite_spectrum(dimension)

    def draw(rng: np.random.Generator, order: int) -> Sample:
        w = rng.standard_normal((neurons, dimension))
        x = gaussian_data(rng, samples, eigenvalues)
        u, truncation = _feature_matrix(rng, w, x, matrix, model, setting, order, device)
        return Sample(_spectral_values(_eigenvalues(u), points, thresholds), truncation)

    return Comparison(observables, draw)


def _conditional(
    setting: Setting, matrix: str, dimension: int, seed: int, device: str
) -> Comparison:
    neurons, samples = _sizes(setting, dimension)
    rng = generator(seed, setting.name, dimension, "data")
    x = gaussian_data(rng, samples, setting.finite_spectrum(dimension))
    x -= x.mean(axis=0)
    with warnings.catch_warnings():
        # How far the law can be trusted at few effective dimensions is what is measured here.
        warnings.simplefilter("ignore", FewDimensionsWarning)
        model = rs.RandomFeatureModel.from_data(
            x, setting.psi_p, setting.t, setting.activation, kernel="gaussian"
        )
    points, thresholds, observables = _spectral_observables(setting, matrix, dimension, model)

    def draw(rng: np.random.Generator, order: int) -> Sample:
        w = rng.standard_normal((neurons, dimension))
        u, truncation = _feature_matrix(rng, w, x, matrix, model, setting, order, device)
        return Sample(_spectral_values(_eigenvalues(u), points, thresholds), truncation)

    return Comparison(observables, draw)


def _outliers(
    setting: Setting, matrix: str, dimension: int, model: rs.RandomFeatureModel, device: str
) -> Comparison:
    found = model.outliers()
    locations = np.concatenate([found.location, found.slow_location])
    overlaps = np.concatenate([found.overlap, found.slow_overlap])
    seen = np.isfinite(locations)
    locations, overlaps = locations[seen], overlaps[seen]
    neurons, samples = _sizes(setting, dimension)
    law = model.spectrum()
    # The rank among the eigenvalues is that of the gap: exact separation fixes the count below.
    ranks = np.minimum(np.rint(neurons * law.cdf(locations)).astype(int), neurons - 1)
    eigenvalues = setting.finite_spectrum(dimension)
    observables = []
    for location, overlap in zip(locations, overlaps, strict=True):
        observables.append(Observable("outlier - s^2", location - model.floor, OUTLIER_ALLOWANCE))
        observables.append(Observable("overlap", overlap, OUTLIER_ALLOWANCE))

    def draw(rng: np.random.Generator, order: int) -> Sample:
        w = rng.standard_normal((neurons, dimension))
        x = gaussian_data(rng, samples, eigenvalues)
        u, truncation = _feature_matrix(rng, w, x, matrix, model, setting, order, device)
        values, vectors = _eigensystem(u)
        direction = w[:, 0] / np.linalg.norm(w[:, 0])
        numbers = []
        for rank in ranks:
            numbers += [values[rank] - model.floor, float(direction @ vectors[:, rank]) ** 2]
        return Sample(np.array(numbers, dtype=np.complex128), truncation)

    return Comparison(tuple(observables), draw)


def _covariance(setting: Setting, dimension: int, device: str) -> Comparison:
    law = rs.SampleCovariance(setting.psi_p, setting.spectrum()).spectrum()
    points = _points(law, setting.levels)
    observables = tuple(
        Observable(_level_name(level), complex(value), GAUSSIAN_ALLOWANCE)
        for level, value in zip(setting.levels, law.stieltjes(points), strict=True)
    )
    samples = round(dimension / setting.psi_p)
    eigenvalues = setting.finite_spectrum(dimension)

    def draw(rng: np.random.Generator, order: int) -> Sample:
        x = gaussian_data(rng, samples, eigenvalues)
        return Sample(stieltjes(_eigenvalues(_placed(x.T @ x / samples, device)), points))

    return Comparison(observables, draw)


def stieltjes(eigenvalues: Array, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return q(z) = (1/p) sum_i 1/(lambda_i - z)."""
    return np.asarray(np.mean(1.0 / (eigenvalues[:, None] - z[None, :]), axis=0))


def _eigenvalues(matrix: Any) -> Array:
    if not isinstance(matrix, np.ndarray):
        from validation.spectra import accelerated

        return accelerated.eigenvalues(matrix)
    return np.asarray(np.linalg.eigvalsh(matrix), dtype=np.float64)


def _eigensystem(matrix: Any) -> tuple[Array, Array]:
    if not isinstance(matrix, np.ndarray):
        from validation.spectra import accelerated

        return accelerated.eigensystem(matrix)
    values, vectors = np.linalg.eigh(matrix)
    return values, vectors


def _placed(matrix: Array, device: str) -> Any:
    if device == "cpu":
        return matrix
    import torch

    return torch.tensor(matrix, device=device)


def _sizes(setting: Setting, dimension: int) -> tuple[int, int]:
    return round(setting.psi_p * dimension), round(setting.psi_n * dimension)


def _points(law: rs.SpectralLaw, levels: tuple[float, ...]) -> NDArray[np.complex128]:
    x = law.quantile(np.array(levels))
    return np.asarray(x * (1.0 + 0.3j), dtype=np.complex128)


def _level_name(level: float) -> str:
    return f"q at {100 * level:g} %"


def _feature_matrix(
    rng: np.random.Generator,
    w: Array,
    x: Array,
    matrix: str,
    model: rs.RandomFeatureModel,
    setting: Setting,
    order: int,
    device: str,
) -> tuple[Any, float]:
    """Return the matrix, as a tensor if a GPU shall treat it, and the bound on the truncation."""
    k = model.coefficients
    if device != "cpu":
        from validation.spectra import accelerated

        if matrix == "gaussian":
            omega = rng.standard_normal((len(w), len(x)))
            equivalent = accelerated.gaussian_equivalent(
                w, x, omega, device, c=k.c, b=k.b, v=k.v, s=k.s
            )
            return equivalent, 0.0
        return accelerated.true_features(
            w, x, setting.t, setting.activation, device, mean=k.mean, order=order
        )
    if matrix == "gaussian":
        omega = rng.standard_normal((len(w), len(x)))
        return gaussian_equivalent(w, x, omega, c=k.c, b=k.b, v=k.v, s=k.s), 0.0
    gram = true_features(w, x, setting.t, setting.activation, mean=k.mean, order=order)
    return gram.matrix, gram.truncation


def _spectral_observables(
    setting: Setting, matrix: str, dimension: int, model: rs.RandomFeatureModel
) -> tuple[NDArray[np.complex128], Array, tuple[Observable, ...]]:
    law = model.spectrum()
    points = _points(law, setting.levels)
    allowances = _allowances(matrix, points, model)
    observables = [
        Observable(_level_name(level), complex(q), float(c))
        for level, q, c in zip(setting.levels, model.resolvent(points).q, allowances, strict=True)
    ]
    neurons = _sizes(setting, dimension)[0]
    thresholds, below = _wide_gaps(law, matrix)
    for i, mass in enumerate(below):
        observables.append(Observable(f"count below gap {i + 1}", neurons * mass, 0.0))
    return points, thresholds, tuple(observables)


def _allowances(matrix: str, points: NDArray[np.complex128], model: rs.RandomFeatureModel) -> Array:
    if matrix == "gaussian":
        return np.full(len(points), GAUSSIAN_ALLOWANCE)
    constant, own_energy = TRUE_ALLOWANCE
    step = 1e-4 * (points - model.floor)  # three digits of a derivative are enough here
    slope = (model.resolvent(points + step).q - model.resolvent(points - step).q) / (2.0 * step)
    energy = model.floor + model.coefficients.v**2 * model.resolvent(points).y
    spread = model.population.moment(2) / model.population.mean**2
    return np.asarray(spread * (constant + own_energy * np.abs(energy) ** 2 * np.abs(slope)))


def _wide_gaps(law: rs.SpectralLaw, matrix: str) -> tuple[Array, list[float]]:
    """Thresholds inside the gaps that a finite matrix of this kind must respect, and masses below.

    A gap is wide if its ends, measured from the floor s^2, have a large enough ratio. In a true
    matrix the floor is smeared by O(d^-1/2) of itself, so the gap must also lie above it.
    """
    lower, upper = law.edges[:-1, 1], law.edges[1:, 0]
    below = law.atoms[:, 1].sum() + np.cumsum(law.masses)[:-1]
    if matrix == "gaussian":
        wide = upper > GAUSSIAN_GAP * lower
    else:
        wide = (upper > TRUE_GAP * lower) & (upper > TRUE_GAP * law.origin)
    middle = law.origin + np.sqrt(lower * upper)
    thresholds, masses = middle[wide], below[wide]
    if matrix == "gaussian" and len(law.atoms):
        thresholds = np.append(law.origin + 0.5 * law.edges[0, 0], thresholds)
        masses = np.append(law.atoms[0, 1], masses)
    return thresholds, [float(mass) for mass in masses]


def _spectral_values(
    eigenvalues: Array, points: NDArray[np.complex128], thresholds: Array
) -> NDArray[np.complex128]:
    counts = np.searchsorted(eigenvalues, thresholds).astype(np.complex128)
    return np.concatenate([stieltjes(eigenvalues, points), counts])


def relative_change(first: Sample, second: Sample) -> float:
    """Return the largest relative difference of two samples' values, zeros apart."""
    size = np.maximum(np.abs(first.values), math.ulp(0.0))
    return float(np.max(np.abs(first.values - second.values) / size))
