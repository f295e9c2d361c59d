"""The sample covariance law at fifty digits, against closed forms that use no equation."""

from __future__ import annotations

import mpmath
import pytest
from mpmath import mp, mpf

from rmtspec.reference import sample_covariance
from rmtspec.reference._arguments import CertificateError

TOLERANCE = mpf(10) ** -46
CASES = {
    "one atom": (0.5, [1.0], None),
    "ratio 1": (1, [2.0], None),
    "more dimensions than samples": (4, [0.5, 1.5], [0.25, 0.75]),
    "atoms far apart": (0.125, [1.0, 2.0**-13], None),
    "data on a subspace": (0.75, [0.0, 1.0, 2.0], [0.5, 0.25, 0.25]),
}
everywhere = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@pytest.fixture(autouse=True)
def working_precision():
    with mpmath.workdps(60):
        yield


@pytest.mark.parametrize("ratio", [0.25, 1, 4])
@pytest.mark.parametrize("z", [mp.mpc(0.5, 0.125), mp.mpc(1, 1e-12), mp.mpc(1), mp.mpc(-1)])
def test_one_atom_gives_the_closed_form_of_marchenko_and_pastur(ratio, z):
    g = sample_covariance.solve(z, ratio, [1.0]).g
    linear = ratio + z - 1
    root = mp.sqrt((linear**2 - 4 * ratio * z).real + 1j * (linear**2 - 4 * ratio * z).imag)
    branches = [(-linear + sign * root) / (2 * ratio * z) for sign in (-1, 1)]
    # Of the two branches that of a Stieltjes transform: Im g > 0, or g > 0 left of the support.
    closed = max(branches, key=lambda b: b.imag if b.imag else b.real * (abs(z * b) <= 1))
    assert abs(g - closed) < TOLERANCE * abs(closed)


@everywhere
def test_companion_swaps_dimensions_and_samples(case):
    ratio, eigenvalues, _ = case
    z = mp.mpc(0.75, 0.25)
    at = sample_covariance.solve(z, *case)
    assert abs(at.companion - (ratio * at.g - (1 - ratio) / z)) < TOLERANCE
    if len(eigenvalues) == 1:
        # XᵀX/n and X Xᵀ/n, the second in units of its own number of samples.
        t = mpf(eigenvalues[0])
        dual = sample_covariance.solve(z / ratio, 1 / mpf(ratio), [t])
        assert abs(dual.g / ratio - at.companion) < TOLERANCE


@everywhere
def test_moments_of_free_poisson_are_the_expansion_of_the_transform(case):
    order = 8
    moments = sample_covariance.moments(order, *case)
    z = mp.mpc(10**5, 10**5)
    series = -mp.fsum(m / z ** (j + 1) for j, m in enumerate(moments))
    g = sample_covariance.solve(z, *case).g
    # The remainder is at most the next moment, and m_{j+1} <= 32 m_j (the largest edge) here.
    assert abs(z * (g - series)) < 64 * moments[order] / abs(z) ** (order + 1)


@everywhere
def test_first_three_moments_are_the_known_ones(case):
    ratio, eigenvalues, weights = case
    shares = weights or [mpf(1) / len(eigenvalues)] * len(eigenvalues)
    h = [
        mp.fsum(w * mpf(t) ** j for w, t in zip(shares, eigenvalues, strict=True))
        for j in (1, 2, 3)
    ]
    known = [1, h[0], h[1] + ratio * h[0] ** 2]
    known.append(h[2] + 3 * ratio * h[0] * h[1] + ratio**2 * h[0] ** 3)
    with mpmath.workdps(60):
        for moment, expected in zip(sample_covariance.moments(3, *case), known, strict=True):
            assert abs(moment - expected) < TOLERANCE * expected


@everywhere
def test_imaginary_parts_are_positive(case):
    for z in (mp.mpc(0.5, 1e-12), mp.mpc(-2, 0.5), mp.mpc(3, 4)):
        at = sample_covariance.solve(z, *case)
        assert mp.im(at.g) > 0
        assert mp.im(at.companion) > 0
        assert mp.im(z * at.g) >= 0


@pytest.mark.parametrize("ratio", [0.25, 4])
def test_edges_of_one_atom_are_the_squares_of_one_plus_minus_root_ratio(ratio):
    for sign in (-1, 1):
        closed = (1 + sign * mp.sqrt(mpf(ratio))) ** 2
        found = sample_covariance.edge(float(closed) * (1 + 1e-9), ratio, [1.0])
        assert abs(found - closed) < TOLERANCE * closed


@pytest.mark.parametrize("case", [case for case in CASES.values() if case[0] != 1])
def test_mass_at_zero_is_what_rank_deficiency_leaves(case):
    # At ratio 1 there is no atom and g diverges like a square root.
    ratio, eigenvalues, weights = case
    shares = weights or [1 / len(eigenvalues)] * len(eigenvalues)
    null = sum(w for w, t in zip(shares, eigenvalues, strict=True) if t == 0)
    height = mpf(10) ** -40
    mass = -1j * height * sample_covariance.solve(mp.mpc(0, height), *case).g
    assert abs(mass - max(null, 1 - 1 / mpf(ratio))) < mpf(10) ** -30


def test_points_without_an_answer_are_refused():
    with pytest.raises(ValueError, match="z must not be 0"):
        sample_covariance.solve(0, 0.5, [1])
    with pytest.raises(CertificateError):
        sample_covariance.edge(1.0, 0.25, [1])
    with pytest.raises(ValueError, match="ratio must be finite and > 0"):
        sample_covariance.solve(1j, 0, [1])
