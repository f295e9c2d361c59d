r"""Contours around a positive spectrum on which relaxing modes stay bounded.

A function f of a matrix with spectrum in [m, M] is a contour integral over its resolvent,

.. math::  f(U)=-\frac1{2\pi i}\oint f(z)(U-z)^{-1}dz .

Training gives functions that are bounded in a *region of stability* around the spectrum and grow
without limit outside: :math:`e^{-\tau z}` in the right half plane, powers of 1 − z in a disk.
A `Region` is a conformal map ζ(z) of the region onto the right half plane that takes the real axis
to itself and 0 to 0.  The half plane without a slit [m, M] is a ring, and

.. math::  \zeta(x)=M\,\mathrm{dn}(x+i\theta;\kappa),\qquad \kappa'=m/M,

maps the strip 0 < θ < K' onto it: θ = 0 is the slit, θ = K' the imaginary axis.  The curve
halfway, θ = K'/2, is the same for all times, and the trapezoidal rule in x, being one for a
periodic function analytic in a strip of half-width K'/2, converges as :math:`e^{-\pi K'N/K}`
with N nodes on the upper half, :math:`K/K'\simeq\frac2\pi\ln(4M/m)`.  By Poisson summation

.. math::  \mathrm{dn}(x;\kappa)=\frac\pi{2K'}\sum_{j}\mathrm{sech}\Big(\frac\pi{2K'}(x-2jK)\Big),

which is what is evaluated: no digits are lost however large M/m.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_LEAST_RATIO = 3.0  # a narrower slit is widened, so that few terms of the sum are enough
_TERMS = 10
_SPAN = 40.0  # terms that far off are below rounding


class Region(Protocol):
    """Conformal map of a region of stability onto the right half plane."""

    @property
    def far(self) -> float:
        """Where the region ends on the real axis."""

    def forward(self, z: float) -> float:
        """Image ζ > 0 of a real point z > 0 of the region, inf at its far end."""

    def inverse(self, zeta: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """Points z and dz/dζ at ζ in the first quadrant."""


@dataclass(frozen=True)
class HalfPlane:
    """Where exp(−τz) stays bounded: Re z > 0."""

    @property
    def far(self) -> float:
        """Nowhere."""
        return np.inf

    def forward(self, z: float) -> float:
        """Return z itself."""
        return z

    def inverse(self, zeta: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """Return ζ itself."""
        return zeta, np.ones_like(zeta)


@dataclass(frozen=True)
class Disk:
    """Where powers of 1 − z/radius stay bounded: ``|z − radius| < radius``."""

    radius: float

    @property
    def far(self) -> float:
        """The diameter."""
        return 2.0 * self.radius

    def forward(self, z: float) -> float:
        """Möbius transform that fixes 0 with slope 1 and takes 2·radius to infinity."""
        rest = 1.0 - 0.5 * z / self.radius
        return z / rest if rest > 0.0 else np.inf

    def inverse(self, zeta: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """Inverse of the Möbius transform."""
        scale = 1.0 / (1.0 + 0.5 * zeta / self.radius)
        return zeta * scale, scale * scale


@dataclass(frozen=True)
class Ellipse:
    r"""Where both roots of :math:`\rho^2-(1+\beta-z/r)\rho+\beta=0` lie in the unit disk.

    With :math:`\rho=e^{-\omega}` the region is :math:`z=r(1-e^{-\omega})(1-\beta e^\omega)`,
    Re ω > 0, an ellipse of semi-axes r(1 ± β) with 0 at its vertex.  Its map onto the half plane is
    :math:`\zeta=\mathrm{sn}(K\omega/L;k)` with :math:`L=-\frac12\ln\beta` and K'/K = π/L: the
    larger root ρ turns into the smaller one at ω → 2L − ω, where sn is even, and z is 2πi-periodic.

    Parameters
    ----------
    radius : float > 0, r
    beta : float in (0, 1)
    """

    radius: float
    beta: float

    @property
    def far(self) -> float:
        """The long axis."""
        return 2.0 * self.radius * (1.0 + self.beta)

    @property
    def _half_width(self) -> float:
        return -0.5 * np.log(self.beta)

    @property
    def _moduli(self) -> tuple[float, float]:
        """K and k², from the nome exp(−π²/L) or the complementary nome exp(−L)."""
        width = self._half_width
        if width < np.pi:
            second, third = _thetas(np.pi / width)
            square = (second / third) ** 4
            return 0.5 * np.pi * third**2, square
        second, third = _thetas(width / np.pi)
        rest = (second / third) ** 4
        return 0.5 * width * third**2, 1.0 - rest

    def forward(self, z: float) -> float:
        """Image of z on the real axis: sn below the foci, 1/dn between them, 1/(k sn) above."""
        from scipy.special import ellipj

        width, (quarter, square) = self._half_width, self._moduli
        if z > 0.5 * self.far:  # the reflection at the centre takes ζ to 1/(kζ)
            inverse = np.sqrt(square) * self.forward(self.far - z) if z < self.far else 0.0
            return float(1.0 / inverse) if inverse > 0.0 else np.inf
        trace = 1.0 + self.beta - z / self.radius
        discriminant = trace * trace - 4.0 * self.beta
        if discriminant > 0.0:
            small = 0.5 * (trace - np.sqrt(discriminant))
            omega = -np.log1p(-z / (self.radius * (1.0 - small)))
            return float(ellipj(quarter * omega / width, square)[0])
        angle = np.arctan2(np.sqrt(-discriminant), trace)
        shifted = (0.5 * angle - np.pi * np.arange(-_TERMS, _TERMS + 1)) * np.pi / width
        decay = np.exp(-np.abs(shifted))
        total = float((decay / (1.0 + decay * decay)).sum())
        return quarter / (np.pi * total) if total > 0.0 else np.inf

    def inverse(self, zeta: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """Inverse map by the elliptic integral of the first kind."""
        from scipy.special import elliprf

        width, (quarter, square) = self._half_width, self._moduli
        one, two = 1.0 - zeta * zeta, 1.0 - square * zeta * zeta
        integral = zeta * elliprf(one, two, 1.0)
        omega = integral * (width / quarter)
        z = self.radius * np.expm1(-omega) * np.expm1(omega - 2.0 * width)
        slope = 2.0 * self.radius * np.sqrt(self.beta) * np.sinh(width - omega)
        return z, slope * (width / quarter) / (np.sqrt(one) * np.sqrt(two))


def _thetas(spread: float) -> tuple[float, float]:
    """Theta constants θ_2 and θ_3 of the nome exp(−π·spread), spread >= 1."""
    j = np.arange(8)
    second = 2.0 * np.exp(-np.pi * spread * (j + 0.5) ** 2).sum()
    third = 1.0 + 2.0 * np.exp(-np.pi * spread * (j[1:]) ** 2).sum()
    return float(second), float(third)


@dataclass(frozen=True)
class Contour:
    """Nodes on the upper half of a contour and their weights.

    For f real on the real axis, :math:`f(U)=2\\,\\mathrm{Re}\\sum_jw_jf(z_j)(U-z_j)^{-1}`.

    Attributes
    ----------
    points, weights : (N,) complex
    """

    points: ComplexArray
    weights: ComplexArray


def slit_ratio(lower: float, upper: float, region: Region) -> float:
    """Ratio of the ends of the spectrum's image in the half plane, which sets the node count."""
    return region.forward(upper) / region.forward(lower)


def nodes_needed(ratio: float, digits: float) -> int:
    """Nodes on the upper half for a trapezoidal error of about 10^-digits; 1e9 if out of reach."""
    if not ratio < 1e150:
        return 10**9
    period, _ = _period(ratio)
    return int(np.ceil(np.log(10.0) * digits * period / np.pi**2))


def half_plane_contour(
    lower: float, upper: float, count: int, region: Region, height: float = 0.5
) -> Contour:
    """Contour around [lower, upper], 0 < lower <= upper, halfway to the region's boundary.

    `height` in (0, 1) is θ/K': the contour hugs the slit as it goes to 0.
    """
    near, far = region.forward(lower), region.forward(upper)
    ratio = far / near
    period, size = _period(ratio)
    size *= np.sqrt(near) * np.sqrt(far) * np.sqrt(max(ratio, _LEAST_RATIO))
    x = period * (np.arange(count) + 0.5) / (2.0 * count)
    terms = int(np.ceil(_SPAN / period))
    along = x - period * np.arange(-terms, terms + 1)[:, None]
    # cosh w and sinh w of w = along − iφ, both times 2 exp(−|Re w|), which never overflows
    cosine, sine = np.cos(0.5 * np.pi * height), np.sin(0.5 * np.pi * height)
    decay, gone = np.exp(-np.abs(along)), -np.expm1(-2.0 * np.abs(along))
    left = np.copysign(gone, along)
    cosh = (2.0 - gone) * cosine - 1j * (sine * left)
    sinh = left * cosine - 1j * (sine * (2.0 - gone))
    each = 2.0 * decay / cosh
    zeta = size * each.sum(0)
    slope = size * (-each * sinh / cosh).sum(0)
    z, derivative = region.inverse(zeta)
    # Counterclockwise is against x: on the upper half x runs from the right end to the left.
    step = period / (2.0 * count)
    return Contour(z, -(step / (2j * np.pi)) * slope * derivative)


def _period(ratio: float) -> tuple[float, float]:
    """πK/K' and π/(2K') of the modulus with κ' = 1/ratio."""
    from scipy.special import ellipk, ellipkm1

    square = 1.0 / max(ratio, _LEAST_RATIO) ** 2
    across, along = ellipk(square), ellipkm1(square)
    return float(np.pi * along / across), float(0.5 * np.pi / across)
