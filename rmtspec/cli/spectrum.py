"""`rmtspec spectrum`: bulks, edges, masses, atom, outliers and training times of a model."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from ..inputs.population import PopulationSpectrum
from ..random_features.model import RandomFeatureModel
from . import data
from .groups import PSI_N, Outcome, add_data, add_model, add_output, add_spikes

HELP = "bulks, edges, masses, atom, outliers and training times"
DESCRIPTION = (
    "Eigenvalues of the random-feature matrix U of a score model at diffusion time t, "
    "in the limit of many neurons p, samples n and dimensions d: where the bulks lie, how much of "
    "the spectrum each holds, and when training reaches it. With --data the law is that of U given "
    "these very rows."
)
EXAMPLE = "rmtspec spectrum --psi-p 64 --psi-n 8 --t 0.01 --plot spectrum.png"


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Declare the command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "spectrum", help=HELP, description=DESCRIPTION, epilog=f"example: {EXAMPLE}"
    )
    add_options(command)
    return command


def add_options(command: argparse.ArgumentParser) -> None:
    """All options of the command, which `timescales` has too."""
    add_model(command)
    add_data(command)
    add_spikes(command)
    add_output(command)


def run(arguments: argparse.Namespace, *, brief: bool = False) -> Outcome:
    """The model's summary, and its picture."""
    model, source = model_of(arguments)

    def draw(path: Path) -> None:
        from matplotlib.figure import Figure

        from ..plots.spectra import mark_timescales, plot_spectrum
        from ..plots.style import save

        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        axes = plot_spectrum(model.spectrum(), figure.subplots(), names=model.bulk_names())
        mark_timescales(axes, model.timescales(), model.floor)
        save(figure, path)

    return Outcome(model.summary(source=source, brief=brief), {"plot": draw})


def model_of(arguments: argparse.Namespace) -> tuple[RandomFeatureModel, str | None]:
    """The model asked for, given the data if there are any, and where these are from."""
    given = data.read(arguments)
    if given is None:
        psi_n = PSI_N if arguments.psi_n is None else arguments.psi_n
        return (
            RandomFeatureModel(
                arguments.psi_p, psi_n, arguments.t, arguments.activation, population_of(arguments)
            ),
            None,
        )
    for option, value in (("--psi-n", arguments.psi_n), ("--spike", arguments.spike)):
        if value not in (None, []):
            raise ValueError(f"argument {option}: not allowed with --data, got {value!r}")
    model = RandomFeatureModel.from_data(
        given.rows, arguments.psi_p, arguments.t, arguments.activation
    )
    return model, given.source


def population_of(arguments: argparse.Namespace) -> PopulationSpectrum:
    """The population asked for without data, with its spikes."""
    population = arguments.population or PopulationSpectrum.isotropic()
    if arguments.spike:
        population = dataclasses.replace(population, spikes=arguments.spike)
    return population
