"""The page around the panels: what it is made of, and what each window starts with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import Any

from jinja2 import Environment, Template

from ...plots import style
from .diagram import Map
from .overlay import MOST_BYTES, Overlay
from .scene import Rows
from .state import ACTIVATIONS, GIVEN, OF_ROWS, POPULATIONS, QUANTITIES, State

_MOST_MAPS = 100


@dataclass(frozen=True)
class Context:
    """What the command was given, which all windows have in common and none changes.

    Attributes
    ----------
    rows, overlay : what is one's own
    populations : that can be had, each with its name and the values that it asks for
    start : state of a window whose address asks for nothing
    maps : finished ones, by what they depend on; no window has to make them again
    """

    rows: Rows | None = None
    overlay: Overlay | None = None
    populations: Mapping[str, tuple[str, tuple[str, ...]]] = field(init=False)
    start: State = field(init=False)
    maps: dict[State, Map] = field(init=False, default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        known = POPULATIONS if self.rows is None else {**OF_ROWS, **POPULATIONS}
        start = State()
        if self.rows is not None:
            n = QUANTITIES["psi_n"]
            start = State(population="rows", psi_n=min(max(self.rows.load, n.low), n.high))
        object.__setattr__(self, "populations", known)
        object.__setattr__(self, "start", start)

    def keep(self, state: State, found: Map) -> None:
        """Keep a finished map, in the place of the oldest if there are many."""
        while len(self.maps) >= _MOST_MAPS:
            del self.maps[next(iter(self.maps))]
        self.maps[state] = found

    @cached_property
    def template(self) -> Template:
        """The page, as a document's template."""
        here = files(__package__)
        # What is written into the page is escaped; Bokeh's own parts are marked as safe there.
        return Environment(autoescape=False).from_string((here / "page.html").read_text("utf-8"))

    @cached_property
    def variables(self) -> dict[str, Any]:
        """What the template is filled with."""
        here = files(__package__)
        return {
            "css": (here / "page.css").read_text("utf-8"),
            "script": (here / "page.js").read_text("utf-8"),
            "colours": {
                name: getattr(style, name)
                for name in ("BLUE", "ORANGE", "GREEN", "PURPLE", "SKY", "VERMILION", "INK")
            },
            "quantities": QUANTITIES,
            "activations": ACTIVATIONS,
            "populations": self.populations,
            "source": "" if self.rows is None else self.rows.data.source,
            "config": {
                "quantities": {name: one._asdict() for name, one in QUANTITIES.items()},
                "populations": {name: list(asks) for name, (_, asks) in self.populations.items()},
                "given": list(GIVEN),
                "start": self.start.values(),
                "most_bytes": MOST_BYTES,
            },
        }
