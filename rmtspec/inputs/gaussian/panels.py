"""Panels of the z axis on which an activation seen at scale Γ can be integrated.

g(z) = σ(Γz) is sampled at 16 Gauss-Legendre nodes a panel, under the weight of the standard normal
density. A panel is resolved when the last coefficients of its Legendre expansion, and the error of
the expansion at both ends, are rounding; others are bisected. Panels that bisection cannot resolve
shrink to the last bit: there the function jumps or has a kink, and an edge is put there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .moments import Array

# σ on a flat float64 array.
Function = Callable[[Array], Array]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
_ORDERS = np.arange(16)
# Values at the nodes -> Legendre coefficients.
ANALYSIS = np.polynomial.legendre.legvander(NODES, 15) * WEIGHTS[:, None] * (_ORDERS + 0.5)
_ENDS = np.array([-1.0, 1.0]) * (1.0 - 2e-12)
_AT_ENDS = np.polynomial.legendre.legvander(_ENDS, 15).T
REACH = 9.5  # the normal weight beyond it is 2e-21
_FARTHEST = 37.0  # where the normal density underflows
MOST_PANELS = 8192
_NARROW = 1e-11  # a panel this narrow sits beside a kink or a jump
_SMALLEST = 1e-18


class NotIntegrableError(ValueError):
    """The activation has no finite Gaussian second moment that float64 can hold."""


@dataclass(frozen=True)
class Sampled:
    """An activation on panels of the z axis fine enough to integrate it.

    Attributes
    ----------
    edges : Array
        Panel edges in z.
    breaks : Array
        Those where the function or a derivative jumps.
    z, weight, value : Array
        Nodes, weights of E f(z), and g(z) = σ(Γz).
    roughness : float
        Part of g, as a norm, that the panels leave unresolved.
    """

    edges: Array
    breaks: Array
    z: Array
    weight: Array
    value: Array
    roughness: float


def sample(function: Function, rounding: float, gamma: float) -> Sampled:
    """Cut the z axis into panels that resolve σ(Γz)."""
    reach = REACH
    while True:
        coarse = _coarse_edges(reach, gamma)
        z, values = _evaluate(function, gamma, coarse[:-1], coarse[1:])
        mass = values**2 * normal_density(z)
        ends = max(float(mass[0, 0]), float(mass[-1, -1]))
        if np.all(np.isfinite(mass)):
            if ends <= 1e-20 * float(np.max(mass)):
                break
            reach += 2.5
        else:
            reach = math.inf
        if reach > _FARTHEST:
            raise NotIntegrableError(f"grows too fast: E σ(Γz)² does not converge at Γ = {gamma:g}")
    size = math.sqrt(float(np.sum(mass.mean(1) * np.diff(coarse))))
    edges, breaks, rough = _refine(function, rounding, gamma, coarse, size)
    if breaks.size:
        # Start again from the breaks: the ladders of tiny panels that led to them are not needed.
        merged = np.union1d(coarse, breaks)
        edges, again, rough = _refine(function, rounding, gamma, merged, size)
        breaks = np.union1d(breaks, again)
    z, values = _evaluate(function, gamma, edges[:-1], edges[1:])
    weight = 0.5 * np.diff(edges)[:, None] * WEIGHTS * normal_density(z)
    return Sampled(edges, breaks, z.ravel(), weight.ravel(), values.ravel(), rough)


def _coarse_edges(reach: float, gamma: float) -> Array:
    """Panels of width 0.6, and dyadic ones down to |x| = ½ about the origin.

    The grid is off centre by an arbitrary amount so that a kink at 0 falls inside a panel.
    """
    count = math.ceil(reach / 0.6)
    edges = 0.6 * np.arange(-count, count + 1) + 0.2371
    levels = max(0, math.ceil(math.log2(0.6 * gamma / 0.5)))
    near = 0.4 * 0.5 ** np.arange(levels)
    return np.union1d(edges, np.concatenate([near, -0.73 * near]))


def _refine(
    function: Function, rounding: float, gamma: float, edges: Array, size: float
) -> tuple[Array, Array, float]:
    """Bisect panels until each is resolved, as narrow as float64 allows, or rough all the way down.

    Returns all edges, the places where bisection met a break, and the norm left unresolved.
    """
    left, right = edges[:-1], edges[1:]
    ancestors = np.full((left.size, 6), np.inf)
    kept, narrow, rough = [edges], [np.empty((0, 2))], 0.0
    count = left.size
    while left.size:
        z, values = _evaluate(function, gamma, left, right)
        width, middle = right - left, 0.5 * (left + right)
        tail = _unresolved(function, gamma, left, right, values)
        local = np.max(np.abs(values), axis=1)
        weight = np.sqrt(np.max(normal_density(z), axis=1))
        # The rounding of x moves g by its slope. Deep down, where only a kink or a jump is left to
        # place, neither that nor a small tail is an excuse.
        slope = np.sum(np.abs(np.diff(values, axis=1)), axis=1) / width
        argument = tail <= 16.0 * rounding * np.abs(middle) * slope
        small = weight * tail / (rounding * size + np.finfo(np.float64).tiny)
        negligible = ((argument | (small <= 8.0)) & (width > 1e-6)) | (small <= 1e-3)
        resolved = (tail <= 64.0 * rounding * local) | negligible
        # In six bisections a kink loses a factor 64, a root 8, rounding noise none.
        plateau = (tail > 0.5 * ancestors.max(axis=1)) & (weight * tail <= 1e-11 * size)
        tiny = width <= np.maximum(4.0 * np.spacing(np.abs(middle)), _SMALLEST)
        split = ~(resolved | plateau | tiny)
        count += int(np.count_nonzero(split))
        if count > MOST_PANELS:
            split[:] = False
        given_up = ~(resolved | split | tiny)
        rough += float(np.sum((weight * tail) ** 2 * width, where=given_up))
        ended = ~split & (width < _NARROW)
        narrow.append(np.column_stack([middle, width])[ended])
        kept.append(middle[split])
        ancestors = np.tile(np.column_stack([ancestors[:, 1:], tail])[split], (2, 1))
        left, right = (
            np.concatenate([left[split], middle[split]]),
            np.concatenate([middle[split], right[split]]),
        )
    return np.unique(np.concatenate(kept)), _breaks(np.concatenate(narrow)), math.sqrt(rough)


def _unresolved(
    function: Function, gamma: float, left: Array, right: Array, values: Array
) -> Array:
    """Size of the last Legendre coefficients, and error of the expansion just inside both ends.

    The first node lies half a per cent inside: without the ends a jump nearer than that is unseen.
    """
    series = values @ ANALYSIS
    ends = 0.5 * (left + right)[:, None] + 0.5 * (right - left)[:, None] * _ENDS
    actual = finite_values(function, gamma * ends.ravel()).reshape(ends.shape)
    missed = np.abs(series @ _AT_ENDS - actual)
    tail: Array = np.maximum(np.max(np.abs(series[:, -4:]), axis=1), np.max(missed, axis=1))
    return tail


def _breaks(panels: Array) -> Array:
    """Where bisection went deepest: the middle of the narrowest panels of every group."""
    if panels.size == 0:
        return np.empty(0)
    panels = panels[np.argsort(panels[:, 0])]
    groups = np.split(panels, np.flatnonzero(np.diff(panels[:, 0]) > 100.0 * _NARROW) + 1)
    return np.array([np.mean(g[g[:, 1] == g[:, 1].min(), 0]) for g in groups])


def _evaluate(function: Function, gamma: float, left: Array, right: Array) -> tuple[Array, Array]:
    """Nodes (panels, 16) in z and σ(Γz) there."""
    z = 0.5 * (left + right)[:, None] + 0.5 * (right - left)[:, None] * NODES
    x = gamma * z
    return z, finite_values(function, x.ravel()).reshape(z.shape)


def finite_values(function: Function, x: Array) -> Array:
    values = function(x)
    bad = ~np.isfinite(values)
    if np.any(bad):
        raise NotIntegrableError(f"is not finite at x = {x[bad][0]:.6g}")
    return values


def normal_density(z: Array) -> Array:
    return np.asarray(np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi))
