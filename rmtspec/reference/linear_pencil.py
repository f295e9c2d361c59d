r"""U as a Schur complement of a linear pencil, and the matrix Dyson equation of that pencil.

George, Veiga and Macris (arXiv 2502.00336) obtain the law of U for isotropic data from a linear
pencil: a block matrix, linear in the Gaussian matrices, whose inverse holds the resolvent of U. The
form of their pencil, which serves the test and training errors as well, is not reproduced; the one
below is derived here, for U alone and for any population covariance.

Stationarity in (φ, a, ω, h) of ½(s² - z)|φ|² + ½ b²|ω|² - ½|a|² + h·(Wᵀφ/√d - ω)
+ a·(c Xᵀω/√n + v Ωᵀφ/√n) gives ω = Wᵀφ/√d, a = Gᵀφ/√n and (U - z) φ = 0. Hence the symmetric pencil

        ( (s² - z) I_p    v Ω/√n      0         W/√d )
    L = ( v Ωᵀ/√n        -I_n         c Xᵀ/√n   0    ) ,      (L^{-1})_{φφ} = (U - z)^{-1}.
        ( 0               c X/√n      b² I_d   -I_d  )
        ( Wᵀ/√d           0          -I_d       0    )

L = C + S with C deterministic and S centred Gaussian, so that its block-diagonal resolvent 𝒢 = E
L^{-1} solves the matrix Dyson equation 𝒢 = (C - η(𝒢))^{-1}, η(M) = E[S M S]. A block A/√N of size
(i, j) with covariance (identity, Σ_j) adds ``(|j|/N) tr(Σ_j M_jj)`` to η_ii and
``(|i|/N) Σ_j tr(M_ii)`` to η_jj, with tr the normalised trace. With scalars ζ_1 = tr 𝒢_φφ,
ζ_2 = tr Σ𝒢_ωω, ζ_3 = tr 𝒢_aa, ζ_4 = tr 𝒢_hh this reads

    1/ζ_1 = s² - z - v² ζ_3 - ζ_4,
    1/ζ_3 = -1 - (ψ_p/ψ_n) v² ζ_1 - (c²/ψ_n) ζ_2,
    𝒢 on (ω, h) = ( b² - c² ζ_3 Σ   -1 ; -1   -ψ_p ζ_1 )^{-1},

and the change of variables to Theorem 3.1 of arXiv 2505.17638 is

    q = ζ_1,   r = ζ_2/ψ_p,   D = -1/ζ_3,   s = tr 𝒢_ωω/ψ_p,   ζ_4 = -(1 - s/q)/(ψ_p q).

`pencil`, `solve` build η from the list of blocks and know nothing of these scalars;
`scalar_equations` has them in symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import sympy as sp
from mpmath import mp

from . import _arguments
from ._arguments import GUARD_DIGITS, CertificateError, Gram

BLOCKS = ("phi", "a", "omega", "h")


@dataclass(frozen=True)
class GaussianBlock:
    """√variance · A/√N at (row, column) and its transpose at (column, row).

    A has unit independent entries; N is the size of the block named `normalised_by`. `coloured`
    says whether the column index carries the covariance Σ.
    """

    row: str
    column: str
    variance: Any
    normalised_by: str
    coloured: bool


@dataclass(frozen=True)
class Pencil:
    """L = C + S: sizes of the blocks over d, the deterministic part, the Gaussian blocks."""

    sizes: dict[str, Any]
    constant: Any
    gaussian: tuple[GaussianBlock, ...]


@dataclass(frozen=True)
class Solution:
    """The traces q, r, s and D = -1/ζ_3 read off the pencil; `zeta` = (ζ_1, ζ_2, ζ_3, ζ_4)."""

    q: Any
    r: Any
    s: Any
    D: Any
    zeta: tuple[Any, Any, Any, Any]
    residual: Any


def pencil(
    psi_p: Any, psi_n: Any, c2: Any, b2: Any, v2: Any, floor: Any, matrix: Any = mpmath.matrix
) -> Pencil:
    """Return the pencil of U - z with `floor` = s² - z; `matrix` builds its constant part."""
    constant = matrix([[floor, 0, 0, 0], [0, -1, 0, 0], [0, 0, b2, -1], [0, 0, -1, 0]])
    one = psi_p**0  # of the type of psi_p, so that quotients of sizes stay exact
    gaussian = (
        GaussianBlock("phi", "a", v2, "a", coloured=False),
        GaussianBlock("phi", "h", one, "h", coloured=False),
        # c Xᵀ/√n, whose columns are coloured: X = Σ^{1/2} times a matrix of unit entries.
        GaussianBlock("a", "omega", c2, "a", coloured=True),
    )
    return Pencil({"phi": psi_p, "a": psi_n, "omega": one, "h": one}, constant, gaussian)


def covariance_map(form: Pencil, trace: Any, level: Any) -> list[Any]:
    """The diagonal of η(𝒢) at an eigenvalue `level` of Σ.

    `trace(block, coloured)` is the normalised trace of 𝒢 (or Σ𝒢) on a block. Off-diagonal entries
    vanish because no Gaussian matrix occurs in two blocks.
    """
    eta = dict.fromkeys(BLOCKS, 0 * level)
    for block in form.gaussian:
        size = form.sizes[block.normalised_by]
        out = block.variance * form.sizes[block.column] / size
        back = block.variance * form.sizes[block.row] / size
        eta[block.row] += out * trace(block.column, block.coloured)
        eta[block.column] += back * trace(block.row, False) * (level if block.coloured else 1)
    return [eta[name] for name in BLOCKS]


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
    digits: int = 30,
    max_steps: int = 20000,
) -> Solution:
    """Iterate the matrix Dyson equation at Im z > 0 until it stands still.

    Parameters
    ----------
    z, psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2
        As in `rmtspec.reference.random_feature.solve`, but Im z must be positive; the number of
        iterations grows like digits/Im z.
    digits : int
        Relative accuracy asked for.
    max_steps : int
        Bound on the number of iterations.

    Returns
    -------
    Solution

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of its range.
    CertificateError
        If the iteration does not stand still within `max_steps`.
    """
    digits = _arguments.digits_of(digits)
    with mpmath.workdps(digits + GUARD_DIGITS):
        model = _arguments.gram(psi_p, psi_n, eigenvalues, weights, c2, b2, v2, s2)
        at = _arguments.point("z", z)
        if at.imag == 0:
            raise ValueError(f"z must have a positive imaginary part here, got {z!r}")
        form = pencil(model.psi_p, model.psi_n, model.c2, model.b2, model.v2, model.s2 - at)
        resolvents = [_far_away(at) for _ in model.atoms]
        for _ in range(max_steps):
            updated = [
                (old + new) / 2
                for old, new in zip(resolvents, _image(form, model, resolvents), strict=True)
            ]
            change = max(
                mp.norm(new - old, mp.inf) / mp.norm(new, mp.inf)
                for new, old in zip(updated, resolvents, strict=True)
            )
            resolvents = updated
            if change < mp.mpf(10) ** (-(digits + 5)):
                return _read_off(model, resolvents, change)
    raise CertificateError(f"the Dyson equation did not settle in {max_steps} steps")


def _far_away(z: Any) -> Any:
    """A start with the signs of the solution: Im 𝒢 > 0 on φ and ω, 𝒢_aa = -1."""
    return mpmath.matrix([[-1 / z, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1 / z, -1], [0, 0, -1, 0]])


def _traces(model: Gram, resolvents: Sequence[Any]) -> Any:
    """The normalised trace of 𝒢, or of Σ𝒢, on a block."""

    def trace(block: str, coloured: bool) -> Any:
        i = BLOCKS.index(block)
        terms = zip(model.weights, model.atoms, resolvents, strict=True)
        return mp.fsum(w * (t if coloured else 1) * g[i, i] for w, t, g in terms)

    return trace


def _image(form: Pencil, model: Gram, resolvents: Sequence[Any]) -> list[Any]:
    """(C - η(𝒢))^{-1} at every eigenvalue of Σ."""
    trace = _traces(model, resolvents)
    return [
        mp.inverse(form.constant - mpmath.diag(covariance_map(form, trace, t))) for t in model.atoms
    ]


def _read_off(model: Gram, resolvents: Sequence[Any], change: Any) -> Solution:
    trace = _traces(model, resolvents)
    zeta = (trace("phi", False), trace("omega", True), trace("a", False), trace("h", False))
    s = trace("omega", False) / model.psi_p
    return Solution(zeta[0], zeta[1] / model.psi_p, s, -1 / zeta[2], zeta, change)


def scalar_equations(variance: Any, names: dict[str, Any]) -> dict[str, Any]:
    """The Dyson equation in symbols for isotropic data Σ = variance · I, derived from the pencil.

    Parameters
    ----------
    variance : sympy expression
        The variance of the data.
    names : dict
        Symbols psi_p, psi_n, c2, b2, v2, floor (= s² - z), zeta_1 and zeta_3.

    Returns
    -------
    dict
        Right-hand sides for "phi", "a", "omega", "h" (diagonal entries of (C - η)^{-1}) in terms of
        ζ_1, ζ_3 and the unknown traces `zeta_omega`, `zeta_h`, which are symbols of these names.
    """
    parameters = {name: names[name] for name in ("psi_p", "psi_n", "c2", "b2", "v2", "floor")}
    form = pencil(**parameters, matrix=sp.Matrix)
    traces = {
        "phi": names["zeta_1"],
        "a": names["zeta_3"],
        "omega": sp.Symbol("zeta_omega"),
        "h": sp.Symbol("zeta_h"),
    }

    def trace(block: str, coloured: bool) -> Any:
        return traces[block] * (variance if coloured else 1)

    resolvent = (form.constant - sp.diag(*covariance_map(form, trace, variance))).inv()
    return {name: sp.simplify(resolvent[i, i]) for i, name in enumerate(BLOCKS)}


def assemble(W: Any, X: Any, Omega: Any, c: Any, b: Any, v: Any, floor: Any) -> Any:
    """L for given matrices (mpmath or sympy), with `floor` = s² - z; blocks in the order above.

    X is d × n with its covariance in it. For checking that (L^{-1})_{φφ} = (U - z)^{-1}.
    """
    kind = type(W)
    p, d, n = W.rows, W.cols, X.cols
    sqrt = sp.sqrt if isinstance(W, sp.MatrixBase) else mp.sqrt
    total = kind(p + n + 2 * d, p + n + 2 * d) if kind is mpmath.matrix else sp.zeros(p + n + 2 * d)
    at = {"phi": 0, "a": p, "omega": p + n, "h": p + n + d}

    def put(row: str, column: str, entry: Any, rows: int, columns: int) -> None:
        for i in range(rows):
            for j in range(columns):
                total[at[row] + i, at[column] + j] = entry(i, j)
                total[at[column] + j, at[row] + i] = entry(i, j)

    def scalar(value: Any) -> Any:
        return lambda i, j: value if i == j else 0

    put("phi", "phi", scalar(floor), p, p)
    put("a", "a", scalar(-1), n, n)
    put("omega", "omega", scalar(b**2), d, d)
    put("omega", "h", scalar(-1), d, d)
    put("phi", "a", lambda i, j: v * Omega[i, j] / sqrt(n), p, n)
    put("phi", "h", lambda i, j: W[i, j] / sqrt(d), p, d)
    put("a", "omega", lambda i, j: c * X[j, i] / sqrt(n), n, d)
    return total
