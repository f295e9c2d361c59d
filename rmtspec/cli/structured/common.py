"""What both commands share: classes of data, the summary, and its picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...structured.classes import DataClass
from .. import options
from ..groups import Outcome, add_output

if TYPE_CHECKING:
    from ...structured.model import StructuredModel


def numbers(text: str) -> list[float]:
    """A list of numbers, as in 0.4,0.6."""
    try:
        return [options.number(part) for part in text.split(",")]
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"must be NUMBER,NUMBER,..., got {text!r}") from None


def data_class(text: str) -> DataClass:
    """A class, as in 0.75:1:1 or 0.4:2/0.5:0.8/-0.3."""
    parts = text.split(":")
    try:
        if len(parts) not in (2, 3):
            raise ValueError(text)
        weight = options.number(parts[0])
        rows = [[options.number(one) for one in part.split("/")] for part in parts[1:]]
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(
            f"must be WEIGHT:VARIANCE/VARIANCE/...[:MEAN/MEAN/...], got {text!r}"
        ) from None
    try:
        return DataClass(weight, rows[0], rows[1] if len(rows) > 1 else ())
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_shared(command: argparse.ArgumentParser, *, required: bool) -> None:
    """Ratios, classes, and what is asked."""
    add = command.add_argument_group("model").add_argument
    add("--psi-p", type=options.number, default=6.0, metavar="X", help="p/d (default: 6)")
    add("--psi-n", type=options.number, default=3.0, metavar="X", help="n/d (default: 3)")
    add("--activation", default="tanh", metavar="NAME", help="as of spectrum (default: tanh)")
    add(
        "--nodes",
        type=options.integer,
        default=16,
        metavar="N",
        help="of the rules over biases and projections, a direction (default: 16)",
    )
    add = command.add_argument_group("data").add_argument
    add(
        "--class",
        dest="classes",
        type=data_class,
        action="append",
        required=required,
        metavar="WEIGHT:VARIANCES[:MEAN]",
        help="a class of data, as in 0.75:1:1 or 0.4:2/0.5; repeat it, weights sum to 1",
    )
    add(
        "--direction-weights",
        type=numbers,
        metavar="LIST",
        help="shares of the groups of directions that have the variances (default: equal)",
    )
    add = command.add_argument_group("questions").add_argument
    add("--tau", type=options.times, metavar="LIST", help="training times of the losses")
    add(
        "--dimension",
        type=options.integer,
        metavar="D",
        help="d, for single eigenvalues that grow with it, and for --skip with means",
    )
    add_output(command)


def outcome(model: StructuredModel, arguments: argparse.Namespace) -> Outcome:
    """The model's summary, and the picture of its spectrum and losses."""
    summary = model.summary(arguments.tau, dimension=arguments.dimension)

    def draw(path: Path) -> None:
        from matplotlib.figure import Figure

        from ...plots import titles
        from ...plots.spectra import plot_spectrum
        from ...plots.style import save

        figure = Figure(figsize=(11.0, 4.2), layout="constrained")
        titles.put(figure, titles.parameters(model))
        left, right = figure.subplots(1, 2)
        plot_spectrum(model.spectrum(), left, model=model)
        curves: Any = summary["curves"]
        tau = np.asarray(curves["tau"])
        if np.count_nonzero((tau > 0.0) & np.isfinite(tau)) < 2:
            tau = np.asarray(model.summary()["curves"]["tau"])
        model.learning_curves(tau).plot(right)
        save(figure, path)

    return Outcome(summary, {"plot": draw})
