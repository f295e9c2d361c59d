"""What the parts of a model ask of each other."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..ensembles.exact_kernel import ExactKernelGram
from ..ensembles.random_feature import RandomFeatureGram
from ..inputs.activation import ActivationLike, Coefficients
from ..inputs.diffusion.level import NoiseLevel
from ..inputs.diffusion.prediction import Prediction
from ..inputs.held_out import HeldOut
from ..inputs.population import PopulationSpectrum
from ..inputs.rows import GivenRows
from ..law import SpectralLaw
from .families import Timescales
from .losses.relaxation import Relaxation
from .outliers import Outliers
from .results import BestStopping, LearningCurves, Window


class Model(Protocol):
    """A random-feature model at one diffusion time."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def psi_p(self) -> float:
        """Features per dimension."""

    @property
    def psi_n(self) -> float:
        """Samples per dimension."""

    @property
    def t(self) -> float:
        """Diffusion time."""

    @property
    def population(self) -> PopulationSpectrum:
        """Spectrum of the data covariance."""

    @property
    def conditional(self) -> bool:
        """Whether that is the covariance of the given data."""

    @property
    def held_out(self) -> HeldOut | None:
        """What fresh data do along the directions of given data."""

    @property
    def rows(self) -> GivenRows | None:
        """The given data themselves, where the law is by their exact kernel."""

    @property
    def coefficients(self) -> Coefficients:
        """Scalars of the Gaussian equivalent."""

    @property
    def level(self) -> NoiseLevel:
        """The noise level, and the gain on the input."""

    @property
    def noise_level(self) -> NoiseLevel | None:
        """The same if it is on another path than Ornstein and Uhlenbeck's."""

    @property
    def signal(self) -> float:
        """Square of the amplitude of the data."""

    @property
    def delta(self) -> float:
        """Noise variance Δ_t."""

    @property
    def floor(self) -> float:
        """s²."""

    @property
    def ensemble(self) -> RandomFeatureGram | ExactKernelGram:
        """The Gaussian equivalent of the feature matrix U, or U by its exact kernel."""

    @property
    def activation(self) -> ActivationLike:
        """Nonlinearity."""

    def spectrum(self) -> SpectralLaw:
        """Limiting eigenvalue law of U."""

    def timescales(self) -> Timescales:
        """Times at which the families of eigenvalues relax."""

    def bulk_names(self) -> tuple[str, ...]:
        """Names of the families that each bulk holds."""

    def outliers(self) -> Outliers:
        """Where the spikes of the population show up."""


class Trained(Protocol):
    """A model under one training rule."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def model(self) -> Model:
        """What is trained."""

    @property
    def step(self) -> float:
        """Increment of τ of one step; 0 is gradient flow."""

    @property
    def momentum(self) -> float:
        """Of the heavy ball."""

    @property
    def ridge(self) -> float:
        """Added to every eigenvalue."""

    @property
    def clock(self) -> float:
        """A mode of eigenvalue λ relaxes in the time ψ_p/(clock·λ)."""

    @property
    def prediction(self) -> Prediction | None:
        """What the network predicts; None is the score."""

    @property
    def weight(self) -> float:
        """Factor on the loss."""

    @property
    def relaxation(self) -> Relaxation:
        """How a mode relaxes."""

    @property
    def stability_limit(self) -> float:
        """Steps from here on diverge."""

    def learning_curves(
        self, tau: ArrayLike, directions: ArrayLike | None = None
    ) -> LearningCurves:
        """Losses over training time."""

    def timescales(self) -> Timescales:
        """Times at the lower ends of the families."""

    def best_stopping(self) -> BestStopping:
        """When to stop."""

    def window(self) -> Window:
        """Between generalisation and memorisation."""

    def bulk_shares(self) -> NDArray[np.float64]:
        """What each bulk takes away of the train loss."""
