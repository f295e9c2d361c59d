"""Arguments of the reference solvers: exact numbers, checked once, and the common parameter set."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
from mpmath import mp

GUARD_DIGITS = 40
"""Digits carried beyond those asked for. Near a hard edge (k -> 0) the terms of the equation for z
cancel to relative size k psi_p; forty digits leave the promise intact down to k = 1e-30."""


class CertificateError(ArithmeticError):
    """No certified root was found: the point is an edge or an atom, or needs more digits."""


def exact(name: str, value: Any, low: float | None = None, *, above: bool = False) -> Any:
    """Return `value` (number, Fraction, mpf or decimal string) as an mpf, without rounding a float.

    Raises
    ------
    TypeError
        If it is not a real number.
    ValueError
        If it is not finite, or below `low` (or equal to it where `above` is set).
    """
    number = _real(name, value)
    allowed = "finite" if low is None else f"finite and {'>' if above else '>='} {low:g}"
    inside = low is None or (number > low if above else number >= low)
    if not mpmath.isfinite(number) or not inside:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return number


def _real(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        raise TypeError(f"{name} must be a real number, got {value!r}")
    if isinstance(value, mpmath.mpf):
        return value
    if isinstance(value, str):
        try:
            return mpmath.mpf(value)
        except ValueError:
            raise ValueError(f"{name} must be a real number, got {value!r}") from None
    if isinstance(value, numbers.Integral):
        return mpmath.mpf(int(value))
    if isinstance(value, Fraction):
        return mpmath.mpf(value.numerator) / value.denominator
    if isinstance(value, numbers.Real):
        return mpmath.mpf(float(value))
    raise TypeError(f"{name} must be a real number, got {value!r}")


def point(name: str, value: Any) -> Any:
    """Return a point of the closed upper half plane as an mpc.

    Raises
    ------
    TypeError
        If it is not a number.
    ValueError
        If it is not finite or lies below the real axis.
    """
    if isinstance(value, mpmath.mpc):
        real, imag = value.real, value.imag
    elif isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real):
        real, imag = _real(name, float(value.real)), _real(name, float(value.imag))
    else:
        real, imag = _real(name, value), mpmath.mpf(0)
    if not (mpmath.isfinite(real) and mpmath.isfinite(imag)) or imag < 0:
        raise ValueError(f"{name} must be finite with imaginary part >= 0, got {value!r}")
    return mpmath.mpc(real, imag)


def digits_of(value: Any) -> int:
    """Return the number of digits asked for, an integer in [15, 1000]."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"digits must be an integer in [15, 1000], got {value!r}")
    count = int(value)
    if not 15 <= count <= 1000:
        raise ValueError(f"digits must be an integer in [15, 1000], got {value!r}")
    return count


def population(eigenvalues: Sequence[Any], weights: Sequence[Any] | None) -> tuple[Any, Any]:
    """Return the atoms of a population law: eigenvalues >= 0 and weights normalised to sum 1.

    Raises
    ------
    ValueError
        If there are none, a negative one, unequal lengths, or weights that sum to 0.
    """
    atoms = [exact("eigenvalues", value, 0) for value in eigenvalues]
    if not atoms:
        raise ValueError("eigenvalues must hold at least one number, got none")
    if weights is None:
        return tuple(atoms), tuple(mpmath.mpf(1) / len(atoms) for _ in atoms)
    parts = [exact("weights", value, 0) for value in weights]
    if len(parts) != len(atoms):
        raise ValueError(
            f"weights must be as many as the {len(atoms)} eigenvalues, got {len(parts)}"
        )
    total = mpmath.fsum(parts)
    if total == 0:
        raise ValueError("weights must have a positive sum, got 0")
    return tuple(atoms), tuple(part / total for part in parts)


@dataclass(frozen=True)
class Gram:
    """Parameters of U = G G^T/n + b² W W^T/d + s² with G = c W X/√d + v Ω, as mpf."""

    psi_p: Any
    psi_n: Any
    atoms: tuple[Any, ...]
    weights: tuple[Any, ...]
    c2: Any
    b2: Any
    v2: Any
    s2: Any

    @property
    def mean(self) -> Any:
        """Tr Σ/d."""
        return self.average(lambda atom: atom)

    @property
    def coupled(self) -> bool:
        """Whether the samples enter at all: c² Tr Σ + v² > 0. If not, D = 1 identically."""
        return bool(self.v2 > 0 or self.c2 * self.mean > 0)

    @property
    def scale(self) -> Any:
        """An upper bound of the spectrum above s², from the norms of the Gaussian blocks."""
        features = (1 + mp.sqrt(self.psi_p)) ** 2
        samples = (1 + 1 / mp.sqrt(self.psi_n)) ** 2
        signal = self.c2 * max(self.atoms) * features * samples
        noise = self.v2 * (1 + mp.sqrt(self.psi_p / self.psi_n)) ** 2
        return 2 * (signal + noise) + self.b2 * features

    def average(self, function: Any) -> Any:
        """∫ f dρ over the population law."""
        pairs = zip(self.weights, self.atoms, strict=True)
        return mp.fsum(weight * function(atom) for weight, atom in pairs)


def gram(
    psi_p: Any,
    psi_n: Any,
    eigenvalues: Sequence[Any],
    weights: Sequence[Any] | None,
    c2: Any,
    b2: Any,
    v2: Any,
    s2: Any,
) -> Gram:
    """Check the arguments every random-feature function shares; call it at working precision."""
    atoms, parts = population(eigenvalues, weights)
    coefficients = {"c2": c2, "b2": b2, "v2": v2, "s2": s2}
    checked = {name: exact(name, value, 0) for name, value in coefficients.items()}
    return Gram(
        exact("psi_p", psi_p, 0, above=True),
        exact("psi_n", psi_n, 0, above=True),
        atoms,
        parts,
        **checked,
    )
