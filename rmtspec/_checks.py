"""Checks of public arguments: every message names the argument, its value and the range allowed."""

from __future__ import annotations

import math
import numbers
import re
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMPY_NUMBER = re.compile(r"\bnp\.(?:u?int|float|complex)\d+\(([^()]*)\)")
_LARGEST_INTEGER = 2**63 - 1
_MOST_DIMENSIONS, _MOST_NUMBERS = 32, 10**9  # of an array that is asked for by its shape


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
    if type(value) is float and low < value < high:
        return value
    allowed = f"{'(' if low_open else '['}{low:g}, {high:g}{')' if high_open else ']'}"
    if isinstance(value, np.ndarray) and value.ndim == 0 and not np.ma.is_masked(value):
        value = value[()]
    if not _is_a(numbers.Real, value):
        raise TypeError(f"{name} must be a real number in {allowed}, got {shown(value)}")
    number = _float(value)
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
    if not _is_a(numbers.Integral, value):
        raise TypeError(f"{name} must be an integer {allowed}, got {shown(value)}")
    number = int(value)
    if number < low or (high is not None and number > high):
        raise ValueError(f"{name} must be an integer {allowed}, got {shown(number)}")
    if number > _LARGEST_INTEGER:
        raise ValueError(f"{name} must be an integer below 2^63, got {shown(number)}")
    return number


def shape(name: str, value: Any) -> tuple[int, ...]:
    """Return an integer, or a tuple of them, as the shape of an array that can be made."""
    lengths = value if isinstance(value, tuple) else (value,)
    found = tuple(integer(name, length, 0) for length in lengths)
    if len(found) > _MOST_DIMENSIONS or math.prod(found) > _MOST_NUMBERS:
        raise ValueError(
            f"{name} must have at most {_MOST_DIMENSIONS} dimensions and {_MOST_NUMBERS:,} "
            f"numbers, got {shown(value)}"
        )
    return found


def shown(value: Any) -> str:
    """At most 80 characters of a value, whatever it is, with NumPy's numbers as plain ones."""
    try:
        text = _NUMPY_NUMBER.sub(r"\1", repr(value))
    except Exception:  # integers of more than 4300 digits, among others
        text = f"an object of type {type(value).__name__}"
    return f"{text:.80}"


def flag(name: str, value: Any) -> bool:
    """Return `value` as True or False; nothing else stands for either."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {shown(value)}")
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
        raise ValueError(f"{name} must be {words} or {allowed[-1]!r}, got {shown(value)}{hint}")


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
    if not _is_a(numbers.Integral, value):
        raise TypeError(
            f"{name} must be a numpy.random.Generator, a seed or None, got {shown(value)}"
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
    with np.errstate(over="ignore"):  # longdouble; what overflows is refused as infinite
        array = array.astype(np.float64)
    bad = ~((array >= low) & (array <= high))  # NaN is neither
    if not infinite:
        bad |= np.isinf(array)
    if bad.any():
        first = array[bad].flat[0].item()
        within = f" in [{low:g}, {high:g}]" if math.isfinite(low) or math.isfinite(high) else ""
        raise ValueError(
            f"{name} must hold {'' if infinite else 'finite '}numbers{within}, got {first!r}"
        )
    return array


def complex_array(name: str, value: Any) -> NDArray[np.complex128]:
    """Return `value` as a complex128 array of finite numbers."""
    array = _numeric(name, value, "complex")
    if array.dtype == np.complex128:
        array = array.copy()
    else:
        with np.errstate(over="ignore"):
            array = array.astype(np.complex128)
    finite = np.isfinite(array)
    if not finite.all():
        raise ValueError(f"{name} must hold finite numbers, got {array[~finite].flat[0].item()!r}")
    return array


def unmasked(name: str, value: Any) -> None:
    """Refuse masked entries, in an array or in a list, before anything reads what is below them."""
    if "numpy.ma" not in sys.modules:  # slow to import, and nobody has masked anything before
        return
    for part in (value, *(value if isinstance(value, (list, tuple)) else ())):
        if isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part):
            raise ValueError(
                f"{name} must have no masked entries, which are not read: give .filled(...) or "
                "leave their rows out"
            )


def _numeric(name: str, value: Any, kind: str) -> NDArray[Any]:
    unmasked(name, value)
    for part in (value, *(value if isinstance(value, (list, tuple)) else ())):
        if isinstance(part, (bytes, bytearray, memoryview)):
            raise TypeError(f"{name} must hold {kind} numbers, got {shown(value)}")
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be a rectangular array of {kind} numbers") from None
    except Exception:  # whatever the __array__ of another library raises
        raise TypeError(f"{name} must hold {kind} numbers, got {shown(value)}") from None
    if array.dtype == object and all(_is_a(numbers.Real, item) for item in array.flat):
        # Fractions, integers beyond 64 bits; and empty lists
        array = np.array([_float(item) for item in array.flat], float).reshape(array.shape)
    if array.dtype.kind not in "iufc":
        raise TypeError(f"{name} must hold {kind} numbers, got {shown(value)}")
    return array


def _is_a(kind: type, value: Any) -> bool:
    """Whether a value is a number: neither truth values nor durations are, whatever their bases."""
    return isinstance(value, kind) and not isinstance(value, (bool, np.bool_, np.timedelta64))


def _float(value: Any) -> float:
    try:
        with np.errstate(over="ignore"):
            return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
