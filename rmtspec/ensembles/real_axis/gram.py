"""The real axis of the inverse map of a Gram matrix of Gaussian rows: sums, intervals, gaps.

Notation and equations are those of `weighted_gram`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...solve import READS, REORDERED
from ...solve.cauchy_sums.cells import atom, from_pole, nearby
from ...solve.edges import ABOVE, HIGH, HIGH_VALUE, LOW, LOW_VALUE, SCALE, gap_search
from ...solve.kernel import kernel

FloatArray = NDArray[np.float64]

HARD_EDGE = 8 * 2.220446049250313e-16
"""Masses that differ by less than this, relative to them, are equal: users give rounded ratios."""


@kernel
def pick(condition, this, other):
    """A choice between two numbers: unlike a branch, it can be made in a vectorised loop."""
    return this if condition else other


@kernel(**READS, fastmath=REORDERED)
def _real_parts(anchor, offset, mu, weight):
    """Mass that counts one and that does not, the rests of z/k, dz/dk and of the size of terms."""
    k = anchor + offset
    on = off = part = rise = size = 0.0
    for j in range(weight.size):
        w, m = weight[j], atom(mu, j)
        inverse = 1.0 / from_pole(anchor, mu, j, m, offset)
        missing, whole = k * inverse, m * inverse
        near = abs(missing) < 0.5
        on += pick(near, w, 0.0)
        off += pick(near, 0.0, w)
        part += w * pick(near, -missing, whole)
        rise += w * pick(near, missing * (missing - 2.0), whole * whole)
        size += w * pick(near, abs(missing), abs(whole))
    return on, off, part, rise, size


@kernel
def net_count(on, off, aspect, spare):
    """Mass that counts one less P, and the size of what it is made of.

    μ/(k + μ) counts as 1 − k/(k + μ) where the last term is small: the ones cancel against P.
    Where nearly all count one, their mass is `spare` = mass of H − P less what does not; where few
    do (P may be decades below the mass of H), P is taken from them as it stands.
    """
    all_but, few = abs(spare) + off, on + aspect
    return (spare - off, all_but) if all_but < few else (on - aspect, few)


@kernel(**READS)
def _real_sums(anchor, offset, mu, weight, aspect, spare):
    """z/k, dz/dk and the size of the terms of z/k at real k = anchor + offset."""
    on, off, part, rise, size = _real_parts(anchor, offset, mu, weight)
    count, count_size = net_count(on, off, aspect, spare)
    return count + part, count + rise, count_size + size


@kernel(**READS)
def real_map(anchor, offset, mu, weight, aspect, spare):
    """z, dz/dk and k at real k = anchor + offset, poles measured from the anchor."""
    ratio, rise, _ = _real_sums(anchor, offset, mu, weight, aspect, spare)
    k = anchor + offset
    return k * ratio, rise, k


@kernel
def real_maps(anchor, offset, mu, weight, aspect, spare):
    """z and dz/dk at real points."""
    value, rise = np.empty(offset.size), np.empty(offset.size)
    for i in range(offset.size):
        k = anchor[i] + offset[i]
        near, share = nearby(mu, weight, k, k, 0.0)
        value[i], rise[i], _ = real_map(anchor[i], offset[i], near, share, aspect, spare)
    return value, rise


@kernel(**READS)
def _map_of_interval(_, anchor, offset, data):
    mu, weight, aspect, spare = data
    return real_map(anchor, offset, mu, weight, aspect, spare)


@kernel
def _seen_from(_, low, high, data):
    """The measure as it is seen from an interval."""
    mu, weight, aspect, spare = data
    near, share = nearby(mu, weight, low, high, 0.0)
    return near, share, aspect, spare


find_gaps, locate = gap_search(_map_of_interval, _seen_from)


@kernel
def polish_real(z, anchor, offset, mu, weight, aspect, spare, doubt):
    """One Newton step at real points outside the support, with error bound and residual."""
    eps = 2.220446049250313e-16
    k, error, residual = np.empty(z.size), np.empty(z.size), np.empty(z.size)
    for i in range(z.size):
        at = anchor[i] + offset[i]
        near, share = nearby(mu, weight, at, at, 0.0)
        ratio, rise, size = _real_sums(anchor[i], offset[i], near, share, aspect, spare)
        scale = abs(at) * size + abs(z[i])
        rest = at * ratio - z[i]
        step = rest / rise
        step = min(max(step, -0.5 * abs(offset[i])), 0.5 * abs(offset[i]))
        k[i] = at - step
        rounding = (8.0 + np.sqrt(weight.size)) * eps * scale + doubt * abs(at)
        error[i] = 4.0 * (abs(step) + rounding / abs(rise)) / abs(at) + 4.0 * eps
        residual[i] = abs(rest) / scale
    return k, error, residual


@kernel(**READS)
def _may_open(mu, weight, above, aspect, j):
    """Whether the two poles at the ends of interval j leave room for a gap.

    Mass above the pole that is that of all p eigenvalues, but for rounding, leaves none below.
    """
    rounding = (8.0 + np.sqrt(weight.size)) * 2.220446049250313e-16
    terms = np.cbrt(weight[j] * mu[j] ** 2) + np.cbrt(weight[j + 1] * mu[j + 1] ** 2)
    possible = terms * terms * terms < aspect * (mu[j + 1] - mu[j]) ** 2
    return possible and above[j] < aspect * (1.0 - rounding)


@kernel
def gram_intervals(mu, weight, above, aspect, spare, total):
    """Table of `Intervals`: those between the poles −μ that may open a gap, and the outer ones."""
    count = 0
    for j in range(mu.size - 1):
        if _may_open(mu, weight, above, aspect, j):
            count += 1
    empty = mu.size == 0  # z = −Pk everywhere: no interval between a pole and the atom
    has_atom = spare < 0.0 and not empty
    top, lowest = (1.0, 0.0) if empty else (mu[-1], mu[-1])
    table = np.empty((6, count + (3 if has_atom else 2)))
    for i in range(table.shape[1]):
        table[SCALE, i], table[LOW_VALUE, i], table[HIGH_VALUE, i] = top, np.nan, np.nan
    table[LOW, 0], table[HIGH, 0] = -np.inf, -lowest
    table[LOW_VALUE, 0], table[ABOVE, 0] = np.inf, 0.0
    if empty:
        table[HIGH_VALUE, 0] = 0.0
    i = 1
    for j in range(mu.size - 1):
        if _may_open(mu, weight, above, aspect, j):
            table[LOW, i], table[HIGH, i], table[ABOVE, i] = -mu[j + 1], -mu[j], above[j] / aspect
            i += 1
    if has_atom:
        table[LOW, i], table[HIGH, i], table[ABOVE, i] = -mu[0], 0.0, total / aspect
        table[HIGH_VALUE, i] = 0.0
        i += 1
    table[LOW, i], table[HIGH, i], table[ABOVE, i] = 0.0, np.inf, 1.0
    table[LOW_VALUE, i], table[HIGH_VALUE, i] = np.nan if spare > 0.0 else 0.0, -np.inf
    return table


@kernel
def density_from(k, per):
    """Im(1/k)/(π·per): the density of `per` eigenvalues a dimension, NaN where k is."""
    density = np.empty(k.size)
    for i in range(k.size):
        kr, ki = k[i].real, k[i].imag
        density[i] = -ki / (kr * kr + ki * ki) / (np.pi * per)
    return density
