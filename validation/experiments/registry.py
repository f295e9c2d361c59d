"""All experiments by name, in the order of the report."""

from __future__ import annotations

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
from validation.harness.experiment import Experiment
from validation.parametrisations import experiment as parametrisations

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
    parametrisations,
    programs,
)
EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment for topic in _TOPICS for experiment in topic.EXPERIMENTS
}
