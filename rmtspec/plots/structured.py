"""Pictures of structured score networks: the losses of every class over training time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..structured.curves import ClassCurves
from ..structured.training import StructuredTraining
from .style import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, VERMILION, are_axes
from .titles import new_axes, parameters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)


def plot_class_curves(
    curves: ClassCurves,
    ax: Axes | None = None,
    *,
    training: StructuredTraining | None = None,
) -> NDArray[np.object_]:
    """Draw test losses (lines) and train losses (dashed) of all data and of every class.

    Parameters
    ----------
    curves : ClassCurves
        Over a row of times, two of them positive and finite, ascending.
    ax : Axes, optional
        Where to draw; that of a new figure if omitted.
    training : StructuredTraining, optional
        What the curves belong to: its parameters are the title of a new figure.

    Returns
    -------
    ndarray of Axes, shape (1,)

    Raises
    ------
    TypeError
        If the arguments are no curves of classes or no axes.
    ValueError
        If the curves are not over a row of ascending times.

    Examples
    --------
    >>> import numpy as np, rmtspec as rs
    >>> from matplotlib.figure import Figure
    >>> classes = [rs.DataClass(0.5, 1.5), rs.DataClass(0.5, 0.5)]
    >>> curves = rs.MixtureModel(8, 4, 0.1, classes).learning_curves(np.geomspace(0.1, 1e4, 50))
    >>> axes = curves.plot(Figure().subplots())
    >>> [line.get_label() for line in axes[0].get_lines()][:2]
    ['all data', '_child1']
    """
    if not isinstance(curves, ClassCurves):
        raise TypeError(f"curves must be curves of classes, got {_checks.shown(curves)}")
    if training is not None and not isinstance(training, StructuredTraining):
        raise TypeError(
            "training must be a StructuredTraining, as model.training() makes it, "
            f"got {type(training).__name__}"
        )
    tau = np.asarray(curves.tau)
    shown = (tau > 0.0) & np.isfinite(tau)
    if tau.ndim != 1 or np.count_nonzero(shown) < 2 or np.any(np.diff(tau) <= 0.0):
        raise ValueError(
            "curves must be over a row of ascending times, two of them positive and finite, got "
            f"tau = {_checks.shown(tau.tolist())}"
        )
    if ax is None:
        ax = new_axes((6.4, 4.2), "" if training is None else parameters(training))
    are_axes(ax)
    if len(curves.class_weights) == 1:
        _pair(ax, tau[shown], curves.test[shown], curves.train[shown], BLUE, "test")
    else:
        _pair(ax, tau[shown], curves.test[shown], curves.train[shown], INK, "all data")
        for y, weight in enumerate(curves.class_weights):
            colour = _COLOURS[y % len(_COLOURS)]
            rows = curves.class_test[y, shown], curves.class_train[y, shown]
            _pair(ax, tau[shown], *rows, colour, f"class {y}, weight {weight:g}")
    ax.set_xscale("log")
    ax.set_xlim(tau[shown][0], tau[shown][-1])
    ax.set_xlabel(r"training time $\tau$")
    ax.set_ylabel("loss (test; dashed: train)")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return np.array([ax], dtype=object)


def _pair(
    ax: Axes,
    tau: NDArray[np.float64],
    test: NDArray[np.float64],
    train: NDArray[np.float64],
    colour: str,
    name: str,
) -> None:
    ax.plot(tau, test, color=colour, lw=1.4, label=name)
    ax.plot(tau, train, color=colour, lw=1.0, ls="--")
