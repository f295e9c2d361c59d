"""Random-matrix theory of diffusion models: spectra, edges, outliers and training times."""

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
from .random_features.many import timescales
from .random_features.model import RandomFeatureModel
from .random_features.stopping import stopping_report
from .result import ConvergenceWarning, DataWarning, FewDimensionsWarning, Status
from .sweeps.sweep import sweep

__all__ = [
    "ConvergenceWarning",
    "DataWarning",
    "FewDimensionsWarning",
    "LinearDenoiser",
    "NoiseLevel",
    "NoiseSchedule",
    "PopulationSpectrum",
    "Prediction",
    "RandomFeatureModel",
    "SampleCovariance",
    "SpectralLaw",
    "Status",
    "at_dimension",
    "compare",
    "convert_error",
    "fit",
    "simulate",
    "simulate_curves",
    "stopping_report",
    "sweep",
    "timescales",
]


def __getattr__(name: str) -> str:
    """The version, looked up in the installed metadata when asked for: that takes 50 ms."""
    if name == "__version__":
        from importlib.metadata import version

        return version("rmtspec")
    raise AttributeError(f"module 'rmtspec' has no attribute {name!r}")
