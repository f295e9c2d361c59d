"""What is said of the data that a model stands on: where they are from, and how they spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import _checks
from ..result import rounded
from .population import PopulationSpectrum

_FITTED = "fresh rows of the population fitted to these"
_SAMPLED = "fresh rows, as if the covariance of these were that of their population"


def describe(
    population: PopulationSpectrum,
    source: str | None = None,
    errors: Mapping[str, float] | None = None,
    *,
    law: str | None = None,
) -> dict[str, Any] | None:
    """Size and spread of the data behind a measured spectrum, and what is done with them.

    Parameters
    ----------
    population : PopulationSpectrum
    source : str, optional
        Where the data are from.
    errors : mapping from str to float, optional
        What estimating the population from so few samples adds to numbers, relative, by name.
    law : str, optional
        Whose law the numbers are, by default that of fresh samples.

    Returns
    -------
    dict or None
        Source, number of samples, dimension, mean variance, the participation ratio as measured
        and without the bias of that many samples (both that of a fitted population), the law and
        the errors; None for a spectrum that no samples stand behind.

    Raises
    ------
    TypeError, ValueError
        If the errors are no mapping to non-negative numbers.
    """
    if population.samples is None or population.dimension is None:
        return None
    errors = {} if errors is None else errors
    if not isinstance(errors, Mapping):
        raise TypeError(f"errors must map names to numbers, got {_checks.shown(errors)}")
    relative = _checks.real_array("errors", list(errors.values()), 0.0, infinite=True)
    return {
        "source": source,
        "law": law or (_FITTED if population.fitted else _SAMPLED),
        "samples": population.samples,
        "dimension": population.dimension,
        "mean_variance": population.mean,
        "participation_ratio": population.participation_ratio,
        "participation_ratio_unbiased": population.unbiased_participation_ratio,
        "errors": dict(zip(map(str, errors), relative.tolist(), strict=True)),
    }


def headline(population: str, data: dict[str, Any] | None) -> str:
    """A few lines: the data as `describe` has them and the law or, without, the spectrum."""
    if data is None:
        shown = population.removeprefix("PopulationSpectrum(").removesuffix(")")
        return f"population    {shown}"
    source = "" if data["source"] is None else f"{data['source']}: "
    ratio, unbiased = (rounded(data[f"participation_ratio{kind}"]) for kind in ("", "_unbiased"))
    bias = f"; without the bias of {data['samples']} samples {unbiased}"
    lines = [
        f"data          {source}{data['samples']} samples, dimension {data['dimension']}, "
        f"mean variance {rounded(data['mean_variance'])}",
        f"              participation ratio {ratio}{bias * (unbiased != ratio)}",
        f"law           {data['law']}",
    ]
    if data["errors"]:
        found = ", ".join(f"{name} {100.0 * error:.2g} %" for name, error in data["errors"].items())
        lines.append(f"              its error, from halves of the rows: {found}")
    return "\n".join(lines)
