"""`rmtspec spectrum`: bulks, edges, masses, atom, outliers and training times of a model."""

from __future__ import annotations

import argparse
import dataclasses
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..inputs.population import PopulationSpectrum
from ..random_features.model import RandomFeatureModel
from ..result import DataWarning, caller_level
from . import data
from .groups import PSI_N, Outcome, add_data, add_model, add_output, add_spikes

HELP = "bulks, edges, masses, atom, outliers and training times"
DESCRIPTION = (
    "Eigenvalues of the random-feature matrix U of a score model at diffusion time t, "
    "in the limit of many neurons p, samples n and dimensions d: where the bulks lie, how much of "
    "the spectrum each holds, and when training reaches it. With --data the law is that of U given "
    "these very rows, or with --law or --psi-n that of fresh ones."
)
EXAMPLE = "rmtspec spectrum --psi-p 64 --psi-n 8 --t 0.01 --plot spectrum.png"


class Chosen(NamedTuple):
    """A model, where its data and those held out are from, and errors of its population."""

    model: RandomFeatureModel
    source: str | None = None
    held_out: str | None = None
    errors: Mapping[str, float] | None = None


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
    chosen = model_of(arguments)
    model = chosen.model

    def draw(path: Path) -> None:
        from matplotlib.figure import Figure

        from ..plots import titles
        from ..plots.spectra import mark_timescales, plot_spectrum
        from ..plots.style import save

        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        titles.put(figure, titles.parameters(model))
        axes = plot_spectrum(model.spectrum(), figure.subplots(), model=model)
        mark_timescales(axes, model.timescales(), model.floor)
        save(figure, path)

    summary = model.summary(source=chosen.source, brief=brief, errors=chosen.errors)
    return Outcome(summary, {"plot": draw})


def model_of(arguments: argparse.Namespace) -> Chosen:
    """The model asked for."""
    law = data.law_of(arguments, psi_n=arguments.psi_n)
    given = read_without_spikes(arguments)
    if given is None:
        return Chosen(built(arguments, population_of(arguments), None))
    if law == "given":
        model = RandomFeatureModel.from_data(
            given.rows, arguments.psi_p, arguments.t, arguments.activation
        )
        return Chosen(model, given.source)

    def times(population: PopulationSpectrum) -> dict[str, float]:
        found = built(arguments, population, given).timescales()
        return {"tau_gen": found.tau_gen, "tau_mem": found.tau_mem}

    population, errors = given.population(law, times)
    if population.fitted:
        warnings.warn(
            "the atoms of a fitted population are not single eigenvalues: of its law trust times "
            "and masses, not gaps and the edges of single bulks",
            DataWarning,
            stacklevel=caller_level(),
        )
    return Chosen(built(arguments, population, given), given.source, errors=errors)


def read_without_spikes(arguments: argparse.Namespace) -> data.Data | None:
    """The data, which have their own eigenvalues only."""
    if arguments.data is not None and arguments.spike:
        raise ValueError(f"argument --spike: not allowed with --data, got {arguments.spike!r}")
    return data.read(arguments)


def built(
    arguments: argparse.Namespace, population: PopulationSpectrum, given: data.Data | None
) -> RandomFeatureModel:
    """The model of fresh rows, by default as many as given."""
    psi_n = arguments.psi_n
    if psi_n is None:
        psi_n = PSI_N if given is None else given.rows.shape[0] / given.rows.shape[1]
    return RandomFeatureModel(arguments.psi_p, psi_n, arguments.t, arguments.activation, population)


def population_of(arguments: argparse.Namespace) -> PopulationSpectrum:
    """The population asked for without data, with its spikes."""
    population = arguments.population or PopulationSpectrum.isotropic()
    if arguments.spike:
        population = dataclasses.replace(population, spikes=arguments.spike)
    return population
