"""What a random-feature model says of itself: coefficients, bulks, atoms, outliers and times."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from ...inputs.activation import ActivationLike
from ...inputs.description import describe, headline
from ...result import Summary, Table, rounded
from ..interfaces import Model

_MOST_ROWS = 12  # more bulks than these are shown as runs of one name; the values have them all
_LEARNED = {"fast": "tau_gen: ", "sample": "tau_mem: ", "slow": "tau_slow: "}


@dataclass(frozen=True, eq=False, repr=False)
class ModelSummary(Summary):
    """A model, its spectrum and its training times; made by `RandomFeatureModel.summary`.

    The values are ``model``, ``data`` (None without samples), ``population``, ``coefficients``,
    ``mean_feature``, ``floor``, ``bulks``, ``atoms``, ``outliers`` and ``timescales``.

    Attributes
    ----------
    brief : whether to show training times only
    """

    brief: bool = False

    @classmethod
    def of(
        cls,
        model: Model,
        source: str | None = None,
        held_out: str | None = None,
        brief: bool = False,
        errors: Mapping[str, float] | None = None,
    ) -> Self:
        """The summary of a model whose data are from `source`, the others from `held_out`.

        `errors` are those of estimating the population, as `describe` has them.
        """
        coefficients, law = model.coefficients, model.spectrum()
        values = {
            "model": {
                "psi_p": model.psi_p,
                "psi_n": model.psi_n,
                "t": model.t,
                **({} if model.noise_level is None else {"path": str(model.noise_level)}),
                "activation": _name(model.activation),
            },
            "data": _data(model, source, held_out, errors),
            "population": repr(model.population),
            "coefficients": {
                name: float(getattr(coefficients, name)) for name in ("a", "b", "v", "s")
            },
            # The exact kernel holds the mean feature: its eigenvalue is among the bulks.
            "mean_feature": float(coefficients.mean) if model.rows is None else 0.0,
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
            "timescales": model.timescales().to_dict(),
        }
        return cls(values, brief)

    def blocks(self) -> Iterator[str | Table]:
        yield head(self.values)
        if not self.brief:
            yield self._bulks()
            if self["outliers"]:
                yield self._spikes()
        yield self._times()

    def _bulks(self) -> Table:
        rows: list[tuple[str, ...]] = [("bulk", "mass", "from", "to", "above floor: from", "to")]
        rows += [
            ("atom", rounded(atom["mass"]), rounded(atom["location"]), "", "", "")
            for atom in self["atoms"]
        ]
        for name, members in runs_of_bulks(self["bulks"]):
            first, last = members[0], members[-1]
            mass = sum(bulk["mass"] for bulk in members)
            ends = (
                first["support"][0],
                last["support"][1],
                first["above_floor"][0],
                last["above_floor"][1],
            )
            rows.append((name, *map(rounded, (mass, *ends))))
        return Table(rows)

    def _spikes(self) -> Table:
        names = ("spike", "location", "overlap", "threshold", "slow_location", "slow_overlap")
        rows: list[tuple[str, ...]] = [
            ("spike", "outlier", "overlap", "threshold", "slow outlier", "overlap")
        ]
        rows += [tuple(rounded(row[name]) for name in names) for row in self["outliers"]]
        return Table(rows)

    def _times(self) -> Table:
        rows: list[tuple[str, ...]] = [("family", "mass", "lower end", "training time")]
        remarks = [""]
        for family in self["timescales"]["families"]:
            values = (rounded(family[key]) for key in ("mass", "lower", "tau"))
            rows.append((family["name"], *values))
            quantile = " (mass quantile)" if family["merged"] else ""
            remarks.append(_LEARNED.get(family["name"], "") + family["meaning"] + quantile)
        return Table(rows, remarks)


def head(values: Any) -> str:
    """The model in one line, and below it data, coefficients and mean feature."""
    model = values["model"]
    given = ", ".join(f"{key} = {rounded(model[key])}" for key in ("psi_p", "psi_n", "t"))
    coefficients = values["coefficients"].items()
    path = f" ({model['path']})" if "path" in model else ""
    lines = [
        f"random-feature score model, {given}{path}, {model['activation']}",
        headline(values["population"], values["data"]),
        "coefficients  "
        + ", ".join(f"{key} = {rounded(value)}" for key, value in coefficients)
        + f"; floor s^2 = {rounded(values['floor'])}",
    ]
    if values["mean_feature"] != 0.0:
        mean = values["mean_feature"]
        lines.append(
            f"mean feature  {rounded(mean)}: one more eigenvalue, near {rounded(mean**2)} p"
        )
    return "\n".join(lines)


def runs_of_bulks(bulks: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each bulk with its name or, where there are many, each run of one name."""
    many = len(bulks) > _MOST_ROWS
    for _, run in itertools.groupby(
        enumerate(bulks), key=lambda item: item[1]["name"] if many else item[0]
    ):
        members = [bulk for _, bulk in run]
        count = f" ({len(members)} bulks)" if len(members) > 1 else ""
        yield members[0]["name"] + count, members


def _name(activation: ActivationLike) -> str:
    """What to call an activation that has no name of its own."""
    return (
        activation
        if isinstance(activation, str)
        else getattr(activation, "__name__", type(activation).__name__)
    )


def _data(
    model: Model, source: str | None, held_out: str | None, errors: Mapping[str, float] | None
) -> dict[str, Any] | None:
    law = None
    if model.conditional:
        way = "the Gaussian equivalent" if model.rows is None else "the exact kernel of the neurons"
        law = f"given these very rows, by {way}"
    data = describe(model.population, source, errors, law=law)
    if data is not None and model.held_out is not None:
        data["held_out"] = {"source": held_out, "samples": model.held_out.samples}
    return data


def _outliers(model: Model) -> list[dict[str, float]]:
    if model.conditional:
        return []
    columns = {"spike": model.population.spikes, **vars(model.outliers())}
    return [
        dict(zip(columns, map(float, row), strict=True))
        for row in zip(*columns.values(), strict=True)
    ]
