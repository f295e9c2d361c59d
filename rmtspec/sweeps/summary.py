"""What the command line says about a phase diagram: one dictionary, as a table or as JSON."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..random_features.summary import columns, rounded
from .grid import FAILURE

if TYPE_CHECKING:
    import xarray

    from .diagrams import Diagram


def sweep_report(
    diagram: Diagram,
    data: xarray.Dataset,
    described: dict[str, Any] | None,
    store: str | os.PathLike[str] | None,
) -> dict[str, Any]:
    """Everything the table and the JSON show, as plain numbers, strings, lists and dictionaries.

    An infinite value is the string "inf": JSON has no word for it, and null says that there is no
    value.

    Parameters
    ----------
    diagram : Diagram
    data : xarray.Dataset
        As the diagram computed it.
    described : dict, optional
        What is said of the data set that gave the population.
    store : path, optional
        Where the sweep is kept.
    """
    scalars = {str(name): c.item() for name, c in data.coords.items() if c.ndim == 0}
    rows = {str(name): c.values.tolist() for name, c in data.coords.items() if c.ndim == 1}
    return {
        "diagram": diagram.name,
        "question": diagram.question,
        "problem": diagram.problem,
        "axes": list(diagram.axes),
        "coords": {name: _plain(values) for name, values in rows.items()},
        "fixed": {name: _plain(value) for name, value in scalars.items()},
        "population": data.attrs.get("population"),
        "data": described,
        "store": None if store is None else str(store),
        "variables": {
            str(name): {
                "long_name": values.attrs.get("long_name", str(name)),
                "units": values.attrs.get("units", "1"),
                "dims": [str(dim) for dim in values.dims],
                "values": _plain(values.values.tolist()),
                "range": list(_ranges(values, diagram)),
            }
            for name, values in data.data_vars.items()
            if values.dtype.kind == "f"
        },
        "shares": {words: float(share) for words, share in _SHARES[diagram.name](data)},
        "points": math.prod(data.sizes[axis] for axis in diagram.axes),
        "failed": int(data.attrs["failed"]),
        "first_failure": _first_failure(data),
    }


def _plain(value: Any) -> Any:
    """The same structure with "inf" for infinity."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return "inf" if value == math.inf else value


def _ranges(values: xarray.DataArray, diagram: Diagram) -> Iterator[dict[str, Any]]:
    """Least, median and largest number over the grid, for each label of the other dimensions."""
    others = [dim for dim in values.dims if dim not in diagram.axes]
    for place in itertools.product(*(range(values.sizes[dim]) for dim in others)):
        part = values.isel(dict(zip(others, place, strict=True)))
        numbers = part.values[~np.isnan(part.values)]
        # A quantile in between would be the mean of a number and infinity.
        ends = (
            np.quantile(numbers, [0.0, 0.5, 1.0], method="lower") if numbers.size else [np.nan] * 3
        )
        low, middle, high = (_plain(float(number)) for number in ends)
        yield {
            "at": {str(dim): _plain(part[dim].item()) for dim in others},
            "least": low,
            "median": middle,
            "largest": high,
            "points": int(numbers.size),
        }


def _first_failure(data: xarray.Dataset) -> dict[str, Any] | None:
    for name in (FAILURE, f"boundary_{FAILURE}"):
        if name in data:
            reasons = data[name]
            for index in np.argwhere(reasons.values != "")[:1]:
                at = zip(reasons.dims, index, strict=True)
                return {
                    "at": {str(dim): _plain(data[dim].values[i].item()) for dim, i in at},
                    "reason": str(reasons.values[tuple(index)]),
                }
    return None


_Shares = Iterator[tuple[str, Any]]


def _gap_shares(data: xarray.Dataset) -> _Shares:
    yield "gap open", (data["gap"] > 0.0).mean()
    yield "gap closed", (data["gap"] == 0.0).mean()
    yield "fast bulk alone", (data["gap"].isnull() & (data[FAILURE] == "")).mean()


def _timescale_shares(data: xarray.Dataset) -> _Shares:
    yield "bulks merged", (data["merged"] == 1.0).mean()
    yield "no sample bulk", (data["tau_mem"].isnull() & (data[FAILURE] == "")).mean()


def _stopping_shares(data: xarray.Dataset) -> _Shares:
    yield "training should stop", ((data["tau"] > 0.0) & (data["tau"] < np.inf)).mean()
    yield "training never overfits", (data["tau"] == np.inf).mean()
    yield "training only harms", (data["tau"] == 0.0).mean()


def _memorisation_shares(data: xarray.Dataset) -> _Shares:
    for tau in data["tau"].values:
        memorised = data["generalization"].sel(tau=tau) >= data["gap"]
        yield f"memorised at tau = {rounded(tau) if tau < np.inf else 'inf'}", memorised.mean()


def _kl_shares(data: xarray.Dataset) -> _Shares:
    for name, words in (("kl_data_model", "data || model"), ("kl_model_data", "model || data")):
        yield f"D({words}) infinite", np.isinf(data[name]).mean()


_SHARES = {
    "gap": _gap_shares,
    "timescales": _timescale_shares,
    "stopping": _stopping_shares,
    "memorisation": _memorisation_shares,
    "kl": _kl_shares,
}


def sweep_table(report: dict[str, Any]) -> str:
    """Grid and settings, the range of every variable, shares of the phases, what failed."""
    parts = [_head(report), _variables(report)]
    rows = [("share of points", ""), *((w, rounded(s)) for w, s in report["shares"].items())]
    parts.append(columns(rows))
    if report["failed"]:
        first = report["first_failure"]
        where = ", ".join(f"{name} = {value:.6g}" for name, value in first["at"].items())
        parts.append(f"failed points  {report['failed']}; the first, at {where}: {first['reason']}")
    return "\n\n".join(parts)


def _head(report: dict[str, Any]) -> str:
    lines = [f"phase diagram {report['diagram']}: {report['question']}"]
    grid = (
        f"{name} {len(values)} values from {_text(values[0])} to {_text(values[-1])}"
        for name, values in ((axis, report["coords"][axis]) for axis in report["axes"])
    )
    lines.append(f"grid          {', '.join(grid)}; {report['points']} points")
    fixed = (f"{name} = {_text(value)}" for name, value in report["fixed"].items())
    if report["fixed"]:
        lines.append(f"fixed         {', '.join(fixed)}")
    population, data = report["population"], report["data"]
    if data is not None:
        lines.append(
            f"data          {data['source']}: {data['samples']} samples, dimension "
            f"{data['dimension']}, mean variance {rounded(data['mean_variance'])}, "
            f"participation ratio {rounded(data['participation_ratio'])}"
        )
    elif population is not None:
        shown = population.removeprefix("PopulationSpectrum(").removesuffix(")")
        lines.append(f"population    {shown}")
    if report["store"] is not None:
        lines.append(f"store         {report['store']}")
    return "\n".join(lines)


def _variables(report: dict[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [("variable", "least", "median", "largest", "points")]
    meanings = [""]
    for name, variable in report["variables"].items():
        for part in variable["range"]:
            label = ", ".join(
                [name, *(f"{dim} = {_text(value)}" for dim, value in part["at"].items())]
            )
            numbers = (_text(part[key]) for key in ("least", "median", "largest"))
            rows.append((label, *numbers, str(part["points"])))
            meanings.append(variable["long_name"])
    lines = columns(rows).splitlines()
    return "\n".join(
        f"{line}  {words}".rstrip() for line, words in zip(lines, meanings, strict=True)
    )


def _text(value: Any) -> str:
    return rounded(value) if isinstance(value, float) else str(value)
