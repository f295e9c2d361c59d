"""Arguments of networks, measures and data: a wrong one is a ValueError with name and value."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray


def integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return a whole number in [low, high], `high` with no bound unless given."""
    allowed = f">= {low}" if high is None else f"in [{low}, {high}]"
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        raise ValueError(f"{name} must be an integer {allowed}, got {value!r}")
    return int(value)


def real(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """Return a finite number in [low, high]."""
    if not _is_finite(value) or not low <= value <= high:
        raise ValueError(f"{name} must be a finite number in [{low:g}, {high:g}], got {value!r}")
    return float(value)


def positive(name: str, value: Any) -> float:
    """Return a finite number above zero."""
    if not _is_finite(value) or not value > 0.0:
        raise ValueError(f"{name} must be a positive finite number, got {value!r}")
    return float(value)


def below_one(name: str, value: Any) -> float:
    """Return a number in [0, 1)."""
    if not _is_finite(value) or not 0.0 <= value < 1.0:
        raise ValueError(f"{name} must be a number in [0, 1), got {value!r}")
    return float(value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Refuse what is none of the words."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")


def table(name: str, values: Any, low: float = -math.inf) -> NDArray[np.float64]:
    """Return an array of finite numbers >= low, in double precision."""
    array = np.array(values, dtype=np.float64)
    wrong = array[~(np.isfinite(array) & (array >= low))]
    if wrong.size:
        raise ValueError(f"{name} must hold finite numbers >= {low:g}, got {wrong[0]!r}")
    return array
