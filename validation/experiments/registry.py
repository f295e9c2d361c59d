"""All experiments by name, in the order of the report."""

from __future__ import annotations

from pathlib import Path

from validation.experiments import (
    gradient_descent,
    images,
    linear_maps,
    mixtures,
    programs,
    real_data,
    slips,
    spectra,
    time_and_class,
    training_times,
)
from validation.experiments.experiment import Experiment
from validation.harness.machine import RequestError

FOLDED = 40
"""Tables longer than this are folded; their failures are always shown."""

_TOPICS = (
    slips,
    spectra,
    gradient_descent,
    training_times,
    linear_maps,
    mixtures,
    time_and_class,
    images,
    real_data,
    programs,
)
EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment for topic in _TOPICS for experiment in topic.EXPERIMENTS
}


def find(name: str) -> Experiment:
    """Return an experiment; RequestError names those there are."""
    if name not in EXPERIMENTS:
        raise RequestError(
            f"argument NAMES: unknown experiment {name!r}; there are {', '.join(EXPERIMENTS)}"
        )
    return EXPERIMENTS[name]


def find_on_file(path: Path, name: str) -> Experiment:
    """Return the experiment that a result file names; RequestError if there is none."""
    if name not in EXPERIMENTS:
        raise RequestError(f"{path} is of an unknown experiment {name!r}: move it away")
    return EXPERIMENTS[name]


def default() -> list[Experiment]:
    """Return all experiments that need nothing but a scale and a device."""
    return [experiment for experiment in EXPERIMENTS.values() if not experiment.by_request]
