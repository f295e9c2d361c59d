"""What the page shows of one state: numbers from public functions, in the order of their making."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...inputs.population import PopulationSpectrum
from ...plots.outlines import Outline, limits_in_decades, pieces
from ...plots.style import PURPLE, SKY, VERMILION, colours_of_bulks
from ...random_features.families import Timescales
from ...random_features.model import RandomFeatureModel
from ...random_features.results import BestStopping, LearningCurves, Window
from ...random_features.summaries.times import automatic_times
from ...random_features.training import Training
from ...structured.classes import DataClass
from ...structured.curves import ClassCurves
from ...structured.mixture import MixtureModel
from ...structured.summary import automatic_times as times_of_classes
from ...structured.training import StructuredTraining
from ..data import Data
from .state import CLASSES, GIVEN, State

FloatArray = NDArray[np.float64]
Model = RandomFeatureModel | MixtureModel

CLASS_COLOURS = (VERMILION, SKY, PURPLE)

_POINTS = 200  # a bulk
_LEAST_POINTS = 24
_ALL_POINTS = 6000  # of all bulks


@dataclass(frozen=True)
class Rows:
    """The rows of --data, once split and once seen as a population of others like them.

    Attributes
    ----------
    data : all of them
    unit_variance : whether they were scaled
    """

    data: Data
    unit_variance: bool = False

    @cached_property
    def parts(self) -> tuple[Data, Data]:
        """Those to train on and those held out, as `rmtspec curves` parts them."""
        return self.data.split()

    @cached_property
    def population(self) -> PopulationSpectrum:
        """The population behind them."""
        return PopulationSpectrum.from_samples(self.data.rows, debias=True)

    @property
    def load(self) -> float:
        """Rows per dimension."""
        samples, dimension = self.data.rows.shape
        return float(samples / dimension)


def model_of(state: State, rows: Rows | None) -> Model:
    """The model asked for.

    Raises
    ------
    ValueError
        If the values do not go together.
    """
    if state.population in GIVEN:
        assert rows is not None
        train, held_out = rows.parts
        return RandomFeatureModel.from_data(
            train.rows,
            state.psi_p,
            state.t,
            state.activation,
            test=held_out.rows,
            kernel="exact" if state.population == "rows" else "gaussian",
        )
    return model_with(data_of(state, rows), state)


def data_of(state: State, rows: Rows | None) -> PopulationSpectrum | list[DataClass]:
    """Law or classes of random rows; where rows are given, the law of others like them."""
    if state.population in CLASSES:
        weights, variances = state.classes
        shares = [weight / sum(weights) for weight in weights]
        return [DataClass(*one) for one in zip(shares, variances, strict=True)]
    if state.population == "two":
        return PopulationSpectrum([state.low, state.high], [1.0 - state.share, state.share])
    if state.population == "power":
        return PopulationSpectrum.power_law(state.exponent, state.dimension)
    if state.population == "spikes":
        return PopulationSpectrum([1.0], [1.0], state.spikes)
    if state.population == "isotropic":
        return PopulationSpectrum.isotropic()
    assert rows is not None
    return rows.population


def model_with(data: PopulationSpectrum | list[DataClass], state: State) -> Model:
    """The model of random rows."""
    if isinstance(data, list):
        return MixtureModel(state.psi_p, state.psi_n, state.t, data, activation=state.activation)
    return RandomFeatureModel(state.psi_p, state.psi_n, state.t, state.activation, data)


def spectral_times(training: Training | StructuredTraining) -> Timescales:
    """Times at the lower ends of the families of eigenvalues."""
    if isinstance(training, StructuredTraining):
        return training.spectral_times()
    return training.timescales()


@dataclass(frozen=True)
class Bulk:
    """A bulk as it is drawn, or a crowd of thin ones.

    Attributes
    ----------
    name, colour, edges, mass : of all of it
    line : as in the pictures
    centres : distances of the bulks that it holds
    """

    name: str
    colour: str
    edges: tuple[float, float]
    mass: float
    line: Outline
    centres: FloatArray


class ClassLine(NamedTuple):
    """A class of the data: its name, colour, share and losses."""

    name: str
    colour: str
    share: float
    test: FloatArray
    train: FloatArray


@dataclass(frozen=True)
class Scene:
    """A state's law and learning curves.

    Attributes
    ----------
    state : what was asked
    model, training : the public objects that everything shown is asked of
    bulks : in ascending order
    limits : of both axes of the spectrum
    curves : over the times at which they change
    families : of eigenvalues, from the top of the spectrum down, with the times of this training
    facts : single numbers beside the pictures
    """

    state: State
    model: Model
    training: Training | StructuredTraining
    bulks: tuple[Bulk, ...]
    limits: tuple[tuple[float, float], tuple[float, float]]
    curves: LearningCurves
    families: list[dict[str, Any]]
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, state: State, rows: Rows | None) -> Scene:
        """Ask the model of a state.

        Raises
        ------
        ValueError
            If the values do not go together.
        """
        model = model_of(state, rows)
        training = model.training(**state.training)
        law, names = model.spectrum(), model.bulk_names()
        count = len(names)
        points = int(np.clip(_ALL_POINTS // max(count, 1), _LEAST_POINTS, _POINTS))
        colours, lines = colours_of_bulks(names), pieces(law, names, points)
        bulks = tuple(
            Bulk(
                piece.name,
                colours[piece.name],
                (float(ends[0, 0]), float(ends[-1, 1])),
                float(law.masses[piece.members].sum()),
                piece.line,
                law.edges[piece.members].mean(axis=1),
            )
            for piece in lines
            for ends in (law.support[piece.members],)
        )
        peaks = [height for piece in lines for height in piece.peaks]
        limits = limits_in_decades(law, peaks) if bulks else ((0.1, 10.0), (0.1, 10.0))
        if isinstance(training, StructuredTraining):
            tau = times_of_classes(training)
        else:
            tau = automatic_times(training)
        curves = training.learning_curves(tau)
        families = spectral_times(training).to_dict()["families"]
        return cls(state, model, training, bulks, limits, curves, families, _facts(training))

    @property
    def knows_fresh_data(self) -> bool:
        """Whether the test loss can be told."""
        model = self.model
        if isinstance(model, MixtureModel):
            return True
        return not model.conditional or model.held_out is not None

    @property
    def classes(self) -> list[ClassLine]:
        """The classes of the data, where there are several."""
        if not isinstance(self.curves, ClassCurves):
            return []
        rows = zip(self.curves.class_weights, CLASS_COLOURS, strict=False)
        return [
            ClassLine(
                f"class {number}",
                colour,
                float(share),
                self.curves.class_test[number],
                self.curves.class_train[number],
            )
            for number, (share, colour) in enumerate(rows)
        ]

    def legend(self) -> list[dict[str, Any]]:
        """Bulks of one name together, with their colour and mass, from the top down."""
        found: dict[str, dict[str, Any]] = {}
        for bulk in reversed(self.bulks):
            start = {"name": bulk.name, "colour": bulk.colour, "mass": 0.0, "bulks": 0}
            entry = found.setdefault(bulk.name, start)
            entry["mass"] += bulk.mass
            entry["bulks"] += bulk.centres.size
        return list(found.values())


def _facts(training: Training | StructuredTraining) -> dict[str, Any]:
    """Single numbers beside the pictures."""
    model = training.model
    law, end = model.spectrum(), training.learning_curves(np.inf)
    return {
        "floor": float(law.origin),
        "atoms": [[float(x), float(mass)] for x, mass in np.asarray(law.atoms)],
        "outliers": [float(x) for x in np.asarray(law.outliers) if np.isfinite(x)],
        "stability_limit": float(training.stability_limit),
        "train": float(end.train),
        "test": float(end.test),
        "psi_n": float(model.psi_n),
    }


@dataclass(frozen=True)
class Stopping:
    """When to stop, which takes longer to find than all that a `Scene` holds."""

    best: BestStopping
    window: Window

    @classmethod
    def of(cls, scene: Scene) -> Stopping | None:
        """None where the test loss is not known."""
        if not scene.knows_fresh_data:
            return None
        return cls(scene.training.best_stopping(), scene.training.window())
