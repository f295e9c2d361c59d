"""`rmtspec compare`: eigenvalues or learning curves of a simulation beside what theory says."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from ..compare.comparison import NULLS, compare
from . import options
from .groups import Outcome, add_data, add_model, add_output, add_spikes
from .spectrum import model_of

HELP = "eigenvalues or learning curves of your simulation beside theory, in standard deviations"
DESCRIPTION = (
    "Reads eigenvalues of the random-feature matrix U (.npy or .npz of shape (p,) or (draws, p), "
    "or a .csv or .txt of them, a row a draw), or learning curves (.csv with a column tau or step "
    "and either train and test or split and loss; a column draw, seed or run tells networks "
    "apart), and compares them with a model: sums over eigenvalues with their exact means and "
    "covariances, atom, edges and outliers. It says which null was used, and gives no p-value "
    "that cannot be defended."
)
EXAMPLE = "rmtspec compare eigenvalues.npy --psi-p 8 --psi-n 4 --t 0.1 --dimension 200 --plot c.png"


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Declare the command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "compare", help=HELP, description=DESCRIPTION, epilog=f"example: {EXAMPLE}"
    )
    command.add_argument("file", metavar="FILE", help="eigenvalues or learning curves")
    add_model(command)
    add_data(command)
    add_spikes(command)
    add = command.add_argument_group("comparison").add_argument
    add(
        "--dimension",
        type=options.integer,
        metavar="D",
        help="d (default: number of eigenvalues over psi_p)",
    )
    add(
        "--null",
        choices=NULLS,
        default="gaussian",
        help="gaussian: Gaussian matrices by formula (default); simulate: the same, drawn; "
        "calibrated: features of the activation itself, with their shift from small matrices",
    )
    add("--null-draws", type=options.integer, metavar="N", help="number of matrices drawn for it")
    add("--seed", type=options.integer, default=0, metavar="N", help="of these (default: 0)")
    add("--learning-rate", type=options.number, metavar="R", help="of curves over steps")
    add_output(command)
    return command


def run(arguments: argparse.Namespace) -> Outcome:
    """The comparison, and its picture."""
    model = model_of(arguments).model
    try:
        found = compare(
            arguments.file,
            model,
            arguments.dimension,
            arguments.null,
            rng=arguments.seed,
            null_draws=arguments.null_draws,
            learning_rate=arguments.learning_rate,
            progress=sys.stderr.isatty(),
        )
    except OSError as problem:  # of reading: main takes others for those of writing
        raise ValueError(f"observed: {problem}") from None

    def draw(path: Path) -> None:
        from matplotlib.figure import Figure

        from ..plots import titles
        from ..plots.style import save

        figure = Figure(figsize=(7.0, 5.6), layout="constrained")
        titles.put(figure, titles.with_symbols(found["model"]))
        found.plot(figure.subplots(2, 1, sharex=True, height_ratios=(3, 2)))
        save(figure, path)

    source = {**found.values, "source": arguments.file}
    return Outcome(dataclasses.replace(found, values=source), {"plot": draw})
