"""Random populations, ensembles and laws for the tests, and traces known in closed form."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

import rmtspec as rs
from rmtspec.ensembles.random_feature import RandomFeatureGram

ACTIVATIONS = ("tanh", "erf", "sign", "relu", "linear")


def powers_of_ten(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers spread evenly over decades, the exact powers of ten at the ends included."""
    return st.floats(low, high).map(lambda exponent: 10.0**exponent)


@st.composite
def populations(draw: st.DrawFn, zeros: bool = True, most: int = 5) -> rs.PopulationSpectrum:
    """One to five atoms over four decades, often with a zero eigenvalue or an equal pair."""
    eigenvalues = draw(st.lists(powers_of_ten(-2.0, 2.0), min_size=1, max_size=most))
    if draw(st.integers(0, 4)) == 0:
        eigenvalues.append(eigenvalues[0])
    if zeros and draw(st.integers(0, 4)) == 0:
        eigenvalues.append(0.0)
    size = len(eigenvalues)
    weights = draw(st.lists(powers_of_ten(-2.0, 0.0), min_size=size, max_size=size))
    return rs.PopulationSpectrum(eigenvalues, weights)


@st.composite
def ratios(draw: st.DrawFn) -> tuple[float, float]:
    """(psi_p, psi_n), a tenth each on the lines where the law changes its kind."""
    psi_p, psi_n = draw(powers_of_ten(-1.3, 2.3)), draw(powers_of_ten(-1.3, 2.3))
    kind = draw(st.integers(0, 9))
    if kind == 0:
        psi_p = psi_n
    elif kind == 1:
        psi_p = 1.0 + psi_n
    elif kind == 2:
        psi_n = 1.0
    return psi_p, psi_n


@st.composite
def grams(draw: st.DrawFn) -> RandomFeatureGram:
    """Random-feature matrices with free scalars, each of which may vanish."""
    psi_p, psi_n = draw(ratios())
    scalars = [
        0.0 if draw(st.integers(0, 9)) == 0 else draw(powers_of_ten(low, 0.5))
        for low in (-1.0, -3.0, -3.0, -3.0)
    ]
    return RandomFeatureGram(psi_p, psi_n, draw(populations()), *scalars)


@st.composite
def models(draw: st.DrawFn) -> rs.RandomFeatureModel:
    """Random-feature models over six decades of time."""
    psi_p, psi_n = draw(ratios())
    t, activation = draw(powers_of_ten(-5.0, 1.0)), draw(st.sampled_from(ACTIVATIONS))
    return rs.RandomFeatureModel(psi_p, psi_n, t, activation, draw(populations()))


@st.composite
def covariances(draw: st.DrawFn) -> rs.SampleCovariance:
    """Sample covariance matrices, a fifth of them with as many samples as dimensions."""
    ratio = 1.0 if draw(st.integers(0, 4)) == 0 else draw(powers_of_ten(-2.0, 2.0))
    return rs.SampleCovariance(ratio, draw(populations()))


ensembles = st.one_of(covariances(), grams(), models())
laws = ensembles.map(lambda ensemble: ensemble.spectrum())


def ends(law: rs.SpectralLaw) -> tuple[float, float]:
    """Smallest and largest point of the support."""
    points = np.concatenate([law.support.ravel(), law.atoms[:, 0]])
    return float(points.min()), float(points.max())


@st.composite
def laws_with_points(
    draw: st.DrawFn, count: int, lowest: float = -4.0
) -> tuple[rs.SpectralLaw, np.ndarray]:
    """A law and points of the upper half plane over its bulks, at heights of many decades."""
    law = draw(laws)
    low, high = ends(law)
    span = high - low if high > low else max(abs(high), 1.0)
    points = []
    for _ in range(count):
        x = float(law.quantile(draw(st.floats(0.0, 1.0)))) + span * draw(st.floats(-0.3, 0.3))
        points.append(complex(x, span * draw(powers_of_ten(lowest, 1.0))))
    return law, np.array(points)


def gram_moments(gram: RandomFeatureGram) -> tuple[float, float]:
    """tr U/p and tr U²/p by Wick's theorem, for n, p, d -> inf."""
    a2, b2, v2, s2 = gram.c2, gram.b2, gram.v2, gram.s2
    psi_p, psi_n = gram.psi_p, gram.psi_n
    one, two = gram.population.moment(1), gram.population.moment(2)
    first = s2 + v2 + a2 * one + b2
    second = (
        s2**2
        + 2.0 * s2 * (a2 * one + v2 + b2)
        + a2**2 * (psi_p * two + one**2)
        + 2.0 * a2 * v2 * one
        + v2**2
        + psi_p / psi_n * (a2 * one + v2) ** 2
        + 2.0 * b2 * (a2 * one * (1.0 + psi_p) + v2)
        + b2**2 * (1.0 + psi_p)
    )
    return first, second


def covariance_moments(matrix: rs.SampleCovariance) -> tuple[float, float, float]:
    """tr S/d, tr S²/d and tr S³/d: free cumulants of the Marchenko-Pastur law."""
    c, (one, two, three) = matrix.ratio, (matrix.population.moment(k) for k in (1, 2, 3))
    return one, two + c * one**2, three + 3.0 * c * one * two + c**2 * one**3


def marchenko_pastur_density(x: np.ndarray, ratio: float, variance: float = 1.0) -> np.ndarray:
    """Closed form for an isotropic population."""
    low, high = (variance * (1.0 + sign * np.sqrt(ratio)) ** 2 for sign in (-1.0, 1.0))
    inside = np.clip((high - x) * (x - low), 0.0, None)
    return np.sqrt(inside) / (2.0 * np.pi * variance * ratio * x)


def scale_of(law: rs.SpectralLaw) -> float:
    """A length of the order of the largest eigenvalue."""
    return max(abs(end) for end in ends(law)) or 1.0
