"""Bulks of a law as lines over decades, and the axes between which all of them are seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..law import SpectralLaw

_HARD_EDGE_DECADES = 4.0  # of a bulk that starts at 0, in the picture; its line goes on outside
ABOVE = 6.0
"""What the top of a picture is above the greatest peak."""

_THIN = 0.03  # of the width of a picture: a bulk that is narrower is little more than a line
_CROWD = 10  # from so many thin neighbours on they are drawn as one
_STEPS = 24  # at most, for a crowd


class Outline(NamedTuple):
    """One bulk as a line.

    Attributes
    ----------
    distance : from the law's `origin`, ascending from edge to edge
    height : the density of its logarithm, or the density; nowhere positive where it did not
        converge
    """

    distance: NDArray[np.float64]
    height: NDArray[np.float64]


def outlines(law: SpectralLaw, points: int, *, logarithmic: bool = True) -> list[Outline]:
    r"""The bulks of a law as lines, in ascending order.

    Parameters
    ----------
    law : SpectralLaw
    points : number of points a bulk
    logarithmic : whether heights are :math:`x\,\rho(\lambda_0+x)` at distances x over decades;
        they are the density itself otherwise
    """
    places = [
        _distances(low, high, points, logarithmic) for low, high in np.asarray(law.edges).tolist()
    ]
    if not places:
        return []
    distance = np.stack(places)
    # From the origin: a bulk may be thinner than the spacing of floats where it lies.
    height = np.nan_to_num(law.density(distance, from_origin=True), posinf=0.0)
    return [
        Outline(*line)
        for line in zip(distance, height * distance if logarithmic else height, strict=True)
    ]


class Piece(NamedTuple):
    """What is drawn as one line: a bulk, or a crowd of thin ones.

    Attributes
    ----------
    name : of each bulk
    members : which bulks of the law
    line : of a crowd the steps of `_steps`
    """

    name: str
    members: slice
    line: Outline

    @property
    def crowded(self) -> bool:
        """Whether it is a crowd."""
        return int(self.members.stop - self.members.start) > 1

    @property
    def peaks(self) -> list[float]:
        """Heights that are to be seen: of a bulk the greatest, of a crowd that of every step."""
        known = sorted(self.line.height[self.line.height > 0.0].tolist())
        return known if self.crowded else known[-1:]


def pieces(
    law: SpectralLaw, names: Sequence[str], points: int, *, logarithmic: bool = True
) -> list[Piece]:
    """The bulks of a law as lines, many thin neighbours of one name as one, in ascending order.

    Each thin bulk has its mass spread out to the middle of the gaps beside it: of bars that a
    picture cannot resolve the eye sees neither height nor mass.

    Parameters
    ----------
    law : SpectralLaw
    names : one a bulk
    points, logarithmic : as of `outlines`
    """
    edges = np.asarray(law.edges)
    if not edges.size:
        return []
    scale = np.log(np.maximum(edges, edges[0, 1] * 1e-300)) if logarithmic else edges
    thin = np.diff(scale).ravel() < _THIN * (scale[-1, 1] - scale[0, 0])
    lines = outlines(law, points, logarithmic=logarithmic)
    found, start = [], 0
    while start < len(edges):
        stop = start + 1
        while stop < len(edges) and thin[start] and thin[stop] and names[stop] == names[start]:
            stop += 1
        if stop - start >= _CROWD:
            line = _steps(scale[start:stop], law.masses[start:stop], logarithmic)
        else:
            stop, line = start + 1, lines[start]
        found.append(Piece(names[start], slice(start, stop), line))
        start = stop
    return found


def _steps(scale: NDArray[np.float64], masses: Any, logarithmic: bool) -> Outline:
    """Mean density of bulks and the gaps between them, on steps that hold a few each."""
    count = len(scale)
    first = np.linspace(0, count, min(_STEPS, count // 3) + 1).astype(int)
    inner = first[1:-1]
    ends = np.concatenate(
        [scale[:1, 0], (scale[inner - 1, 1] + scale[inner, 0]) / 2.0, scale[-1:, 1]]
    )
    height = np.add.reduceat(masses, first[:-1]) / np.diff(ends)
    places = np.exp(ends) if logarithmic else ends
    return Outline(np.repeat(places, 2)[1:-1], np.repeat(height, 2))


def limits_in_decades(
    law: SpectralLaw, peaks: Sequence[float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ends of both logarithmic axes between which all bulks and outliers of a law are seen.

    Parameters
    ----------
    law : SpectralLaw
        With a bulk.
    peaks : the greatest height of each bulk, where it is known
    """
    edges = np.asarray(law.edges)
    outliers = np.asarray(law.outliers) - float(law.origin)
    low = edges[0, 0] if edges[0, 0] > 0.0 else edges[0, 1] * 10.0**-_HARD_EDGE_DECADES
    outliers = outliers[np.isfinite(outliers) & (outliers > 0.0)]
    shown = np.log10(np.concatenate([[low, edges[-1, 1]], outliers]))
    first, last = float(shown.min()), float(shown.max())
    margin = 0.06 * (last - first)
    cut = edges[0, 0] <= 0.0 and first == shown[0]  # it has no end that could be shown
    across = 10.0 ** (first if cut else first - margin), 10.0 ** (last + margin)
    return across, (min(peaks, default=1.0) / 30.0, max(peaks, default=1.0) * ABOVE)


def _distances(low: float, high: float, points: int, logarithmic: bool) -> NDArray[np.float64]:
    """Distances from one edge to the other, dense at both, where the density is a square root."""
    share = (1.0 - np.cos(np.linspace(0.0, math.pi, points))) / 2.0
    if not logarithmic:
        return np.asarray(low + (high - low) * share)
    if low <= 0.0:
        low = high * 10.0 ** -(_HARD_EDGE_DECADES + 1.0)
    return np.asarray(low * np.exp(math.log(high / low) * share))
