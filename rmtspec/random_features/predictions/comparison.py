"""Predictions beside each other: best stopping, least score error, window, and who wins where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import _checks
from ...inputs.diffusion.prediction import Prediction
from ...result import Summary, Table, draw, rounded
from ..results import LearningCurves
from .questions import memorised_at
from .ranking import Ranking

_UNIT = 1e-3  # departure of the variance of the data from 1 from which EDM differs from v


@dataclass(frozen=True, eq=False, repr=False)
class PredictionComparison(Summary):
    """Predictions of one model, compared; made by `Training.compare`.

    The values are ``psi_p``, ``psi_n``, ``level``, ``weight``, ``predictions`` (one dict each:
    ``name``, ``skip`` (χ), ``tau`` and ``score_error`` of the best stopping, ``tau_gen_curve`` and
    ``tau_mem_curve`` of its window, ``memorised`` (the fraction at that time),
    ``final_score_error``) and ``flips``.

    Attributes
    ----------
    curves : dict of str to LearningCurves
        Of each prediction, over the whole of training.
    ranking : Ranking or None
        Least errors at other levels of the path, where they were asked for.
    """

    curves: Mapping[str, LearningCurves]
    ranking: Ranking | None

    @property
    def best(self) -> str:
        """Name of the prediction with the least score error."""
        rows = self["predictions"]
        errors = [row["score_error"] for row in rows]
        return str(rows[int(np.argmin(np.where(np.isnan(errors), np.inf, errors)))]["name"])

    @property
    def flips(self) -> list[dict[str, Any]]:
        """Where two predictions change places along the path."""
        return list(self["flips"])

    def blocks(self) -> Iterator[str | Table]:
        yield (
            f"predictions at {self['level']}, compared at equal weight {self['weight']:g}: tau is "
            "the time of gradient flow on weight |N - target|^2/d"
        )
        head = ("prediction", "skip", "best stopping", "score error", "from", "until")
        rows: list[tuple[str, ...]] = [(*head, "memorised", "final score error")]
        names = ("skip", "tau", "score_error", "tau_gen_curve", "tau_mem_curve", "memorised")
        for row in self["predictions"]:
            numbers = (rounded(row[name]) for name in (*names, "final_score_error"))
            rows.append((row["name"], *numbers))
        yield Table(rows)
        yield (
            "from: score error within 10 % of its least; until: half of the final generalisation "
            "loss; memorised: fraction at the best stopping time"
        )
        if self.ranking is not None:
            yield self._flips()

    def _flips(self) -> str | Table:
        if not self["flips"]:
            return "no two of them change places along the path"
        rows: list[tuple[str, ...]] = [("better above", "better below", "snr", "alpha_bar", "t")]
        for flip in self["flips"]:
            numbers = (rounded(flip[name]) for name in ("snr", "alpha_bar", "t"))
            rows.append((flip["above"], flip["below"], *numbers))
        return Table(rows)

    def plot(self, ax: Any = None) -> Any:
        """Draw the curves and the ranking; see `rmtspec.plots.predictions.plot_predictions`."""
        return draw("predictions", "plot_predictions", self, ax)


def chosen_predictions(
    predictions: Sequence[str | Prediction] | None, variance: float
) -> list[Prediction]:
    """What is compared: by default noise, data, v, velocity, and EDM if the variance is not 1."""
    if predictions is None:
        usual = [Prediction.named(name) for name in ("noise", "data", "v", "velocity")]
        if abs(variance - 1.0) > _UNIT and variance > 0.0:
            usual.append(Prediction.edm(float(np.sqrt(variance))))
        return usual
    if isinstance(predictions, (str, Prediction)) or not isinstance(predictions, Sequence):
        raise TypeError(
            "predictions must be a sequence of Prediction or names, got "
            f"{_checks.shown(predictions)}"
        )
    try:
        chosen = [Prediction.named(one) for one in predictions]
    except (TypeError, ValueError) as problem:
        raise type(problem)(f"predictions: {problem}") from None
    if not chosen or len({one.name for one in chosen}) < len(chosen):
        raise ValueError(
            f"predictions must be one or more different ones, got {_checks.shown(predictions)}"
        )
    return chosen


def prediction_row(training: Any, prediction: Prediction) -> dict[str, Any]:
    """What the table says of a training with that prediction."""
    best, window = training.best_stopping(), training.window()
    return {
        "name": prediction.name,
        "skip": prediction.noise_skip(training.model.level),
        "tau": best.tau,
        "score_error": best.score_error,
        "tau_gen_curve": window.tau_gen_curve,
        "tau_mem_curve": window.tau_mem_curve,
        "memorised": memorised_at(training, best.tau),
        "final_score_error": float(training.learning_curves(np.inf).score_error),
    }
