"""Contours: what they integrate, and the conformal maps of the regions of stability."""

from __future__ import annotations

import numpy as np
import pytest

from rmtspec.solve.contour import (
    Disk,
    Ellipse,
    HalfPlane,
    Region,
    half_plane_contour,
    nodes_needed,
    slit_ratio,
)

REGIONS = [
    HalfPlane(),
    Disk(0.6),
    Disk(0.503),
    Ellipse(0.6, 0.3),
    Ellipse(2.0, 0.9),
    Ellipse(1.0, 0.95),
    Ellipse(0.55, 1e-6),
]


def _reproduced(values: np.ndarray, region: Region, lower: float, digits: float) -> np.ndarray:
    """The function 1 of the eigenvalues by the contour: 2 Re sum of w/(λ − z)."""
    count = nodes_needed(slit_ratio(lower, 1.0, region), digits)
    contour = half_plane_contour(lower, 1.0, count, region)
    return 2.0 * (contour.weights / (values[:, None] - contour.points)).sum(1).real


@pytest.mark.parametrize("lower", [0.7, 1e-3, 1e-9, 1e-15])
@pytest.mark.parametrize("region", REGIONS, ids=str)
def test_contour_goes_once_around_every_eigenvalue(region: Region, lower: float) -> None:
    inside = np.geomspace(lower, 1.0, 40)
    outside = np.array([-1.0, -lower])
    # The predicted error 1e-14, times the constant of the geometric series and rounding.
    np.testing.assert_allclose(_reproduced(inside, region, lower, 14.0), 1.0, rtol=0, atol=2e-13)
    np.testing.assert_allclose(_reproduced(outside, region, lower, 14.0), 0.0, rtol=0, atol=2e-13)


@pytest.mark.parametrize("region", REGIONS, ids=str)
def test_error_falls_geometrically_at_the_predicted_rate(region: Region) -> None:
    inside = np.geomspace(1e-4, 1.0, 40)
    for digits in (3.0, 6.0, 9.0):
        error = np.abs(_reproduced(inside, region, 1e-4, digits) - 1.0).max()
        assert 0.02 * 10.0**-digits < error < 5.0 * 10.0**-digits


def test_exponential_is_integrated_at_all_times() -> None:
    values = np.geomspace(1e-6, 1.0, 50)
    count = nodes_needed(1e6, 14.0)
    contour = half_plane_contour(1e-6, 1.0, count, HalfPlane())
    for tau in (0.0, 1e-3, 1.0, 1e3, 1e6, 1e9):
        f = contour.weights * np.exp(-tau * contour.points)
        found = 2.0 * (f / (values[:, None] - contour.points)).sum(1).real
        np.testing.assert_allclose(found, np.exp(-tau * values), rtol=0, atol=2e-13)


@pytest.mark.parametrize("region", REGIONS, ids=str)
def test_map_and_inverse_agree_beside_the_real_axis(region: Region) -> None:
    for x in (1e-12, 1e-3, 0.1, 0.4, 0.9):
        zeta = region.forward(x)
        z, _ = region.inverse(np.array([zeta * (1.0 + 1e-9j)]))
        assert z[0].real == pytest.approx(x, rel=1e-7)  # elliptic functions near their ends


@pytest.mark.parametrize("region", REGIONS, ids=str)
def test_derivative_of_the_inverse_is_its_slope(region: Region) -> None:
    zeta = np.array([0.3 + 0.2j, 1.5 + 2.0j, 1e-6 + 1e-6j])
    step = 1e-5 * zeta
    slope = (region.inverse(zeta + step)[0] - region.inverse(zeta - step)[0]) / (2.0 * step)
    np.testing.assert_allclose(region.inverse(zeta)[1], slope, rtol=1e-8)  # step² = 1e-10


@pytest.mark.parametrize("beta", [0.2, 0.7, 0.95])
def test_boundary_of_the_half_plane_is_the_boundary_of_stability(beta: float) -> None:
    # On the imaginary axis the larger root of ρ² − (1 + β − z)ρ + β has modulus 1.
    z, _ = Ellipse(1.0, beta).inverse(1j * np.array([1e-3, 0.4, 1.0, 7.0]) + 1e-14)
    trace = 1.0 + beta - z
    root = np.sqrt(trace**2 - 4.0 * beta)
    largest = 0.5 * np.maximum(np.abs(trace + root), np.abs(trace - root))
    np.testing.assert_allclose(largest, 1.0, rtol=1e-12)


def test_ellipse_without_momentum_is_the_disk() -> None:
    zeta = np.array([0.3 + 0.2j, 0.01 + 0.02j, 3.0 + 1.0j])
    z = Ellipse(1.0, 1e-16).inverse(0.5 * zeta)[0]  # the maps differ by a factor 2 and by √β
    np.testing.assert_allclose(z, Disk(1.0).inverse(zeta)[0], rtol=1e-7)


def test_points_outside_the_region_lie_beyond_its_far_end() -> None:
    assert Disk(1.0).forward(2.0) == np.inf
    assert Ellipse(1.0, 0.5).forward(3.0) == np.inf
    assert nodes_needed(np.inf, 10.0) == 10**9
