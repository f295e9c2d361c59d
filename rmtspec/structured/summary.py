"""What a structured score network says of itself: classes, bulks, outliers, times and losses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..result import Summary, Table, rounded
from .outliers import find_outliers
from .training import StructuredTraining

FloatArray = NDArray[np.float64]

_MOST_ROWS = 25  # of times in the table; the values have them all


@dataclass(frozen=True, eq=False, repr=False)
class StructuredSummary(Summary):
    """A structured model, its spectrum, its times and its losses; the models' `summary` makes it.

    The values are ``model``, ``classes``, ``times``, ``floor``, ``bulks``, ``atoms``, ``outliers``,
    ``timescales``, ``best_stopping`` and ``curves``.
    """

    @classmethod
    def of(cls, training: StructuredTraining, tau: FloatArray, dimension: int | None) -> Self:
        """The summary of a model in training, with the losses at times tau."""
        model = training.model
        law, setting = model.spectrum(), model.setting
        outliers = find_outliers(model, dimension)
        curves = training.learning_curves(tau)
        names = ("tau", "train", "test", "score_error")
        values = {
            "model": {
                "kind": type(model).__name__,
                "psi_p": model.psi_p,
                "psi_n": model.psi_n,
                "activation": _name(setting.activation),
                "neuron_types": len(setting.neurons.weights),
                "dimension": dimension,
            },
            "classes": [
                {
                    "weight": float(weight),
                    "variance": float(variance),
                    "mean": mean.tolist(),
                }
                for weight, variance, mean in zip(
                    setting.classes.weights,
                    setting.classes.variances,
                    setting.classes.means,
                    strict=True,
                )
            ],
            "times": {
                "t": setting.times.t.tolist(),
                "weights": setting.times.shares.tolist(),
                "skip": setting.times.skip,
            },
            "floor": float(law.origin),
            "bulks": [
                {"name": name, "mass": float(mass), "support": [float(end) for end in ends]}
                for name, mass, ends in zip(
                    model.bulk_names(), law.masses, law.support, strict=True
                )
            ],
            "atoms": [{"location": float(x), "mass": float(mass)} for x, mass in law.atoms],
            "outliers": [
                {"location": float(x), "tau": float(tau), "overlap": row.tolist()}
                for x, tau, row in zip(
                    outliers.location, outliers.tau, outliers.overlap, strict=True
                )
            ],
            "timescales": training.timescales().to_dict(),
            "best_stopping": vars(training.best_stopping()).copy(),
            "curves": {
                **{name: np.asarray(getattr(curves, name)).tolist() for name in names},
                "class_train": curves.class_train.tolist(),
                "class_test": curves.class_test.tolist(),
            },
        }
        return cls(values)

    def blocks(self) -> Iterator[str | Table]:
        yield self._head()
        yield self._bulks()
        if self["outliers"]:
            yield self._outliers()
        yield self._stages()
        yield self._curves()

    def _head(self) -> str:
        model, times = self["model"], self["times"]
        kind = {"MixtureModel": "mixture", "TimeIntegratedModel": "network of all times"}
        lines = [
            f"random-feature score model, {kind.get(model['kind'], model['kind'])}, "
            f"psi_p = {rounded(model['psi_p'])}, psi_n = {rounded(model['psi_n'])}, "
            f"{model['activation']}"
        ]
        t = times["t"]
        shown = rounded(t[0]) if len(t) == 1 else f"{rounded(t[0])} to {rounded(t[-1])}"
        count = "" if len(t) == 1 else f" ({len(t)} times)"
        skip = f", skip = {rounded(times['skip'])}" if times["skip"] else ""
        lines.append(f"t = {shown}{count}{skip}; floor {rounded(self['floor'])}")
        for number, one in enumerate(self["classes"]):
            mean = f", mean {', '.join(map(rounded, one['mean']))}" if one["mean"] else ""
            lines.append(
                f"class {number}: weight {rounded(one['weight'])}, "
                f"variance {rounded(one['variance'])}{mean}"
            )
        return "\n".join(lines)

    def _bulks(self) -> Table:
        rows: list[tuple[str, ...]] = [("bulk", "mass", "from", "to")]
        rows += [
            ("atom", rounded(atom["mass"]), rounded(atom["location"]), "") for atom in self["atoms"]
        ]
        for bulk in self["bulks"]:
            rows.append((bulk["name"], rounded(bulk["mass"]), *map(rounded, bulk["support"])))
        return Table(rows)

    def _outliers(self) -> Table:
        rows: list[tuple[str, ...]] = [("single eigenvalue", "training time", "overlaps")]
        for one in self["outliers"]:
            overlaps = ", ".join(map(rounded, one["overlap"])) or "-"
            rows.append((rounded(one["location"]), rounded(one["tau"]), overlaps))
        return Table(rows)

    def _stages(self) -> Table:
        times = self["timescales"]
        rows: list[tuple[str, ...]] = [("", "tau_gen", "tau_gap", "tau_mem")]
        keys = ("gen", "gap", "mem")
        rows.append(("all data", *(rounded(times[f"{key}_curve"]) for key in keys)))
        if len(self["classes"]) > 1:
            rows += [
                (f"class {y}", *(rounded(times[f"class_{key}"][y]) for key in keys))
                for y in range(len(self["classes"]))
            ]
        return Table(rows)

    def _curves(self) -> Table:
        curves = self["curves"]
        several = len(self["classes"]) > 1
        heads = ["tau", "train", "test"]
        columns = [curves["tau"], curves["train"], curves["test"]]
        if several:
            for y in range(len(self["classes"])):
                heads += [f"train {y}", f"test {y}"]
                columns += [curves["class_train"][y], curves["class_test"][y]]
        count = len(columns[0])
        chosen = np.unique(np.linspace(0, count - 1, min(count, _MOST_ROWS)).astype(int))
        rows = [tuple(heads)]
        rows += [tuple(rounded(float(column[i])) for column in columns) for i in chosen]
        return Table(rows)


def automatic_times(training: StructuredTraining) -> FloatArray:
    """Times over which the losses change: from before the first mode to past the last visible."""
    grid = training.grid
    rows = training.losses.losses(grid).rows[:2]
    ends = training.losses.losses(np.array([0.0, np.inf])).rows[:2]
    size = np.abs(ends[:, 1] - ends[:, 0]).max() or 1.0
    moved = np.abs(rows - ends[:, :1]).max(axis=0) > 1e-3 * size
    left = np.abs(rows - ends[:, 1:]).max(axis=0) > 1e-3 * size
    first = grid[int(np.argmax(moved))] if moved.any() else grid[0]
    last = grid[left][-1] if left.any() else grid[-1]
    return np.geomspace(first / 3.0, 3.0 * max(last, first), 121)


def _name(activation: object) -> str:
    if isinstance(activation, str):
        return activation
    return getattr(activation, "__name__", type(activation).__name__)
