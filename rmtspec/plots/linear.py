"""Pictures of linear denoisers: losses, distances and divergences against samples per dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..linear.denoiser import LinearDenoiser
from .style import BLUE, GREEN, INK, ORANGE, PURPLE, are_axes
from .titles import new_axes, of_linear

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

_GREY = "#666666"
_NEAR = 0.25  # of the width of the axes: two labels beside each other, and some air


def plot_against_load(
    model: LinearDenoiser,
    alpha_bar: float,
    ax: Sequence[Axes] | None = None,
    *,
    corrected: bool = False,
    own_load: float | None = None,
) -> NDArray[np.object_]:
    """Draw losses, distances and divergences of a model over its loads, on logarithmic axes.

    Parameters
    ----------
    model : LinearDenoiser
        With at least two loads, shape (k,), ascending, and one ridge.
    alpha_bar : float
        Signal, in (0, 1).
    ax : three Axes, optional
        Where to draw; those of a new figure if omitted, whose title is the parameters.
    corrected : bool
        Whether averages hold the next order in 1/d.
    own_load : float, optional
        Samples per dimension of a data set at hand, marked by a line.

    Returns
    -------
    ndarray of Axes, shape (3,)
        Losses with the optimum, distances between maps, divergences. n = d is marked;
        where both divergences are infinite the ground is grey.

    Raises
    ------
    ValueError, TypeError
        If the loads are not a strictly ascending row, or an argument is not of its kind.

    Examples
    --------
    >>> import numpy as np, rmtspec as rs
    >>> from matplotlib.figure import Figure
    >>> from rmtspec.plots.linear import plot_against_load
    >>> model = rs.LinearDenoiser(rs.PopulationSpectrum.power_law(1, 100), np.geomspace(0.1, 10))
    >>> axes = plot_against_load(model, 0.9, Figure(figsize=(11, 3.6)).subplots(1, 3))
    >>> [ax.get_ylabel() for ax in axes][0]
    'loss per dimension'
    """
    if not isinstance(model, LinearDenoiser):
        raise TypeError(f"model must be a LinearDenoiser, got {_checks.shown(model)}")
    loads = np.asarray(model.load)
    if loads.ndim != 1 or loads.size < 2 or not np.all(np.diff(loads) > 0.0):
        raise ValueError(
            f"model must have a strictly ascending row of two or more loads, "
            f"got {_checks.shown(model.load)}"
        )
    if np.ndim(model.c):
        raise ValueError(f"model must have one ridge c, got shape {np.shape(model.c)}")
    level = _checks.real("alpha_bar", alpha_bar)
    corrected = _checks.flag("corrected", corrected)
    if own_load is not None:
        own_load = _checks.positive("own_load", own_load)
    if ax is None:
        ax = new_axes((11.0, 3.8), of_linear(model, level), 1, 3, sharex=True)
    are_axes(ax)
    axes = np.asarray(ax, dtype=object)
    if axes.shape != (3,):
        raise ValueError(f"ax must be three Axes, got shape {axes.shape}")
    left, middle, right = axes
    _draw_losses(left, model, level, corrected)
    _draw_distances(middle, model, level, corrected)
    _draw_divergences(right, model, corrected)
    for place in axes:
        _mark_loads(place, loads, own_load)
    return axes


def _draw_losses(ax: Axes, model: LinearDenoiser, level: float, corrected: bool) -> None:
    optimal = float(model.optimal_loss(level))
    ax.axhline(optimal, color=_GREY, lw=1.2, ls="--", label="optimal")
    ax.plot(
        model.load, model.test_loss(level, corrected=corrected), color=BLUE, lw=1.8, label="test"
    )
    ax.plot(
        model.load,
        model.train_loss(level, corrected=corrected),
        color=ORANGE,
        lw=1.8,
        label="train",
    )
    _finish(ax, "loss per dimension")


def _draw_distances(ax: Axes, model: LinearDenoiser, level: float, corrected: bool) -> None:
    to_best = model.alignment(level, corrected=corrected)
    ax.plot(model.load, to_best, color=GREEN, lw=1.8, label="to the optimal map")
    pair = model.alignment_pair(level)
    ax.plot(model.load, pair, color=PURPLE, lw=1.8, ls="-.", label="between two data sets")
    _finish(ax, "squared distance per dimension")


def _draw_divergences(ax: Axes, model: LinearDenoiser, corrected: bool) -> None:
    forward = _finite(model.kl("data||model", corrected=corrected))
    reverse = _finite(model.kl("model||data", corrected=corrected))
    ax.plot(model.load, forward, color=BLUE, lw=1.8, label="data || model")
    ax.plot(model.load, reverse, color=ORANGE, lw=1.8, ls="-.", label="model || data")
    finite = np.isfinite(forward) | np.isfinite(reverse)
    loads = np.asarray(model.load)
    if model.c == 0.0 and np.any(finite):
        # Without a ridge only the r directions count in which the data vary.
        null = model.population.eigenvalues == 0.0
        rank = 1.0 - float(model.population.weights[null].sum())
        label = r"$d/4n$" if rank == 1.0 else r"$r^2/4dn$"
        shown = loads[loads > rank]
        ax.plot(shown, 0.25 * rank**2 / shown, color=_GREY, lw=1.2, ls="--", label=label)
    if not np.all(finite):
        last = loads[~finite][-1]
        ax.axvspan(loads[0], last, color=_GREY, alpha=0.12, lw=0)
        ax.text(
            float(np.sqrt(loads[0] * last)),
            0.5,
            "infinite",
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="center",
            color=_GREY,
            fontsize="small",
        )
    _finish(ax, "divergence per dimension")


def _finite(values: Any) -> FloatArray:
    """The same with NaN, where a line breaks, for infinity."""
    array = np.asarray(values, dtype=float)
    return np.where(np.isfinite(array), array, np.nan)


def _finish(ax: Axes, name: str) -> None:
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel(r"samples per dimension, $n/d$")
    ax.set_ylabel(name)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(
        frameon=False,
        fontsize="small",
        loc="lower center",
        bbox_to_anchor=(0.5, 1.06),
        ncols=3,
        columnspacing=1.2,
        handlelength=1.6,
    )


def _mark_loads(ax: Axes, loads: FloatArray, own: float | None) -> None:
    ax.set_xlim(loads[0], loads[-1])
    # Labels of lines that are near each other stand on either side of the two.
    side = 0
    if own is not None and abs(np.log(own)) < _NEAR * np.log(loads[-1] / loads[0]):
        side = 1 if own >= 1.0 else -1
    sides = {-1: "right", 0: "center", 1: "left"}
    for place, text, style in ((1.0, r"$n=d$", ":"), (own, "these data", "-")):
        if place is None or not loads[0] <= place <= loads[-1]:
            continue
        ax.axvline(place, color=INK, lw=0.8, ls=style, zorder=1)
        outward = side if text == "these data" else -side
        ax.annotate(
            text,
            (place, 1.0),
            xycoords=ax.get_xaxis_transform(),
            xytext=(2.0 * outward, 2.0),
            textcoords="offset points",
            ha=sides[outward],
            va="bottom",
            fontsize="small",
        )
