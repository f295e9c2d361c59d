"""Truncated power series over mpf, for expansions at infinity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mpmath import mp


@dataclass(frozen=True)
class Series:
    """A power series, truncated at its number of coefficients."""

    coefficients: tuple[Any, ...]

    @classmethod
    def constant(cls, value: int, length: int) -> Series:
        """The series of a constant."""
        return cls((mp.mpf(value),) + (mp.mpf(0),) * (length - 1))

    def __add__(self, other: Any) -> Series:
        if not isinstance(other, Series):
            return Series((self.coefficients[0] + other, *self.coefficients[1:]))
        pairs = zip(self.coefficients, other.coefficients, strict=True)
        return Series(tuple(a + b for a, b in pairs))

    def __mul__(self, other: Any) -> Series:
        a = self.coefficients
        if not isinstance(other, Series):
            return Series(tuple(value * other for value in a))
        b = other.coefficients
        return Series(tuple(mp.fsum(a[i] * b[n - i] for i in range(n + 1)) for n in range(len(a))))

    def shifted(self) -> Series:
        """Multiply by the variable."""
        return Series((mp.mpf(0), *self.coefficients[:-1]))

    def reciprocal(self) -> Series:
        """1 over the series; its constant term must not vanish."""
        a = self.coefficients
        out = [1 / a[0]]
        for n in range(1, len(a)):
            out.append(-mp.fsum(a[i] * out[n - i] for i in range(1, n + 1)) / a[0])
        return Series(tuple(out))
