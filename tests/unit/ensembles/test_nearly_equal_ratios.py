"""Ratios that are far apart, or nearly equal to each other or to 1: no difference is rounded away.

The references are solved at 50 digits from the same floats.
"""

from __future__ import annotations

import numpy as np
import pytest

import rmtspec as rs
from rmtspec.ensembles.conditional_feature import ConditionalFeatureGram
from rmtspec.ensembles.random_feature import RandomFeatureGram
from rmtspec.reference import conditional, random_feature

ISOTROPIC = rs.PopulationSpectrum.isotropic()


def relative_error(gram: RandomFeatureGram, z: complex, reference=random_feature) -> float:
    exact = reference.solve(
        z, gram.psi_p, gram.psi_n, gram.population.eigenvalues.tolist(),
        gram.population.weights.tolist(), gram.c2, gram.b2, gram.v2, gram.s2, digits=50,
    )  # fmt: skip
    return float(abs(exact.q - complex(gram.solve(z).q)) / abs(exact.q))


@pytest.mark.parametrize(("psi_p", "psi_n"), [(1e-6, 1e9), (1e-3, 1e6), (0.0658, 3048.0)])
def test_a_small_ratio_is_not_rounded_away_beside_a_large_one(psi_p, psi_n):
    """The mass of H is psi_n: psi_p is fifteen decades below it, and decides the imaginary part."""
    model = rs.RandomFeatureModel(psi_p, psi_n, 0.1, "hermite2")
    z = complex(model.floor + model.spectrum().edges[-1, 1] * (0.5 + 1.3j))
    error = relative_error(model.ensemble, z)
    assert error <= float(model.resolvent(z).error) <= 1e-12


@pytest.mark.parametrize("psi_p", [1e-6, 1e-3, 1.0, 1e5 + 1.0])
def test_given_data_keep_a_small_ratio_beside_very_many_samples(psi_p):
    population = rs.PopulationSpectrum([0.5, 1.5])
    gram = ConditionalFeatureGram(psi_p, 1e5, population, 0.5, 0.01, 0.3, 0.0)
    for z in (0.2 + 0.3j, 1e-3 + 1e-4j):
        error = relative_error(gram, z, conditional)
        assert error <= float(gram.solve(z).error) <= 1e-10


@pytest.mark.parametrize(
    ("psi_p", "psi_n"),
    [(1.5180257354600561, 0.5180257354600563), (2.0 + 1e-13, 1.0), (3.0, 2.0 + 3e-14)],
)
def test_bound_holds_where_the_mass_of_modes_is_psi_p_but_for_rounding(psi_p, psi_n):
    """A hard edge by the rounding of the ratios is solved as one, and the bound says so."""
    for activation in ("hermite5", "tanh"):
        gram = rs.RandomFeatureModel(psi_p, psi_n, 0.2, activation).ensemble
        for scale in (1e-26, 1e-22, 1e-12, 1e-3):
            z = scale * (1.0 + 0.7j)
            moved = RandomFeatureGram(psi_p, psi_n, ISOTROPIC, gram.c2, gram.b2, gram.v2, 0.0)
            found = moved.solve(z, rtol=1.0)
            assert relative_error_of(found, moved, z) <= float(found.error)


def relative_error_of(found, gram: RandomFeatureGram, z: complex) -> float:
    exact = random_feature.solve(z, gram.psi_p, gram.psi_n, [1.0], [1.0], gram.c2, gram.b2,
                                 gram.v2, gram.s2, digits=50)  # fmt: skip
    return float(abs(exact.q - complex(found.q)) / abs(exact.q))


@pytest.mark.parametrize("excess", [1e-14, -1e-14, 1e-10, -1e-10, 1e-6, -1e-6, 1e-4])
@pytest.mark.parametrize("activation", ["erf", "hermite2", "linear", "relu"])
@pytest.mark.parametrize("near", ["psi_p = 1 + psi_n", "psi_p = psi_n", "psi_p = 1", "psi_n = 1"])
def test_law_keeps_mass_and_moment_next_to_every_equality(near, activation, excess):
    psi_p, psi_n = 2.7, 1.9
    if near == "psi_p = 1 + psi_n":
        psi_p = (1.0 + psi_n) * (1.0 + excess)
    elif near == "psi_p = psi_n":
        psi_p = psi_n * (1.0 + excess)
    elif near == "psi_p = 1":
        psi_p = 1.0 + excess
    else:
        psi_n = 1.0 + excess
    model = rs.RandomFeatureModel(psi_p, psi_n, 0.005, activation)
    law, at = model.spectrum(), model.coefficients
    mean = at.s**2 + at.v**2 + at.b**2 + at.c**2
    assert np.abs(law.mass_defect).max() < 1e-12
    assert law.moment(1) == pytest.approx(mean, rel=1e-11)
    assert law.masses.sum() + law.atoms[:, 1].sum() == pytest.approx(1.0, abs=1e-14)


def test_lowest_edge_next_to_a_hard_one_is_the_square_of_the_exact_difference():
    """For even activations the law is that of Marchenko and Pastur with edges v²(1 ∓ √P/ψ_n)²."""
    psi_n = 2.8745707530349063
    psi_p = 2.874570753035362
    model = rs.RandomFeatureModel(psi_p, psi_n, 0.01, "hermite2")
    root = (psi_p - psi_n) / (np.sqrt(psi_p) + np.sqrt(psi_n))  # psi_p − psi_n is exact
    exact = model.ensemble.v2 / psi_n * root**2
    assert model.spectrum().edges[0, 0] == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize(("psi_p", "psi_n"), [(1e6, 1e-3), (1e9, 1e-5)])
def test_a_small_mass_at_the_top_keeps_its_digits(psi_p, psi_n):
    law = rs.RandomFeatureModel(psi_p, psi_n, 0.01, "hermite2").spectrum()
    assert law.masses.sum() == pytest.approx(psi_n / psi_p, rel=1e-14)


@pytest.mark.parametrize("excess", [-1e-14, -1e-9, -1e-3])
def test_covariance_next_to_ratio_one_keeps_the_transform_at_zero(excess):
    """g(0) = E[1/λ] = 1/(1 − c) for the identity."""
    ratio = 1.0 + excess
    law = rs.SampleCovariance(ratio, ISOTROPIC).spectrum()
    assert complex(law.stieltjes(0.0)).real == pytest.approx(1.0 / (1.0 - ratio), rel=1e-13)


@pytest.mark.parametrize("excess", [1e-14, 1e-9])
def test_atom_of_a_covariance_next_to_ratio_one_keeps_its_digits(excess):
    ratio = 1.0 + excess
    law = rs.SampleCovariance(ratio, ISOTROPIC).spectrum()
    assert law.atoms[0, 1] == pytest.approx((ratio - 1.0) / ratio, rel=1e-13)


def test_given_data_have_no_bulk_of_rounding_where_psi_p_is_psi_n():
    """The mass above the gap is psi_n = psi_p: what lies below has none."""
    dimension, samples = 33, 65
    population = rs.PopulationSpectrum(np.geomspace(20.0, 400.0, dimension))
    gram = ConditionalFeatureGram(
        samples / dimension, samples / dimension, population, 1e-28, 1e-28, 0.5, 0.1
    )
    law = gram.spectrum()
    assert law.masses.tolist() == pytest.approx([1.0], abs=1e-13)
    assert len(law.atoms) == 0
    assert law.moment(0) == pytest.approx(1.0, abs=1e-12)


def test_families_survive_a_small_ratio_beside_a_large_one():
    """Masses are compared with psi_p, not with psi_n."""
    families = rs.RandomFeatureModel(1e-6, 1e9, 0.1).families
    assert [(family.name, family.mass) for family in families] == [("fast", pytest.approx(1.0))]


@pytest.mark.parametrize("b2", [0.0, 0.02])
@pytest.mark.parametrize(("psi_p", "psi_n"), [(6.2e6, 1.3e-6), (2.5e5, 0.33), (1e9, 1e-9)])
def test_shrinkage_next_to_its_pole_has_a_bound_of_its_own(psi_p, psi_n, b2):
    """y = k/(k + u) with k = −u(1 + O(sqrt(psi_n/psi_p))): q keeps all digits, y does not."""
    gram = RandomFeatureGram(psi_p, psi_n, ISOTROPIC, 0.0, b2, 0.45, 0.0)
    low, high = gram.spectrum().edges[-1]
    for share in (0.1, 0.37, 0.5, 0.8):
        z = complex(low + (high - low) * share)
        found = gram.equations.solve(np.array([z]))
        start = 1.0 / (psi_p * found.k[0]), 1 / found.y[0]
        exact = random_feature.solve(
            z, psi_p, psi_n, [1.0], [1.0], 0.0, b2, 0.45, 0.0, digits=50, start=start
        )
        q_off = abs(1.0 - 1.0 / (psi_p * complex(found.k[0]) * exact.q))
        y_off = abs(complex(found.y[0]) * exact.D - 1.0)
        assert q_off <= found.error[0] <= 1e-12
        assert y_off <= found.y_error[0] <= 100.0 * found.error[0] * np.sqrt(psi_p / psi_n)


def test_given_data_bound_the_shrinkage_apart_from_the_trace():
    population = rs.PopulationSpectrum([0.5, 1.5])
    gram = ConditionalFeatureGram(1e8, 1e2, population, 0.1, 0.02, 0.3, 0.0)
    edges = gram.spectrum().edges
    z = edges[:, :1] + np.array([0.2, 0.5, 0.9]) * (edges[:, 1:] - edges[:, :1])
    found = gram.equations.solve(z.ravel().astype(complex))
    amplified = found.y_error / found.error
    for x, k, y, error, y_error in zip(
        z.ravel(), found.k, found.y, found.error, found.y_error, strict=True
    ):
        exact = conditional.solve(
            x, 1e8, 1e2, [0.5, 1.5], [0.5, 0.5], 0.1, 0.02, 0.3, 0.0, digits=50,
            start=1.0 / (1e8 * k),
        )  # fmt: skip
        true = 1 / (1e8 * exact.q)
        assert abs(complex(k) / true - 1.0) <= error
        assert abs(complex(y) * (true + 0.3 / 1e2) / true - 1.0) <= y_error
    assert amplified.max() > 100.0
    assert amplified.min() < 2.0


def test_what_does_not_feel_the_data_converges_whatever_the_digits_of_the_shrinkage():
    gram = RandomFeatureGram(1e9, 1e-9, ISOTROPIC, 0.0, 0.0, 0.45, 0.0)
    low, high = gram.spectrum().edges[-1]
    found = gram.solve(complex(0.4 * low + 0.6 * high, 1e-3 * (high - low)))
    assert found.converged
    assert found.error <= 1e-12
    assert 1e-8 < found.y_error <= 1e-4
