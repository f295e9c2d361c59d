"""Random-matrix theory of diffusion models: spectra, edges, outliers and training times."""

from .ensembles.sample_covariance import SampleCovariance
from .law import SpectralLaw
from .population import PopulationSpectrum
from .result import ConvergenceWarning, Status

__all__ = [
    "ConvergenceWarning",
    "PopulationSpectrum",
    "SampleCovariance",
    "SpectralLaw",
    "Status",
]
