r"""Gram matrix U of random features as an ensemble: law, resolvent traces and outliers.

The equations are in `feature_equations`.  In the normalisation of arXiv 2505.17638, Theorem 3.1,

.. math::  q=\frac1p\mathrm{Tr}R,\qquad
           s=\frac1{pd}\mathrm{Tr}\,W^\top RW=\frac{S_0}{\psi_p},\qquad
           r=\frac1{pd}\mathrm{Tr}\,\Sigma W^\top RW=\frac{S_1}{\psi_p},\qquad R=(U-z)^{-1}.

More sharply than the traces, :math:`W^\top RW/d\simeq(k+b^2+c^2y\Sigma)^{-1}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..inputs.population import PopulationSpectrum
from ..solve import REORDERED
from ..solve.cauchy_sums.cells import atom, nearby, seen_through_cells
from ..solve.finite_rank import threshold
from ..solve.kernel import kernel
from .feature_equations import Equations, FeatureEquations
from .feature_gaps import FeatureSolution
from .feature_gram import FeatureGram
from .two_point import traded

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


@dataclass(frozen=True)
class SpikeImages:
    """Outliers of the spikes of the population, in the order of the spikes, all (spikes,) arrays.

    Attributes
    ----------
    location : distance of the outlier from s² on the fast side, NaN below the transition
    overlap : squared scalar product of its eigenvector with the unit vector along W e
    slow_location, slow_overlap : the same for the second outlier, on the slow side
    threshold : population eigenvalue at which the (fast) outlier leaves the bulk, NaN if none
    """

    location: FloatArray
    overlap: FloatArray
    slow_location: FloatArray
    slow_overlap: FloatArray
    threshold: FloatArray


@dataclass(frozen=True)
class RandomFeatureGram(FeatureGram):
    r""":math:`U=\frac1nGG^\top+\frac{b^2}dWW^\top+s^2I` for given scalars.

    Parameters
    ----------
    psi_p, psi_n : float > 0
        Features and samples per dimension, p/d and n/d.
    population : PopulationSpectrum
        Spectrum of the data covariance Σ; its spikes give outliers.
    c2, b2, v2, s2 : float >= 0
        Squares of the linear part in the data (:math:`e^{-2t}a_t^2`), the linear part in the
        noise, the sample-specific part and the floor.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range or population is not a PopulationSpectrum.

    References
    ----------
    Bonnaire, Urfin, Biroli, Mézard, arXiv 2505.17638, Theorem 3.1.
    """

    psi_p: float
    psi_n: float
    population: PopulationSpectrum
    c2: float
    b2: float
    v2: float
    s2: float

    def __post_init__(self) -> None:
        for name in ("psi_p", "psi_n"):
            object.__setattr__(self, name, _checks.real(name, getattr(self, name), 1e-9, 1e9))
        for name in ("c2", "b2", "v2", "s2"):
            object.__setattr__(self, name, _checks.real(name, getattr(self, name), 0.0, 1e100))
        if not isinstance(self.population, PopulationSpectrum):
            raise TypeError(
                f"population must be a PopulationSpectrum, got {_checks.shown(self.population)}"
            )

    @cached_property
    def equations(self) -> Equations:
        """The self-consistent equations behind the law."""
        return FeatureEquations(
            self.psi_p, self.psi_n, self.population.positive_atoms, *self._parts
        )

    @property
    def _parts(self) -> tuple[float, float, float]:
        """c², b² and v², those 70 decades below the largest, or 48 below s², set to 0.

        Their bulks lie that close to the atom at s², and count with it; products of their powers,
        of six where all are small, would leave the range of floats.
        """
        data = self.c2 * self.population.mean
        least = max(1e-70 * max(data, self.b2, self.v2), 1e-48 * self.s2)
        return (
            self.c2 if data > least else 0.0,
            self.b2 if self.b2 > least else 0.0,
            self.v2 if self.v2 > least else 0.0,
        )

    @cached_property
    def _seen(self) -> FloatArray:
        """The positive eigenvalues, or cells of them."""
        return seen_through_cells(*self.population.positive_atoms[:2])

    @property
    def origin(self) -> float:
        """Distances are measured from s²."""
        return self.s2

    def traces(self, found: FeatureSolution, lower: NDArray[np.bool_], rtol: float) -> ComplexArray:
        """Rows q, r, s, k, y; see `_traces`."""
        return np.asarray(
            _traces(
                found.k, found.y, found.error, found.y_error, found.status, lower, self._seen,
                *self.population.positive_atoms[1:3], self.psi_p, self.c2, self.b2, rtol,
            )
        )  # fmt: skip

    def spiked(self, z: ComplexArray) -> ComplexArray:
        """What spikes add to E log det: each trades its factor g = k + b² + c²yl for the mean."""
        spikes, found = self.population.spikes, self.roots(z)
        if spikes.size == 0:
            return np.zeros_like(z)
        level, weight = self.population.eigenvalues, self.population.weights
        base, steep = found.k + self.b2, self.c2 * found.y
        return traded(base, steep, spikes, level, weight)

    @property
    def outliers(self) -> FloatArray:
        """Distances of all outliers from s², ascending."""
        if self.population.spikes.size == 0:
            return np.empty(0)
        images = self.spike_images
        both = np.concatenate([images.location, images.slow_location])
        return np.sort(both[np.isfinite(both)])

    @cached_property
    def spike_images(self) -> SpikeImages:
        """What becomes of each spike of the population."""
        spikes = np.asarray(self.population.spikes, dtype=np.float64)
        table = np.full((spikes.size, 4), np.nan)
        for row, spike in zip(table, spikes, strict=True):
            if self.c2 > 0.0 and spike not in self.population.eigenvalues:
                found = self.equations.spike(float(spike))
                row[: 2 * len(found.location)] = np.column_stack(found).ravel()
        overlaps = np.nan_to_num(table[:, [1, 3]])
        visible = self.equations.visible_spikes if spikes.size else np.empty((0, 2))
        return SpikeImages(
            table[:, 0],
            overlaps[:, 0],
            table[:, 2],
            overlaps[:, 1],
            threshold(visible, spikes),
        )


@kernel(fastmath=REORDERED)
def _resolved(base, steep, eigenvalues, weights, zero_weight):
    """∫1/g, ∫l/g and ∫1/|g|², ∫l/|g|², ∫l²/|g|², where g = base + steep·l."""
    r0 = i0 = r1 = i1 = a0 = a1 = a2 = 0.0
    for j in range(weights.size):
        level = atom(eigenvalues, j)
        gr = base.real + steep.real * level
        gi = base.imag + steep.imag * level
        share = weights[j] / (gr * gr + gi * gi)
        r0 += share * gr
        i0 -= share * gi
        r1 += level * share * gr
        i1 -= level * share * gi
        a0 += share
        a1 += level * share
        a2 += level * level * share
    if zero_weight > 0.0:
        share = zero_weight / (base.real * base.real + base.imag * base.imag)
        r0 += share * base.real
        i0 -= share * base.imag
        a0 += share
    return complex(r0, i0), complex(r1, i1), a0, a1, a2


@kernel
def _reciprocal(x):
    size = max(abs(x.real), abs(x.imag))
    re, im = x.real / size, x.imag / size
    scale = 1.0 / (size * (re * re + im * im))
    return complex(re * scale, -im * scale)


@kernel
def _traces(
    k, y, error, y_error, status, lower, eigenvalues, weights, zero_weight, psi_p, c2, b2, rtol
):  # fmt: skip
    """Rows q, r, s, k, y; NaN where (k, y) are not known to `rtol`, conjugate where `lower`.

    `error` holds a bound for k and takes that for k, q, r and s, which is larger where r or s
    passes through zero; `status` is kept up with it.  y has a bound of its own, and counts for the
    others by its share in g.
    """
    ulp = (8.0 + np.sqrt(weights.size)) * 2.220446049250313e-16
    share = 1.0 / psi_p
    rows = np.empty((5, k.size), dtype=np.complex128)
    for i in range(k.size):
        base, steep = k[i] + b2, c2 * y[i]
        eta = base * _reciprocal(steep)
        near, masses = nearby(eigenvalues, weights, eta.real, eta.real, abs(eta.imag))
        zeroth, first, a0, a1, a2 = _resolved(base, steep, near, masses, zero_weight)
        # |dg| from the relative errors of k and y and the rounding of g, against the sums
        flat = (error[i] + ulp) * (abs(k[i]) + b2)
        tilt = (y_error[i] + ulp) * abs(steep) if abs(steep) > 0.0 else 0.0
        loss = (flat * a0 + tilt * a1) / abs(zeroth)
        if abs(first) > 0.0:
            loss = max(loss, (flat * a1 + tilt * a2) / abs(first))
        needed = error[i]
        if tilt > 0.0 and weights.size > 0:
            felt = abs(steep) * atom(eigenvalues, weights.size - 1) / (abs(k[i]) + b2)
            needed = max(needed, y_error[i] * min(felt, 1.0))
        if status[i] == 0 and not needed <= rtol:
            status[i] = 4
        if status[i] != 0:
            rows[:, i], error[i], y_error[i] = complex(np.nan, np.nan), np.inf, np.inf
            continue
        error[i] = max(error[i], loss)
        rows[0, i] = _reciprocal(psi_p * k[i])
        rows[1, i], rows[2, i] = share * first, share * zeroth
        rows[3, i], rows[4, i] = k[i], y[i]
        if lower[i]:
            rows[:, i] = np.conj(rows[:, i])
    return rows
