"""`rmtspec time-integrated`: one score network for all diffusion times."""

from __future__ import annotations

import argparse
from typing import Any

from ...structured.setting import OUTPUTS
from .. import options
from ..groups import Outcome
from . import common

HELP = "one network for all diffusion times: bulks, outliers, losses and times"
DESCRIPTION = (
    "A random-feature score network sigma(W x/sqrt(d) + t b) of all diffusion times, trained on "
    "the mean of their losses: the spectrum of its feature matrix, single eigenvalues, and when "
    "it generalises and memorises."
)
EXAMPLE = "rmtspec time-integrated --window 0.1:1.5 --psi-p 6 --psi-n 3 --plot network.png"


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Declare the command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "time-integrated", help=HELP, description=DESCRIPTION, epilog=f"example: {EXAMPLE}"
    )
    group = command.add_argument_group("times and network")
    times = group.add_mutually_exclusive_group()
    times.add_argument(
        "--window",
        type=_window,
        default=(0.1, 1.5),
        metavar="FROM:TO",
        help="times uniform in between (default: 0.1:1.5)",
    )
    times.add_argument("--times", type=common.numbers, metavar="LIST", help="single times")
    add = group.add_argument
    add("--time-weights", type=common.numbers, metavar="LIST", help="of --times (default: equal)")
    add("--bias-scale", type=options.number, default=1.0, metavar="X", help="of b (default: 1)")
    add("--skip", type=options.number, default=0.0, metavar="X", help="added x (default: 0)")
    add(
        "--output",
        choices=OUTPUTS,
        default=OUTPUTS[0],
        help="what the features add up to: the score (default), or the noise",
    )
    add(
        "--population",
        type=options.population,
        metavar="LIST",
        help="population eigenvalues and weights, as in 0.5:0.5,1.5:0.5 (default: 1)",
    )
    common.add_shared(command, required=False)
    return command


def run(arguments: argparse.Namespace) -> Outcome:
    """The model's summary, and its picture."""
    if arguments.time_weights is not None and arguments.times is None:
        raise ValueError("argument --time-weights: needs --times")
    from ...structured.time_integrated import TimeIntegratedModel

    model = TimeIntegratedModel(
        arguments.psi_p,
        arguments.psi_n,
        arguments.window if arguments.times is None else arguments.times,
        weights=arguments.time_weights,
        bias_scale=arguments.bias_scale,
        skip=arguments.skip,
        activation=arguments.activation,
        population=arguments.population,
        classes=arguments.classes,
        direction_weights=arguments.direction_weights,
        output=arguments.output,
        nodes=arguments.nodes,
        dimension=arguments.dimension,
    )
    return common.outcome(model, arguments)


def _window(text: str) -> tuple[float, float]:
    try:
        low, high = (options.number(part) for part in text.split(":"))
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(f"must be FROM:TO, got {text!r}") from None
    return low, high
