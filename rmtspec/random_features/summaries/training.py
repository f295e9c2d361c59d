"""What a training says of itself: its curves, when to stop, and what bulks and spikes carry."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...result import Summary, Table, rounded
from ..interfaces import Trained
from ..results import LearningCurves, PredictionCurves, Window
from .model import ModelSummary, head, runs_of_bulks

FloatArray = NDArray[np.float64]

_LOSSES = ("train", "test", "generalization", "score_error")
_SETTINGS = ("step", "momentum", "ridge", "initial")
_WINDOW = tuple(field.name for field in fields(Window))
_OUTLIER = ("location", "tau", "decrease")

_TABLE_ROWS = 15

_SAME_EIGENVALUE = 1e-4  # relative: an eigenvalue may be asked for as the four digits one read
_ZERO_EIGENVALUE = 1e-9  # of the largest
_NEIGHBOURS = 3  # eigenvalues that are named where none is meant


@dataclass(frozen=True, eq=False, repr=False)
class TrainingSummary(Summary):
    """A model in training; made by `Training.summary`.

    The values are those of `ModelSummary`, with times as this training has them and with
    ``train_decrease`` for each bulk, and ``training`` (the rule), ``stability_limit``, ``curves``
    (columns, and ``end`` at τ = inf), ``directions``, ``best_stopping``, ``window`` and
    ``collapse``; ``prediction`` is None for a score network, else what is predicted, with its
    losses where A = 0 and the least possible one.
    """

    @classmethod
    def of(
        cls,
        training: Trained,
        model: ModelSummary,
        times: FloatArray,
        directions: Sequence[tuple[float, float]],
        collapse: Mapping[float, LearningCurves],
    ) -> Self:
        """The summary of a training.

        Parameters
        ----------
        training : Training
        model : ModelSummary
            Of its model.
        times : ndarray, shape (k,)
            Infinity has a place of its own, `end`, whether it is among them or not.
        directions : sequence of pairs of float
            Population eigenvalues whose own curves are wanted: as asked for, and as taken.
        collapse : mapping
            psi_n to curves, as `curves_beside` makes them.
        """
        values = model.to_dict()
        for bulk, share in zip(values["bulks"], training.bulk_shares(), strict=True):
            bulk["train_decrease"] = float(share)
        finite = times[times != np.inf]
        best, window = training.best_stopping(), training.window()
        return cls(
            {
                **values,
                "timescales": training.timescales().to_dict(),
                "outliers": [_trained(outlier, training) for outlier in values["outliers"]],
                "training": {name: float(getattr(training, name)) for name in _SETTINGS},
                "prediction": _prediction(training),
                "stability_limit": float(training.stability_limit),
                "curves": _columns(
                    training.learning_curves(finite), training.learning_curves(np.inf)
                ),
                "directions": _directions(training, finite, directions),
                "best_stopping": {name: float(getattr(best, name)) for name in ("tau", *_LOSSES)},
                "window": {name: float(getattr(window, name)) for name in _WINDOW},
                "collapse": [_collapsed(load, one) for load, one in collapse.items()],
            }
        )

    def blocks(self) -> Iterator[str | Table]:
        yield head(self.values) + self._settings()
        yield _rows(self["curves"])
        for direction in self["directions"]:
            yield f"direction of eigenvalue {_which(direction)}"
            yield _rows({**self["curves"], **direction})
        yield self._moments()
        if self["bulks"]:
            yield self._carriers()
        if self["outliers"]:
            yield self._spikes()

    def _settings(self) -> str:
        """How the training differs from gradient flow that starts from zero, if it does."""
        given = {name: value for name, value in self["training"].items() if value != 0.0}
        target = self["prediction"]
        said = ""
        if target is not None:
            said = (
                f"\nprediction    {target['name']}, weight {rounded(target['weight'])}: losses are "
                f"those of the target, {rounded(target['initial'])} before training and "
                f"{rounded(target['best_possible'])} at best"
            )
        if not given:
            return said
        shown = ", ".join(f"{name} = {rounded(value)}" for name, value in given.items())
        if "step" in given:
            shown += f"; steps are stable up to {rounded(self['stability_limit'])}"
        return f"{said}\ntraining      {shown}"

    def _moments(self) -> Table:
        """The times that matter, with the losses there or what they mean."""
        best, times, window = self["best_stopping"], self["timescales"], self["window"]
        present = {family["name"]: family for family in times["families"]}
        rows, remarks = [("time", "tau")], ["meaning"]
        for name, key in (("tau_gen", "fast"), ("tau_mem", "sample"), ("tau_slow", "slow")):
            rows.append((name, rounded(times[name])))
            family = present.get(key)
            remarks.append(
                family["meaning"] + " (mass quantile)" * family["merged"]
                if family
                else f"no {key} bulk"
            )
        hidden = "not known: the losses have too large errors" if np.isnan(best["tau"]) else ""
        constant = self["curves"]["end"]["test"] == best["test"] and best["tau"] == 0.0
        harm = "training changes nothing" if constant else "training only harms: no window"
        begin, end = window["tau_gen_loss"], window["tau_mem_loss"]
        within = f"within {100.0 * window['share']:g} % of its gain"
        over = f"test loss no longer {within}" if end < np.inf else "test loss stays there"
        rows += [("best stopping", rounded(best["tau"])), ("from", rounded(begin))]
        rows += [("until", rounded(end))]
        remarks += [
            f"train {rounded(best['train'])}, test {rounded(best['test'])}, score error "
            f"{rounded(best['score_error'])}",
            hidden or (f"test loss {within}" if begin < end else harm),
            hidden or ("" if constant else over),
        ]
        return Table(rows, remarks)

    def _carriers(self) -> Table:
        """Which bulks carry the decrease of the train loss."""
        rows: list[tuple[str, ...]] = [("bulk", "mass", "from", "to", "of the train loss")]
        for name, members in runs_of_bulks(self["bulks"]):
            ends = members[0]["support"][0], members[-1]["support"][1]
            mass, decrease = (
                sum(bulk[key] for bulk in members) for key in ("mass", "train_decrease")
            )
            rows.append((name, *map(rounded, (mass, *ends, decrease))))
        return Table(rows)

    def _spikes(self) -> Table:
        """When spikes are learned."""
        names = ("spike", *_OUTLIER, *(f"slow_{name}" for name in _OUTLIER))
        rows: list[tuple[str, ...]] = [
            ("spike", "outlier", "tau", "of its loss", "slow outlier", "tau", "of its loss")
        ]
        rows += [tuple(rounded(row[name]) for name in names) for row in self["outliers"]]
        return Table(rows)


def _prediction(training: Trained) -> dict[str, Any] | None:
    """What is predicted, and its losses without training."""
    if training.prediction is None:
        return None
    curves = training.learning_curves(0.0)
    assert isinstance(curves, PredictionCurves)
    return {
        "name": training.prediction.name,
        "weight": training.weight,
        "skip": training.prediction.noise_skip(training.model.level),
        "initial": curves.initial_test,
        "best_possible": curves.best_possible,
    }


def differing(training: Trained) -> list[tuple[str, float]]:
    """Settings in which the training differs from gradient flow that starts from zero."""
    values = ((name, float(getattr(training, name))) for name in _SETTINGS)
    return [(name, value) for name, value in values if value != 0.0]


def nearest_directions(training: Trained, asked: Sequence[float]) -> list[tuple[float, float]]:
    """Each eigenvalue asked for, with the one that is shown: of given data the nearest it has.

    Raises
    ------
    ValueError
        If given data have no eigenvalue within 1e-4 of one asked for.
    """
    if not training.model.conditional:
        return [(level, level) for level in asked]
    known = training.model.population.eigenvalues
    pairs = []
    for level in asked:
        near = known[np.argsort(np.abs(known - level))][:_NEIGHBOURS]
        tolerance = max(_SAME_EIGENVALUE * float(near[0]), _ZERO_EIGENVALUE * float(known[-1]))
        if not abs(level - float(near[0])) <= tolerance:
            shown = ", ".join(f"{value:.6g}" for value in np.sort(near))
            raise ValueError(
                f"directions must be among the {known.size} eigenvalues of the data "
                f"(to {_SAME_EIGENVALUE:g} of it), which lie in [{known[0]:.6g}, "
                f"{known[-1]:.6g}]; the nearest are {shown}; got {level!r}"
            )
        pairs.append((level, float(near[0])))
    return pairs


def _trained(outlier: dict[str, float], training: Trained) -> dict[str, float]:
    r"""The outlier with the times and shares that ridge γ and momentum β leave it.

    An eigenvalue λ relaxes in the time :math:`(1-\beta)\psi_p/(\Delta_t x)`, x = λ + γ, and then
    carries :math:`1/x+\gamma/x^2` where gradient flow gives it 1/λ.
    """
    score = training.prediction is None
    if training.ridge == training.momentum == 0.0 and score and training.weight == 1.0:
        return outlier
    changed = dict(outlier)
    for side in ("", "slow_"):
        location = outlier[f"{side}location"]
        if math.isnan(location):
            continue
        x = location + training.ridge
        slower = training.model.delta / training.clock
        changed[f"{side}tau"] *= slower * (1.0 - training.momentum) * location / x
        # Of the loss of another target a spike takes another share.
        share = location / x * (1.0 + training.ridge / x)
        changed[f"{side}decrease"] *= share if score else math.nan
    return changed


def _collapsed(load: float, curves: LearningCurves) -> dict[str, Any]:
    """Generalisation loss over its times and over these divided by psi_n."""
    return {
        "psi_n": load,
        "tau": _numbers(curves.tau),
        "tau_over_psi_n": _numbers(np.asarray(curves.tau) / load),
        "generalization": _numbers(curves.generalization),
    }


def _columns(curves: LearningCurves, end: LearningCurves) -> dict[str, Any]:
    names = (*_LOSSES, "error")
    return {
        "tau": _numbers(curves.tau),
        **{name: _numbers(getattr(curves, name)) for name in names},
        "end": {name: float(getattr(end, name)) for name in names},
        "converged": bool(np.all(curves.converged) and np.all(end.converged)),
    }


def _directions(
    training: Trained, times: FloatArray, pairs: Sequence[tuple[float, float]]
) -> list[dict[str, Any]]:
    if not pairs:
        return []
    eigenvalues = [taken for _, taken in pairs]
    curves = training.learning_curves(times, directions=eigenvalues)
    end = training.learning_curves(np.inf, directions=eigenvalues)
    names = (*_LOSSES, "error")
    return [
        {
            "eigenvalue": taken,
            "asked": asked,
            **{name: _numbers(np.asarray(getattr(curves, name))[row]) for name in names},
            "end": {name: float(np.asarray(getattr(end, name))[row]) for name in names},
        }
        for row, (asked, taken) in enumerate(pairs)
    ]


def _numbers(values: Any) -> list[float]:
    return [float(value) for value in np.asarray(values)]


def _which(direction: dict[str, Any]) -> str:
    """The eigenvalue taken, to the digits that tell it from the one asked for."""
    taken, asked = direction["eigenvalue"], direction["asked"]
    if taken == asked:
        return rounded(taken)
    return f"{taken:.10g}, the nearest of the data to {asked:.10g}"


def _rows(curves: dict[str, Any]) -> Table:
    rows: list[tuple[str, ...]] = [("tau", "train", "test", "generalisation", "score error")]
    rows += [
        tuple(rounded(curves[name][place]) for name in ("tau", *_LOSSES))
        for place in _shown(np.array(curves["tau"]))
    ]
    rows.append(("inf", *(rounded(curves["end"][name]) for name in _LOSSES)))
    return Table(rows)


def _shown(times: FloatArray) -> NDArray[np.int_]:
    """Places of the times that the table shows: all or, of many, some even in the logarithm."""
    if times.size <= 2 * _TABLE_ROWS:
        return np.arange(times.size)
    positive = np.flatnonzero(times > 0.0)
    logs = np.log(times[positive])
    wanted = np.linspace(logs[0], logs[-1], _TABLE_ROWS)
    return np.unique(positive[np.abs(logs - wanted[:, None]).argmin(axis=1)])
