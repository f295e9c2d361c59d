"""What every Stieltjes transform of a probability law on [L, R] obeys.

The solver promises 1e-8 of relative error, and reports less; identities between values at heights
of at least 1e-4 of the support are held to SHARP.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import (
    covariance_moments,
    covariances,
    ends,
    gram_moments,
    grams,
    laws,
    laws_with_points,
    scale_of,
)

SHARP = 1e-10


@given(laws_with_points(6))
def test_upper_half_plane_is_mapped_into_itself_and_positive_measures_stay_positive(case):
    law, z = case
    low, high = ends(law)
    g = law.stieltjes(z)
    assert np.all(g.imag > 0.0)
    slack = SHARP * np.abs(g) * (np.abs(z) + scale_of(law))
    assert np.all(((z - low) * g).imag >= -slack)
    assert np.all(((high - z) * g).imag >= -slack)


@given(laws_with_points(6))
def test_modulus_is_at_most_the_inverse_distance_to_the_support(case):
    law, z = case
    pieces = [*law.support.tolist(), *([x, x] for x in law.atoms[:, 0])]
    nearest = min_distance(z, pieces)
    g = np.abs(law.stieltjes(z))
    assert np.all(g <= (1.0 + SHARP) / nearest)
    assert np.all(nearest >= z.imag)


def min_distance(z, pieces):
    """Distance of every z from the union of closed intervals."""
    return np.min([np.abs(z - np.clip(z.real, low, high)) for low, high in pieces], axis=0)


@given(laws_with_points(4))
def test_conjugate_points_have_exactly_conjugate_values(case):
    law, z = case
    assert np.array_equal(law.stieltjes(z.conj()), law.stieltjes(z).conj())


@given(st.one_of(covariances(), grams()), st.floats(0.1, 3.0))
def test_far_away_the_transform_is_that_of_a_unit_mass_at_the_mean(ensemble, angle):
    law = ensemble.spectrum()
    moments = covariance_moments if hasattr(ensemble, "ratio") else gram_moments
    first, second, *_ = moments(ensemble)
    scale = scale_of(law)
    z = 1e4 * scale * np.exp(1j * angle)
    g = complex(law.stieltjes(z))
    # g = -(1 + m1/z + m2/z² + ...)/z; the next term, and rounding magnified by z², bound the rest
    assert abs(-z * g - 1.0) <= 1.001 * first / abs(z) + 1e-12
    assert abs(-z * (z * g + 1.0) - first) <= 1.01 * second / abs(z) + 1e-13 * abs(z)
    step = 1e-3 * abs(z)
    slope = complex(law.stieltjes(z + step) - law.stieltjes(z - step)) / (2.0 * step)
    assert abs(slope * z * z - 1.0) <= 3.0 * first / abs(z) + 1e-5


@given(laws_with_points(1), st.floats(1.01, 30.0))
def test_height_times_imaginary_part_grows_and_their_ratio_falls(case, factor):
    law, (z,) = case
    lower, higher = complex(law.stieltjes(z)), complex(law.stieltjes(z.real + 1j * z.imag * factor))
    assert higher.imag * factor >= lower.imag * (1.0 - SHARP)
    assert higher.imag / factor <= lower.imag * (1.0 + SHARP)


@given(laws_with_points(2))
def test_differences_are_bounded_by_the_heights(case):
    law, (z1, z2) = case
    g1, g2 = law.stieltjes([z1, z2])
    bound = abs(z1 - z2) / (z1.imag * z2.imag)
    assert abs(g1 - g2) <= bound + SHARP * (abs(g1) + abs(g2))


@given(laws_with_points(5))
def test_pick_matrix_is_positive_semidefinite(case):
    law, z = case
    g = law.stieltjes(z)
    pick = (g[:, None] - g.conj()) / (z[:, None] - z.conj())
    size = 1.0 / np.sqrt(np.diag(pick).real)
    eigenvalues = np.linalg.eigvalsh(pick * size[:, None] * size)  # unit diagonal
    # errors of g of 1e-10 enter divided by heights, at least 1e-4 of the span of the points
    assert eigenvalues[0] >= -1e-6


@given(laws, st.floats(0.05, 0.95), st.floats(0.05, 0.95))
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
        assert np.all(above.imag <= (1.0 + 1e-9) * height / distance**2)
        assert np.all(np.abs(above - g) <= 1.01 * height / distance**2 + SHARP * np.abs(g))


@settings(max_examples=15)
@given(laws_with_points(1, lowest=-1.0), st.floats(0.3, 3.0))
def test_greater_height_is_a_cauchy_smoothing_of_a_smaller_one(case, factor):
    law, (z,) = case
    more = factor * z.imag
    # x' = x + η tan θ turns the Cauchy kernel into the uniform one; the trapezoidal rule converges
    # geometrically, at a rate set by the ratio of the heights
    theta = np.pi * (np.arange(400) + 0.5) / 400 - 0.5 * np.pi
    smoothed = law.stieltjes(z.real + more * np.tan(theta) + 1j * z.imag).imag.mean()
    direct = complex(law.stieltjes(z + 1j * more)).imag
    assert abs(smoothed - direct) <= 1e-9 * direct


@given(laws_with_points(2, lowest=-2.0))
def test_derivative_does_not_depend_on_direction(case):
    law, z = case
    step = 1e-4 * z.imag
    along = (law.stieltjes(z + step) - law.stieltjes(z - step)) / (2.0 * step)
    across = (law.stieltjes(z + 1j * step) - law.stieltjes(z - 1j * step)) / (2j * step)
    # central differences err by step² g'''/6, |g'''| <= 6/η⁴, in either direction, and by rounding
    assert np.all(
        np.abs(along - across) <= 3e-8 / z.imag**2 + 1e-9 * np.abs(law.stieltjes(z)) / step
    )


@given(laws_with_points(4, lowest=-2.0))
def test_transform_is_the_integral_of_the_density_over_the_distance(case):
    law, z = case
    for point, value in zip(z, law.stieltjes(z), strict=True):
        integral = law.integrate(lambda x, point=point: 1.0 / (x - point))
        assert abs(integral - value) <= 1e-9 * abs(value) + 1e-9 / abs(point.imag) * 1e-3


@given(laws)
def test_height_times_transform_at_an_atom_tends_to_its_mass(law):
    for location, mass in law.atoms:
        others = [abs(x - location) for x in law.support.ravel() if x != location]
        near = min(others, default=1.0)
        if law.edges.size and law.edges[0, 0] == 0.0:  # a hard edge at the atom
            continue
        eta = 1e-6 * near
        value = complex(law.stieltjes(location + 1j * eta)) * -1j * eta
        # the rest of the mass, at least `near` away, adds at most η/near; ulps of x count
        blur = 4.0 * np.spacing(location) / eta
        assert abs(value - mass) <= 1.1e-6 + 2.0 * blur
