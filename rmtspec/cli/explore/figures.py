"""The three panels as Bokeh figures, and the documents' data behind them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from bokeh.models import (
    BasicTickFormatter,
    BoxAnnotation,
    ColorBar,
    ColumnDataSource,
    CustomJS,
    FixedTicker,
    HoverTool,
    LinearScale,
    LogAxis,
    LogColorMapper,
    LogScale,
    LogTicker,
    Span,
)
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from ...plots.style import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, VERMILION
from .diagram import Map
from .overlay import Overlay
from .scene import Scene, Stopping
from .state import QUANTITIES

FONT = "DejaVu Sans"
_SMALL, _TEXT = "11px", "12px"
_WIDE = 4.0  # a loss above which their axis is logarithmic, as in the pictures
_FLAT = 0.03  # losses within this of 1 get an axis of their own range
_LEAST_GAP = 1e-4
_NAME_WIDTH = 0.15  # share of an axis that the name of a family takes
_UNDEFINED = "#e4e4e4"


def _source(name: str, *columns: str) -> ColumnDataSource:
    return ColumnDataSource({column: [] for column in columns}, name=name)


class Figures:
    """One window's panels.

    Attributes
    ----------
    spectrum, losses, score, map : bokeh figures
    panels : the four
    sources : name -> data of the document
    """

    def __init__(self) -> None:
        self.sources = {
            source.name: source
            for source in (
                _source("bulks", "xs", "ys", "colour", "name", "mass", "low", "high"),
                _source("curves", "tau", "train", "test", "generalization", "score_error"),
                _source("thin", "x", "low", "high", "colour"),
                _source("classes", "xs", "ys", "name", "colour", "dash", "width"),
                _source("marks", "x", "top", "text", "align", "shift", "row"),
                _source("times", "x", "top", "text", "align", "shift", "row"),
                _source("outliers", "x", "y"),
                _source("atoms", "x", "low", "high", "mass"),
                _source("best", "tau", "test"),
                _source("best_score", "tau", "score_error"),
                _source("map", "left", "right", "bottom", "top", "psi_n", "psi_p", "ratio"),
                _source("merged", "left", "right", "bottom", "top"),
                _source("here", "psi_n", "psi_p"),
                _source("own_law", "x", "height"),
                _source("own_train", "tau", "loss"),
                _source("own_test", "tau", "loss"),
            )
        }
        self.spectrum = self._spectrum()
        self.losses = self._losses()
        self.score = self._score()
        self.map = self._map()
        self.panels = (self.spectrum, self.losses, self.score, self.map)

    def _spectrum(self) -> Any:
        panel = _panel("spectrum", 390, x_axis_type="log", y_axis_type="log")
        panel.yaxis.axis_label = "density of ln(λ − λ₀)"
        panel.xaxis.axis_label = "distance from the floor, λ − λ₀"
        _dotted(panel, self.sources["marks"])
        bulks = panel.patches(
            "xs", "ys", source=self.sources["bulks"], fill_color="colour", line_color="colour",
            fill_alpha=0.3, line_width=1.6,
        )  # fmt: skip
        panel.segment(
            "x", "low", "x", "high", source=self.sources["thin"], color="colour", line_width=1
        )
        panel.line("x", "height", source=self.sources["own_law"], color=INK, line_width=1.2)
        panel.scatter(
            "x", "y", source=self.sources["outliers"], marker="inverted_triangle", size=10,
            color=VERMILION, line_color="white",
        )  # fmt: skip
        panel.segment(
            "x", "low", "x", "high", source=self.sources["atoms"], color=INK, line_width=5
        )
        panel.scatter(
            "x", "high", source=self.sources["atoms"], marker="triangle", size=12, color=INK
        )
        tips = [("", "@name bulk, mass @mass{0.[0000]}"), ("λ", "@low{0.00e+0} to @high{0.00e+0}")]
        panel.add_tools(HoverTool(renderers=[bulks], tooltips=tips, point_policy="follow_mouse"))
        return panel

    def _losses(self) -> Any:
        panel = _panel("losses", 232, x_axis_type="log")
        panel.yaxis.axis_label = "loss"
        panel.xaxis[0].update(major_label_text_font_size="1px", major_label_text_alpha=0.0)
        # A linear axis where it can show the losses and a logarithmic one where it cannot.
        self._logarithmic = LogAxis(
            axis_label="loss", visible=False, ticker=FixedTicker(ticks=[]),
            formatter=BasicTickFormatter(), **_AXIS,
        )  # fmt: skip
        panel.add_layout(self._logarithmic, "left")
        self._window = BoxAnnotation(
            left=1.0, right=2.0, fill_color=SKY, fill_alpha=0.18, line_width=0, visible=False,
            name="window",
        )  # fmt: skip
        panel.add_layout(self._window)
        _dotted(panel, self.sources["times"])
        drawn = [
            panel.line("tau", name, source=self.sources["curves"], name=name, **look)
            for name, look in (
                ("test", {"color": BLUE, "line_width": 2.6}),
                ("train", {"color": ORANGE, "line_width": 1.6}),
                ("generalization", {"color": GREEN, "line_width": 2, "line_dash": "dashed"}),
            )
        ]
        self._gap = drawn[-1]
        panel.multi_line(
            "xs", "ys", source=self.sources["classes"], color="colour", line_dash="dash",
            line_width="width",
        )  # fmt: skip
        for name, colour in (("own_test", BLUE), ("own_train", ORANGE)):
            panel.scatter("tau", "loss", source=self.sources[name], size=4, color=colour, alpha=0.7)
        panel.scatter("tau", "test", source=self.sources["best"], **_BEST)
        tips = [("τ", "@tau{0.00e+0}"), ("train", "@train{0.[0000]}"), ("test", "@test{0.[0000]}")]
        panel.add_tools(HoverTool(renderers=drawn[:1], tooltips=tips, mode="vline"))
        return panel

    def _score(self) -> Any:
        panel = _panel(
            "score", 158, x_axis_type="log", y_axis_type="log", x_range=self.losses.x_range
        )
        panel.yaxis.axis_label = "score error"
        panel.yaxis[0].update(ticker=FixedTicker(ticks=[]), formatter=BasicTickFormatter())
        panel.xaxis.axis_label = "training time τ"
        self._window_below = self._window.clone(name="window_below")
        panel.add_layout(self._window_below)
        panel.segment("x", 1e-300, "x", 1e300, source=self.sources["times"], **_DOTS)
        drawn = panel.line(
            "tau", "score_error", source=self.sources["curves"], color=PURPLE, line_width=2
        )
        panel.scatter("tau", "score_error", source=self.sources["best_score"], **_BEST)
        tips = [("τ", "@tau{0.00e+0}"), ("score error", "@score_error{0.00e+0}")]
        panel.add_tools(HoverTool(renderers=[drawn], tooltips=tips, mode="vline"))
        return panel

    def _map(self) -> Any:
        axes = {name: (QUANTITIES[name].low, QUANTITIES[name].high) for name in ("psi_n", "psi_p")}
        panel = _panel(
            "map", 390, x_axis_type="log", y_axis_type="log", x_range=axes["psi_n"],
            y_range=axes["psi_p"], tools="tap",
        )  # fmt: skip
        panel.xaxis.axis_label = "samples per dimension, ψₙ"
        panel.yaxis.axis_label = "neurons per dimension, ψₚ"
        panel.grid.visible = False
        self._colours = LogColorMapper(palette=Viridis256, low=1.0, high=1e4, nan_color=_UNDEFINED)
        self._cells = panel.quad(
            left="left", right="right", bottom="bottom", top="top", source=self.sources["map"],
            fill_color={"field": "ratio", "transform": self._colours},
            line_color={"field": "ratio", "transform": self._colours}, line_width=0.7,
        )  # fmt: skip
        self._cells.selection_glyph = self._cells.nonselection_glyph = None
        panel.quad(
            left="left", right="right", bottom="bottom", top="top", source=self.sources["merged"],
            fill_color=None, line_color=None, hatch_pattern="right_diagonal_line",
            hatch_color="white", hatch_alpha=0.45, hatch_scale=8, hatch_weight=1,
        )  # fmt: skip
        diagonal = [max(a[0] for a in axes.values()), min(a[1] for a in axes.values())]
        panel.line(diagonal, diagonal, color="white", line_dash="dotted", line_width=1.4)
        for dimension, name in (("height", "psi_n"), ("width", "psi_p")):
            span = Span(location=1.0, dimension=dimension, line_color=INK, line_width=0.8)
            panel.add_layout(span)
            setattr(self, f"_at_{name}", span)
        panel.scatter(
            "psi_n", "psi_p", source=self.sources["here"], size=13, fill_color="white",
            line_color=INK, line_width=2,
        )  # fmt: skip
        panel.add_layout(
            ColorBar(
                color_mapper=self._colours, ticker=LogTicker(desired_num_ticks=5), width=10,
                major_label_text_font=FONT, major_label_text_font_size=_SMALL,
                major_label_text_color=INK, padding=6, margin=0,
            ),
            "right",
        )  # fmt: skip
        tips = [
            ("ψₙ", "@psi_n{0.[00]}"),
            ("ψₚ", "@psi_p{0.[00]}"),
            ("τ_mem/τ_gen", "@ratio{0.[0]}"),
        ]
        panel.add_tools(HoverTool(renderers=[self._cells], tooltips=tips))
        panel.js_on_event("tap", CustomJS(code="window.rmtspec.move(cb_obj.x, cb_obj.y)"))
        return panel

    def show(self, scene: Scene, overlay: Overlay | None) -> None:
        """Put the law and the curves of a state on the panels."""
        self._show_law(scene, overlay)
        self._show_curves(scene, overlay)
        here = {"psi_n": float(scene.model.psi_n), "psi_p": float(scene.model.psi_p)}
        self.sources["here"].data = {name: [value] for name, value in here.items()}
        for name, value in here.items():
            getattr(self, f"_at_{name}").location = value

    def _show_law(self, scene: Scene, overlay: Overlay | None) -> None:
        (left, right), (bottom, top) = scene.limits
        panel = self.spectrum
        _set_range(panel.x_range, left, right)
        _set_range(panel.y_range, bottom, top)
        floor = float(scene.model.spectrum().origin)
        panel.xaxis.axis_label = f"distance from the floor, λ − λ₀   (λ₀ = {floor:.4g})"
        drawn = [bulk for bulk in scene.bulks if np.any(bulk.line.height > 0.0)]
        low = bottom / 10.0
        self.sources["bulks"].data = {
            "xs": [_closed(b.line.distance, b.line.distance) for b in drawn],
            "ys": [_closed(np.maximum(b.line.height, low), [low, low]) for b in drawn],
            "colour": [b.colour for b in drawn],
            "name": [b.name for b in drawn],
            "mass": [b.mass for b in drawn],
            "low": [b.edges[0] for b in drawn],
            "high": [b.edges[1] for b in drawn],
        }
        thin = [(x, b.colour) for b in drawn if b.centres.size > 1 for x in b.centres.tolist()]
        self.sources["thin"].data = {
            "x": [x for x, _ in thin],
            "low": [low] * len(thin),
            "high": [bottom * (top / bottom) ** 0.04] * len(thin),
            "colour": [colour for _, colour in thin],
        }
        outliers = np.asarray(scene.model.spectrum().outliers) - floor
        outliers = outliers[np.isfinite(outliers) & (outliers > 0.0)]
        self.sources["outliers"].data = {
            "x": outliers,
            "y": np.full(outliers.size, bottom * 1.25),
        }
        atoms = [(max(x - floor, left), mass) for x, mass in scene.facts["atoms"]]
        self.sources["atoms"].data = {
            "x": [x for x, _ in atoms],
            "low": [low] * len(atoms),
            "high": [top * (bottom / top) ** 0.05] * len(atoms),
            "mass": [mass for _, mass in atoms],
        }
        families = scene.families
        marks = [(family["lower"] - floor, family["name"]) for family in families]
        self.sources["marks"].data = _marks(marks, left, right, top)
        x, height = (np.empty(0), np.empty(0)) if overlay is None else overlay.histogram(floor)
        self.sources["own_law"].data = {"x": x, "height": np.maximum(height, low)}

    def _show_curves(self, scene: Scene, overlay: Overlay | None) -> None:
        curves = scene.curves
        shown = (curves.tau > 0.0) & np.isfinite(curves.tau)
        names = ("tau", "train", "test", "generalization", "score_error")
        rows = {name: np.asarray(getattr(curves, name))[shown] for name in names}
        self.sources["curves"].data = rows
        first, last = rows["tau"][[0, -1]].tolist() if rows["tau"].size else (1.0, 1.0)
        if last <= first:  # steps may be so large that one time alone is left
            last = 10.0 * first
        _set_range(self.losses.x_range, first, last)
        of_classes = {
            f"{split}_{number}": getattr(one, split)[shown]
            for number, one in enumerate(scene.classes)
            for split in ("train", "test")
        }
        looks = {"train": ("dashed", 1.0), "test": ("solid", 1.6)}
        dashes = [looks[name[:-2]] for name in of_classes]
        self.sources["classes"].data = {
            "xs": [rows["tau"]] * len(of_classes),
            "ys": list(of_classes.values()),
            "name": list(of_classes),
            "colour": [one.colour for one in scene.classes for _ in looks],
            "dash": [dash for dash, _ in dashes],
            "width": [width for _, width in dashes],
        }
        self._scale(rows["train"], rows["test"], *of_classes.values())
        positive = rows["score_error"][rows["score_error"] > 0.0]
        if positive.size:
            low, high = positive.min() / 1.5, positive.max() * 1.5
            _set_range(self.score.y_range, low, high)
            self.score.yaxis[0].ticker.ticks = _ticks(low, high, 5)
        times = [(family["tau"], family["name"]) for family in scene.families]
        self.sources["times"].data = _marks(times, first, last, self.losses.y_range.end)
        own = {} if overlay is None else overlay.losses()
        for split in ("train", "test"):
            tau, loss = own.get(split, (np.empty(0), np.empty(0)))
            self.sources[f"own_{split}"].data = {"tau": tau, "loss": loss}

    def _scale(self, *rows: Any) -> None:
        """The axis of the losses, by the same rule as in the pictures."""
        both = np.concatenate(rows)
        both = both[np.isfinite(both)]
        top = float(both.max(initial=0.0))
        flat = bool(both.size and np.all(np.abs(both - 1.0) <= _FLAT))
        wide = top > _WIDE
        self._gap.visible = not flat
        panel, axes = self.losses, self.losses.yaxis
        if wide != isinstance(panel.y_scale, LogScale):
            panel.y_scale = LogScale() if wide else LinearScale()
            for axis in axes:
                axis.visible = isinstance(axis, LogAxis) == wide
            panel.ygrid[0].axis = next(a for a in axes if isinstance(a, LogAxis) == wide)
        if wide:
            least = float(both[both > 0.0].min())
            low, high = max(least, _LEAST_GAP * top) / 1.5, 2.5 * top
            _set_range(panel.y_range, low, high)
            self._logarithmic.ticker.ticks = _ticks(low, high, 7)
        elif flat:
            margin = max(0.08 * float(np.ptp(both)), 1e-9)
            _set_range(panel.y_range, float(both.min()) - margin, top + 2.0 * margin)
        else:
            _set_range(panel.y_range, 0.0, 1.2 * top if top > 0.0 else 1.0)

    def show_stopping(self, found: Stopping | None) -> None:
        """Mark when to stop, or that it is not known."""
        best = None if found is None or not np.isfinite(found.best.tau) else found.best
        here = best is not None and best.tau > 0.0
        for name, column in (("best", "test"), ("best_score", "score_error")):
            value = getattr(best, column) if here else np.nan
            known = bool(np.isfinite(value))
            self.sources[name].data = {
                "tau": [best.tau] if best is not None and known else [],
                column: [value] if known else [],
            }
        ends = (0.0, 0.0)
        if found is not None:
            ends = found.window.tau_gen_loss, found.window.tau_mem_loss
        left, right = self.losses.x_range.start, self.losses.x_range.end
        seen = ends[0] < ends[1] and ends[0] < right and ends[1] > left
        for band in (self._window, self._window_below):
            if seen:
                band.update(left=max(ends[0], left), right=min(ends[1], right))
            band.visible = bool(seen)

    def show_map(self, found: Map) -> None:
        """Colour the map."""
        cells = found.cells()
        merged = np.asarray(cells.pop("merged"), dtype=bool)
        self.sources["map"].data = cells
        self.sources["merged"].data = {
            side: np.asarray(cells[side])[merged] for side in ("left", "right", "bottom", "top")
        }
        known = found.ratio[np.isfinite(found.ratio)]
        if known.size:
            self._colours.update(low=float(known.min()), high=max(float(known.max()), 1.01))
        self.fade(False)

    def fade(self, faded: bool) -> None:
        """Whether the map is that of a setting left behind."""
        self._cells.glyph.fill_alpha = 0.35 if faded else 1.0


_AXIS: dict[str, Any] = {
    "axis_label_text_font": FONT,
    "axis_label_text_font_size": _TEXT,
    "axis_label_text_font_style": "normal",
    "axis_label_text_color": INK,
    "axis_label_standoff": 4,
    "major_label_text_font": FONT,
    "major_label_text_font_size": _SMALL,
    "major_label_text_color": INK,
    "axis_line_color": INK,
    "major_tick_line_color": INK,
    "minor_tick_line_color": "#999999",
    "major_tick_in": 0,
    "minor_tick_out": 2,
}
_DOTS: dict[str, Any] = {"color": INK, "line_width": 1.0, "line_dash": "dotted"}
_BEST: dict[str, Any] = {
    "size": 9, "fill_color": "white", "line_color": INK, "line_width": 1.6,
}  # fmt: skip


def _panel(name: str, height: int, *, tools: str = "", **settings: Any) -> Any:
    settings.setdefault("x_range", (0.1, 10.0))
    settings.setdefault("y_range", (0.1, 10.0))
    panel = figure(
        name=f"panel_{name}", height=height, sizing_mode="stretch_width", toolbar_location=None,
        tools=tools, **settings,
    )  # fmt: skip
    for axis in panel.axis:
        axis.update(**_AXIS)
    panel.outline_line_color = None
    panel.grid.grid_line_color = "#ececec"
    panel.min_border_left = 64  # panels below each other have their axes below each other
    panel.min_border_right = 14
    panel.min_border_top = 6
    panel.background_fill_color = panel.border_fill_color = "white"
    return panel


def _dotted(panel: Any, source: ColumnDataSource) -> None:
    """Dotted lines with their names on top."""
    panel.segment("x", 1e-300, "x", "top", source=source, **_DOTS)
    panel.text(
        "x", "top", text="text", source=source, text_font={"value": FONT}, text_font_size=_SMALL,
        text_color=INK, text_align="align", text_baseline="top", x_offset="shift", y_offset="row",
    )  # fmt: skip


def _marks(
    places: list[tuple[float, str]], left: float, right: float, top: float
) -> dict[str, list[Any]]:
    """Names of places on a logarithmic axis, one below the other where they are near."""
    inside = sorted((x, name) for x, name in places if left <= x <= right)
    spans = [math.log(x / left) / math.log(right / left) for x, _ in inside]
    rows, at_right = [0] * len(inside), [span > 1.0 - _NAME_WIDTH for span in spans]
    for place in range(1, len(inside)):
        if spans[place] - spans[place - 1] < _NAME_WIDTH * (1 + at_right[place]):
            rows[place] = rows[place - 1] + 1
    return {
        "x": [x for x, _ in inside],
        "top": [top] * len(inside),
        "text": [name for _, name in inside],
        "align": ["right" if there else "left" for there in at_right],
        "shift": [-4.0 if there else 4.0 for there in at_right],
        "row": [4.0 + 14.0 * row for row in rows],
    }


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Ticks of a logarithmic axis: at 1, 2 and 5 where there is room, else at powers of ten."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks: list[float] = []
    for every, digits in ((1, (1.0, 2.0, 5.0)), (1, (1.0,)), (2, (1.0,)), (5, (1.0,))):
        powers = range(first - first % every, last + 1, every)
        ticks = [digit * 10.0**power for power in powers for digit in digits]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= most:
            break
    return ticks


def _closed(middle: Any, ends: Any) -> Any:
    """A line with its two ends put before and behind it."""
    return np.concatenate([[ends[0]], middle, [ends[-1]]])


def _set_range(range_: Any, start: float, end: float) -> None:
    range_.update(start=float(start), end=float(end))
