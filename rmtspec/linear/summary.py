"""What the command line says about linear denoisers: one dictionary, as a table or as JSON."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inputs.noise import time_of_signal
from ..random_features.summary import columns, rounded
from .denoiser import LinearDenoiser

FloatArray = NDArray[np.float64]

_FORWARD, _REVERSE = "data||model", "model||data"
_LARGE_SHIFT = 0.5


def linear_report(
    model: LinearDenoiser, alpha_bar: float, *, corrected: bool, data: dict[str, Any] | None
) -> dict[str, Any]:
    """Everything the table and the JSON show, as plain numbers, strings, lists and dictionaries.

    An infinite divergence is the string "inf": JSON has no word for it, and null would say that
    there is no value.

    Parameters
    ----------
    model : LinearDenoiser
        With an array of loads, shape (k,).
    alpha_bar : float
    corrected : bool
        Whether averages hold the next order in 1/d.
    data : dict, optional
        What is said of the data set that the population was measured on; its `load` is marked.
    """
    averages = _averages(model, alpha_bar, corrected)
    if corrected:
        _warn_of_large_shifts(model.load, averages, _averages(model, alpha_bar, False))
    own = None if data is None else data["load"]
    return {
        "model": {
            "alpha_bar": alpha_bar,
            "t": float(time_of_signal(alpha_bar)),
            "c": float(model.c),
            "dimension": model.dimension,
            "corrected": corrected,
            "empirical_mean": model.empirical_mean,
        },
        "data": data,
        "population": repr(model.population),
        "optimal_loss": float(model.optimal_loss(alpha_bar)),
        "loads": [
            {
                "load": float(load),
                "samples": None if model.dimension is None else float(load * model.dimension),
                **{name: float(values[i]) for name, values in averages.items() if "kl" not in name},
                "kl": {way: _named(averages[f"kl {way}"][i]) for way in (_FORWARD, _REVERSE)},
                "own": bool(load == own),
            }
            for i, load in enumerate(model.load)
        ],
    }


def linear_table(report: dict[str, Any]) -> str:
    """One row a load below what the model and the data are."""
    rows: list[tuple[str, ...]] = [
        ("n/d", "samples", "train", "test", "alignment", "pair", f"KL {_FORWARD}", f"KL {_REVERSE}")
    ]
    for row in report["loads"]:
        samples = "" if row["samples"] is None else f"{row['samples']:.8g}"
        shown = (row[key] for key in ("train_loss", "test_loss", "alignment", "alignment_pair"))
        divergences = (_text(value) for value in row["kl"].values())
        rows.append((rounded(row["load"]), samples, *map(rounded, shown), *divergences))
    lines = columns(rows).splitlines()
    for place, row in enumerate(report["loads"], start=1):
        lines[place] += "  as many as in the data" * row["own"]
    return f"{_head(report)}\n\n" + "\n".join(lines)


def _averages(model: LinearDenoiser, alpha_bar: float, corrected: bool) -> dict[str, FloatArray]:
    return {
        "train_loss": model.train_loss(alpha_bar, corrected=corrected),
        "test_loss": model.test_loss(alpha_bar, corrected=corrected),
        "alignment": model.alignment(alpha_bar, corrected=corrected),
        "alignment_pair": model.alignment_pair(alpha_bar),
        f"kl {_FORWARD}": model.kl("data||model", corrected=corrected),
        f"kl {_REVERSE}": model.kl("model||data", corrected=corrected),
    }


def _warn_of_large_shifts(
    loads: FloatArray, corrected: dict[str, FloatArray], limit: dict[str, FloatArray]
) -> None:
    """The next order of a series is only worth something while it is small."""
    large = np.zeros(loads.shape, dtype=bool)
    for name, values in corrected.items():
        # Without a ridge the divergences are exact, not a series.
        if not name.startswith("kl"):
            large |= np.abs(values - limit[name]) > _LARGE_SHIFT * np.abs(limit[name])
    if np.any(large):
        first, last = loads[large][[0, -1]]
        where = f"{first:.4g}" if first == last else f"{first:.4g} to {last:.4g}"
        warnings.warn(
            f"the order 1/d exceeds half the limit at n/d = {where}: it is not to be trusted there",
            stacklevel=2,
        )


def _head(report: dict[str, Any]) -> str:
    model, data = report["model"], report["data"]
    order = "with the order 1/d" if model["corrected"] else "limit of many dimensions"
    lines = [
        f"linear denoiser, alpha_bar = {rounded(model['alpha_bar'])} (t = {rounded(model['t'])}), "
        f"c = {rounded(model['c'])}, {order}; all per dimension"
    ]
    if data is None:
        population = report["population"].removeprefix("PopulationSpectrum(").removesuffix(")")
        lines.append(f"population    {population}")
    else:
        lines.append(
            f"data          {data['source']}: {data['samples']} samples, dimension "
            f"{data['dimension']}, mean variance {rounded(data['mean_variance'])}"
        )
        lines.append(
            f"              participation ratio {rounded(data['participation_ratio'])}; without "
            f"the bias of {data['samples']} samples {_text(data['participation_ratio_unbiased'])}"
        )
    lines.append(f"optimal loss  {rounded(report['optimal_loss'])}")
    return "\n".join(lines)


def _named(value: float) -> float | str:
    return "inf" if math.isinf(value) else float(value)


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else rounded(value)


def unbiased_participation_ratio(measured: float, samples: int) -> float | str:
    r"""Participation ratio whose mean estimate from n samples is the measured one.

    .. math::  PR = \Bigl(1+\frac1n\Bigr)\Big/\Bigl(\frac1{\widehat{PR}}-\frac1n\Bigr),

    the inverse of :meth:`PopulationSpectrum.sampled_participation_ratio`, for samples that are
    independent and Gaussian; "inf" where the measured value is not below n.
    """
    rest = 1.0 / measured - 1.0 / samples
    return (1.0 + 1.0 / samples) / rest if rest > 0.0 else "inf"
