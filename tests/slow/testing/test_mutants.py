"""Forty wrong solvers are found by invariants alone, and right ones have no finding.

RMTSPEC_INVARIANT_CASES=10000 draws that many cases of the package's own solver.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rmtspec as rs
from rmtspec.ensembles.conditional_feature import ConditionalFeatureGram
from rmtspec.ensembles.random_feature import RandomFeatureGram
from rmtspec.testing import invariants
from rmtspec.testing.strategies import random_feature_grams, sample_covariances
from tests.slow.testing import mutants

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("RMTSPEC_INVARIANT_CASES", "300"))
LEAST = 38


def families():
    """(solver, its mutants, matrices, check)."""
    spectrum = rs.PopulationSpectrum
    covariances = [rs.SampleCovariance(c, spectrum(t, w)) for c, t, w in mutants.COVARIANCES]
    drawn = [RandomFeatureGram(p, n, spectrum(t, w), *s) for p, n, t, w, *s in mutants.GRAMS]
    data = [
        ConditionalFeatureGram(p, n, spectrum(t, w), *s) for p, n, t, w, *s in mutants.GIVEN_DATA
    ]
    covariance, feature = invariants.check_sample_covariance, invariants.check_random_feature
    return [
        (mutants.covariance_solver, mutants.COVARIANCE_MUTANTS, covariances, covariance),
        (mutants.feature_solver, mutants.FEATURE_MUTANTS, drawn, feature),
        (mutants.given_solver, mutants.GIVEN_MUTANTS, data, feature),
    ]


def test_small_solvers_are_right_before_they_are_mutated():
    for make, _, matrices, check in families():
        for matrix in matrices:
            check(make({})(matrix), matrix, solve=make({}), raise_=True)


def test_mutants_of_the_equations_are_caught_by_invariants_alone():
    caught, survived = 0, []
    with np.errstate(all="ignore"):
        for make, changed, matrices, check in families():
            for name, change in changed.items():
                solve = make(change)
                found = [invariants.failed(check(solve(matrix), matrix)) for matrix in matrices]
                caught += any(found)
                survived += [] if any(found) else [name]
    print(f"{caught} of {caught + len(survived)} mutants caught, {survived} survived")
    assert caught + len(survived) == 40
    assert caught >= LEAST, survived


@settings(max_examples=CASES, derandomize=True)
@given(st.one_of(sample_covariances(), random_feature_grams(given=st.booleans())))
def test_right_solver_has_no_finding(matrix):
    check = invariants.check_random_feature
    if isinstance(matrix, rs.SampleCovariance):
        check = invariants.check_sample_covariance
    check(matrix.spectrum().stieltjes, matrix, raise_=True)
