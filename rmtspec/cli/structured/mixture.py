"""`rmtspec mixture`: a score model of unequal classes of data."""

from __future__ import annotations

import argparse
from typing import Any

from ...structured.classes import UNITS
from .. import options
from ..groups import Outcome
from . import common

HELP = "unequal classes of data: bulks, outliers, losses and times of every class"
DESCRIPTION = (
    "A random-feature score model of a mixture of Gaussians at diffusion time t, classes of "
    "different weight, mean and covariance: the spectrum of its feature matrix, single "
    "eigenvalues, and when every class is learned (tau_gen), overfitted (tau_gap) and memorised "
    "(tau_mem)."
)
EXAMPLE = "rmtspec mixture --class 0.75:1:1 --class 0.25:0.36:-1 --t 0.1 --plot mixture.png"


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Declare the command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "mixture", help=HELP, description=DESCRIPTION, epilog=f"example: {EXAMPLE}"
    )
    add = command.add_argument_group("time and means").add_argument
    add("--t", type=options.number, default=0.1, metavar="X", help="diffusion time (default: 0.1)")
    add(
        "--mean-unit",
        choices=UNITS,
        default=UNITS[0],
        help="of means: sqrt(d) for separated classes (default), 1 for outliers",
    )
    common.add_shared(command, required=True)
    return command


def run(arguments: argparse.Namespace) -> Outcome:
    """The model's summary, and its picture."""
    from ...structured.mixture import MixtureModel

    model = MixtureModel(
        arguments.psi_p,
        arguments.psi_n,
        arguments.t,
        arguments.classes,
        arguments.direction_weights,
        arguments.activation,
        arguments.mean_unit,
        arguments.nodes,
    )
    return common.outcome(model, arguments)
