"""The shell: `rmtspec spectrum`, `timescales`, `curves`, `linear` and `sweep`."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..inputs.noise import signal, signal_of_time
from ..inputs.population import PopulationSpectrum
from ..linear.denoiser import LinearDenoiser
from ..linear.summary import linear_report, linear_table, unbiased_participation_ratio
from ..random_features.curve_summary import curve_table
from ..random_features.model import RandomFeatureModel
from ..random_features.summary import as_json, report, spectrum_table, timescales_table
from ..sweeps.diagrams import DIAGRAMS
from ..sweeps.summary import sweep_table
from . import curves, options, sweep

_PSI_P, _PSI_N, _T, _ACTIVATION = 64.0, 8.0, 0.01, "tanh"
_LOADS = "0.1:100:13"

_Outcome = tuple[dict[str, Any], Mapping[str, Callable[[Path], None]]]

_BAD_INPUT, _FAILED, _INTERRUPTED = 2, 1, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; by default those of the process.

    Returns
    -------
    int
        0, or 1 if the output cannot be written or a sweep failed. Bad input ends the process with
        status 2 and one line on standard error.

    Examples
    --------
    >>> from rmtspec.cli.main import main
    >>> main(["timescales", "--psi-p", "8", "--psi-n", "4"])  # doctest: +ELLIPSIS
    random-feature score model...
    0
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            result, pictures = _run(arguments)
            for option, draw in pictures.items():
                target = getattr(arguments, option)
                if target is not None:
                    draw(target)
        result["warnings"] = [" ".join(str(warning.message).split()) for warning in caught]
        for line in result["warnings"]:
            print(f"{parser.prog}: warning: {line}", file=sys.stderr)
        print(as_json(result) if arguments.json else arguments.table(result))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough; what is left in the buffer must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"{parser.prog}: error: cannot write: {error}", file=sys.stderr)
        return _FAILED
    except sweep.SweepError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Leave with status 2 and one line: the usage stands in --help."""
        self.exit(_BAD_INPUT, f"{self.prog}: error: {' '.join(message.split())}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rmtspec",
        description="Random-matrix theory of diffusion models: spectra, edges, training times.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"rmtspec {version('rmtspec')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for name, table, text in (
        ("spectrum", spectrum_table, "bulks, edges, masses, atom, outliers and training times"),
        ("timescales", timescales_table, "training times of generalisation and memorisation"),
    ):
        command = commands.add_parser(name, help=text, description=_DESCRIPTION, allow_abbrev=False)
        command.set_defaults(run=_run_features, table=table, error=command.error)
        _add_model_options(command)
        _add_data_options(command)
        _add_spike_option(command)
        _add_output_options(command)
    text = "losses and score error over training time, the best stopping time, what bulks do"
    command = commands.add_parser(
        "curves", help=text, description=curves.DESCRIPTION, allow_abbrev=False
    )
    command.set_defaults(run=curves.run, table=curve_table, error=command.error)
    _add_model_options(command)
    _add_data_options(command)
    _add_spike_option(command)
    curves.add_options(command)
    _add_output_options(command)
    text = "losses, divergences and distances of linear denoisers against n/d"
    command = commands.add_parser(
        "linear", help=text, description=_LINEAR_DESCRIPTION, allow_abbrev=False
    )
    command.set_defaults(run=_run_linear, table=linear_table, error=command.error)
    _add_linear_options(command)
    _add_data_options(command)
    _add_output_options(command)
    text = "phase diagrams: gap, training times, best stopping, memorisation, divergences"
    command = commands.add_parser(
        "sweep", help=text, description=sweep.DESCRIPTION, allow_abbrev=False
    )
    names = command.add_subparsers(metavar="NAME", required=True, parser_class=_Parser)
    for diagram in DIAGRAMS.values():
        text = diagram.question
        command = names.add_parser(diagram.name, help=text, description=text, allow_abbrev=False)
        command.set_defaults(run=sweep.run, table=sweep_table, error=command.error, diagram=diagram)
        sweep.add_options(command, diagram)
        _add_data_options(command)
        _add_output_options(command)
    return parser


_DESCRIPTION = (
    "Eigenvalues of the random-feature matrix U of a score model at diffusion time t, "
    "in the limit of many neurons p, samples n and dimensions d."
)

_LINEAR_DESCRIPTION = (
    "Denoisers of the form W x + b fitted to n samples in d dimensions: training and test loss, "
    "distance to the optimal map and between the maps of two data sets, and both divergences "
    "between the data and what is sampled, averaged over data sets. With --data the population "
    'is the covariance of all rows. In JSON an infinite divergence is the string "inf".'
)


def _add_model_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument_group("model").add_argument
    add("--psi-p", type=options.number, default=_PSI_P, metavar="X", help="p/d (default: 64)")
    add("--psi-n", type=options.number, metavar="X", help="n/d (default: 8, or that of --data)")
    add(
        "--t",
        type=options.number,
        default=_T,
        metavar="X",
        help="diffusion time (default: 0.01)",
    )
    add(
        "--activation",
        default=_ACTIVATION,
        metavar="NAME",
        help="tanh (default), erf, relu, centred_relu, sign, sine, softplus, gelu, linear, "
        "hermite0 to hermite100",
    )


def _add_linear_options(command: argparse.ArgumentParser) -> None:
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


def _add_data_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("data (default: isotropic, variance 1)")
    data = group.add_mutually_exclusive_group()
    data.add_argument(
        "--data",
        metavar="FILE",
        help="samples, one a row: .npy, .npz or .csv; 'digits' for scikit-learn's digits, "
        "'photographs' for 8 x 8 patches of scikit-image's photographs, both scaled to mean "
        "variance 1",
    )
    data.add_argument(
        "--population",
        type=options.population,
        metavar="LIST",
        help="population eigenvalues and weights, as in 0.5:0.5,1.5:0.5",
    )
    data.add_argument(
        "--power-law",
        type=options.power_law,
        dest="population",
        metavar="EXPONENT:DIMENSION",
        help="population eigenvalues k^-EXPONENT, scaled to mean 1",
    )
    group.add_argument(
        "--unit-variance", action="store_true", help="scale the file's data to mean variance 1"
    )


def _add_spike_option(command: argparse.ArgumentParser) -> None:
    command.add_argument_group("changes to the data").add_argument(
        "--spike",
        type=options.number,
        action="append",
        default=[],
        metavar="X",
        help="an isolated population eigenvalue; may be repeated",
    )


def _add_output_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument_group("output").add_argument
    add("--json", action="store_true", help="print JSON in place of the table")
    add(
        "--plot",
        type=options.target,
        metavar="FILE",
        help="draw a picture: .png, .pdf, .svg, ...",
    )


def _run(arguments: argparse.Namespace) -> _Outcome:
    """The report, and what draws the picture of each option that names a file."""
    run: Callable[..., _Outcome] = arguments.run
    try:
        result = run(arguments)
    except (TypeError, ValueError, ImportError) as error:
        arguments.error(str(error))
    return result


def _run_features(
    arguments: argparse.Namespace,
) -> _Outcome:
    model, data = _feature_model(arguments)

    def draw(path: Path) -> None:
        from matplotlib.figure import Figure

        from ..plots.spectra import mark_timescales, plot_spectrum, save

        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        axes = plot_spectrum(model.spectrum(), figure.subplots(), names=model.bulk_names())
        mark_timescales(axes, model.timescales(), model.floor)
        save(figure, path)

    return report(model, data), {"plot": draw}


def _feature_model(
    arguments: argparse.Namespace,
) -> tuple[RandomFeatureModel, dict[str, Any] | None]:
    """The model asked for and, if it stands on a data set, a description of that."""
    samples = options.samples(arguments)
    if samples is None:
        population = arguments.population or PopulationSpectrum.isotropic()
        if arguments.spike:
            population = dataclasses.replace(population, spikes=arguments.spike)
        psi_n = _PSI_N if arguments.psi_n is None else arguments.psi_n
        return (
            RandomFeatureModel(
                arguments.psi_p, psi_n, arguments.t, arguments.activation, population
            ),
            None,
        )
    for option, value in (("--psi-n", arguments.psi_n), ("--spike", arguments.spike)):
        if value not in (None, []):
            raise ValueError(f"argument {option}: not allowed with --data, got {value!r}")
    model = RandomFeatureModel.from_data(
        samples, arguments.psi_p, arguments.t, arguments.activation
    )
    return model, options.described(arguments.data, samples, model.population)


def _run_linear(arguments: argparse.Namespace) -> _Outcome:
    if arguments.alpha_bar is not None:
        level = float(signal("alpha_bar", arguments.alpha_bar))
    else:
        time = _T if arguments.t is None else arguments.t
        level = float(signal_of_time(time))
        if level == 1.0:
            raise ValueError(f"t must be large enough for e^(-2t) to differ from 1, got {time!r}")
    samples, loads = options.samples(arguments), arguments.load
    data, own = None, None
    population = arguments.population or PopulationSpectrum.isotropic()
    if samples is not None:
        population = PopulationSpectrum.from_samples(samples)
        data = options.described(arguments.data, samples, population)
        data["participation_ratio_unbiased"] = unbiased_participation_ratio(
            data["participation_ratio"], data["samples"]
        )
        own = data["load"] = data["samples"] / data["dimension"]
        loads = np.union1d(loads, own)
    if arguments.dimension is not None and population.dimension is not None:
        raise ValueError(
            f"argument --dimension: not allowed where the population has dimension "
            f"{population.dimension}, got {arguments.dimension}"
        )
    size = population.dimension
    if arguments.dimension is not None:
        size = _checks.integer("dimension", arguments.dimension, 1)

    if arguments.corrected and size is None:
        raise ValueError(
            "argument --corrected: needs --dimension D where the population has no dimension of "
            "its own"
        )

    def model(loads: NDArray[np.float64]) -> LinearDenoiser:
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

        from ..plots.linear import plot_against_load
        from ..plots.spectra import save

        figure = Figure(figsize=(11.0, 3.8), layout="constrained")
        ends = (loads[0], loads[-1]) if loads.size > 1 else (loads[0] / 10.0, loads[0] * 10.0)
        dense = np.union1d(np.geomspace(*ends, 400), loads)
        plot_against_load(model(dense), level, figure, corrected=arguments.corrected, own_load=own)
        save(figure, path)

    return linear_report(model(loads), level, corrected=arguments.corrected, data=data), {
        "plot": draw
    }
