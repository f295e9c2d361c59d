"""What the command line says about learning curves: one dictionary, as a table or as JSON."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .summary import _head, columns, report, rounded

if TYPE_CHECKING:
    from .curves import LearningCurves
    from .model import RandomFeatureModel
    from .training import Training

FloatArray = NDArray[np.float64]

_LOSSES = ("train", "test", "generalization", "score_error")
_SETTINGS = ("step", "momentum", "ridge", "initial")
_WINDOW = ("tau_gen", "tau_mem", "tau_gen_curve", "tau_mem_curve")
_OUTLIER = ("location", "tau", "decrease")

_MEANINGS = {
    "fast": "the population is learned",
    "sample": "single samples are memorised",
    "slow": "the last of the training loss",
}

_TABLE_ROWS = 15
_POINTS = 20 * (_TABLE_ROWS - 1) + 1  # of the automatic range, some of them on the table's rows

_STILL = 1e-3  # share of a loss's whole variation below which it has come to its end
_DECADES = 30.0  # the longest automatic range: beyond it no float tells two losses apart
_MOST_BULKS = 12  # more bulks than these are shown as runs of one name; JSON has them all


def automatic_times(training: Training) -> FloatArray:
    r"""Times over which the losses change: a decade before the first mode to one past the last.

    The mode λ has the time :math:`\psi_p/(\Delta_t(\lambda+\mathrm{ridge}))`, times 1 − momentum.
    Where the slowest modes carry nothing that could be seen (a bulk may reach down to 0), the range
    ends a decade after the losses have.

    Returns
    -------
    ndarray of float64
        Even in the logarithm, its ends at whole or half powers of ten.
    """
    fastest, slowest = _extreme_times(training)
    first = math.floor(2.0 * math.log10(fastest) - 2.0) / 2.0
    longest = min(math.log10(slowest), first + _DECADES)
    last = math.ceil(2.0 * longest + 2.0) / 2.0
    probe = np.logspace(first, last, math.ceil(8.0 * (last - first)) + 1)
    curves, end = training.learning_curves(probe), training.learning_curves(np.inf)
    moving = np.zeros(probe.shape, dtype=bool)
    for name in ("train", "test"):
        values = np.asarray(getattr(curves, name))
        rest = np.abs(values - float(getattr(end, name)))
        moving |= rest > _STILL * np.max(rest, initial=0.0)
    if np.any(moving):
        last = min(last, math.ceil(2.0 * math.log10(probe[moving][-1]) + 2.0) / 2.0)
    return in_whole_steps(training, np.logspace(first, last, _POINTS))


def in_whole_steps(training: Training, times: FloatArray) -> FloatArray:
    """The same times, each once, at the ends of steps where training goes by steps."""
    if training.step > 0.0:
        finite = np.isfinite(times)
        times = np.where(finite, np.rint(np.where(finite, times, 0.0) / training.step), np.inf)
        times = times * training.step
    return np.unique(times)


def _extreme_times(training: Training) -> tuple[float, float]:
    """Times of the fastest and the slowest mode outside the atom at the floor."""
    model = training.model
    law = model.spectrum()
    found = np.concatenate([np.asarray(law.support).ravel(), np.asarray(law.outliers)])
    found = found[np.isfinite(found)] + training.ridge
    if not found.size:
        found = np.ones(1)
    scale = (1.0 - training.momentum) * model.psi_p / model.delta
    lowest = float(found.min())
    return scale / float(found.max()), scale / lowest if lowest > 0.0 else math.inf


def curve_report(
    model: RandomFeatureModel,
    training: Training,
    times: FloatArray,
    directions: Sequence[tuple[float, float]],
    data: dict[str, Any] | None,
) -> dict[str, Any]:
    """Everything the table and the JSON show, as plain numbers, strings, lists and dictionaries.

    What `report` says of the model, with its times as this training has them, and the curves. An
    infinite time of the curves is the string "inf": JSON has no word for it, and null would say
    that there is no value.

    Parameters
    ----------
    model : RandomFeatureModel
    training : Training
        Of this model.
    times : ndarray, shape (k,)
        Infinity has a place of its own, `end`, whether it is among them or not.
    directions : sequence of pairs of float
        Population eigenvalues whose own curves are wanted: as asked for, and as taken.
    data : dict, optional
        What is said of the data set that the model stands on.
    """
    shown = report(model, data)
    for bulk, share in zip(shown["bulks"], training.bulk_shares(), strict=True):
        bulk["train_decrease"] = float(share)
    shown["timescales"] = _timescales(training)
    shown["outliers"] = [_trained(outlier, training) for outlier in shown["outliers"]]
    times = times[times != np.inf]
    best, window = training.best_stopping(), training.window()
    return {
        **shown,
        "training": {name: float(getattr(training, name)) for name in _SETTINGS},
        "stability_limit": _named(training.stability_limit),
        "curves": _columns(training.learning_curves(times), training.learning_curves(np.inf)),
        "directions": _directions(training, times, directions),
        "best_stopping": {name: _named(getattr(best, name)) for name in ("tau", *_LOSSES)},
        "window": {name: _named(getattr(window, name)) for name in _WINDOW},
    }


def differing(training: Training) -> list[tuple[str, float]]:
    """Settings in which the training differs from gradient flow that starts from zero."""
    values = ((name, float(getattr(training, name))) for name in _SETTINGS)
    return [(name, value) for name, value in values if value != 0.0]


def _timescales(training: Training) -> dict[str, Any]:
    times = training.timescales()
    return {
        "tau_gen": times.tau_gen,
        "tau_mem": times.tau_mem,
        "tau_slow": times.tau_slow,
        "merged": times.merged,
        "families": [family._asdict() for family in times.families],
    }


def _trained(outlier: dict[str, float], training: Training) -> dict[str, float]:
    r"""The outlier with the times and shares that ridge γ and momentum β leave it.

    An eigenvalue λ relaxes in the time :math:`(1-\beta)\psi_p/(\Delta_t x)`, x = λ + γ, and then
    carries :math:`1/x+\gamma/x^2` where gradient flow gives it 1/λ.
    """
    if training.ridge == training.momentum == 0.0:
        return outlier
    changed = dict(outlier)
    for side in ("", "slow_"):
        location = outlier[f"{side}location"]
        if math.isnan(location):
            continue
        x = location + training.ridge
        changed[f"{side}tau"] *= (1.0 - training.momentum) * location / x
        changed[f"{side}decrease"] *= location / x * (1.0 + training.ridge / x)
    return changed


def collapse_report(curves: Mapping[float, LearningCurves]) -> list[dict[str, Any]]:
    """Generalisation loss for each psi_n, over its times and over these divided by psi_n."""
    return [
        {
            "psi_n": load,
            "tau": _numbers(one.tau),
            "tau_over_psi_n": _numbers(np.asarray(one.tau) / load),
            "generalization": _numbers(one.generalization),
        }
        for load, one in curves.items()
    ]


def _columns(curves: LearningCurves, end: LearningCurves) -> dict[str, Any]:
    names = (*_LOSSES, "error")
    return {
        "tau": _numbers(curves.tau),
        **{name: _numbers(getattr(curves, name)) for name in names},
        "end": {name: float(getattr(end, name)) for name in names},
        "converged": bool(np.all(curves.converged) and np.all(end.converged)),
    }


def _directions(
    training: Training, times: FloatArray, pairs: Sequence[tuple[float, float]]
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


def _named(value: float) -> float | str:
    return "inf" if value == math.inf else float(value)


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else rounded(value)


def curve_table(report: dict[str, Any]) -> str:
    """Times and losses, and below them what the curves come to."""
    parts = [_head(report) + _settings(report), _rows(report["curves"])]
    for direction in report["directions"]:
        rows = _rows({**report["curves"], **direction})
        parts.append(f"direction of eigenvalue {_which(direction)}\n{rows}")
    return "\n\n".join([*parts, _moments(report), *_carriers(report)])


def _which(direction: dict[str, Any]) -> str:
    """The eigenvalue taken, to the digits that tell it from the one asked for."""
    taken, asked = direction["eigenvalue"], direction["asked"]
    if taken == asked:
        return rounded(taken)
    return f"{taken:.10g}, the nearest of the data to {asked:.10g}"


def _settings(report: dict[str, Any]) -> str:
    """How the training differs from gradient flow that starts from zero, if it does."""
    given = {name: value for name, value in report["training"].items() if value != 0.0}
    if not given:
        return ""
    shown = ", ".join(f"{name} = {rounded(value)}" for name, value in given.items())
    if "step" in given:
        shown += f"; steps are stable up to {_text(report['stability_limit'])}"
    return f"\ntraining      {shown}"


def _rows(curves: dict[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [("tau", "train", "test", "generalisation", "score error")]
    rows += [
        tuple(rounded(curves[name][place]) for name in ("tau", *_LOSSES))
        for place in _shown(np.array(curves["tau"]))
    ]
    rows.append(("inf", *(rounded(curves["end"][name]) for name in _LOSSES)))
    return columns(rows)


def _shown(times: FloatArray) -> NDArray[np.int_]:
    """Places of the times that the table shows: all or, of many, some even in the logarithm."""
    if times.size <= 2 * _TABLE_ROWS:
        return np.arange(times.size)
    positive = np.flatnonzero(times > 0.0)
    logs = np.log(times[positive])
    wanted = np.linspace(logs[0], logs[-1], _TABLE_ROWS)
    return np.unique(positive[np.abs(logs - wanted[:, None]).argmin(axis=1)])


def _moments(report: dict[str, Any]) -> str:
    """The times that matter, with the losses there or what they mean."""
    best, times = report["best_stopping"], report["timescales"]
    window = report["window"]
    present = {family["name"] for family in times["families"]}
    merged = {family["name"] for family in times["families"] if family["merged"]}
    rows = [("time", "tau", "meaning")]
    for name, family in (("tau_gen", "fast"), ("tau_mem", "sample"), ("tau_slow", "slow")):
        meaning = _MEANINGS[family] + " (mass quantile)" * (family in merged)
        if family not in present:
            meaning = f"no {family} bulk"
        rows.append((name, rounded(times[name]), meaning))
    rows += [
        ("best stopping", _text(best["tau"]), _least(best)),
        ("from", _text(window["tau_gen_curve"]), "score error within 10 % of its least value"),
        (
            "until",
            _text(window["tau_mem_curve"]),
            "generalisation loss at half its last value" + ": no window" * _is_empty(window),
        ),
    ]
    return _flush_left(rows)


def _is_empty(window: dict[str, Any]) -> bool:
    begin, end = (float(window[name]) for name in ("tau_gen_curve", "tau_mem_curve"))
    return begin >= end


def _least(best: dict[str, Any]) -> str:
    names = (("train", "train"), ("test", "test"), ("score_error", "score error"))
    return ", ".join(f"{word} {_text(best[name])}" for name, word in names)


def _carriers(report: dict[str, Any]) -> list[str]:
    """Which bulks carry the decrease of the train loss, and when spikes are learned."""
    parts = []
    if report["bulks"]:
        rows: list[tuple[str, ...]] = [("bulk", "mass", "from", "to", "of the train loss")]
        rows += _bulk_rows(report["bulks"])
        parts.append(columns(rows))
    if report["outliers"]:
        rows = [("spike", "outlier", "tau", "of its loss", "slow outlier", "tau", "of its loss")]
        names = ("spike", *_OUTLIER, *(f"slow_{name}" for name in _OUTLIER))
        rows += [tuple(rounded(row[name]) for name in names) for row in report["outliers"]]
        parts.append(columns(rows))
    return parts


def _bulk_rows(bulks: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """One row a bulk or, where there are many, a run of one name."""
    many = len(bulks) > _MOST_BULKS
    for _, run in itertools.groupby(
        enumerate(bulks), key=lambda item: item[1]["name"] if many else item[0]
    ):
        members = [bulk for _, bulk in run]
        count = f" ({len(members)} bulks)" if len(members) > 1 else ""
        ends = members[0]["support"][0], members[-1]["support"][1]
        totals = (sum(bulk[key] for bulk in members) for key in ("mass", "train_decrease"))
        mass, decrease = totals
        yield (members[0]["name"] + count, *map(rounded, (mass, *ends, decrease)))


def _flush_left(rows: Sequence[tuple[str, str, str]]) -> str:
    """Rows as aligned columns whose last column is text."""
    shown = columns([row[:2] for row in rows]).splitlines()
    return "\n".join(f"{line}  {row[2]}" for line, row in zip(shown, rows, strict=True))
