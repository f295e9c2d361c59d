"""Predictions beside each other: best stopping, least score error, window, and who wins where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...result import Summary, Table, draw, rounded
from ..results import LearningCurves
from .ranking import Ranking


@dataclass(frozen=True, eq=False, repr=False)
class PredictionComparison(Summary):
    """Predictions of one model, compared; made by `Training.compare`.

    The values are ``level``, ``weight``, ``predictions`` (one dict each: ``name``, ``skip`` (χ),
    ``tau`` and ``score_error`` of the best stopping, ``tau_gen_curve`` and ``tau_mem_curve`` of its
    window, ``memorised`` (the fraction at that time), ``final_score_error``) and ``flips``.

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
        return str(min(rows, key=lambda row: row["score_error"])["name"])

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

    def plot(self, axes: Any = None) -> Any:
        """Draw the curves and the ranking; see `rmtspec.plots.predictions.plot_predictions`."""
        return draw("predictions", "plot_predictions", self, axes)
