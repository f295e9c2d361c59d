"""Pictures of sweeps: maps over two parameters, and the phase diagrams known by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..sweeps.diagrams import DIAGRAMS
from ..sweeps.grid import FAILURE
from .looks import LOOKS, Look
from .style import VERMILION
from .titles import in_words, new_axes, put

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]

_GROUND, _HATCH, _LINE = "#DDDDDD", "#888888", "#111111"
_FAILED = VERMILION  # in no map of colours used here
_WHITE = "#FFFFFF"

_INSIDE = 0.45  # farther from the middle of a map, in its sides, the number of a line is cut
_HATCHED = 0.35  # colour, in the legend, of ground that has colours of its own

_SYMBOLS = {
    "psi_p": r"features per dimension, $\psi_p=p/d$",
    "psi_n": r"samples per dimension, $\psi_n=n/d$",
    "load": r"samples per dimension, $n/d$",
    "c": r"ridge $c$ (variance of the data)",
}
_SHORT = {"t": "$t$", "tau": r"$\tau$", "psi_p": r"$\psi_p$", "psi_n": r"$\psi_n$"}


def plot_map(
    values: xarray.DataArray,
    ax: Axes | None = None,
    *,
    scale: Literal["log", "linear"] = "log",
    label: str | None = None,
) -> Axes:
    """Draw a variable of a sweep over two parameters as a map of its points.

    Parameters
    ----------
    values : xarray.DataArray, two dimensions
        Of a data set as `rmtspec.sweep` makes it; the last dimension is horizontal, transpose for
        the other way.  Where there is no number, or none that the scale can show, the ground is
        grey.
    ax : matplotlib.axes.Axes, optional
        Where to draw; that of a new figure if omitted.
    scale : {"log", "linear"}
        Of the colours.  An axis is logarithmic if all of its values are positive and span more than
        a decade.
    label : str, optional
        Of the colour bar; by default name and units as the variable has them.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If the values have not two dimensions of two or more ascending numbers each, or an argument
        is not of its kind.

    Examples
    --------
    >>> import rmtspec as rs
    >>> from matplotlib.figure import Figure
    >>> from rmtspec.plots.sweeps import plot_map
    >>> data = rs.sweep("linear", {"load": [1, 4, 16], "c": [0.01, 0.1, 1]}, progress=False)
    >>> plot_map(data.kl_data_model, Figure().subplots()).get_ylabel()
    'samples per dimension, $n/d$'
    """
    _checks.choice("scale", scale, ("log", "linear"))
    _check_map(values)
    if ax is None:
        ax = new_axes((5.6, 4.4), _title(values, ""))
    mesh = _draw(ax, values, scale, _limits([values], scale))
    ax.figure.colorbar(mesh, ax=ax, label=_named(values) if label is None else label)
    return ax


def plot_diagram(data: xarray.Dataset, figure: Figure | None = None) -> Figure:
    """Draw a phase diagram.

    Parameters
    ----------
    data : xarray.Dataset
        As `rmtspec.sweeps.diagrams.Diagram.compute` makes it.
    figure : matplotlib.figure.Figure, optional
        Where to draw; a new one if omitted.

    Returns
    -------
    matplotlib.figure.Figure
        One map a variable, or a training time.  A legend below says what lines, hatched and grey
        ground are; points that failed are red.

    Raises
    ------
    TypeError, ValueError
        If the data are not those of a diagram.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from rmtspec.plots.sweeps import plot_diagram
    >>> from rmtspec.sweeps.diagrams import DIAGRAMS
    >>> data = DIAGRAMS["kl"].compute(load=[1, 4, 16], c=[0.01, 0.1, 1], progress=False)
    >>> axes = plot_diagram(data, Figure(figsize=(9.5, 4.5), layout="constrained")).axes
    >>> axes[0].get_xlabel(), len(axes)  # two maps, each with its colour bar
    ('samples per dimension, $n/d$', 4)
    """
    name = getattr(data, "attrs", {}).get("diagram")
    if name not in DIAGRAMS:
        raise ValueError(
            f"data must be those of a diagram ({', '.join(DIAGRAMS)}), as its compute() makes "
            f"them, got {_checks.shown(data)}"
        )
    diagram, look = DIAGRAMS[name], LOOKS[name]
    maps = _maps(data, name)
    if figure is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=figure_size(data), layout="constrained")
    put(figure, _title(data, diagram.panels))
    axes = figure.subplots(1, len(maps), sharey=True, squeeze=False)[0]
    shared = bool(diagram.panels)
    for place, (ax, values) in enumerate(zip(axes, maps, strict=True)):
        mesh = _draw(ax, values, "log", _limits(maps if shared else [values], "log"))
        if diagram.panels:
            ax.set_title(rf"$\tau = {_power_of_ten(values[diagram.panels].item())}$")
        if not shared:
            figure.colorbar(mesh, ax=ax, label=look.label[place])
        if look.contours:
            _draw_contours(ax, values)
        _mark_ground(ax, data, values, look)
        ax.label_outer()
    if shared:
        figure.colorbar(mesh, ax=axes, label=look.label[0], pad=0.01)
    if name in _LINES:
        _LINES[name](axes, data, maps)
    _add_legend(figure, axes)
    return figure


def figure_size(data: xarray.Dataset) -> tuple[float, float]:
    """Width and height in inches of a figure with room for the maps of a diagram."""
    diagram = DIAGRAMS[data.attrs["diagram"]]
    count = data.sizes[diagram.panels] if diagram.panels else len(diagram.drawn)
    return 0.8 + 4.6 * count, 4.8


def _maps(data: xarray.Dataset, name: str) -> list[xarray.DataArray]:
    """What is drawn, one array with two dimensions a map."""
    diagram, look = DIAGRAMS[name], LOOKS[name]
    horizontal, vertical = diagram.axes
    maps = []
    for variable in diagram.drawn:
        values = look.shown(data, variable)
        panels = [values]
        if diagram.panels:
            panels = [values.isel({diagram.panels: i}) for i in range(data.sizes[diagram.panels])]
        maps += [panel.transpose(vertical, horizontal) for panel in panels]
    for values in maps:
        _check_map(values)
    return maps


def _check_map(values: Any) -> None:
    dims = getattr(values, "dims", None)
    if dims is None or not hasattr(values, "coords"):
        raise TypeError(
            f"values must be an xarray.DataArray of a sweep, got {_checks.shown(values)}"
        )
    if len(dims) != 2:
        raise ValueError(f"values must have two dimensions, got {dims}; choose with .sel()")
    for dim in dims:
        numbers = np.asarray(values[dim])
        if numbers.dtype.kind not in "biuf" or len(numbers) < 2 or not np.all(np.diff(numbers) > 0):
            raise ValueError(
                f"values must have two or more ascending numbers along {dim}, "
                f"got {_checks.shown(numbers)}"
            )


def _draw(ax: Axes, values: xarray.DataArray, scale: str, limits: tuple[float, float]) -> QuadMesh:
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    vertical, horizontal = values.dims
    (x, xscale), (y, yscale) = (_borders(values[dim]) for dim in (horizontal, vertical))
    numbers = np.asarray(values.values, dtype=float)
    norm = (LogNorm if scale == "log" else Normalize)(*limits)
    mesh = ax.pcolormesh(
        x, y, np.ma.masked_where(~_in_sight(numbers, scale), numbers), norm=norm, rasterized=True
    )
    ax.set_facecolor(_GROUND)
    ax.set_xscale(xscale)
    ax.set_yscale(yscale)
    for axis, dim, kind in ((ax.xaxis, horizontal, xscale), (ax.yaxis, vertical, yscale)):
        first, last = np.asarray(values[dim])[[0, -1]]
        if kind == "log" and last < 100.0 * first:
            # In less than two decades numbers at 1, 2 and 5 say more than powers of ten.
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(NullFormatter())
    # The borders of the outermost cells lie half a step beyond the points.
    ax.set_xlim(*np.asarray(values[horizontal])[[0, -1]])
    ax.set_ylim(*np.asarray(values[vertical])[[0, -1]])
    ax.set_xlabel(_SYMBOLS.get(str(horizontal)) or _named(values[horizontal]))
    ax.set_ylabel(_SYMBOLS.get(str(vertical)) or _named(values[vertical]))
    return mesh


def _in_sight(numbers: FloatArray, scale: str) -> NDArray[np.bool_]:
    return np.isfinite(numbers) & ((numbers > 0.0) | (scale == "linear"))


def _limits(maps: list[xarray.DataArray], scale: str) -> tuple[float, float]:
    """Least and largest number that the colours show."""
    numbers = np.concatenate([np.asarray(values.values, dtype=float).ravel() for values in maps])
    shown = numbers[_in_sight(numbers, scale)]
    if not shown.size:
        return 1.0, 10.0
    low, high = float(shown.min()), float(shown.max())
    return (low, high) if low < high else (low, low + max(abs(low), 1e-300))


def _borders(coordinate: xarray.DataArray) -> tuple[FloatArray, str]:
    """Borders of the cells around the points, and the scale of the axis."""
    points = np.asarray(coordinate, dtype=float)
    logarithmic = points[0] > 0.0 and points[-1] > 10.0 * points[0]
    places = np.log(points) if logarithmic else points
    inner = 0.5 * (places[1:] + places[:-1])
    ends = 1.5 * places[[0, -1]] - 0.5 * places[[1, -2]]
    borders = np.concatenate([ends[:1], inner, ends[1:]])
    return (np.exp(borders), "log") if logarithmic else (borders, "linear")


def _named(values: xarray.DataArray) -> str:
    """Name and units as the variable has them, or nothing where it has no name."""
    name = values.attrs.get("long_name", values.name)
    if name is None:  # of what was computed from variables, whose units need not be its own
        return ""
    units = values.attrs.get("units", "1")
    return str(name) if units == "1" else f"{name} ({units})"


def _power_of_ten(value: float) -> str:
    """A number as mathematical text; a power of ten as such."""
    if math.isinf(value):
        return r"\infty"
    power = round(math.log10(value))
    if abs(power) >= 3 and math.isclose(value, 10.0**power, rel_tol=1e-12):
        return f"10^{{{power}}}"
    return f"{value:g}"


def _title(data: xarray.Dataset | xarray.DataArray, panels: str) -> str:
    """Everything fixed that the picture stands for."""
    parts = []
    for name, value in data.coords.items():
        if value.ndim == 0 and name not in (panels, "gap"):
            text = value.item()
            shown = text if isinstance(text, str) else f"{_SHORT.get(str(name), name)} = {text:g}"
            parts.append(shown)
    population = data.attrs.get("population", "")
    if population:
        parts.append(in_words(population))
    return ", ".join(parts)


def _draw_contours(ax: Axes, values: xarray.DataArray) -> None:
    """Lines at powers of ten, or at 1, 2 and 5 in fewer than three decades, with their numbers."""
    from matplotlib.patheffects import withStroke

    vertical, horizontal = values.dims
    numbers = np.asarray(values.values, dtype=float)
    low, high = _limits([values], "log")
    steps = [1.0] if high > 1e3 * low else [1.0, 2.0, 5.0]
    decades = 10.0 ** np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    levels = np.outer(decades, steps).ravel()
    levels = levels[(levels > low) & (levels < high)]
    if not levels.size:
        return
    lines = ax.contour(
        values[horizontal],
        values[vertical],
        np.ma.log(np.ma.masked_where(~_in_sight(numbers, "log"), numbers)),
        np.log(levels),
        colors=_LINE,
        linewidths=0.8,
        linestyles="solid",
    )
    names = {math.log(level): f"${_power_of_ten(level)}$" for level in levels}
    ax.clabel(lines, fmt=names, fontsize="small", inline=False)
    for text in lines.labelTexts:
        text.set_path_effects([withStroke(linewidth=2.5, foreground=_WHITE, alpha=0.85)])
        place = ax.transAxes.inverted().transform(ax.transData.transform(text.get_position()))
        text.set_visible(bool(np.all(np.abs(place - 0.5) < _INSIDE)))


def _mark_ground(ax: Axes, data: xarray.Dataset, values: xarray.DataArray, look: Look) -> None:
    """Hatch what has merged, paint what failed, and name the grey ground."""
    vertical, horizontal = values.dims
    failed = np.asarray(data[FAILURE].transpose(vertical, horizontal).values != "")
    empty = ~_in_sight(np.asarray(values.values, dtype=float), "log")
    closed = np.zeros_like(failed)
    if look.closed is not None:
        words, of = look.closed
        closed = np.asarray(of(data).transpose(vertical, horizontal).values)
        bare = np.all(empty[closed])
        style = {"facecolor": _GROUND if bare else "none", "edgecolor": _HATCH if bare else _WHITE}
        _cover(ax, values, closed, words, {**style, "hatch": r"\\\\"})
    _cover(ax, values, empty & ~closed & ~failed, look.undefined, {"facecolor": _GROUND})
    _cover(ax, values, failed, "failed", {"facecolor": _FAILED})


def _cover(
    ax: Axes,
    values: xarray.DataArray,
    where: NDArray[np.bool_],
    words: str,
    style: dict[str, Any],
) -> None:
    """Cover the cells of some points."""
    if not np.any(where):
        return
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    vertical, horizontal = values.dims
    x, y = _borders(values[horizontal])[0], _borders(values[vertical])[0]
    cells = [
        Path(
            [(x[j], y[i]), (x[j + 1], y[i]), (x[j + 1], y[i + 1]), (x[j], y[i + 1]), (0, 0)],
            [1, 2, 2, 2, 79],
        )
        for i, j in np.argwhere(where)
    ]
    ax.add_patch(PathPatch(Path.make_compound_path(*cells), label=words, linewidth=0.0, **style))


def _line_of_memorisation(axes: Any, data: xarray.Dataset, _: Any) -> None:
    """The boundary by root search, and what it comes to after infinite training."""
    for place, ax in enumerate(axes):
        line = data.boundary.isel(tau=place)
        level = f"generalisation loss $={data.gap.item():g}$"
        _draw_line(ax, line, data.psi_p, label=level)
        both = np.array([ax.get_xlim(), ax.get_ylim()])
        ends = both[:, 0].max(), both[:, 1].min()
        _draw_line(ax, ends, ends, ls=":", label="$n=p$")


def _line_of_best_ridge(axes: Any, data: xarray.Dataset, maps: list[xarray.DataArray]) -> None:
    for ax, values in zip(axes, maps, strict=True):
        best = _minimum(np.log(np.asarray(data.c)), values.transpose("load", "c").values)
        if np.any(np.isfinite(best)):
            _draw_line(ax, data["load"], np.exp(best), label="best ridge")


def _draw_line(ax: Axes, x: Any, y: Any, **style: Any) -> None:
    """A white line with a dark border: seen on every colour, and in the legend."""
    from matplotlib.patheffects import withStroke

    border = withStroke(linewidth=3.2, foreground=_LINE)
    ax.plot(x, y, color=_WHITE, lw=1.8, path_effects=[border], **style)


def _minimum(x: FloatArray, rows: FloatArray) -> FloatArray:
    """Where each row is least, by the parabola through three points; NaN at the ends."""
    found = np.full(len(rows), np.nan)
    for place, row in enumerate(rows):
        if np.all(np.isnan(row)):
            continue
        least = int(np.nanargmin(row))
        if 0 < least < len(x) - 1 and np.all(np.isfinite(row[least - 1 : least + 2])):
            curve = np.polynomial.Polynomial.fit(
                x[least - 1 : least + 2], row[least - 1 : least + 2], 2
            )
            found[place] = curve.deriv().roots()[0]
    return found


_LINES: dict[str, Callable[..., None]] = {
    "memorisation": _line_of_memorisation,
    "kl": _line_of_best_ridge,
}


def _add_legend(figure: Figure, axes: Any) -> None:
    """One legend below all maps; each entry once."""
    import matplotlib
    from matplotlib.patches import Patch

    entries: dict[str, Any] = {}
    for ax in axes:
        handles, labels = ax.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    for words, handle in entries.items():
        if isinstance(handle, Patch) and handle.get_facecolor()[-1] == 0.0:
            entries[words] = Patch(
                facecolor=matplotlib.colormaps["viridis"](_HATCHED),
                edgecolor=_WHITE,
                hatch=handle.get_hatch(),
                linewidth=0.0,
            )
    if entries:
        figure.legend(
            list(entries.values()),
            list(entries),
            loc="outside lower center",
            ncols=len(entries),
            fontsize="small",
            frameon=False,
            handlelength=3.0,
        )
