r"""Gaps hidden inside of what looks like one bulk.

In the square root w of the distance from the nearer edge, N is smooth, with the slope 2|w| times
the density: where a cubic through both ends of a panel misses its middle, the panel is halved.
Next to a narrow gap at :math:`x_0` the density is a cusp :math:`|x-x_0|^{1/3}` at all distances,
which such panels may step over.  So minima of the density are followed down until they are smooth.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

from .search import EQUAL, Axis, Place

_MISSED = 2e-3  # of the mass of a panel, by which its middle may be off the cubic
_TILTED = 0.02  # of the slope there
_NARROW = 1e-11  # of x: a panel this narrow cannot be tested, rounding fails it for ever
_LIGHT = 1e-12  # nor can one of this mass
_SMOOTH = 0.98  # of the density, above which tangents meet at a smooth minimum
_SHARPEST = 1e-13  # of x: width of the last panel around a minimum
_MOST = 4000  # panels of a bulk


class Bulk(NamedTuple):
    """What lies between two gaps: edges, fractions below them, whether the lower edge is hard."""

    lower: float
    upper: float
    below: float
    above: float
    hard: bool


class _Knot(NamedTuple):
    x: float
    below: float
    density: float
    slope: float
    place: Place | None


def search(axis: Axis, bulk: Bulk) -> bool:
    """Look for gaps inside a bulk; True as soon as one is found, which is kept."""
    above = axis.smooth(bulk.upper, bulk.above)
    below = axis.smooth(bulk.lower, bulk.below)
    inside = [
        _knot(axis, place)
        for place in axis.places
        if bulk.lower < place.x < bulk.upper and not place.is_gap
    ]
    ends = (bulk.lower, below, 0.0, 0.0, None), (bulk.upper, above, 0.0, 0.0, None)
    knots = [_Knot(*ends[0]), *inside, _Knot(*ends[1])]
    panels = list(itertools.pairwise(knots))[::-1]
    done = [knots[0]]
    count = 0
    while panels:
        left, right = panels.pop()
        count += 1
        middle = None
        if count == _MOST:
            axis.unsearched.append((right.x, bulk.upper))
        if _is_wide(left, right) and not axis.is_at_atom(left.x, right.x) and count < _MOST:
            x = _middle(bulk, left, right)
            place = axis.look(x, left.place or right.place)
            if place is None:
                axis.unsearched.append((left.x, right.x))
            elif place.is_gap:
                if _is_new(bulk, place):
                    axis.add(place)
                    return True
                axis.skipped.append(x)  # rounding, next to an edge: it would be found for ever
            else:
                middle = _knot(axis, place)
        if middle is None:
            done.append(right)
        elif _is_smooth(bulk, left, middle, right):
            done += [middle, right]
        else:
            panels += [(middle, right), (left, middle)]
    inner = [knot for knot in done if knot.place is not None]
    for knot in inner:
        if knot.place is not None:
            axis.remember(knot.place)
    return any(
        _valley(axis, left, right)
        for left, right in itertools.pairwise(inner)
        if left.slope < 0.0 < right.slope
    )


def _is_new(bulk: Bulk, place: Place) -> bool:
    """Whether a gap is not one of those around the bulk."""
    return bulk.below + EQUAL < place.below < bulk.above - EQUAL


def _knot(axis: Axis, place: Place) -> _Knot:
    below = axis.smooth(place.x, place.below)
    return _Knot(place.x, below, place.density, place.slope, place)


def _is_wide(left: _Knot, right: _Knot) -> bool:
    wide = right.x - left.x > _NARROW * abs(right.x)
    return wide and right.below - left.below > _LIGHT


def _from_lower(bulk: Bulk, left: _Knot, right: _Knot) -> bool:
    """Whether the lower edge is the nearer one."""
    return 0.5 * (left.x + right.x) - bulk.lower < bulk.upper - 0.5 * (left.x + right.x)


def _root(bulk: Bulk, x: float, lower: bool) -> float:
    """w at x."""
    return (x - bulk.lower) ** 0.5 if lower else -((bulk.upper - x) ** 0.5)


def _middle(bulk: Bulk, left: _Knot, right: _Knot) -> float:
    lower = _from_lower(bulk, left, right)
    w = 0.5 * (_root(bulk, left.x, lower) + _root(bulk, right.x, lower))
    return bulk.lower + w * w if lower else bulk.upper - w * w


def _is_smooth(bulk: Bulk, left: _Knot, middle: _Knot, right: _Knot) -> bool:
    """Whether the cubic through both ends meets the middle."""
    lower = _from_lower(bulk, left, right)
    roots = [_root(bulk, knot.x, lower) for knot in (left, middle, right)]
    rises = [
        2.0 * abs(w) * knot.density for w, knot in zip(roots, (left, middle, right), strict=True)
    ]
    if bulk.hard and left.place is None:  # N is proportional to w there
        rises[0] = (middle.below - left.below) / (roots[1] - roots[0])
    width, mass = roots[2] - roots[0], right.below - left.below
    expected = 0.5 * (left.below + right.below) + width / 8.0 * (rises[0] - rises[2])
    rise = 1.5 * mass / width - 0.25 * (rises[0] + rises[2])
    near = abs(expected - middle.below) <= _MISSED * mass
    return near and abs(rise - rises[1]) <= _TILTED * abs(rises[1])


def _valley(axis: Axis, left: _Knot, right: _Knot) -> bool:
    """Follow a minimum of the density down; True if it is a gap."""
    while True:
        if right.x - left.x <= _SHARPEST * abs(right.x):
            return False
        if _is_shallow(left, right):
            return False
        wide = right.x > 2.0 * left.x > 0.0
        x = (left.x * right.x) ** 0.5 if wide else 0.5 * (left.x + right.x)
        place = axis.look(x, left.place)
        if place is None:
            axis.unsearched.append((left.x, right.x))
            return False
        axis.add(place)
        if place.is_gap:
            return True
        knot = _knot(axis, place)
        left, right = (knot, right) if place.slope < 0.0 else (left, knot)


def _is_shallow(left: _Knot, right: _Knot) -> bool:
    """Whether the densities agree, and the tangents meet not far below."""
    high = max(left.density, right.density)
    if min(left.density, right.density) < _SMOOTH * high:
        return False
    width = right.x - left.x
    fall = right.density - left.density - right.slope * width
    x = fall / (left.slope - right.slope)
    return left.density + left.slope * x > _SMOOTH * high
