"""What is exact for a model: moments against Wick's theorem, bounds and ranks against its law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtspec as rs
from rmtspec.testing import invariants
from rmtspec.testing.known import Known
from rmtspec.testing.moments import moments_of_cumulants
from rmtspec.testing.strategies import random_feature_grams, sample_covariances


def by_wick(gram):
    """tr U/p and tr U²/p, contraction by contraction."""
    a2, b2, v2, s2 = gram.c2, gram.b2, gram.v2, gram.s2
    psi_p, psi_n = gram.psi_p, gram.psi_n
    one, two = gram.population.moment(1), gram.population.moment(2)
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
    return [s2 + v2 + a2 * one + b2, second]


@given(random_feature_grams())
def test_first_two_moments_are_those_of_wicks_theorem(gram):
    assert invariants.gram_moments(gram) == pytest.approx(by_wick(gram), rel=1e-13)


@given(sample_covariances())
def test_three_moments_of_a_sample_covariance_have_their_closed_form(matrix):
    c, (one, two, three) = matrix.ratio, (matrix.population.moment(k) for k in (1, 2, 3))
    exact = [one, two + c * one**2, three + 3.0 * c * one * two + c**2 * one**3]
    assert invariants.covariance_moments(matrix) == pytest.approx(exact, rel=1e-13)


def test_cumulants_of_a_semicircle_give_catalan_numbers():
    assert moments_of_cumulants([0, 1, 0, 0, 0, 0]).tolist() == [0, 1, 0, 2, 0, 5]


@given(st.one_of(sample_covariances(), random_feature_grams(given=st.booleans())))
def test_known_intervals_hold_the_law_and_known_atoms_are_its_atoms(matrix):
    known, law = Known.of(matrix), matrix.spectrum()
    assert known.atoms[:, 1].sum() == pytest.approx(law.atoms[:, 1].sum(), abs=1e-11)
    for low, high in law.support:
        inside = (known.support[:, 0] <= low * (1 + 1e-9)) & (
            high <= known.support[:, 1] * (1 + 1e-9)
        )
        assert np.any(inside)


def test_model_whose_kernel_is_exact_is_refused():
    with pytest.raises(TypeError, match="model must be a RandomFeatureModel"):
        invariants.check_random_feature(lambda z: -1.0 / z, "model")
    with pytest.raises(TypeError, match="matrix must be a SampleCovariance"):
        invariants.check_sample_covariance(lambda z: -1.0 / z, rs.PopulationSpectrum([1.0]))
