r"""What sums over eigenvalues are if a model is right, and how well that is known.

*gaussian.*  Mean and covariance of the Gaussian equivalent by formula
(`rmtspec.solve.linear_statistics`), without a parameter; of small matrices the p-value comes from
draws, as below.

*simulate.*  The same from draws of the Gaussian equivalent at the dimension of the data.

*calibrated.*  Features of the activation itself: their mean is the law's plus a shift δ, their
covariance another one, and neither depends on d but by terms of order 1/d (norms of neurons and of
samples fluctuate: :math:`\delta` reaches 27 standard deviations in the lowest statistic of tanh
features at d = 50).  M_1 draws at a small :math:`d_1` and M_2 at :math:`d_2=2d_1` give

.. math::  \delta(d)=(1+a)\,\delta_2-a\,\delta_1,\qquad a=1-d_2/d,

with the variance :math:`hC,\ h=(1+a)^2/M_2+a^2/M_1`.

*The test.*  The mean of m draws differs from a mean known up to hC by r, of covariance
(1/m + h) C.  With C known :math:`\chi^2=r^\top C^{-1}r/(1/m+h)` has k degrees of freedom; with C
estimated with ν degrees of freedom :math:`\frac{\nu-k+1}{k\nu}\chi^2` has the F distribution of
(k, ν − k + 1) degrees (Hotelling 1931).

*Finite size.*  Cumulants of sums over eigenvalues expand in 1/d: the covariance is
C + C_1/d, a third cumulant is of order 1/d, a fourth of order 1/d².  The third is odd and does not
move the law of :math:`\chi^2` to first order, so that this law is right up to
:math:`\mathrm{Tr}\,C^{-1}C_1/d`, and up to 1/d² for what is not Gaussian.  Nine
settings together (one matrix a test, ``python -m validation run compare``) reject a right model at
5 % in 5.7 % of cases at d = 26, 5.4 % at d = 50, 5.5 % at d = 100 and 5.0 % at d = 200, and at 1 %
in 1.9, 1.3, 1.3 and 1.0 %.  On 6000 draws of five settings at d = 26 it was 6.0 to 6.8 % by C, and
5.4 to 5.8 % with the covariance of the draws in its place: two thirds of the excess are C_1, the
rest tails; the mean plays no part.  Where few directions carry a sum (a power law: its largest
eigenvalue) the tail is that of a few chi-squares, 2 to 3 % at 1 % with 13 to 50 samples.

*Permutations.*  If a model is right, observed sums and sums drawn by it at the same d are
exchangeable whatever their law, so that the rank of the observed mean among the means of as many
members of both together, taken at random, is uniform: a p-value that is exact at every d
(Pitman 1937).  It ends at one over the number of permutations.  What is beyond them all takes
Hotelling's p-value for the draws, if it is smaller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..ensembles.exact_kernel import KernelEquations
from ..ensembles.sample_covariance import SampleCovariance
from ..law import SpectralLaw
from ..random_features.model import RandomFeatureModel
from ..result import ProgressBar
from .finite_size import Model, at_dimension, misfit, sizes
from .simulate import draws
from .statistics import Statistics

FloatArray = NDArray[np.float64]

LEAST_FREEDOM = 5
"""Degrees of freedom of an estimated covariance, beyond the number of statistics."""

_LARGEST_DRAWN = 300
"""Smaller side of H up to which the Gaussian null draws: a second or two for 199 matrices."""

_FEWEST = 100  # of p, n and d, below which the p-value of the formula is remarked upon
_PERMUTATIONS = 999
_NEXT_ORDER = 5.0
"""d times what the next order may add to the mean of a combination, in standard deviations."""
_LARGEST_SMALL = 160  # neurons of the smaller matrices of a calibration
_LEAST_DIMENSION = 20


@dataclass(frozen=True, eq=False)
class Null:
    """Mean and covariance (k, k) of the sums of one matrix, and how well they are known.

    Attributes
    ----------
    mean, covariance : of one draw
    doubt : h, the covariance of the mean over that of one draw
    freedom : degrees of freedom of the covariance, inf if it is known
    sentence : what is assumed
    drawn : (M, k) sums of matrices as large as those observed, by which the p-value is exact
    """

    mean: FloatArray
    covariance: FloatArray
    doubt: float
    freedom: float
    sentence: str
    drawn: FloatArray | None = None

    def test(
        self, sums: FloatArray, directions: FloatArray, rng: np.random.Generator | None = None
    ) -> tuple[float, int, float | None, str]:
        """Chi-square, degrees of freedom, p-value (None if C is known too badly) and its source.

        Parameters
        ----------
        sums : (m, k) of the matrices observed
        directions : (k, r) combinations that are tested
        rng : for permutations, where there are draws
        """
        square, degrees, pvalue = self._parametric(sums, directions)
        if self.drawn is None or rng is None:
            return square, degrees, pvalue, ""
        tail = pvalue
        if math.isinf(self.freedom):
            tail = _by_sample(self.drawn, "")._parametric(sums, directions)[2]
        if tail is None:
            return square, degrees, None, ""
        rank, of = _permuted(sums @ directions, self.drawn @ directions, rng)
        if rank == 1 and tail < 1.0 / of:
            beyond = f"beyond all permutations, Hotelling's formula for {len(self.drawn)} draws"
            return square, degrees, tail, beyond
        return square, degrees, rank / of, f"by permutation among {len(self.drawn)} draws"

    def _parametric(
        self, sums: FloatArray, directions: FloatArray
    ) -> tuple[float, int, float | None]:
        from scipy.stats import chi2, f

        mean, count = sums.mean(axis=0), len(sums)
        moved = (mean - self.mean) @ directions
        covariance = directions.T @ self.covariance @ directions * (1.0 / count + self.doubt)
        degrees = moved.size
        square = float(moved @ np.linalg.solve(covariance, moved))
        if math.isinf(self.freedom):
            return square, degrees, float(chi2.sf(square, degrees))
        rest = self.freedom - degrees + 1.0
        if rest < LEAST_FREEDOM:
            return square, degrees, None
        return square, degrees, float(f.sf(square * rest / (degrees * self.freedom), degrees, rest))

    def deviations(self, count: int) -> FloatArray:
        """Standard deviation of the difference between the mean of `count` draws and `mean`."""
        return np.asarray(np.sqrt(np.diag(self.covariance) * (1.0 / count + self.doubt)))


def by_formula(
    law: SpectralLaw,
    statistics: Statistics,
    size: int,
    beta: int,
    assumption: str,
    drawn: FloatArray | None = None,
) -> Null:
    """The Gaussian null; with sums of draws, if they are to give the p-value."""
    found = law.fluctuations(*statistics.functions, size=size, beta=beta)
    kind = "real" if beta == 1 else "complex"
    source = "" if drawn is None else f"; p-value from {len(drawn)} draws of the same size"
    return Null(
        found.expected,
        found.covariance,
        0.0,
        math.inf,
        f"gaussian: {kind} matrices, mean and covariance by formula{source}; {assumption}",
        drawn,
    )


def by_draws(
    model: Model,
    dimension: int,
    statistics: Statistics,
    rng: np.random.Generator,
    count: int,
    progress: bool,
) -> Null:
    """The null of Gaussian matrices drawn at the dimension of the data."""
    sums = drawn_sums(model, dimension, statistics, rng, "gaussian", count, 0, progress)
    return _by_sample(
        sums, f"simulate: {count} draws of Gaussian matrices of the same size, d = {dimension}"
    )


def _by_sample(sums: FloatArray, sentence: str) -> Null:
    count = len(sums)
    covariance = np.cov(sums.T, ddof=1)
    return Null(sums.mean(axis=0), covariance, 1.0 / count, count - 1.0, sentence, sums)


def _permuted(observed: FloatArray, drawn: FloatArray, rng: np.random.Generator) -> tuple[int, int]:
    """Rank of the mean observed, counted from the farthest, among so many means of as many.

    The distance is that from the mean of all, in units of the covariance of all: a function of
    them together, as exchangeability asks.
    """
    together = np.concatenate([observed, drawn])
    moved = together - together.mean(axis=0)
    turned, size = np.linalg.qr(moved)[0], len(observed)
    if size == 1:
        squares = (turned**2).sum(axis=1)
        return int(np.count_nonzero(squares >= squares[0] * (1.0 - 1e-9))), len(squares)
    here = float((turned[:size].sum(axis=0) ** 2).sum())
    few = min(size, len(drawn))  # a group and the rest lie equally far on either side
    farther, left = 0, _PERMUTATIONS
    while left:
        many = min(left, 1 + 10**6 // len(turned))
        order = rng.random((many, len(turned))).argpartition(few - 1, axis=1)
        squares = (turned[order[:, :few]].sum(axis=1) ** 2).sum(axis=1)
        farther += int(np.count_nonzero(squares >= here * (1.0 - 1e-9)))
        left -= many
    return 1 + farther, 1 + _PERMUTATIONS


def small_sums(
    model: Model | SpectralLaw,
    dimension: int | None,
    statistics: Statistics,
    rng: np.random.Generator,
    count: int,
    progress: bool,
) -> FloatArray | None:
    """Sums of draws for the p-value of the Gaussian null; None of matrices that are large.

    None as well of a law, and of a model that does not exist at this d.
    """
    if isinstance(model, SpectralLaw) or dimension is None or misfit(model, dimension) is not None:
        return None
    d, n, p = sizes(model, dimension)
    if isinstance(model, SampleCovariance):
        side = min(n, d)
    else:
        equations = model.ensemble.equations
        side = min(p, equations.mu.size if isinstance(equations, KernelEquations) else n + d)
    if side > _LARGEST_DRAWN:
        return None
    return drawn_sums(model, dimension, statistics, rng, "gaussian", count, 0, progress)


def is_few(model: Model, dimension: int) -> bool:
    """Whether p, n or d is so small that the next order of the formula shows in a p-value."""
    if isinstance(model, SampleCovariance):
        return min(dimension, dimension / model.ratio) < _FEWEST
    return min(model.psi_p, model.psi_n, 1.0) * dimension < _FEWEST


def enough_draws(null: str, count: int, degrees: int) -> None:
    """Refuse fewer draws than the covariance of so many combinations takes.

    Hotelling's F has M - k + 1 degrees of freedom for M of the covariance; with fewer draws than
    combinations the covariance is singular, and a chi-square of it is rounding.

    Raises
    ------
    ValueError
        If there are fewer.
    """
    needed = degrees + LEAST_FREEDOM
    if null == "calibrated":
        needed = next(m for m in range(2, needed + 2) if _freedom(m) - degrees + 1 >= LEAST_FREEDOM)
    if count < needed:
        raise ValueError(
            f"null_draws must be at least {needed} for the covariance of {degrees} combinations "
            f"of statistics under null {null!r}, got {count}"
        )


def _calibrating(count: int) -> tuple[int, int]:
    """Draws at the smaller and the larger dimension of a calibration."""
    return count, max(count // 2, 2)


def _freedom(count: int) -> int:
    """Degrees of freedom of the covariance of a calibration."""
    return sum(_calibrating(count)) - 2


def refusal(by_formula: bool, count: int, d: int | None, size: int) -> str | None:
    """Why there is no p-value, if so."""
    if by_formula and math.sqrt(count) * _NEXT_ORDER > (size if d is None else d):
        return (
            f"means of {count} draws are sharper than the formula, whose next order is some "
            f"{_NEXT_ORDER:g}/d standard deviations: null='simulate' has no such limit"
        )
    return None


def by_calibration(
    model: RandomFeatureModel,
    dimension: int,
    statistics: Statistics,
    rng: np.random.Generator,
    count: int,
    dropped: int,
    progress: bool,
) -> Null:
    """The null of true features, from draws at two small dimensions.

    `dropped` eigenvalues at the top of each matrix are left out: that of a mean feature.
    """
    small = _small_dimension(model, dimension)
    numbers = _calibrating(count)
    shifts, squares = [], np.zeros((len(statistics.names),) * 2)
    for d, number in zip((small, 2 * small), numbers, strict=True):
        near = at_dimension(model, d)
        assert isinstance(near, RandomFeatureModel)
        sums = drawn_sums(near, d, statistics, rng, "true", number, dropped, progress)
        shifts.append(sums.mean(axis=0) - _limit(near, d, statistics))
        moved = sums - sums.mean(axis=0)
        squares += moved.T @ moved
    a = 1.0 - 2.0 * small / dimension
    freedom = float(_freedom(count))
    return Null(
        _limit(model, dimension, statistics) + (1.0 + a) * shifts[1] - a * shifts[0],
        squares / freedom,
        (1.0 + a) ** 2 / numbers[1] + a**2 / numbers[0],
        freedom,
        f"calibrated: true features of Gaussian data, their mean shift and covariance from "
        f"{numbers[0]} draws at d = {small} and {numbers[1]} at d = {2 * small}",
    )


def _small_dimension(model: RandomFeatureModel, dimension: int) -> int:
    """A d at which true features are cheap and 1/d is small."""
    wanted = _LARGEST_SMALL / max(model.psi_p, 0.5 * model.psi_n, 1.0)
    return int(max(min(wanted, 0.5 * dimension), _LEAST_DIMENSION))


def _limit(model: RandomFeatureModel, dimension: int, statistics: Statistics) -> FloatArray:
    """N times the integrals over the law."""
    law, size = model.spectrum(), sizes(model, dimension).rows
    return size * np.array([float(law.integrate(f).real) for f in statistics.functions])


def drawn_sums(
    model: Model,
    dimension: int,
    statistics: Statistics,
    rng: np.random.Generator,
    features: str,
    count: int,
    dropped: int,
    progress: bool,
) -> FloatArray:
    """(count, k) sums over the eigenvalues of draws, without the `dropped` largest."""
    made = draws(model, dimension, rng, features)
    rows = []
    with ProgressBar(count, progress, f"d = {dimension}") as step:
        for _ in range(count):
            found = next(made).eigenvalues
            rows.append(statistics.sums(found[None, : found.size - dropped])[0])
            step()
    return np.array(rows)
