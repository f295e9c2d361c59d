r"""The inverse map z(k) of a random-feature matrix on the real axis, through two nested laws.

In the notation of `feature_equations`: given the data, U − s² is a Gram matrix of Gaussian rows
(`weighted_gram`) whose measure H holds two eigenvalues :math:`\mu_\pm` for every non-zero
eigenvalue ς of c²XX^T/n, with :math:`\mu_++\mu_-=\varsigma+b^2+u`, :math:`\mu_+\mu_-=b^2u`,
:math:`u=v^2/\psi_n`, an atom at u of mass :math:`\psi_n-\bar r` and one at b² of mass
:math:`1-\bar r`, where :math:`\bar r=\min(\psi_n,\rho((0,\infty)))`.  The law of ς is that of a
sample covariance matrix,
:math:`\kappa(\eta)=\eta(1-\frac1{\psi_n}\int\frac{c^2l\,d\rho}{\eta+c^2l})`, −κ outside it, and

.. math::  (k+b^2)(k+u)/k=\kappa(\eta),\quad y=\frac{k+b^2}\eta
           =\frac{k}{k+u}\,\frac{\kappa(\eta)}{\eta},\quad g_l=y(\eta+c^2l).

Then :math:`dz/dk=\Phi-\psi_p` with the sum of squares

.. math::  \Phi=\int\Big(\frac{b^2+c^2yl}{g_l}\Big)^2d\rho+\frac{(kmy)^2}{\psi_n\kappa'(\eta)},
           \qquad m=\frac{v^2}{k^2}+c^2\int\frac{l\,d\rho}{g_l^2},

which equals :math:`\int\mu^2(k+\mu)^{-2}dH` and is therefore convex between the points of −supp H.
"""

from __future__ import annotations

import numpy as np

from ...solve import READS, REORDERED
from ...solve.cauchy_sums.cells import atom, from_pole
from ...solve.kernel import kernel

BY_K, UPPER, LOWER = 0, 1, 2
"""How an interval is swept: by k, or by η on the larger or the smaller root k."""


@kernel
def roots_of_k(kappa, b2, u):
    """``k_-, k_- + b², k_- + u`` then for ``k_+``, the roots of (k + b²)(k + u) = κk, κ <= 0."""
    b, root_u = np.sqrt(b2), np.sqrt(u)
    spread = np.sqrt(((b - root_u) ** 2 - kappa) * ((b + root_u) ** 2 - kappa))
    low = -0.5 * (b2 + u - kappa + spread)
    high = b2 * u / low if low != 0.0 else 0.0
    shift = u - b2 - kappa  # k + b² = −(shift ± spread)/2, spread² = shift² − 4κb²
    low_b = -0.5 * (shift + spread) if shift > 0.0 else 2.0 * kappa * b2 / (spread - shift)
    high_b = 0.5 * (spread - shift) if shift <= 0.0 else -2.0 * kappa * b2 / (spread + shift)
    shift = b2 - u - kappa
    low_u = -0.5 * (shift + spread) if shift > 0.0 else 2.0 * kappa * u / (spread - shift)
    high_u = 0.5 * (spread - shift) if shift <= 0.0 else -2.0 * kappa * u / (spread + shift)
    if b2 == 0.0 or u == 0.0:  # the small root is 0
        high_b, high_u = b2, u
    return low, low_b, low_u, high, high_b, high_u


@kernel
def _pick(condition, this, other):
    """A choice between two numbers: unlike a branch, it can be made in a vectorised loop."""
    return this if condition else other


@kernel(**READS, fastmath=REORDERED)
def _data_sums(pole, offset, tau, weights):
    """Weight with τ > |η| and with τ < |η|, Σ w |τ/(η + τ)|, the rests of −df1 and of κ', κ''."""
    eta = pole + offset
    high = low = rest = size = rise = bend = 0.0
    for j in range(weights.size):
        t, w = atom(tau, j), weights[j]
        inverse = 1.0 / from_pole(pole, tau, j, t, offset)
        ratio = t * inverse
        above = t > abs(eta)
        high += _pick(above, w, 0.0)
        low += _pick(above, 0.0, w)
        rest += w * inverse * _pick(above, eta, -t)
        size += w * abs(ratio)
        rise += w * _pick(above, eta * inverse * (1.0 + ratio), -ratio * ratio)
        bend += 2.0 * w * ratio * ratio * inverse
    return high, low, size, rest, rise, bend


@kernel(**READS)
def _data_ratio(pole, offset, tau, weights, psi_n, spare):
    """κ/η = 1 − df1/ψ_n at η = pole + offset, κ', κ'' and Σ w |τ/(η + τ)|.

    Written as ψ_n minus the weight of the eigenvalues above |η|, plus or minus small terms: nothing
    cancels where ψ_n equals the number of large eigenvalues. Where most are large it is ψ_n − Σw,
    exactly 0 where ψ_n equals the number of all, plus the weight of those below.
    """
    above, below, size, rest, rise, bend = _data_sums(pole, offset, tau, weights)
    whole = spare + below if below < above else psi_n - above
    return (whole + rest) / psi_n, (whole + rise) / psi_n, bend / psi_n, size


@kernel(**READS)
def totals(tau, weights):
    """∫c²l dρ, and the mass of all l."""
    signal = mass = 0.0
    for j in range(weights.size):
        signal += weights[j] * atom(tau, j)
        mass += weights[j]
    return signal, mass


@kernel(**READS)
def _solve_eta(kappa, tau, weights, psi_n, spare):
    """Solve κ(η) = kappa on its rising convex branch right of the data law, as (pole, offset).

    Every step leads from the right of the root to the zero of the parabola that touches κ there:
    the third derivative of κ is negative, so that the parabola lies below it, and η decreases
    monotonically.  The first point is the root for data with one eigenvalue of the same mass and
    mean: ητ/(η + τ) is concave in τ, so that by Jensen's inequality κ is the least for these.
    """
    lowest = atom(tau, 0)
    pole, offset = 0.0, _root_of_one(kappa, tau, weights, psi_n, spare)
    if kappa < 0.0 and spare > 0.0:
        ratio, slope, _, _ = _data_ratio(-lowest, 0.5 * lowest, tau, weights, psi_n, spare)
        if slope > 0.0 and -0.5 * lowest * ratio >= kappa:  # right of the root
            pole, offset = -lowest, 0.5 * lowest
    for step_number in range(200):
        ratio, slope, bend, _ = _data_ratio(pole, offset, tau, weights, psi_n, spare)
        rest = (pole + offset) * ratio - kappa
        step = 2.0 * rest / (slope + np.sqrt(max(slope * slope - 2.0 * bend * rest, 0.0)))
        # Rounding may start left of the root, by so little that one step is enough.
        if not (step > 4e-16 * abs(offset) or step_number == 0) or slope <= 0.0:
            break
        offset -= step
        if pole + offset <= -lowest:  # at the end of the branch a step means nothing: κ' is 0 there
            return -lowest, 0.0
    return pole, offset


@kernel(**READS)
def _root_of_one(kappa, tau, weights, psi_n, spare):
    """The larger η at which κ(η) = kappa if all data directions had their mean eigenvalue m.

    η² + (m·spare/ψ_n − kappa) η = kappa·m.
    """
    signal, mass = totals(tau, weights)
    m = signal / mass
    b, product = m * (spare / psi_n) - kappa, 2.0 * np.sqrt(m) * np.sqrt(abs(kappa))
    if kappa > 0.0:
        root = np.hypot(b, product)
    else:
        root = np.sqrt(max(abs(b) - product, 0.0)) * np.sqrt(abs(b) + product)
    return 2.0 * kappa * (m / (b + root)) if b > 0.0 else 0.5 * (root - b)


@kernel(**READS, fastmath=REORDERED)
def _real_sums(pole, offset, ridge, level, tau, weights):
    """Sums over f = (ridge + τ)/h and e = τ/h, h = η + τ; level = k/y = η − ridge.

    f and e count as 1 − level/h and 1 − η/h where the last term is small: the ones are kept
    apart, as the mass that counts one and that does not, because they cancel against psi_p and
    psi_n.  Returns these masses, the rest and its size for f, the same for e, ∫τ/h², and ∫f²
    and ∫e² without the ones.
    """
    eta = pole + offset
    on_f = off_f = rest_f = size_f = on_e = off_e = rest_e = size_e = second = 0.0
    squares = squares_e = 0.0
    for j in range(weights.size):
        t, w = atom(tau, j), weights[j]
        inverse = 1.0 / from_pole(pole, tau, j, t, offset)
        whole, missing = (ridge + t) * inverse, level * inverse
        near = abs(missing) < 0.5
        on_f += _pick(near, w, 0.0)
        off_f += _pick(near, 0.0, w)
        part = w * _pick(near, -missing, whole)
        rest_f += part
        size_f += abs(part)
        squares += w * _pick(near, missing * (missing - 2.0), whole * whole)
        share, missing = t * inverse, eta * inverse
        near = abs(missing) < 0.5
        on_e += _pick(near, w, 0.0)
        off_e += _pick(near, 0.0, w)
        part = w * _pick(near, -missing, share)
        rest_e += part
        size_e += abs(part)
        squares_e += w * _pick(near, missing * (missing - 2.0), share * share)
        second += w * share * inverse
    return (
        on_f, off_f, rest_f, size_f, on_e, off_e, rest_e, size_e, second, squares, squares_e
    )  # fmt: skip


@kernel
def _level_count(on_f, off_f, on_e, off_e, psi_p, psi_n, spare, closing, whole):
    """Ones of ∫f − ψ_p + ψ_n − ∫e and the size of what they are made of.

    `spare` is ψ_n less the mass of the data directions, `closing` is 1 + ψ_n − ψ_p, and `whole`
    says that the data directions are all.
    Of each sum either the ones are counted or the mass is that does not count one, whichever is
    less: then no ratio is rounded away, be it decades below the other masses or next to one.
    """
    many_f, many_e = off_f < on_f, off_e < on_e
    if many_f and many_e and whole:
        return (psi_n - psi_p) + off_e - off_f, abs(psi_n - psi_p) + off_f + off_e
    if many_f and many_e:
        return (1.0 - psi_p) - off_f + (spare + off_e), abs(1.0 - psi_p) + off_f + abs(
            spare
        ) + off_e
    if many_f:
        return closing - off_f - on_e, abs(closing) + off_f + on_e
    if many_e:
        return (on_f - psi_p) + (spare + off_e), on_f + psi_p + abs(spare) + off_e
    return (psi_n - psi_p) + on_f - on_e, abs(psi_n - psi_p) + on_f + on_e


@kernel(**READS)
def map_at(
    branch, anchor, offset, low_pole, low_offset, high_pole, high_offset,
    tau, weights, zero_weight, psi_p, psi_n, b2, v2, u, spare, closing,
):  # fmt: skip
    """z − s², dz/dk, k, y, the size of the terms of z, dy/dk; at the real point anchor + offset.

    The point is one of k or, on one of the roots, of η from the nearer end (pole, offset).
    """
    if branch == BY_K:
        k = anchor + offset
        kb, ku = (anchor + b2) + offset, (anchor + u) + offset
        pole, at = 0.0, 1.0
        if weights.size:
            pole, at = _solve_eta(kb * (ku / k), tau, weights, psi_n, spare)
        ratio, rise, _, df1 = _data_ratio(pole, at, tau, weights, psi_n, spare)
    else:
        if offset > 0.0:
            pole, at = low_pole, low_offset + offset
        else:
            pole, at = high_pole, high_offset + offset
        ratio, rise, _, df1 = _data_ratio(pole, at, tau, weights, psi_n, spare)
        roots = roots_of_k((pole + at) * ratio, b2, u)
        k, kb, ku = roots[:3] if branch == UPPER else roots[3:]
    eta = pole + at
    along_b = (abs(k) + b2) / abs(kb)
    along_u = (1.0 + df1 / psi_n) / abs(ratio) + ((abs(k) + u) / abs(ku) if u > 0.0 else 0.0)
    if weights.size and (along_b < along_u or k == 0.0):
        y = kb / eta
    else:
        y = ratio * (k / ku if u > 0.0 else 1.0)
    (
        on_f, off_f, rest_f, size_f, on_e, off_e, rest_e, size_e, second, squares, squares_e
    ) = _real_sums(pole, at, b2 / y, k / y, tau, weights)  # fmt: skip
    if zero_weight > 0.0:  # f = b²/(k + b²)
        near = abs(k) < 0.5 * abs(kb)
        on_f += zero_weight if near else 0.0
        off_f += 0.0 if near else zero_weight
        part = zero_weight * (-k if near else b2) / kb
        rest_f += part
        size_f += abs(part)
        whole, missing = b2 / kb, k / kb
        squares += zero_weight * (missing * (missing - 2.0) if near else whole * whole)
    # z = k(∫f − ψ_p) + v²y, and v²y = k(ψ_n − ∫e − ψ_n y): either may cancel, not both.
    count, count_size = on_f - psi_p, on_f + psi_p
    if off_f < on_f:
        count, count_size = (1.0 - psi_p) - off_f, abs(1.0 - psi_p) + off_f
    m = second / (y * y) + (v2 / (k * k) if v2 > 0.0 else 0.0)
    slope = m * y * y / (psi_n * rise)
    plain_rise = count + squares + k * k * m * slope
    plain_rise_size = count_size + abs(squares) + k * k * m * abs(slope)
    plain = k * (count + rest_f) + v2 * y
    plain_size = abs(k) * (count_size + size_f) + abs(v2 * y)
    count, count_size = _level_count(
        on_f, off_f, on_e, off_e, psi_p, psi_n, spare, closing, zero_weight == 0.0
    )
    level = k * (count + rest_f - rest_e - psi_n * y)
    level_size = abs(k) * (count_size + size_f + size_e + abs(psi_n * y))
    value, size = (plain, plain_size) if plain_size < level_size else (level, level_size)
    # kmy = ψ_n κ' − C: where C is small, the ones of ψ_n κ' = ψ_n − ∫e² cancel against ψ_p.
    small = psi_n * y + b2 / y * second
    cross = small * (small / (psi_n * rise) - 2.0)
    level_rise = count + squares - squares_e + cross
    level_rise_size = count_size + abs(squares) + abs(squares_e) + abs(cross)
    steep = plain_rise if plain_rise_size < level_rise_size else level_rise
    climb = steep if rise > 0.0 and np.isfinite(plain_rise) else np.inf
    return value, climb, k, y, size, slope
