"""A picture of predictions beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..random_features.predictions.comparison import PredictionComparison
from .style import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, VERMILION, are_axes
from .titles import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY)
_STYLES = ("-", "--", "-.", ":")
_STAGGER = 0.3  # of the axis: names of flips that are close stand below each other
_DECADES = 10.0  # of errors that are shown: below, one is 0


def plot_predictions(
    comparison: PredictionComparison, ax: Axes | Sequence[Axes] | None = None
) -> NDArray[np.object_]:
    """Draw the score error of every prediction over training time, and the least along the path.

    Parameters
    ----------
    comparison : PredictionComparison
    ax : Axes or two of them, optional
        Where to draw: over training time on the first, with a circle at the best stopping; over the
        signal-to-noise ratio on the second, with a line where two change places.  One or two axes
        of a new figure if omitted, as the comparison knows the latter.

    Returns
    -------
    ndarray of Axes, shape (1,) or (2,)

    Raises
    ------
    TypeError
        If comparison is none, or ax no Axes.
    """
    if not isinstance(comparison, PredictionComparison):
        raise TypeError(
            f"comparison must be a PredictionComparison, got {type(comparison).__name__}"
        )
    if ax is None:
        count = 1 if comparison.ranking is None else 2
        title = rf"$\psi_p = {comparison['psi_p']:g}$, $\psi_n = {comparison['psi_n']:.4g}$"
        ax = new_axes((5.0 * count, 3.8), title, 1, count)
    are_axes(ax)
    places = np.atleast_1d(np.asarray(ax, dtype=object))
    _over_time(places[0], comparison)
    if places.size > 1 and comparison.ranking is not None:
        _along_path(places[1], comparison)
    for place in places:
        place.set_xscale("log")
        place.set_yscale("log")
        place.spines[["top", "right"]].set_visible(False)
    return places


def _looks(place: int) -> dict[str, Any]:
    return {"color": _COLOURS[place % len(_COLOURS)], "ls": _STYLES[place % len(_STYLES)]}


def _over_time(ax: Axes, comparison: PredictionComparison) -> None:
    rows = comparison["predictions"]
    for place, row in enumerate(rows):
        curves = comparison.curves[row["name"]]
        times, errors = np.asarray(curves.tau), np.asarray(curves.score_error)
        seen = (times > 0.0) & np.isfinite(times)
        ax.plot(times[seen], errors[seen], lw=1.8, label=row["name"], **_looks(place))
        if 0.0 < row["tau"] < np.inf and row["score_error"] > 0.0:
            ax.plot(
                [row["tau"]], [row["score_error"]], "o", ms=6, mec="white", zorder=5,
                color=_looks(place)["color"],
            )  # fmt: skip
    ax.legend(frameon=False, fontsize="small")
    ax.set_xlabel(r"training time $\tau$ (loss of weight 1 on the target)")
    ax.set_ylabel("squared error of the score")
    ax.set_title(str(comparison["level"]), fontsize="small")


def _along_path(ax: Axes, comparison: PredictionComparison) -> None:
    found = comparison.ranking
    assert found is not None
    floor = 10.0**-_DECADES * float(found.errors.max())
    for place, errors in enumerate(found.errors):
        known = errors > floor
        ax.plot(found.ratios[known], errors[known], lw=1.8, **_looks(place))
    for place, flip in enumerate(sorted(found.flips, key=lambda flip: float(flip["snr"]))):
        ax.axvline(flip["snr"], color=INK, lw=0.7, ls=":")
        ax.annotate(
            f"{flip['below']} | {flip['above']}",
            (flip["snr"], 1.0 - _STAGGER * (place % 2)),
            xycoords=ax.get_xaxis_transform(),
            xytext=(2.0, -2.0),
            textcoords="offset points",
            rotation=90,
            va="top",
            fontsize="x-small",
            color=INK,
        )
    ax.set_xlabel(r"signal-to-noise ratio $\alpha^2/\sigma^2$")
    ax.set_ylabel("least squared error of the score")
