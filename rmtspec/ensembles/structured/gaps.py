r"""All gaps of a structured ensemble, its atoms and hard edges.

*Atoms.*  A floor s that the types A share is an eigenvalue of mass

.. math::  \max\Big\{0,\ \pi_A-\frac1{\psi_p}\Big[\psi_n\sum_y\pi_y\,\mathrm{rank}\,K_{A,y}
           +\mathrm{rank}\{\text{noise part of }u_\tau\}_A\Big]\Big\},
           \qquad K_{A,y}=\sum_{\tau\in A}\pi_\tau K_{\tau y},

where the slopes of A in the data lie in the range of :math:`K_{A,y}`: what its neurons see of the
samples and of the noise has that many dimensions.  Where the bracket is π_A the floor is a hard
edge.  Otherwise the atom is the jump of N between gap points on both sides.
"""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...result import ConvergenceWarning, caller_level
from ...solve.edges import Gaps
from .bulks import Bulk, search
from .kernels.equations import Parts
from .search import EQUAL, Axis, Place

FloatArray = NDArray[np.float64]

_RANK = 1e-12  # of the largest eigenvalue: below, a direction counts as none
_CLOSED = 1e-12  # by which the rule of atoms is zero at a hard edge
_ROUNDS = 400
_MASS = 1e-8  # by which the masses may miss a sum of one before it is said


@dataclass(frozen=True)
class GapsAndEmbedded(Gaps):
    """Gaps, atoms inside of bulks, and the ends of the bulks to full precision.

    An atom of a few types lies in a bulk where the noise leaves others directions of their own.
    Where the rule of ranks does not say its mass, what lies within its half width is counted to it:
    channels that its neurons hardly see.

    Attributes
    ----------
    embedded : (j, 3) location, mass and half width of the atoms inside of bulks
    floors, beside : (g, 2) the floors next to both ends of each gap, and distances from there
    """

    embedded: FloatArray
    floors: FloatArray
    beside: FloatArray

    def ends_of_bulks(self, lower: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(k, 2) floors next to both ends of the bulks with these lower edges, and distances."""
        gap = np.searchsorted(self.upper, lower)
        return (
            np.stack([self.floors[gap, 1], self.floors[gap + 1, 0]], axis=1),
            np.stack([self.beside[gap, 1], self.beside[gap + 1, 0]], axis=1),
        )

    @property
    def masses(self) -> FloatArray:
        """(k,) exact mass of every bulk, without the atoms inside."""
        x, mass, _ = self.embedded.T
        edges = self.edges
        inside = (x > edges[:, :1]) & (x < edges[:, 1:])
        return super().masses - inside @ mass


class Spectrum(NamedTuple):
    """Gaps, the atom at the origin, and whether the density diverges there."""

    gaps: GapsAndEmbedded
    atom: float
    hard: bool


def find(parts: Parts, bound: float) -> Spectrum:
    """Every gap of the spectrum.

    Warns
    -----
    ConvergenceWarning
        If a stretch of the axis could not be resolved, or the masses do not add up to one.
    """
    axis = Axis(parts, bound)
    rule = atom_at(parts, 0.0)
    closed = rule is not None and abs(rule) <= _CLOSED
    atom = 0.0 if rule is None else max(rule, 0.0)
    if closed:
        atom = 0.0
    axis.descend(atom, rule is not None, closed)
    lowest = axis.places[0]
    hard = closed or not lowest.is_gap
    if not hard:
        atom = lowest.below if lowest.below > EQUAL else 0.0
    else:
        axis.places = [place for place in axis.places if not _is_stray(place)]
    _anchor(axis, atom, hard)
    _isolate_floors(axis, hard)
    searched: set[tuple[float, float]] = set()
    for _ in range(_ROUNDS):
        if _settle(axis):
            continue
        if not _search_bulks(axis, hard, searched):
            break
    else:
        axis.unsearched.append((axis.places[0].x, axis.places[-1].x))
    return Spectrum(_assembled(axis), atom, hard)


def _is_stray(place: Place) -> bool:
    """Whether a place is a gap with nothing below: there is none above a hard edge."""
    return place.is_gap and place.below <= EQUAL


def atom_at(parts: Parts, floor: float) -> float | None:
    """Mass by the rule of ranks, negative if there is none; None where the rule does not apply."""
    members = parts.floors == floor
    weights, classes = parts.weights[members], parts.classes
    r, width = parts.kernels.shape[2], parts.kernels.shape[1] * parts.kernels.shape[2]
    kernels = np.einsum("n,nyab->yab", weights, parts.kernels[members])
    data = parts.slopes[members][:, :width].reshape(-1, classes.size, r)
    values, vectors = np.linalg.eigh(kernels)
    largest = float(np.abs(parts.kernels).max())
    kept = values > _RANK * largest
    outside = np.einsum("nya,yab->nyb", data, vectors)[:, ~kept]
    if np.any(np.abs(outside) > np.sqrt(_RANK) * np.abs(data).max(initial=0.0)):
        return None
    noise = parts.slopes[members][:, width:] * np.sqrt(weights)[:, None]
    rank = 0
    if noise.size and np.any(noise):
        sizes = np.linalg.svd(noise, compute_uv=False)
        rank = int((sizes > np.sqrt(_RANK) * np.abs(parts.slopes).max()).sum())
    seen = parts.psi_n * float(classes @ kept.sum(1)) + rank
    return float(weights.sum() - seen / parts.psi_p)


def _anchor(axis: Axis, atom: float, hard: bool) -> None:
    """Enter what is known at the origin and at infinity."""
    origin = Place(0.0, axis.places[-1].root, 0.0, 0.0, 0.0)
    first = axis.number(origin)
    axis.ends[first, False] = -np.inf
    if hard or atom > 0.0:
        axis.ends[first, True] = 0.0
    if atom > 0.0:
        axis.ends[axis.number(Place(0.0, origin.root, atom, 0.0, 0.0)), False] = 0.0
    axis.ends[axis.number(axis.places[-1]), True] = np.inf


def _isolate_floors(axis: Axis, hard: bool) -> None:
    """Atoms at the other floors, and what channels that their neurons hardly see leave there.

    Below the lowest place, 1e-16 of the top, everything belongs to the atom at the origin.
    """
    floors = np.unique(axis.parts.floors)
    seen = 0.0 if hard else axis.places[0].x
    for i in range(1, floors.size):
        if floors[i] <= seen:
            continue
        rule = atom_at(axis.parts, float(floors[i]))
        if rule is None or rule > EQUAL or axis.parts.kernels.shape[2] > 1:
            others = np.delete(floors, i)
            axis.isolate(float(floors[i]), float(np.abs(others - floors[i]).min()), rule)


def _settle(axis: Axis) -> bool:
    """Find what lies between neighbouring places; True if any place was added."""
    added = False
    places = list(axis.places)
    for left, right in itertools.pairwise(places):
        if left.is_gap and right.is_gap:
            low, high = axis.number(left), axis.number(right)
            known = (low, True) in axis.ends and (high, False) in axis.ends
            if low != high and not (known and axis.is_neighbour(low, high)):
                added |= axis.split(left, right)
        elif left.is_gap or right.is_gap:
            gap, bulk = (left, right) if left.is_gap else (right, left)
            key = axis.number(gap), left.is_gap
            if key not in axis.ends:
                added |= not axis.edge(gap, bulk)
    return added


def _search_bulks(axis: Axis, hard: bool, searched: set[tuple[float, float]]) -> bool:
    """Look for gaps inside the bulks; True if one was found."""
    for bulk in _bulks(axis, hard):
        key, before = (bulk.below, bulk.above), len(axis.unsearched)
        if key not in searched and search(axis, bulk):
            del axis.unsearched[before:]  # its parts are searched next
            return True
        searched.add(key)
    return False


def _bulks(axis: Axis, hard: bool) -> list[Bulk]:
    """What lies between neighbouring gaps."""
    order = np.argsort(axis.fractions)
    bulks = []
    for low, high in itertools.pairwise(order):
        lower, upper = axis.ends.get((low, True)), axis.ends.get((high, False))
        if lower is not None and upper is not None and upper > lower:
            below, above = axis.fractions[low], axis.fractions[high]
            bulks.append(Bulk(lower, upper, below, above, hard and lower == 0.0))
    return bulks


def _assembled(axis: Axis) -> GapsAndEmbedded:
    """The gaps in order."""
    order = np.argsort(axis.fractions)
    lower = np.array([axis.ends.get((i, False), np.nan) for i in order])
    upper = np.array([axis.ends.get((i, True), np.nan) for i in order])
    fractions = np.array(axis.fractions)[order]
    ends = np.array(
        [[axis.beside.get((i, up), (0.0, axis.ends.get((i, up), np.nan))) for up in (False, True)]
         for i in order]
    )  # fmt: skip
    gaps = GapsAndEmbedded(
        lower, upper, 1.0 - fractions, np.zeros(order.size, dtype=np.intp),
        np.zeros(order.size), np.zeros(order.size), np.empty((0, 3)), ends[..., 0], ends[..., 1],
    )  # fmt: skip
    missing = float(np.isnan(lower).sum() + np.isnan(upper).sum())
    if missing or axis.skipped or not gaps.are_ordered:
        warnings.warn(
            "StructuredEnsemble: the edges of the spectrum were not all resolved"
            + (f", among others near {axis.skipped[0]!r}" if axis.skipped else ""),
            ConvergenceWarning,
            stacklevel=caller_level(),
        )
    if axis.unsearched:
        low, high = axis.unsearched[0]
        warnings.warn(
            f"StructuredEnsemble: the search for gaps inside of bulks ended early; between {low!r} "
            f"and {high!r} narrow ones may be missing",
            ConvergenceWarning,
            stacklevel=caller_level(),
        )
    inside = [
        (atom, mass, blind)
        for atom, mass, _, blind in axis.embedded
        if np.any((atom > gaps.upper[:-1]) & (atom < lower[1:]))
    ]
    return replace(gaps, embedded=np.array(inside).reshape(-1, 3))
