"""`rmtspec sweep NAME`: a phase diagram, and its picture."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ..inputs.population import PopulationSpectrum
from ..random_features.model import TRUSTED_PARTICIPATION
from ..result import FewDimensionsWarning, caller_level
from ..sweeps.diagrams import DIAGRAMS, Diagram
from ..sweeps.problems import BUILT_IN
from . import data, options
from .groups import Outcome, add_data, add_output

HELP = "phase diagrams: gap, training times, best stopping, memorisation, divergences"
DESCRIPTION = (
    "A phase diagram over two parameters: computed on all cores or on a Dask cluster, drawn with "
    "--plot. With --store a sweep that was ended at any moment is continued by the same command."
)

_SECONDS_TO_CONNECT = 10


class SweepError(Exception):
    """The input was good, and yet there is no diagram: blocks were lost, or no point succeeded."""


class Terminated(KeyboardInterrupt):
    """SIGTERM (of kill, timeout or a scheduler), which ends a sweep as Ctrl-C does: workers too."""


EXAMPLE = "rmtspec sweep timescales --store timescales.zarr --plot timescales.png"


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Declare the command and, below it, one a diagram."""
    command: argparse.ArgumentParser = commands.add_parser(
        "sweep", help=HELP, description=DESCRIPTION, epilog=f"example: {EXAMPLE}"
    )
    names = command.add_subparsers(
        metavar="NAME", required=True, parser_class=type(command), dest="name"
    )
    for diagram in DIAGRAMS.values():
        one: argparse.ArgumentParser = names.add_parser(
            diagram.name,
            help=diagram.question,
            description=diagram.question,
            epilog=f"example: rmtspec sweep {diagram.name} --plot {diagram.name}.png",
        )
        one.set_defaults(diagram=diagram, error=one.error)
        _add_options(one, diagram)
        add_data(one, at_own_size=False)
        add_output(one)
    return command


def _add_options(command: argparse.ArgumentParser, diagram: Diagram) -> None:
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


def run(arguments: argparse.Namespace) -> Outcome:
    """The summary of the diagram, and its picture."""
    diagram: Diagram = arguments.diagram
    asked = {name: getattr(arguments, name) for name in (*diagram.coords, *diagram.optional)}
    asked = {name: value for name, value in asked.items() if value is not None}
    law = data.law_of(arguments, axes=diagram.axes)
    given, measured, source, errors = data.read(arguments), None, None, None
    if given is not None:
        source = given.source
        measured, errors = given.population(law, _spread)
        asked["population"] = measured
        _warn_of_few_dimensions(measured, diagram)
    with _ended_by_sigterm(), _client(arguments.scheduler) as client:
        try:
            found = diagram.compute(
                client=client,
                store=arguments.store,
                progress=sys.stderr.isatty(),
                workers=arguments.workers,
                chunk=arguments.chunk,
                **asked,
            ).load()
        except RuntimeError as problem:
            raise SweepError(str(problem)) from problem

    def draw(path: Path) -> None:
        from matplotlib.figure import Figure

        from ..plots.style import save
        from ..plots.sweeps import figure_size, plot_diagram

        figure = Figure(figsize=figure_size(found), layout="constrained")
        save(plot_diagram(found, figure), path)

    summary = diagram.summary(
        found, population=measured, source=source, store=arguments.store, errors=errors
    )
    return Outcome(summary, {"plot": draw})


def _spread(population: PopulationSpectrum) -> dict[str, float]:
    """What is known of a population before anything is computed."""
    rest = population.weights @ (1.0 / (1.0 + population.eigenvalues / population.mean))
    return {
        "participation ratio": population.participation_ratio,
        "Tr (1 + Sigma/mean)^-1": float(rest),
    }


def _warn_of_few_dimensions(measured: PopulationSpectrum, diagram: Diagram) -> None:
    if measured.participation_ratio < TRUSTED_PARTICIPATION and "psi_p" in diagram.axes:
        warnings.warn(
            f"the data have a participation ratio of {measured.participation_ratio:.1f}, below "
            f"{TRUSTED_PARTICIPATION:g}: the fast bulk and losses up to the best stopping time "
            "can be trusted to some per cent, tau_mem, tau_slow and late losses cannot",
            FewDimensionsWarning,
            stacklevel=caller_level(),
        )


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM, whose default leaves worker processes behind."""
    if threading.current_thread() is not threading.main_thread():  # others may set no handler
        yield
        return

    def end(*_: Any) -> NoReturn:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


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
            "argument --scheduler: needs distributed: pip install '.[sweep]'"
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
