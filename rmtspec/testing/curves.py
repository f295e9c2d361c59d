r"""What learning curves and averages over a law obey.

The train loss of gradient flow from rest is
:math:`L(\tau)=L_\infty+\int e^{-\lambda\tau}\mu(d\lambda)` with a positive measure μ: it is
completely monotone, :math:`(-1)^kL^{(k)}\ge0`, and L − L_∞ is
log-convex (Bernstein 1929; Widder 1941, Chapter IV).  On any grid its divided differences of
order k then have the sign of :math:`(-1)^k`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from .findings import EPS, Finding, at_most, equal, settled
from .functions import Function, elementwise, intervals, nearest, points_over, transform

FloatArray = NDArray[np.float64]

_ORDERS = 6


def check_curve(
    loss: Function | ArrayLike,
    tau: ArrayLike,
    *,
    initial: float | None = 1.0,
    final: float | None = None,
    slope: float | None = None,
    curvature: float | None = None,
    train: bool = True,
    least: float = 0.0,
    atol: float = 1e-9,
    raise_: bool = False,
) -> list[Finding]:
    r"""Check a learning curve of gradient flow.

    Parameters
    ----------
    loss : callable or array_like, shape (k,)
        The loss as a function of training time, or its values at `tau`.
    tau : array_like, shape (k,)
        Distinct ascending times >= 0; inf may stand last.
    initial, final : float, optional
        Exact losses at τ = 0 and τ = inf; None where they are not known.
    slope, curvature : float, optional
        Exact first and second derivative at τ = 0.
    train : bool
        Whether the curve is a mixture of decaying exponentials: falling, convex, completely
        monotone to order 6, log-convex above its end.  A test loss is not.
    least : float
        What no loss can fall below.
    atol : float
        Absolute accuracy that the losses claim; every tolerance is made of it.
    raise_ : bool
        Whether to raise `InvariantError` if an invariant fails.

    Returns
    -------
    list of Finding

    Raises
    ------
    TypeError, ValueError
        If an argument is not of its kind.
    InvariantError
        On request.

    Examples
    --------
    >>> import numpy as np
    >>> from rmtspec.testing import invariants
    >>> tau = np.linspace(0, 3, 10)
    >>> invariants.failed(invariants.check_curve(lambda t: np.exp(-t), tau, final=0, slope=-1))
    []
    >>> bump = np.exp(-tau) + 0.1 * np.exp(-((tau - 1) ** 2)) * tau
    >>> invariants.failed(invariants.check_curve(bump, tau))[0].name
    'convex: differences of order 2'
    """
    times = _checks.real_array("tau", tau, 0.0, infinite=True)
    if times.ndim != 1 or times.size < 2 or np.any(np.diff(times) <= 0.0):
        raise ValueError(f"tau must be a row of ascending times, got {_checks.shown(tau)}")
    atol = _checks.positive("atol", atol)
    if callable(loss):
        values = elementwise("loss", loss)(times)
    else:
        values = _checks.real_array("loss", loss)
    if values.shape != times.shape:
        raise ValueError(f"loss must have the shape of tau, {times.shape}, got {values.shape}")
    findings = at_most("loss >= least", _checks.real("least", least), values, atol, times)
    if initial is not None and times[0] == 0.0:
        findings += equal("loss at tau = 0", values[0], _checks.real("initial", initial), atol, 0.0)
    if final is not None and np.isinf(times[-1]):
        findings += equal("loss at tau = inf", values[-1], _checks.real("final", final), atol)
    finite = np.isfinite(times)
    t, f = times[finite], values[finite]
    if train:
        findings += _completely_monotone(t, f, atol)
        end = final if final is not None else (None if finite.all() else float(values[-1]))
        if end is not None:
            findings += at_most("train loss >= its end", end, f, 2.0 * atol, t)
            findings += _log_convex(t, f - end, 2.0 * atol)
        findings += _at_short_times(t, f, initial, slope, curvature, atol)
    return settled(findings, raise_)


def _completely_monotone(t: FloatArray, f: FloatArray, atol: float) -> list[Finding]:
    """Divided differences of neighbours alternate in sign; their weights carry the error."""
    names = {1: "falling", 2: "convex"}
    findings = []
    for order in range(1, min(_ORDERS, t.size - 1) + 1):
        rows = np.lib.stride_tricks.sliding_window_view(t, order + 1)
        apart = rows[:, :, None] - rows[:, None, :] + np.eye(order + 1)
        # Times the whole width to the power of the order, so that rounding is that of f.
        width = (rows[:, -1] - rows[:, 0])[:, None]
        weights = width**order / apart.prod(axis=2)
        difference = (weights * np.lib.stride_tricks.sliding_window_view(f, order + 1)).sum(axis=1)
        size = np.abs(f).max(initial=0.0)
        slack = (atol + 8.0 * EPS * size) * np.abs(weights).sum(axis=1)
        name = f"{names.get(order, 'completely monotone')}: differences of order {order}"
        findings += at_most(name, -((-1.0) ** order) * difference, 0.0, slack, rows[:, 0])
    return findings


def _log_convex(t: FloatArray, f: FloatArray, atol: float) -> list[Finding]:
    """f(t_1) is at most the geometric mean of its neighbours, all known to atol."""
    if t.size < 3:
        return []
    share = (t[1:-1] - t[:-2]) / (t[2:] - t[:-2])
    above = np.maximum(f, 0.0) + atol
    mean = above[:-2] ** (1.0 - share) * above[2:] ** share
    return at_most("log-convex above its end", f[1:-1], mean, atol, t[1:-1])


def _at_short_times(
    t: FloatArray,
    f: FloatArray,
    initial: float | None,
    slope: float | None,
    curvature: float | None,
    atol: float,
) -> list[Finding]:
    """1 − x <= e^-x <= 1 − x + x²/2 under the mixture."""
    if initial is None or slope is None:
        return []
    line = initial + _checks.real("slope", slope) * t
    findings = at_most("loss >= initial + slope tau", line, f, atol + 8.0 * EPS * np.abs(line), t)
    if curvature is not None:
        upper = line + 0.5 * _checks.real("curvature", curvature, 0.0) * t**2
        name = "loss <= initial + slope tau + curvature tau^2/2"
        findings += at_most(name, f, upper, atol + 8.0 * EPS * np.abs(line), t)
    return findings


def check_learning_curves(
    curves: Callable[[FloatArray], Any],
    model: Any,
    tau: ArrayLike,
    *,
    atol: float = 1e-9,
    raise_: bool = False,
) -> list[Finding]:
    r"""Check train and test loss against what is exact for a random-feature model.

    With :math:`\omega=2\Delta/\psi_p` and :math:`m=\psi_p[v^2+s^2+(1+\psi_p)(b^2+c^2\tau_1)]`, the
    first moment of U weighted by :math:`WW^\top/d`, both losses begin at 1 with slope −4Δb² and
    second derivative 4b²ω²m; the train loss is completely monotone; the test loss does not pass
    below what infinite data and features leave, :math:`1-\Delta\int d\rho/(e^{-2t}l+\Delta)`.

    Parameters
    ----------
    curves : callable
        Takes a row of times and returns train and test loss: a pair of arrays, or an object with
        `train` and `test`.
    model : RandomFeatureModel
        Its parameters are read, not its curves.
    tau : array_like, shape (k,)
        Ascending times >= 0, in units of the gradient-flow time.
    atol : float
        Absolute accuracy that the losses claim.
    raise_ : bool
        Whether to raise `InvariantError` if an invariant fails.

    Returns
    -------
    list of Finding

    Raises
    ------
    TypeError, ValueError
        If an argument is not of its kind.
    InvariantError
        On request.

    Notes
    -----
    Derivation: from A = 0 the residual noise is :math:`L=1-2b^2\int\mu f+\dots` with
    :math:`f_\tau(\lambda)=(1-e^{-\omega\lambda\tau})/\lambda` and μ of mass ψ_p; expand in τ.

    Examples
    --------
    >>> import numpy as np, rmtspec as rs
    >>> from rmtspec.testing import invariants
    >>> model = rs.RandomFeatureModel(4.0, 2.0, 0.1, "erf")
    >>> tau = np.array([0.0, 0.01, 0.1, 1.0, 10.0, np.inf])
    >>> invariants.failed(invariants.check_learning_curves(model.learning_curves, model, tau))
    []
    """
    times = _checks.real_array("tau", tau, 0.0, infinite=True)
    found = curves(times)
    train, test = (found.train, found.test) if hasattr(found, "train") else found
    at, population, delta = model.coefficients, model.population, model.delta
    rate, b2 = 2.0 * delta / model.psi_p, at.b**2
    inner = at.v**2 + at.s**2 + (1.0 + model.psi_p) * (b2 + at.c**2 * population.mean)
    slope, curvature = -4.0 * delta * b2, 4.0 * b2 * rate**2 * model.psi_p * inner
    noised = np.exp(-2.0 * model.t) * population.eigenvalues + delta
    floor = 1.0 - delta * float(population.weights @ (1.0 / noised))
    common: dict[str, Any] = {"slope": slope, "curvature": curvature, "atol": atol}
    findings = check_curve(np.asarray(train), times, **common)
    seen = check_curve(np.asarray(test), times, train=False, least=floor, **common)
    findings += [replace(finding, name=f"test: {finding.name}") for finding in seen]
    return settled(findings, raise_)


def check_linear_statistic(
    statistic: Callable[[Callable[[Any], Any]], Any],
    support: ArrayLike,
    *,
    stieltjes: Callable[[Any], Any] | None = None,
    convention: str = "lambda - z",
    rtol: float = 1e-8,
    raise_: bool = False,
) -> list[Finding]:
    r"""Check an average :math:`f\mapsto\int f\,d\rho` over a probability law.

    It is linear, gives 1 for 1, lies between the least and the largest value of f, obeys the
    inequalities of Jensen and of Cauchy and Schwarz, and gives g(z) for :math:`1/(\lambda-z)`.

    Parameters
    ----------
    statistic : callable
        Takes a function of an array of real numbers and returns its average.
    support : array_like, shape (k, 2)
        Closed intervals that hold all the mass.
    stieltjes : callable, optional
        The transform of the same law, by `convention` as for `check_stieltjes`.
    rtol : float
        Accuracy that averages claim, relative to the largest ``|f|`` on the support.
    raise_ : bool
        Whether to raise `InvariantError` if an invariant fails.

    Returns
    -------
    list of Finding

    Raises
    ------
    TypeError, ValueError
        If an argument is not of its kind.
    InvariantError
        On request.

    Examples
    --------
    >>> import rmtspec as rs
    >>> from rmtspec.testing import invariants
    >>> law = rs.SampleCovariance(0.5, rs.PopulationSpectrum.isotropic()).spectrum()
    >>> invariants.failed(invariants.check_linear_statistic(law.integrate, law.support))
    []
    """
    if not callable(statistic):
        raise TypeError(f"statistic must be callable, got {_checks.shown(statistic)}")
    pieces = intervals(support)
    rtol = _checks.real("rtol", rtol, EPS, 1.0)
    low, high = float(pieces.min()), float(pieces.max())
    middle, half = 0.5 * (low + high), 0.5 * (high - low) or 1.0

    def average(f: Callable[[Any], Any]) -> complex:
        return complex(statistic(f))

    def place(x: Any) -> Any:  # in [-1, 1]
        return (x - middle) / half

    def turn(x: Any) -> Any:
        return np.cos(3.0 * place(x))

    one = average(np.ones_like)
    mean, square = average(place).real, average(lambda x: place(x) ** 2).real
    wave, power = average(turn).real, average(lambda x: turn(x) ** 2).real
    both = average(lambda x: 2.0 * place(x) - 0.5 * turn(x))
    product = average(lambda x: place(x) * turn(x)).real
    findings = equal("average of 1", one, 1.0, rtol)
    findings += equal("averages are linear", both, 2.0 * mean - 0.5 * wave, 4.0 * rtol)
    findings += at_most("average within the range", abs(mean), 1.0, rtol)
    findings += at_most("Jensen: (average)^2 <= average of squares", mean**2, square, 3.0 * rtol)
    findings += at_most("Cauchy-Schwarz", product**2, square * power, 4.0 * rtol)
    if stieltjes is not None:
        g, z = transform(stieltjes, convention), points_over(pieces)
        found = np.array([average(_pole(point)) for point in z])
        size = 1.0 / nearest(z, pieces)
        findings += equal("average of 1/(x - z) = g", found, g(z), 2.0 * rtol * size, z)
    return settled(findings, raise_)


def _pole(z: complex) -> Callable[[Any], Any]:
    return lambda x: 1.0 / (x - z)


def check_equation(
    equation: Callable[[Any, Any], Any],
    solution: Callable[[Any], Any],
    z: ArrayLike,
    *,
    half_plane: bool = True,
    rtol: float = 1e-9,
    raise_: bool = False,
) -> list[Finding]:
    r"""Check that a function solves its self-consistent equation, in its half plane.

    Parameters
    ----------
    equation : callable
        Takes arrays x and z and returns what must vanish, analytic in x.
    solution : callable
        Takes z and returns x.
    z : array_like
        Points of the upper half plane.
    half_plane : bool
        Whether Im x > 0 is asked, as of a Stieltjes transform.  Where an equation has a second
        unknown, that must be checked as well: one sign does not certify the root.
    rtol : float
        Relative accuracy of x.  Newton's step :math:`F/F_x` measures its distance from the root.
    raise_ : bool
        Whether to raise `InvariantError` if an invariant fails.

    Returns
    -------
    list of Finding

    Raises
    ------
    TypeError, ValueError
        If an argument is not of its kind.
    InvariantError
        On request.

    Examples
    --------
    >>> import numpy as np
    >>> from rmtspec.testing import invariants
    >>> semicircle = lambda z: 0.5 * (np.sqrt(z - 2) * np.sqrt(z + 2) - z)
    >>> found = invariants.check_equation(lambda g, z: g**2 + z * g + 1, semicircle, [1j, 2 + 1j])
    >>> invariants.failed(found)
    []
    """
    if not callable(equation):
        raise TypeError(f"equation must be callable, got {_checks.shown(equation)}")
    points = _checks.complex_array("z", z).ravel()
    if np.any(points.imag <= 0.0):
        raise ValueError(f"z must lie in the upper half plane, got {_checks.shown(z)}")
    rtol = _checks.real("rtol", rtol, EPS, 1.0)
    x = elementwise("solution", solution, np.complex128)(points)
    step = 1e-6 * np.abs(x)
    slope = (equation(x + step, points) - equation(x - step, points)) / (2.0 * step)
    with np.errstate(all="ignore"):
        away = np.abs(equation(x, points) / slope)
    # Differences err by the square of the step, and by rounding over it.
    findings = at_most("Newton's step at the solution", away, 0.0, rtol * np.abs(x), points)
    if half_plane:
        note = "wrong branch: a root of the lower half plane"
        findings += at_most("Im x > 0", -x.imag, 0.0, rtol * np.abs(x), points, note)
    return settled(findings, raise_)
