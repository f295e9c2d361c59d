"""Gaussian moments of an arbitrary activation, by quadrature, with an error estimate.

The pair (X, X') = Γ(z, z') and the moments are those of `moments` beside it; `panels` cuts the
z axis into panels that resolve g(z) = σ(Γz), edges at its kinks and jumps. Three routes lead from
there, and the function decides which:

* Its Hermite coefficients α_k, k <= 400, exhaust it: v² = Σ p_k ϱ^k and s² = Σ p_k (1-ϱ^k) with
  p_k = α_k²/k!, positive terms throughout.
* They do not, but ϱ <= 0.9: the sum for v² still converges, and s² = Σ_(k>=2) p_k - v², where the
  first term is the integral of (σ - α_0 - α_1 z)².
* Otherwise (kinks, jumps, features narrow beside Γ, at small t), with X, X' = m ± δw,
  m = Γ√((1+ϱ)/2) u, δ = √(Δ/2) and u, w independent standard normal variables,

      s² = ½ E_u E_w [σ(m + δw) - σ(m - δw) - 2aδw]²,

  an integral of squares (the cross term is E[w(σ - σ)] = 2δa by Stein's lemma), done twice with
  different panels; the difference is part of the error. v² is the remainder.

Rounding enters as a vector e of norm ε = O(eps) E^½[g² + g'²], which moves a
quadratic form <g, Tg> by at most 2ε |Tg| + ε² |T|.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .moments import Array, Moments, Noising, ratio
from .panels import (
    ANALYSIS,
    MOST_PANELS,
    NODES,
    REACH,
    WEIGHTS,
    Function,
    Sampled,
    finite_values,
    normal_density,
    sample,
)

_EPS = float(np.finfo(np.float64).eps)
_MOST_TERMS = 400
_HERMITE_CORRELATION = 0.9
_MOST_LINES = 2000  # more panels than this are too many for the plane (u, w)


def moments(function: Function, rounding: float, pair: Noising) -> Moments:
    """Moments of `function`, whose values carry the relative error `rounding`.

    Raises
    ------
    NotIntegrableError
        If a value is not finite, or E σ(Γz)² is not reached before |z| = 37.
    """
    # A power of two brings σ to order one, so that its squares neither overflow nor vanish.
    largest = float(np.max(np.abs(finite_values(function, pair.gamma * np.linspace(-3, 3, 26)))))
    scale = 2.0 ** math.floor(math.log2(largest)) if largest > 0.0 else 1.0

    def scaled(x: Array) -> Array:
        return np.asarray(function(x) / scale)

    sampled = sample(scaled, rounding, pair.gamma)
    expansion = _expand(scaled, rounding, sampled, pair.gamma)
    return replace(_combine(scaled, sampled, expansion, pair), scale=scale)


@dataclass(frozen=True)
class _Expansion:
    """Normalised Hermite coefficients α_k/√k! of g, k = 0, 1, ..., and what is left."""

    alpha: Array
    remainder: float  # E (g - α_0 - α_1 z)²
    complete: bool  # the coefficients exhaust g
    linear: bool  # the remainder is rounding
    lowest: int  # first order k >= 2 that parity allows
    noise: float  # ε of the module docstring


def _expand(function: Function, rounding: float, sampled: Sampled, gamma: float) -> _Expansion:
    z, weight, value = sampled.z, sampled.weight, sampled.value
    second = float(weight @ value**2)
    mean = float(weight @ value)
    odd, even = _parity(function, sampled, rounding, gamma, mean)
    if odd and abs(mean) <= 4.0 * rounding * math.sqrt(second):
        mean = 0.0
    slope = 0.0 if even else float(weight @ (z * value))
    rest = value - mean - slope * z
    remainder = float(weight @ rest**2)
    alpha = np.zeros(_MOST_TERMS + 1)
    alpha[:2] = mean, slope
    # Hermite functions times the root of the weight stay bounded at any order.
    root = np.sqrt(weight)
    signal = rest * root
    low, high = root, z * root
    floor = (8.0 * rounding) ** 2 * second
    gradient, complete, count = slope**2, False, _MOST_TERMS + 1
    for k in range(2, _MOST_TERMS + 1):
        low, high = high, (z * high - math.sqrt(k - 1.0) * low) / math.sqrt(k)
        if not (odd and k % 2 == 0) and not (even and k % 2 == 1):
            alpha[k] = signal @ high
        gradient += k * alpha[k] ** 2
        if k % 8 == 0 and k >= 24:
            last = float(np.max(alpha[k - 11 : k + 1] ** 2)) * k
            missing = abs(remainder - float(np.sum(alpha[2 : k + 1] ** 2)))
            if last <= max(1e-19 * gradient, floor) and missing <= 1e-13 * remainder + floor:
                complete, count = True, k + 1
                break
    noise = 4.0 * rounding * math.sqrt(second + gradient)
    linear = remainder <= (4.0 * noise) ** 2
    lowest = 3 if odd else 2
    return _Expansion(alpha[:count], remainder, complete, linear, lowest, noise + sampled.roughness)


def _parity(
    function: Function, sampled: Sampled, rounding: float, gamma: float, mean: float
) -> tuple[bool, bool]:
    """Whether g - α_0 is odd, and g even, as far as rounding lets one see."""
    mirrored = finite_values(function, -gamma * sampled.z)
    size = math.sqrt(float(sampled.weight @ sampled.value**2))
    allowed = 16.0 * rounding * (np.abs(sampled.value) + size)
    odd = bool(np.all(np.abs(mirrored + sampled.value - 2.0 * mean) <= allowed))
    even = bool(np.all(np.abs(mirrored - sampled.value) <= allowed))
    return odd, even


def _combine(function: Function, sampled: Sampled, found: _Expansion, pair: Noising) -> Moments:
    """Choose the route and bound the error of a, v² and s²."""
    epsilon, alpha, rho = found.noise, found.alpha, pair.correlation
    mean, slope = float(alpha[0]), float(alpha[1]) / pair.gamma
    if found.linear:
        whole = abs(float(alpha[1]))
        if whole <= 4.0 * epsilon:
            return Moments(mean, 0.0, 0.0, 0.0)
        return Moments(mean, slope, 0.0, 0.0, epsilon / whole + 8.0 * _EPS)
    if pair.delta == 0.0:
        error = 2.0 * epsilon / math.sqrt(found.remainder) + 8.0 * _EPS
        return Moments(mean, slope, found.remainder, 0.0, error)
    k = np.arange(2, alpha.size)
    power = alpha[2:] ** 2
    kept, lost = rho**k, pair.power_loss(k.astype(np.float64))
    signal = float(power @ kept)
    signal_error = 2.0 * epsilon * math.sqrt(float(power @ kept**2))
    signal_error += epsilon**2 * rho**found.lowest / pair.decorrelation
    remainder_error = 2.0 * epsilon * math.sqrt(found.remainder)
    if found.complete:
        noise = float(power @ lost)
        noise_error = 2.0 * epsilon * math.sqrt(float(power @ lost**2)) + epsilon**2
    elif rho <= _HERMITE_CORRELATION:
        noise = found.remainder - signal
        signal_error += found.remainder * rho**alpha.size
        noise_error = remainder_error + signal_error
    else:
        if sampled.edges.size <= _MOST_LINES:
            noise, noise_error = _noise_square(function, sampled, found, pair)
        else:
            # Beyond the last coefficient each p_k counts between 1 - ϱ^K and 1 times.
            tail = max(0.0, found.remainder - float(np.sum(power)))
            noise = float(power @ lost) + 0.5 * tail * (1.0 + float(lost[-1]))
            noise_error = remainder_error + 0.5 * tail * float(kept[-1])
        signal = max(0.0, found.remainder - noise)
        signal_error = remainder_error + noise_error
    whole = math.sqrt(alpha[1] ** 2 + found.remainder)
    worst = max(epsilon / whole, ratio(signal_error, signal), ratio(noise_error, noise))
    return Moments(mean, slope, signal, noise, worst + 8.0 * _EPS)


def _noise_square(
    function: Function, sampled: Sampled, found: _Expansion, pair: Noising
) -> tuple[float, float]:
    """s² as an integral of squares over (u, w), and the error seen by changing all panels."""
    slope = float(found.alpha[1]) / pair.gamma
    value, check = (
        _Differences(function, sampled, slope, pair, width).total(found.noise, shifted)
        for width, shifted in ((2.4, False), (1.9, True))
    )
    # The rounding in σ - σ is independent from node to node, and hundreds of nodes count: ε/8.
    noise = found.noise / 8.0
    floor = noise * (math.sqrt(value) + noise) + 64.0 * _EPS * value
    return value, 4.0 * abs(value - check) + floor


@dataclass(frozen=True)
class _Differences:
    """The integrand [σ(m + δw) - σ(m - δw) - 2aδw]² and its panels."""

    function: Function
    sampled: Sampled
    slope: float
    pair: Noising
    width: float

    def total(self, noise: float, shifted: bool) -> float:
        """E_u of `inner`, on panels bisected until each resolves it or rounding stops them."""
        edges = self._outer_edges(shifted)
        left, right = edges[:-1], edges[1:]
        parent = np.full(left.size, np.inf)
        total, count = 0.0, 0
        while left.size:
            u = 0.5 * (left + right)[:, None] + 0.5 * (right - left)[:, None] * NODES
            inner = self.inner(self._middle_scale() * u.ravel()).reshape(u.shape)
            density = inner * normal_density(u)
            part = 0.5 * (right - left) * (density @ WEIGHTS)
            tail = np.max(np.abs(density @ ANALYSIS)[:, -4:], axis=1)
            whole = total + float(np.sum(part))
            allowed = 1e-14 * whole + 0.05 * noise * math.sqrt(whole)
            good = (tail * (right - left) <= allowed) | (tail > 0.5 * parent)
            count += left.size
            if count > MOST_PANELS:
                good[:] = True
            total += float(np.sum(part[good]))
            middle = 0.5 * (left + right)[~good]
            parent = np.tile(tail[~good], 2)
            left, right = (
                np.concatenate([left[~good], middle]),
                np.concatenate([middle, right[~good]]),
            )
        return total

    def inner(self, m: Array) -> Array:
        """½ E_w of the square at centres m, the panels in w broken where m ± δw meets an edge."""
        delta, breaks = self._half_width(), self.pair.gamma * self.sampled.breaks
        # Ladders of panels that lead to a root-like break end where they stop counting.
        lines = _thinned(self.pair.gamma * self.sampled.edges, breaks, 1e-9 * delta)
        first = np.searchsorted(lines, m - REACH * delta)
        most = int(np.max(np.searchsorted(lines, m + REACH * delta) - first))
        parts = np.array_split(np.arange(m.size), m.size * (most + 6) // 20_000 + 1)
        return np.concatenate([self._inner(m[i], lines, first[i], most) for i in parts])

    def _inner(self, m: Array, lines: Array, first: NDArray[np.intp], most: int) -> Array:
        delta = self._half_width()
        base = np.append(np.arange(0.0, REACH, self.width), REACH)
        near = lines[np.minimum(first[:, None] + np.arange(most), lines.size - 1)]
        meeting = np.minimum(np.abs(m[:, None] - near) / delta, REACH)
        edges = np.sort(np.hstack([np.broadcast_to(base, (m.size, base.size)), meeting]), axis=1)
        row, column = np.nonzero(np.diff(edges, axis=1) > 0.0)
        left, right = edges[row, column], edges[row, column + 1]
        w = 0.5 * (left + right)[:, None] + 0.5 * (right - left)[:, None] * NODES
        above, below = m[row, None] + delta * w, m[row, None] - delta * w
        values = finite_values(self.function, np.concatenate([above.ravel(), below.ravel()]))
        rise = (values[: w.size] - values[w.size :]).reshape(w.shape)
        # above - below is exact where 2δw is not: the rounding of both points cancels from f.
        square = (rise - self.slope * (above - below)) ** 2 * normal_density(w)
        part = 0.5 * (right - left) * (square @ WEIGHTS)
        total = np.bincount(row, weights=part, minlength=m.size)
        return total.astype(np.float64)

    def _outer_edges(self, shifted: bool) -> Array:
        """Panels of σ, or panels about their ends, and a ladder on the scale δ about each break."""
        delta, breaks = self._half_width(), self.pair.gamma * self.sampled.breaks
        lines = self.pair.gamma * self.sampled.edges
        if shifted:
            lines = np.concatenate([lines[:1], 0.5 * (lines[1:] + lines[:-1]), lines[-1:]])
        ladder = breaks[:, None] + delta * np.array([-9.0, -5.0, -2.0, 2.0, 5.0, 9.0])
        return np.union1d(_thinned(lines, breaks, delta), ladder) / self._middle_scale()

    def _middle_scale(self) -> float:
        return math.sqrt(self.pair.signal + 0.5 * self.pair.delta)

    def _half_width(self) -> float:
        return math.sqrt(0.5 * self.pair.delta)


def _thinned(edges: Array, breaks: Array, distance: float) -> Array:
    """The edges farther than `distance` from every break, and the breaks."""
    if breaks.size == 0:
        return edges
    place = np.clip(np.searchsorted(breaks, edges), 1, breaks.size) - 1
    nearest = np.minimum(
        np.abs(edges - breaks[place]),
        np.abs(edges - breaks[np.minimum(place + 1, breaks.size - 1)]),
    )
    return np.union1d(edges[nearest > distance], breaks)
