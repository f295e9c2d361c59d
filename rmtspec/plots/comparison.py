"""Pictures of a comparison: what was observed over what was predicted, and the difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..compare.comparison import Comparison
from ..law import SpectralLaw
from .spectra import plot_spectrum
from .style import BLUE, INK, ORANGE, are_axes
from .titles import new_axes, with_symbols

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

_POINTS = 600
_COLOURS = {"train": BLUE, "test": ORANGE}


def plot_comparison(
    comparison: Comparison, ax: Axes | Sequence[Axes] | None = None, *, bins: int = 60
) -> NDArray[np.object_]:
    r"""Draw a comparison: eigenvalues over their law, or losses over predicted curves.

    Of eigenvalues the first axis shows the histogram over the density of ln(λ − λ₀), the second the
    number of eigenvalues below λ minus the predicted number, the mean over the draws, with a band
    of two standard deviations of it.  The variance of such a number is taken to be
    :math:`(\log p+1)/(\beta\pi^2)`, that of real (β = 1) or complex Gaussian matrices in the middle
    of the spectrum, but for the constant: a guide for the eye, the tests are in the table.

    Of curves the second axis shows differences from the prediction.

    Parameters
    ----------
    comparison : Comparison
    ax : Axes or two of them, optional
        Where to draw; without a second one the difference is left out.  Two axes of a new figure
        if omitted, whose title is the model.
    bins : int in [4, 1000]
        Bars of the histogram.

    Returns
    -------
    ndarray of Axes, shape (1,) or (2,)

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.

    Examples
    --------
    >>> import rmtspec as rs
    >>> from matplotlib.figure import Figure
    >>> model = rs.RandomFeatureModel(psi_p=4, psi_n=2, t=0.1)
    >>> found = rs.compare(rs.simulate(model, 30, rng=0, size=2), model)
    >>> axes = found.plot(Figure().subplots(2, 1, sharex=True))
    >>> axes[1].get_ylabel()
    'count − predicted'
    """
    if not isinstance(comparison, Comparison):
        raise TypeError(f"comparison must be a Comparison, got {_checks.shown(comparison)}")
    bins = _checks.integer("bins", bins, 4, 1000)
    if ax is None:
        title = with_symbols(comparison["model"])
        ax = new_axes((7.0, 5.6), title, 2, sharex=True, height_ratios=(3, 2))
    are_axes(ax)
    axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()[:2]
    if isinstance(comparison.reference, SpectralLaw):
        _draw_histogram(axes[0], comparison.observed, comparison.reference, bins)
        if axes.size > 1:
            axes[0].set_xlabel("")
            beta = comparison["beta"]
            _draw_counts(axes[1], comparison.observed, comparison.reference, beta)
    else:
        _draw_curves(axes[0], comparison)
        if axes.size > 1:
            _draw_differences(axes[1], comparison)
    return axes


def _draw_histogram(ax: Axes, observed: FloatArray, law: SpectralLaw, bins: int) -> None:
    plot_spectrum(law, ax)
    distance = (observed - law.origin).ravel()
    low, high = ax.get_xlim()
    edges = np.geomspace(low, high, bins + 1)
    counts, _ = np.histogram(distance, edges)
    height = counts / (observed.size * math.log(edges[1] / edges[0]))
    ax.stairs(height, edges, color=INK, lw=1.2, label="observed", zorder=3)
    top = float(height.max(initial=0.0))
    if top > 0.0:
        ax.set_ylim(top=max(ax.get_ylim()[1], 2.0 * top))
    ax.legend(frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)


def _draw_counts(ax: Axes, observed: FloatArray, law: SpectralLaw, beta: int) -> None:
    count, size = observed.shape
    places = [np.geomspace(max(a, b * 1e-4), b, _POINTS // len(law.edges)) for a, b in law.edges]
    distance = np.concatenate(places)
    below = np.array([np.searchsorted(row - law.origin, distance) for row in observed])
    difference = below.mean(axis=0) - size * law.cdf(distance, from_origin=True)
    band = 2.0 * math.sqrt((math.log(size) + 1.0) / (beta * math.pi**2 * count))
    ax.set_xscale("log")
    ax.axhspan(-band, band, color=BLUE, alpha=0.15, lw=0)
    ax.axhline(0.0, color=BLUE, lw=1.0)
    for part in np.split(np.arange(distance.size), len(places)):
        ax.plot(distance[part], difference[part], color=INK, lw=1.0)
    ax.set_ylabel("count − predicted")
    ax.set_xlabel(
        r"eigenvalue $\lambda$"
        if law.origin == 0.0
        else rf"distance from the floor, $\lambda-\lambda_0$   ($\lambda_0$ = {law.origin:.4g})"
    )
    ax.spines[["top", "right"]].set_visible(False)


def _shown(comparison: Comparison) -> NDArray[np.bool_]:
    tau = comparison.observed.tau
    return np.asarray((tau > 0.0) & np.isfinite(tau))


def _draw_curves(ax: Axes, comparison: Comparison) -> None:
    shown, found = _shown(comparison), comparison.observed
    ax.set_xscale("log")
    for name, losses in found.losses.items():
        predicted = getattr(comparison.reference, name)
        ax.plot(found.tau[shown], predicted[shown], color=_COLOURS[name], lw=1.6, label=name)
        for i, row in enumerate(losses):
            label = f"{name}, observed" if i == 0 else None
            ax.plot(
                found.tau[shown], row[shown], ".", ms=3, color=_COLOURS[name], alpha=0.6,
                label=label,
            )  # fmt: skip
    ax.set_ylabel("loss per dimension")
    _label_times(ax)
    ax.legend(frameon=False, fontsize="small")


def _draw_differences(ax: Axes, comparison: Comparison) -> None:
    shown, found = _shown(comparison), comparison.observed
    ax.set_xscale("log")
    ax.axhline(0.0, color=INK, lw=0.8)
    for name, losses in found.losses.items():
        off: Any = (losses - getattr(comparison.reference, name))[:, shown]
        mean, tau = off.mean(axis=0), found.tau[shown]
        ax.plot(tau, mean, color=_COLOURS[name], lw=1.2)
        if len(losses) > 1:
            error = 2.0 * off.std(axis=0, ddof=1) / math.sqrt(len(losses))
            ax.fill_between(tau, mean - error, mean + error, color=_COLOURS[name], alpha=0.2, lw=0)
    ax.set_ylabel("observed − predicted")
    _label_times(ax)


def _label_times(ax: Axes) -> None:
    ax.set_xlabel(r"training time $\tau$")
    ax.spines[["top", "right"]].set_visible(False)
