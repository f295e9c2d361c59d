"""A spectral law and the questions one can ask it, whatever ensemble it comes from."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _checks
from .result import (
    ConvergenceWarning,
    Status,
    caller_level,
    dataframe,
    dataset,
    draw,
    warn_unconverged,
)
from .solve.density.pieces import Pieces, divided, pieces
from .solve.density.representation import Representation, represent, search_python
from .solve.ensemble import Ensemble, Sampled
from .solve.functions import evaluate
from .solve.linear_statistics import Fluctuations, fluctuations

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.axes import Axes

_MASS_TOLERANCE = 1e-9
_MOST_NODES = 4096  # Gauss-Legendre nodes a panel, which take a second to find
FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


class SpectralLaw:
    r"""Limiting eigenvalue law of a random matrix: bulks with a density, atoms, and outliers.

    The Stieltjes transform is :math:`g(z)=\int\rho(d\lambda)/(\lambda-z)`, so Im g > 0 where
    Im z > 0, and the density on the real axis is Im g/π.  The total mass is 1; outliers are
    single eigenvalues and carry none.  Everything is computed once, when first asked for, and
    kept.

    Parameters
    ----------
    ensemble : Ensemble
        The matrix; `rmtspec.SampleCovariance` and `rmtspec.RandomFeatureModel` make laws by
        their method ``spectrum()``.

    Notes
    -----
    *Accuracy.*  Edges are exact to about 1e-13 of their distance from `origin`, masses to
    rounding (they come from a counting rule, not from integration).  The density is interpolated
    to 1e-12 of its size on each panel; close to an edge, at relative distance δ, one ulp of the
    argument moves it by 1e-16/δ.  `mass_defect` holds what the interpolated density integrates
    to, minus the exact mass: an independent certificate for every bulk.

    Examples
    --------
    >>> import rmtspec as rs
    >>> law = rs.SampleCovariance(0.25, rs.PopulationSpectrum.isotropic()).spectrum()
    >>> law.support
    array([[0.25, 2.25]])
    """

    def __init__(self, ensemble: Ensemble) -> None:
        self.ensemble = ensemble

    def __repr__(self) -> str:
        return (
            f"SpectralLaw(bulks={len(self.masses)}, atoms={len(self.atoms)}, "
            f"outliers={self.outliers.size})"
        )

    @property
    def origin(self) -> float:
        """Point from which `edges` are measured: s_t² for random features, 0 for covariances."""
        return self.ensemble.origin

    @cached_property
    def edges(self) -> FloatArray:
        """(k, 2) ends of the bulks as distances from `origin`, ascending, to full precision."""
        return _read_only(self.ensemble.gaps.edges)

    @cached_property
    def support(self) -> FloatArray:
        """(k, 2) ends of the disjoint bulks, ascending."""
        return _read_only(self.origin + self.edges)

    @cached_property
    def masses(self) -> FloatArray:
        """(k,) exact mass of each bulk."""
        return _read_only(self.ensemble.gaps.masses)

    @cached_property
    def atoms(self) -> FloatArray:
        """(j, 2) location and mass of each atom, bulks narrower than 1e-13 of x included."""
        return _read_only(self._atoms + np.array([self.origin, 0.0]))

    @cached_property
    def _atoms(self) -> FloatArray:
        """(j, 2) distance from `origin` and mass of each atom."""
        return np.concatenate([self.ensemble.atoms, self.ensemble.gaps.narrow])

    @cached_property
    def outliers(self) -> FloatArray:
        """(i,) locations of the eigenvalues outside the bulks, ascending."""
        return _read_only(self.origin + self.ensemble.outliers)

    @property
    def mass_defect(self) -> FloatArray:
        """(k,) mass of each bulk integrated from its density, minus its exact mass."""
        return self._bulks.defect

    @cached_property
    def _bulks(self) -> Representation:
        edges, masses = np.asarray(self.edges), np.asarray(self.masses)
        hard = np.zeros(len(masses), dtype=np.bool_)
        if hard.size:
            hard[0] = self.ensemble.is_hard
        if isinstance(self.ensemble, Sampled):
            table, failed = self.ensemble.panels(edges, hard)
        else:
            table, failed = search_python(edges, hard, self.ensemble.boundary)
        made = represent(table, edges, masses, hard)
        if failed.size and not np.all(np.isfinite(made.defect)):
            status = failed[1].astype(np.int8)
            warn_unconverged("SpectralLaw", self.origin + failed[0], status)
        worst = float(np.abs(made.defect[np.isfinite(made.defect)]).max(initial=0.0))
        if worst > _MASS_TOLERANCE:
            warnings.warn(
                f"SpectralLaw: a bulk has its exact mass only within {worst:.1e}; its density is "
                "that uncertain (mass_defect says which bulk)",
                ConvergenceWarning,
                stacklevel=caller_level(),
            )
        return made

    def density(self, x: ArrayLike, *, from_origin: bool = False) -> FloatArray:
        """Density of the absolutely continuous part, on the real axis itself.

        Parameters
        ----------
        x : array_like of real numbers, any shape; ±inf allowed
        from_origin : whether x is measured from `origin`.  A bulk that is thinner than the
            floating-point spacing at `origin` can only be resolved that way.

        Returns
        -------
        ndarray shaped like x, mass per unit of x; 0 off the support, inf exactly at a hard edge

        Raises
        ------
        TypeError, ValueError
            If x is not real or holds NaN.
        """
        points = _checks.real_array("x", x, infinite=True)
        from_origin = _checks.flag("from_origin", from_origin)
        distance = points.ravel() - (0.0 if from_origin else self.origin)
        return self._bulks.density(distance).reshape(points.shape)

    def cdf(self, x: ArrayLike, *, from_origin: bool = False) -> FloatArray:
        """Fraction of eigenvalues at or below x (atoms included; right-continuous).

        Parameters and errors are those of `density`.
        """
        points = _checks.real_array("x", x, infinite=True)
        from_origin = _checks.flag("from_origin", from_origin)
        distance = points.ravel() - (0.0 if from_origin else self.origin)
        total = self._bulks.mass_below(distance)
        for location, mass in self._atoms:
            total += mass * (distance >= location)
        return np.minimum(total, 1.0).reshape(points.shape)

    def quantile(self, u: ArrayLike, *, from_origin: bool = False) -> FloatArray:
        r"""Smallest x with cdf(x) >= u.

        Parameters
        ----------
        u : array_like of numbers in [0, 1], any shape; 0 gives the lower end of the law
        from_origin : whether to return the distance x − `origin` instead

        Returns
        -------
        ndarray shaped like u

        Raises
        ------
        TypeError, ValueError
            If u is not real, or outside [0, 1].

        Notes
        -----
        A quantile x is `origin` + distance, rounded to the spacing of floats there. Where a bulk
        touches the origin (:math:`\psi_p=1+\psi_n` of random features) the low ones lie closer to
        it than that: ``from_origin=True`` gives their distances without this rounding.
        """
        fractions = _checks.real_array("u", u, 0.0, 1.0)
        from_origin = _checks.flag("from_origin", from_origin)
        result = self._bulks.locate(*divided(fractions.ravel(), *self._pieces))
        return (result if from_origin else self.origin + result).reshape(fractions.shape)

    @cached_property
    def _pieces(self) -> Pieces:
        return pieces(self.edges, self.masses, self._atoms, self._bulks.mass_below)

    def stieltjes(self, z: ArrayLike) -> ComplexArray:
        r"""Stieltjes transform :math:`g(z)=\int\rho(d\lambda)/(\lambda-z)`.

        Parameters
        ----------
        z : array_like, any shape, complex or real off the support

        Returns
        -------
        complex ndarray shaped like z; NaN with one `ConvergenceWarning` where not converged

        Raises
        ------
        TypeError, ValueError
            If z is not numeric, not finite, or real and on the support (use `density` there).
        """
        points = _checks.complex_array("z", z)
        flat = points.ravel()
        self.check_off_support(flat)
        found = self.ensemble.transform(np.where(flat.imag < 0.0, flat.conj(), flat))
        warn_unconverged("stieltjes", flat, found.status)
        value = np.where(flat.imag < 0.0, found.value.conj(), found.value)
        value = np.where(found.status == Status.CONVERGED, value, np.nan)
        return value.reshape(points.shape)

    def check_off_support(self, z: ComplexArray) -> None:
        """Raise ValueError if a real entry of z lies on the support or on an atom."""
        real = z.imag == 0.0
        if not real.any():
            return
        x = z.real[real]
        gaps = self.ensemble.gaps
        distance = x - self.origin
        gap = np.searchsorted(gaps.lower, distance, side="right") - 1
        off = (distance < gaps.upper[gap]) & ((distance > gaps.lower[gap]) | (distance == 0.0))
        # A reported edge, rounded to a location, may lie an ulp off the bulk it ends.
        at_edge = np.isin(x, self.support) & (distance != 0.0)
        on = ~off | at_edge | np.isin(x, self.atoms[:, 0])
        if np.any(on):
            raise ValueError(
                f"z must not be a real point of the support, got {float(x[on][0])!r}; the "
                "resolvent has a cut there: ask density for the law on the real axis, or give z an "
                "imaginary part"
            )

    def moment(self, k: int) -> float:
        """k-th moment ∫ λ^k dρ, k = 0, 1, 2, ... (atoms included).

        Raises
        ------
        TypeError, ValueError
            If k is not an integer >= 0, or the moment exceeds the largest float.
        """
        power = _checks.integer("k", k, 0)
        x, w = self._bulks.quadrature(24)
        with np.errstate(over="ignore", under="ignore"):
            moment = float(
                np.dot(w, (self.origin + x) ** power)
                + np.dot(self.atoms[:, 1], self.atoms[:, 0] ** power)
            )
        if np.isinf(moment):
            raise ValueError(f"k must give a moment that a float can hold, got {power}")
        return moment

    def integrate(
        self, f: Callable[[FloatArray], Any], *, rtol: float = 1e-10, max_order: int = 512
    ) -> float | complex:
        """∫ f dρ over bulks and atoms.

        Parameters
        ----------
        f : callable of a flat float array, returning an array of the same shape (real or
            complex) or one constant
        rtol : relative change (of ∫|f|dρ) allowed when the quadrature order is doubled
        max_order : largest number of Gauss-Legendre nodes a panel

        Raises
        ------
        TypeError
            If f is not callable or does not return numbers.
        ValueError
            If f returns a wrong shape or a value that is not finite.

        Warns
        -----
        ConvergenceWarning
            If the order limit is reached first (a jump, a kink, or fast oscillation of f).
        """
        rtol = _checks.real("rtol", rtol, 4 * np.finfo(float).eps, 1.0)
        _checks.integer("max_order", max_order, 16, _MOST_NODES)
        at_atoms = np.dot(self.atoms[:, 1], evaluate(f, self.atoms[:, 0]))
        previous, order, result = None, 16, at_atoms
        while True:
            x, w = self._bulks.quadrature(order)
            values = evaluate(f, self.origin + x)
            result = at_atoms + np.dot(w, values)
            size = float(np.dot(np.abs(w), np.abs(values))) + abs(at_atoms)
            if previous is not None and abs(result - previous) <= rtol * size:
                break
            if 2 * order > max_order:
                warnings.warn(
                    f"integrate: order {order} changed the result by {abs(result - previous):.1e}, "
                    "more than rtol allows; f is not smooth on this scale",
                    ConvergenceWarning,
                    stacklevel=caller_level(),
                )
                break
            previous, order = result, 2 * order
        return complex(result) if np.iscomplexobj(result) else float(result)

    def bulk_integrals(
        self, f: Callable[[FloatArray], Any], *, order: int = 24, from_origin: bool = False
    ) -> FloatArray:
        """∫ f dρ over each bulk.

        Parameters
        ----------
        f : callable of a flat float array, returning real numbers in an array of the same shape
        order : Gauss-Legendre nodes a panel
        from_origin : whether f takes the distance from `origin`

        Returns
        -------
        (k,) ndarray, in the order of `support`

        Raises
        ------
        TypeError, ValueError
            If f does not return finite numbers of the right shape, or order is not >= 1.
        """
        from_origin = _checks.flag("from_origin", from_origin)
        x, w = self._bulks.quadrature(_checks.integer("order", order, 1, _MOST_NODES))
        values = evaluate(f, x if from_origin else self.origin + x)
        bulk = np.searchsorted(self.edges[:, 0], x, side="right") - 1
        total = np.bincount(bulk, weights=w * values, minlength=len(self.masses))
        return total.astype(np.float64)

    def fluctuations(
        self,
        f: Callable[[Any], Any],
        *more: Callable[[Any], Any],
        size: float | None = None,
        beta: int = 1,
    ) -> Fluctuations:
        """Mean shift and covariance of sums Σf(λ) over the eigenvalues of one large matrix.

        Parameters
        ----------
        f, *more : callable
            Of an array of complex numbers; analytic around the bulks and outliers, real at
            eigenvalues, finite at atoms.
        size : float > 0, optional
            Number N of eigenvalues, which gives the expected sums and changes nothing else.
        beta : 1 or 2
            Real or complex matrices: these have half the covariance, and no shift but by spikes.

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong kind or out of range, or the ensemble has no determinant.

        Warns
        -----
        ConvergenceWarning
            If the error exceeds 1e-8 standard deviations.

        Notes
        -----
        Gaussian matrices, N -> inf (next order: 1/N).  See `rmtspec.solve.linear_statistics`.
        """
        return fluctuations(self, self.ensemble, (f, *more), size, beta)

    def sample(
        self, size: int | tuple[int, ...], rng: int | np.random.Generator | None = None
    ) -> FloatArray:
        """Draw independent eigenvalues from the law.

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
        return self.quantile(generator.random(_checks.shape("size", size)))

    # -- the names that scipy.stats has for the same -----------------------------------------

    def pdf(self, x: ArrayLike) -> FloatArray:
        """`density`."""
        return self.density(x)

    def ppf(self, u: ArrayLike) -> FloatArray:
        """`quantile`."""
        return self.quantile(u)

    def rvs(
        self, size: int | tuple[int, ...] = 1, rng: int | np.random.Generator | None = None
    ) -> FloatArray:
        """`sample`."""
        return self.sample(size, rng)

    def mean(self) -> float:
        """First moment, the mean eigenvalue."""
        return self.moment(1)

    def var(self) -> float:
        """Variance of an eigenvalue drawn from the law."""
        mean = self.moment(1)
        return float(np.real(self.integrate(lambda x: (x - mean) ** 2)))

    # -- out of the program ------------------------------------------------------------------

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw the law; see `rmtspec.plots.spectra.plot_spectrum`."""
        axes: Axes = draw("spectra", "plot_spectrum", self, ax, **options)
        return axes

    def to_dataframe(self, x: ArrayLike) -> pandas.DataFrame:
        """Density and cdf on a grid, one row a point; needs pandas.

        Parameters
        ----------
        x : array_like, shape (k,)
            Eigenvalues.

        Raises
        ------
        TypeError, ValueError
            If x is no row of numbers.
        ImportError
            If pandas is not installed.
        """
        points = self._row(x)
        columns = {"eigenvalue": points, "density": self.density(points), "cdf": self.cdf(points)}
        return dataframe(columns)

    def to_xarray(self, x: ArrayLike) -> xarray.Dataset:
        """The same as a data set, with edges, masses and atoms beside; needs xarray.

        Raises
        ------
        TypeError, ValueError
            If x is no row of numbers.
        ImportError
            If xarray is not installed.
        """
        points = self._row(x)
        return dataset(
            {
                "density": (("eigenvalue",), self.density(points), {"long_name": "density"}),
                "cdf": (("eigenvalue",), self.cdf(points), {"long_name": "fraction at or below"}),
                "support": (("bulk", "end"), self.support, {"long_name": "ends of the bulks"}),
                "mass": (("bulk",), self.masses, {"long_name": "mass of the bulks"}),
                "atom": (("atom",), self.atoms[:, 0], {"long_name": "location of the atoms"}),
                "atom_mass": (("atom",), self.atoms[:, 1], {"long_name": "mass of the atoms"}),
            },
            {
                "eigenvalue": (("eigenvalue",), points, {"long_name": "eigenvalue"}),
                "end": (("end",), ["lower", "upper"], {}),
            },
            {"origin": self.origin},
        )

    def _row(self, x: ArrayLike) -> FloatArray:
        points = _checks.real_array("x", x)
        if points.ndim != 1:
            raise ValueError(f"x must be a row of numbers, got shape {points.shape}")
        return points


def _read_only(array: FloatArray) -> FloatArray:
    array.setflags(write=False)
    return array
