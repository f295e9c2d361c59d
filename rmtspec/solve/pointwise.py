r"""A law that is known point by point, by its transform and its logarithmic potential.

With :math:`\Phi(z)=\int\log(\lambda-z)\,d\rho` (principal logarithm) and
:math:`g(z)=\int d\rho/(\lambda-z)=-\Phi'(z)`, at a real point seen from above

.. math::  \rho(x)=\tfrac1\pi\mathrm{Im}\,g(x+i0),\qquad F(x)=-\tfrac1\pi\mathrm{Im}\,\Phi(x+i0),

so that density and distribution function take no edges, no counting and no integral.  Both are
read at a small height η above x: they are those of the law convolved with a Cauchy law of width η,
which is a law again, of mass one, with a density > 0 and an increasing distribution function.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..result import Status, draw, warn_unconverged

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_HEIGHT = 1e-12  # of x: η
_LEAST = 1e-20  # of the mean: η at x = 0
_OUTERMOST = 1e-6  # fractions nearer to 0 or 1 are those of edges, which are not known
_ROUNDS = 120
_UNKNOWN = ("support", "edges", "masses", "atoms", "outliers", "origin")  # of a SpectralLaw
_PARTS = 8  # of the neurons, in an estimate of their sampling error


class Potential(NamedTuple):
    """Φ and g at every point, with the relative error bound of g and the solver's status."""

    value: ComplexArray
    transform: ComplexArray
    error: FloatArray
    status: NDArray[np.int8]


class Pointwise(Protocol):
    """What a random matrix with non-negative eigenvalues must state."""

    @property
    def mean(self) -> float:
        """The mean eigenvalue."""

    def potential(self, z: ComplexArray) -> Potential:
        """Φ and g at flat points with Im z > 0."""

    def part(self, number: int, of: int) -> Pointwise:
        """The matrix that one of several equal parts of a sample gives."""


class PointwiseLaw:
    """Eigenvalue law of mass one on [0, inf), known point by point.

    It has no edges, bulks or atoms; `rmtspec.SpectralLaw` has them, of other matrices.

    Parameters
    ----------
    ensemble : Pointwise
        The matrix; `rmtspec.RandomFeatureModel.spectrum_by_neuron` makes such a law.

    Notes
    -----
    *Accuracy.*  The law is smeared by a Cauchy law of width 1e-12 x: relative to it the density is
    right to about 1e-12 x over the distance from the nearest edge, where that is much more than
    1e-12 x, and the fraction of eigenvalues to 1e-12.  What the solver adds is far less.
    """

    def __init__(self, ensemble: Pointwise) -> None:
        self.ensemble = ensemble

    def __getattr__(self, name: str) -> Any:
        if name in _UNKNOWN:
            raise AttributeError(
                f"PointwiseLaw has no {name}: edges, bulks and atoms of a law known point by point "
                f"are not known; model.spectrum().{name} is that of one floor for all neurons, and "
                "density, cdf, quantile and plot are known of this law"
            )
        raise AttributeError(f"PointwiseLaw has no {name}")

    def __repr__(self) -> str:
        return f"PointwiseLaw(mean={self.mean():.6g})"

    def density(self, x: ArrayLike) -> FloatArray:
        """Mass per unit of x.

        Parameters
        ----------
        x : array_like of finite real numbers, any shape

        Returns
        -------
        ndarray shaped like x

        Raises
        ------
        TypeError, ValueError
            If x is not real and finite.

        Warns
        -----
        ConvergenceWarning
            Once, if points did not converge; they are NaN.
        """
        points = _checks.real_array("x", x)
        _, density = self._read("density", points.ravel())
        return density.reshape(points.shape)

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Fraction of eigenvalues at or below x; parameters and errors are those of `density`."""
        points = _checks.real_array("x", x)
        below, _ = self._read("cdf", points.ravel())
        return below.reshape(points.shape)

    def quantile(self, u: ArrayLike) -> FloatArray:
        """The x with cdf(x) = u; in a gap of the law, where there are many, one of them.

        Parameters
        ----------
        u : array_like of numbers in [1e-6, 1 - 1e-6], any shape

        Returns
        -------
        ndarray shaped like u, to a relative 1e-12 where the law has a density

        Raises
        ------
        TypeError, ValueError
            If u is not real, or out of range.

        Warns
        -----
        ConvergenceWarning
            Once, if points did not converge; they are NaN.
        """
        fractions = _checks.real_array("u", u, _OUTERMOST, 1.0 - _OUTERMOST)
        flat = fractions.ravel()
        order = np.argsort(flat)
        found = np.empty_like(flat)
        found[order] = self._invert(flat[order])
        return found.reshape(fractions.shape)

    def sampling_error(self, u: ArrayLike) -> FloatArray:
        """Standard error of `quantile` because the law is an average over sampled neurons.

        It is the spread of the quantiles of the laws of eight parts of the neurons, over the root
        of eight.  Parameters and errors are those of `quantile`.
        """
        fractions = _checks.real_array("u", u, _OUTERMOST, 1.0 - _OUTERMOST)
        parts = [PointwiseLaw(self.ensemble.part(i, _PARTS)) for i in range(_PARTS)]
        found = np.array([part.quantile(fractions) for part in parts])
        return np.asarray(found.std(axis=0, ddof=1) / np.sqrt(_PARTS))

    def stieltjes(self, z: ArrayLike) -> ComplexArray:
        r"""Stieltjes transform :math:`g(z)=\int\rho(d\lambda)/(\lambda-z)`.

        Parameters
        ----------
        z : array_like of complex numbers, any shape, Im z not 0

        Returns
        -------
        complex ndarray shaped like z; NaN with one `ConvergenceWarning` where not converged

        Raises
        ------
        TypeError, ValueError
            If z is not numeric, not finite, or real: whether a real point is off the support is not
            known.
        """
        points = _checks.complex_array("z", z)
        flat = points.ravel()
        if np.any(flat.imag == 0.0):
            raise ValueError(
                f"z must not be real, got {float(flat[flat.imag == 0.0][0].real)!r}: where this "
                "law has gaps is not known; ask density for it on the real axis"
            )
        found = self.ensemble.potential(np.where(flat.imag < 0.0, flat.conj(), flat))
        warn_unconverged("stieltjes", flat, found.status)
        value = np.where(flat.imag < 0.0, found.transform.conj(), found.transform)
        return np.asarray(value.reshape(points.shape))

    def sample(
        self, size: int | tuple[int, ...], rng: int | np.random.Generator | None = None
    ) -> FloatArray:
        """Draw independent eigenvalues, but for the outermost 1e-6 of them at both ends.

        Parameters
        ----------
        size : int or tuple of ints, shape of the result
        rng : numpy.random.Generator, seed of one, or None for a seed from the operating system

        Raises
        ------
        TypeError, ValueError
            If rng is none of these or size is not a shape.
        """
        generator = _checks.generator("rng", rng)
        shape = _checks.shape("size", size)
        return self.quantile(generator.uniform(_OUTERMOST, 1.0 - _OUTERMOST, shape))

    def mean(self) -> float:
        """The mean eigenvalue, in closed form."""
        return self.ensemble.mean

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the law; see `rmtspec.plots.spectra.plot_pointwise`."""
        axes: Axes = draw("spectra", "plot_pointwise", self, ax, **options)
        return axes

    def _read(self, name: str, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Fraction below and density at flat points; NaN with one warning where not converged."""
        order = np.argsort(x)
        below, density = np.empty_like(x), np.empty_like(x)
        status = np.empty(x.size, dtype=np.int8)
        below[order], density[order], status[order] = self._above(x[order])
        warn_unconverged(name, x.astype(np.complex128), status)
        return below, density

    def _above(self, x: FloatArray) -> tuple[FloatArray, FloatArray, NDArray[np.int8]]:
        """Fraction below, density and status at ascending points."""
        height = _HEIGHT * np.abs(x) + _LEAST * self.ensemble.mean
        found = self.ensemble.potential(x + 1j * height)
        below = np.clip(-found.value.imag / np.pi, 0.0, 1.0)
        return below, found.transform.imag / np.pi, found.status

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """Points with next to no eigenvalue below and above."""
        low = high = self.ensemble.mean
        for _ in range(60):
            if not self._above(np.array([high]))[0][0] < 1.0 - 0.5 * _OUTERMOST:
                break
            high *= 2.0
        for _ in range(60):
            if not self._above(np.array([low]))[0][0] > 0.5 * _OUTERMOST:
                break
            low *= 0.5
        return low, high

    def _invert(self, u: FloatArray) -> FloatArray:
        """Quantiles of ascending fractions: Newton's rule kept inside shrinking brackets."""
        low, high = (np.full(u.shape, end) for end in self._ends)
        x = np.sqrt(low * high)
        open_, bad = np.ones(u.shape, dtype=np.bool_), np.zeros(u.shape, dtype=np.int8)
        for turn in range(_ROUNDS):
            at = np.flatnonzero(open_)
            if at.size == 0:
                break
            order = at[np.argsort(x[at])]
            below, density, status = self._above(x[order])
            bad[order[status != Status.CONVERGED]] = status[status != Status.CONVERGED]
            excess = below - u[order]
            lower = excess < 0.0
            low[order[lower]] = x[order[lower]]
            high[order[~lower]] = x[order[~lower]]
            with np.errstate(divide="ignore", invalid="ignore"):
                step = excess / density
            new = x[order] - step
            inside = (new > low[order]) & (new < high[order]) & (turn % 4 != 3)
            middle = np.sqrt(low[order] * high[order])
            x[order] = np.where(inside, new, middle)
            done = (inside & (np.abs(step) <= 1e-13 * x[order])) | (status != Status.CONVERGED)
            done |= high[order] <= low[order] * (1.0 + 1e-14)
            open_[order[done]] = False
        warn_unconverged("quantile", u.astype(np.complex128), bad)
        x[bad != Status.CONVERGED] = np.nan
        return x
