r"""The random-feature law given one data set: the law of U over W and Ω at fixed X.

U - s² = 𝒲 M 𝒲ᵀ/d with 𝒲 = [W, Ω'] Gaussian of size p × (d + n) and M built from the data. Each
eigenvalue ς/c² of the d × d matrix X Xᵀ/n spans with its right singular vector a block

    ( ς + b²   √(ςu) )
    (  √(ςu)     u   )  ,   u = v²/ψ_n,   trace T = ς + b² + u,   determinant b² u,

and the remaining n - d sample directions carry the eigenvalue u each (if n < d, the d - n blocks
with ς = 0 contribute too many u, and the same term takes them away). With k = 1/(ψ_p q)
Silverstein's equation is then

    z = s² - ψ_p k + (1/d) Σ_i k (k T_i + 2 b² u)/(k² + k T_i + b² u) + (ψ_n - 1) k u/(k + u),

one equation in one unknown and free of square roots: the eigenvalues μ of M itself are needed only
to name the gaps in which edges are sought.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import mpmath
from mpmath import mp

from . import _arguments
from ._arguments import GUARD_DIGITS, Gram
from ._continuation import Linearised, find_root


@dataclass(frozen=True)
class Solution:
    """q and k = 1/(ψ_p q) at one point, with relative residual and last Newton correction.

    `s` = Tr Wᵀ(U - z)^{-1}W/(p d), from Wᵀ(U - z)^{-1}W/d = [k + b² + k/(k + u) c² X Xᵀ/n]^{-1}.
    """

    q: Any
    s: Any
    k: Any
    residual: Any
    correction: Any


@dataclass(frozen=True)
class Bulk:
    """One interval of the support, measured from s², and its exact mass."""

    left: Any
    right: Any
    mass: Any


def solve(
    z: Any,
    psi_p: Any,
    psi_n: Any,
    eigenvalues: Sequence[Any],
    weights: Sequence[Any] | None,
    c2: Any,
    b2: Any,
    v2: Any,
    s2: Any,
    digits: int = 50,
    start: Any = None,
) -> Solution:
    """Solve for the law of U given the d eigenvalues of X Xᵀ/n, zeros included.

    Parameters
    ----------
    z, psi_p, psi_n, c2, b2, v2, s2, digits
        As in `rmtspec.reference.random_feature.solve`.
    eigenvalues, weights : sequence of numbers
        Eigenvalues of X Xᵀ/n and their shares of the d directions (None: equal).
    start : number, optional
        Approximate q to polish.

    Returns
    -------
    Solution

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its range.
    CertificateError
        If no certified root is found.
    """
    digits = _arguments.digits_of(digits)
    with mpmath.workdps(digits + GUARD_DIGITS):
        model = _arguments.gram(psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2)
        w = _arguments.point("z", z) - model.s2
        system = ConditionalSystem(model)
        root = find_root(system, w, digits, None if start is None else [mp.mpc(start)])
        q = root.unknowns[0]
        k = 1 / (model.psi_p * q)
        shrinkage = k / (k + system.u)
        s = model.average(lambda t: 1 / (k + model.b2 + shrinkage * model.c2 * t)) / model.psi_p
        return Solution(q, s, k, root.residual, root.correction)


def bulks(
    psi_p: Any,
    psi_n: Any,
    eigenvalues: Sequence[Any],
    weights: Sequence[Any] | None,
    c2: Any,
    b2: Any,
    v2: Any,
    s2: Any,
    digits: int = 50,
) -> list[Bulk]:
    """Every bulk of the support in ascending order, with its exact mass.

    dz/dk = -ψ_p + ∫ μ²(k + μ)^{-2} dH_M is strictly convex between the poles -μ, and z(k) is
    outside the support iff it is negative; the fraction of eigenvalues below such a z is 1 -
    N/ψ_p for k < 0, where N is the mass of H_M above -k, and 0 for k > 0. The mass not in bulks
    is the atom at s².

    Returns
    -------
    list of Bulk
    """
    digits = _arguments.digits_of(digits)
    with mpmath.workdps(digits + GUARD_DIGITS):
        model = _arguments.gram(psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2)
        law = _block_spectrum(model)
        cuts = sorted(_outside(model.psi_p, law), key=lambda cut: cut[0])
        ends = [(end, below) for left, right, below in cuts for end in (left, right)]
        inner = ends[1:-1]
        found = [
            Bulk(inner[i][0], inner[i + 1][0], inner[i + 1][1] - inner[i][1])
            for i in range(0, len(inner), 2)
        ]
        return [bulk for bulk in found if bulk.right > bulk.left]


class ConditionalSystem:
    """The equation of the module docstring in the unknown q, with z measured from s²."""

    def __init__(self, model: Gram) -> None:
        self.model = model
        self.u = model.v2 / model.psi_n

    @property
    def scale(self) -> Any:
        """An upper bound of the spectrum above s²."""
        return self.model.scale

    def half_planes(self) -> tuple[bool]:
        """Im q > 0 is sufficient here."""
        return (True,)

    def far_away(self, z: Any) -> list[Any]:
        """q = -1/z."""
        return [-1 / z]

    def image(self, unknowns: Sequence[Any], z: Any) -> list[Any]:
        """q -> 1/(∫ μ dH_M/(1 + ψ_p q μ) - z), in which ψ_p q = 1/k."""
        k = 1 / (self.model.psi_p * unknowns[0])
        return [1 / (self._lift(k)[0] - z)]

    def _lift(self, k: Any) -> tuple[Any, Any]:
        """∫ kμ/(k + μ) dH_M and its derivative ∫ μ²/(k + μ)² dH_M, from traces of the blocks."""
        model, u = self.model, self.u
        determinant = model.b2 * u

        def both(atom: Any) -> tuple[Any, Any]:
            trace = model.c2 * atom + model.b2 + u
            secular = k * k + k * trace + determinant
            top = k * trace + 2 * determinant
            slope = (
                (2 * k * trace + 2 * determinant) * secular - k * top * (2 * k + trace)
            ) / secular**2
            return k * top / secular, slope

        values = [both(atom) for atom in model.atoms]
        rest = model.psi_n - 1
        pole = u / (k + u) if u else mp.mpf(0)
        lift = [weight * value[0] for weight, value in zip(model.weights, values, strict=True)]
        rise = [weight * value[1] for weight, value in zip(model.weights, values, strict=True)]
        return mp.fsum([*lift, rest * k * pole]), mp.fsum([*rise, rest * pole**2])

    def linearise(self, unknowns: Sequence[Any], z: Any) -> Linearised:
        """z(k) - z, differentiated in q = 1/(ψ_p k)."""
        q = unknowns[0]
        psi = self.model.psi_p
        k = 1 / (psi * q)
        lift, rise = self._lift(k)
        sizes = mp.fsum(map(abs, (psi * k, lift, z)))
        slope = (rise - psi) * (-1 / (psi * q * q))
        return Linearised([lift - psi * k - z], [[slope]], [mp.mpf(-1)], [sizes])


def _block_spectrum(model: Gram) -> list[tuple[Any, Any]]:
    """The law H_M as (μ, mass) pairs, ascending, positive μ and positive masses only."""
    u = model.v2 / model.psi_n
    pairs: dict[Any, Any] = {}

    def add(mu: Any, mass: Any) -> None:
        pairs[mu] = pairs.get(mu, mp.mpf(0)) + mass

    kept = mp.mpf(0)
    for weight, atom in zip(model.weights, model.atoms, strict=True):
        signal = model.c2 * atom
        if signal == 0 or weight == 0:
            continue
        kept += weight
        trace = signal + model.b2 + u
        larger = (trace + mp.sqrt(trace**2 - 4 * model.b2 * u)) / 2
        add(larger, weight)
        add(model.b2 * u / larger, weight)
    add(u, model.psi_n - kept)
    add(model.b2, 1 - kept)
    tiny = mp.mpf(10) ** (-mp.dps + 10)
    return sorted((mu, mass) for mu, mass in pairs.items() if mu > 0 and mass > tiny)


def _outside(psi_p: Any, law: Sequence[tuple[Any, Any]]) -> list[tuple[Any, Any, Any]]:
    """Intervals of distances outside the support, each with the mass below it."""

    def slope(k: Any) -> Any:
        return mp.fsum(mass * (mu / (k + mu)) ** 2 for mu, mass in law) - psi_p

    def curvature(k: Any) -> Any:
        return mp.fsum(-2 * mass * mu**2 / (k + mu) ** 3 for mu, mass in law)

    def distance(k: Any) -> Any:
        return mp.fsum(mass * k * mu / (k + mu) for mu, mass in law) - psi_p * k

    total = mp.fsum(mass for _, mass in law)
    top = law[-1][0]
    # |k + μ| = 2 √(total/ψ_p) μ_max leaves dz/dk negative.
    far = top * (1 + 2 * mp.sqrt(total / psi_p))
    last = _bisect(slope, -far, -top, rising=True)
    found = [(distance(last), mp.inf, mp.mpf(1))]
    if psi_p < total:
        reach = top * (1 + mp.sqrt(total / psi_p))
        found.append((-mp.inf, distance(_bisect(slope, mp.mpf(0), reach, rising=False)), mp.mpf(0)))
    elif psi_p > total:
        first = _bisect(slope, -law[0][0], mp.mpf(0), rising=False)
        found += [(mp.mpf(0), distance(first), 1 - total / psi_p), (-mp.inf, mp.mpf(0), mp.mpf(0))]
    else:
        found.append((-mp.inf, mp.mpf(0), mp.mpf(0)))
    above = total
    for (low, mass), (high, _) in pairwise(law):
        above -= mass
        if above >= psi_p:
            continue
        bottom = _bisect(curvature, -high, -low, rising=True)
        if slope(bottom) < 0:
            right = distance(_bisect(slope, -high, bottom, rising=False))
            left = distance(_bisect(slope, bottom, -low, rising=True))
            found.append((left, right, 1 - above / psi_p))
    return found


def _bisect(function: Any, low: Any, high: Any, *, rising: bool) -> Any:
    """Root of a function with one change of sign between `low` and `high`, both excluded."""
    start, stop = low, high
    for _ in range(int(mp.prec) + 40):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        negative = function(middle) < 0
        if negative == rising:
            low = middle
        else:
            high = middle
    if low == start or high == stop:
        raise _arguments.CertificateError("no change of sign in the interval")
    return (low + high) / 2
