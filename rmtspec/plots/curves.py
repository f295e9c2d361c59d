"""Pictures of learning curves: losses and score error over training time, and their collapse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..random_features.results import LearningCurves, Window
from ..random_features.training import Training
from .style import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, are_axes
from .titles import new_axes, parameters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

_FLAT = 0.03  # losses within this of 1 get an axis of their own range, not one from 0
_LEAST_SPREAD = 1e-9  # below it there is nothing to see

_WIDE = 4.0  # a ratio of largest to least loss above which their axis is logarithmic
_NAME_WIDTH = 0.07  # share of the axis that the name of a time takes
_NAME_POINTS = 27.0  # and how much it takes of the paper
_LEAST_GAP = 1e-4  # generalisation losses below this share of the largest are not worth a decade


def plot_learning_curves(
    curves: LearningCurves,
    training: Training | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> NDArray[np.object_]:
    r"""Draw train, test and generalisation loss and the score error against training time.

    Parameters
    ----------
    curves : LearningCurves
        Over a row of times, shape (k,), at least two of them positive and finite, ascending.
        Times 0 and infinity are left out: the axis is logarithmic.
    training : Training, optional
        What the curves belong to: the spectral times tau_gen, tau_mem and tau_slow of
        `Training.timescales` are marked where they lie in sight, the best stopping time by a
        circle, and the window by loss, tau_gen_loss to tau_mem_loss of `Training.window`, by a
        band. Without held-out rows the last two are not known, and left out.
    ax : Axes or two of them, optional
        Where to draw: losses on the first, score error on the second; without a second one the
        score error is left out. Two axes of a new figure if omitted, whose title is the parameters
        of the training.

    Returns
    -------
    ndarray of Axes, shape (1,) or (2,)
        Curves that are not known, as those of a data set without held-out rows, are left out. So
        is the generalisation loss where train and test loss stay within 3 % of 1: their axis then
        shows the range of these two, and it is the gap between them.

    Raises
    ------
    TypeError
        If the arguments are not learning curves and a training.
    ValueError
        If the curves are not a row of ascending times, two of them positive and finite.

    Examples
    --------
    >>> import numpy as np, rmtspec as rs
    >>> from matplotlib.figure import Figure
    >>> from rmtspec.plots.curves import plot_learning_curves
    >>> training = rs.RandomFeatureModel(64, 8, 0.1).training()
    >>> curves = training.learning_curves(np.geomspace(1, 1e6, 100))
    >>> axes = plot_learning_curves(curves, training, Figure().subplots(2, 1, sharex=True))
    >>> [line.get_label() for line in axes[0].get_lines()][:3]
    ['train', 'test', 'generalisation']
    """
    _are_curves("curves", curves)
    if training is not None and not isinstance(training, Training):
        raise TypeError(
            "training must be a Training, as model.training() makes it, "
            f"got {type(training).__name__}"
        )
    shown = _in_sight(curves.tau)
    if ax is None:
        title = "" if training is None else parameters(training)
        ax = new_axes((7.0, 5.6), title, 2, sharex=True, height_ratios=(3, 2))
    are_axes(ax)
    axes = np.atleast_1d(np.asarray(ax, dtype=object))
    _draw_losses(axes[0], curves, shown)
    if axes.size > 1:
        _draw_score_error(axes[1], curves, shown)
    times = np.asarray(curves.tau)[shown]
    for place in axes:
        place.set_xscale("log")
        place.set_xlim(times[0], times[-1])
        place.spines[["top", "right"]].set_visible(False)
    if training is not None:
        _mark_times(axes, training, times)
        if not training.model.conditional or training.model.held_out is not None:
            _mark_window(axes, training.window(), times)
            _mark_best(axes, training.best_stopping(), times)
    _name_lines(axes[0])
    axes[-1].set_xlabel(r"training time $\tau$")
    return axes


def plot_directions(
    curves: LearningCurves, eigenvalues: Sequence[float], ax: Axes | None = None
) -> Axes:
    r"""Draw train loss (dashed) and test loss of single data directions against training time.

    Parameters
    ----------
    curves : LearningCurves
        Made with `directions`: losses of shape (m, k) over a row of times as
        `plot_learning_curves` takes it.
    eigenvalues : sequence of float, length m
        Those directions.
    ax : Axes, optional
        Where to draw; that of a new figure if omitted.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If the curves are not learning curves.
    ValueError
        If the losses have another shape than (m, k).

    Examples
    --------
    >>> import numpy as np, rmtspec as rs
    >>> from matplotlib.figure import Figure
    >>> from rmtspec.plots.curves import plot_directions
    >>> model = rs.RandomFeatureModel(64, 8, 0.1, population=rs.PopulationSpectrum([1], spikes=[9]))
    >>> curves = model.learning_curves(np.geomspace(1, 1e6, 100), directions=[9.0])
    >>> plot_directions(curves, [9.0], Figure().subplots()).get_ylabel()
    'loss of a direction'
    """
    _are_curves("curves", curves)
    shown = _in_sight(curves.tau)
    eigenvalues = np.atleast_1d(_checks.real_array("eigenvalues", eigenvalues)).ravel().tolist()
    expected = (len(eigenvalues), len(shown))
    if np.shape(curves.train) != expected:
        raise ValueError(
            f"curves must have one row for each of {expected[0]} eigenvalues, "
            f"got losses of shape {np.shape(curves.train)}"
        )
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.figure(figsize=(7.0, 3.6), layout="constrained").subplots()
    are_axes(ax)
    times = np.asarray(curves.tau)[shown]
    rows = []
    for row, (eigenvalue, colour) in enumerate(
        zip(eigenvalues, _shades(len(eigenvalues)), strict=True)
    ):
        train, test = (np.asarray(values)[row, shown] for values in (curves.train, curves.test))
        ax.plot(times, test, color=colour, lw=1.6, label=rf"$l = {eigenvalue:g}$")
        ax.plot(times, train, color=colour, lw=1.2, ls="--")
        rows += [train, test]
    ax.set_xscale("log")
    ax.set_xlim(times[0], times[-1])
    _scale_losses(ax, rows)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel(r"training time $\tau$")
    ax.set_ylabel("loss of a direction")
    ax.legend(frameon=False, fontsize="small", title="test (train dashed)", title_fontsize="small")
    return ax


def plot_collapse(
    curves: Mapping[float, LearningCurves], ax: Sequence[Axes] | None = None
) -> NDArray[np.object_]:
    r"""Draw the generalisation loss of several data sets against τ, and its rise against τ/psi_n.

    Memorisation of n samples takes a time proportional to n where psi_p is large beside psi_n: on
    the right, where each loss is divided by its value at the last time, the rises then lie on each
    other (arXiv 2505.17638, Figs. 5 and 11).

    Parameters
    ----------
    curves : mapping
        Samples per dimension psi_n > 0 to learning curves over a row of times, as
        `plot_learning_curves` takes them. At least one.
    ax : two Axes, optional
        Where to draw; those of a new figure if omitted.

    Returns
    -------
    ndarray of Axes, shape (2,)

    Raises
    ------
    TypeError
        If the curves are not a mapping to learning curves.
    ValueError
        If there is nothing to draw, or the axes are not two.

    Examples
    --------
    >>> import numpy as np, rmtspec as rs
    >>> from matplotlib.figure import Figure
    >>> from rmtspec.plots.curves import plot_collapse
    >>> tau = np.geomspace(1, 1e6, 100)
    >>> curves = {n: rs.RandomFeatureModel(64, n, 0.1).learning_curves(tau) for n in (4, 8, 16)}
    >>> left, right = plot_collapse(curves, Figure().subplots(1, 2))
    >>> right.get_xlabel()
    'training time over samples, $\\tau/\\psi_n$'
    """
    if not isinstance(curves, Mapping):
        raise TypeError(
            f"curves must be a mapping of psi_n to learning curves, got {type(curves).__name__}"
        )
    if not curves:
        raise ValueError("curves must hold at least one psi_n with its learning curves")
    loads = [_checks.positive("psi_n of curves", load) for load in curves]
    for load, one in zip(loads, curves.values(), strict=True):
        _are_curves(f"curves of psi_n = {load:g}", one)
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.figure(figsize=(9.0, 3.6), layout="constrained").subplots(1, 2)
    are_axes(ax)
    axes = np.atleast_1d(np.asarray(ax, dtype=object))
    if axes.shape != (2,):
        raise ValueError(f"ax must be two axes, got shape {axes.shape}")
    colours = _shades(len(loads))
    for place, scaled in zip(axes, (False, True), strict=True):
        low, high = [], []
        for load, one, colour in zip(loads, curves.values(), colours, strict=True):
            shown = _in_sight(one.tau)
            times = np.asarray(one.tau)[shown] / (load if scaled else 1.0)
            values = np.asarray(one.generalization)[shown]
            if scaled:
                values = _over_last(values)
            place.plot(times, values, color=colour, lw=1.6, label=rf"$\psi_n = {load:g}$")
            low.append(times[0])
            high.append(times[-1])
        place.set_xscale("log")
        # Where all of them are known, if there is such an interval.
        both = max(low) < min(high)
        place.set_xlim(max(low) if both else min(low), min(high) if both else max(high))
        place.spines[["top", "right"]].set_visible(False)
    _scale_losses(axes[0], [np.asarray(one.generalization) for one in curves.values()])
    axes[1].set_ylim(0.0, 1.08)
    axes[0].set_xlabel(r"training time $\tau$")
    axes[1].set_xlabel(r"training time over samples, $\tau/\psi_n$")
    axes[0].set_ylabel("generalisation loss")
    axes[1].set_ylabel("generalisation loss over its last value")
    axes[0].legend(frameon=False, fontsize="small")
    return axes


def _over_last(values: FloatArray) -> FloatArray:
    """Losses in units of the last that is known; unknown where that is not a positive number."""
    known = values[np.isfinite(values)]
    last = float(known[-1]) if known.size else np.nan
    return values / (last if last > 0.0 else np.nan)


def _are_curves(name: str, value: Any) -> None:
    if not isinstance(value, LearningCurves):
        raise TypeError(
            f"{name} must be LearningCurves, as training.learning_curves(tau) makes them, "
            f"got {type(value).__name__}"
        )


def _in_sight(tau: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which times a logarithmic axis can show."""
    times = np.asarray(tau)
    if times.ndim == 1:
        shown = np.isfinite(times) & (times > 0.0)
        inside = times[shown]
        if np.all(np.diff(inside) >= 0.0) and inside.size and inside[-1] > inside[0]:
            return np.asarray(shown)
    raise ValueError(
        "curves must be over a row of ascending times, two of them positive and finite, "
        f"got tau of shape {times.shape}: {times!r:.80}"
    )


def _draw_losses(ax: Axes, curves: LearningCurves, shown: NDArray[np.bool_]) -> None:
    times = np.asarray(curves.tau)[shown]
    lines: list[tuple[FloatArray, str, dict[str, Any]]] = [
        (_one_row(values)[shown], label, look)
        for values, label, look in (
            # A narrow line on a broad one: both are seen where they lie on each other.
            (curves.train, "train", {"color": ORANGE, "lw": 1.3, "zorder": 2.5}),
            (curves.test, "test", {"color": BLUE, "lw": 2.4}),
            (curves.generalization, "generalisation", {"color": GREEN, "lw": 1.8, "ls": "--"}),
        )
    ]
    lines = [line for line in lines if np.any(np.isfinite(line[0]))]
    if _flat([row for row, *_ in lines[:2]]):
        lines = lines[:2]
    for row, label, look in lines:
        ax.plot(times, row, label=label, **look)
    _scale_losses(ax, [row for row, *_ in lines])
    ax.set_ylabel("loss")


def _name_lines(ax: Axes) -> None:
    """A legend in one row above the axis and the names of the times."""
    ax.legend(
        frameon=False,
        fontsize="small",
        loc="lower left",
        bbox_to_anchor=(0.0, 1.08),
        ncols=len(ax.get_legend_handles_labels()[0]),
        columnspacing=1.4,
        borderaxespad=0.0,
    )


def _draw_score_error(ax: Axes, curves: LearningCurves, shown: NDArray[np.bool_]) -> None:
    values = _one_row(curves.score_error)[shown]
    ax.set_ylabel("score error")
    if not np.any(np.isfinite(values)):
        words = "not known: the test loss falls below that of Gaussian data"
        ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center", color=INK)
        ax.set_yticks([])
    if np.any(values > 0.0):
        ax.plot(np.asarray(curves.tau)[shown], values, color=PURPLE, lw=1.8, label="score error")
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        if high < 100.0 * low:
            from matplotlib import ticker

            # Less than two decades: plain numbers at 1, 2 and 5 say more than powers of ten.
            ax.yaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
            ax.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
            ax.yaxis.set_minor_formatter(ticker.NullFormatter())


def _one_row(values: Any) -> FloatArray:
    row = np.asarray(values, dtype=float)
    if row.ndim != 1:
        raise ValueError(f"curves must be one row of values, not several, got shape {row.shape}")
    return row


def _scale_losses(ax: Axes, rows: list[FloatArray]) -> None:
    """A linear axis from 0 where it can show the losses, a logarithmic one where it cannot.

    Losses that all lie next to 1 fill the axis.
    """
    values = np.concatenate([row[np.isfinite(row)] for row in rows]) if rows else np.empty(0)
    top = float(values.max(initial=0.0))
    if top > _WIDE:
        ax.set_yscale("log")
        ax.set_ylim(max(float(values[values > 0.0].min()), _LEAST_GAP * top) / 1.5, 1.5 * top)
    elif _flat(rows):
        low = float(values.min())
        margin = 0.08 * (top - low)
        ax.set_ylim(low - margin, top + margin)
        ax.ticklabel_format(axis="y", useOffset=False)
    elif top > 0.0:
        ax.set_ylim(0.0, 1.08 * top)


def _flat(rows: list[FloatArray]) -> bool:
    """Whether all losses lie next to 1, and are more than one number."""
    values = np.concatenate([row[np.isfinite(row)] for row in rows]) if rows else np.empty(0)
    if not values.size:
        return False
    return bool(np.all(np.abs(values - 1.0) <= _FLAT) and np.ptp(values) > _LEAST_SPREAD)


def _mark_times(axes: NDArray[np.object_], training: Training, shown: FloatArray) -> None:
    """A dotted line on every axis at each spectral time, named above the first."""
    times = training.timescales()
    named = zip(("gen", "mem", "slow"), (times.tau_gen, times.tau_mem, times.tau_slow), strict=True)
    marks = sorted((time, name) for name, time in named if shown[0] <= time <= shown[-1])
    places = np.log([time for time, _ in marks]) / np.log(shown[-1] / shown[0])
    for row, (time, name) in enumerate(marks):
        for ax in axes:
            ax.axvline(time, color=INK, lw=0.8, ls=":", zorder=1)
        # Neighbours whose names would cover each other lean apart; of three the middle one stays.
        near = np.abs(places - places[row]) < _NAME_WIDTH
        crowded = np.count_nonzero(near) == 3
        lean = row - 1 if crowded else np.sign(row - np.flatnonzero(near).mean())
        axes[0].annotate(
            rf"$\tau_{{\mathrm{{{name}}}}}$",
            (time, 1.0),
            xycoords=axes[0].get_xaxis_transform(),
            xytext=((_NAME_POINTS if crowded else 2.0) * lean, 2.0),
            textcoords="offset points",
            ha="center" if crowded else {0: "center", -1: "right", 1: "left"}[int(lean)],
            va="bottom",
            fontsize="small",
        )


def _mark_window(axes: NDArray[np.object_], window: Window, shown: FloatArray) -> None:
    """A light band from where the model has generalised to where it memorises."""
    begin, end = window.tau_gen_loss, window.tau_mem_loss
    if not (begin < end and begin < shown[-1] and end > shown[0]):
        return
    for ax in axes:
        ax.axvspan(
            max(begin, shown[0]),
            min(end, shown[-1]),
            facecolor=SKY,
            alpha=0.18,
            lw=0.0,
            zorder=0,
            label="window",
        )


def _mark_best(axes: NDArray[np.object_], best: Any, shown: FloatArray) -> None:
    """A circle on test loss and score error where both are least."""
    if not shown[0] <= best.tau <= shown[-1]:
        return
    for ax, value in zip(axes, (best.test, best.score_error), strict=False):
        if np.isfinite(value):
            ax.plot(
                [best.tau],
                [value],
                marker="o",
                ms=6,
                ls="none",
                mfc="white",
                mec=INK,
                mew=1.4,
                zorder=5,
                label="best stopping",
            )


def _shades(count: int) -> list[Any]:
    """Colours from dark to light for an ordered row."""
    import matplotlib

    return [matplotlib.colormaps["viridis"](share) for share in np.linspace(0.0, 0.85, count)]
