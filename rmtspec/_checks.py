"""Checks of public arguments: every message names the argument, its value and the range allowed."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def real(
    name: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """Return `value` as a finite float inside the given range.

    Raises
    ------
    TypeError
        If `value` is not a real scalar (booleans and strings are not numbers here).
    ValueError
        If it is NaN, infinite or outside the range.
    """
    allowed = f"{'(' if low_open else '['}{low:g}, {high:g}{')' if high_open else ']'}"
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a real number in {allowed}, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    inside = (number > low if low_open else number >= low) and (
        number < high if high_open else number <= high
    )
    if not math.isfinite(number) or not inside:
        raise ValueError(f"{name} must be a finite number in {allowed}, got {number!r}")
    return number


def positive(name: str, value: Any, high: float = math.inf) -> float:
    """Return `value` as a finite float above zero."""
    return real(name, value, 0.0, high, low_open=True, high_open=math.isinf(high))


def integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return `value` as an int inside [low, high]."""
    allowed = f">= {low}" if high is None else f"in [{low}, {high}]"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer {allowed}, got {value!r}")
    number = int(value)
    if number < low or (high is not None and number > high):
        raise ValueError(f"{name} must be an integer {allowed}, got {number!r}")
    return number


def flag(name: str, value: Any) -> bool:
    """Return `value` as True or False; nothing else stands for either."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r:.80}")
    return bool(value)


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Refuse a `value` that is none of the allowed words.

    Raises
    ------
    ValueError
        Also for what is no string: it is none of the words either.
    """
    if not (isinstance(value, str) and value in allowed):
        words = ", ".join(repr(word) for word in allowed[:-1])
        hint = did_you_mean(value, allowed)
        raise ValueError(f"{name} must be {words} or {allowed[-1]!r}, got {value!r:.80}{hint}")


def did_you_mean(value: Any, allowed: Sequence[str]) -> str:
    """A question to end a complaint with, or nothing if no allowed word is close."""
    import difflib

    close = difflib.get_close_matches(value, allowed, 1) if isinstance(value, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""


def generator(name: str, value: Any) -> np.random.Generator:
    """Return a generator: `value` itself, one with that seed, or a fresh one for None.

    Raises
    ------
    TypeError, ValueError
        If `value` is none of these, or a negative seed.
    """
    if isinstance(value, np.random.Generator):
        return value
    if value is None:
        return np.random.default_rng()
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(
            f"{name} must be a numpy.random.Generator, a seed or None, got {value!r:.80}"
        )
    return np.random.default_rng(integer(name, value, 0))


def real_array(
    name: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    infinite: bool = False,
) -> NDArray[np.float64]:
    """Return `value` as a float64 array with every entry in [low, high].

    Integers, lists, scalars, float32 and empty arrays are accepted; `infinite` allows ±inf.

    Raises
    ------
    TypeError
        If the entries are not real numbers.
    ValueError
        If the nesting is ragged, or an entry is NaN, infinite or outside the range.
    """
    array = _numeric(name, value, "real")
    if np.iscomplexobj(array):
        raise TypeError(f"{name} must be real, got dtype {array.dtype}")
    array = array.astype(np.float64)
    allowed = np.isfinite(array) | (np.isinf(array) & infinite)
    bad = ~(allowed & (array >= low) & (array <= high))
    if np.any(bad):
        first = array[bad].flat[0].item()
        raise ValueError(
            f"{name} must hold {'' if infinite else 'finite '}numbers in [{low:g}, {high:g}], "
            f"got {first!r}"
        )
    return array


def complex_array(name: str, value: Any) -> NDArray[np.complex128]:
    """Return `value` as a complex128 array of finite numbers."""
    array = _numeric(name, value, "complex").astype(np.complex128)
    bad = ~np.isfinite(array)
    if np.any(bad):
        raise ValueError(f"{name} must hold finite numbers, got {array[bad].flat[0].item()!r}")
    return array


def _numeric(name: str, value: Any, kind: str) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be a rectangular array of {kind} numbers") from None
    if array.size == 0 and array.dtype == object:
        array = array.astype(np.float64)
    if array.dtype == object or array.dtype.kind not in "iufc":
        raise TypeError(f"{name} must hold {kind} numbers, got {value!r:.80}")
    return array
