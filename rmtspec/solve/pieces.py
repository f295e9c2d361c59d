"""Bulks and atoms in the order in which a quantile passes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Pieces(NamedTuple):
    """Parts of a law, ascending; a bulk with an atom inside counts once on each side of it.

    Attributes
    ----------
    starts : where a piece begins
    kinds : number of its bulk, −1 for an atom
    masses : its mass
    before : mass of the bulk below the piece
    """

    starts: FloatArray
    kinds: NDArray[np.intp]
    masses: FloatArray
    before: FloatArray


def pieces(
    edges: FloatArray,
    masses: FloatArray,
    atoms: FloatArray,
    mass_below: Callable[[FloatArray], FloatArray],
) -> Pieces:
    """Order bulks (k, 2), their masses (k,) and atoms (j, 2).

    `mass_below` is the mass of the bulks below flat points; it is asked for atoms inside of bulks.
    """
    rows = [(float(x), -1, float(mass), 0.0) for x, mass in atoms]
    for kind, ((lower, upper), mass) in enumerate(zip(edges, masses, strict=True)):
        inside = np.sort(atoms[(atoms[:, 0] > lower) & (atoms[:, 0] < upper), 0])
        parts = [0.0, *(mass_below(inside) - masses[:kind].sum() if inside.size else []), mass]
        for start, low, high in zip([lower, *inside], parts[:-1], parts[1:], strict=True):
            rows.append((float(start), kind, float(high - low), float(low)))
    rows.sort(key=lambda row: row[:2])
    table = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Pieces(table[0], table[1].astype(np.intp), table[2], table[3])
