"""Random-matrix theory of diffusion models: spectra, edges, outliers and training times."""

from importlib.metadata import version

from .ensembles.sample_covariance import SampleCovariance
from .inputs.noise import NoiseSchedule
from .inputs.population import PopulationSpectrum
from .law import SpectralLaw
from .linear.denoiser import LinearDenoiser
from .random_features.model import RandomFeatureModel
from .result import ConvergenceWarning, FewDimensionsWarning, Status
from .sweeps.sweep import sweep

__version__ = version("rmtspec")

__all__ = [
    "ConvergenceWarning",
    "FewDimensionsWarning",
    "LinearDenoiser",
    "NoiseSchedule",
    "PopulationSpectrum",
    "RandomFeatureModel",
    "SampleCovariance",
    "SpectralLaw",
    "Status",
    "sweep",
]
