r"""Families of eigenvalues of a structured feature matrix, and the names of its bulks.

A data direction carries as many modes as the slopes :math:`u_\tau` of the types have independent
directions.  The first is the fast bulk, of mass 1/ψ_p; the others, weaker by factors, are rungs of
a ladder below it, each of the same mass as long as it stands alone.  Then come the samples, and in
the rest all that is slow: the last of the linear modes, and what with one type is the atom at s².

One type, class and time have the families of `RandomFeatureModel`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..inputs.activation import Coefficients, gaussian_equivalence
from ..law import SpectralLaw
from ..random_features import families as plain
from ..random_features.families import Family
from .setting import Setting

FloatArray = NDArray[np.float64]

_SAME = 1e-9  # of masses
_ROUNDING = 1e-14  # of a fraction of eigenvalues, as the counting rule has it
_INDEPENDENT = 1e-6  # of singular values of the slopes: below it a rung is no bulk of its own
_FEW_WEIGHTS = 24  # of nodes whose sums are looked for


def find_families(
    law: SpectralLaw, setting: Setting, psi_p: float, psi_n: float
) -> tuple[Family, ...]:
    """Families from the top of the spectrum down."""
    classes = setting.classes
    seen = np.any(classes.eigenvalues > 0.0, axis=1)
    rank = min(psi_n, float(classes.direction_weights[seen].sum()))
    single = _coefficients(setting)
    if single is not None:
        return plain.find_families(law, single, psi_p, psi_n, rank, False)
    found: list[Family] = []
    taken, delta = 0.0, setting.times.scale

    def add(name: str, mass: float) -> None:
        nonlocal taken
        mass = min(mass, psi_p - taken)
        if mass <= 1e-12 * psi_p:
            return
        taken += mass
        lower, merged = plain.end_above(law, taken / psi_p)
        upper = found[-1].lower if found else float(law.support[-1, 1])
        if found and not found[-1].merged:
            upper = plain.next_edge_below(law, upper)
        rate = delta * lower
        tau = psi_p / rate if rate > 0.0 else np.inf
        found.append(Family(name, mass / psi_p, lower, upper, tau, merged))

    add("fast", rank)
    for _ in range(_rungs(law, setting, rank / psi_p)):
        add("ladder", rank)
    add("sample", psi_n - rank)
    add("slow", psi_p)
    return tuple(found)


def names_of_bulks(
    law: SpectralLaw, families: tuple[Family, ...], setting: Setting
) -> tuple[str, ...]:
    """Names of the families in each bulk, ascending.

    A continuum of types has no gaps between its slowest neurons.  A rule of a few nodes shows some:
    bulks at whose upper end the fraction of eigenvalues below is a sum of weights of nodes.  They
    take the name of the bulk above them.
    """
    names = list(plain.names_of_bulks(law, families))
    apart = true_gaps(law, setting)
    for i in range(len(names) - 2, -1, -1):
        if not apart[i]:
            names[i] = names[i + 1]
    return tuple(names)


def true_gaps(law: SpectralLaw, setting: Setting) -> NDArray[np.bool_]:
    """Whether each bulk, ascending, is apart from the one above it; the last one is.

    Bulks below a fraction that is a sum of weights of nodes are apart for their sake only.
    """
    weights = setting.slopes.weights
    apart = np.ones(len(law.masses), dtype=np.bool_)
    if setting.neurons.drawn and weights.size > 1:
        below = np.cumsum(law.masses)
        for i, upper in enumerate(law.support[:-1, 1]):
            atoms = float(law.atoms[law.atoms[:, 0] < upper, 1].sum())
            apart[i] = not _is_sum(float(below[i]) + atoms, weights)
    return apart


def _rungs(law: SpectralLaw, setting: Setting, share: float) -> int:
    """Bulks below the top one of exactly the same mass, as many as the slopes allow."""
    at = setting.slopes
    count = len(at.weights)
    slopes = np.hstack([at.data.reshape(count, -1), at.noise.reshape(count, -1)])
    sizes = np.linalg.svd(np.sqrt(at.weights)[:, None] * slopes, compute_uv=False)
    most = int(np.count_nonzero(sizes > _INDEPENDENT * sizes[0])) - 1
    rungs = 0
    for mass in law.masses[::-1]:
        if abs(mass - share) > _SAME or rungs > most:
            break
        rungs += 1
    return min(max(rungs - 1, 0), most)


def _is_sum(total: float, weights: FloatArray) -> bool:
    """Whether a number is a sum of some of the weights, the lightest first."""
    light = np.sort(weights)[:_FEW_WEIGHTS]
    sums = np.zeros(1)
    for weight in light:
        if weight > total * (1.0 + _SAME) + _ROUNDING:
            break
        sums = np.unique(np.concatenate([sums, sums + weight]))
        if sums.size > 1 << 16:
            return False
    return bool(np.any(np.abs(sums[1:] - total) <= _SAME * total + _ROUNDING))


def _coefficients(setting: Setting) -> Coefficients | None:
    """Those of the one-type model, if it is one."""
    plainest = len(setting.neurons.weights) == len(setting.classes.weights) == 1
    if not plainest or setting.times.t.size > 1 or setting.neurons.biases.any():
        return None
    variance = float(setting.classes.variances[0])
    found = gaussian_equivalence(setting.activation, float(setting.times.t[0]), variance)
    return replace(found, delta=setting.times.scale)
