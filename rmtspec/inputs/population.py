"""Population spectra: the limiting eigenvalue law of a data covariance, plus isolated spikes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..solve.cauchy_sums.atoms import PositiveAtoms
from .arrays import as_rows, distinct_rows, largest, warn_of
from .sample_spectrum import RANK_TOLERANCE, fit_population, sample_eigenvalues, zeros_are_real

__all__ = ["LARGEST", "RANK_TOLERANCE", "SMALLEST", "PopulationSpectrum"]

SMALLEST, LARGEST = 1e-100, 1e100
"""Range of the positive eigenvalues: their squares, and ratios of these, stay normal floats."""

_MAX_DIMENSION = 1_000_000


@dataclass(frozen=True, eq=False, repr=False)
class PopulationSpectrum:
    r"""Eigenvalue law :math:`\rho=\sum_j w_j\,\delta_{l_j}` of a covariance, and its spikes.

    The covariance :math:`\Sigma` is :math:`d\times d` with
    :math:`\rho=\lim\frac1d\sum_i\delta_{l_i(\Sigma)}`. Finitely many further eigenvalues, the
    spikes, have weight zero in the limit: they move no bulk and are kept apart.

    Parameters
    ----------
    eigenvalues : array_like, shape (m,)
        Atoms :math:`l_j`, in any order, each 0 or in [1e-100, 1e100], at least one positive.
        A zero eigenvalue says that the data lie in a subspace. Equal atoms are merged.
    weights : array_like, shape (m,), optional
        Finite non-negative weights, divided by their sum; atoms of weight 0 are dropped. When
        omitted, each entry of `eigenvalues` stands for one direction: weights are uniform and
        the dimension is m; what lies within m machine epsilons of the largest entry from 0, below
        it too, is then the rounding of a solver and counts as 0.  Give weights to keep such atoms.
    spikes : array_like, shape (r,), optional
        Isolated eigenvalues of weight zero, each 0 or in [1e-100, 1e100]; order and repetitions
        are kept.
    dimension, samples : int, optional
        Size d of the covariance, and number of samples behind it, where these are known. Without
        `weights` the dimension can only be m.
    fitted : bool
        Whether the atoms were fitted to those samples, and are not the eigenvalues of theirs.

    Attributes
    ----------
    eigenvalues, weights : ndarray of float64, shape (k,)
        Distinct atoms, ascending, and their weights, which sum to 1. Read-only.
    spikes : ndarray of float64, shape (r,)
        Read-only.

    Raises
    ------
    ValueError
        If an array is empty, not one-dimensional, of the wrong length, or holds a number outside
        its range, `dimension` is not the number of listed eigenvalues, or no positive eigenvalue
        has a positive weight: a law of zeros only has no scale, and no data to learn from.
    TypeError
        If the entries are not real numbers.

    Notes
    -----
    Two spectra are equal when atoms, weights and spikes are; `dimension`, `samples` and `fitted`
    are remarks and do not count.

    Examples
    --------
    >>> import rmtspec as rs
    >>> rs.PopulationSpectrum([1.5, 0.5, 0.5])
    PopulationSpectrum([0.5, 1.5], weights=[0.667, 0.333], dimension=3)
    >>> rs.PopulationSpectrum([0.5, 1.5], weights=[3, 1]).mean
    0.75
    """

    eigenvalues: NDArray[np.float64]
    weights: NDArray[np.float64] = None  # type: ignore[assignment]
    spikes: NDArray[np.float64] = ()  # type: ignore[assignment]
    dimension: int | None = field(default=None, kw_only=True)
    samples: int | None = field(default=None, kw_only=True)
    fitted: bool = field(default=False, kw_only=True)

    def __init__(
        self,
        eigenvalues: ArrayLike,
        weights: ArrayLike | None = None,
        spikes: ArrayLike = (),
        *,
        dimension: int | None = None,
        samples: int | None = None,
        fitted: bool = False,
    ) -> None:
        _checks.unmasked("eigenvalues", eigenvalues)
        if dimension is not None:
            dimension = _checks.integer("dimension", dimension, 1)
        given = eigenvalues if weights is not None else _without_rounding(eigenvalues)
        atoms = _eigenvalue_array("eigenvalues", given)
        if atoms.size == 0:
            raise ValueError(f"eigenvalues must hold at least one number, got {eigenvalues!r}")
        if weights is None:
            mass = np.ones(atoms.size)
            if dimension not in (None, atoms.size):
                raise ValueError(
                    f"dimension must be the number of eigenvalues, {atoms.size}, where they have "
                    f"no weights, got {dimension!r}"
                )
            dimension = atoms.size
        else:
            mass = _weight_array(weights, atoms.size)
        atoms, mass = _merged(atoms, mass)
        if atoms.size == 0 or atoms[-1] == 0.0:
            raise ValueError(
                "eigenvalues must hold a positive number of positive weight, "
                f"got {_checks.shown(eigenvalues)} with weights {weights!r:.80}"
            )
        isolated = _eigenvalue_array("spikes", spikes)
        if samples is not None:
            samples = _checks.integer("samples", samples, 1)
        for name, array in (("eigenvalues", atoms), ("weights", mass), ("spikes", isolated)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "dimension", dimension)
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "fitted", _checks.flag("fitted", fitted))

    @classmethod
    def isotropic(cls, variance: float = 1.0) -> Self:
        r"""Spectrum of :math:`\Sigma=\sigma^2 I`: one atom at `variance`, in [1e-100, 1e100].

        Raises
        ------
        ValueError
            If `variance` lies outside its range.

        Examples
        --------
        >>> import rmtspec as rs
        >>> rs.PopulationSpectrum.isotropic(2.0)
        PopulationSpectrum([2], weights=[1])
        """
        return cls([_checks.real("variance", variance, SMALLEST, LARGEST)], [1.0])

    @classmethod
    def power_law(cls, exponent: float, dimension: int, trace: float | None = None) -> Self:
        r"""Eigenvalues :math:`l_k=T\,k^{-\alpha}/\sum_j j^{-\alpha}`, :math:`k=1,\dots,d`.

        Parameters
        ----------
        exponent : float
            :math:`\alpha\ge0`; 0 is the isotropic spectrum. The smallest eigenvalue must not
            fall below 1e-100, and one eigenvalue alone has no exponent but 0.
        dimension : int
            Number d of eigenvalues, 1 to 1,000,000.
        trace : float, optional
            Sum T of the eigenvalues, positive; by default d, so that the mean is 1.

        Raises
        ------
        ValueError, TypeError
            If an argument lies outside its range, or is not a number.

        Examples
        --------
        >>> import rmtspec as rs
        >>> rs.PopulationSpectrum.power_law(1.0, 64).eigenvalues[[0, -1]].round(3)
        array([ 0.211, 13.491])
        """
        size = _checks.integer("dimension", dimension, 1, _MAX_DIMENSION)
        power = _checks.real("exponent", exponent, 0.0)
        total = float(size) if trace is None else _checks.positive("trace", trace)
        if size == 1 and power > 0.0:
            raise ValueError(
                "dimension must be at least 2 for an exponent above 0, got 1 with exponent "
                f"{exponent!r} (the exponent comes first, then the dimension)"
            )
        if size > 1 and power > np.log(LARGEST) / np.log(size):
            raise ValueError(
                f"exponent must leave the smallest eigenvalue above {SMALLEST:g}, "
                f"got {exponent!r} in dimension {size}"
            )
        eigenvalues = np.arange(1.0, size + 1.0) ** -power
        eigenvalues *= total / eigenvalues.sum()
        if eigenvalues[-1] < SMALLEST or eigenvalues[0] > LARGEST:
            raise ValueError(
                f"trace must keep the eigenvalues in [{SMALLEST:g}, {LARGEST:g}], got {total!r}"
            )
        return cls(eigenvalues, np.ones(size), dimension=size)

    @classmethod
    def from_samples(cls, x: ArrayLike, *, center: bool = True, debias: bool = False) -> Self:
        r"""Eigenvalues of the sample covariance, or the population behind few samples.

        The sample covariance is :math:`\frac1n\sum_\nu x_\nu x_\nu^{\mathsf T}`.  Its eigenvalues
        describe the given rows; those of the law they come from are less spread.  `debias` fits the
        population whose n samples would look like these (equations in `sample_spectrum`), for the
        question what other or more data would do.

        Parameters
        ----------
        x : array_like, shape (n, d)
            One sample a row, n >= 2 if they are centred (8 for `debias`), entries in
            [-1e40, 1e40]. More axes, as of pictures, are flattened, with a warning.
        center : bool
            Whether the sample mean is subtracted first. The factor stays 1/n.
        debias : bool
            Whether the population behind the rows is fitted: 5 to 40 atoms, not one a direction.
            Their mean is the unbiased estimate of Tr Σ/d, with the factor 1/(n - 1) if the rows
            are centred.

        Returns
        -------
        PopulationSpectrum
            With `dimension` = d and `samples` = n, and, without `debias`, weights that are
            multiples of 1/d. What falls below 1e-12 of the largest eigenvalue is rounding and set
            to 0; so at least d - n of the eigenvalues, d - n + 1 after centring, are exactly 0.
            Eigenvalues that only rounding keeps apart are one atom.

        Raises
        ------
        ValueError
            If x is not a rectangular (n, d) array of finite numbers, has masked or missing
            entries, or does not vary.
        TypeError
            If the entries are not real numbers, or the array is sparse.

        Warns
        -----
        DataWarning
            If the mean variance is outside [0.1, 10] or, without `debias`, rows repeat others.

        Notes
        -----
        *Accuracy.*  The eigenvalues are squared singular values of the data, never of a product,
        so an eigenvalue l has a relative error of about 2 eps sqrt(l_max / l).

        *What the fit can be trusted with.*  Integrals over the spectrum, such as losses and
        stopping times, not its atoms: single atoms are not single eigenvalues, and a law built on
        them shows gaps that are not there. Losses of a random-feature model (psi_p = 6, psi_n = 8,
        t = 0.1) come out within 1 % at n/d = 1, 2 and 5, where sample eigenvalues give 20, 10 and
        4 %, the best stopping time within 13 % where they give 140, 65 and 24 % (Gaussian data with
        a power law or two atoms, d = 64). On 8x8 digits the losses come out within 2, 1 and 0.3 %;
        on patches of photographs, whose squared norms spread by 1.6 times their mean, 12, 5 and 2 %
        too low, for 36, 22 and 9 %. The error of one fit is given by
        `estimation.estimate_population`.

        Examples
        --------
        >>> import numpy as np, rmtspec as rs
        >>> x = np.random.default_rng(0).normal(size=(40, 100))
        >>> pop = rs.PopulationSpectrum.from_samples(x)
        >>> pop.dimension, pop.samples, float(pop.weights[0])
        (100, 40, 0.61)
        >>> x = np.random.default_rng(0).normal(size=(200, 100))
        >>> raw = rs.PopulationSpectrum.from_samples(x)
        >>> fit = rs.PopulationSpectrum.from_samples(x, debias=True)
        >>> round(raw.moment(2), 1), round(fit.moment(2), 1)
        (1.5, 1.0)
        """
        center, debias = _checks.flag("center", center), _checks.flag("debias", debias)
        rows = as_rows("x", x, least=8 if debias else 2 if center else 1)
        found = spectrum_of_rows(cls, rows, center=center, debias=debias)
        warn_of(rows, repeats=not debias)  # the fit weighs them
        return found

    @cached_property
    def positive_atoms(self) -> PositiveAtoms:
        """The atoms above 0 with their weights, and the weight of 0, as the laws read them."""
        return PositiveAtoms.of(self.eigenvalues, self.weights)

    @cached_property
    def mean(self) -> float:
        r"""Mean eigenvalue :math:`\int l\,d\rho=\mathrm{Tr}\,\Sigma/d`."""
        return self.moment(1)

    def moment(self, k: int) -> float:
        r"""Moment :math:`\int l^k\,d\rho` of any integer order.

        A negative order needs a spectrum without zeros; :math:`k=0` gives 1.

        Raises
        ------
        ValueError
            If the order is negative and 0 is an eigenvalue, or the moment overflows.
        TypeError
            If `k` is not an integer.

        Examples
        --------
        >>> import rmtspec as rs
        >>> rs.PopulationSpectrum([0.5, 1.5]).moment(2)
        1.25
        """
        order = _checks.integer("k", k, -(10**9), 10**9)
        if order == 0:
            return 1.0
        if order < 0 and self.eigenvalues[0] == 0.0:
            raise ValueError(f"k must be >= 0 for a spectrum with zero eigenvalues, got {k!r}")
        with np.errstate(over="ignore", under="ignore"):
            value = float(self.weights @ self.eigenvalues**order)
        if not np.isfinite(value):
            raise ValueError(f"k must keep the moment below 1.8e308, got {k!r}")
        return value

    @property
    def participation_ratio(self) -> float:
        r"""Effective number of directions, :math:`(\sum_i l_i)^2/\sum_i l_i^2`, in [1, d].

        In terms of the law this is :math:`d\,(\int l\,d\rho)^2/\int l^2\,d\rho`. If `dimension` is
        None the factor d is left out, and the value, in (0, 1], is the effective fraction of the
        directions. Spikes do not enter.

        Notes
        -----
        From n samples of centred Gaussian data the ratio comes out too small, because
        :math:`E\,\mathrm{Tr}\hat\Sigma^2\simeq(1+\frac1n)\mathrm{Tr}\Sigma^2
        +\frac1n(\mathrm{Tr}\Sigma)^2`: see `sampled_participation_ratio`.
        """
        scaled = self.eigenvalues / self.eigenvalues[-1]
        fraction = float((self.weights @ scaled) ** 2 / (self.weights @ scaled**2))
        return fraction * (self.dimension or 1)

    def sampled_participation_ratio(self, samples: int) -> float:
        r"""Participation ratio measured on average from n samples of centred Gaussian data.

        .. math::  \widehat{PR} \simeq \Bigl[\frac1{PR}\Bigl(1+\frac1n\Bigr)+\frac1n\Bigr]^{-1},

        below both n and PR: the ratio of the mean squared trace to the mean trace of the square,
        up to terms of relative order 1/PR.

        Raises
        ------
        ValueError
            If the dimension is not known, or `samples` is below 1.
        TypeError
            If `samples` is not an integer.

        Examples
        --------
        >>> import rmtspec as rs
        >>> pop = rs.PopulationSpectrum.power_law(1.0, 400)
        >>> round(pop.participation_ratio, 2), round(pop.sampled_participation_ratio(100), 2)
        (26.28, 20.65)
        """
        count = _checks.integer("samples", samples, 1)
        if self.dimension is None:
            raise ValueError("dimension must be known for a participation ratio of samples")
        return 1.0 / ((1.0 + 1.0 / count) / self.participation_ratio + 1.0 / count)

    @property
    def unbiased_participation_ratio(self) -> float:
        r"""Participation ratio whose mean estimate from `samples` samples is the measured one.

        .. math::  PR = \Bigl(1+\frac1n\Bigr)\Big/\Bigl(\frac1{\widehat{PR}}-\frac1n\Bigr),

        the inverse of `sampled_participation_ratio`, for independent Gaussian samples, and not
        above d, which no participation ratio exceeds; that of the atoms where they are `fitted`
        or no samples are known.
        """
        if self.samples is None or self.fitted:
            return self.participation_ratio
        rest = 1.0 / self.participation_ratio - 1.0 / self.samples
        unbiased = (1.0 + 1.0 / self.samples) / rest if rest > 0.0 else np.inf
        return min(unbiased, np.inf if self.dimension is None else float(self.dimension))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PopulationSpectrum):
            return NotImplemented
        return all(
            np.array_equal(mine, theirs)
            for mine, theirs in zip(self._arrays(), other._arrays(), strict=True)
        )

    def __hash__(self) -> int:
        return hash(tuple(array.tobytes() for array in self._arrays()))

    def __repr__(self) -> str:
        if self.eigenvalues.size <= 4:
            parts = [_listed(self.eigenvalues), f"weights={_listed(self.weights)}"]
        else:
            low, high = self.eigenvalues[[0, -1]]
            parts = [f"{self.eigenvalues.size} atoms in [{low:.3g}, {high:.3g}]"]
            parts.append(f"mean={self.mean:.3g}")
        if 0 < self.spikes.size <= 4:
            parts.append(f"spikes={_listed(self.spikes)}")
        elif self.spikes.size:
            parts.append(f"{self.spikes.size} spikes")
        if self.dimension is not None:
            parts.append(f"dimension={self.dimension}")
        if self.samples is not None:
            parts.append(f"samples={self.samples}")
        if self.fitted:
            parts.append("fitted")
        return f"PopulationSpectrum({', '.join(parts)})"

    def _arrays(self) -> tuple[NDArray[np.float64], ...]:
        return self.eigenvalues, self.weights, self.spikes


_Spectrum = TypeVar("_Spectrum", bound=PopulationSpectrum)


def spectrum_of_rows(
    made: type[_Spectrum], rows: NDArray[np.float64], *, center: bool = True, debias: bool = False
) -> _Spectrum:
    """`PopulationSpectrum.from_samples` of checked rows about which nothing is to be said."""
    data = rows
    samples, dimension = data.shape
    if center:
        # Relative to the first row a constant column is exactly 0, whatever its mean rounds to.
        data = rows - rows[0]
        data -= data.mean(axis=0)
    scale = largest(data)
    if scale < 1e-40:
        raise ValueError(f"x must vary between samples, got rows that differ by {abs(scale):g}")
    eigenvalues = sample_eigenvalues(data)
    if not debias:
        return made(eigenvalues, np.ones(dimension), dimension=dimension, samples=samples)
    # A row that occurs m times stands for one row of m times its squared norm.
    first, times = distinct_rows(data)
    norms = times * np.einsum("ij,ij->i", data[first] / scale, data[first] / scale)
    lost = 1 if center else 0
    unbiased = eigenvalues * (samples / (samples - lost))
    known = zeros_are_real(times, lost, dimension)
    atoms, weights = fit_population(unbiased, norms, first.size - lost, known)
    return made(atoms, weights, dimension=dimension, samples=samples, fitted=True)


def _eigenvalue_array(name: str, value: Any) -> NDArray[np.float64]:
    array = np.atleast_1d(_checks.real_array(name, value, 0.0, LARGEST))
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    tiny = array[(array > 0.0) & (array < SMALLEST)]
    if tiny.size:
        raise ValueError(
            f"{name} must each be 0 or in [{SMALLEST:g}, {LARGEST:g}], got {tiny[0].item()!r}"
        )
    array[array == 0.0] = 0.0  # -0.0 becomes 0.0, so that equal atoms have equal bytes
    return array


def _without_rounding(eigenvalues: Any) -> Any:
    """Listed eigenvalues of a matrix, of which those that rounding alone tells from 0 are 0."""
    try:
        array = np.array(eigenvalues, ndmin=1)
    except ValueError:
        return eigenvalues  # ragged: refused where the entries are checked
    if array.dtype.kind != "f" or array.ndim != 1 or not array.size:
        return eigenvalues
    top = float(array.max())
    with np.errstate(over="ignore"):
        noise = array.size * float(np.finfo(array.dtype).eps) * top
    array[np.abs(array) <= (noise if np.isfinite(noise) else 0.0)] = 0.0
    return array


def _weight_array(weights: Any, size: int) -> NDArray[np.float64]:
    array = np.atleast_1d(_checks.real_array("weights", weights, 0.0))
    if array.shape != (size,):
        raise ValueError(
            f"weights must have the length of eigenvalues, {size}, got shape {array.shape}"
        )
    if not np.any(array > 0.0):
        raise ValueError(f"weights must have a positive sum, got {_checks.shown(weights)}")
    array /= array.max()  # the sum of huge weights would overflow
    return array


def _merged(
    atoms: NDArray[np.float64], mass: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distinct atoms in ascending order and their weights, summing to 1; weight 0 is dropped."""
    distinct, place = np.unique(atoms, return_inverse=True)
    weights: NDArray[np.float64] = np.zeros(distinct.size)
    np.add.at(weights, place, mass)
    weights /= weights.sum()
    kept = weights > 0.0
    return distinct[kept], weights[kept]


def _listed(values: NDArray[np.float64]) -> str:
    return "[" + ", ".join(f"{value:.3g}" for value in values) + "]"
