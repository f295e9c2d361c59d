"""Every invariant of densities, distribution functions and quantiles holds, and can fail."""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.testing import invariants

# Uniform on [0, 1] with weight 3/4, and an atom at 2.
SUPPORT, ATOMS = [[0.0, 1.0]], [[2.0, 0.25]]


def density(x):
    return 0.75 * ((x >= 0.0) & (x <= 1.0))


def cdf(x):
    return 0.75 * np.clip(x, 0.0, 1.0) + 0.25 * (x >= 2.0)


def quantile(u):
    return np.where(u <= 0.75, u / 0.75, 2.0)


def g(z):
    return 0.75 * (np.log(1.0 - z) - np.log(-z)) + 0.25 / (2.0 - z)


def names(findings):
    return {finding.name for finding in invariants.failed(findings)}


def density_findings(f=density, **options):
    given = {"atoms": ATOMS, "masses": [0.75], "moments": [0.875, 1.25], **options}
    return invariants.check_density(f, SUPPORT, **given)


def test_a_right_law_has_no_finding():
    assert names(density_findings()) == set()
    assert names(invariants.check_cdf(cdf, SUPPORT, atoms=ATOMS, density=density)) == set()
    assert names(invariants.check_quantile(quantile, SUPPORT, atoms=ATOMS, cdf=cdf)) == set()
    together = {"stieltjes": g, "density": density, "cdf": cdf, "quantile": quantile}
    assert names(invariants.check_consistency(SUPPORT, atoms=ATOMS, **together)) == set()


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda x: density(x) + 0.1 * (x > 1.0), "density = 0 off the support"),
        (lambda x: density(x) - 2.0 * ((x > 0.1) & (x < 0.3)), "density >= 0"),
        (lambda x: (1.0 + 1e-6) * density(x), "mass of density and atoms = 1"),
        (lambda x: (1.0 + 1e-6) * density(x), "mass of an interval"),
        (lambda x: density(x) * (0.9 + 0.2 * x), "moment 1 of the density"),
        (lambda x: density(x) * (1.0 + 1e-3 * (x**2 - x + 1 / 6)), "moment 2 of the density"),
    ],
)
def test_each_invariant_of_a_density_can_fail(f, name):
    assert name in names(density_findings(f))


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda x: np.maximum(cdf(x), 1e-6), "cdf = 0 below the support"),
        (lambda x: 0.9 * cdf(x), "cdf = 1 above the support"),
        (lambda x: cdf(x) - 0.3 * ((x > 0.4) & (x < 0.7)), "cdf never falls"),
        (lambda x: 1.1 * cdf(x), "0 <= cdf <= 1"),
        (lambda x: cdf(x) + 0.01 * np.clip(x - 1.0, 0.0, 1.0), "cdf is flat in a gap"),
        (lambda x: cdf(x) + 0.25 * ((x >= 1.5) & (x < 2.0)), "jump of the cdf at an atom"),
        (lambda x: 0.75 * np.clip(x, 0, 1) ** 2 + 0.25 * (x >= 2), "cdf differs by the density"),
    ],
)
def test_each_invariant_of_a_distribution_function_can_fail(f, name):
    assert name in names(invariants.check_cdf(f, SUPPORT, atoms=ATOMS, density=density))


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda u: quantile(1.0 - u), "quantile never falls"),
        (lambda u: quantile(u) - 0.1, "quantile >= lower end"),
        (lambda u: 1.1 * quantile(u), "quantile <= upper end"),
        (lambda u: 0.9 * quantile(u), "cdf reaches u at its quantile"),
        (lambda u: 1.1 * quantile(u), "cdf is below u before its quantile"),
    ],
)
def test_each_invariant_of_a_quantile_can_fail(f, name):
    assert name in names(invariants.check_quantile(f, SUPPORT, atoms=ATOMS, cdf=cdf))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (
            {"density": lambda x: density(x) * (0.9 + 0.2 * x)},
            "g = integral of the density/(x - z)",
        ),
        ({"quantile": lambda u: quantile(u) + 0.1}, "g = mean of 1/(Q(u) - z)"),
        ({"cdf": lambda x: cdf(x - 0.01)}, "cdf differs by the density"),
    ],
)
def test_functions_of_two_laws_are_told_apart(change, name):
    together = {"stieltjes": g, "density": density, "cdf": cdf, "quantile": quantile, **change}
    assert name in names(invariants.check_consistency(SUPPORT, atoms=ATOMS, **together))


def test_hard_edges_and_thin_bulks_are_integrated():
    law = rs.SampleCovariance(1.0, rs.PopulationSpectrum.isotropic()).spectrum()
    assert names(invariants.check_density(law.density, law.support, masses=law.masses)) == set()


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: invariants.check_density(density, SUPPORT, masses=[0.5, 0.5]), "masses"),
        (lambda: invariants.check_density(1.0, SUPPORT), "density"),
        (lambda: invariants.check_cdf(cdf, []), "support"),
        (lambda: invariants.check_quantile(quantile, SUPPORT, rtol=2.0), "rtol"),
        (lambda: invariants.check_consistency(SUPPORT, cdf=cdf), "density"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(call, name):
    with pytest.raises((TypeError, ValueError), match=rf"^{name} must"):
        call()
