"""Random-matrix theory of diffusion models: spectra, edges, outliers and training times."""

from typing import TYPE_CHECKING, Any

from .compare.comparison import compare
from .compare.finite_size import at_dimension
from .compare.fit import fit
from .compare.simulate import simulate, simulate_curves
from .ensembles.sample_covariance import SampleCovariance
from .inputs.diffusion.level import NoiseLevel
from .inputs.diffusion.prediction import Prediction, convert_error
from .inputs.noise import NoiseSchedule
from .inputs.population import PopulationSpectrum
from .law import SpectralLaw
from .linear.denoiser import LinearDenoiser
from .random_features.model import RandomFeatureModel
from .random_features.stopping import stopping_report
from .result import ConvergenceWarning, DataWarning, FewDimensionsWarning, Status
from .sweeps.sweep import sweep

if TYPE_CHECKING:
    from .structured.classes import DataClass
    from .structured.mixture import MixtureModel
    from .structured.time_integrated import TimeIntegratedModel

__all__ = [
    "ConvergenceWarning",
    "DataClass",
    "DataWarning",
    "FewDimensionsWarning",
    "LinearDenoiser",
    "MixtureModel",
    "NoiseLevel",
    "NoiseSchedule",
    "PopulationSpectrum",
    "Prediction",
    "RandomFeatureModel",
    "SampleCovariance",
    "SpectralLaw",
    "Status",
    "TimeIntegratedModel",
    "at_dimension",
    "compare",
    "convert_error",
    "fit",
    "simulate",
    "simulate_curves",
    "stopping_report",
    "sweep",
]


_STRUCTURED = ("DataClass", "MixtureModel", "TimeIntegratedModel")


def __getattr__(name: str) -> Any:
    """What is looked up when asked for: the version, and models with compiled kernels of their own.

    The installed metadata take 50 ms, and those models as long again.
    """
    if name == "__version__":
        from importlib.metadata import version

        return version("rmtspec")
    if name in _STRUCTURED:
        from .structured import classes, mixture, time_integrated

        homes = (classes, mixture, time_integrated)
        return next(getattr(home, name) for home in homes if name in vars(home))
    raise AttributeError(f"module 'rmtspec' has no attribute {name!r}")
