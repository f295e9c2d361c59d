"""What the command line says about a model: one dictionary, shown as a table or as JSON."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model import RandomFeatureModel

_MOST_ROWS = 12  # more bulks than these are shown as runs of one name; JSON has them all

_MEANINGS = {
    "fast": "  tau_gen: the population is learned",
    "sample": "  tau_mem: single samples are memorised",
    "noise": "  directions without data",
    "slow": "  tau_slow: the last of the training loss",
}


def report(model: RandomFeatureModel, data: dict[str, Any] | None) -> dict[str, Any]:
    """Everything the table and the JSON show, as plain numbers, strings, lists and dictionaries.

    Parameters
    ----------
    model : RandomFeatureModel
    data : dict, optional
        What is said of the data set that the model stands on.
    """
    coefficients, law, times = model.coefficients, model.spectrum(), model.timescales()
    return {
        "model": {
            "psi_p": model.psi_p,
            "psi_n": model.psi_n,
            "t": model.t,
            "activation": model.activation,
        },
        "data": data,
        "population": repr(model.population),
        "coefficients": {name: float(getattr(coefficients, name)) for name in ("a", "b", "v", "s")},
        "mean_feature": float(coefficients.mean),
        "floor": float(law.origin),
        "bulks": [
            {
                "name": name,
                "mass": float(mass),
                "support": [float(end) for end in ends],
                "above_floor": [float(end) for end in distances],
            }
            for name, mass, ends, distances in zip(
                model.bulk_names(), law.masses, law.support, law.edges, strict=True
            )
        ],
        "atoms": [
            {"location": float(location), "mass": float(mass)} for location, mass in law.atoms
        ],
        "outliers": _outliers(model),
        "timescales": {
            "tau_gen": times.tau_gen,
            "tau_mem": times.tau_mem,
            "tau_slow": times.tau_slow,
            "merged": times.merged,
            "families": [family._asdict() for family in times.families],
        },
    }


def _outliers(model: RandomFeatureModel) -> list[dict[str, float]]:
    if model.conditional:
        return []
    columns = {"spike": model.population.spikes, **vars(model.outliers())}
    return [
        dict(zip(columns, map(float, row), strict=True))
        for row in zip(*columns.values(), strict=True)
    ]


def spectrum_table(report: dict[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [("bulk", "mass", "from", "to", "above floor: from", "to")]
    rows += [
        ("atom", rounded(atom["mass"]), rounded(atom["location"]), "", "", "")
        for atom in report["atoms"]
    ]
    rows += [
        (name, *map(rounded, (mass, *support, *above_floor)))
        for name, mass, support, above_floor in _rows_of_bulks(report["bulks"])
    ]
    parts = [_head(report), columns(rows)]
    if report["outliers"]:
        rows = [("spike", "outlier", "overlap", "threshold", "slow outlier", "overlap")]
        names = ("spike", "location", "overlap", "threshold", "slow_location", "slow_overlap")
        rows += [tuple(rounded(row[name]) for name in names) for row in report["outliers"]]
        parts.append(columns(rows))
    return "\n\n".join([*parts, _times(report)])


def _rows_of_bulks(
    bulks: list[dict[str, Any]],
) -> Iterator[tuple[str, float, list[float], list[float]]]:
    """Name, mass, support and distances of each bulk or, where many, of each run of one name."""
    for _, run in itertools.groupby(
        enumerate(bulks), key=lambda item: item[1]["name"] if len(bulks) > _MOST_ROWS else item[0]
    ):
        members = [bulk for _, bulk in run]
        first, last = members[0], members[-1]
        count = f" ({len(members)} bulks)" if len(members) > 1 else ""
        yield (
            first["name"] + count,
            sum(bulk["mass"] for bulk in members),
            [first["support"][0], last["support"][1]],
            [first["above_floor"][0], last["above_floor"][1]],
        )


def timescales_table(report: dict[str, Any]) -> str:
    return f"{_head(report)}\n\n{_times(report)}"


def _head(report: dict[str, Any]) -> str:
    model, data = report["model"], report["data"]
    lines = [
        "random-feature score model, "
        + ", ".join(f"{key} = {rounded(model[key])}" for key in ("psi_p", "psi_n", "t"))
        + f", {model['activation']}"
    ]
    if data is None:
        population = report["population"].removeprefix("PopulationSpectrum(").removesuffix(")")
        lines.append(f"population    {population}")
    else:
        lines.append(
            f"data          {data['source']}: {data['samples']} samples, dimension "
            f"{data['dimension']}, mean variance {rounded(data['mean_variance'])}, "
            f"participation ratio {rounded(data['participation_ratio'])}"
        )
    lines.append(
        "coefficients  "
        + ", ".join(f"{key} = {rounded(value)}" for key, value in report["coefficients"].items())
        + f"; floor s^2 = {rounded(report['floor'])}"
    )
    if report["mean_feature"] != 0.0:
        lines.append(
            f"mean feature  {rounded(report['mean_feature'])}: one more eigenvalue, near "
            f"{rounded(report['mean_feature'] ** 2)} p"
        )
    return "\n".join(lines)


def _times(report: dict[str, Any]) -> str:
    times = report["timescales"]
    rows = [("family", "mass", "lower end", "training time")]
    rows += [
        (family["name"], *(rounded(family[key]) for key in ("mass", "lower", "tau")))
        for family in times["families"]
    ]
    lines = columns(rows).splitlines()
    for place, family in enumerate(times["families"], start=1):
        lines[place] += _MEANINGS[family["name"]] + " (mass quantile)" * family["merged"]
    return "\n".join(lines)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns, the first flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def rounded(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else "-"


def as_json(report: dict[str, Any]) -> str:
    return json.dumps(_finite(report), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    """The same structure with null for NaN and infinity, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
