"""`rmtspec linear`: linear denoisers against samples per dimension."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..inputs.noise import signal, signal_of_time
from ..inputs.population import PopulationSpectrum
from ..linear.denoiser import LinearDenoiser
from . import data, options
from .groups import Outcome, T, add_data, add_output

FloatArray = NDArray[np.float64]

_LOADS = "0.1:100:13"

HELP = "losses, divergences and distances of linear denoisers against n/d"
DESCRIPTION = (
    "Denoisers of the form W x + b fitted to n samples in d dimensions: training and test loss, "
    "distance to the optimal map and between the maps of two data sets, and both divergences "
    "between the data and what is sampled, averaged over data sets. With --data the population "
    'is the one fitted to the rows. In JSON an infinite divergence is the string "inf".'
)
EXAMPLE = "rmtspec linear --power-law 1:200 --c 0.01 --plot linear.png"


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Declare the command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "linear", help=HELP, description=DESCRIPTION, epilog=f"example: {EXAMPLE}"
    )
    _add_model(command)
    add_data(command, at_own_size=False)
    add_output(command)
    return command


def run(arguments: argparse.Namespace) -> Outcome:
    """The summary over the loads, and its picture."""
    level = _level(arguments)
    law = data.law_of(arguments, load=arguments.load)
    given = data.read(arguments)
    population = arguments.population or PopulationSpectrum.isotropic()
    loads, own, source, errors = arguments.load, None, None, None
    if given is not None:
        own, source = given.rows.shape[0] / given.rows.shape[1], given.source
        loads = np.union1d(loads, own)

        def losses(population: PopulationSpectrum) -> dict[str, float]:
            one = LinearDenoiser(population, own, arguments.c)
            return {
                "train loss": float(one.train_loss(level)),
                "test loss": float(one.test_loss(level)),
                "alignment": float(one.alignment(level)),
            }

        population, errors = given.population(law, losses)
    size = _dimension(arguments, population)

    def model(loads: FloatArray) -> LinearDenoiser:
        if arguments.corrected and size is not None:
            # Each average is over data sets of a whole number of samples.
            least = 2 if arguments.empirical_mean else 1
            loads = np.unique(np.maximum(np.rint(loads * size), least)) / size
        return LinearDenoiser(
            population,
            loads,
            arguments.c,
            dimension=arguments.dimension,
            empirical_mean=arguments.empirical_mean,
        )

    def draw(path: Path) -> None:
        from matplotlib.figure import Figure

        from ..plots import titles
        from ..plots.linear import plot_against_load
        from ..plots.style import save

        figure = Figure(figsize=(11.0, 3.8), layout="constrained")
        ends = (loads[0], loads[-1]) if loads.size > 1 else (loads[0] / 10.0, loads[0] * 10.0)
        dense = np.union1d(np.geomspace(*ends, 400), loads)
        titles.put(figure, titles.of_linear(model(loads), level))
        axes = figure.subplots(1, 3, sharex=True)
        plot_against_load(model(dense), level, axes, corrected=arguments.corrected, own_load=own)
        save(figure, path)

    summary = model(loads).summary(
        level, corrected=arguments.corrected, source=source, errors=errors
    )
    return Outcome(summary, {"plot": draw})


def _add_model(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("model")
    level = group.add_mutually_exclusive_group()
    level.add_argument(
        "--t", type=options.number, metavar="X", help="diffusion time (default: 0.01)"
    )
    level.add_argument(
        "--alpha-bar", type=options.number, metavar="X", help="signal e^(-2t), in place of --t"
    )
    add = group.add_argument
    add(
        "--load",
        type=options.loads,
        default=_LOADS,
        metavar="LIST",
        help="values of n/d, as in 0.5,1,2, or FIRST:LAST:COUNT evenly spaced in the logarithm "
        f"(default: {_LOADS})",
    )
    add(
        "--c",
        type=options.number,
        default=0.0,
        metavar="X",
        help="ridge in variance units (default: 0)",
    )
    add(
        "--corrected",
        action="store_true",
        help="add the order 1/d, for Gaussian data; n is rounded to whole samples; not for the "
        "distance between two data sets",
    )
    add(
        "--dimension",
        type=options.integer,
        metavar="D",
        help="d, where the population does not tell it",
    )
    add(
        "--empirical-mean",
        action="store_true",
        help="data are centred with their own mean; counts with --corrected only",
    )


def _level(arguments: argparse.Namespace) -> float:
    """The signal, from itself or from the diffusion time."""
    if arguments.alpha_bar is not None:
        return float(signal("alpha_bar", arguments.alpha_bar))
    time = T if arguments.t is None else arguments.t
    level = float(signal_of_time(time))
    if level == 1.0:
        raise ValueError(f"t must be large enough for e^(-2t) to differ from 1, got {time!r}")
    return level


def _dimension(arguments: argparse.Namespace, population: PopulationSpectrum) -> int | None:
    """That of the population, or the one asked for."""
    size = population.dimension
    if arguments.dimension is not None:
        if size is not None:
            raise ValueError(
                f"argument --dimension: not allowed where the population has dimension {size}, "
                f"got {arguments.dimension}"
            )
        size = _checks.integer("dimension", arguments.dimension, 1)
    if arguments.corrected and size is None:
        raise ValueError(
            "argument --corrected: needs --dimension D where the population has no dimension of "
            "its own"
        )
    return size
