"""`rmtspec curves`: learning curves of a model in training, and their two pictures."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inputs.population import PopulationSpectrum
from ..random_features.model import TRUSTED_PARTICIPATION, RandomFeatureModel
from ..random_features.summaries.times import (
    automatic_times,
    curves_beside,
    dense_times,
    in_whole_steps,
)
from ..random_features.training import Training
from ..result import FewDimensionsWarning, caller_level
from . import data, options
from .groups import Outcome, add_data, add_model, add_output, add_spikes
from .spectrum import Chosen, built, population_of, read_without_spikes

FloatArray = NDArray[np.float64]

HELP = "losses and score error over training time, the best stopping time, what bulks do"
DESCRIPTION = (
    "Train, test and generalisation loss (test minus train) and error to the true score of the "
    "random-feature score model over training time tau = steps * rate / d^2, in the limit of many "
    "neurons p, samples n and dimensions d; a model that does nothing has loss 1. With --data the "
    "curves are those given its very rows, of which a random fifth is held out for the test loss, "
    "or those of --held-out; with --law, --psi-n or --collapse those of fresh rows. In JSON an "
    'infinite time is the string "inf".'
)
EXAMPLE = "rmtspec curves --psi-p 64 --psi-n 8 --t 0.1 --plot curves.png"


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Declare the command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "curves", help=HELP, description=DESCRIPTION, epilog=f"example: {EXAMPLE}"
    )
    add_model(command)
    add_data(command)
    add_spikes(command)
    _add_training(command)
    add_output(command)
    return command


def run(arguments: argparse.Namespace) -> Outcome:
    """The summary of the training, and its pictures."""
    _refuse_what_does_not_go_together(arguments)
    chosen = _model(arguments)
    training = _trained(arguments, chosen.model)
    given = arguments.tau
    times = automatic_times(training) if given is None else in_whole_steps(training, given)
    beside = {}
    if arguments.collapse is not None:
        beside = curves_beside(training, arguments.collapse_psi_n, given)
    summary = training.summary(
        times,
        directions=arguments.direction,
        collapse=beside,
        source=chosen.source,
        held_out=chosen.held_out,
        errors=chosen.errors,
    )

    def draw(path: Path) -> None:
        shown = [direction["eigenvalue"] for direction in summary["directions"]]
        _draw(path, training, dense_times(training, times), shown)

    def draw_collapse(path: Path) -> None:
        from matplotlib.figure import Figure

        from ..plots import titles
        from ..plots.curves import plot_collapse
        from ..plots.style import save

        figure = Figure(figsize=(9.0, 3.8), layout="constrained")
        titles.put(figure, titles.parameters(training, psi_n=False))
        plot_collapse(beside, figure.subplots(1, 2))
        save(figure, path)

    return Outcome(summary, {"plot": draw, "collapse": draw_collapse})


def _add_training(command: argparse.ArgumentParser) -> None:
    """Options of training and of what is shown of it."""
    add = command.add_argument_group("training (default: gradient flow from zero)").add_argument
    for option, text in (
        ("--step", "what tau grows by in one step of gradient descent"),
        ("--momentum", "of heavy-ball descent, in [0, 1); needs --step"),
        ("--ridge", "added to every eigenvalue while training"),
        ("--initial", "standard deviation of the initial entries of A"),
    ):
        add(
            option,
            type=options.number,
            default=0.0,
            metavar="X",
            help=f"{text} (default: 0)",
        )
    add(
        "--prediction",
        type=options.prediction,
        metavar="NAME",
        help="what the network predicts: noise, data, v, velocity, edm, edm:DATA_SCALE, or U:W for "
        "U noise + W data (default: the score); losses are those of the target, and tau is the "
        "time of its loss of weight 1: 1/sigma^2 times faster than that of the score for noise",
    )
    add(
        "--weight",
        type=options.number,
        default=1.0,
        metavar="X",
        help="factor on the loss, and so on the clock (default: 1)",
    )
    add = command.add_argument_group("curves").add_argument
    add(
        "--tau",
        type=options.times,
        metavar="LIST",
        help="times, as in 0,1,10, or START:STOP:COUNT evenly spaced in the logarithm (default: "
        "where the losses change), shown in ascending order; the end of training, inf, is always "
        "a row of its own, in JSON curves.end; of more than 30 times the table shows 15",
    )
    add(
        "--direction",
        type=options.number,
        action="append",
        default=[],
        metavar="L",
        help="also the curves of a data direction of population eigenvalue L, a spike's for "
        "instance; with --held-out the nearest eigenvalue of the data; may be repeated",
    )
    add(
        "--held-out",
        metavar="FILE",
        help="rows that were not trained on, for the test loss of --data (default: a random fifth "
        "of its rows)",
    )
    add(
        "--collapse",
        type=options.target,
        metavar="FILE",
        help="draw generalisation losses of several psi_n against tau and tau/psi_n",
    )
    add(
        "--collapse-psi-n",
        type=options.loads,
        metavar="LIST",
        help="those psi_n (default: half, one, two and four times that of the model)",
    )


def _trained(arguments: argparse.Namespace, model: RandomFeatureModel) -> Training:
    return model.training(
        step=arguments.step,
        momentum=arguments.momentum,
        ridge=arguments.ridge,
        initial=arguments.initial,
        prediction=arguments.prediction,
        weight=arguments.weight,
    )


def _fresh_rows_by(arguments: argparse.Namespace, law: str) -> str:
    """The option that makes test rows fresh."""
    if arguments.law is None:
        return "--psi-n" if arguments.psi_n is not None else "--collapse"
    return f"--law {law}"


def _model(arguments: argparse.Namespace) -> Chosen:
    """The model asked for."""
    law = data.law_of(arguments, psi_n=arguments.psi_n, collapse=arguments.collapse)
    if arguments.held_out is not None and law != "given":
        raise ValueError(
            f"argument --held-out: not allowed with {_fresh_rows_by(arguments, law)}, whose test "
            f"rows are fresh, got {arguments.held_out!r}"
        )
    given = read_without_spikes(arguments)
    if given is None:
        return Chosen(built(arguments, population_of(arguments), None))
    if law == "given":
        if arguments.held_out is None:
            given, kept = given.split()
        else:
            kept = given.held_out(arguments.held_out)
        model = RandomFeatureModel.from_data(
            given.rows, arguments.psi_p, arguments.t, arguments.activation, test=kept.rows
        )
        return Chosen(model, given.source, kept.source)

    def stopping(population: PopulationSpectrum) -> dict[str, float]:
        training = _trained(arguments, built(arguments, population, given))
        best, end = training.best_stopping(), training.learning_curves(np.inf)
        return {
            "best stopping time": best.tau,
            "its test loss": best.test,
            "final train loss": float(end.train),
            "final test loss": float(end.test),
        }

    population, errors = given.population(law, stopping)
    if population.participation_ratio < TRUSTED_PARTICIPATION:
        warnings.warn(
            f"the data have a participation ratio of {population.participation_ratio:.1f}, below "
            f"{TRUSTED_PARTICIPATION:g}: losses of fresh rows up to the best stopping time can be "
            "trusted to some per cent, later test losses come out too large (by 10 to 40 % on "
            "8 x 8 digits); --law given does without this error",
            FewDimensionsWarning,
            stacklevel=caller_level(),
        )
    return Chosen(built(arguments, population, given), given.source, errors=errors)


def _refuse_what_does_not_go_together(arguments: argparse.Namespace) -> None:
    if arguments.held_out is not None and arguments.data is None:
        raise ValueError("argument --held-out: allowed only with --data FILE")
    if arguments.collapse_psi_n is not None and arguments.collapse is None:
        raise ValueError("argument --collapse-psi-n: allowed only with --collapse FILE")
    plot, collapse = arguments.plot, arguments.collapse
    if None not in (plot, collapse) and plot.resolve() == collapse.resolve():
        raise ValueError(
            f"argument --collapse: must be another file than that of --plot, got {str(collapse)!r}"
        )


def _draw(path: Path, training: Training, times: FloatArray, directions: list[float]) -> None:
    from matplotlib.figure import Figure

    from ..plots import titles
    from ..plots.curves import plot_directions, plot_learning_curves
    from ..plots.style import save

    heights = (3, 2, 3) if directions else (3, 2)
    figure = Figure(figsize=(7.0, 1.1 * sum(heights) + 0.2), layout="constrained")
    titles.put(figure, titles.parameters(training))
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    plot_learning_curves(training.learning_curves(times), training, axes[:2])
    if directions:
        curves = training.learning_curves(times, directions=directions)
        plot_directions(curves, directions, axes[2])
        axes[1].set_xlabel("")
    save(figure, path)
