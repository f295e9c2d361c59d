"""`rmtspec stop`: when to stop training on one's own data, and what more of them would buy."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..random_features.stopping import stopping_report
from . import data, options
from .groups import Outcome, add_output

HELP = "when to stop training on your own data, and what more of them would buy"
DESCRIPTION = (
    "Standardises the rows, holds out a fifth of them, and asks the theory of random features "
    "given these very rows, by subsets of a quarter, a half and all of the rest and two random "
    "splits: when the model has generalised, when to stop, when it memorises, and what twice the "
    "data would do. Times are gradient-flow times tau = steps * rate / d^2 or, with "
    "--learning-rate, steps."
)
EXAMPLE = "rmtspec stop --data digits --psi-p 6 --t 0.1 --plot stop.png"


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Declare the command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "stop", help=HELP, description=DESCRIPTION, epilog=f"example: {EXAMPLE}"
    )
    add = command.add_argument_group("data and model").add_argument
    add(
        "--data",
        required=True,
        metavar="FILE",
        help="samples, one a row; 'digits' and 'photographs' are bundled",
    )
    add("--psi-p", type=options.number, default=6.0, metavar="X", help="p/d (default: 6)")
    add("--t", type=options.number, default=0.1, metavar="X", help="diffusion time (default: 0.1)")
    add("--activation", default="tanh", metavar="NAME", help="as of spectrum (default: tanh)")
    add("--learning-rate", type=options.number, metavar="R", help="show times in steps")
    add("--seed", type=options.integer, default=0, metavar="N", help="of the splits (default: 0)")
    add_output(command)
    return command


def run(arguments: argparse.Namespace) -> Outcome:
    """The report, and its picture."""
    given = data.load(arguments.data)
    report = stopping_report(
        given.rows,
        arguments.psi_p,
        arguments.t,
        arguments.activation,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
        source=given.source,
        progress=sys.stderr.isatty(),
    )

    def draw(path: Path) -> None:
        from matplotlib.figure import Figure

        from ..plots.style import save

        figure = Figure(figsize=(7.0, 4.0), layout="constrained")
        report.plot(figure.subplots())
        save(figure, path)

    return Outcome(report, {"plot": draw})
