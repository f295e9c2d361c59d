"""The shell: `rmtspec spectrum` and `rmtspec timescales`, as a table, as JSON or as a picture."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ._report import as_json, report, spectrum_table, timescales_table
from .data import digits, read_samples, standardise
from .population import PopulationSpectrum
from .random_feature_model import RandomFeatureModel

_PSI_P, _PSI_N, _T, _ACTIVATION = 64.0, 8.0, 0.01, "tanh"

_Built = TypeVar("_Built")

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
        0, or 1 if the output cannot be written. Bad input ends the process with status 2 and one
        line on standard error.

    Examples
    --------
    >>> from rmtspec.cli import main
    >>> main(["timescales", "--psi-p", "8", "--psi-n", "4"])  # doctest: +ELLIPSIS
    random-feature score model...
    0
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            result, draw = _run(arguments)
            if arguments.plot is not None:
                draw(arguments.plot)
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
        command.set_defaults(table=table, error=command.error)
        _add_model_options(command)
        _add_output_options(command)
    return parser


_DESCRIPTION = (
    "Eigenvalues of the random-feature matrix U of a score model at diffusion time t, "
    "in the limit of many neurons p, samples n and dimensions d."
)


def _add_model_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument_group("model").add_argument
    add("--psi-p", type=_number, default=_PSI_P, metavar="X", help="p/d (default: 64)")
    add("--psi-n", type=_number, metavar="X", help="n/d (default: 8, or that of --data)")
    add("--t", type=_number, default=_T, metavar="X", help="diffusion time (default: 0.01)")
    add(
        "--activation",
        default=_ACTIVATION,
        metavar="NAME",
        help="tanh (default), erf, relu, centred_relu, sign, sine, softplus, gelu, linear, "
        "hermite0 to hermite100",
    )
    data = command.add_argument_group(
        "data (default: isotropic, variance 1)"
    ).add_mutually_exclusive_group()
    data.add_argument(
        "--data",
        metavar="FILE",
        help="the law given these very samples, one a row: .npy, .npz or .csv; "
        "'digits' for scikit-learn's digits, scaled to mean variance 1",
    )
    data.add_argument(
        "--population",
        type=_population,
        metavar="LIST",
        help="population eigenvalues and weights, as in 0.5:0.5,1.5:0.5",
    )
    data.add_argument(
        "--power-law",
        type=_power_law,
        dest="population",
        metavar="EXPONENT:DIMENSION",
        help="population eigenvalues k^-EXPONENT, scaled to mean 1",
    )
    more = command.add_argument_group("changes to the data").add_argument
    more(
        "--spike",
        type=_number,
        action="append",
        default=[],
        metavar="X",
        help="an isolated population eigenvalue; may be repeated",
    )
    more("--unit-variance", action="store_true", help="scale the file's data to mean variance 1")


def _add_output_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument_group("output").add_argument
    add("--json", action="store_true", help="print JSON in place of the table")
    add("--plot", type=_target, metavar="FILE", help="draw the spectrum: .png, .pdf, .svg, ...")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None


def _population(text: str) -> PopulationSpectrum:
    try:
        pairs = [[float(part) for part in item.split(":")] for item in text.split(",")]
        if len({len(pair) for pair in pairs}) != 1 or len(pairs[0]) > 2:
            raise ValueError(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be VALUE:WEIGHT,VALUE:WEIGHT,... or VALUE,VALUE,..., got {text!r}"
        ) from None
    columns = list(zip(*pairs, strict=True))
    return _checked(PopulationSpectrum, columns[0], columns[-1] if len(columns) == 2 else None)


def _power_law(text: str) -> PopulationSpectrum:
    try:
        exponent, dimension = text.split(":")
        arguments = float(exponent), int(dimension)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be EXPONENT:DIMENSION, as in 1.5:256, got {text!r}"
        ) from None
    return _checked(PopulationSpectrum.power_law, *arguments)


def _target(text: str) -> Path:
    from .plot import check_target

    return _checked(check_target, text)


def _checked(build: Callable[..., _Built], *arguments: Any) -> _Built:
    try:
        return build(*arguments)
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _run(arguments: argparse.Namespace) -> tuple[dict[str, Any], Callable[[Path], None]]:
    """The report, and a function that draws the picture."""
    try:
        model, data = _model(arguments)
    except (TypeError, ValueError, ModuleNotFoundError) as error:
        arguments.error(str(error))

    def draw(path: Path) -> None:
        from matplotlib.figure import Figure

        from .plot import mark_timescales, plot_spectrum, save

        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        axes = plot_spectrum(model.spectrum(), figure.subplots(), names=model.bulk_names())
        mark_timescales(axes, model.timescales(), model.floor)
        save(figure, path)

    return report(model, data), draw


def _model(arguments: argparse.Namespace) -> tuple[RandomFeatureModel, dict[str, Any] | None]:
    """The model asked for and, if it stands on a data set, a description of that."""
    if arguments.data is None:
        if arguments.unit_variance:
            raise ValueError("argument --unit-variance: allowed only with --data FILE")
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
    samples = digits() if arguments.data == "digits" else read_samples(arguments.data)
    if arguments.unit_variance:
        samples = standardise(samples)
    model = RandomFeatureModel.from_data(
        samples, arguments.psi_p, arguments.t, arguments.activation
    )
    return model, {
        "source": arguments.data,
        "samples": samples.shape[0],
        "dimension": samples.shape[1],
        "mean_variance": model.population.mean,
        "participation_ratio": model.population.participation_ratio,
    }
