r"""The real axis of the inverse map of a random-feature matrix: its intervals, searched for gaps.

The map itself, and the nested laws behind it, are in `feature_map`.

*Intervals.*  Those between the points of −supp H come from the gaps
:math:`(\eta_1,\eta_2)` of the data level, each of which opens one interval of k on either root of
:math:`(k+b^2)(k+u)/k=\kappa(\eta)`:

=====================================  =======================  ==============================
k                                      η                        mass of H above −k
=====================================  =======================  ==============================
upper root, inner or outer             (η_1, η_2), (−inf, η_L)  m_η = ρ(c²l > −η)
central, cut at −b² and −u if atoms    (η_R, inf)               r̄ + the atoms above −k
lower root, inner or outer             (η_1, η_2), (−inf, η_L)  H((0, inf)) − m_η
k > 0                                  (η_R, inf)               all p eigenvalues
=====================================  =======================  ==============================

An interval with more mass above it than p/d lies below all eigenvalues and is left out.  On the
two roots η is swept, as pole + offset from the nearest population eigenvalue, so that nothing is
lost next to a pole; elsewhere k is, and η solved for.
"""

from __future__ import annotations

import numpy as np

from ...solve import READS
from ...solve.cauchy_sums.cells import atom, first_atoms, nearby
from ...solve.edges import ABOVE, HIGH, HIGH_VALUE, LOW, LOW_VALUE, SCALE, gap_search, point
from ...solve.kernel import kernel
from .feature_map import BY_K, LOWER, UPPER, map_at, roots_of_k, totals
from .gram import HARD_EDGE, gram_intervals, real_map

DATA = 3
"""An interval of the data level, swept by η."""

_BRANCH, _LOW_POLE = 6, 7  # rows of the table beside those of `Intervals`; four from the second


@kernel(**READS)
def _map_of_interval(i, anchor, offset, data):
    branch, ends, tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, spare, closing = data
    if branch[i] == DATA:
        return real_map(anchor, offset, tau, weights, psi_n, -spare)
    value, rise, k, _, _, _ = map_at(
        branch[i], anchor, offset, ends[0, i], ends[1, i], ends[2, i], ends[3, i],
        tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, spare, closing,
    )  # fmt: skip
    return value, rise, k


@kernel
def _seen_from(i, low, high, data):
    """The atoms as they are seen from all η of an interval; low and high are ends in k on roots."""
    branch, ends, tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, spare, closing = data
    if branch[i] == BY_K:
        low, high = -atom(tau, 0) if weights.size else -np.inf, np.inf
    elif branch[i] != DATA:
        low, high = ends[0, i] + ends[1, i], ends[2, i] + ends[3, i]
        low = low if low <= high else -np.inf
    near, share = nearby(tau, weights, low, high, 0.0)
    return branch, ends, near, share, zero_weight, psi_p, psi_n, b2, v2, u, spare, closing


find_gaps, locate = gap_search(_map_of_interval, _seen_from)


@kernel
def inverse_map(index, anchor, offset, data):
    """Rows z − s², dz/dk, k, y, the size of the terms of z, dy/dk at points of intervals."""
    branch, ends, _, _, zero_weight, psi_p, psi_n, b2, v2, u, spare, closing = data
    rows = np.empty((6, offset.size))
    for j in range(offset.size):
        i = index[j]
        tau, weights = _seen_from(i, 0.0, 0.0, data)[2:4]
        rows[0, j], rows[1, j], rows[2, j], rows[3, j], rows[4, j], rows[5, j] = map_at(
            branch[i], anchor[j], offset[j], ends[0, i], ends[1, i], ends[2, i], ends[3, i],
            tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, spare, closing,
        )  # fmt: skip
    return rows


@kernel(**READS)
def _by_k(rows, count, low, high, mass, low_value, high_value, scale, psi_p):
    """Add an interval of k, unless it is empty or would lie below all p eigenvalues."""
    if not low < high or (not _leaves_room(mass, psi_p) and np.isfinite(high)):
        return count
    rows[LOW, count], rows[HIGH, count], rows[SCALE, count] = low, high, scale
    rows[LOW_VALUE, count], rows[HIGH_VALUE, count] = low_value, high_value
    rows[ABOVE, count], rows[_BRANCH, count] = mass / psi_p, BY_K
    for row in range(_LOW_POLE, _LOW_POLE + 4):
        rows[row, count] = 0.0
    return count + 1


@kernel
def _leaves_room(mass, psi_p):
    """Whether p holds more than this mass, rounding apart."""
    return mass < psi_p * (1.0 - HARD_EDGE)


@kernel(**READS)
def _by_eta(
    rows, count, branch, unbounded, low_pole, low_offset, high_pole, high_offset, mass, low_value,
    psi_p,
):  # fmt: skip
    """Add an interval of η between ends (pole, offset), or from −inf to the second."""
    if not _leaves_room(mass, psi_p):
        return count
    rows[LOW, count] = -np.inf if unbounded else 0.0
    rows[HIGH, count] = 0.0 if unbounded else (high_pole - low_pole) + (high_offset - low_offset)
    rows[SCALE, count] = -high_pole - high_offset
    rows[LOW_VALUE, count], rows[HIGH_VALUE, count] = low_value, np.nan
    rows[ABOVE, count], rows[_BRANCH, count] = mass / psi_p, branch
    rows[_LOW_POLE, count], rows[_LOW_POLE + 1, count] = low_pole, low_offset
    rows[_LOW_POLE + 2, count], rows[_LOW_POLE + 3, count] = high_pole, high_offset
    return count + 1


@kernel
def _above(k, b2, u, noise_mass, sample_mass):
    """Mass of the two atoms of H, at b² and u, that lie above −k."""
    return (noise_mass if b2 > -k else 0.0) + (sample_mass if u > -k else 0.0)


@kernel(**READS)
def _between_atoms(
    rows, count, low, high, b2, u, rank, noise_mass, sample_mass, atom, scale, psi_p
):  # fmt: skip
    """Add the intervals of k between low and high, cut at −b² and −u where H has an atom there."""
    at_b = -b2 if noise_mass > 0.0 else high
    at_u = -u if sample_mass > 0.0 else high
    start = low
    for cut in (min(at_b, at_u), max(at_b, at_u), high):
        if not start < cut <= high:
            continue
        mass = rank + _above(0.5 * (start + cut), b2, u, noise_mass, sample_mass)
        if cut < 0.0:
            count = _by_k(rows, count, start, cut, mass, np.nan, np.nan, scale, psi_p)
        elif atom > 0.0:
            count = _by_k(rows, count, start, cut, mass, np.nan, 0.0, scale, psi_p)
        start = cut
    return count


@kernel(**READS)
def _without_data(rows, b2, u, psi_n, total, atom, scale, psi_p):
    """c = 0: H consists of the two atoms b² (of mass 1) and u (of mass psi_n) alone."""
    low, high = min(b2, u), max(b2, u)
    if high == 0.0:
        return _by_k(rows, np.intp(0), -np.inf, 0.0, 0.0, np.inf, 0.0, scale, psi_p)
    count = _by_k(rows, np.intp(0), -np.inf, -high, 0.0, np.inf, np.nan, scale, psi_p)
    if 0.0 < low < high:
        mass = _above(-0.5 * (low + high), b2, u, 1.0, psi_n)
        count = _by_k(rows, count, -high, -low, mass, np.nan, np.nan, scale, psi_p)
    if atom > 0.0:
        lowest = low if low > 0.0 else high
        count = _by_k(rows, count, -lowest, 0.0, total, np.nan, 0.0, scale, psi_p)
    return count


@kernel(**READS)
def _with_data(
    rows, table, gaps, hard, b2, u, psi_n, rank, noise_mass, sample_mass, total, atom, scale, psi_p
):
    """All intervals between −supp H, from the gaps of the data level."""
    both, count, lowest = b2 > 0.0 and u > 0.0, np.intp(0), 0.0
    for g in range(gaps.shape[1]):
        i, mass = np.intp(gaps[3, g]), gaps[2, g] * psi_n
        low, scale_of = table[LOW, i], table[SCALE, i]
        low_pole, low_offset = point(low, table[HIGH, i], scale_of, gaps[4, g])
        high_pole, high_offset = point(low, table[HIGH, i], scale_of, gaps[5, g])
        if low == -np.inf:
            ends = 0.0, 0.0, high_pole, high_offset
            count = _by_eta(rows, count, UPPER, True, *ends, 0.0, np.inf, psi_p)
            if both and atom > 0.0:
                count = _by_eta(rows, count, LOWER, True, *ends, total, 0.0, psi_p)
        elif table[HIGH, i] < 0.0:
            ends = low_pole, low_offset, high_pole, high_offset
            count = _by_eta(rows, count, UPPER, False, *ends, mass, np.nan, psi_p)
            if both:
                count = _by_eta(rows, count, LOWER, False, *ends, total - mass, np.nan, psi_p)
    if not hard:
        g = 0
        while not gaps[1, g] > 0.0:
            g += 1
        lowest = -gaps[1, g] / psi_n
    start, _, _, end, _, _ = roots_of_k(lowest, b2, u)
    return _between_atoms(
        rows, count, start, end, b2, u, rank, noise_mass, sample_mass, atom, scale, psi_p
    )


@kernel
def _sum(a, b, c, d):
    """a + b + c + d, rounded once: the rounding of every sum is kept (Møller 1965, Knuth 1969)."""
    total, lost = a, 0.0
    for term in (b, c, d):
        new = total + term
        part = new - total
        lost += (total - (new - part)) + (term - part)
        total = new
    return total + lost


@kernel
def balance(psi_p, psi_n, b2, v2, has_data, zero_weight, lost):
    """Differences of masses on whose digits a law next to a hard edge hangs, each rounded once.

    Returns the mass of the data directions less psi_n (the weights sum to 1 + lost), that of H on
    (0, inf) less psi_p, and 1 + psi_n − psi_p: 0 at a hard edge, followed by what that leaves out.
    """
    data_excess = _sum(1.0, -zero_weight, zero_weight * lost, -psi_n)
    closing, doubt = _sum(1.0, psi_n, -psi_p, 0.0), 0.0
    if abs(closing) <= HARD_EDGE * psi_p:
        closing, doubt = 0.0, abs(closing)
    if b2 > 0.0 or v2 > 0.0:  # H has mass 1 for b² and psi_n for v²
        excess = _sum(1.0 if b2 > 0.0 else 0.0, psi_n if v2 > 0.0 else 0.0, -psi_p, 0.0)
    elif has_data and data_excess < -HARD_EDGE * psi_n:
        excess = _sum(1.0, -zero_weight, -psi_p, 0.0)
    else:
        excess = (min(psi_n, 1.0 - zero_weight) if has_data else 0.0) - psi_p
    return data_excess, excess, closing, doubt


@kernel
def feature_axis(
    tau, weights, above, whole, zero_weight,
    psi_p, psi_n, b2, v2, data_excess, excess, closing,
):  # fmt: skip
    """Intervals and gaps, from those of the data level (none if there are no weights).

    Parameters
    ----------
    tau, weights, zero_weight : positive eigenvalues c²l, ascending, or their cells, the weights of
        the eigenvalues, and that of 0
    above, whole : mass of ρ above each, and of all
    data_excess, excess : mass of the data directions less psi_n, of H less psi_p, rounded once
    closing : 1 + psi_n − psi_p, 0 at a hard edge

    Returns
    -------
    table, branch, ends : `Intervals`, how each is swept, and its ends (pole, offset)
    gaps : (6, g) as `find_gaps` has them; those of the data level if these are out of order
    ordered : whether they are in order
    """
    u = v2 / psi_n
    balanced = abs(excess) <= HARD_EDGE * psi_p
    spare_p = 0.0 if balanced else excess
    atom, bare = max(0.0, -spare_p / psi_p), b2 == 0.0 and v2 == 0.0
    has_data, hard = weights.size > 0, False
    data_spare, rank, noise_mass, sample_mass = -psi_n, 0.0, 1.0, psi_n
    if has_data:
        hard = abs(data_excess) <= HARD_EDGE * psi_n
        data_spare = 0.0 if hard else data_excess
        rank = min(psi_n, 1.0 - zero_weight)
        noise_mass = zero_weight if data_spare <= 0.0 else 1.0 - psi_n
        sample_mass = max(-data_spare, 0.0)
    total = rank if bare else (1.0 if b2 > 0.0 else 0.0) + (psi_n if v2 > 0.0 else 0.0)
    total = psi_p if balanced else total
    scale = b2 + u + totals(tau, weights)[0]
    scale = scale if scale > 0.0 else 1.0
    if has_data:
        few = data_excess < -0.5 * psi_n
        mass = whole if few else psi_n + data_spare
        data_table = gram_intervals(
            first_atoms(tau, weights), weights, above, psi_n, data_spare, mass
        )
        sweep = np.empty(data_table.shape[1], np.intp)
        for i in range(sweep.size):
            sweep[i] = DATA
        data = (
            sweep, np.empty((4, 0)), tau, weights, zero_weight,
            psi_p, psi_n, b2, v2, u, -data_spare, closing,
        )  # fmt: skip
        data_gaps, ordered = find_gaps(data_table, psi_n, data)
        rows = np.empty((_LOW_POLE + 4, 2 * data_gaps.shape[1] + 4))
        if not ordered:
            return rows[:6], sweep, np.empty((4, 0)), data_gaps, False
        count = _with_data(
            rows, data_table, data_gaps, hard,
            b2, u, psi_n, rank, noise_mass, sample_mass, total, atom, scale, psi_p,
        )  # fmt: skip
    else:
        rows = np.empty((_LOW_POLE + 4, 4))
        count = _without_data(rows, b2, u, psi_n, total, atom, scale, psi_p)
    # The interval k > 0, left of the whole spectrum; bulk and atom meet at s² if all is bare.
    meets_atom = has_data and bare and hard and spare_p < 0.0
    mass, low_value = total if meets_atom else psi_p, np.nan if spare_p > 0.0 else 0.0
    count = _by_k(rows, count, 0.0, np.inf, mass, low_value, -np.inf, scale, psi_p)
    table, branch, ends = _split(rows, count)
    data = (
        branch, ends, tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, -data_spare, closing
    )  # fmt: skip
    gaps, ordered = find_gaps(table, psi_p, data)
    return table, branch, ends, gaps, ordered


@kernel
def _split(rows, count):
    """Intervals, branches and ends of the first rows of a table."""
    table, branch, ends = np.empty((6, count)), np.empty(count, np.intp), np.empty((4, count))
    for i in range(count):
        for row in range(6):
            table[row, i] = rows[row, i]
        branch[i] = np.intp(rows[_BRANCH, i])
        for row in range(4):
            ends[row, i] = rows[_LOW_POLE + row, i]
    return table, branch, ends
