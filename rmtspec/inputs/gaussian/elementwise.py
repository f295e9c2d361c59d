"""A user's Python callable as a function of float64 arrays that acts entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PROBE = np.array([-1.375, -0.40625, 0.21875, 0.90625, 2.125])
_AGAIN = [3, 1, 0]
_EPS = float(np.finfo(np.float64).eps)
# What a callable raises when it cannot take its argument; anything else is left to the caller.
_REFUSALS = (ArithmeticError, AttributeError, TypeError, ValueError)


@dataclass(frozen=True)
class Elementwise:
    """A callable of one real number, or of an array of them, checked at every call.

    Raises
    ------
    ValueError
        From `wrapping` and from every call: if the callable fails, or answers anything but one real
        number for each it is given.
    """

    name: str
    call: Callable[[Any], Any]
    takes_arrays: bool

    @classmethod
    def wrapping(cls, call: Callable[[Any], Any]) -> Elementwise:
        """Find out how `call` wants to be fed, and that it acts entry by entry, always alike."""
        name = getattr(call, "__name__", type(call).__name__)
        function = cls(name, call, _takes_arrays(call))
        together = function.raw(_PROBE)[_AGAIN]
        alone = np.concatenate([function.raw(_PROBE[i : i + 1]) for i in _AGAIN])
        if not np.allclose(alone, together, rtol=1e-5, atol=0.0, equal_nan=True):
            raise ValueError(
                f"activation {name!r} must act entry by entry and always alike, "
                f"but gives {together} and then {alone} for the same numbers"
            )
        return function

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values as float64, shaped like x."""
        return np.asarray(self.raw(x), dtype=np.float64)

    def rounding(self) -> float:
        """Machine epsilon of the values: larger than float64's if the callable returns less."""
        dtype = self.raw(_PROBE).dtype
        if dtype.kind == "f" and dtype.itemsize < 8:
            return float(np.finfo(dtype).eps)
        return _EPS

    def raw(self, x: NDArray[np.float64]) -> NDArray[Any]:
        """The values in the callable's own precision."""
        try:
            with np.errstate(all="ignore"):
                # A copy, so that a callable working in place does no harm.
                values = np.asarray(self.call(x.copy())) if self.takes_arrays else self._singly(x)
        except _REFUSALS as problem:
            raise ValueError(f"activation {self.name!r} fails: {problem}") from problem
        if values.shape != x.shape or values.dtype.kind not in "biuf":
            raise ValueError(
                f"activation {self.name!r} must return one real number for each it is given, "
                f"got dtype {values.dtype}, shape {values.shape} for shape {x.shape}"
            )
        return values

    def _singly(self, x: NDArray[np.float64]) -> NDArray[Any]:
        values = [np.asarray(self.call(float(v))) for v in x.ravel()]
        return np.array(values).reshape((*x.shape, *values[0].shape))


def _takes_arrays(call: Callable[[Any], Any]) -> bool:
    """Whether to hand over arrays: not if that raises (`math`, conditionals), nor to constants."""
    try:
        with np.errstate(all="ignore"):
            together = np.asarray(call(_PROBE.copy()))
            if together.shape != ():
                return True
            alone = np.array([np.asarray(call(float(v))) for v in _PROBE])
    except _REFUSALS:
        return False
    # One number for many: right from a constant; a reduction is left to fail on its shape.
    return not np.array_equal(alone, np.full(_PROBE.shape, together))
