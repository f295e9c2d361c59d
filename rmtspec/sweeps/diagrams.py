r"""The phase diagrams known by name.

================  ==============================================================================
name              question
================  ==============================================================================
``gap``           Where does a gap part the eigenvalues that carry the population from the rest?
``timescales``    How much later does a model memorise than generalise?
``stopping``      When should training stop, and how good is the model then?
``memorisation``  Which models have memorised their samples by a given training time?
``kl``            How far from the data is what a linear denoiser samples, and which ridge is best?
================  ==============================================================================

A diagram is a sweep with a grid of its own and with what is worth drawing of it;
`rmtspec.plots.sweeps.plot_diagram` draws it.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from ..inputs.population import PopulationSpectrum
from .grid import FAILURE, Grid
from .problems import BUILT_IN
from .summary import DiagramSummary
from .sweep import sweep

if TYPE_CHECKING:
    import distributed
    import xarray

_POINTS = 40  # along an axis


@dataclass(frozen=True)
class Diagram:
    """A phase diagram: two axes, what is computed over them, and what is drawn.

    Attributes
    ----------
    name : as in `DIAGRAMS`
    question : that it answers
    problem : the sweep that fills it
    axes : names of the horizontal and the vertical axis
    coords : axes and fixed arguments, unless others are asked for
    optional : names of further arguments that may be given
    drawn : variables drawn, one map each
    panels : argument that has one map for each of its values; "" for none
    boundary : another sweep, over the vertical axis alone, whose result is a line on the map; ""
        for none
    """

    name: str
    question: str
    problem: str
    axes: tuple[str, str]
    coords: Mapping[str, Any] = field(repr=False)
    optional: tuple[str, ...]
    drawn: tuple[str, ...]
    panels: str = ""
    boundary: str = ""

    def compute(
        self,
        *,
        client: distributed.Client | None = None,
        store: str | os.PathLike[str] | None = None,
        progress: bool = True,
        workers: int | None = None,
        chunk: int | None = None,
        **overrides: Any,
    ) -> xarray.Dataset:
        """Compute the diagram by `rmtspec.sweep`.

        Parameters
        ----------
        client, store, progress, workers, chunk
            As for `rmtspec.sweep`.  A diagram with a boundary keeps two sweeps in its store, named
            after their problems.
        **overrides
            Other values than those of `coords`, or one of the `optional` arguments.  An axis is a
            list of at least two ascending numbers > 0; of the rest only the argument of `panels`
            may be a list.

        Returns
        -------
        xarray.Dataset
            As of `rmtspec.sweep`, with the attribute ``diagram``, the name.  With a boundary there
            are also that line and, in ``boundary_failure``, why points of it failed.

        Raises
        ------
        TypeError, ValueError
            Before any work: if an argument is not one of the diagram, or of the wrong kind or out
            of range.
        RuntimeError, ImportError
            As `rmtspec.sweep`.

        Warns
        -----
        ConvergenceWarning
            Once a sweep, if points failed; they are NaN.

        Examples
        --------
        >>> from rmtspec.sweeps.diagrams import DIAGRAMS
        >>> data = DIAGRAMS["gap"].compute(psi_p=[4, 64], psi_n=[4, 16, 64], progress=False)
        >>> data.gap.dims, bool((data.gap > 0.0).all())
        (('psi_p', 'psi_n'), True)
        """
        coords = self._coords(overrides)
        problems = [self.problem, self.boundary] if self.boundary else [self.problem]
        for problem in problems:
            BUILT_IN[problem].check_values(_taken(problem, coords))

        folder = ""
        if self.boundary and isinstance(store, (str, os.PathLike)):
            folder = os.fspath(store)
        if folder and Path(folder, "zarr.json").exists():
            raise ValueError(f"store must be a new path or one of {self.name}, got {folder}")

        def computed(problem: str) -> xarray.Dataset:
            # What is no path goes to the sweep as it is, which says so.
            own = os.path.join(folder, problem) if folder else store
            return sweep(
                problem,
                _taken(problem, coords),
                client=client,
                store=own,
                progress=progress,
                workers=workers,
                chunk=chunk,
            )

        data = computed(self.problem)
        if self.boundary:
            line = computed(self.boundary)
            data = data.assign({"boundary": line.boundary, f"boundary_{FAILURE}": line[FAILURE]})
            data.attrs["failed"] += line.attrs["failed"]
        return data.assign_attrs(diagram=self.name)

    def summary(
        self,
        data: xarray.Dataset,
        *,
        population: PopulationSpectrum | None = None,
        source: str | None = None,
        store: str | os.PathLike[str] | None = None,
        errors: Mapping[str, float] | None = None,
    ) -> DiagramSummary:
        """Grid, ranges, shares of the phases and failures, as values and as tables.

        Parameters
        ----------
        data : xarray.Dataset
            As `compute` makes it.
        population : PopulationSpectrum, optional
            The one that was given; its samples are described.
        source, store : optional
            Where the data behind it are from, and where the sweep is kept.
        errors : mapping from str to float, optional
            Relative errors of numbers, by name, because the population is estimated from samples.

        Raises
        ------
        ValueError
            If the data are not those of this diagram.
        """
        if getattr(data, "attrs", {}).get("diagram") != self.name:
            raise ValueError(
                f"data must be those of the diagram {self.name}, got {_checks.shown(data)}"
            )
        return DiagramSummary.of(self, data, population, source, store, errors)

    def _coords(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of all sweeps, checked for what a picture with two axes needs."""
        known = (*self.coords, *self.optional)
        for name in overrides:
            if name not in known:
                hint = _checks.did_you_mean(name, known)
                raise TypeError(f"{self.name} takes {', '.join(known)}, got {name!r}{hint}")
        coords = {**self.coords, **overrides}
        for name, value in coords.items():
            if name in self.axes:
                coords[name] = _ascending(name, value, 2)
            elif name == self.panels:
                coords[name] = _ascending(name, value, 1)
            elif Grid.of({name: value}).axes:
                raise ValueError(
                    f"{name} must be a single value in the diagram {self.name} (rmtspec.sweep "
                    f"takes lists), got {_checks.shown(value)}"
                )
        return coords


def _ascending(name: str, value: Any, least: int) -> Any:
    values = np.atleast_1d(_checks.real_array(name, value, 0.0, infinite=least == 1))
    if values.ndim != 1 or len(values) < least or not np.all(np.diff(values, prepend=0.0) > 0.0):
        number = "two or more ascending numbers" if least == 2 else "ascending numbers"
        raise ValueError(f"{name} must be {number} > 0, got {values.tolist()!r:.80}")
    return values


def _taken(problem: str, coords: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the arguments that a sweep takes."""
    parameters = inspect.signature(BUILT_IN[problem].function).parameters
    return {name: value for name, value in coords.items() if name in parameters}


def _decades(low: float, high: float) -> Any:
    return np.geomspace(low, high, _POINTS)


def _ratios(low: float, high: float) -> dict[str, Any]:
    return {"psi_p": _decades(low, high), "psi_n": _decades(low, high)}


DIAGRAMS: dict[str, Diagram] = {
    diagram.name: diagram
    for diagram in (
        Diagram(
            "gap",
            "Where does a gap part the eigenvalues that carry the population from the rest?",
            "edges",
            ("psi_n", "psi_p"),
            {**_ratios(0.1, 1e3), "t": 0.01, "activation": "tanh"},
            ("population",),
            ("gap",),
        ),
        Diagram(
            "timescales",
            "How much later does a model memorise than generalise?",
            "timescales",
            ("psi_n", "psi_p"),
            {**_ratios(0.5, 1e3), "t": 0.01, "activation": "tanh"},
            ("population",),
            ("ratio",),
        ),
        Diagram(
            "stopping",
            "When should training stop, and how good is the model then?",
            "stopping",
            ("psi_n", "psi_p"),
            {**_ratios(0.5, 500.0), "t": 0.1, "activation": "tanh"},
            ("population", "step", "momentum", "ridge", "initial"),
            ("tau", "test"),
        ),
        # Time and axes as in Figs. 3 and 5C of arXiv 2505.17638.
        Diagram(
            "memorisation",
            "Which models have memorised their samples by a given training time?",
            "learning_curves",
            ("psi_n", "psi_p"),
            {
                **_ratios(0.5, 500.0),
                "tau": np.array([1e3, 1e4]),
                "t": 0.1,
                "gap": 0.1,
                "activation": "tanh",
            },
            ("population",),
            ("generalization",),
            "tau",
            "memorisation",
        ),
        Diagram(
            "kl",
            "How far from the data is what a linear denoiser samples, and which ridge is best?",
            "linear",
            ("load", "c"),
            {"load": _decades(0.1, 100.0), "c": _decades(1e-4, 10.0)},
            ("population",),
            ("kl_data_model", "kl_model_data"),
        ),
    )
}
"""Every diagram by its name."""
