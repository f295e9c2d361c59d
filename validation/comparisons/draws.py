"""Tests of right models: by formula, by draws, and of outermost eigenvalues."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.compare import nulls
from rmtspec.compare.edges import Edges
from rmtspec.compare.positions import outermost
from rmtspec.compare.simulate import draws
from rmtspec.compare.statistics import Statistics, trusted_directions
from validation.comparisons.settings import model

Array = NDArray[np.float64]

LEVELS = (0.05, 0.01)


def by_formula(name: str, d: int, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Every draw tested by the chi-square of the formula.

    Returns
    -------
    dict
        `rejected`: number of tests below 5 % and 1 %; `mean`, `square`: (k,) of the standardised
        sums; `combinations`: first to fourth moments of those that are tested, the one of least
        variance first; `shares`: these variances, of the correlation matrix.
    """
    right = model(name, d)
    law, made = right.spectrum(), draws(right, d, rng)
    statistics = Statistics.of(law)
    sums = np.array([statistics.sums(next(made).eigenvalues[None])[0] for _ in range(count)])
    size = round(d * getattr(right, "psi_p", 1.0))
    null = nulls.by_formula(law, statistics, size, 1, "")
    directions = trusted_directions(null.covariance)
    pvalues = np.array([null.test(row[None], directions)[2] for row in sums], dtype=float)
    z = (sums - null.mean) / null.deviations(1)
    shares = np.diag(directions.T @ null.covariance @ directions)
    along = (sums - null.mean) @ directions / np.sqrt(shares)
    return {
        "rejected": [int(np.count_nonzero(pvalues < level)) for level in LEVELS],
        "mean": z.mean(axis=0),
        "square": (z**2).mean(axis=0),
        "combinations": np.array([(along**k).mean(axis=0) for k in (1, 2, 3, 4)]),
        "shares": shares,
    }


def by_comparison(name: str, d: int, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Every draw tested by `compare` as it stands, which draws for a p-value at small d."""
    right = model(name, d)
    found = [rs.compare(rs.simulate(right, d, rng), right, d, rng=rng).pvalue for _ in range(count)]
    pvalues = np.array(found, dtype=float)
    return {"rejected": [int(np.count_nonzero(pvalues <= level)) for level in LEVELS]}


def at_edges(name: str, d: int, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """The outermost eigenvalues at edges with room around them, in units of Tracy and Widom.

    Returns
    -------
    dict
        `location` and `side` of e edges; `scaled`, (count, e); `pvalues`, (count, e)
    """
    right = model(name, d)
    law, made = right.spectrum(), draws(right, d, rng)
    edges = Edges.of(law)
    values = np.array([next(made).eigenvalues for _ in range(count)])
    ends, size = outermost(law, values, edges), values.shape[1]
    clear = edges.is_clear(size)
    return {
        "location": edges.location[clear],
        "side": edges.side[clear],
        "scaled": edges.scaled(ends, size)[:, clear],
        "pvalues": edges.pvalues(ends, size)[:, clear],
    }
