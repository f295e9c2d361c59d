"""Options that several commands share, a function a group."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..inputs.activation import NAMES
from ..result import Summary
from . import options
from .data import LAWS

PSI_P, PSI_N, T, ACTIVATION = 64.0, 8.0, 0.01, "tanh"


_FEW_ATOMS, _FEW_NUMBERS, _LITTLE_MOMENTUM = 8, 200, 0.9


class Outcome(NamedTuple):
    """What a command says, and what draws the picture of each option that names a file."""

    summary: Summary
    pictures: Mapping[str, Callable[[Path], None]]


def add_model(command: argparse.ArgumentParser) -> None:
    """Parameters of a random-feature model."""
    add = command.add_argument_group("model").add_argument
    add("--psi-p", type=options.number, default=PSI_P, metavar="X", help="p/d (default: 64)")
    add("--psi-n", type=options.number, metavar="X", help="n/d (default: 8, or that of --data)")
    level = command.add_argument_group(
        "noise level (default: Ornstein-Uhlenbeck time 0.01)"
    ).add_mutually_exclusive_group()
    level.add_argument(
        "--t", type=options.number, default=T, metavar="X", help="Ornstein-Uhlenbeck time"
    )
    level.add_argument(
        "--path",
        type=options.path,
        dest="t",
        default=argparse.SUPPRESS,
        metavar="NAME:X",
        help="the level of another path: ddpm:ALPHA_BAR, edm:SIGMA or edm:SIGMA:DATA_SCALE, "
        "flow:S, ou:T",
    )
    add(
        "--activation",
        default=ACTIVATION,
        metavar="NAME",
        help=f"{', '.join(NAMES)}, hermite0 to hermite100 (default: {ACTIVATION})",
    )


def add_data(command: argparse.ArgumentParser, *, at_own_size: bool = True) -> None:
    """A data set and the law asked of it, or the spectrum of its population.

    `at_own_size` says whether the command has numbers given the very rows of the file.
    """
    group = command.add_argument_group("data (default: isotropic, variance 1)")
    data = group.add_mutually_exclusive_group()
    data.add_argument(
        "--data",
        metavar="FILE",
        help="samples, one a row: .npy, .npz, .csv, .tsv, .txt, .parquet, .safetensors or a folder "
        "of pictures; 'digits' for scikit-learn's digits, 'photographs' for 8 x 8 patches of "
        "scikit-image's photographs, both scaled to mean variance 1",
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
    laws = {name: text for name, text in LAWS.items() if at_own_size or name != "given"}
    rule = "given, or fresh where another number of rows is asked for" if at_own_size else "fresh"
    group.add_argument(
        "--law",
        choices=tuple(laws),
        help=f"of --data: {'; '.join(f'{name}: {text}' for name, text in laws.items())} (default: "
        f"{rule})",
    )
    group.add_argument(
        "--unit-variance", action="store_true", help="scale the file's data to mean variance 1"
    )


def add_spikes(command: argparse.ArgumentParser) -> None:
    """Isolated eigenvalues beside the population."""
    command.add_argument_group("changes to the data").add_argument(
        "--spike",
        type=options.number,
        action="append",
        default=[],
        metavar="X",
        help="an isolated population eigenvalue; may be repeated",
    )


def add_output(command: argparse.ArgumentParser) -> None:
    """What is printed, and drawn."""
    add = command.add_argument_group("output").add_argument
    add("--json", action="store_true", help="print JSON in place of the table")
    add(
        "--plot",
        type=options.target,
        metavar="FILE",
        help="draw a picture: .png, .pdf, .svg, ...",
    )


def is_small(arguments: argparse.Namespace) -> bool:
    """Whether kernels take about as long uncompiled as to be loaded, and far less than to compile.

    At these limits `spectrum --plot` takes 1.9 s and `curves --plot` 3.6 s; with kernels that an
    earlier command compiled 1.8 and 2.3 s, and with none 13 and 16 s.  Contours of more momentum
    have up to 2,000 nodes, whose pairs take minutes.
    """
    asked = vars(arguments)
    population = asked["population"]
    atoms = 1 if population is None else population.eigenvalues.size
    return (
        asked["data"] is None
        and asked.get("collapse") is None
        and asked.get("momentum", 0.0) <= _LITTLE_MOMENTUM
        and atoms + len(asked.get("spike", ())) <= _FEW_ATOMS
        and max(np.size(asked.get(name, 0.0)) for name in ("tau", "load")) <= _FEW_NUMBERS
    )
