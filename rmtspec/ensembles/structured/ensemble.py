r"""Gram matrix of random features of several types, on data of several classes and noise levels."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import _checks
from ...law import SpectralLaw
from ...result import Status, warn_unconverged
from ...solve.density.panels import FIRST, HALF
from ...solve.density.representation import search_python
from ...solve.ensemble import BoundaryValue, Transform
from ..feature_gram import points_to_solve
from .gaps import GapsAndEmbedded, Spectrum, find
from .kernels.equations import Parts
from .mean_directions import MeanDirections
from .points import Roots, graded, solve, solve_gaps, together
from .reduction import Arrays, Reduced, Target, reduce

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_SUM = 1e-8  # by which weights may miss a sum of one
_ENDS = np.array([-1.0, 1.0])  # of what an atom inside of a bulk hides, in half widths


@dataclass(frozen=True, eq=False)
class StructuredResolvent:
    """Trace of the resolvent, every array shaped like z.

    Attributes
    ----------
    q : complex, trace of (U − z)^-1 over p
    slope : complex, dq/dz
    error : bound on the relative error of q
    residual : largest relative residual of the equations
    converged : whether the value is within tolerance and on the physical branch
    status : `rmtspec.Status` of each point
    """

    q: ComplexArray
    slope: ComplexArray
    error: FloatArray
    residual: FloatArray
    converged: NDArray[np.bool_]
    status: NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class StructuredEnsemble:
    r"""Gaussian equivalent of :math:`U=\frac1n\sum_\nu\sum_k\langle\varphi_k\varphi_k^\top\rangle`.

    N types of neurons, Y classes of data, T channels (noise levels), weights of the channels
    absorbed: a neuron of type τ sees a sample x of class y through

    .. math::  \varphi_k\simeq C_{\tau yk}\,\frac{w\cdot x}{\sqrt d}+\text{own},\qquad
               \mathrm{Cov}(\text{own})=K_{\tau y},

    and the noise average leaves :math:`BWW^\top B^\top/d` and the floor S.

    Parameters
    ----------
    psi_p, psi_n : float > 0
        Features and samples per dimension, p/d and n/d.
    type_weights : (N,)
        Fractions of the neurons, > 0, of sum one.
    class_weights : (Y,)
        Fractions of the samples, > 0, of sum one.
    data_slopes : (N, Y, T)
        C, linear part in the data.
    noise_slopes : (N, Y, T)
        B, linear part in the noise, the root of the class weight included.
    kernels : (N, Y, T, T)
        K, covariance of the sample-specific part over the channels; positive semidefinite.
    floors : (N,) or (N, Y)
        S >= 0, or S of each class, whose mean over the classes counts.
    eigenvalues : (J, Y)
        Joint eigenvalues >= 0 of the covariances of the classes, which share a basis.
    eigenvalue_weights : (J,)
        Their fractions, >= 0, of sum one.
    target : Target, optional
        Slopes of what a readout has to predict; without it there are no losses.
    directions : MeanDirections, optional
        Directions along which losses are not those of the bulk.
    tolerance : float
        Channels below this fraction of the largest are dropped, noise slopes below its root.

    Raises
    ------
    TypeError, ValueError
        If an array has the wrong shape, or numbers out of its range.
    """

    psi_p: float
    psi_n: float
    type_weights: FloatArray
    class_weights: FloatArray
    data_slopes: FloatArray
    noise_slopes: FloatArray
    kernels: FloatArray
    floors: FloatArray
    eigenvalues: FloatArray
    eigenvalue_weights: FloatArray
    target: Target | None = None
    directions: MeanDirections | None = None
    tolerance: float = field(default=1e-9, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("psi_p", "psi_n"):
            object.__setattr__(self, name, _checks.real(name, getattr(self, name), 1e-9, 1e9))
        object.__setattr__(self, "tolerance", _checks.real("tolerance", self.tolerance, 0.0, 0.1))
        _ = self.given

    @cached_property
    def given(self) -> Arrays:
        """The arrays as they were given, checked and of full shape."""
        weights = _fractions("type_weights", self.type_weights, positive=True)
        classes = _fractions("class_weights", self.class_weights, positive=True)
        shape = (weights.size, classes.size)
        data = _checks.real_array("data_slopes", self.data_slopes)
        if data.ndim != 3 or data.shape[:2] != shape or data.shape[2] < 1:
            raise ValueError(
                f"data_slopes must have shape (types, classes, channels) with {shape[0]} types and "
                f"{shape[1]} classes, got shape {data.shape}"
            )
        channels = data.shape[2]
        noise = _shaped("noise_slopes", self.noise_slopes, data.shape)
        kernels = _shaped("kernels", self.kernels, (*data.shape, channels))
        _check_kernels(kernels)
        floors = _checks.real_array("floors", self.floors, 0.0)
        if floors.shape == shape[:1]:
            floors = np.repeat(floors[:, None], shape[1], axis=1)
        floors = _shaped("floors", floors, shape)
        shares = _fractions("eigenvalue_weights", self.eigenvalue_weights, positive=False)
        levels = _checks.real_array("eigenvalues", self.eigenvalues, 0.0)
        levels = _shaped("eigenvalues", levels, (shares.size, shape[1]))
        kept = shares > 0.0
        if self.target is None:
            target = Target(np.zeros(data.shape[1:]), np.zeros(data.shape[1:]))
        else:
            target = Target(
                _shaped("target.data", self.target[0], data.shape[1:]),
                _shaped("target.noise", self.target[1], data.shape[1:]),
            )
        return Arrays(
            weights, classes, data, noise, kernels, floors, levels[kept], shares[kept], target
        )

    @cached_property
    def reduced(self) -> Reduced:
        """The same ensemble in as few types, classes and channels as it takes."""
        merge = self.directions is None  # classes of different means are never the same
        return reduce(self.psi_p, self.psi_n, self.given, self.tolerance, merge=merge)

    @property
    def parts(self) -> Parts:
        """What the equations take."""
        return self.reduced.parts

    @property
    def origin(self) -> float:
        """Distances are measured from the lowest floor."""
        return self.reduced.origin

    @property
    def bound(self) -> float:
        """A distance from the origin above the whole spectrum, from norms of its parts."""
        parts = self.parts
        own = np.einsum("nyaa->ny", parts.kernels) @ parts.classes
        slopes = (parts.slopes**2).sum(1).max() * max(1.0, float(parts.levels.max()))
        samples = 1.0 + 1.0 / np.sqrt(self.psi_n)
        return float(
            parts.floors.max()
            + own.max() * (1.0 + np.sqrt(self.psi_p / self.psi_n)) ** 2
            + slopes * (1.0 + np.sqrt(self.psi_p)) ** 2 * samples**2
        )

    @property
    def reach(self) -> float:
        """The same for eigenvalues that stand apart as well."""
        if self.directions is None:
            return self.bound
        top = self.directions.largest(self.psi_p, self.given.classes)
        return float((np.sqrt(self.bound) + np.sqrt(top)) ** 2)

    def spectrum(self) -> SpectralLaw:
        """The limiting law of the p eigenvalues."""
        return SpectralLaw(self)

    @cached_property
    def found(self) -> Spectrum:
        """Gaps, atom and hard edge, searched for once."""
        return find(self.parts, self.bound)

    @property
    def gaps(self) -> GapsAndEmbedded:
        """Every gap of the spectrum."""
        return self.found.gaps

    @property
    def is_hard(self) -> bool:
        """Whether the law touches the lowest floor with a diverging density."""
        return self.found.hard

    @property
    def atoms(self) -> FloatArray:
        """(j, 2) atoms at the lowest floor and inside of bulks; others lie between gaps."""
        mass = self.found.atom
        lowest = np.array([[0.0, mass]]) if mass > 0.0 else np.empty((0, 2))
        return np.vstack([lowest, self.found.gaps.embedded[:, :2]])

    @property
    def outliers(self) -> FloatArray:
        """None: single eigenvalues are not part of the equivalent."""
        return np.empty(0)

    def roots(self, z: ComplexArray) -> Roots:
        """Roots at flat z less the origin, Im z >= 0; real ones off the support."""
        real = z.imag == 0.0
        if not real.any():
            return solve(self.parts, z)
        gaps = solve_gaps(self.parts, z.real[real])
        if real.all():
            return gaps
        above = solve(self.parts, z[~real])
        order = np.argsort(np.concatenate([np.flatnonzero(real), np.flatnonzero(~real)]))
        return together([gaps, above]).at(order)

    def transform(self, z: ComplexArray) -> Transform:
        """Stieltjes transform q of the p eigenvalues."""
        found = self.roots(z - complex(self.origin))
        q = found.trace(self.parts)
        return Transform(q, found.error_of(q, self.parts), found.status)

    def boundary(self, distance: FloatArray) -> BoundaryValue:
        """Density on the real axis inside the bulks; of infinite error where an atom hides it."""
        return _boundary(self.parts, self.found.gaps.embedded, True, distance)

    def panels(self, edges: FloatArray, hard: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """What the search of `solve.density.panels` finds on the bulks.

        Half a bulk whose edge is next to a floor is seen from there.
        """
        floors, ends = self.found.gaps.ends_of_bulks(edges[:, 0])
        tables, failures = [], []
        for floor in np.unique(floors) if floors.size else (0.0,):
            halves = floors == floor
            bulks = np.flatnonzero(halves.any(axis=1))
            local = ends[bulks] + (floors[bulks] - floor)
            parts = graded(self.parts, float(floor))[0] if floor else self.parts
            atoms = self.found.gaps.embedded - np.array([floor, 0.0, 0.0])
            boundary = partial(_boundary, parts, atoms, False)
            table, failed = search_python(local, hard[bulks], boundary, halves[bulks])
            half = table[:, HALF].astype(np.intp)
            table[:, HALF] = 2 * bulks[half // 2] + half % 2
            # Distances from the origin round the width of a thin bulk.
            width = np.diff(local, axis=1) / np.diff(edges[bulks], axis=1)
            table[:, FIRST:] *= width[half // 2]
            tables.append(table)
            failures.append(failed + np.array([[floor], [0.0]]))
        table = np.concatenate(tables)
        order = np.argsort(table[:, HALF], kind="stable")
        return table[order], np.concatenate(failures, axis=1)

    def solve(self, z: ArrayLike, *, rtol: float = 1e-8, check: bool = True) -> StructuredResolvent:
        """Trace of the resolvent at z, complex or real off the support, any shape.

        Raises
        ------
        TypeError, ValueError
            If z is not numeric, not finite, or real and on the support.

        Warns
        -----
        ConvergenceWarning
            Once, if points did not converge; they are NaN and flagged.
        """
        points, lower, distance, rtol = points_to_solve(self, z, rtol, check)
        found = self.roots(distance)
        q, slope = found.trace(self.parts), found.trace_slope(self.parts)
        error = found.error_of(q, self.parts)
        status = np.where(
            found.good & ~(error <= rtol), np.int8(Status.PRECISION_EXHAUSTED), found.status
        )
        good = status == Status.CONVERGED
        q, slope = (
            np.where(good, np.where(lower, value.conj(), value), complex(np.nan, np.nan))
            for value in (q, slope)
        )
        if check and not good.all():
            warn_unconverged("resolvent", points.ravel(), status)
        error = np.where(good, error, np.inf)
        columns = (q, slope, error, found.residual, good, status)
        shaped: list[Any] = [column.reshape(points.shape) for column in columns]
        return StructuredResolvent(*shaped)


def _boundary(
    parts: Parts, atoms: FloatArray, is_bound: bool, distance: FloatArray
) -> BoundaryValue:
    """Density inside of bulks, a straight line across atoms, with its error bound or its noise."""
    x = distance.copy()
    hidden = [(np.abs(x - atom) < width, atom + width * _ENDS) for atom, _, width in atoms]
    for near, ends in hidden:
        x[near] = ends[0]
    found = solve(parts, x.astype(np.complex128))
    density = found.trace(parts).imag
    error = found.error_of(density, parts)
    if not is_bound:
        # What refinement has to expect: next to edges a thousandth of the bound is measured.
        error = np.maximum(found.error, 0.1 * np.sqrt(found.error * error))
    for near, ends in hidden:
        if near.any():
            values = solve(parts, ends.astype(np.complex128)).trace(parts).imag
            density[near] = np.interp(distance[near], ends, values)
            if is_bound:
                error[near] = np.inf
    return BoundaryValue(density / np.pi, error, found.status)


def _fractions(name: str, value: ArrayLike, *, positive: bool) -> FloatArray:
    """Weights of sum one."""
    weights = _checks.real_array(name, value, 0.0)
    if weights.ndim != 1 or weights.size < 1:
        raise ValueError(f"{name} must be a row of numbers, got shape {weights.shape}")
    if positive and not np.all(weights > 0.0):
        raise ValueError(f"{name} must be positive, got {_checks.shown(weights.tolist())}")
    total = float(weights.sum())
    if not abs(total - 1.0) <= _SUM:
        raise ValueError(f"{name} must sum to 1, got a sum of {total!r}")
    return np.asarray(weights / total)


def _shaped(name: str, value: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """An array of this shape."""
    array = _checks.real_array(name, value)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got shape {array.shape}")
    return array


def _check_kernels(kernels: FloatArray) -> None:
    """Refuse kernels that are no covariances."""
    size = float(np.abs(kernels).max(initial=0.0))
    if not np.all(np.abs(kernels - kernels.swapaxes(2, 3)) <= 1e-12 * size):
        raise ValueError("kernels must be symmetric in the channels")
    least = float(np.linalg.eigvalsh(kernels).min())
    if least < -1e-10 * size:
        raise ValueError(f"kernels must be positive semidefinite, got an eigenvalue of {least!r}")
