"""Hypothesis strategies for populations, activations, matrices, models, laws and points over them.

Every argument is a strategy, by keyword, with a default.  The defaults cover some decades and
draw, a tenth of the time each, the lines on which a law changes its kind: psi_p = psi_n,
psi_p = 1 + psi_n, n = d; zero eigenvalues, equal eigenvalues, and parts that vanish.

With the extra ``rmtspec[testing]`` installed, ``st.from_type(rs.PopulationSpectrum)`` and the same
of the other classes draw from here.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from ..ensembles.conditional_feature import ConditionalFeatureGram
from ..ensembles.random_feature import RandomFeatureGram
from ..ensembles.sample_covariance import SampleCovariance
from ..inputs.noise import NoiseSchedule
from ..inputs.population import PopulationSpectrum
from ..law import SpectralLaw
from ..linear.denoiser import LinearDenoiser
from ..random_features.model import RandomFeatureModel

T = TypeVar("T")
Strategy = st.SearchStrategy
ComplexArray = NDArray[np.complex128]

ACTIVATIONS = ("tanh", "erf", "sign", "relu", "linear")


def chosen(given: Strategy[T] | None, default: Strategy[T]) -> Strategy[T]:
    """The strategy given, or the default; a strategy has no truth value that `or` might ask."""
    return default if given is None else given


def powers_of_ten(low: float, high: float) -> Strategy[float]:
    """Numbers spread evenly over decades, the exact powers of ten at the ends included.

    Examples
    --------
    >>> from rmtspec.testing import strategies
    >>> strategies.powers_of_ten(-2.0, 2.0).validate()
    """
    return st.floats(low, high).map(lambda exponent: 10.0**exponent)


def one_in(count: int) -> Strategy[bool]:
    """True once in so many draws; shrinks to False."""
    return st.integers(0, count - 1).map(lambda drawn: drawn == count - 1)


def sometimes_zero(
    numbers: Strategy[float], *, zeros: Strategy[bool] | None = None
) -> Strategy[float]:
    """The numbers, a tenth of them replaced by 0."""
    return st.builds(
        lambda number, zero: 0.0 if zero else number, numbers, chosen(zeros, one_in(10))
    )


@st.composite
def populations(
    draw: st.DrawFn,
    *,
    eigenvalues: Strategy[float] | None = None,
    weights: Strategy[float] | None = None,
    atoms: Strategy[int] | None = None,
    repeats: Strategy[bool] | None = None,
    zeros: Strategy[bool] | None = None,
) -> PopulationSpectrum:
    """Population spectra.

    Parameters
    ----------
    eigenvalues, weights : positive numbers; by default four decades and two
    atoms : how many are drawn; by default 1 to 5
    repeats, zeros : whether one of them comes twice, and whether 0 is one as well; by default a
        fifth each

    Examples
    --------
    >>> from hypothesis import find
    >>> from rmtspec.testing import strategies
    >>> find(strategies.populations(), lambda population: True)
    PopulationSpectrum([1], weights=[1])
    """
    values = chosen(eigenvalues, powers_of_ten(-2.0, 2.0))
    count = draw(chosen(atoms, st.integers(1, 5)))
    listed = draw(st.lists(values, min_size=count, max_size=count))
    if draw(chosen(repeats, one_in(5))):
        listed.append(listed[0])
    if draw(chosen(zeros, one_in(5))):
        listed.append(0.0)
    size = len(listed)
    shares = draw(st.lists(chosen(weights, powers_of_ten(-2.0, 0.0)), min_size=size, max_size=size))
    return PopulationSpectrum(listed, shares)


def activations(*, names: Strategy[str] | None = None) -> Strategy[str]:
    """Names of activations, odd, even-part and linear ones among them."""
    return chosen(names, st.sampled_from(ACTIVATIONS))


@st.composite
def loads(
    draw: st.DrawFn,
    *,
    psi_p: Strategy[float] | None = None,
    psi_n: Strategy[float] | None = None,
    equalities: Strategy[str | None] | None = None,
) -> tuple[float, float]:
    """(psi_p, psi_n) = (p/d, n/d).

    Parameters
    ----------
    psi_p, psi_n : positive numbers; by default 0.05 to 200
    equalities : "p = n", "p = n + d", "n = d" or None; by default a tenth each
    """
    spread = powers_of_ten(-1.3, 2.3)
    features, samples = draw(chosen(psi_p, spread)), draw(chosen(psi_n, spread))
    tenths = [None] * 7 + ["p = n", "p = n + d", "n = d"]
    equality = draw(chosen(equalities, st.sampled_from(tenths)))
    if equality == "p = n":
        features = samples
    elif equality == "p = n + d":
        features = 1.0 + samples
    elif equality == "n = d":
        samples = 1.0
    return features, samples


def sample_covariances(
    *,
    ratios: Strategy[float] | None = None,
    populations_: Strategy[PopulationSpectrum] | None = None,
) -> Strategy[SampleCovariance]:
    """Sample covariance matrices, a fifth of them with as many samples as dimensions."""
    usual = st.builds(
        lambda ratio, equal: 1.0 if equal else ratio, powers_of_ten(-2.0, 2.0), one_in(5)
    )
    return st.builds(SampleCovariance, chosen(ratios, usual), chosen(populations_, populations()))


@st.composite
def random_feature_grams(
    draw: st.DrawFn,
    *,
    loads_: Strategy[tuple[float, float]] | None = None,
    populations_: Strategy[PopulationSpectrum] | None = None,
    c2: Strategy[float] | None = None,
    b2: Strategy[float] | None = None,
    v2: Strategy[float] | None = None,
    s2: Strategy[float] | None = None,
    given: Strategy[bool] | None = None,
) -> RandomFeatureGram:
    """Random-feature matrices with free parts, each of which may vanish.

    Parameters
    ----------
    loads_ : pairs (psi_p, psi_n)
    populations_ : population spectra
    c2, b2, v2, s2 : numbers >= 0; by default up to 3, a tenth of them 0
    given : whether the population is the spectrum of given data; by default never
    """
    psi_p, psi_n = draw(chosen(loads_, loads()))
    population = draw(chosen(populations_, populations()))
    drawn = [
        draw(chosen(part, sometimes_zero(powers_of_ten(low, 0.5))))
        for part, low in ((c2, -1.0), (b2, -3.0), (v2, -3.0), (s2, -3.0))
    ]
    if draw(chosen(given, st.just(False))):
        rank = float(population.weights[population.eigenvalues > 0.0].sum())
        return ConditionalFeatureGram(psi_p, max(psi_n, rank), population, *drawn)
    return RandomFeatureGram(psi_p, psi_n, population, *drawn)


@st.composite
def random_feature_models(
    draw: st.DrawFn,
    *,
    loads_: Strategy[tuple[float, float]] | None = None,
    times: Strategy[float] | None = None,
    activations_: Strategy[str] | None = None,
    populations_: Strategy[PopulationSpectrum] | None = None,
) -> RandomFeatureModel:
    """Random-feature models; by default over six decades of diffusion time."""
    psi_p, psi_n = draw(chosen(loads_, loads()))
    t, activation = (
        draw(chosen(times, powers_of_ten(-5.0, 1.0))),
        draw(chosen(activations_, activations())),
    )
    return RandomFeatureModel(
        psi_p, psi_n, t, activation, draw(chosen(populations_, populations()))
    )


Matrix = SampleCovariance | RandomFeatureGram | RandomFeatureModel


def ensembles() -> Strategy[Matrix]:
    """Sample covariances, random-feature matrices and random-feature models."""
    return st.one_of(sample_covariances(), random_feature_grams(), random_feature_models())


def laws(*, ensembles_: Strategy[Matrix] | None = None) -> Strategy[SpectralLaw]:
    """Spectral laws of random matrices."""
    return chosen(ensembles_, ensembles()).map(lambda ensemble: ensemble.spectrum())


def ends(law: SpectralLaw) -> tuple[float, float]:
    """Smallest and largest point of the support, atoms included."""
    points = np.concatenate([law.support.ravel(), law.atoms[:, 0]])
    return float(points.min()), float(points.max())


@st.composite
def points(
    draw: st.DrawFn,
    law: SpectralLaw,
    *,
    count: Strategy[int] | None = None,
    fractions: Strategy[float] | None = None,
    aside: Strategy[float] | None = None,
    heights: Strategy[float] | None = None,
) -> ComplexArray:
    """Points of the upper half plane over the bulks of a law and beside them.

    Parameters
    ----------
    law : SpectralLaw
    count : how many; by default 1 to 6
    fractions : the quantiles over which they lie; by default all of [0, 1]
    aside : how far beside those, in widths of the law; by default up to 0.3
    heights : above the real axis, in widths of the law; by default 1e-4 to 10
    """
    low, high = ends(law)
    span = high - low if high > low else max(abs(high), 1.0)
    found = []
    for _ in range(draw(chosen(count, st.integers(1, 6)))):
        x = float(law.quantile(draw(chosen(fractions, st.floats(0.0, 1.0)))))
        x += span * draw(chosen(aside, st.floats(-0.3, 0.3)))
        found.append(complex(x, span * draw(chosen(heights, powers_of_ten(-4.0, 1.0)))))
    return np.array(found)


@st.composite
def laws_with_points(
    draw: st.DrawFn,
    *,
    laws_: Strategy[SpectralLaw] | None = None,
    count: Strategy[int] | None = None,
    heights: Strategy[float] | None = None,
) -> tuple[SpectralLaw, ComplexArray]:
    """A law and `points` over it."""
    law = draw(chosen(laws_, laws()))
    return law, draw(points(law, count=count, heights=heights))


def noise_schedules(
    *, betas: Strategy[float] | None = None, steps: Strategy[int] | None = None
) -> Strategy[NoiseSchedule]:
    """Noise schedules of a few steps."""
    each = chosen(betas, powers_of_ten(-4.0, -0.5))
    return chosen(steps, st.integers(1, 20)).flatmap(
        lambda count: st.lists(each, min_size=count, max_size=count).map(NoiseSchedule)
    )


def linear_denoisers(
    *,
    populations_: Strategy[PopulationSpectrum] | None = None,
    samples: Strategy[float] | None = None,
    ridges: Strategy[float] | None = None,
) -> Strategy[LinearDenoiser]:
    """Affine denoisers; by default a fifth with n = d, a tenth without a ridge."""
    usual = st.builds(
        lambda load, equal: 1.0 if equal else load, powers_of_ten(-2.0, 3.0), one_in(5)
    )
    return st.builds(
        LinearDenoiser,
        chosen(populations_, populations()),
        chosen(samples, usual),
        chosen(ridges, sometimes_zero(powers_of_ten(-6.0, 1.0))),
    )
