"""What Hypothesis calls when it starts, so that `from_type` knows the classes of this package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


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
    from hypothesis.strategies import SearchStrategy, register_type_strategy

    from ..ensembles.random_feature import RandomFeatureGram
    from ..ensembles.sample_covariance import SampleCovariance
    from ..inputs.noise import NoiseSchedule
    from ..inputs.population import PopulationSpectrum
    from ..law import SpectralLaw
    from ..linear.denoiser import LinearDenoiser
    from ..random_features.model import RandomFeatureModel

    def late(name: str) -> Callable[[type[Any]], SearchStrategy[Any]]:
        """The strategy of that name, looked up when it is asked for.

        Hypothesis calls `register` while it is imported, and `strategies` imports Hypothesis.
        """

        def strategy(_: type[Any]) -> SearchStrategy[Any]:
            from . import strategies

            drawn: SearchStrategy[Any] = getattr(strategies, name)()
            return drawn

        return strategy

    for drawn, name in (
        (PopulationSpectrum, "populations"),
        (SampleCovariance, "sample_covariances"),
        (RandomFeatureGram, "random_feature_grams"),
        (RandomFeatureModel, "random_feature_models"),
        (SpectralLaw, "laws"),
        (NoiseSchedule, "noise_schedules"),
        (LinearDenoiser, "linear_denoisers"),
    ):
        register_type_strategy(drawn, late(name))
