"""Bulks and atoms in the order in which a quantile passes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernel import kernel
from .representation import locate

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


@kernel
def divided(fractions, starts, kinds, masses, before):
    """The bulk that holds each fraction of the whole, and its mass below: of an atom, −1 and place.

    The other arguments are the fields of `Pieces`.
    """
    below = np.zeros(masses.size + 1)
    for j in range(masses.size):
        below[j + 1] = below[j] + masses[j]
    bulk, found = np.empty(fractions.size, np.intp), np.empty(fractions.size)
    for i in range(fractions.size):
        piece, count = 0, masses.size
        while count > 1:
            half = count // 2
            piece += half if below[piece + half] < fractions[i] else 0
            count -= half
        rest = min(max(fractions[i] - below[piece], 0.0), masses[piece]) + before[piece]
        bulk[i] = kinds[piece]
        found[i] = starts[piece] if kinds[piece] < 0 else rest
    return bulk, found


@kernel
def mixed_quantile(fraction, atoms, tables):
    """Smallest x with at least this fraction of atoms (place, mass) and bulks at or below it."""
    edges, masses = tables[:2]
    below, atom, bulk = 0.0, 0, 0
    while True:
        at_atom = atom < atoms.shape[0]
        if at_atom and bulk < edges.shape[0]:
            at_atom = atoms[atom, 0] <= edges[bulk, 0]
        mass = atoms[atom, 1] if at_atom else masses[bulk]
        last = atom + bulk == atoms.shape[0] + masses.size - 1
        if last or not below + mass < fraction:
            break
        below += mass
        if at_atom:
            atom += 1
        else:
            bulk += 1
    if at_atom:
        return atoms[atom, 0]
    rest = min(max(fraction - below, 0.0), mass)
    return locate(np.intp(bulk), rest, tables)
