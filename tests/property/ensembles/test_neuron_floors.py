"""Properties of the law with a floor for every neuron, over random parameters."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rmtspec.ensembles.neuron_floors import NeuronFloorsGram
from rmtspec.solve.pointwise import PointwiseLaw

LOG = st.floats(-3.0, 3.0)


@st.composite
def grams(draw: st.DrawFn) -> NeuronFloorsGram:
    """Any matrix: directions, rest modes (or none) and neurons over six decades."""

    def positive(least: int, most: int) -> np.ndarray:
        return 10.0 ** np.array(draw(st.lists(LOG, min_size=least, max_size=most)))

    mu, neurons = np.sort(positive(1, 6)), draw(st.integers(1, 5))
    rest = positive(0, 4)
    return NeuronFloorsGram(
        10.0 ** draw(st.floats(-1.0, 2.0)),
        mu,
        10.0 ** np.array(draw(st.lists(st.floats(-2.0, 0.5), min_size=mu.size, max_size=mu.size))),
        rest / rest.sum() if rest.size else rest,
        positive(neurons, neurons),
        positive(neurons, neurons),
        positive(neurons, neurons) if rest.size else np.zeros(neurons),
    )


@given(grams(), st.lists(LOG, min_size=1, max_size=8))
@settings(max_examples=60)
def test_law_has_mass_one_a_positive_density_and_a_rising_distribution(gram, logs) -> None:
    law = PointwiseLaw(gram)
    x = gram.mean * 10.0 ** np.sort(logs)
    below, density = law.cdf(x), law.density(x)
    assert np.all(density > 0.0)
    # rounding of a sum of logarithms of some 1/ψ_p directions
    assert np.all(np.diff(below) >= -1e-13)
    # Markov's inequality: mass 1e-12 at most above 1e12 times the mean
    assert law.cdf(1e12 * gram.mean) >= 1.0 - 2e-10
    assert law.cdf(0.5 * gram.floors.min()) <= 1e-8


@given(grams(), LOG, st.floats(-6.0, 2.0))
@settings(max_examples=60)
def test_transform_is_that_of_a_positive_measure_above_the_least_floor(gram, at, height) -> None:
    z = gram.mean * 10.0**at * (1.0 + 1j * 10.0**height)
    g, least = PointwiseLaw(gram).stieltjes(z), gram.floors.min()
    assert g.imag > 0.0
    assert ((z - least) * g).imag >= -1e-10 * abs((z - least) * g)
    assert abs(g) <= (1.0 + 1e-10) / z.imag


@given(grams(), st.floats(0.5, 20.0))
@settings(max_examples=30)
def test_law_scales_with_the_matrix(gram, by) -> None:
    larger = NeuronFloorsGram(
        gram.psi_p, gram.mu * by, gram.weight, gram.rest, gram.floors * by, gram.scales,
        gram.shares * by,
    )  # fmt: skip
    x = gram.mean * np.array([0.1, 1.0, 5.0])
    np.testing.assert_allclose(
        PointwiseLaw(larger).cdf(by * x), PointwiseLaw(gram).cdf(x), rtol=0, atol=1e-9
    )
