"""Fluctuations of random features against 25-digit solutions on a plain circle.

Another form of the equations, another contour, exact derivatives of f, and the logarithm by the
shortest way: log D is the principal one where D stays in the right half plane.
"""

import numpy as np
import pytest
from mpmath import mp

import rmtspec as rs
from rmtspec.ensembles.random_feature import RandomFeatureGram
from rmtspec.reference._arguments import Gram
from rmtspec.reference.two_resolvents import RandomData

ATOMS, WEIGHTS = (0.5, 1.5), (0.5, 0.5)
NODES = 48


@pytest.mark.parametrize("ratios", [(2.0, 4.0), (0.5, 1.0), (4.0, 2.0)])
def test_mean_shift_and_covariance_are_those_of_a_plain_circle(ratios):
    psi_p, psi_n = ratios
    scalars = (0.5, 0.25, 0.25, 8.0)
    gram = RandomFeatureGram(psi_p, psi_n, rs.PopulationSpectrum(ATOMS, WEIGHTS), *scalars)
    law = gram.spectrum()
    found = law.fluctuations(np.log, lambda x: x * x, lambda x: np.exp(-x / 4.0))
    low, high = (float(end) for end in (law.support[0, 0], law.support[-1, 1]))
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    radius = np.sqrt(half * middle)
    with mp.workdps(25):
        model = Gram(*map(mp.mpf, ratios), ATOMS, WEIGHTS, *map(mp.mpf, scalars))
        data, angles = (
            RandomData(model, [], 20),
            [(2 * j + 1) * mp.pi / NODES for j in range(NODES)],
        )
        steps = [radius * mp.expj(angle) for angle in angles]
        upper = [data.solve(middle + step, None) for step in steps[: NODES // 2]]
        nodes = [*upper, *(node.conjugate() for node in reversed(upper))]
        table = np.array([[complex(mp.log(data.determinant(a, b))) for b in nodes] for a in nodes])
    step = np.array([complex(each) for each in steps])
    z = middle + step
    slopes = (
        np.array([1.0 / z, 2.0 * z, -0.25 * np.exp(-z / 4.0)]) * 1j * step * 2.0 * np.pi / NODES
    )
    assert np.abs(table.imag).max() < 1.5  # no branch is near
    shift = -(slopes @ np.diag(table)) / (4j * np.pi)
    covariance = slopes @ table @ slopes.T / (2.0 * np.pi**2)
    rate = max(half / radius, radius / middle)
    scale = np.sqrt(np.diag(covariance.real))
    # the trapezoidal rule, by the nearer singularity (spectrum within, 0 without); the solutions
    tolerance = 100.0 * rate**NODES + 1e-11
    np.testing.assert_array_less(np.abs(shift - found.mean), tolerance * scale)
    np.testing.assert_array_less(
        np.abs(covariance - found.covariance), tolerance * np.outer(scale, scale)
    )
