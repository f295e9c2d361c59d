"""Random-matrix theory of diffusion models: spectra, edges, outliers and training times."""

from importlib.metadata import version

from .ensembles.sample_covariance import SampleCovariance
from .law import SpectralLaw
from .linear_denoiser import LinearDenoiser
from .noise import NoiseSchedule
from .population import PopulationSpectrum
from .random_feature_model import RandomFeatureModel
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
