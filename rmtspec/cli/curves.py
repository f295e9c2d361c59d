"""`rmtspec curves`: its options, the training they ask for, and the two pictures."""

from __future__ import annotations

import argparse
import dataclasses
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..inputs.population import PopulationSpectrum
from ..linear.summary import unbiased_participation_ratio
from ..random_features.curve_summary import (
    automatic_times,
    collapse_report,
    curve_report,
    differing,
    in_whole_steps,
)
from ..random_features.model import TRUSTED_PARTICIPATION, RandomFeatureModel
from ..result import FewDimensionsWarning, caller_level
from . import options

if TYPE_CHECKING:
    from ..random_features.curves import LearningCurves
    from ..random_features.training import Training

FloatArray = NDArray[np.float64]

DESCRIPTION = (
    "Train, test and generalisation loss (test minus train) and error to the true score of the "
    "random-feature score model over training time tau = steps * rate / d^2, in the limit of many "
    "neurons p, samples n and dimensions d; a model that does nothing has loss 1. With --data the "
    "covariance of its rows is that of the population from which fresh samples are drawn, as many "
    "as in the file or as --psi-n says; with --held-out, the curves are those of this very data "
    'set. In JSON an infinite time is the string "inf".'
)

_SAMPLES_BESIDE = (0.5, 1.0, 2.0, 4.0)  # the collapse shows these multiples of psi_n
_PICTURE_POINTS = 400

_SAME_EIGENVALUE = 1e-4  # relative: an eigenvalue may be asked for as the four digits one read
_ZERO_EIGENVALUE = 1e-9  # of the largest
_NEIGHBOURS = 3  # eigenvalues that are named where none is meant


def add_options(command: argparse.ArgumentParser) -> None:
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
        help="rows that were not trained on: their covariance gives the test loss of --data",
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


def run(arguments: argparse.Namespace) -> tuple[dict[str, Any], Mapping[str, Callable[..., None]]]:
    """The report, and what draws the picture of each option that names a file."""
    model, data = _model(arguments)
    training = _training(model, arguments)
    given = arguments.tau
    times = automatic_times(training) if given is None else in_whole_steps(training, given)
    directions = _directions(model, arguments.direction)
    report = curve_report(model, training, times, directions, data)
    report["collapse"] = []
    beside: dict[float, LearningCurves] = {}
    if arguments.collapse is not None:
        beside = _beside(model, arguments, times)
        report["collapse"] = collapse_report(beside)

    def draw(path: Path) -> None:
        shown = [taken for _, taken in directions]
        _draw(path, _title(model, training), training, _dense(training, times), shown)

    def draw_collapse(path: Path) -> None:
        from matplotlib.figure import Figure

        from ..plots.curves import plot_collapse
        from ..plots.spectra import save

        figure = Figure(figsize=(9.0, 3.8), layout="constrained")
        figure.suptitle(_title(model, training, psi_n=False), fontsize="small")
        plot_collapse(beside, figure.subplots(1, 2, sharey=True))
        save(figure, path)

    return report, {"plot": draw, "collapse": draw_collapse}


def _model(arguments: argparse.Namespace) -> tuple[RandomFeatureModel, dict[str, Any] | None]:
    """The model asked for and, if it stands on a data set, a description of that."""
    _refuse_what_does_not_go_together(arguments)
    rows = options.samples(arguments)
    if rows is None:
        population = arguments.population or PopulationSpectrum.isotropic()
        if arguments.spike:
            population = dataclasses.replace(population, spikes=arguments.spike)
        psi_n = 8.0 if arguments.psi_n is None else arguments.psi_n
        return _built(arguments, psi_n, population), None
    measured = PopulationSpectrum.from_samples(rows)
    data = options.described(arguments.data, rows, measured)
    data["participation_ratio_unbiased"] = unbiased_participation_ratio(
        data["participation_ratio"], data["samples"]
    )
    if arguments.held_out is not None:
        held_out = options.held_out(arguments)
        if held_out.shape[1] != rows.shape[1]:
            raise ValueError(
                f"argument --held-out: file {arguments.held_out!r} must have the dimension "
                f"{rows.shape[1]} of the data, got {held_out.shape[1]}"
            )
        data["held_out"] = {"source": arguments.held_out, "samples": len(held_out)}
        model = RandomFeatureModel.from_data(
            rows, arguments.psi_p, arguments.t, arguments.activation, test=held_out
        )
        return model, data
    psi_n = rows.shape[0] / rows.shape[1] if arguments.psi_n is None else arguments.psi_n
    model = _built(arguments, psi_n, measured)
    if measured.participation_ratio < TRUSTED_PARTICIPATION:
        warnings.warn(
            f"the data have a participation ratio of {measured.participation_ratio:.1f}, below "
            f"{TRUSTED_PARTICIPATION:g}: losses up to the best stopping time can be trusted to "
            "some per cent, later test losses come out too large (by 10 to 40 % on 8 x 8 digits)",
            FewDimensionsWarning,
            stacklevel=caller_level(),
        )
    return model, data


def _refuse_what_does_not_go_together(arguments: argparse.Namespace) -> None:
    if arguments.held_out is not None:
        if arguments.data is None:
            raise ValueError("argument --held-out: allowed only with --data FILE")
        for option, value in (
            ("--psi-n", arguments.psi_n),
            ("--collapse", arguments.collapse and str(arguments.collapse)),
        ):
            if value is not None:
                raise ValueError(
                    f"argument {option}: not allowed with --held-out, whose curves are those of "
                    f"the given rows, got {value!r}"
                )
    if arguments.data is not None and arguments.spike:
        raise ValueError(f"argument --spike: not allowed with --data, got {arguments.spike!r}")
    if arguments.collapse_psi_n is not None and arguments.collapse is None:
        raise ValueError("argument --collapse-psi-n: allowed only with --collapse FILE")
    plot, collapse = arguments.plot, arguments.collapse
    if None not in (plot, collapse) and plot.resolve() == collapse.resolve():
        raise ValueError(
            f"argument --collapse: must be another file than that of --plot, got {str(collapse)!r}"
        )


def _built(
    arguments: argparse.Namespace, psi_n: float, population: PopulationSpectrum
) -> RandomFeatureModel:
    return RandomFeatureModel(arguments.psi_p, psi_n, arguments.t, arguments.activation, population)


def _training(model: RandomFeatureModel, arguments: argparse.Namespace) -> Training:
    return model.training(
        step=arguments.step,
        momentum=arguments.momentum,
        ridge=arguments.ridge,
        initial=arguments.initial,
    )


def _directions(model: RandomFeatureModel, asked: list[float]) -> list[tuple[float, float]]:
    """Each eigenvalue asked for, with the one that is shown: of given data the nearest it has."""
    if not model.conditional:
        return [(level, level) for level in asked]
    known = model.population.eigenvalues
    pairs = []
    for level in asked:
        near = known[np.argsort(np.abs(known - level))][:_NEIGHBOURS]
        tolerance = max(_SAME_EIGENVALUE * float(near[0]), _ZERO_EIGENVALUE * float(known[-1]))
        if not abs(level - float(near[0])) <= tolerance:
            shown = ", ".join(f"{value:.6g}" for value in np.sort(near))
            raise ValueError(
                f"argument --direction: must be one of the {known.size} eigenvalues of the data "
                f"(to {_SAME_EIGENVALUE:g} of it), which lie in [{known[0]:.6g}, "
                f"{known[-1]:.6g}]; the nearest are {shown}; got {level!r}"
            )
        pairs.append((level, float(near[0])))
    return pairs


def _beside(
    model: RandomFeatureModel, arguments: argparse.Namespace, times: FloatArray
) -> dict[float, LearningCurves]:
    """Curves of several psi_n over the times asked for or, without, until all end their change."""
    loads = arguments.collapse_psi_n
    if loads is None:
        loads = model.psi_n * np.array(_SAMPLES_BESIDE)
    trainings = {
        float(load): _training(dataclasses.replace(model, psi_n=float(load)), arguments)
        for load in loads
    }
    asked = _on_the_axis(times)
    if arguments.tau is not None and asked.size > 1:
        dense = np.union1d(np.geomspace(asked[0], asked[-1], _PICTURE_POINTS), asked)
        ranges = dict.fromkeys(trainings, dense)
    else:
        found = [_on_the_axis(automatic_times(training)) for training in trainings.values()]
        first, last = min(one[0] for one in found), max(one[-1] for one in found)
        # Each ends at one tau/psi_n, and none before all have ended their change.
        ranges = {
            load: np.geomspace(first, last * load / min(trainings), _PICTURE_POINTS)
            for load in trainings
        }
    return {
        load: training.learning_curves(_on_the_axis(in_whole_steps(training, ranges[load])))
        for load, training in trainings.items()
    }


def _on_the_axis(times: FloatArray) -> FloatArray:
    """Those of the times that a logarithmic axis can show."""
    return times[(times > 0.0) & np.isfinite(times)]


def _dense(training: Training, times: FloatArray) -> FloatArray:
    """The range of the times with enough points for a smooth line."""
    inside = _on_the_axis(times)
    if inside.size == 0:
        return automatic_times(training)
    ends = (inside[0], inside[-1]) if inside.size > 1 else (inside[0] / 10.0, inside[0] * 10.0)
    return np.union1d(np.geomspace(*ends, _PICTURE_POINTS), inside)


def _title(model: RandomFeatureModel, training: Training, *, psi_n: bool = True) -> str:
    """The model in one line, and how its training differs from gradient flow from zero."""
    parts = [rf"$\psi_p = {model.psi_p:g}$"]
    if psi_n:
        parts.append(rf"$\psi_n = {model.psi_n:.4g}$")
    parts += [rf"$t = {model.t:g}$", str(model.activation)]
    return ", ".join(parts + [f"{name} {value:g}" for name, value in differing(training)])


def _draw(
    path: Path, title: str, training: Training, times: FloatArray, directions: list[float]
) -> None:
    from matplotlib.figure import Figure

    from ..plots.curves import plot_directions, plot_learning_curves
    from ..plots.spectra import save

    heights = (3, 2, 3) if directions else (3, 2)
    figure = Figure(figsize=(7.0, 1.1 * sum(heights) + 0.2), layout="constrained")
    figure.suptitle(title, fontsize="small")
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    plot_learning_curves(training.learning_curves(times), training, axes[:2])
    if directions:
        curves = training.learning_curves(times, directions=directions)
        plot_directions(curves, directions, axes[2])
        axes[1].set_xlabel("")
    save(figure, path)
