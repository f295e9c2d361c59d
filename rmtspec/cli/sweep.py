"""`rmtspec sweep NAME`: its options, the diagram they ask for, and its picture."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..inputs.population import PopulationSpectrum
from ..random_features.model import TRUSTED_PARTICIPATION
from ..result import FewDimensionsWarning, caller_level
from ..sweeps.diagrams import Diagram
from ..sweeps.problems import BUILT_IN
from ..sweeps.summary import sweep_report
from . import options

DESCRIPTION = (
    "A phase diagram over two parameters: computed on all cores or on a Dask cluster, drawn with "
    "--plot. With --store a sweep that was ended at any moment is continued by the same command."
)

_SECONDS_TO_CONNECT = 10


class SweepError(Exception):
    """The input was good, and yet there is no diagram: blocks were lost, or no point succeeded."""


def add_options(command: argparse.ArgumentParser, diagram: Diagram) -> None:
    """Options of one diagram's parameters, and of where it is computed and kept."""
    add = command.add_argument_group("parameters").add_argument
    for name, default in diagram.coords.items():
        listed = name in (*diagram.axes, diagram.panels)
        kind: Callable[[str], Any] = options.number
        if name == "activation":
            kind = str
        elif listed:
            kind = options.times if name == diagram.panels else options.loads
        form = ", as in 1,2,4 or FIRST:LAST:COUNT evenly spaced in the logarithm" * listed
        add(
            _option(name),
            type=kind,
            metavar="LIST" if listed else "NAME" if name == "activation" else "X",
            help=f"{_meaning(diagram, name)}{form} (default: {_shown(default)})",
        )
    for name in diagram.optional:
        if name != "population":
            text = f"{_meaning(diagram, name)} (default: 0)"
            add(_option(name), type=options.number, metavar="X", help=text)
    add = command.add_argument_group("computation").add_argument
    add(
        "--store",
        metavar="PATH",
        help="Zarr folder in which every finished block is kept; an unfinished one is continued",
    )
    add("--workers", type=options.integer, metavar="N", help="processes (default: all cores)")
    add("--chunk", type=options.integer, metavar="N", help="points a block (default: a second)")
    add("--scheduler", metavar="ADDRESS", help="of a running Dask cluster, as in tcp://host:8786")


def _meaning(diagram: Diagram, name: str) -> str:
    for problem in (diagram.problem, diagram.boundary):
        quantities = BUILT_IN[problem].quantities or {} if problem else {}
        if name in quantities:
            return quantities[name].long_name
    return name


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _shown(default: Any) -> str:
    if isinstance(default, np.ndarray):
        if default.size > 3:
            return f"{default[0]:g}:{default[-1]:g}:{default.size}"
        return ",".join(f"{value:g}" for value in default)
    return str(default)


def run(arguments: argparse.Namespace) -> tuple[dict[str, Any], Mapping[str, Callable[..., None]]]:
    """The report, and what draws the picture."""
    diagram: Diagram = arguments.diagram
    given = {name: getattr(arguments, name) for name in (*diagram.coords, *diagram.optional)}
    given = {name: value for name, value in given.items() if value is not None}
    rows, described = options.samples(arguments), None
    if rows is not None:
        measured = PopulationSpectrum.from_samples(rows)
        described = options.described(arguments.data, rows, measured)
        given["population"] = measured
        if measured.participation_ratio < TRUSTED_PARTICIPATION and "psi_p" in diagram.axes:
            warnings.warn(
                f"the data have a participation ratio of {measured.participation_ratio:.1f}, below "
                f"{TRUSTED_PARTICIPATION:g}: the fast bulk and losses up to the best stopping time "
                "can be trusted to some per cent, tau_mem, tau_slow and late losses cannot",
                FewDimensionsWarning,
                stacklevel=caller_level(),
            )
    with _client(arguments.scheduler) as client:
        try:
            data = diagram.compute(
                client=client,
                store=arguments.store,
                progress=sys.stderr.isatty(),
                workers=arguments.workers,
                chunk=arguments.chunk,
                **given,
            ).load()
        except RuntimeError as problem:
            raise SweepError(str(problem)) from problem

    def draw(path: Path) -> None:
        from matplotlib.figure import Figure

        from ..plots.spectra import save
        from ..plots.sweeps import figure_size, plot_diagram

        figure = Figure(figsize=figure_size(data), layout="constrained")
        save(plot_diagram(data, figure), path)

    return sweep_report(diagram, data, described, arguments.store), {"plot": draw}


@contextlib.contextmanager
def _client(address: str | None) -> Iterator[Any]:
    """A client of the cluster at that address; None without one."""
    if address is None:
        yield None
        return
    try:
        from distributed import Client
        from distributed.comm.core import connect
    except ImportError:
        raise ImportError(
            "argument --scheduler: needs distributed: pip install 'rmtspec[sweep]'"
        ) from None

    async def knock() -> None:
        comm = await connect(address, timeout=_SECONDS_TO_CONNECT)
        await comm.close()

    try:
        # A client that finds no scheduler would go on looking for it while it is closed.
        asyncio.run(knock())
    except (OSError, ValueError, TypeError) as problem:
        raise ValueError(
            f"argument --scheduler: must be the address of a running scheduler, got {address!r}: "
            f"{problem or type(problem).__name__}"
        ) from None
    with Client(address, timeout=_SECONDS_TO_CONNECT) as client:
        yield client
