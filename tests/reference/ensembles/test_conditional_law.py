"""The law of U at fixed data: nested laws, counting, edges."""

from __future__ import annotations

import mpmath
import pytest
from mpmath import mp, mpf

from rmtspec.reference import conditional, random_feature, sample_covariance

COEFFICIENTS = (0.40625, 0.0078125, 0.0390625, 0.00390625)
# psi_p, psi_n, eigenvalues of X Xᵀ/n, weights.
DATA = {
    "more samples than dimensions": (8, 4, [0.25, 1.0, 2.0], None),
    "fewer samples than dimensions": (3, 0.5, [0.0, 1.0, 2.0], [0.5, 0.25, 0.25]),
    "rank deficient": (3, 1.5, [0.0, 0.5, 1.0], [0.25, 0.5, 0.25]),
    "p = d + n": (3, 2, [0.5, 1.5], None),
    "few features": (0.5, 2, [0.5, 1.5], None),
}
everywhere = pytest.mark.parametrize("data", DATA.values(), ids=DATA.keys())


@pytest.mark.parametrize(
    "model",
    [
        (8, 4, [1.0], None, *COEFFICIENTS),
        (3, 0.5, [0.5, 1.5], [0.25, 0.75], *COEFFICIENTS),
        (2, 1, [0.5, 1.5], None, 0.5, 0.25, 0.0, 0.0),
    ],
    ids=["psi_n > 1", "psi_n < 1", "linear activation"],
)
def test_averaging_over_the_data_gives_the_theorem(model):
    psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2 = model
    with mpmath.workdps(60):
        z = mp.mpc(0.5, 0.0625)
        k = random_feature.solve(z, *model).k
        u = mpf(v2) / psi_n
        kappa = (k + b2) * (k + u) / k
        # A block contributes a function of ς with one pole at -κ, so that its average over the law
        # of c² X Xᵀ/n needs that law's transform at -κ only.
        population = [c2 * mpf(t) for t in eigenvalues]
        assert mp.im(-kappa) > 0
        g = sample_covariance.solve(-kappa, 1 / mpf(psi_n), population, weights).g
        blocks = k + (b2 * u - k * k) * g
        rest = (psi_n - 1) * k * u / (k + u)
        # Five terms of size one, each from roots good to 1e-50.
        assert abs(s2 - psi_p * k + blocks + rest - z) < mpf(10) ** -47


@everywhere
def test_root_lies_in_the_half_plane_and_solves_silverstein_in_the_block_spectrum(data):
    psi_p, psi_n, eigenvalues, weights = data
    c2, b2, v2, s2 = COEFFICIENTS
    with mpmath.workdps(60):
        shares = weights or [mpf(1) / len(eigenvalues)] * len(eigenvalues)
        for z in (mp.mpc(0.25, 1e-12), mp.mpc(1, 0.5)):
            at = conditional.solve(z, *data, *COEFFICIENTS)
            assert mp.im(at.q) > 0
            assert mp.im(at.s) > 0
            u = mpf(v2) / psi_n
            law = []
            for w, t in zip(shares, eigenvalues, strict=True):
                trace = c2 * mpf(t) + b2 + u
                root = mp.sqrt(trace**2 - 4 * b2 * u)
                law += [((trace + root) / 2, w), ((trace - root) / 2, w)]
            law.append((u, psi_n - 1))
            rise = mp.fsum(mass * at.k * mu / (at.k + mu) for mu, mass in law)
            assert abs(s2 - psi_p * at.k + rise - z) < mpf(10) ** -46


@everywhere
def test_masses_of_bulks_and_atom_sum_to_one(data):
    psi_p, psi_n, *_ = data
    bulks = conditional.bulks(*data, *COEFFICIENTS, digits=20)
    atom = max(0.0, 1 - (1 + psi_n) / psi_p)
    assert float(sum(bulk.mass for bulk in bulks) + atom) == pytest.approx(1, abs=1e-15)
    ends = [end for bulk in bulks for end in (bulk.left, bulk.right)]
    assert ends == sorted(ends)
    assert ends[0] >= 0


@everywhere
def test_density_is_positive_inside_and_zero_outside_every_edge(data):
    floorless = (*COEFFICIENTS[:3], 0)
    for bulk in conditional.bulks(*data, *floorless, digits=20):
        for end, outward in ((bulk.left, -1), (bulk.right, 1)):
            if end == 0:
                continue
            step = outward * mpf(10) ** -12
            outside = conditional.solve(end * (1 + step), *data, *floorless, digits=20)
            inside = conditional.solve(end * (1 - step), *data, *floorless, digits=20)
            assert mp.im(outside.q) == 0
            assert mp.im(inside.q) > 0


def test_counted_mass_is_the_integral_of_the_density():
    data, nodes = DATA["more samples than dimensions"], 40
    floorless = (*COEFFICIENTS[:3], 0)
    for bulk in conditional.bulks(*data, *floorless, digits=20)[1:3]:
        centre, radius = (bulk.left + bulk.right) / 2, (bulk.right - bulk.left) / 2
        total = mpf(0)
        for j in range(1, nodes + 1):
            angle = mp.pi * j / (nodes + 1)
            at = conditional.solve(centre + radius * mp.cos(angle), *data, *floorless, digits=15)
            total += mp.im(at.q) * mp.sin(angle)
        total *= radius / (nodes + 1)
        # Chebyshev's rule of the second kind is exact for sqrt(1 - x²) times polynomials; these
        # bulks are well apart, and doubling the nodes changes nothing above 1e-12.
        assert abs(total / bulk.mass - 1) < 1e-11


def test_without_samples_entering_the_law_is_that_of_the_theorem():
    data = (3, 2, [0.5, 1.5], None)
    conditioned = conditional.solve(1 + 0.25j, *data, 0, 0.5, 0.25, 0.125, digits=40)
    averaged = random_feature.solve(1 + 0.25j, *data, 0, 0.5, 0.25, 0.125, digits=40)
    assert abs(conditioned.q - averaged.q) < mpf(10) ** -38
