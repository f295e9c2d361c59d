r"""Families of eigenvalues of the random-feature matrix U, and the times at which they relax.

They are up to four, named after what they learn:

========  ==============================================  =====================================
family    mass (times psi_p, cut from the top at psi_p)    near
========  ==============================================  =====================================
fast      r̄ = min(psi_n, number of data directions / d)    of order psi_p: the population
sample    psi_n − r̄                                        s² + v²(…): the single samples
noise     1 − r̄                                            s² + b²(…): directions without data
slow      r̄                                                s² + b²v²/(psi_n c² l): noise along data
========  ==============================================  =====================================

Sample and noise change places when b² > v²/psi_n.  The rest is the atom at s², which no loss sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..inputs.activation import Coefficients
from ..law import SpectralLaw
from ..result import dataframe
from ..solve.kernel import kernel

if TYPE_CHECKING:
    import pandas


_MEANINGS = {
    "constant": "the mean of the features",
    "fast": "the population is learned",
    "ladder": "the population again, as other neurons or times see it",
    "sample": "single samples are memorised",
    "mean": "the direction of the samples that centring leaves empty",
    "noise": "directions without data",
    "slow": "the last of the training loss",
}


class Family(NamedTuple):
    """A family of eigenvalues that belong together.

    `mass` is exact; `lower` and `upper` are the ends of the eigenvalue range that holds this mass;
    `merged` says that the lower end lies inside a bulk, where it is a quantile and not an edge.
    """

    name: str
    mass: float
    lower: float
    upper: float
    tau: float
    merged: bool

    @property
    def meaning(self) -> str:
        """What the model learns while these eigenvalues relax, in words."""
        return _MEANINGS[self.name]


MASS, LOWER, UPPER, TAU, MERGED = range(5)
"""Columns of a table of families: the fields of `Family` after the name."""


@dataclass(frozen=True)
class Timescales:
    r"""Training times :math:`\psi_p/(\Delta_t\lambda)` at the lower ends of the families.

    A time is NaN when its family is empty: no sample family for n <= (data directions), no slow
    family for p <= n.

    Attributes
    ----------
    tau_gen : at the lower end of the fast family: by then the population is learned
    tau_mem : at the lower end of the sample family: by then single samples are memorised
    tau_slow : at the lower end of the slow family, where the training loss ends its decrease
    merged : whether for any of the three a mass quantile stands in for an edge
    families : the families present, from the top of the spectrum down
    """

    tau_gen: float
    tau_mem: float
    tau_slow: float
    merged: bool
    families: tuple[Family, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, each family with what it means."""
        return {
            "tau_gen": self.tau_gen,
            "tau_mem": self.tau_mem,
            "tau_slow": self.tau_slow,
            "merged": self.merged,
            "families": [
                {**family._asdict(), "meaning": family.meaning} for family in self.families
            ],
        }

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a family, from the top of the spectrum down; needs pandas.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return dataframe([family._asdict() for family in self.families])


def find_families(
    law: SpectralLaw,
    at: Coefficients,
    psi_p: float,
    psi_n: float,
    rank: float,
    lone: bool,
    constant: float = 0.0,
) -> tuple[Family, ...]:
    """Families with their exact masses, from the top of the spectrum down.

    Parameters
    ----------
    law : the law of U
    at, psi_p, psi_n : the scalars of the model
    rank : number of data directions that the samples span, per dimension
    lone : whether the samples beyond `rank` are just the one that centring took away
    constant : mass per dimension of the mean feature, where the law holds it above all others; it
        is one of the samples
    """
    rank = rank if at.c > 0.0 or at.c < 0.0 else 0.0
    has_v, has_b = at.v > 0.0, at.b != 0.0
    middle = [
        ("mean" if lone else "sample", (psi_n - rank - constant) * has_v),
        ("noise", (1.0 - rank) * has_b),
    ]
    if at.b**2 > at.v**2 / psi_n:
        middle.reverse()
    named = [("constant", constant), ("fast", rank), *middle, ("slow", rank * (has_v and has_b))]
    shares = np.array([share for _, share in named])
    ends = np.full(shares.size, np.nan)
    rows = family_rows(shares, ends, psi_p, at.delta, law.masses, law.support)
    merged = rows[:, MERGED] > 0.0
    if merged.any():  # the density is needed
        fractions = np.maximum(1.0 - np.cumsum(rows[:, MASS])[merged], 0.0)
        ends[merged] = law.quantile(fractions)
        rows = family_rows(shares, ends, psi_p, at.delta, law.masses, law.support)
    return tuple(
        Family(name, row[0], row[1], row[2], row[3], bool(row[4]))
        for (name, _), row in zip(named, rows.tolist(), strict=True)
        if row[0] > 0.0
    )


@kernel
def family_rows(shares, ends, psi_p, delta, masses, support):
    """Fields of `Family` after the name; the mass is 0 for one that is empty.

    `ends` are the lower ends of those that end inside a bulk, NaN before it is known which do.
    """
    rows = np.zeros((shares.size, 5))
    upper = support[support.shape[0] - 1, 1] if support.shape[0] else np.inf
    taken = 0.0
    for i in range(shares.size):
        mass = min(shares[i], psi_p - taken)
        if mass <= 1e-14 * psi_p:  # rounding of psi_n - rank, which is below psi_p
            continue
        taken += mass
        lower, merged = ends[i], True
        fraction, above = taken / psi_p, 0.0
        for bulk in range(masses.size - 1, -1, -1):
            above += masses[bulk]
            if abs(above - fraction) <= 1e-10 * fraction:
                lower, merged = support[bulk, 0], False
        rate = delta * lower
        rows[i, MASS], rows[i, LOWER], rows[i, UPPER] = mass / psi_p, lower, upper
        rows[i, TAU] = psi_p / rate if rate > 0.0 else np.inf
        rows[i, MERGED] = merged
        upper = lower
        if not merged:  # the upper edge of the bulk below, or the edge itself for the lowest
            for bulk in range(support.shape[0]):
                if support[bulk, 1] < lower:
                    upper = support[bulk, 1]
    return rows


def names_of_bulks(law: SpectralLaw, families: tuple[Family, ...]) -> tuple[str, ...]:
    """Names of the families that each bulk holds, in ascending order."""
    above = np.append(law.masses[::-1].cumsum()[::-1], 0.0)
    names, top = [], 0.0
    spans = []
    for family in families:
        spans.append((family.name, top, top + family.mass))
        top += family.mass
    for high, low in pairwise(above):
        margin = 1e-10 * high
        inside = [n for n, start, stop in spans if start < high - margin and stop > low + margin]
        names.append(" + ".join(inside))
    return tuple(names)


def end_above(law: SpectralLaw, fraction: float) -> tuple[float, bool]:
    """Lower end of the given top fraction of the spectrum, and whether it is inside a bulk."""
    above = law.masses[::-1].cumsum()[::-1]
    edge = np.abs(above - fraction) <= 1e-10 * fraction
    if np.any(edge):
        return float(law.support[edge, 0][0]), False
    return float(law.quantile(max(1.0 - fraction, 0.0))), True


def next_edge_below(law: SpectralLaw, x: float) -> float:
    """Upper end of the bulk below a lower edge, or the edge itself for the lowest bulk."""
    upper = law.support[:, 1]
    below = upper[upper < x]
    return float(below[-1]) if below.size else x
