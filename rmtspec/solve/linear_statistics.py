r"""Fluctuations of sums over eigenvalues, from one determinant.

Let D(z_1, z_2) be the determinant of one minus the ladder of the two-resolvent problem of an
ensemble of Gaussians, D -> 1 at infinity.  For :math:`X_f=\sum_if(\lambda_i)` over N eigenvalues
and f, g analytic around the bulks,

.. math::
    E X_f-N\!\int\!f\,d\rho&=-\frac1{4\pi i}\oint f'(z)\log D(z,z)\,dz
      -\frac1{2\pi i}\oint f'(z)\,S(z)\,dz,\\
    \mathrm{Cov}(X_f,X_g)&=\frac1{2\pi^2}\oint\!\oint f'(z_1)g'(z_2)\log D(z_1,z_2)\,dz_1dz_2,

for real matrices, and half the covariance without the first shift for complex ones.  For the
generalised Marchenko-Pastur law this is the theorem of Bai and Silverstein (2004):
:math:`D=(z_1-z_2)u_1u_2/(u_1-u_2)` with u the companion, so that :math:`-\partial_1\partial_2\log D
=u_1'u_2'/(u_1-u_2)^2-1/(z_1-z_2)^2`.  S is what finitely many spikes add to
:math:`E\log\det(z-\cdot)`, :math:`\sum_i[\log g(l_i)-\int\log g\,d\rho(l)]` with g the factor in
which a population eigenvalue l enters.  The variance of an outlier itself, of order 1/N, is not in
the covariance; where f weighs the outlier much, give its spike as an atom of weight 1/d.

*Why one contour is enough.*  D has no zero off the spectrum (the response of two resolvents is
finite there) and is 1 at infinity, so that log D is analytic in both variables.  D(z, z*) > 0 tells
whether its phase was followed rightly.

*Quadrature.*  On the graded contour of `contour`, of parameter φ, the trapezoidal rule converges
like :math:`e^{-2\pi hNK'/K}`; df/dφ is taken by FFT, so that only values of f are asked for.  A
function is analytic around the spectrum if it is on the spectrum what Cauchy's integral makes of
its values on the contour.  The contour is drawn closer where it is not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..result import ConvergenceWarning, Table, caller_level, dataframe, rounded
from .contour import HalfPlane, half_plane_contour, nodes_needed
from .ensemble import Ensemble, Fluctuating
from .functions import evaluate

if TYPE_CHECKING:
    import pandas

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Function = Callable[[Any], Any]

_HEIGHTS = (0.5, 0.25, 0.125, 0.0625)  # of the contour, as a share of the way to the barrier
_CLOSER = 0.7  # the second contour, for the error, stands lower by this factor
_DIGITS = 15.0
_ANALYTIC = 1e-9  # Cauchy's integral meets f to this share of its size; abs misses it by 0.1
_MOST_NODES = 1500
_TOLERANCE = 1e-8  # of the standard deviation
_FOLLOWED = 1e-6  # phase of D(z, z*), 0 if the logarithm was followed


@dataclass(frozen=True, eq=False, repr=False)
class Fluctuations:
    r"""Mean shift and covariance of sums :math:`X_f=\sum_if(\lambda_i)` over eigenvalues.

    Attributes
    ----------
    names : of the k functions
    mean : (k,) what the mean of X_f is above N∫f dρ, of order 1; spikes included
    covariance : (k, k)
    error : (k,) estimated error of the mean shift and of the standard deviation, the larger one
    limit : (k,) ∫f dρ, or None if the number of eigenvalues is not given
    size : number N of eigenvalues, or None
    beta : 1 for real matrices, 2 for complex ones
    """

    names: tuple[str, ...]
    mean: FloatArray
    covariance: FloatArray
    error: FloatArray
    limit: FloatArray | None
    size: float | None
    beta: int

    @property
    def standard_deviation(self) -> FloatArray:
        """(k,) of X_f."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def expected(self) -> FloatArray:
        """(k,) mean of X_f, N∫f dρ and the shift.

        Raises
        ------
        ValueError
            If the number of eigenvalues was not given.
        """
        if self.limit is None or self.size is None:
            raise ValueError("expected needs the number of eigenvalues: give dimension (or size)")
        return self.size * self.limit + self.mean

    def to_dict(self) -> dict[str, list[Any]]:
        """The table as columns."""
        known = self.limit is not None
        return {
            "statistic": list(self.names),
            "expected": self.expected.tolist() if known else [float("nan")] * len(self.names),
            "mean_shift": self.mean.tolist(),
            "standard_deviation": self.standard_deviation.tolist(),
            "error": self.error.tolist(),
        }

    def to_dataframe(self) -> pandas.DataFrame:
        """The table, one row a statistic; needs pandas.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return dataframe(self.to_dict())

    def _table(self) -> Table:
        columns = self.to_dict()
        heads = ["sum over eigenvalues", "expected", "mean shift", "sd", "error"]
        rows = zip(*([rounded(entry) for entry in each] for each in columns.values()), strict=True)
        return Table([heads, *(list(row) for row in rows)])

    def __repr__(self) -> str:
        return str(self._table())

    def _repr_html_(self) -> str:
        return self._table().to_html()


class Spectrum(NamedTuple):
    """What the contour goes round, all but `origin` as distances from it.

    Attributes
    ----------
    origin : added to a distance gives an eigenvalue
    lower, upper : ends of bulks and outliers together
    barriers : points below `lower` up to which the contour may reach, the preferred one first
    determinant : D at points (n,) of the upper half, (n, 2n); see `ensemble.Fluctuating`
    spikes : S at points of the upper half that follow each other from the right
    """

    origin: float
    lower: float
    upper: float
    barriers: tuple[float, ...]
    determinant: Callable[[ComplexArray], ComplexArray]
    spikes: Callable[[ComplexArray], ComplexArray]


class Moments(NamedTuple):
    """Shift of the mean by D and by spikes, and covariance, for real matrices; their error."""

    shift: FloatArray
    spiked: FloatArray
    covariance: FloatArray
    error: FloatArray


def barriers_of(origin: float, lower: float, upper: float) -> tuple[float, ...]:
    """Where contours may end below [lower, upper], as distances from the origin.

    First 0 of the eigenvalues, where log and powers are singular, then the origin; below a hard
    edge there is nothing to hold to.
    """
    first = (-origin,) if origin + lower > 0.0 else ()
    second = (0.0,) if origin > 0.0 and lower > 0.0 else ()
    hard = tuple(lower - share * (upper - lower) for share in (0.1, 1e-3, 1e-6))
    return (first + second) or hard


def linear_statistics(
    functions: Sequence[Function], names: Sequence[str], spectrum: Spectrum
) -> Moments:
    """Mean shift and covariance of sums over the eigenvalues of a real matrix.

    Parameters
    ----------
    functions : analytic around [lower, upper], real on the real axis
    names : what messages call them
    spectrum : the ensemble's

    Raises
    ------
    TypeError, ValueError
        If a function is not analytic around the bulks, or does not return finite numbers.

    Warns
    -----
    ConvergenceWarning
        If the error is above 1e-8 standard deviations.
    """
    barrier, height, count = _contour_for(functions, names, spectrum)
    while True:
        found = _moments(_Nodes.on(spectrum, barrier, height, count), functions, names, spectrum)
        lower = _Nodes.on(spectrum, barrier, _CLOSER * height, int(1.6 * count))
        other = _moments(lower, functions, names, spectrum)
        scale = np.sqrt(np.abs(np.diag(found.covariance)))
        moved = np.abs(np.diag(found.covariance - other.covariance))
        in_scale = np.minimum(moved / np.where(scale > 0.0, scale, 1.0), np.sqrt(moved))
        total = np.abs(found.shift - other.shift) + np.abs(found.spiked - other.spiked)
        error = np.maximum(total, in_scale)
        good = np.all(error <= _TOLERANCE * scale + found.error)
        if good or count > _MOST_NODES // 3:
            break
        count *= 2
    if not good:
        worst = float(np.max(error / np.where(scale > 0.0, scale, 1.0)))
        warnings.warn(
            f"fluctuations: two contours differ by {worst:.1e} standard deviations",
            ConvergenceWarning,
            stacklevel=caller_level(),
        )
    return found._replace(error=np.maximum(error, found.error))


@dataclass(frozen=True)
class _Nodes:
    """Upper half of a contour from right to left, with the weights of Cauchy's integral."""

    points: ComplexArray
    weights: ComplexArray
    distance: ComplexArray

    @classmethod
    def on(cls, spectrum: Spectrum, barrier: float, height: float, count: int) -> _Nodes:
        """A contour that ends between the barrier and the lowest edge."""
        low, high = spectrum.lower - barrier, spectrum.upper - barrier
        made = half_plane_contour(low, high, count, HalfPlane(), height)
        return cls(made.points + (spectrum.origin + barrier), made.weights, made.points + barrier)


def _contour_for(
    functions: Sequence[Function], names: Sequence[str], spectrum: Spectrum
) -> tuple[float, float, int]:
    """Barrier, height and nodes of the first contour in which all functions are analytic."""
    inside = spectrum.lower + (spectrum.upper - spectrum.lower) * np.geomspace(1e-6, 1.0, 12)
    real = spectrum.origin + np.append(spectrum.lower, inside)
    on_axis = [_real(f, real, name) for f, name in zip(functions, names, strict=True)]
    culprit = names[0]
    for barrier in spectrum.barriers:
        ratio = (spectrum.upper - barrier) / (spectrum.lower - barrier)
        for height in _HEIGHTS:
            count = 8 + int(nodes_needed(ratio, _DIGITS) * 0.5 / height)
            for nodes in (count, 2 * count):
                if nodes > _MOST_NODES:
                    continue
                contour = _Nodes.on(spectrum, barrier, height, nodes)
                failed = [
                    name
                    for f, name, values in zip(functions, names, on_axis, strict=True)
                    if not _is_analytic(f, name, contour, real, values)
                ]
                if not failed:
                    return barrier, height, nodes
                culprit = failed[0]
    ends = [float(spectrum.origin + end) for end in (spectrum.lower, spectrum.upper)]
    raise ValueError(
        f"{culprit} must be analytic around the spectrum [{ends[0]:.6g}, {ends[1]:.6g}] and take "
        "complex numbers: Cauchy's integral over a contour round it does not give its values there"
    )


def _real(f: Function, x: FloatArray, name: str) -> FloatArray:
    """f at eigenvalues, where it must be real."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        values = evaluate(f, x, "on the spectrum", name)
    if np.iscomplexobj(values):
        if np.any(np.abs(values.imag) > 1e-12 * np.abs(values)):
            first = values[values.imag != 0.0][0]
            raise ValueError(f"{name} must be real at eigenvalues, got {first}")
        values = values.real
    return np.asarray(values, dtype=np.float64)


def _complex(f: Function, z: ComplexArray, name: str) -> ComplexArray:
    """f on the contour."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # one that drops the imaginary part is found out by Cauchy
        return evaluate(f, z, "around the spectrum", name).astype(np.complex128)


def _is_analytic(f: Function, name: str, nodes: _Nodes, x: FloatArray, on_axis: FloatArray) -> bool:
    """Whether f is on the axis what Cauchy's integral says, and real there."""
    try:
        above, below = _complex(f, nodes.points, name), _complex(f, nodes.points.conj(), name)
    except ValueError as problem:
        if "finite" in str(problem):  # a singularity; the next contour leaves it outside
            return False
        raise
    kernel = nodes.weights / (x[:, None] - nodes.points)
    meant = 2.0 * (kernel @ above).real
    size = float(np.abs(above).max() + np.abs(on_axis).max())
    even = np.abs(above - below.conj()).max() <= _ANALYTIC * size
    return bool(even and np.abs(meant - on_axis).max() <= _ANALYTIC * size)


def _moments(
    nodes: _Nodes, functions: Sequence[Function], names: Sequence[str], spectrum: Spectrum
) -> Moments:
    count = nodes.points.size
    slopes = np.empty((len(functions), count), dtype=np.complex128)
    size = np.empty(len(functions))
    for i, (f, name) in enumerate(zip(functions, names, strict=True)):
        values = _complex(f, nodes.points, name)
        values = values - values[0].real
        slopes[i], size[i] = _slope(values), np.abs(values).max()
    log_here, log_across = _followed(spectrum.determinant(nodes.distance))
    shift = -0.5 / count * (slopes @ np.diag(log_here)).imag
    spiked = -1.0 / count * (slopes @ spectrum.spikes(nodes.distance)).imag
    covariance = (slopes @ (log_here @ slopes.T - log_across @ slopes.conj().T)).real / count**2
    rounding = 64.0 * np.finfo(float).eps * size
    return Moments(shift, spiked, 0.5 * (covariance + covariance.T), rounding)


def _slope(values: ComplexArray) -> ComplexArray:
    """df/dφ on the upper half, where φ = π(j + 1/2)/N at the nodes; f is real on the axis."""
    count = values.size
    around = np.concatenate([values, values[::-1].conj()])
    modes = np.fft.fftfreq(2 * count, 0.5 / count)
    modes[count] = 0.0  # the highest mode has no slope
    return np.fft.ifft(1j * modes * np.fft.fft(around))[:count]


def _followed(determinant: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
    """log D(z_i, z_j) and log D(z_i, z_j*), the phase followed from the right end on.

    NaN if the contour has too few nodes for that.
    """
    count = len(determinant)
    if not np.all(np.isfinite(determinant)):
        lost = np.full((count, count), complex(np.nan, np.nan))
        return lost, lost
    phase = np.angle(determinant)
    start = np.unwrap(phase[:, 0])
    # Along a row: the points of the upper half, then those of the lower half backwards.
    round_trip = np.concatenate([phase[:, :count], phase[:, : count - 1 : -1]], axis=1)
    round_trip[:, 0] = start
    followed = np.unwrap(round_trip, axis=1)
    here, across = followed[:, :count], followed[:, : count - 1 : -1]
    if np.abs(np.diag(across)).max() > _FOLLOWED:
        lost = np.full((count, count), complex(np.nan, np.nan))
        return lost, lost
    size = np.log(np.abs(determinant))
    return size[:, :count] + 1j * here, size[:, count:] + 1j * across


class Law(Protocol):
    """What is asked of a law."""

    @property
    def atoms(self) -> FloatArray:
        """(j, 2) location and mass."""

    def integrate(self, f: Function, *, rtol: float = 1e-10) -> float | complex:
        """∫ f dρ."""


def fluctuations(
    law: Law, ensemble: Ensemble, functions: Sequence[Function], size: Any, beta: Any
) -> Fluctuations:
    """Answer `SpectralLaw.fluctuations`."""
    if not isinstance(ensemble, Fluctuating):
        raise ValueError(
            f"fluctuations are not known for {type(ensemble).__name__}: it states no determinant"
        )
    beta = _checks.integer("beta", beta, 1, 2)
    if size is not None:
        size = _checks.positive("size", size)
    named = ["f"] + [f"more[{i}]" for i in range(len(functions) - 1)]
    for f, name in zip(functions, named, strict=True):
        if not callable(f):
            raise TypeError(f"{name} must be callable, got {_checks.shown(f)}")
        try:
            _real(f, law.atoms[:, 0], name)
        except ValueError as problem:
            raise ValueError(f"{problem}; there the law has an atom") from None
    edges, narrow = ensemble.gaps.edges, ensemble.gaps.narrow[:, 0]
    ends = np.concatenate([edges.ravel(), narrow, ensemble.outliers])
    count = len(functions)
    found = Moments(np.zeros(count), np.zeros(count), np.zeros((count, count)), np.zeros(count))
    if ends.size:
        lower, upper = float(ends.min()), float(ends.max())
        origin = ensemble.origin
        barriers = barriers_of(origin, lower, upper)
        spectrum = Spectrum(origin, lower, upper, barriers, ensemble.determinant, ensemble.spiked)
        found = linear_statistics(functions, named, spectrum)
    limit = None
    if size is not None:
        limit = np.array([float(np.real(law.integrate(f))) for f in functions])
    return Fluctuations(
        _labels(functions),
        found.spiked + (found.shift if beta == 1 else 0.0),
        found.covariance / beta,
        found.error,
        limit,
        size,
        beta,
    )


def _labels(functions: Sequence[Function]) -> tuple[str, ...]:
    """Names of functions, numbered where there is none or one comes twice."""
    names = [str(getattr(f, "__name__", "<lambda>")) for f in functions]
    return tuple(
        f"f{i + 1}" if name == "<lambda>" or names.count(name) > 1 else name
        for i, name in enumerate(names)
    )
