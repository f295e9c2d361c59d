r"""Noise levels of any path: how much signal, how much noise, and how the network scales its input.

Diffusion models are trained on :math:`x_s=\alpha x+\sigma\xi`, and some multiply it by an input
gain g before the network sees it.  A feature :math:`f(g\,w\cdot x_s/\sqrt d)` is one of the
Ornstein-Uhlenbeck path at the same signal-to-noise ratio, whose activation is scaled:

.. math::  g\,x_s=G\big(e^{-t}x+\sqrt{1-e^{-2t}}\,\xi\big),\qquad
           t=\tfrac12\log\Big(1+\frac{\sigma^2}{\alpha^2}\Big),\qquad G=g\sqrt{\alpha^2+\sigma^2}.

=============================  =========================================  =======================
path                           α, σ                                       g
=============================  =========================================  =======================
`ou`, time t                   :math:`e^{-t},\ \sqrt{1-e^{-2t}}`          1
`ddpm`, signal ᾱ               :math:`\sqrt{\bar\alpha},\                  1
                               \sqrt{1-\bar\alpha}`
`edm`, noise σ                 1, σ                                       :math:`(\sigma^2+
                                                                          \sigma_d^2)^{-1/2}`
`flow`, time s                 1 − s, s                                   1
=============================  =========================================  =======================

Variance exploding paths are ``NoiseLevel(1, sigma)``.  Sources: Song et al. (2021), arXiv
2011.13456 (paths); Karras, Aittala, Aila, Laine (2022), arXiv 2206.00364, Table 1 (EDM); Lipman,
Chen, Ben-Hamu, Nickel, Le (2023), arXiv 2210.02747, eq. 20 (flow matching).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from ... import _checks

_LARGEST, _SMALLEST = 1e100, 1e-100
_LEAST_NOISE = 1e-162  # at the shortest time that is a number
_EARLIEST = 1e-190
LATEST = 350.0
"""Ornstein-Uhlenbeck time beyond which the signal underflows."""


class Noised(NamedTuple):
    """What a neuron is shown: amplitudes of data and noise after the gain, and their squares."""

    data: float
    noise: float
    data_square: float
    noise_square: float


@dataclass(frozen=True)
class NoiseLevel:
    r"""One noise level: the network sees :math:`g\,(\alpha x+\sigma\xi)`.

    Accepted wherever a model takes a diffusion time t; a number is Ornstein-Uhlenbeck time.

    Parameters
    ----------
    alpha : float in [0, 1e100]
        Amplitude α of the data.  At 0 the data are gone: no model can be made there.
    sigma : float in [1e-162, 1e100]
        Amplitude σ of the noise, in units of a data coordinate.
    gain : float in [1e-100, 1e100]
        Factor g on the input of the network.

    Raises
    ------
    TypeError, ValueError
        If an argument is no number of its range.

    Notes
    -----
    *Clock.*  A level has none.  Training times are told by the loss: see
    `rmtspec.RandomFeatureModel.training`.

    Examples
    --------
    >>> import rmtspec as rs
    >>> level = rs.NoiseLevel.flow(0.5)
    >>> level.snr, round(level.t, 6), round(level.ou_gain, 6)
    (1.0, 0.346574, 0.707107)
    >>> rs.NoiseLevel.edm(1.0).ou_gain
    1.0
    """

    alpha: float
    sigma: float
    gain: float = 1.0
    _path: tuple[str, float, float] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name, least in (("alpha", 0.0), ("sigma", _LEAST_NOISE), ("gain", _SMALLEST)):
            value = _checks.real(name, getattr(self, name), least, _LARGEST)
            object.__setattr__(self, name, value)

    @classmethod
    def ou(cls, t: float) -> Self:
        """Ornstein-Uhlenbeck time t > 0; the same as the number t."""
        t = _checks.positive("t", t)
        return cls(math.exp(-t), math.sqrt(-math.expm1(-2.0 * t)), 1.0, ("ou", t, t))

    @classmethod
    def ddpm(cls, alpha_bar: float) -> Self:
        r"""Signal :math:`\bar\alpha` in (0, 1) of a discrete variance-preserving process."""
        signal = _checks.real("alpha_bar", alpha_bar, 1e-300, 1.0, high_open=True)
        t = -0.5 * math.log(signal)
        return cls(math.sqrt(signal), math.sqrt(1.0 - signal), 1.0, ("ddpm", signal, t))

    @classmethod
    def edm(cls, sigma: float, data_scale: float = 1.0) -> Self:
        r"""Noise σ added to unscaled data, input gain :math:`(\sigma^2+\sigma_d^2)^{-1/2}`.

        `data_scale`, :math:`\sigma_d` in [1e-100, 1e100], is the standard deviation that the data
        are taken to have.
        """
        sigma = _checks.real("sigma", sigma, _SMALLEST, _LARGEST)
        scale = _checks.real("data_scale", data_scale, _SMALLEST, _LARGEST)
        return cls(1.0, sigma, 1.0 / math.hypot(sigma, scale), ("edm", scale, 0.0))

    @classmethod
    def flow(cls, s: float) -> Self:
        """Time s in (0, 1] of the straight path from the data to the noise."""
        s = _checks.real("s", s, _SMALLEST, 1.0)
        return cls(1.0 - s, s, 1.0, ("flow", s, 0.0))

    @classmethod
    def named(cls, path: str, value: float, data_scale: float = 1.0) -> Self:
        """The level of a path by its name: "ou", "ddpm", "edm" or "flow".

        Parameters
        ----------
        path : str
        value : float
            t, alpha_bar, sigma or s.
        data_scale : float
            Of "edm" only.

        Raises
        ------
        TypeError, ValueError
            If path is none of the names or value out of its range.

        Examples
        --------
        >>> import rmtspec as rs
        >>> rs.NoiseLevel.named("flow", 0.25)
        NoiseLevel(alpha=0.75, sigma=0.25, gain=1.0)
        """
        _checks.choice("path", path, PATHS)
        makers: dict[str, Callable[..., Self]] = {
            "ou": cls.ou, "ddpm": cls.ddpm, "edm": cls.edm, "flow": cls.flow,
        }  # fmt: skip
        numbers = (value, data_scale) if path == "edm" else (value,)
        try:
            return makers[path](*numbers)
        except (TypeError, ValueError) as problem:
            raise type(problem)(f"value of {path!r}: {problem}") from None

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio α²/σ² (of data of variance 1)."""
        return (self.alpha / self.sigma) ** 2

    @property
    def t(self) -> float:
        """Ornstein-Uhlenbeck time of the same signal-to-noise ratio; inf where α = 0."""
        if self._path is not None and self._path[0] in ("ou", "ddpm"):
            return self._path[2]
        if self.alpha == 0.0:
            return math.inf
        ratio = self.sigma / self.alpha
        # For ratios whose square would overflow the 1 is rounding.
        return 0.5 * math.log1p(ratio * ratio) if ratio < 1e150 else math.log(ratio)

    @property
    def ou_gain(self) -> float:
        """G: what the network sees is G times the Ornstein-Uhlenbeck path at time t."""
        return self.gain * self.scale

    @property
    def scale(self) -> float:
        """√(α² + σ²): what the path itself is longer by than the Ornstein-Uhlenbeck path."""
        return 1.0 if self.is_ou else math.hypot(self.alpha, self.sigma)

    @property
    def is_ou(self) -> bool:
        """Whether this is the Ornstein-Uhlenbeck path, without a gain."""
        return self._path is not None and self._path[0] in ("ou", "ddpm") and self.gain == 1.0

    @property
    def shown(self) -> Noised:
        """Amplitudes of data and noise after the gain."""
        if self.is_ou:
            return noised(self.t)
        data, noise = self.gain * self.alpha, self.gain * self.sigma
        return Noised(data, noise, data * data, noise * noise)

    def at_time(self, t: float) -> NoiseLevel:
        """The level of the same path at the signal-to-noise ratio of Ornstein-Uhlenbeck time t.

        A level that is on none of the named paths keeps :math:`\\sqrt{\\alpha^2+\\sigma^2}` and g.

        Raises
        ------
        TypeError, ValueError
            If t is no number in [1e-190, 350] (the path of Ornstein and Uhlenbeck has any t > 0).
        """
        kind = None if self._path is None else self._path[0]
        if kind in ("ou", "ddpm"):
            return NoiseLevel.ou(t)
        t = _checks.real("t", t, _EARLIEST, LATEST)
        ratio = math.sqrt(math.expm1(2.0 * t))  # σ/α
        if kind == "edm" and self._path is not None:
            return NoiseLevel.edm(ratio, self._path[1])
        if kind == "flow":
            # 1 − s by itself: s rounds to 1 where the signal is still felt.
            return NoiseLevel(1.0 / (1.0 + ratio), ratio / (1.0 + ratio), 1.0, ("flow", t, 0.0))
        share = noised(t)
        return NoiseLevel(self.scale * share.data, self.scale * share.noise, self.gain, self._path)

    def __str__(self) -> str:
        """The path as the command line writes it, or the three numbers."""
        if self._path is not None and self._path[0] == "edm":
            tail = "" if self._path[1] == 1.0 else f":{self._path[1]:g}"
            return f"edm:{self.sigma:g}{tail}"
        if self._path is not None:
            value = {"ou": self.t, "ddpm": self.alpha**2, "flow": self.sigma}[self._path[0]]
            return f"{self._path[0]}:{value:g}"
        return f"alpha {self.alpha:g}, sigma {self.sigma:g}, gain {self.gain:g}"


PATHS = ("ou", "ddpm", "edm", "flow")
"""Names of the paths."""


def noised(level: float | NoiseLevel) -> Noised:
    """What a neuron is shown at a level; a number is Ornstein-Uhlenbeck time."""
    if isinstance(level, NoiseLevel):
        return level.shown
    signal, delta = math.exp(-2.0 * level), -math.expm1(-2.0 * level)
    return Noised(math.exp(-level), math.sqrt(delta), signal, delta)
