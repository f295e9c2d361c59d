"""Activations and the four numbers through which a random-feature model sees them.

A feature is σ(w·x_t/√d), with x_t = e^(-t) x + √Δ ξ, Δ = 1 - e^(-2t), and data of variance σ_x²
a coordinate. Its argument is Γz with Γ² = e^(-2t) σ_x² + Δ and z standard normal; two noisings of
one sample have correlation ϱ = e^(-2t) σ_x²/Γ². With α_k = E[σ(Γz) He_k(z)],

    a = α_1/Γ = E σ'(Γz),   b² = Δ a²,   v² = Σ_(k>=2) α_k² ϱ^k/k!,   s² = Σ_(k>=2) α_k² (1-ϱ^k)/k!.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..result import ConvergenceWarning, caller_level
from .diffusion.level import Noised, NoiseLevel, noised
from .gaussian import moments as gaussian
from .gaussian.elementwise import Elementwise
from .gaussian.kernels import ClosedForm, ErfKernels, RampKernels
from .gaussian.moments import Array, Moments, Noising
from .gaussian.panels import NotIntegrableError
from .gaussian.quadrature import moments as quadrature

_HIGHEST_DEGREE = 100
_EPS = float(np.finfo(np.float64).eps)
_LEAST = float(np.finfo(np.float64).tiny)

ActivationLike = str | Callable[[Any], Any] | Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True)
class Coefficients:
    """The Gaussian equivalent of an activation at one time and data variance.

    Attributes
    ----------
    a : float
        Slope E σ'(Γz).
    b : float
        √Δ a (g σ a), the weight of the noise seen linearly.
    v : float
        Root of v², the nonlinear part that two noisings of a sample share; 2.2e-308 where it is
        above 0 and smaller.
    s : float
        Root of s², the nonlinear part that they do not share.
    gamma : float
        Γ, the standard deviation of a neuron's input.
    delta : float
        Δ = 1 - e^(-2t), the variance of the noise (σ², before any input gain).
    c : float
        e^(-t) a (g α a), the weight of the data seen linearly; of least size as v.
    mean : float
        α_0 = E σ(Γz).
    second_moment : float
        E σ(Γz)² = α_0² + c² σ_x² + b² + v² + s².
    error : float
        Bound on the relative errors of v and s and on the error of a relative to
        (α_1² + v² + s²)^½/Γ, so that an `a` that happens to vanish is no failure: measured, with a
        margin, for named activations, estimated case by case for callables. Zeros are exact, or
        below what the rounding of a callable's values lets one see.
    """

    a: float
    b: float
    v: float
    s: float
    gamma: float
    delta: float
    c: float
    mean: float
    second_moment: float
    error: float


@dataclass(frozen=True)
class Activation:
    """A nonlinearity σ that acts entry by entry; `resolve` makes one.

    Attributes
    ----------
    name : str
        Its name, for messages and tables.
    function : callable
        σ itself, on arrays of any shape.
    rounding : float
        Relative rounding of its values (float64, unless the callable returns less).
    closed_form : callable or None
        Its moments at a pair of noisings; None means quadrature.
    pairs : closed form or None
        Its kernels between pairs of samples; None means Mehler's sum.
    """

    name: str
    function: Callable[[Array], Array]
    rounding: float = _EPS
    closed_form: Callable[[Noising], Moments] | None = field(default=None, repr=False)
    pairs: ClosedForm | None = field(default=None, repr=False)

    def __call__(self, x: ArrayLike) -> Array:
        """σ(x), shaped like x."""
        return self.function(np.asarray(x, dtype=np.float64))

    def moments(self, pair: Noising) -> Moments:
        """Gaussian moments at two noisings of one sample."""
        with np.errstate(all="ignore"):
            if self.closed_form is not None:
                return self.closed_form(pair)
            return quadrature(self.function, self.rounding, pair)


def gaussian_equivalence(
    activation: ActivationLike | Activation,
    t: float | NoiseLevel,
    variance: float = 1.0,
    *,
    rtol: float = 1e-9,
) -> Coefficients:
    """Gaussian equivalent of an activation at diffusion time t.

    At large d the features of one sample behave, averaged over the noise, as those of

    ``G = c W X/√d + v Ω,     U ≃ G Gᵀ/n + (b²/d) W Wᵀ + s² I,``

    Ω standard normal, with the numbers defined at the head of this module.

    A non-zero mean α_0 = E σ(Γz) adds α_0² 1 1ᵀ to U: a perturbation of rank one, one eigenvalue at
    p α_0² + O(1) along the vector of ones. Bulks, their masses and the atom at s² do not move, nor
    do the losses at leading order, so that `relu` and `relu` minus any constant have the same a, v
    and s. The mean is reported apart, as `mean`.

    Parameters
    ----------
    activation : str, callable, sequence of floats or Activation
        What `resolve` accepts.
    t : float or NoiseLevel
        Diffusion time, t >= 0. At t = 0: b = s = 0. At a noise level e^(-t) and √Δ are g α and g σ.
    variance : float
        σ_x² = Tr Σ/d >= 0, the mean of the data covariance's eigenvalues (its square root is what
        multiplies the data). At 0: v = 0 and all nonlinearity is noise. t and variance may not both
        be 0.
    rtol : float
        A warning is given when `error` exceeds it.

    Returns
    -------
    Coefficients

    Raises
    ------
    ValueError
        If a number is outside its range, the name is unknown, or the activation is not finite, does
        not act entry by entry, or grows too fast for E σ(Γz)² to exist in float64.
    TypeError
        If an argument is not of the kind listed.

    Warns
    -----
    ConvergenceWarning
        If a callable's `error` exceeds `rtol`.

    Notes
    -----
    v² and s² are sums of positive terms for all named activations, see
    `rmtspec.inputs.gaussian.moments`; a call takes at most half a millisecond. A callable is
    integrated on panels that adapt to Γ, to its kinks and to its jumps, see
    `rmtspec.inputs.gaussian.quadrature`; that takes milliseconds, or tenths of a second where σ
    varies on scales far below Γ and t is small.

    *Accuracy.*  Named: a, v and s to 10 eps relative, measured against 40 digits for t from 7e-9
    to 20 and variances 0 and 1e-4 to 1e3, and closed form against quadrature for 1e-6 to 1e6;
    `sine` and `cosine` lose Γ² eps more, from the rounding of e^(-Γ²/2). `silu`, which is
    integrated, and callables that are smooth or have a few kinks or jumps: 1e-11 or better over the
    former range, each with its own `error`.

    References
    ----------
    Bonnaire, Urfin, Biroli, Mézard (2025), arXiv 2505.17638, Lemma C.1 and C.2 (with a = α_1/Γ for
    every Γ). Mei, Montanari, CPAM 75 (2022) 667, for the Gaussian equivalent.

    Examples
    --------
    >>> k = gaussian_equivalence("tanh", t=0.01)
    >>> print(f"{k.a**2:.10f} {k.v**2:.7e} {k.s**2:.7e}")
    0.3668791644 2.5541776e-02 1.8735496e-03
    """
    resolved = resolve(activation)
    if not isinstance(t, NoiseLevel):
        t = _checks.real("t", t, 0.0)
    variance = _checks.real("variance", variance, 0.0)
    rtol = _checks.positive("rtol", rtol)
    if t == 0.0 and variance == 0.0:
        raise ValueError("variance must be positive when t = 0, got 0.0: neurons would see nothing")
    shown = noised(t)
    delta = t.sigma**2 if isinstance(t, NoiseLevel) and not t.is_ou else shown.noise_square
    pair = Noising.of(shown.data_square, shown.noise_square, variance)
    where = f"at t = {t:g}, variance = {variance:g}" if isinstance(t, float) else f"at {t}"
    try:
        if isinstance(activation, str):
            moments = _moments(activation, pair)
        else:
            moments = resolved.moments(pair)
    except NotIntegrableError as problem:
        raise ValueError(f"activation {resolved.name!r} {problem} ({where})") from None
    is_ou = not isinstance(t, NoiseLevel) or t.is_ou
    seen = variance > 0.0 and (is_ou or shown.data > 0.0)
    result = _coefficients(moments, pair, shown, delta, seen)
    if not math.isfinite(result.second_moment):
        raise ValueError(f"activation {resolved.name!r} has moments too large for float64 {where}")
    if result.error > rtol:
        warnings.warn(
            f"gaussian_equivalence: activation {resolved.name!r} {where}: estimated relative error "
            f"{result.error:.1e} exceeds rtol = {rtol:.1e}. Try a smoother activation, a larger t, "
            "or one of the named activations.",
            ConvergenceWarning,
            stacklevel=caller_level(),
        )
    return result


@lru_cache(maxsize=1024)
def _moments(name: str, pair: Noising) -> Moments:
    """Moments of a named activation, which models of one time share."""
    return _named(name).moments(pair)


def resolve(activation: ActivationLike | Activation) -> Activation:
    """Activation from its name, a callable or Hermite coefficients.

    Parameters
    ----------
    activation : str, callable, sequence of floats or Activation
        * A name: tanh, erf (2/√π ∫_0^x e^(-y²) dy), relu, centred_relu (x₊ - 1/√(2π), of zero mean
          at Γ = 1), leaky_relu (slope 0.01 below 0), sign, sine (or sin), cosine (or cos),
          softplus, sigmoid (1/(1 + e^(-x))), silu (or swish, x times sigmoid), gelu (xΦ(x), Φ the
          normal distribution function), linear, and hermite0 to hermite100: He_n(x), the
          probabilists' polynomials with leading coefficient 1 (He_2 = x² - 1, He_3 = x³ - 3x),
          functions of x itself whatever Γ.
        * A sequence (h_0, h_1, ...) of at most 101 numbers: Σ_n h_n He_n(x).
        * A Python callable of one real number or of an array, deterministic, acting entry by
          entry. It may be called some 10⁵ times; one that takes arrays is faster.

    Raises
    ------
    ValueError
        If the name is unknown, or the callable fails, is not real, or does not act entry by entry.
    TypeError
        If `activation` is none of these.

    Examples
    --------
    >>> resolve("hermite3")([0.0, 1.0, 2.0])
    array([ 0., -2.,  2.])
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        return _named(activation)
    if callable(activation):
        return _from_callable(activation)
    if isinstance(activation, (Sequence, np.ndarray)):
        return _from_hermite(activation)
    raise TypeError(
        "activation must be a name, a callable or a sequence of Hermite coefficients, "
        f"got {_checks.shown(activation)}"
    )


def _coefficients(
    moments: Moments, pair: Noising, shown: Noised, delta: float, seen: bool
) -> Coefficients:
    """Coefficients of moments; `seen` says whether there are data behind the noise."""
    scale, gamma = moments.scale, pair.gamma
    a = scale * moments.slope
    v, s = scale * math.sqrt(moments.signal_square), scale * math.sqrt(moments.noise_square)
    mean, c = scale * moments.mean, shown.data * a
    if seen:  # what is there is not 0, below the least float too: v and s are of the same α_k
        v = max(v, _LEAST) if s > 0.0 else v
        c = math.copysign(max(abs(c), _LEAST), a) if a != 0.0 else c
    return Coefficients(
        a=a,
        b=math.sqrt(pair.delta) * a,
        v=v,
        s=s,
        gamma=gamma,
        delta=delta,
        c=c,
        mean=mean,
        second_moment=sum(x * x for x in (mean, a * gamma, v, s)),
        error=moments.error,
    )


_POINT = np.zeros(1), np.ones(1)


def _tanh(pair: Noising) -> Moments:
    return gaussian.blurred_sign(*gaussian.kolmogorov_mixture(), pair)


def _softplus(pair: Noising) -> Moments:
    square, weight = gaussian.kolmogorov_mixture()
    return gaussian.blurred_ramp(4.0 * square, weight, pair)


def _erf(pair: Noising) -> Moments:
    return gaussian.blurred_sign(np.array([0.5]), np.ones(1), pair)


def _sign(pair: Noising) -> Moments:
    return gaussian.blurred_sign(*_POINT, pair)


def _relu(pair: Noising) -> Moments:
    return gaussian.blurred_ramp(*_POINT, pair)


def _centred_relu(pair: Noising) -> Moments:
    relu = _relu(pair)
    # Γ - 1 = (Γ² - 1)/(Γ + 1), and Γ² - 1 is known without a difference.
    mean = pair.excess / (pair.gamma + 1.0) / math.sqrt(2.0 * math.pi)
    return Moments(mean, relu.slope, relu.signal_square, relu.noise_square, relu.error)


_LEAK = 0.01


def _leaky_relu(pair: Noising) -> Moments:
    """Of l·x + (1 − l)·x₊: the line has no moments beyond its slope."""
    relu, rest = _relu(pair), 1.0 - _LEAK
    return Moments(
        rest * relu.mean,
        _LEAK + rest * relu.slope,
        rest * rest * relu.signal_square,
        rest * rest * relu.noise_square,
        relu.error,
    )


def _sigmoid(pair: Noising) -> Moments:
    """Of (1 + tanh(x/2))/2, whose blur has twice the width of that of tanh."""
    square, weight = gaussian.kolmogorov_mixture()
    twice = gaussian.blurred_sign(4.0 * square, weight, pair)
    return Moments(
        0.5,
        0.5 * twice.slope,
        0.25 * twice.signal_square,
        0.25 * twice.noise_square,
        twice.error,
    )


def _softplus_function(x: Array) -> Array:
    return np.logaddexp(0.0, x)


def _erf_function(x: Array) -> Array:
    from scipy.special import erf  # imported where used: it would slow every start

    return np.asarray(erf(x))


def _gelu_function(x: Array) -> Array:
    from scipy.special import ndtr

    return np.asarray(x * ndtr(x))


def _sigmoid_function(x: Array) -> Array:
    from scipy.special import expit

    return np.asarray(expit(x))


def _silu_function(x: Array) -> Array:
    from scipy.special import expit

    return np.asarray(x * expit(x))


def _leaky_relu_function(x: Array) -> Array:
    return np.where(x > 0.0, x, _LEAK * x)


def _relu_function(x: Array) -> Array:
    return np.maximum(x, 0.0)


def _centred_relu_function(x: Array) -> Array:
    return np.asarray(np.maximum(x, 0.0) - 1.0 / math.sqrt(2.0 * math.pi))


_NAMED: dict[str, tuple[Callable[[Array], Array], Callable[[Noising], Moments] | None]] = {
    "tanh": (np.tanh, _tanh),
    "erf": (_erf_function, _erf),
    "relu": (_relu_function, _relu),
    "centred_relu": (_centred_relu_function, _centred_relu),
    "sign": (np.sign, _sign),
    "sine": (np.sin, gaussian.sine),
    "softplus": (_softplus_function, _softplus),
    "gelu": (_gelu_function, gaussian.gelu),
    "silu": (_silu_function, None),
    "leaky_relu": (_leaky_relu_function, _leaky_relu),
    "sigmoid": (_sigmoid_function, _sigmoid),
    "cosine": (np.cos, gaussian.cosine),
}
_PAIRS: dict[str, ClosedForm] = {
    "erf": ErfKernels(),
    "relu": RampKernels(0.0, 0.0, 1.0),
    "centred_relu": RampKernels(-1.0 / math.sqrt(2.0 * math.pi), 0.0, 1.0),
    "leaky_relu": RampKernels(0.0, _LEAK, 1.0 - _LEAK),
}
_ALIASES = {"sin": "sine", "cos": "cosine", "swish": "silu", "linear": "hermite1"}
NAMES = (*_NAMED, *_ALIASES)
"""All but those of Hermite's polynomials."""


@cache
def _named(name: str) -> Activation:
    canonical = _ALIASES.get(name, name)
    if canonical in _NAMED:
        function, closed_form = _NAMED[canonical]
        return Activation(canonical, function, closed_form=closed_form, pairs=_PAIRS.get(canonical))
    degree = re.fullmatch(r"hermite(0|[1-9]\d{0,2})", canonical)
    if degree and int(degree[1]) <= _HIGHEST_DEGREE:
        coefficients = (0.0,) * int(degree[1]) + (1.0,)
        return _hermite_sum("linear" if name == "linear" else canonical, coefficients)
    raise ValueError(
        f"activation must be one of {', '.join(NAMES)}, hermite0 to hermite{_HIGHEST_DEGREE}, "
        f"got {name!r}{_checks.did_you_mean(name, NAMES)}"
    )


def _from_hermite(values: Any) -> Activation:
    coefficients = _checks.real_array("activation", values)
    if coefficients.ndim != 1 or not 1 <= coefficients.size <= _HIGHEST_DEGREE + 1:
        raise ValueError(
            f"activation as Hermite coefficients must hold 1 to {_HIGHEST_DEGREE + 1} numbers, "
            f"got shape {coefficients.shape}"
        )
    return _hermite_sum("hermite series", tuple(coefficients.tolist()))


def _hermite_sum(name: str, coefficients: tuple[float, ...]) -> Activation:
    return Activation(
        name,
        partial(_hermite_function, coefficients),
        closed_form=partial(gaussian.polynomial, coefficients),
    )


def _hermite_function(coefficients: tuple[float, ...], x: Array) -> Array:
    return np.asarray(np.polynomial.hermite_e.hermeval(x, coefficients))


def _from_callable(call: Callable[[Any], Any]) -> Activation:
    function = Elementwise.wrapping(call)
    return Activation(function.name, function, function.rounding())
