"""A picture of when to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..random_features.summaries.stopping import StoppingReport
from .style import BLUE, INK, ORANGE, SKY, are_axes
from .titles import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_stopping(report: StoppingReport, ax: Axes | None = None) -> Axes:
    """Draw train and test loss over training time, with the window and the best time to stop.

    Parameters
    ----------
    report : StoppingReport
        The curves are those of all rows, first split; window and best time are means of the splits.
    ax : matplotlib.axes.Axes, optional
        Where to draw; that of a new figure if omitted.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If report is none, or ax no Axes.
    """
    if not isinstance(report, StoppingReport):
        raise TypeError(f"report must be a StoppingReport, got {type(report).__name__}")
    ax = new_axes((7.0, 4.0), "") if ax is None else ax
    are_axes(ax)
    curves = report.curves
    times = np.asarray(curves.tau) * report["scale"]
    seen = (times > 0.0) & np.isfinite(times)
    for name, colour in (("test", BLUE), ("train", ORANGE)):
        ax.plot(times[seen], np.asarray(getattr(curves, name))[seen], color=colour, lw=1.8)
    low, high = times[seen][[0, -1]]
    begin, best, end = report.tau_gen.value, report.best.value, report.tau_mem.value
    if best > 0.0:
        inside = max(begin, low), min(end, high)
        ax.axvspan(*inside, facecolor=SKY, alpha=0.18, lw=0.0, zorder=0)
        ax.annotate(
            "stop within",
            (np.sqrt(inside[0] * inside[1]), 0.98),
            xycoords=ax.get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize="small",
            color=INK,
        )
    if low <= best <= high:
        ax.plot([best], [report.losses["test"].value], "o", ms=7, color=BLUE, mec="white", zorder=5)
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    for name, colour in (("test", BLUE), ("train", ORANGE)):
        last = float(np.asarray(getattr(curves, name))[seen][-1])
        ax.annotate(
            name,
            (1.0, last),
            xycoords=ax.get_yaxis_transform(),
            xytext=(4.0, 0.0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            color=colour,
        )
    ax.set_xlabel("steps" if report["unit"] == "steps" else r"training time $\tau$")
    ax.set_ylabel("loss per dimension")
    ax.spines[["top", "right"]].set_visible(False)
    model, data = report["model"], report["data"]
    ax.set_title(
        rf"{data['samples']} rows of dimension {data['dimension']}, $\psi_p = {model['psi_p']:g}$, "
        rf"$t = {model['t']:g}$, {model['activation']}",
        fontsize="small",
    )
    return ax
