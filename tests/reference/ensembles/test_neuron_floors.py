"""The law with a floor for every neuron at 30 digits, by another way than the one under test.

The unknowns are the two pulls A and B, not h and h'; they are followed down from far above by
Newton's rule with numerical derivatives in mpmath.  The fraction of eigenvalues is an integral of
the transform along a vertical line, F(x) = 1/2 − (1/π) ∫_0^∞ Re g(x + iy) dy, without a potential.
"""

from __future__ import annotations

from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest

from rmtspec.ensembles.neuron_floors import NeuronFloorsGram
from rmtspec.solve.pointwise import PointwiseLaw

PSI_P = 3
MU, WEIGHT = (0.125, 0.5, 2.0, 8.0), (1.0, 0.75, 0.5, 0.0625)
REST = (0.5, 0.25, 0.25)
FLOORS, SCALES, SHARES = (0.125, 0.25, 0.5), (0.75, 1.0, 1.25), (0.5, 0.25, 0.125)


def _gram() -> NeuronFloorsGram:
    rows = (np.array(row) for row in (MU, WEIGHT, REST, FLOORS, SCALES, SHARES))
    return NeuronFloorsGram(float(PSI_P), *rows)


def _equations(z: mp.mpc):
    def residual(a, b):
        g = [1 / (f - z + r * a + s * b) for f, r, s in zip(FLOORS, SCALES, SHARES, strict=True)]
        h = mp.mpf(PSI_P) * sum(x * r for x, r in zip(g, SCALES, strict=True)) / 3
        t = mp.mpf(PSI_P) * sum(x * s for x, s in zip(g, SHARES, strict=True)) / 3
        return (
            a - sum(w * m / (1 + h * m) for m, w in zip(MU, WEIGHT, strict=True)),
            b - sum(v / (1 + t * v) for v in REST),
        )

    return residual


def _transform(z: mp.mpc, start=None):
    """G(z) and the pulls, from those of a neighbour or followed down from far above."""
    if start is None:
        start = (mp.mpf(2), mp.mpf(1))
        for power in range(12):
            high = z + 200j / mp.mpf(4) ** power
            start = tuple(mp.findroot(_equations(high), start, tol=1e-12))
    a, b = mp.findroot(_equations(z), start, tol=1e-30)
    g = [1 / (f - z + r * a + s * b) for f, r, s in zip(FLOORS, SCALES, SHARES, strict=True)]
    assert a.imag < 0
    assert b.imag < 0
    return sum(g) / 3, (a, b)


@pytest.mark.parametrize(
    "z", [0.1 + 0.01j, 0.3 + 0.05j, 1.0 + 0.001j, 4.0 + 0.1j, 20.0 + 1j, -1.0 + 0.5j, 100j]
)
def test_transform_is_that_of_the_equations_at_thirty_digits(z: complex) -> None:
    with mp.workdps(30):
        g, _ = _transform(mp.mpc(z))
    found = PointwiseLaw(_gram()).stieltjes(z)
    # 64-bit rounding times the condition, which is largest at the lowest point
    assert abs(found - complex(g)) <= 1e-12 * abs(found)


def test_fraction_is_an_integral_of_the_transform() -> None:
    x = 0.5
    nodes, weights = np.polynomial.legendre.leggauss(14)
    total, pulls = 0.0, None
    with mp.workdps(20):
        # In log y, from above, where each point starts the next; g ~ i/y, Re g ~ 1/y² far away.
        for high, low in pairwise((18.0, 9.0, 5.0, 2.0, 0.0, -2.0, -4.0, -8.0, -20.0)):
            for node, weight in zip(nodes[::-1], weights[::-1], strict=True):
                y = mp.exp(0.5 * (high + low) + 0.5 * (high - low) * node)
                g, pulls = _transform(mp.mpc(x, y), pulls)
                total += 0.5 * (high - low) * weight * float(y * g.real)
    # what is left out is exp(-18) and exp(-20)
    assert PointwiseLaw(_gram()).cdf(x) == pytest.approx(0.5 - total / np.pi, abs=1e-7)
