"""What the parts of a structured model ask of it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..ensembles.structured.ensemble import StructuredEnsemble
from ..law import SpectralLaw
from ..random_features.families import Family
from .setting import Setting


class Model(Protocol):
    """A score network whose features have types, classes and times."""

    @property
    def psi_p(self) -> float:
        """Features per dimension."""

    @property
    def psi_n(self) -> float:
        """Samples per dimension."""

    @property
    def delta(self) -> float:
        """Δ̄."""

    @property
    def setting(self) -> Setting:
        """Classes, times and types of neurons."""

    @property
    def class_weights(self) -> NDArray[np.float64]:
        """(Y,) shares of the classes."""

    @property
    def ensemble(self) -> StructuredEnsemble:
        """The Gaussian equivalent of the feature matrix U."""

    @property
    def families(self) -> tuple[Family, ...]:
        """Families of eigenvalues, from the top down."""

    def spectrum(self) -> SpectralLaw:
        """Limiting eigenvalue law of U."""

    def bulk_names(self) -> tuple[str, ...]:
        """Names of the families that each bulk holds."""
