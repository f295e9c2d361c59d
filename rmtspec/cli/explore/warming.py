"""Everything that the page can ask, asked once: what is compiled then is not compiled later."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from .beside import tell
from .diagram import refine
from .page import Context
from .scene import Scene, Stopping, population_of
from .state import State

_POINTS_OF_MAP = 12


def states(context: Context) -> list[State]:
    """One state for each way that the numbers of the page can be made."""
    plain = State(psi_p=8.0, psi_n=4.0)
    asked = [replace(plain, population=name, dimension=12) for name in context.populations]
    asked += [
        replace(plain, ridge=0.01),
        replace(plain, step=0.5),
        replace(plain, step=0.5, momentum=0.5, ridge=0.01),
        replace(plain, psi_p=0.5),
    ]
    return asked


def warm(context: Context) -> None:
    """Ask for them all."""
    for state in states(context):
        scene = tell(lambda state=state: Scene.of(state, context.rows)).answer  # type: ignore[misc]
        if scene is not None:
            tell(lambda scene=scene: Stopping.of(scene))  # type: ignore[misc]
    tell(lambda: list(islice(refine(State(), population_of(State(), None)), _POINTS_OF_MAP)))
