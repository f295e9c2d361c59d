"""`rmtspec timescales`: training times of a model, without the spectrum they come from."""

from __future__ import annotations

import argparse
from typing import Any

from . import spectrum
from .groups import Outcome

HELP = "training times of generalisation and memorisation"
DESCRIPTION = (
    "Training times tau = steps * rate / d^2 at which a random-feature score model has learned the "
    "population (tau_gen), memorises single samples (tau_mem) and stops changing (tau_slow): "
    "psi_p / (Delta_t lambda) at the lower ends of the families of eigenvalues lambda of U. With "
    "--data the law is that of U given these very rows, or with --law or --psi-n that of fresh "
    "ones."
)
EXAMPLE = "rmtspec timescales --psi-p 64 --psi-n 8 --t 0.01 --json"


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Declare the command, with the options of `spectrum`."""
    command: argparse.ArgumentParser = commands.add_parser(
        "timescales", help=HELP, description=DESCRIPTION, epilog=f"example: {EXAMPLE}"
    )
    spectrum.add_options(command)
    return command


def run(arguments: argparse.Namespace) -> Outcome:
    """The model's summary, times only, and the picture of its spectrum."""
    return spectrum.run(arguments, brief=True)
