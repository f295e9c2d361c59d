"""Functions that users give, called once on an array and looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks


def evaluate(
    f: Callable[[Any], Any], x: NDArray[Any], where: str = "on the support", name: str = "f"
) -> NDArray[Any]:
    """f at a flat array of points, as floats or complex numbers shaped like it.

    Raises
    ------
    TypeError
        If f is not callable, takes no such array or returns no numbers.
    ValueError
        If f returns a wrong shape or a value that is not finite.
    """
    if not callable(f):
        raise TypeError(f"{name} must be callable, got {_checks.shown(f)}")
    kind = "complex numbers" if np.iscomplexobj(x) else "floats"
    try:
        values = np.asarray(f(x))
    except TypeError as problem:
        raise TypeError(f"{name} must take an array of {kind}: {problem}") from None
    if values.dtype == object or values.dtype.kind not in "iufcb":
        raise TypeError(f"{name} must return numbers, got {values.dtype}")
    if values.shape not in ((), x.shape):
        raise ValueError(f"{name} must return shape {x.shape} or a scalar, got {values.shape}")
    values = np.broadcast_to(values, x.shape).astype(np.result_type(values.dtype, np.float64))
    if not np.all(np.isfinite(values)):
        raise ValueError(
            f"{name} must return finite numbers {where}, got {values[~np.isfinite(values)][0]} "
            f"at {x[~np.isfinite(values)][0]}"
        )
    return values
