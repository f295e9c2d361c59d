r"""Single eigenvalues of a structured feature matrix: mean features, spikes, means of classes.

Beside the bulk, U holds a finite number of directions F, near which its resolvent is that of
:math:`\mathrm{diag}(1/g)+F\Theta F^\top` (`solve.finite_rank`).  The blocks are

=======================  ====================================  ==================================
directions               G                                     Θ
=======================  ====================================  ==================================
mean features            :math:`p\sum\pi g\bar c\bar c^\top`   :math:`\mathrm{diag}(\pi_yD_y^{-1})`
a data direction         Q                                     :math:`\mathrm{diag}(\pi_y
                                                               (\lambda_y+\mu_y^2)D_y^{-1},I)`
cross term of the two    0                                     :math:`\pi_y\mu_yD_y^{-1}`
2nd Hermite, signal      :math:`p\sum\pi gff^\top`             :math:`\pi_y\frac{2\mathrm{Tr}
                                                               \Sigma_y^2}{d^2\sigma_y^4}D_y^{-1}`
2nd Hermite, mixed       the same form                         1/d
2nd Hermite, noise       the same form                         2/d (f with the factor ½)
=======================  ====================================  ==================================

with :math:`\mu_y` the coordinate of the class mean and :math:`\lambda_y` the variance along it.
Mean and Hermite blocks share one G.  Where the means are of length √d, a neuron's type holds its
projection η on them: the vectors of these directions are :math:`\eta u/\sqrt d`, the means
themselves are in :math:`\bar c`, and all share their G with the mean and Hermite blocks.  The norms
of the neurons fluctuate by :math:`2/d`, which adds :math:`p\sum\pi gff^\top\frac2d` to the mean
block, f the sum of the signal and noise coefficients.  :math:`D_y` is that of all times: the
identity outside the channels that the equations keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..ensembles.structured.ensemble import StructuredEnsemble
from ..solve.finite_rank import Form, Isolated, isolated
from .bulks import true_gaps
from .interfaces import Model
from .setting import Setting

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class StructuredOutliers:
    r"""Single eigenvalues outside the bulks, ascending.

    Attributes
    ----------
    location : (i,)
    overlap : (i, h) squared scalar products of the unit eigenvectors with unit vectors along We,
        e the h-th data direction: means of the classes (well separated ones where the dimension is
        given), or spikes of the population
    common : (i,) the same with the vector of ones, where the dimension is given, else NaN
    tau : (i,) training times ψ_p/(Δ̄·location)
    """

    location: FloatArray
    overlap: FloatArray
    common: FloatArray
    tau: FloatArray

    @classmethod
    def of(cls, found: Isolated, directions: int, scale: float) -> Self:
        """From the zeros of the determinant, whose last vector is that of ones."""
        missing = np.full_like(found.location, np.nan)
        common = found.overlap[:, -1] if found.overlap.shape[1] > directions else missing
        return cls(
            found.location,
            found.overlap[:, :directions],
            common,
            scale / found.location,
        )


class _Direction(NamedTuple):
    """A data direction: (Y,) variances along it, and coordinates of the means."""

    variances: FloatArray
    means: FloatArray


def find_outliers(model: Model, dimension: int | None) -> StructuredOutliers:
    """All single eigenvalues in the gaps of the law; those of mean features with the dimension."""
    forms = _Forms(model, dimension)
    law = model.spectrum()
    gaps = law.ensemble.gaps
    count = len(forms.directions)
    vectors = count + (dimension is not None)
    if vectors == 0:
        return StructuredOutliers.of(
            Isolated(np.empty(0), np.empty((0, 0))), 0, model.psi_p / model.delta
        )
    scale = float(np.abs(gaps.lower[1:]).max(initial=0.0)) or 1.0
    # Below everything no eigenvalue can lie: U is the floor and positive terms.
    apart = true_gaps(law, forms.setting)
    between = np.searchsorted(law.edges[:, 1], gaps.lower[1:] * (1.0 + 1e-9)) - 1
    kept = np.where(between >= 0, apart[np.maximum(between, 0)], True)
    lower, upper = gaps.lower[1:][kept], gaps.upper[1:][kept]
    found = isolated(forms.at, lower, upper, scale, vectors)
    found = Isolated(law.origin + found.location, found.overlap)
    return StructuredOutliers.of(found, count, model.psi_p / model.delta)


class _Forms:
    """M(z) of one model, and all that does not depend on z."""

    def __init__(self, model: Model, dimension: int | None) -> None:
        self.setting, self.ensemble = model.setting, model.ensemble
        self.psi_p, self.dimension = model.psi_p, dimension
        known = self._known()
        self.known_directions = len(known)
        self.directions = known + _directions(self.setting)
        at = self.setting.slopes
        count, (classes, times) = len(at.weights), at.data.shape[1:]
        self.slopes = np.hstack([at.data.reshape(count, -1), at.noise.reshape(count, -1)])
        self.size = classes * times
        # Of every given type, where the equations have gone.
        self.kind = self.ensemble.reduced.type_of
        self.vectors = self._vectors()

    def _known(self) -> list[_Direction]:
        """Directions of the means that the types of the neurons hold."""
        classes = self.setting.classes
        if self.dimension is None or not self.setting.separated:
            return []
        nothing = np.zeros(len(classes.weights))
        return [_Direction(classes.variances, nothing) for _ in classes.means.T]

    def _vectors(self) -> FloatArray:
        """(N', s) components along vectors that a neuron's type tells, d times their squares."""
        at = self.setting.slopes
        if self.dimension is None:
            return np.empty((len(at.shares), 0))
        shares = np.sqrt(self.setting.classes.weights)[:, None]
        parts = [at.means, at.bends[:, 0], shares * at.bends[:, 1], shares * at.bends[:, 2]]
        table = [np.sqrt(self.dimension) * part.reshape(len(at.shares), -1) for part in parts]
        own = self.setting.mean_directions(self.dimension).slopes.reshape(len(at.shares), -1)
        along = self.setting.neurons.projections.T[: self.known_directions, :, None]
        return np.hstack([*table, *(along * own)])

    def at(self, z: float) -> Form | None:
        """M and its derivative at a distance from the origin, None where no root is known."""
        state = _state(self.ensemble, z)
        if state is None:
            return None
        g, g_slope, inner, inner_slope = state
        g, g_slope = g[self.kind], g_slope[self.kind]
        matrix = self._resolvents(g) + self._inverse_theta(inner, constant=True)
        slope = self._resolvents(g_slope) + self._inverse_theta(inner_slope, constant=False)
        return Form(matrix, slope, self._crosses(g))

    def _resolvents(self, g: FloatArray) -> FloatArray:
        """G, block by block: common vectors first, then the data directions."""
        at, blocks = self.setting.slopes, []
        if self.dimension is not None:
            weight = self.psi_p * at.shares * g[at.member]
            known = (weight * self.vectors.T) @ self.vectors
            bent = (at.bends[:, 0] + at.bends[:, 2]).reshape(len(at.shares), -1)
            known[: self.size, : self.size] += 2.0 * (weight * bent.T) @ bent
            blocks.append(known)
        q = self.psi_p * ((at.weights * g) * self.slopes.T) @ self.slopes
        blocks += [q] * (len(self.directions) - self.known_directions)
        return _block_diagonal(blocks)

    def _inverse_theta(self, d: FloatArray, *, constant: bool) -> FloatArray:
        r"""Θ⁻¹ for D (Y, T, T), or its derivative for D'.

        In class y the vectors are :math:`\bar c` and, along each direction, the data slopes; their
        second moments in the class are those of :math:`(1,\mu+\sqrt\lambda z)`.
        """
        classes = self.setting.classes
        count, times = len(classes.weights), d.shape[1]
        width, single = self.size, self.dimension is None
        offset = 0 if single else 4 * width
        total = offset + 2 * width * len(self.directions)
        result = np.zeros((total, total))
        for y in range(count):
            means = np.array([one.means[y] for one in self.directions])
            second = np.diag([one.variances[y] for one in self.directions])
            second = second + np.multiply.outer(means, means)
            if not single:
                second = np.block([[np.ones((1, 1)), means[None, :]], [means[:, None], second]])
            inverse = np.linalg.inv(second) / classes.weights[y]
            places = [] if single else [y * times]
            places += [offset + 2 * width * j + y * times for j in range(len(self.directions))]
            for i, row in enumerate(places):
                for j, column in enumerate(places):
                    result[row : row + times, column : column + times] = inverse[i, j] * d[y]
        if not single:
            self._bent(d, result, constant)
        if constant:
            for j in range(len(self.directions)):
                noise = slice(offset + 2 * width * j + width, offset + 2 * width * (j + 1))
                result[noise, noise] = np.eye(width)
        return result

    def _bent(self, d: FloatArray, result: FloatArray, constant: bool) -> None:
        """Θ⁻¹ of the Hermite blocks, into its place."""
        assert self.dimension is not None
        classes, times = self.setting.classes, d.shape[1]
        square = classes.direction_weights @ classes.eigenvalues**2
        spread = 2.0 * square / (self.dimension * classes.variances**2)
        for y, weight in enumerate(classes.weights):
            block = slice(self.size + y * times, self.size + (y + 1) * times)
            result[block, block] = d[y] / (weight * spread[y])
        if constant:
            mixed = slice(2 * self.size, 3 * self.size)
            noise = slice(3 * self.size, 4 * self.size)
            result[mixed, mixed] = self.dimension * np.eye(self.size)
            result[noise, noise] = 0.5 * self.dimension * np.eye(self.size)

    def _crosses(self, g: FloatArray) -> FloatArray:
        """Rows of unit vectors along We, and of ones, against F."""
        at, root = self.setting.slopes, np.sqrt(self.psi_p)
        own = root * (at.weights * at.signs * g) @ self.slopes
        known, width = self.vectors.shape[1], 2 * self.size
        free = len(self.directions) - self.known_directions
        rows = np.zeros((len(self.directions) + (self.dimension is not None), known + width * free))
        if self.dimension is not None:
            seen = np.hstack([self.setting.neurons.projections, np.ones((len(at.shares), 1))])
            places = [*range(self.known_directions), len(rows) - 1]
            weight = root * at.shares * g[at.member]
            rows[places, :known] = (seen.T * weight) @ self.vectors
        for j in range(free):
            start = known + width * j
            rows[self.known_directions + j, start : start + width] = own
        return rows


def _directions(setting: Setting) -> list[_Direction]:
    """Data directions beside the bulk: means of length one and spikes of the population."""
    classes = setting.classes
    found = []
    if not setting.separated:
        found = [_Direction(classes.variances, means) for means in classes.means.T]
    zero = np.zeros(len(classes.weights))
    return found + [_Direction(np.full(1, spike), zero) for spike in classes.spikes]


def _state(
    ensemble: StructuredEnsemble, z: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray] | None:
    """g (N'), D (Y, T, T) of all times, and their derivatives, at a real point of a gap."""
    roots = ensemble.roots(np.array([complex(z)]))
    if not roots.good[0] or not roots.is_real:
        return None
    reduced = ensemble.reduced
    g = roots.g[0].real
    types = g.size
    slope = g * roots.slopes[0, :types].real
    small, scales = roots.d[0].real, roots.scales[0]
    r = small.shape[1]
    upper = np.triu_indices(r)
    moved = np.empty_like(small)
    step = r * (r + 1) // 2
    for y in range(len(small)):
        values = roots.slopes[0, types + y * step : types + (y + 1) * step].real
        moved[y][upper] = values * (scales[y][:, None] * scales[y])[upper]
        moved[y].T[upper] = moved[y][upper]
    basis = reduced.channels
    rest = np.eye(basis.shape[1]) - np.einsum("ytr,ysr->yts", basis, basis)
    whole = np.einsum("yta,yab,ysb->yts", basis, small, basis) + rest
    whole_slope = np.einsum("yta,yab,ysb->yts", basis, moved, basis)
    return g, slope, whole[reduced.class_of], whole_slope[reduced.class_of]


def _block_diagonal(blocks: list[FloatArray]) -> FloatArray:
    size = sum(len(block) for block in blocks)
    result = np.zeros((size, size))
    start = 0
    for block in blocks:
        result[start : start + len(block), start : start + len(block)] = block
        start += len(block)
    return result
