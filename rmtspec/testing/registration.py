"""What Hypothesis calls when it starts, so that `from_type` knows the classes of this package."""

from __future__ import annotations


def register() -> None:
    """Tell `hypothesis.strategies.from_type` how to draw each public class.

    The entry point ``hypothesis`` of the installed package names this function; calling it again
    changes nothing.

    Examples
    --------
    >>> import rmtspec as rs
    >>> from hypothesis import find, strategies as st
    >>> from rmtspec.testing.registration import register
    >>> register()
    >>> find(st.from_type(rs.PopulationSpectrum), lambda population: True)
    PopulationSpectrum([1], weights=[1])
    """
    from hypothesis.strategies import register_type_strategy

    from ..ensembles.random_feature import RandomFeatureGram
    from ..ensembles.sample_covariance import SampleCovariance
    from ..inputs.noise import NoiseSchedule
    from ..inputs.population import PopulationSpectrum
    from ..law import SpectralLaw
    from ..linear.denoiser import LinearDenoiser
    from ..random_features.model import RandomFeatureModel
    from . import strategies

    for drawn, strategy in (
        (PopulationSpectrum, strategies.populations()),
        (SampleCovariance, strategies.sample_covariances()),
        (RandomFeatureGram, strategies.random_feature_grams()),
        (RandomFeatureModel, strategies.random_feature_models()),
        (SpectralLaw, strategies.laws()),
        (NoiseSchedule, strategies.noise_schedules()),
        (LinearDenoiser, strategies.linear_denoisers()),
    ):
        register_type_strategy(drawn, strategy)
