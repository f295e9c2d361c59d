r"""Random features beside a trained network: the same data, sizes and definitions of onsets.

The time of the theory has no unit in common with updates, so that only ratios of onsets are
compared.  The one number that is fitted is psi_p, by the ratio of the gap's onset to that of
learning at the largest n; ratios at all other sizes, and all exponents, follow.  Data enter through
their covariance: of fields and mixture (whose two means are one large eigenvalue) the exact one, of
digits that of all pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

import rmtspec as rs
from validation.curves.two_sets import TwoSets, two_sets
from validation.experiments.pairs.onsets import (
    ONSETS,
    Curve,
    Exponent,
    Runs,
    exponent,
    floor_of,
    runs,
)
from validation.harness.experiment import Outcome, Values

Array = NDArray[np.float64]

_TIME = 0.1
TIMES = np.geomspace(0.1, 3e5, 110)
_LEAST, _MOST = 1.0, 2000.0  # of psi_p
MEMORISED, LEARNED = "tau_mem, gap a tenth", "tau_gen, learned to one level"


class Beside(NamedTuple):
    """The theory of a series.

    Attributes
    ----------
    psi_p : fitted; the nearest end of what was searched if no value gives the ratio
    curves : size -> curves over training
    ratios, measured : size -> onset of the gap over that of learning, in theory and by experiment
    exponents : name of an onset -> exponent in n, over the same sizes
    """

    psi_p: float
    curves: dict[float, TwoSets]
    ratios: dict[float, float]
    measured: dict[float, float]
    exponents: dict[str, Exponent]


def population(settings: Values) -> tuple[tuple[float, ...], int]:
    """Return the eigenvalues of the covariance of a task's data, and the dimension."""
    if settings["source"] == "mixture":
        d = settings["dimension"]
        return (*(1.0 for _ in range(d - 1)), 1.0 + d), d
    from validation.data import images

    if settings["source"] == "field":
        variances = images.random_field_variances(8, settings["exponent"]).ravel()
    else:
        pixels = images.digits().pixels.reshape(1797, -1)
        # Pixels that are always empty have variance 0, up to rounding.
        variances = np.maximum(np.linalg.eigvalsh(np.cov(pixels.T)), 0.0)
    return tuple(float(v) for v in np.sort(variances)), len(variances)


@lru_cache(maxsize=256)
def _curves(eigenvalues: tuple[float, ...], d: int, n: float, psi_p: float) -> TwoSets:
    law = rs.PopulationSpectrum(eigenvalues, np.full(d, 1.0 / d))
    return two_sets(rs.RandomFeatureModel(psi_p, n / d, _TIME, "tanh", law), TIMES)


def as_curve(found: TwoSets) -> Curve:
    """Return curves of the theory as those of a network, from an untrained one on."""
    first = ((0.0, 1.0, 0.0, 0.0),)
    rows = np.stack([TIMES, found.test, found.test - found.train, found.beta], axis=1)
    return Curve(*np.concatenate([first, rows]).T)


def ratios(curves: Runs) -> dict[float, float]:
    """Return size -> onset of the gap over that of learning; NaN where one is not reached."""
    level = floor_of(curves)
    found = {}
    for size, draws in curves.items():
        times = [
            [math.log(ONSETS[name](c, level)) for pair in draws for c in pair]
            for name in (MEMORISED, LEARNED)
        ]
        found[size] = math.exp(float(np.mean(times[0]) - np.nanmean(times[1])))
    return found


def beside(group: Sequence[Outcome]) -> Beside:
    """Fit psi_p to a series in n and return the theory at all of its sizes."""
    values, d = population(group[0].task.settings)
    measured = ratios(runs(group, "n"))
    sizes = sorted(measured)

    def theory(psi_p: float, chosen: Sequence[float]) -> dict[float, TwoSets]:
        return {n: _curves(values, d, n, psi_p) for n in chosen}

    def off(log_p: float) -> float:
        # The level of learning is that of the smallest n.
        found = theory(math.exp(log_p), (sizes[0], sizes[-1]))
        ratio = ratios({n: [[as_curve(c)]] for n, c in found.items()})[sizes[-1]]
        # Too few features never show the gap.
        return math.log(ratio / measured[sizes[-1]]) if math.isfinite(ratio) else 20.0

    low, high = math.log(_LEAST), math.log(_MOST)
    if off(high) > 0.0:
        psi_p = _MOST
    elif off(low) < 0.0:
        psi_p = _LEAST
    else:
        psi_p = math.exp(float(brentq(off, low, high, xtol=0.02)))
    found = theory(psi_p, sizes)
    as_runs: Runs = {n: [[as_curve(c)]] for n, c in found.items()}
    rng = np.random.default_rng(0)
    return Beside(
        psi_p, found, ratios(as_runs), measured,
        {name: exponent(as_runs, name, rng) for name in ONSETS},
    )  # fmt: skip
