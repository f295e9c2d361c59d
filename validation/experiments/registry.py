"""All experiments by name, in the order of the report: claims first, misprints last."""

from __future__ import annotations

from validation.comparisons import experiment as comparisons
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
from validation.structured import run as structured

_TOPICS = (
    spectra,
    comparisons,
    gradient_descent,
    training_times,
    structured,
    real_data,
    parametrisations,
    images,
    mixtures,
    linear_maps,
    time_and_class,
    programs,
    slips,
)
EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment for topic in _TOPICS for experiment in topic.EXPERIMENTS
}
