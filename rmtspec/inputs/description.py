"""What is said of the data that a model stands on: where they are from, and how they spread."""

from __future__ import annotations

from typing import Any

from ..result import rounded
from .population import PopulationSpectrum


def describe(population: PopulationSpectrum, source: str | None = None) -> dict[str, Any] | None:
    """Size and spread of the data behind a measured spectrum.

    Parameters
    ----------
    population : PopulationSpectrum
    source : str, optional
        Where the data are from.

    Returns
    -------
    dict or None
        Source, number of samples, dimension, mean variance, and the participation ratio as measured
        and without the bias of that many samples; None for a spectrum that no samples stand behind.
    """
    if population.samples is None or population.dimension is None:
        return None
    return {
        "source": source,
        "samples": population.samples,
        "dimension": population.dimension,
        "mean_variance": population.mean,
        "participation_ratio": population.participation_ratio,
        "participation_ratio_unbiased": population.unbiased_participation_ratio,
    }


def headline(population: str, data: dict[str, Any] | None) -> str:
    """One or two lines: the data as `describe` has them or, without, the spectrum."""
    if data is None:
        shown = population.removeprefix("PopulationSpectrum(").removesuffix(")")
        return f"population    {shown}"
    source = "" if data["source"] is None else f"{data['source']}: "
    return (
        f"data          {source}{data['samples']} samples, dimension {data['dimension']}, "
        f"mean variance {rounded(data['mean_variance'])}\n"
        f"              participation ratio {rounded(data['participation_ratio'])}; without the "
        f"bias of {data['samples']} samples {rounded(data['participation_ratio_unbiased'])}"
    )
