"""Everything that the page can ask, asked once: what is compiled then is not compiled later."""

from __future__ import annotations

from functools import partial
from itertools import islice

import numpy as np

from ..data import Data
from .beside import tell
from .diagram import refine
from .scene import Rows, Scene, Stopping, data_of
from .state import GIVEN, State

_POINTS_OF_MAP = 12
_ROWS = 30, 3


def states(with_rows: bool) -> list[State]:
    """One state for each way in which the numbers of the page are made.

    Populations of all kinds, activations and rules of training go through the same kernels.
    """
    plain, classes = State(), State(population="two_classes")
    given = [State(population=name, psi_p=4.0) for name in GIVEN] if with_rows else []
    return [plain, State(step=0.5, momentum=0.5, ridge=0.01), classes, *given]


def warm(*, with_rows: bool) -> None:
    """Ask for them all, of few rows where there are rows: the kernels are those of many."""
    x = np.random.default_rng(0).standard_normal(_ROWS)
    rows = Rows(Data("", x)) if with_rows else None
    for state in states(with_rows):
        scene = tell(partial(Scene.of, state, rows)).answer
        if scene is not None:
            tell(partial(Stopping.of, scene))
    tell(lambda: list(islice(refine(State(), data_of(State(), None)), _POINTS_OF_MAP)))
