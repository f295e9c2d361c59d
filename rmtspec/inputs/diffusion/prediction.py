r"""What a network is asked to predict: noise, data, velocity, or any mixture of noise and data.

At a noise level :math:`x_s=\alpha x+\sigma\xi` the target is :math:`\zeta=u\xi+wx`.  With a skip c
the network learns :math:`\zeta-c\,x_s` and :math:`c\,x_s` is added to its output: it is trained as
for the target :math:`(u-c\sigma,\ w-c\alpha)`.  What no skip changes is

.. math::  \delta=u\alpha-w\sigma,\qquad \zeta=\frac{\delta\,\xi+w\,x_s}\alpha .

Given :math:`x_s` all of them are the same knowledge: with the prediction :math:`\hat\zeta`

.. math::  \hat s=\frac{w\,x_s-\alpha\hat\zeta}{\sigma\delta},\qquad
           \hat x=\frac{u\,x_s-\sigma\hat\zeta}\delta,\qquad
           \hat\xi=\frac{\alpha\hat\zeta-w\,x_s}\delta,

so that mean squared errors are converted by a factor,
:math:`E_{score}=\frac{\alpha^2}{\sigma^2\delta^2}E_\zeta`, and the least loss of a linear predictor
(the least of all, for Gaussian data) is
:math:`L^*=\delta^2\int\frac{l\,d\rho(l)}{\alpha^2l+\sigma^2}`.

*One number.*  Linear training does not see a factor, and :math:`\zeta-c\,x_s` is
:math:`\frac\delta\alpha(\xi-\chi x_s)` with :math:`\chi=-w/\delta`, w after the skip: a target is
the prediction of noise with the skip χ, and a clock.

====================================  =====================  ==================  =================
prediction                            u, w                   δ                   χ/σ
====================================  =====================  ==================  =================
noise ξ                               1, 0                   α                   0
data x                                0, 1                   −σ                  1/σ²
v, αξ − σx                            α, −σ                  α² + σ²             1/(α² + σ²)
velocity ξ − x                        1, −1                  α + σ               1/(σ(α + σ))
EDM, (x − c x_s)/c_out                after its skip         −σ/c_out            1/(α²σ_d² + σ²)
====================================  =====================  ==================  =================

EDM takes the skip and the scale that the best linear predictor of data of variance
:math:`\sigma_d^2` has: :math:`c=\alpha\sigma_d^2/(\alpha^2\sigma_d^2+\sigma^2)`,
:math:`c_{out}^2=\sigma^2\sigma_d^2/(\alpha^2\sigma_d^2+\sigma^2)`; with :math:`\alpha=1` these are
the preconditioners of Karras, Aittala, Aila, Laine (2022), arXiv 2206.00364, Table 1.  With
:math:`\sigma_d=1` it is v-prediction (Salimans, Ho, 2022, arXiv 2202.00512, eq. 11) at the same
signal-to-noise ratio, but for the sign of the target.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import _checks
from .level import NoiseLevel

_LARGEST = 1e100


class Target(NamedTuple):
    """u and w after the skip: what the network itself learns."""

    noise: float
    data: float


@dataclass(frozen=True, init=False, repr=False)
class Prediction:
    r"""The target :math:`\zeta=u\xi+wx` of a network, of which a skip takes :math:`c\,x_s`.

    Parameters
    ----------
    noise, data : float in [-1e100, 1e100]
        u and w, in units of a noise and a data coordinate.
    skip : float in [-1e100, 1e100]
        c.  It changes what the network learns, and neither δ, the least loss nor conversions.

    Attributes
    ----------
    noise_part, data_part, skip : the same; NaN for `v` and `edm`, which depend on the noise level,
        until `at` has put in one, as models do by themselves

    Raises
    ------
    TypeError, ValueError
        If an argument is no number of its range, or u and w are both 0.

    Examples
    --------
    >>> import rmtspec as rs
    >>> level = rs.NoiseLevel.flow(0.5)
    >>> rs.Prediction.velocity().delta(level), rs.Prediction.v().at(level)
    (1.0, Prediction(noise=0.5, data=-0.5, skip=0.0))
    """

    noise_part: float
    data_part: float
    skip: float
    kind: str = ""
    data_scale: float = 1.0

    def __init__(self, noise: float, data: float, skip: float = 0.0) -> None:
        values = [
            _checks.real(name, value, -_LARGEST, _LARGEST)
            for name, value in (("noise", noise), ("data", data), ("skip", skip))
        ]
        if values[0] == values[1] == 0.0:
            raise ValueError("noise and data must not both be 0, got 0.0 and 0.0")
        self._store(*values)

    def _store(self, noise: float, data: float, skip: float) -> None:
        for name, value in (("noise_part", noise), ("data_part", data), ("skip", skip)):
            object.__setattr__(self, name, value)

    @classmethod
    def _of_level(cls, kind: str, data_scale: float = 1.0) -> Self:
        made = cls.__new__(cls)
        made._store(math.nan, math.nan, math.nan)
        object.__setattr__(made, "kind", kind)
        object.__setattr__(made, "data_scale", data_scale)
        return made

    @classmethod
    def noise(cls) -> Self:
        """The noise ξ, as in DDPM."""
        return cls(1.0, 0.0)

    @classmethod
    def data(cls) -> Self:
        """The clean data x."""
        return cls(0.0, 1.0)

    @classmethod
    def velocity(cls) -> Self:
        """The velocity ξ − x of the straight path, as in flow matching."""
        return cls(1.0, -1.0)

    @classmethod
    def v(cls) -> Self:
        """The target αξ − σx."""
        return cls._of_level("v")

    @classmethod
    def edm(cls, data_scale: float = 1.0) -> Self:
        r"""The preconditioned target of EDM, :math:`(x-c\,x_s)/c_{out}`.

        Parameters
        ----------
        data_scale : float in [1e-100, 1e100]
            Standard deviation :math:`\sigma_d` that the data are taken to have.
        """
        return cls._of_level("edm", _checks.real("data_scale", data_scale, 1e-100, _LARGEST))

    @classmethod
    def named(cls, prediction: str | Prediction) -> Prediction:
        """The prediction of that name, or one that is given.

        Parameters
        ----------
        prediction : str or Prediction
            "noise", "data", "v", "velocity", "edm", or "edm:" and a data scale.

        Raises
        ------
        TypeError, ValueError
            If it is none of these.

        Examples
        --------
        >>> import rmtspec as rs
        >>> rs.Prediction.named("velocity")
        Prediction(noise=1.0, data=-1.0, skip=0.0)
        """
        if isinstance(prediction, Prediction):
            return prediction
        if not isinstance(prediction, str):
            raise TypeError(
                f"prediction must be a Prediction or one of {', '.join(PREDICTIONS)}, "
                f"got {_checks.shown(prediction)}"
            )
        word, _, scale = prediction.partition(":")
        if word == "edm" and scale:
            try:
                return cls.edm(float(scale))
            except ValueError:
                raise ValueError(
                    "prediction must have a number > 0 after 'edm:', got "
                    f"{_checks.shown(prediction)}"
                ) from None
        _checks.choice("prediction", prediction, PREDICTIONS)
        makers: dict[str, Callable[[], Prediction]] = {
            "noise": cls.noise, "data": cls.data, "v": cls.v, "velocity": cls.velocity,
            "edm": cls.edm,
        }  # fmt: skip
        return makers[prediction]()

    def at(self, level: NoiseLevel) -> Prediction:
        """The same with its numbers at a noise level."""
        _level(level)
        alpha, sigma = level.alpha, level.sigma
        if self.kind == "v":
            return Prediction(alpha, -sigma)
        if self.kind == "edm":
            scale = self.data_scale
            size = math.hypot(alpha * scale, sigma)
            out = sigma * (scale / size)
            return Prediction(0.0, 1.0 / out, alpha * (scale / size) ** 2 / out)
        return self

    def delta(self, level: NoiseLevel) -> float:
        """δ = uα − wσ, which no skip changes; 0 for a multiple of what the network is shown."""
        plain = self.at(level)
        return plain.noise_part * level.alpha - plain.data_part * level.sigma

    def target(self, level: NoiseLevel) -> Target:
        """u and w after the skip: what the network itself learns."""
        plain = self.at(level)
        if self.kind == "edm":  # 1 − cα without a difference
            alpha, sigma, scale = level.alpha, level.sigma, self.data_scale
            size = math.hypot(alpha * scale, sigma)
            return Target(-alpha * (scale / size), (sigma / size) / scale)
        return Target(
            plain.noise_part - plain.skip * level.sigma,
            plain.data_part - plain.skip * level.alpha,
        )

    def noise_skip(self, level: NoiseLevel) -> float:
        """χ: the same as predicting the noise with the skip χ; 0 noise, 1/σ data.

        Infinite for a multiple of what the network is shown, which says nothing of the noise.
        """
        delta, target = self.delta(level), self.target(level)
        # + 0.0: noise is predicted with the skip 0, not −0.
        return -target.data / delta + 0.0 if delta != 0.0 else math.inf

    @property
    def name(self) -> str:
        """Its name, or what it is."""
        if self.kind == "edm" and self.data_scale != 1.0:
            return f"edm:{self.data_scale:g}"
        if self.kind:
            return self.kind
        known = {(1.0, 0.0, 0.0): "noise", (0.0, 1.0, 0.0): "data", (1.0, -1.0, 0.0): "velocity"}
        parts = (self.noise_part, self.data_part, self.skip)
        skip = f", skip {self.skip:g}" if self.skip else ""
        return known.get(parts) or f"{self.noise_part:g} noise {self.data_part:+g} data{skip}"

    def __repr__(self) -> str:
        if self.kind == "edm":
            return f"Prediction.edm({self.data_scale!r})"
        if self.kind:
            return f"Prediction.{self.kind}()"
        return f"Prediction(noise={self.noise_part!r}, data={self.data_part!r}, skip={self.skip!r})"


PREDICTIONS = ("noise", "data", "v", "velocity", "edm")
"""Names of the predictions."""


def convert_error(
    value: ArrayLike,
    level: NoiseLevel,
    source: str | Prediction,
    target: str | Prediction = "score",
) -> NDArray[np.float64]:
    r"""Mean squared error of one prediction as that of another that is computed from it.

    :math:`E_{target}=(\delta_{target}/\delta_{source})^2E_{source}`, and
    :math:`E_{score}=\frac{\alpha^2}{\sigma^2\delta^2}E`: the conversion is pointwise, so that it
    holds for errors on training samples too.

    Parameters
    ----------
    value : array_like >= 0, any shape
        E|prediction − best prediction|²/d.
    level : NoiseLevel
        With α > 0.
    source, target : Prediction, its name, or "score"
        Skips change nothing.

    Returns
    -------
    ndarray of float64, shaped like value

    Raises
    ------
    TypeError, ValueError
        If an argument is not of its kind, or source is a multiple of what the network is shown.

    Examples
    --------
    >>> import rmtspec as rs
    >>> level = rs.NoiseLevel.flow(0.5)
    >>> float(rs.convert_error(1.0, level, "velocity", "noise"))
    0.25
    """
    errors = _checks.real_array("value", value, 0.0, infinite=True)
    _level(level)
    if level.alpha == 0.0:
        raise ValueError("level must hold data, alpha > 0, got alpha = 0.0")
    factors = []
    for name, one in (("source", source), ("target", target)):
        try:
            factors.append(_slope(level, one))
        except (TypeError, ValueError) as problem:
            raise type(problem)(f"{name}: {problem}, or 'score'") from None
    if factors[0] == 0.0:
        raise ValueError(
            "source must not be a multiple of what the network is shown, which says nothing of "
            f"the data, got {source!r}"
        )
    ratio = factors[1] / factors[0]
    return np.asarray(ratio * ratio * errors)


def _slope(level: NoiseLevel, one: str | Prediction) -> float:
    """What the noise, given what is shown, is multiplied by in a prediction."""
    if isinstance(one, str) and one == "score":
        return 1.0 / level.sigma
    return Prediction.named(one).delta(level) / level.alpha


def _level(level: NoiseLevel) -> None:
    if not isinstance(level, NoiseLevel):
        raise TypeError(f"level must be a NoiseLevel, got {_checks.shown(level)}")
