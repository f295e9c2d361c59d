r"""Eigenvalues that a perturbation of finite rank puts into the gaps of a spectrum.

Near a finite number of directions F the resolvent of a matrix is that of :math:`R_0^{-1}+F\Theta
F^\top`.  With :math:`G(z)=F^\top R_0(z)F` its single eigenvalues are the real zeros outside the
bulks of

.. math::  \det(I+G\Theta),\qquad\text{or of}\quad M(z)=\Theta(z)^{-1}+G(z) .

In a gap G increases with z, for :math:`R_0` does, and where :math:`\Theta^{-1}` increases too so
does M, in the sense of quadratic forms: every eigenvalue of M rises, and each that goes from
negative to positive across the gap is one single eigenvalue of the matrix.  None can be missed.
At such a zero, with M n = 0, the unit eigenvector û has the squared scalar product

.. math::  (\hat u^\top h)^2=\frac{(h^\top R_0F\,n)^2}{n^\top M'n}

with any vector h, by the residue of :math:`h^\top Rh`.

A single direction h whose bulk has an inverse map z(k) needs no search (`solved`).  Take
:math:`M=-1/h^\top Rh`, as a function of k.  Where it vanishes is known, and whether that point lies
in a gap is told by the sign of dz/dk.  Spikes of a sample covariance and of a random-feature matrix
are of this kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_NEAR = 1e-9  # of a gap's width from its ends: nearer, an eigenvalue is part of the bulk
_STEPS = 200


class Form(NamedTuple):
    """M, its derivative, and cross products :math:`h^\top R_0F` at one point of a gap.

    Attributes
    ----------
    matrix, slope : (m, m) symmetric
    cross : (h, m) one row a vector h
    """

    matrix: FloatArray
    slope: FloatArray
    cross: FloatArray


class Isolated(NamedTuple):
    """Single eigenvalues, ascending.

    Attributes
    ----------
    location : (i,)
    overlap : (i, h) squared scalar products of the unit eigenvectors with the vectors h
    """

    location: FloatArray
    overlap: FloatArray


def isolated(
    form: Callable[[float], Form | None],
    lower: FloatArray,
    upper: FloatArray,
    scale: float,
    vectors: int,
) -> Isolated:
    """All single eigenvalues in the gaps (lower, upper).

    Parameters
    ----------
    form : M at a point; None where it is not known.  Far above everything it is positive
    lower, upper : (g,) ends of the gaps; upper may be infinite
    scale : > 0, a length beyond which an infinite gap is searched in powers of 2
    vectors : number of vectors h
    """
    found: list[tuple[float, FloatArray]] = []
    for low, high in zip(lower, upper, strict=True):
        end = _far(form, float(low), scale) if np.isinf(high) else float(high)
        if end is None:
            continue
        found += _in_gap(form, float(low), end)
    found.sort(key=lambda one: one[0])
    overlaps = np.array([overlap for _, overlap in found]).reshape(len(found), vectors)
    return Isolated(np.array([place for place, _ in found]), overlaps)


def solved(location: FloatArray, rise: FloatArray, growth: FloatArray) -> Isolated:
    """Single eigenvalues where the zeros of one M = −1/hᵀRh are known, those in no gap included.

    Parameters
    ----------
    location : (i,) z at the zeros
    rise : (i,) dz/dk there, k a parameter that falls as z rises in a gap
    growth : (i,) dM/dk there

    Returns
    -------
    Isolated
        In the order given; location NaN and overlap 0 at a zero in no gap.
    """
    apart = rise < 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        overlap = np.where(apart, rise / growth, 0.0)
    return Isolated(np.where(apart, location, np.nan), overlap[:, None])


def threshold(visible: FloatArray, strength: FloatArray) -> FloatArray:
    """Strengths (i,) at which single eigenvalues enter a bulk, nearest to those given; or NaN.

    Parameters
    ----------
    visible : (m, 2) intervals of strengths whose eigenvalue lies in a gap; 0 and inf are no ends
    strength : (i,)
    """
    ends = visible[np.isfinite(visible) & (visible > 0.0)]
    if ends.size == 0:
        return np.full(strength.shape, np.nan)
    return np.asarray(ends[np.argmin(np.abs(ends - strength[:, None]), axis=1)])


def _negative(form: Form) -> int:
    return int(np.count_nonzero(np.linalg.eigvalsh(form.matrix) < 0.0))


def _far(form: Callable[[float], Form | None], low: float, scale: float) -> float | None:
    """A point beyond the last single eigenvalue."""
    step = scale
    for _ in range(_STEPS):
        at = form(low + step)
        if at is not None and _negative(at) == 0:
            return low + step
        step *= 2.0
    return None


def _in_gap(
    form: Callable[[float], Form | None], low: float, high: float
) -> list[tuple[float, FloatArray]]:
    ends = []
    for place, inward in ((low, 1.0), (high, -1.0)):
        margin, at = _NEAR * (high - low), None
        while at is None and margin < 0.4 * (high - low):
            start = place + inward * margin
            at, margin = form(start), 8.0 * margin
        if at is None:
            return []
        ends.append((start, _negative(at)))
    (left, many), (right, few) = ends
    return [_zero(form, left, right, index) for index in range(few, many)]


def _zero(
    form: Callable[[float], Form | None], left: float, right: float, index: int
) -> tuple[float, FloatArray]:
    """Where the eigenvalue number `index` of M, counted from the lowest, is zero."""
    from scipy.optimize import brentq

    def value(z: float) -> float:
        at = form(z)
        return np.nan if at is None else float(np.linalg.eigvalsh(at.matrix)[index])

    place = float(brentq(value, left, right, xtol=4e-16 * max(abs(left), abs(right)), rtol=1e-15))
    at = form(place)
    assert at is not None
    values, vectors = np.linalg.eigh(at.matrix)
    null = vectors[:, int(np.abs(values).argmin())]
    overlap = (at.cross @ null) ** 2 / float(null @ at.slope @ null)
    return place, overlap
