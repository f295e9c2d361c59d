"""Where single eigenvalues lie: in an atom, at the edges, as outliers, or where none should be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..law import SpectralLaw
from ..solve.tracy_widom import TracyWidom
from .edges import Edges
from .observed import Eigenvalues

FloatArray = NDArray[np.float64]

_REACH = 1e-3
"""Chance that any eigenvalue of the draws lies beyond its edge by more than the reach."""


def atoms(law: SpectralLaw, found: Eigenvalues) -> list[dict[str, Any]]:
    """For every atom the count that the law gives, exactly, and those of the draws."""
    size = found.values.shape[1]
    rows = []
    for location, mass in law.atoms:
        counts = _within(law, found, float(location)).sum(axis=1)
        rows.append(
            {
                "location": float(location),
                "predicted": round(float(mass) * size),
                "observed": [int(counts.min()), int(counts.max())],
            }
        )
    return rows


def edges(law: SpectralLaw, found: Eigenvalues, beta: int) -> list[dict[str, Any]]:
    """For every soft edge with room around it the outermost eigenvalue of the bulk beside it.

    `z` is the mean over the draws, in standard deviations, of eigenvalues in units of the
    Tracy-Widom law, outwards positive.
    """
    at, size, count = Edges.of(law), found.values.shape[1], len(found.values)
    clear, ends = at.is_clear(size), outermost(law, found.values, at)
    law_at_edge = TracyWidom(beta)
    rows = []
    for i in range(at.location.size):
        row: dict[str, Any] = {
            "location": float(at.location[i]),
            "end": "upper" if at.side[i] > 0 else "lower",
            "observed": float(ends[:, i].mean()),
            "predicted": float("nan"),
            "sd": float("nan"),
            "z": float("nan"),
            "pvalue": float("nan"),
        }
        if clear[i]:
            scale = float(at.scale(size)[i])
            scaled = at.side[i] * (ends[:, i] - at.centre(size, beta)[i]) / scale
            sd = law_at_edge.standard_deviation / np.sqrt(count)
            row["predicted"] = float(
                at.centre(size, beta)[i] + at.side[i] * scale * law_at_edge.mean
            )
            row["sd"], row["z"] = float(scale * sd), float((scaled.mean() - law_at_edge.mean) / sd)
            if count == 1:
                low = float(law_at_edge.cdf(scaled[0]))
                row["pvalue"] = 2.0 * min(low, float(law_at_edge.sf(scaled[0])))
        rows.append(row)
    return rows


def strays(
    law: SpectralLaw, found: Eigenvalues, beta: int
) -> tuple[list[dict[str, Any]], int, FloatArray]:
    """Outliers of the law beside the nearest eigenvalues off the bulks; how many more there are.

    Returns
    -------
    outliers : rows
    outside : number of other eigenvalues off the bulks, in all draws
    values : they themselves
    """
    outside = _off_the_bulks(law, found, beta)
    matched = np.full((len(found.values), law.outliers.size), np.nan)
    for row, off, places in zip(found.values, outside, matched, strict=True):
        for j in range(places.size):
            free = np.flatnonzero(off)
            if free.size:
                nearest = free[np.abs(row[free] - law.outliers[j]).argmin()]
                places[j], off[nearest] = row[nearest], False
    rows = []
    for j, location in enumerate(law.outliers):
        seen = matched[np.isfinite(matched[:, j]), j]
        spread = float(seen.std(ddof=1)) if seen.size > 1 else float("nan")
        rows.append(
            {
                "predicted": float(location),
                "observed": float(seen.mean()) if seen.size else float("nan"),
                "spread": spread,
                "seen": int(seen.size),
            }
        )
    return rows, int(outside.sum()), found.values[outside]


def outermost(law: SpectralLaw, values: FloatArray, at: Edges) -> FloatArray:
    """(m, edges) the outermost eigenvalue of each bulk: exact separation counts what lies above.

    Outliers in the gap beside an edge are taken to have left the bulk of this edge.
    """
    size = values.shape[1]
    out = np.empty((len(values), at.location.size))
    for i, (end, side) in enumerate(zip(at.location, at.side, strict=True)):
        between = side * (law.outliers - end) > 0.0
        others = at.location[side * (at.location - end) > 0.0]
        if others.size:
            between &= side * (law.outliers - side * float((side * others).min())) < 0.0
        rank = size - round(float(at.above[i]) * size) - side * int(between.sum())
        out[:, i] = values[:, min(max(rank - int(side > 0), 0), size - 1)]
    return out


def _within(law: SpectralLaw, found: Eigenvalues, location: float) -> NDArray[np.bool_]:
    """Which eigenvalues are an atom's, but for rounding."""
    top = float(np.abs(found.values).max())
    near = 16.0 * found.values.shape[1] * found.rounding * top
    ends = law.support.ravel()
    if ends.size:
        near = min(near, 0.5 * float(np.abs(ends - location).min()))
    return np.asarray(np.abs(found.values - location) <= max(near, 4.0 * np.spacing(abs(location))))


def _off_the_bulks(law: SpectralLaw, found: Eigenvalues, beta: int) -> NDArray[np.bool_]:
    at, (count, size) = Edges.of(law), found.values.shape
    chance = _REACH / (count * max(at.location.size, 1))
    reach = np.nan_to_num(at.scale(size)) * float(TracyWidom(beta).quantile(1.0 - chance))
    shifted = at.centre(size, beta) + at.side * reach
    lower, upper = shifted[at.side < 0], shifted[at.side > 0]
    if not at.is_soft[0]:  # a hard edge cannot be passed, but for rounding
        lower[0] = -np.inf
    inside = np.zeros(found.values.shape, dtype=np.bool_)
    for low, high in zip(lower, upper, strict=True):
        inside |= (found.values >= low) & (found.values <= high)
    for location, _ in law.atoms:
        inside |= _within(law, found, float(location))
    return ~inside
