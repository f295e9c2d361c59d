"""What is said of a phase diagram: its grid, the range of its variables, and what failed."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from ..inputs.description import describe, headline
from ..inputs.population import PopulationSpectrum
from ..result import Summary, Table, rounded
from .grid import FAILURE

if TYPE_CHECKING:
    import xarray


class Described(Protocol):
    """What a summary asks of a `Diagram`."""

    @property
    def name(self) -> str:
        """As in `DIAGRAMS`."""

    @property
    def question(self) -> str:
        """That it answers."""

    @property
    def problem(self) -> str:
        """The sweep that fills it."""

    @property
    def axes(self) -> tuple[str, str]:
        """Names of the horizontal and the vertical axis."""


@dataclass(frozen=True, eq=False, repr=False)
class DiagramSummary(Summary):
    """A phase diagram that was computed; made by `Diagram.summary`.

    The values are ``diagram``, ``question``, ``problem``, ``axes``, ``coords``, ``fixed``,
    ``population``, ``data`` (None without samples), ``store``, ``variables`` (values and ranges),
    ``shares`` (of the points, for each phase), ``points``, ``failed`` and ``first_failure``.
    """

    @classmethod
    def of(
        cls,
        diagram: Described,
        data: xarray.Dataset,
        population: PopulationSpectrum | None,
        source: str | None,
        store: str | os.PathLike[str] | None,
        errors: Mapping[str, float] | None = None,
    ) -> Self:
        """The summary of a data set as the diagram computed it; `errors` as `describe` has them."""
        scalars = {str(name): c.item() for name, c in data.coords.items() if c.ndim == 0}
        rows = {str(name): c.values.tolist() for name, c in data.coords.items() if c.ndim == 1}
        return cls(
            {
                "diagram": diagram.name,
                "question": diagram.question,
                "problem": diagram.problem,
                "axes": list(diagram.axes),
                "coords": rows,
                "fixed": scalars,
                "population": data.attrs.get("population"),
                "data": None if population is None else describe(population, source, errors),
                "store": None if store is None else str(store),
                "variables": {
                    str(name): {
                        "long_name": values.attrs.get("long_name", str(name)),
                        "units": values.attrs.get("units", "1"),
                        "dims": [str(dim) for dim in values.dims],
                        "values": values.values.tolist(),
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
        )

    def blocks(self) -> Iterator[str | Table]:
        yield self._head()
        yield self._variables()
        shares = [(words, rounded(share)) for words, share in self["shares"].items()]
        yield Table([("share of points", ""), *shares])
        if self["failed"]:
            first = self["first_failure"]
            where = ", ".join(f"{name} = {value:.6g}" for name, value in first["at"].items())
            yield f"failed points  {self['failed']}; the first, at {where}: {first['reason']}"

    def _head(self) -> str:
        lines = [f"phase diagram {self['diagram']}: {self['question']}"]
        grid = (
            f"{name} {len(values)} values from {rounded(values[0])} to {rounded(values[-1])}"
            for name, values in ((axis, self["coords"][axis]) for axis in self["axes"])
        )
        lines.append(f"grid          {', '.join(grid)}; {self['points']} points")
        fixed = (f"{name} = {rounded(value)}" for name, value in self["fixed"].items())
        if self["fixed"]:
            lines.append(f"fixed         {', '.join(fixed)}")
        if self["data"] is not None or self["population"] is not None:
            lines.append(headline(self["population"] or "", self["data"]))
        if self["store"] is not None:
            lines.append(f"store         {self['store']}")
        return "\n".join(lines)

    def _variables(self) -> Table:
        rows: list[tuple[str, ...]] = [("variable", "least", "median", "largest", "points")]
        remarks = [""]
        for name, variable in self["variables"].items():
            for part in variable["range"]:
                at = (f"{dim} = {rounded(value)}" for dim, value in part["at"].items())
                numbers = (rounded(part[key]) for key in ("least", "median", "largest"))
                rows.append((", ".join([name, *at]), *numbers, str(part["points"])))
                remarks.append(variable["long_name"])
        return Table(rows, remarks)


def _ranges(values: xarray.DataArray, diagram: Described) -> Iterator[dict[str, Any]]:
    """Least, median and largest number over the grid, for each label of the other dimensions."""
    others = [dim for dim in values.dims if dim not in diagram.axes]
    for place in itertools.product(*(range(values.sizes[dim]) for dim in others)):
        part = values.isel(dict(zip(others, place, strict=True)))
        numbers = part.values[~np.isnan(part.values)]
        # A quantile in between would be the mean of a number and infinity.
        ends = (
            np.quantile(numbers, [0.0, 0.5, 1.0], method="lower") if numbers.size else [np.nan] * 3
        )
        low, middle, high = (float(number) for number in ends)
        yield {
            "at": {str(dim): (part[dim].item()) for dim in others},
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
                    "at": {str(dim): (data[dim].values[i].item()) for dim, i in at},
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
