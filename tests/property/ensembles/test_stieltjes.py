"""What every Stieltjes transform of a probability law obeys, and what only an exact solver does.

The solver promises 1e-8 of relative error, and reports less; identities between values at heights
of at least 1e-4 of the support are held to SHARP.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rmtspec.testing import invariants
from rmtspec.testing.strategies import (
    ends,
    laws,
    laws_with_points,
    powers_of_ten,
    random_feature_grams,
    sample_covariances,
)
from tests.laws import scale_of

SHARP = 1e-10


def transform_of(matrix):
    """g of a matrix."""
    return matrix.spectrum().stieltjes


def pieces(law):
    """Bulks, and atoms as intervals of no width."""
    return np.concatenate([law.support, law.atoms[:, [0, 0]]])


@given(laws_with_points(count=st.just(6)))
def test_transform_is_that_of_a_probability_measure_on_the_support(case):
    law, z = case
    moments = [law.moment(k) for k in (1, 2, 3)]
    invariants.check_stieltjes(
        law.stieltjes, pieces(law), z, atoms=law.atoms, moments=moments, rtol=SHARP, raise_=True
    )


@given(sample_covariances())
def test_transform_of_a_sample_covariance_is_what_moments_ranks_and_limits_say(matrix):
    g = transform_of(matrix)
    invariants.check_sample_covariance(g, matrix, solve=transform_of, rtol=SHARP, raise_=True)


@given(random_feature_grams(given=st.booleans()))
def test_transform_of_random_features_is_what_moments_ranks_and_limits_say(gram):
    g = transform_of(gram)
    invariants.check_random_feature(g, gram, solve=transform_of, rtol=SHARP, raise_=True)


@given(laws())
def test_transform_density_and_distribution_describe_one_law(law):
    held = law.support if law.support.size else law.atoms[:, [0, 0]]
    invariants.check_consistency(
        held, stieltjes=law.stieltjes, density=law.density, cdf=law.cdf, quantile=law.quantile,
        atoms=law.atoms, rtol=1e-9, raise_=True,
    )  # fmt: skip


@given(laws_with_points(count=st.just(4)))
def test_conjugate_points_have_exactly_conjugate_values(case):
    law, z = case
    assert np.array_equal(law.stieltjes(z.conj()), law.stieltjes(z).conj())


@given(laws(), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_off_the_support_the_transform_is_real_and_increasing(law, first, second):
    low, high = ends(law)
    gaps = [(low - scale_of(law), low), (high, high + scale_of(law))]
    gaps += [(a, b) for a, b in zip(law.support[:-1, 1], law.support[1:, 0], strict=True)]
    for a, b in gaps:
        x = a + (b - a) * np.sort([first, second])
        if b - a <= 1e-9 * scale_of(law) or np.any(np.isin(x, [a, b, *law.atoms[:, 0]])):
            continue
        g = law.stieltjes(x)
        assert np.all(g.imag == 0.0)
        if x[1] - x[0] > 1e-6 * (b - a):
            assert g.real[1] > g.real[0]
        distance = np.minimum(x - a, b - x)
        height = 1e-3 * distance
        above = law.stieltjes(x + 1j * height)
        # |g'| <= 1/distance² off the support
        assert np.all(np.abs(above - g) <= 1.01 * height / distance**2 + SHARP * np.abs(g))


@settings(max_examples=15)
@given(laws_with_points(count=st.just(1), heights=powers_of_ten(-1.0, 1.0)), st.floats(0.3, 3.0))
def test_greater_height_is_a_cauchy_smoothing_of_a_smaller_one(case, factor):
    law, (z,) = case
    more = factor * z.imag
    # x' = x + η tan θ turns the Cauchy kernel into the uniform one; the trapezoidal rule converges
    # geometrically, at a rate set by the ratio of the heights
    theta = np.pi * (np.arange(400) + 0.5) / 400 - 0.5 * np.pi
    smoothed = law.stieltjes(z.real + more * np.tan(theta) + 1j * z.imag).imag.mean()
    direct = complex(law.stieltjes(z + 1j * more)).imag
    assert abs(smoothed - direct) <= 1e-9 * direct
