"""Values of command-line options, each with one line for what it cannot read."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..inputs.diffusion.level import PATHS, NoiseLevel
from ..inputs.diffusion.prediction import Prediction
from ..inputs.population import PopulationSpectrum

_MOST_LOADS = 10_000
_TIMES = 1e-100, 1e100  # positive times beyond these overflow on a logarithmic axis

_Built = TypeVar("_Built")


def number(text: str) -> float:
    try:
        return _float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None


def path(text: str) -> NoiseLevel:
    """A noise level by the name of its path."""
    name, *values = text.split(":")
    try:
        if name not in PATHS or not values or len(values) > (2 if name == "edm" else 1):
            raise ValueError(text)
        numbers = [_float(value) for value in values]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be ou:T, ddpm:ALPHA_BAR, edm:SIGMA, edm:SIGMA:DATA_SCALE or flow:S, got {text!r}"
        ) from None
    return _checked(NoiseLevel.named, name, *numbers)


def prediction(text: str) -> Prediction:
    """A prediction by its name, or by its weights of noise and data."""
    name, *values = text.split(":")
    if values and name != "edm":
        try:
            return _checked(Prediction, *(_float(value) for value in (name, *values)))
        except (ValueError, TypeError):
            pass
    return _checked(Prediction.named, text)


def integer(text: str) -> int:
    try:
        return _int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be an integer, got {text!r}") from None


def _float(text: str, *, infinite: bool = False) -> float:
    """A number as one writes it; Python also reads 1_0, full-width digits, nan and blanks."""
    if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        value = float(text)
        if math.isfinite(value):
            return value
    elif infinite and text.lower() in ("inf", "+inf", "infinity"):
        return math.inf
    raise ValueError(text)


def _int(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise ValueError(text)
    return int(text)


def loads(text: str) -> NDArray[np.float64]:
    """Distinct loads, ascending, from a list of numbers and ranges."""
    return _listed(text, "NUMBER,NUMBER,... or FIRST:LAST:COUNT of positive numbers")


def times(text: str) -> NDArray[np.float64]:
    """Distinct training times, ascending, from a list of numbers and ranges."""
    low, high = _TIMES
    values = _listed(
        text, "TAU,TAU,... with 0 and inf allowed, or START:STOP:COUNT between positive numbers"
    )
    bad = ~((values == 0.0) | (values == np.inf) | ((values >= low) & (values <= high)))
    if np.any(bad):
        raise argparse.ArgumentTypeError(
            f"times must be 0, inf or in [{low:g}, {high:g}], got {values[bad][0]:g}"
        )
    return values


def _listed(text: str, form: str) -> NDArray[np.float64]:
    """Distinct numbers, ascending; `form` says how to write them."""
    values: list[float] = []
    try:
        for item in text.split(","):
            parts = item.split(":")
            if len(parts) == 1:
                values.append(_float(item, infinite=True))
                continue
            first, last, count = _float(parts[0]), _float(parts[1]), _int(parts[2])
            if len(parts) > 3 or not (0 < first < math.inf and 0 < last < math.inf):
                raise ValueError(text)
            if not 2 <= count <= _MOST_LOADS:
                raise argparse.ArgumentTypeError(
                    f"COUNT must be an integer in [2, {_MOST_LOADS}], got {count}"
                )
            # Twelve digits: 1 is 1 then, not one part in 10^16 beside it.
            values += [float(f"{value:.12g}") for value in np.geomspace(first, last, count)]
    except (ValueError, IndexError):
        raise argparse.ArgumentTypeError(f"must be {form}, got {text!r}") from None
    return np.unique(values)


def population(text: str) -> PopulationSpectrum:
    try:
        pairs = [[_float(part) for part in item.split(":")] for item in text.split(",")]
        if len({len(pair) for pair in pairs}) != 1 or len(pairs[0]) > 2:
            raise ValueError(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be VALUE:WEIGHT,VALUE:WEIGHT,... or VALUE,VALUE,..., got {text!r}"
        ) from None
    columns = list(zip(*pairs, strict=True))
    return _checked(PopulationSpectrum, columns[0], columns[-1] if len(columns) == 2 else None)


def power_law(text: str) -> PopulationSpectrum:
    try:
        exponent, dimension = text.split(":")
        arguments = _float(exponent), _int(dimension)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be EXPONENT:DIMENSION, as in 1.5:256, got {text!r}"
        ) from None
    return _checked(PopulationSpectrum.power_law, *arguments)


def target(text: str) -> Path:
    from ..plots.style import check_target

    return _checked(check_target, text)


def _checked(build: Callable[..., _Built], *arguments: Any) -> _Built:
    try:
        return build(*arguments)
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
