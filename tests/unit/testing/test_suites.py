"""Checks are found for whatever is law-like, and become tests; Hypothesis knows the classes."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import rmtspec as rs
from rmtspec.ensembles.random_feature import RandomFeatureGram
from rmtspec.testing import invariants
from rmtspec.testing.registration import register

ROOT = Path(__file__).parents[3]
POPULATION = rs.PopulationSpectrum([0.5, 2.0])
SUBJECTS = [
    rs.SampleCovariance(0.5, POPULATION),
    rs.SampleCovariance(3.0, POPULATION).spectrum(),
    rs.RandomFeatureModel(6.0, 2.0, 0.1, "erf", POPULATION),
    RandomFeatureGram(0.7, 2.0, POPULATION, 0.4, 0.1, 0.1, 0.01),
    scipy.stats.beta(2.5, 1.5),
]


@invariants.parametrize(SUBJECTS)
def test_whatever_is_law_like_passes_all_checks_that_apply(subject, check):
    check()


def test_checks_follow_what_an_object_has():
    assert set(invariants.checks_for(SUBJECTS[0])) == {
        "sample_covariance", "stieltjes", "density", "cdf", "quantile", "consistency",
        "linear_statistic",
    }  # fmt: skip
    assert {"random_feature", "learning_curves"} <= set(invariants.checks_for(SUBJECTS[2]))
    assert set(invariants.checks_for(SUBJECTS[4])) == {"density", "cdf", "quantile", "consistency"}
    with pytest.raises(TypeError, match="subject must be law-like"):
        invariants.checks_for(object())


def test_a_wrong_law_is_raised_with_its_findings():
    class Wrong:
        support = np.array([[-2.0, 2.0]])

        def stieltjes(self, z):
            return 0.5 * (-np.sqrt(z - 2.0) * np.sqrt(z + 2.0) - z)

    assert invariants.failed(invariants.check(Wrong()))
    with pytest.raises(invariants.InvariantError, match="wrong branch"):
        invariants.check(Wrong(), raise_=True)
    loose = invariants.check(Wrong(), rtol=1.0)
    assert len(invariants.failed(loose)) < len(invariants.failed(invariants.check(Wrong())))


def test_entry_point_registers_strategies_for_the_public_classes():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["hypothesis"]["rmtspec"].partition(":")
    assert getattr(import_module(module), name) is register


register()


@given(st.from_type(rs.PopulationSpectrum), st.from_type(rs.SpectralLaw))
def test_types_are_drawn(population, law):
    assert isinstance(population, rs.PopulationSpectrum)
    assert isinstance(law, rs.SpectralLaw)


@pytest.mark.parametrize(
    "kind", [rs.SampleCovariance, rs.RandomFeatureModel, rs.NoiseSchedule, rs.LinearDenoiser]
)
def test_every_registered_class_is_drawn_as_itself(kind):
    @given(st.from_type(kind))
    def draw(value):
        assert isinstance(value, kind)

    draw()


def test_invariants_need_neither_hypothesis_nor_pytest():
    code = (
        "import sys; from rmtspec.testing import invariants; "
        "print(*(name for name in ('hypothesis', 'pytest') if name in sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.split() == []
