r"""Gaps, edges and atoms of a structured ensemble, found on the real axis.

Every point of the axis is known to lie in a bulk or in a gap, and the fraction N of the spectrum
below it is known there (`counting`).  So nothing can be missed between two gap points of equal N,
something lies between two of different N, and what is left to find are gaps inside of what looks
like one bulk: there N must be smooth, and the density has no minimum that is not one.
All points are distances from the origin, but next to a floor an edge is sought in distances from
that floor: a bulk may lie 1e-12 of its place above one.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .kernels.counting import fractions_below
from .kernels.equations import Parts
from .kernels.turning import along_branch
from .points import Roots, classify, first_guess, graded

FloatArray = NDArray[np.float64]

EQUAL = 1e-11
"""Difference of two fractions below which they are the same."""
_STEP = 10.0 ** (-1.0 / 6.0)  # by which the first search goes down
_LOWEST = 1e-16  # of the top: where it ends if it finds no end
_AT_HARD = 1e-9  # of the top: where it ends above a hard edge
_THIN = 1e-12  # relative width below which a bulk is an atom
_THIN_CHANNELS = 1e-9  # the same with several channels, the last of which are known no better
_AROUND = (1e-2, 1e-4, 1e-6)  # of the distance of two floors: where gaps around an atom are sought
_WHOLE = 1e-5  # by which an atom's mass may depend on which of the last two is looked at
_BESIDE = 0.01  # of a floor: edges nearer to it are sought from there
_SETTLED = 0.03  # by which the predicted edge may move, relative to its distance
_CLOSING = 60
_AT_ATOM = 1e-13  # of a floor: where the density at an atom of known mass is that beside it
_ULP = 1e-15
_APART = 4e-15  # of x: places in a bulk nearer to its edge may lie on either side of it
_POLISHED = 30
_LARGEST_DOUBLING = 60


@dataclass(order=True)
class Place:
    """A point of the axis, and what is known there.

    Attributes
    ----------
    x : distance from the origin
    root : the solution
    below : N, fraction of the spectrum below
    density, slope : and its derivative, 0 in a gap
    """

    x: float
    root: Roots = field(compare=False)
    below: float = field(compare=False)
    density: float = field(compare=False)
    slope: float = field(compare=False)

    @cached_property
    def is_gap(self) -> bool:
        """Whether the point lies off the support."""
        return self.root.is_real


class Axis:
    """What is known of the real axis.

    Parameters
    ----------
    parts : the ensemble
    bound : a point above its spectrum
    """

    def __init__(self, parts: Parts, bound: float) -> None:
        self.parts = parts
        self.bound = bound
        self.places: list[Place] = []
        self.ends: dict[tuple[int, bool], float] = {}
        self.beside: dict[tuple[int, bool], tuple[float, float]] = {}
        self.fractions: list[float] = []
        self.embedded: list[tuple[float, float, float, float]] = []
        self.skipped: list[float] = []
        self.unsearched: list[tuple[float, float]] = []

    def look(self, x: float, near: Place | None) -> Place | None:
        """The place at x, None where no root is certified."""
        found = classify(self.parts, x, near.root if near is not None else None)
        if not found.good[0]:
            return None
        below = float(fractions_below(self.parts, found.g, found.d)[0])
        if found.is_real:
            return Place(x, found, below, 0.0, 0.0)
        density = float(found.trace(self.parts)[0].imag) / np.pi
        slope = float(found.trace_slope(self.parts)[0].imag) / np.pi
        return Place(x, found, below, density, slope)

    def add(self, place: Place) -> None:
        """Keep a place in order."""
        insort(self.places, place)

    def number(self, place: Place) -> int:
        """Number of the gap with the same fraction below."""
        for i, fraction in enumerate(self.fractions):
            if abs(fraction - place.below) <= EQUAL:
                return i
        self.fractions.append(place.below)
        return len(self.fractions) - 1

    def start(self) -> Place:
        """A gap point above everything."""
        x = self.bound
        for _ in range(_LARGEST_DOUBLING):
            guess = first_guess(self.parts, x)
            place = self.look(x, Place(x, guess, 1.0, 0.0, 0.0))
            if place is not None and place.is_gap and abs(place.below - 1.0) <= EQUAL:
                self.add(place)
                return place
            x *= 2.0
        raise ArithmeticError(f"no end of the spectrum was found below {x!r}")

    def descend(self, atom: float, rule: bool, hard: bool) -> None:
        """Go down until nothing but the atom at the origin is left below."""
        last = self.start()
        x = top = last.x
        while True:
            x *= _STEP
            if x < (_AT_HARD if hard else _LOWEST) * top:
                return
            place = self.look(x, last)
            if place is None:
                continue
            self.add(place)
            last = place
            if not hard and rule and place.is_gap and abs(place.below - atom) <= EQUAL:
                return

    def smooth(self, x: float, below: float) -> float:
        """A fraction below x less the jumps at atoms inside of bulks."""
        return below - sum(mass for floor, mass, _, _ in self.embedded if floor < x)

    def is_at_atom(self, low: float, high: float) -> bool:
        """Whether a panel lies within the width of an atom inside of a bulk, where N is noise."""
        return any(
            low >= atom - 1.01 * width and high <= atom + 1.01 * width
            for atom, _, width, _ in self.embedded
        )

    def isolate(self, floor: float, distance: float, rule: float | None) -> None:
        """Look for gaps right around a floor, or for an atom there inside of a bulk.

        `rule` is the mass that an atom has by its ranks; in a bulk it is known better than N is.
        """
        pairs: list[tuple[Place, Place]] = []
        for part in _AROUND:
            found = [self.look(x, self._nearest(x)) for x in _around(floor, part * distance)]
            closer = [place for place in found if place is not None]
            for place in closer:
                self.add(place)
            if len(closer) == 2:
                pairs.append((closer[0], closer[1]))
        if not pairs:
            self.unsearched.append(_around(floor, _AROUND[0] * distance))
            return
        low, high = pairs[-1]
        if low.is_gap and high.is_gap:
            # More or less than the rule says is a bulk beside the floor, which is to be found.
            mass = high.below - low.below
            if mass > EQUAL and rule is not None and abs(rule - mass) <= EQUAL:
                self.ends[self.number(low), True] = floor
                self.ends[self.number(high), False] = floor
        elif not low.is_gap and not high.is_gap:
            mass = _excess(low, high)
            is_known = rule is not None and abs(rule - mass) <= _WHOLE * mass
            if rule is not None and is_known:
                mass = rule
            elif len(pairs) > 1 and abs(_excess(*pairs[-2]) - mass) > _WHOLE * mass:
                low, high = pairs[-2]  # part of a channel's peak around the floor lies farther out
                mass = _excess(low, high)
            if mass > max(EQUAL, 0.5 * (high.below - low.below)):
                width = 0.5 * (high.x - low.x)
                blind = _AT_ATOM * floor if is_known else width
                self.embedded.append((floor, mass, width, blind))

    def _nearest(self, x: float) -> Place:
        """The first place that is not below x."""
        i = bisect_left([place.x for place in self.places], x)
        return self.places[min(i, len(self.places) - 1)]

    def is_neighbour(self, low: int, high: int) -> bool:
        """Whether no known gap lies between two."""
        ends = self.fractions[low], self.fractions[high]
        return not any(ends[0] + EQUAL < fraction < ends[1] - EQUAL for fraction in self.fractions)

    def split(self, left: Place, right: Place) -> bool:
        """Find what lies between points of two gaps; True if a place was added."""
        thin = _THIN if self.parts.kernels.shape[2] == 1 else _THIN_CHANNELS
        if right.x - left.x <= thin * abs(right.x):
            middle = 0.5 * (left.x + right.x)
            self.ends[self.number(left), True] = middle
            self.ends[self.number(right), False] = middle
            return False
        for part in (0.5, 0.4, 0.6, 0.25, 0.75):
            wide = right.x > 2.0 * left.x > 0.0
            ratio = (right.x / left.x) ** part if wide else 0.0
            x = left.x * ratio if wide else left.x + part * (right.x - left.x)
            place = self.look(x, left) or self.look(x, right)
            if place is not None:
                self.add(place)
                return True
        self.skipped.append(0.5 * (left.x + right.x))
        return False

    def remember(self, place: Place) -> None:
        """Keep a place unless it is kept already."""
        i = bisect_left(self.places, place)
        if i == len(self.places) or self.places[i].x != place.x:
            self.places.insert(i, place)

    def edge(self, gap: Place, bulk: Place) -> bool:
        """Find the end of a gap between a point in it and a point in a bulk.

        False if another gap was found between them instead, which is kept.
        """
        floor = _floor_beside(self.parts, gap.x, bulk.x)
        parts, turns = graded(self.parts, floor)
        local, back = Axis(parts, self.bound), turns.swapaxes(1, 2)
        ends = (replace(end, x=end.x - floor, root=end.root.turned(turns)) for end in (gap, bulk))
        place = local.closed_in(*ends)
        end = None if place is None else floor + place
        self.skipped += [floor + x for x in local.skipped]
        for found in local.places:
            x = floor + found.x
            if end is None or found.is_gap or abs(x - end) > _APART * abs(x):
                self.add(replace(found, x=x, root=found.root.turned(back)))
        if place is not None and end is not None:
            key = self.number(gap), bulk.x > gap.x
            self.ends[key], self.beside[key] = end, (floor, place)
        return place is not None

    def closed_in(self, gap: Place, bulk: Place) -> float | None:
        """The end of a gap; None if another one was found, which is kept."""
        far, last = bulk.x, None
        trial = gap.x + 0.01 * (far - gap.x)
        predicted = np.nan
        for step in range(_CLOSING):
            place = self.look(trial, gap)
            if place is not None and place.is_gap:
                if abs(place.below - gap.below) > EQUAL:
                    self.add(place)
                    return None
                last, gap = gap, place
            else:
                far = trial
                if place is not None:
                    self.add(place)
            before, predicted = predicted, _vanishing(last, gap, far)
            if abs(predicted - before) < _SETTLED * abs(predicted - gap.x):
                edge = self.polish(gap, predicted, far)
                if edge is not None:
                    return edge
            if abs(far - gap.x) <= 2.0 * _ULP * abs(far):
                return far
            if np.isnan(predicted) or step % 5 == 4:
                trial = 0.5 * (gap.x + far)
            else:
                trial = gap.x + 0.75 * (predicted - gap.x)
            if trial == gap.x:
                trial = 0.5 * (gap.x + far)
        self.skipped.append(far)
        return far

    def polish(self, gap: Place, predicted: float, far: float) -> float | None:
        """The edge on the branch itself, as the turning point of its arclength."""
        toward = 1.0 if far > gap.x else -1.0
        tangent = gap.root.slopes[0].real * toward
        size = float(np.linalg.norm(tangent))
        along, scales = tangent / size, gap.root.scales[0]
        g, d, x = gap.root.g[0], gap.root.d[0], gap.x
        slope, step = toward / size, 2.0 * abs(predicted - gap.x) * size
        for _ in range(_POLISHED):
            g, d, (new, steeper, good) = along_branch(self.parts, x, g, d, scales, along, step, 30)
            if not good:
                return None
            change = new - x
            if steeper == slope:
                break
            step, slope, x = -steeper * step / (steeper - slope), float(steeper), float(new)
            if abs(change) <= _ULP * abs(x) or step == 0.0:
                break
        inside = toward * (far - x) >= -4.0 * _ULP * abs(far) and toward * (x - gap.x) >= 0.0
        return x if inside else None


def _excess(low: Place, high: Place) -> float:
    """Mass between two places less what their densities make up."""
    return high.below - low.below - 0.5 * (high.x - low.x) * (low.density + high.density)


def _floor_beside(parts: Parts, *ends: float) -> float:
    """The highest floor next to one of the points, 0 (the origin) if there is none."""
    near = [s for s in parts.floors for x in ends if abs(x - s) <= _BESIDE * s]
    return float(max(near, default=0.0))


def _around(floor: float, width: float) -> tuple[float, float]:
    return floor - width, floor + width


def _vanishing(last: Place | None, gap: Place, far: float) -> float:
    """Where 1/|ξ'|², which vanishes linearly at an edge, does; NaN if not before `far`."""
    if last is None:
        return np.nan
    before, now = _flatness(last), _flatness(gap)
    if not now < before:
        return np.nan
    edge = gap.x + now * (gap.x - last.x) / (before - now)
    between = (edge - gap.x) * (far - edge) > 0.0
    return float(edge) if between else np.nan


def _flatness(place: Place) -> float:
    """1/|ξ'|²."""
    return 1.0 / float(np.sum(place.root.slopes[0].real ** 2))
