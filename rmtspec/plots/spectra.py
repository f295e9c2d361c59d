"""Pictures of spectral laws in which bulks that lie decades apart can all be seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from .. import _checks
from ..law import SpectralLaw
from ..random_features.model import RandomFeatureModel
from ..solve.pointwise import PointwiseLaw
from ..structured.model import StructuredModel
from .outlines import ABOVE, limits_in_decades, pieces
from .style import BLUE, INK, VERMILION, are_axes, colours_of_bulks
from .titles import new_axes, parameters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..random_features.families import Timescales

_ATOM_COLOUR = INK
_OUTLIER_COLOUR = VERMILION

_TICK = 0.04  # height, in that of the picture, of the lines under a crowd, one a bulk
_LETTER, _SWATCH = 0.075, 0.6  # inches of a legend: a letter, and what stands beside the letters
_HIGHEST_ROW = 0.98  # of the labels of times, in the height of the picture
_LEAST_SHARE = 1e-4  # of eigenvalues beyond the ends of a picture without edges


def plot_spectrum(
    law: SpectralLaw,
    ax: Axes | None = None,
    *,
    names: Sequence[str] | None = None,
    model: RandomFeatureModel | StructuredModel | None = None,
    scale: Literal["log", "linear"] = "log",
    points: int = 400,
) -> Axes:
    r"""Draw the density of a law, with its bulks, atoms and outliers.

    On the logarithmic scale the abscissa is the distance :math:`x=\lambda-\lambda_0` from the
    law's `origin` :math:`\lambda_0`, and the ordinate is the density of :math:`\ln x`,
    :math:`x\,\rho(\lambda_0+x)`: the mass between two points is the area under the curve, however
    many decades apart the bulks lie. The ordinate is logarithmic too, so that a bulk of small
    mass stands beside a heavy one. On the linear scale it is :math:`\rho(\lambda)`. Ten or more
    thin bulks beside each other are drawn as steps, the mean density of some of them and the
    gaps between, over a short line for each.

    Parameters
    ----------
    law : SpectralLaw
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if omitted, whose title is what is known of the parameters.
    names : sequence of str, optional
        One name a bulk, in ascending order. Bulks of equal name share colour and legend entry.
    model : RandomFeatureModel, MixtureModel or TimeIntegratedModel, optional
        Whose spectrum the law is: it names the bulks and gives the title all parameters.
    scale : {"log", "linear"}
        An outlier at or below the origin cannot be shown on the logarithmic scale.
    points : int
        Points a bulk, 8 to 100,000.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `names` has another length than the law has bulks, `scale` is unknown, or `points` is
        outside its range.

    Examples
    --------
    >>> import rmtspec as rs
    >>> from matplotlib.figure import Figure
    >>> from rmtspec.plots.spectra import plot_spectrum
    >>> model = rs.RandomFeatureModel(8, 4, 0.01, "erf")
    >>> plot_spectrum(model.spectrum(), Figure().subplots(), model=model).get_xscale()
    'log'
    """
    if not isinstance(law, SpectralLaw):
        raise TypeError(f"law must be a SpectralLaw, got {_checks.shown(law)}")
    edges = np.asarray(law.edges)
    if model is not None:
        if not isinstance(model, RandomFeatureModel | StructuredModel):
            raise TypeError(f"model must be a score model, got {_checks.shown(model)}")
        names = model.bulk_names() if names is None else names
    if names is not None:
        if not (isinstance(names, Sequence) and all(isinstance(name, str) for name in names)):
            raise TypeError(f"names must be a sequence of strings, got {_checks.shown(names)}")
        if isinstance(names, str) or len(names) != len(edges):
            raise ValueError(
                f"names must have one entry for each of {len(edges)} bulks, "
                f"got {_checks.shown(names)}"
            )
    _checks.choice("scale", scale, ("log", "linear"))
    points = _checks.integer("points", points, 8, 100_000)
    logarithmic = scale == "log"
    ax = _axes(ax, logarithmic, parameters(law.ensemble if model is None else model))
    peaks = _draw_bulks(ax, law, names, logarithmic, points)
    _set_limits(ax, law, peaks, logarithmic)
    _draw_atoms(ax, law, logarithmic)
    _draw_outliers(ax, law, logarithmic)
    _label(ax, law.origin, logarithmic)
    return ax


def plot_pointwise(
    law: PointwiseLaw,
    ax: Axes | None = None,
    *,
    scale: Literal["log", "linear"] = "log",
    points: int = 400,
) -> Axes:
    r"""Draw the density of a law that is known point by point, of which no edges are known.

    On the logarithmic scale it is the density of :math:`\ln\lambda`, :math:`\lambda\rho(\lambda)`,
    over λ itself; on the linear scale it is :math:`\rho(\lambda)`, which can be laid over a picture
    of `plot_spectrum` on that scale.

    Parameters
    ----------
    law : PointwiseLaw
        From `RandomFeatureModel.spectrum_by_neuron`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if omitted.
    scale : {"log", "linear"}
    points : int
        Half of them at equal fractions of eigenvalues, half at equal ratios, 8 to 100,000.  The
        outermost 1e-4 of the eigenvalues on either side are not drawn.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `law` is no PointwiseLaw.
    ValueError
        If `scale` is unknown, or `points` is outside its range.

    Examples
    --------
    >>> import numpy as np, rmtspec as rs
    >>> from matplotlib.figure import Figure
    >>> from rmtspec.plots.spectra import plot_pointwise
    >>> rows = np.random.default_rng(0).standard_normal((400, 100))
    >>> law = rs.RandomFeatureModel.from_data(rows, 2, 0.1).spectrum_by_neuron()
    >>> plot_pointwise(law, Figure().subplots(), points=40).get_xscale()
    'log'
    """
    if not isinstance(law, PointwiseLaw):
        raise TypeError(f"law must be a PointwiseLaw, got {_checks.shown(law)}")
    _checks.choice("scale", scale, ("log", "linear"))
    points = _checks.integer("points", points, 8, 100_000)
    logarithmic = scale == "log"
    ax = _axes(ax, logarithmic)
    shares = np.linspace(_LEAST_SHARE, 1.0 - _LEAST_SHARE, points // 2)
    # Gaps and bulks of little mass lie between fractions, thin bulks between equal ratios.
    places = law.quantile(shares)
    between = np.geomspace(places[0], places[-1], points - shares.size)
    x = np.unique(np.concatenate([places, between]))
    height = law.density(x) * (x if logarithmic else 1.0)
    ax.fill_between(x, height, facecolor=(BLUE, 0.3), edgecolor=BLUE, lw=1.4)
    if logarithmic and np.nanmax(height) > 0.0:
        ax.set_ylim(np.nanmax(height) / 1e3, np.nanmax(height) * 3.0)
    _label(ax, 0.0, logarithmic)
    return ax


def _axes(ax: Axes | None, logarithmic: bool, title: str = "") -> Axes:
    """Axes to draw a law on, new ones if none are given."""
    ax = new_axes((7.0, 4.0), title) if ax is None else ax
    are_axes(ax)
    if logarithmic:
        ax.set_xscale("log")
        ax.set_yscale("log")
    return ax


def mark_timescales(ax: Axes, times: Timescales, origin: float) -> None:
    r"""Mark the lower end of each family of eigenvalues with its training time.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        A picture made by `plot_spectrum` on the logarithmic scale.
    times : Timescales
        From `RandomFeatureModel.timescales`.
    origin : float
        The law's `origin`.

    Examples
    --------
    >>> import rmtspec as rs
    >>> from matplotlib.figure import Figure
    >>> from rmtspec.plots.spectra import mark_timescales, plot_spectrum
    >>> model = rs.RandomFeatureModel(8, 4, 0.01, "erf")
    >>> ax = plot_spectrum(model.spectrum(), Figure().subplots(), names=model.bulk_names())
    >>> mark_timescales(ax, model.timescales(), model.floor)
    >>> len(ax.texts)
    3
    """
    low, high = ax.get_xlim()
    shown = [one for one in times.families if low <= one.lower - origin <= high]
    bottom, top = ax.get_ylim()
    free = _HIGHEST_ROW - 0.06 * (len(shown) + 0.5)  # below all rows
    ax.set_ylim(top=max(top, bottom * (top / ABOVE / bottom) ** (1.0 / free)))
    # One row a family, and from left to right each line as high as its row: a line to the right
    # of a label ends below it.
    for row, family in enumerate(sorted(shown, key=lambda one: one.lower)):
        place, height = family.lower - origin, _HIGHEST_ROW - 0.06 * row
        at_right = ax.transLimits.transform((math.log10(place), 0.0))[0] > 0.8
        ax.axvline(place, ymax=height, color=_ATOM_COLOUR, lw=0.8, ls=":", zorder=1)
        ax.annotate(
            rf"{family.name}: $\tau = {_power_of_ten(family.tau)}$",
            (place, height),
            xycoords=ax.get_xaxis_transform(),
            xytext=(-4.0 if at_right else 4.0, 0.0),
            textcoords="offset points",
            fontsize="small",
            ha="right" if at_right else "left",
            va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0},
        )


def _draw_bulks(
    ax: Axes, law: SpectralLaw, names: Sequence[str] | None, logarithmic: bool, points: int
) -> list[float]:
    """Draw each bulk as a filled curve and return the heights of the peaks."""
    labels = [""] * len(law.edges) if names is None else list(names)
    colours = colours_of_bulks(labels)
    legend = _legend_texts(law, labels)
    peaks = []
    for piece in pieces(law, labels, points, logarithmic=logarithmic):
        colour, (distance, height) = colours[piece.name], piece.line
        place = distance if logarithmic else law.origin + distance
        if not np.any(height > 0.0):
            # Edges and mass of a bulk are known even where its density did not converge.
            ax.axvspan(
                place[0],
                place[-1],
                facecolor="none",
                edgecolor=colour,
                hatch="//",
                label=legend.pop(piece.name, None),
            )
            continue
        # The outline keeps a bulk visible that is thinner than a pixel.
        ax.fill_between(
            place,
            height,
            facecolor=(colour, 0.3),
            edgecolor=colour,
            lw=1.4,
            label=legend.pop(piece.name, None),
        )
        peaks += piece.peaks
        if piece.crowded:
            centres = law.edges[piece.members].mean(axis=1) + (0.0 if logarithmic else law.origin)
            ax.vlines(
                centres, 0.0, _TICK, colour, transform=ax.get_xaxis_transform(), lw=0.7, zorder=3
            )
    return peaks


def _power_of_ten(value: float) -> str:
    """The number with two digits, in mathtext."""
    if 1e-2 <= value < 1e3:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return rf"{mantissa}\times10^{{{int(exponent)}}}"


def _legend_texts(law: SpectralLaw, labels: list[str]) -> dict[str, str]:
    """One legend entry a name: how many bulks bear it, and their mass."""
    texts = {}
    for label in dict.fromkeys(labels):
        masses = np.asarray(law.masses)[[other == label for other in labels]]
        bulk = f"{label} bulk".strip() if masses.size == 1 else f"{masses.size} {label} bulks"
        texts[label] = f"{' '.join(bulk.split())}, mass {masses.sum():.3g}"
    return texts


def _set_limits(ax: Axes, law: SpectralLaw, peaks: list[float], logarithmic: bool) -> None:
    edges, origin = np.asarray(law.edges), float(law.origin)
    if not edges.size:
        return
    if not logarithmic:
        outliers = np.asarray(law.outliers) - origin
        outliers = outliers[np.isfinite(outliers)]
        atoms = np.asarray(law.atoms)[:, 0] - origin
        shown = np.concatenate([edges.ravel(), outliers, atoms])
        margin = 0.05 * (shown.max() - shown.min())
        ax.set_xlim(origin + shown.min() - margin, origin + shown.max() + margin)
        ax.set_ylim(0.0, 1.15 * max(peaks, default=1.0))
        return
    across, up = limits_in_decades(law, peaks)
    ax.set_xlim(*across)
    ax.set_ylim(*up)


def _draw_atoms(ax: Axes, law: SpectralLaw, logarithmic: bool) -> None:
    """An arrow on the atom, which on the logarithmic scale lies left of every distance."""
    for location, mass in np.asarray(law.atoms):
        distance = location - law.origin
        floor = logarithmic and distance == 0.0 != law.origin
        where = r"$\lambda_0$" if floor else f"{location:.4g}"
        at_origin = logarithmic and distance <= 0.0
        transform = ax.transAxes if at_origin else ax.get_xaxis_transform()
        place = 0.0 if at_origin else (distance if logarithmic else location)
        ax.plot(
            [place, place],
            [0.0, 0.93],
            transform=transform,
            color=_ATOM_COLOUR,
            lw=2.5,
            clip_on=False,
            solid_capstyle="butt",
            zorder=4,
        )
        ax.plot(
            [place],
            [0.95],
            transform=transform,
            color=_ATOM_COLOUR,
            marker="^",
            ms=8,
            ls="none",
            clip_on=False,
            zorder=4,
            label=f"atom at {where}, mass {mass:.3g}",
        )


def _draw_outliers(ax: Axes, law: SpectralLaw, logarithmic: bool) -> None:
    """A triangle on the axis for each outlier."""
    places = np.asarray(law.outliers) - (law.origin if logarithmic else 0.0)
    places = places[np.isfinite(places) & ((places > 0.0) | (not logarithmic))]
    if places.size:
        ax.plot(
            places,
            np.full(places.size, 0.025),
            transform=ax.get_xaxis_transform(),
            marker="v",
            ms=7,
            ls="none",
            color=_OUTLIER_COLOUR,
            mec="white",
            mew=0.6,
            zorder=5,
            label="outlier" if places.size == 1 else f"{places.size} outliers",
        )


def _label(ax: Axes, origin: float, logarithmic: bool) -> None:
    if not logarithmic:
        ax.set_xlabel(r"eigenvalue $\lambda$")
        ax.set_ylabel(r"density $\rho(\lambda)$")
    elif origin == 0.0:
        ax.set_xlabel(r"eigenvalue $\lambda$")
        ax.set_ylabel(r"density of $\ln\lambda$")
    else:
        ax.set_xlabel(
            rf"distance from the floor, $\lambda-\lambda_0$   ($\lambda_0$ = {origin:.4g})"
        )
        ax.set_ylabel(r"density of $\ln(\lambda-\lambda_0)$")
    ax.spines[["top", "right"]].set_visible(False)
    labels = ax.get_legend_handles_labels()[1]
    if labels:
        ax.legend(
            frameon=False,
            fontsize="small",
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=_columns(labels, ax.bbox.width / ax.figure.dpi),
        )


def _columns(labels: list[str], inches: float) -> int:
    """Columns of a legend over axes of this width: three entries beside each other, or pairs."""
    for count in (3, 2) if len(labels) <= 3 else (2,):
        rows = -(-len(labels) // count)
        longest = [max(map(len, labels[i : i + rows])) for i in range(0, len(labels), rows)]
        if sum(_LETTER * letters + _SWATCH for letters in longest) <= inches:
            return count
    return 1
