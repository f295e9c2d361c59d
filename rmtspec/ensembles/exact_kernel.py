r"""Gram matrix U of random features given one data set, by the exact kernel of its neurons.

Given the data the p neurons are independent; with the vector u of functions of one neuron that
matter and :math:`M=d\,E\,uu^\top` (`neuron_moments`),

.. math::  U\simeq\tfrac1d\mathcal GM\mathcal G^\top+s^2,

:math:`\mathcal G` with independent standard normal entries.  So U − s² is a `WeightedGram` whose
measure H holds the eigenvalues :math:`\mu_j` of M with weight 1/d, and no equivalence between data
and Gaussians is needed.  Let E be the eigenvectors of M, P the rows of the target V,
:math:`r_j(z)=1/(k+\mu_j)` and :math:`w_j=\sum_{a\in P}E_{aj}^2`.  From
:math:`\frac1d\mathcal G^\top R\,\mathcal G\simeq(k+M)^{-1}` and, for fresh rows (tilde), from the
regression of :math:`\tilde u` on u with :math:`D=d\,E^\top E[u\tilde u^\top]`, N = DDᵀ,

.. math::
    \tfrac1d\mathrm{Tr}V^\top RV&=\tfrac1d\sum_jw_j\mu_jr_j,\qquad
    \tfrac1d\mathrm{Tr}\tilde V^\top RV=\tfrac1d\sum_jr_j\sum_{a\in P}E_{aj}D_{ja},\\
    \tfrac1d\mathrm{Tr}V^\top R\tilde UR'V&=\tfrac1d\sum_{ij}r_iN_{ij}(E_P^\top E_P)_{ij}r_j'
      +K\tfrac1d\sum_jw_j\mu_jr_jr_j',\\
    K&=\frac{E\tilde\sigma^2+\frac1d\sum_jN_{jj}(\mu_jr_jr_j'-r_j-r_j')}
            {\psi_p-\frac1d\sum_j\mu_j^2r_jr_j'},\qquad
    \tfrac1p\mathrm{Tr}R\tilde UR'=\frac K{\psi_pkk'} .

K is the response −∂k to a perturbation of z along :math:`\tilde U`, as in `two_point`: the part of
:math:`\tilde U` that u explains is :math:`HM^{-1}ENE^\top M^{-1}H^\top` with
:math:`H=\mathcal GM^{1/2}/\sqrt d`, and :math:`kk'rr'/\mu-1/\mu=\mu rr'-r-r'`.

*Lower half.*  In networks the floor differs from neuron to neuron, and most of it is a Gram matrix
of its own: U has eigenvalues below s², down to 0.34 s², and the law, with one floor, is too narrow
there.  Quantiles of the law over those of true tanh features, less one, in per cent (d = 64,
ψ_p = 6; the mean quantiles of four networks, which scatter by 3 at most here; two sets of rows):

======================  ============  ============  ============  ============  ============
rows, n, t              10 %          20 %          30 %          45 %          60 %
======================  ============  ============  ============  ============  ============
8x8 digits, 128, 0.1     39,  44       19,  22        7,   9       −3,  −4       −7,  −5
8x8 digits, 128, 0.01    35,  40       15,  18        3,   5       −7,  −8        2,   1
8x8 digits, 512, 0.1     38,  35       22,  21       12,  12        3,   3       −3,  −3
photographs, 128, 0.1    48,  55       25,  32        7,  14       −5,  −8      −12, −17
======================  ============  ============  ============  ============  ============

(Pieces of photographs without their means.)  At 75 and 90 % the law is within 7 %.  The law of
`neuron_floors`, with a floor for every neuron, leaves 6 to 16 % at 10 %, 8 to 13 % at 20 %, 6 to
11 % at 30 %, 4 to 7 % at 45 % and 5 % at 60 %; floors alone, without its second Gram matrix, leave
24 to 28 % at 10 %.  Learning curves do not gain by either.

*Gaussian data.*  On isotropic Gaussian data (d = 50, ψ_p = 8, ψ_n = 4, t = 0.01, tanh; means over
24 data sets, whose standard errors are 0.015) the final test loss, 6.69 of networks, is 0.32 below
it here and 0.31 above it by the law of the population: the same size.  The cause is the noise
linear in w off the noise functions, a Gram matrix that counts as a multiple of the identity: with
12 noise functions 0.22 are left, with the rest modes of `neuron_floors` in the curves 0.19, with
both 0.06.  On digits and photographs neither helps.  Final test losses are there off by −2 to 2 %;
12 to 28 functions change that by less than 0.2 %, and rest modes beside few of them turn it into −3
to 4 %.

*Cost.*  One eigenproblem of size n + qd, q the number of noise functions, which no key interrupts,
and three matrices of that size; 4000 rows of 784 numbers with tanh (q = 2) take 70 s and 1.6 GiB on
two cores, learning curves and best stopping included.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..result import ProgressBar, Status
from .feature_gaps import FeatureSolution
from .feature_gram import FeatureGram, GivenDataEquations
from .neuron_moments import NeuronMoments
from .two_point import Points, Response, spared
from .weighted_gram import WeightedGram

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_ZERO = 1e-13  # of the largest eigenvalue of M
_LARGE = 2500  # rows of M, from which its eigenvectors take longer than some seconds


@dataclass(frozen=True, eq=False)
class FreshNeurons:
    """What neurons do on fresh rows.

    Attributes
    ----------
    second_moment : E σ̃²
    product : (m, m), N in the eigenbasis of M; None if nothing of fresh rows is seen
    target : (m, d), the columns of D that belong to the fresh target
    data : (m, d), the same combinations of columns that make E σ̃ x̃ᵀ of fresh rows
    """

    second_moment: float
    product: FloatArray | None = None
    target: FloatArray | None = None
    data: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class KernelEquations(GivenDataEquations):
    """The self-consistent equation of U − s², and products of its resolvents.

    Parameters
    ----------
    psi_p : p/d
    mu : (m,) positive eigenvalues of M, ascending
    target : (d, m) rows E_P of its eigenvectors
    """

    psi_p: float
    mu: FloatArray
    target: FloatArray

    @cached_property
    def weight(self) -> FloatArray:
        """Mass 1/d of every eigenvalue."""
        return np.full(self.mu.size, 1.0 / len(self.target))

    @cached_property
    def gram(self) -> WeightedGram:
        """The Gram matrix of Gaussian rows that U − s² is."""
        distinct, position = np.unique(self.mu, return_inverse=True)
        merged = np.bincount(position, weights=self.weight).astype(np.float64)
        return WeightedGram(self.psi_p, distinct, merged)

    @cached_property
    def overlap(self) -> FloatArray:
        """E_PᵀE_P/d, which every pair of points asks for."""
        return np.asarray(self.target.T @ self.target / len(self.target))

    def poles(self, points: Points) -> ComplexArray:
        """r_j at every point, (points, m)."""
        return np.asarray(1.0 / (points.k[:, None] + self.mu))

    def respond(self, first: Points, second: Points, fresh: FreshNeurons) -> Response:
        """K at every pair of points; the mean is that of the whole target."""
        r1, r2 = self.poles(first), self.poles(second)
        kk = np.multiply.outer(first.k, second.k)
        parts = [(k * (r @ self.weight), self.mu * r) for k, r in ((first.k, r1), (second.k, r2))]
        both = kk * ((r1 * self.weight) @ r2.T)
        left, size = spared(self.psi_p, -self.gram.excess, self.weight, both, parts)
        rest = np.full_like(kk, fresh.second_moment)
        if fresh.product is not None:
            share = np.diag(fresh.product) * self.weight
            rest = rest + (r1 * (share * self.mu)) @ r2.T - np.add.outer(r1 @ share, r2 @ share)
        k = rest / left
        response = Response(k, np.zeros_like(k), np.zeros_like(k), size / np.abs(left))
        return response._replace(mean=self.pair_along(first, second, response, fresh, self.target))

    def along(self, points: Points, target: FloatArray) -> ComplexArray:
        """Mean over the rows of `target` (combinations of those of E_P) of VᵀRV."""
        share = (target**2).mean(axis=0)
        return self.poles(points) @ (share * self.mu)

    def cross_along(
        self, points: Points, target: FloatArray, fresh_target: FloatArray
    ) -> ComplexArray:
        """The same of ṼᵀRV, `fresh_target` (m, rows) the same combinations of D's columns."""
        return self.poles(points) @ (target.T * fresh_target).mean(axis=1)

    def pair_along(
        self,
        first: Points,
        second: Points,
        pair: Response,
        fresh: FreshNeurons,
        target: FloatArray,
    ) -> ComplexArray:
        """The same of VᵀRŨR'V, at every pair of points."""
        r1, r2 = self.poles(first), self.poles(second)
        share = (target**2).mean(axis=0)
        found = pair.k * ((r1 * (share * self.mu)) @ r2.T)
        if fresh.product is not None:
            whole = target is self.target
            between = fresh.product * (self.overlap if whole else target.T @ target / len(target))
            # Real products: a complex one would copy the matrix.
            found = found + ((r1.real @ between) + 1j * (r1.imag @ between)) @ r2.T
        return np.asarray(found)


@dataclass(frozen=True, eq=False)
class ExactKernelGram(FeatureGram):
    """U for a given data set, by the exact kernel of random neurons.

    Parameters
    ----------
    psi_p : float > 0
        Features per dimension p/d.
    moments : NeuronMoments
        Second moments of the neurons.
    others : (rows, d) array, optional
        Fresh rows, centred as those of the moments are.
    """

    psi_p: float
    moments: NeuronMoments
    others: FloatArray | None = None

    @cached_property
    def s2(self) -> float:
        """s², below which U has no eigenvalue."""
        return self.moments.floor

    @cached_property
    def _eigenvectors(self) -> tuple[FloatArray, FloatArray]:
        """Positive eigenvalues of M, ascending, and their eigenvectors as columns."""
        _ = self.s2  # needs the kernels, which the matrix gives up
        from scipy.linalg import eigh

        matrix = self.moments.matrix
        self.moments.__dict__.pop("matrix", None)  # as large as its eigenvectors, and overwritten
        size = len(matrix)
        # A single step, which no key interrupts: at least it is said what goes on.
        wanted = None if size > _LARGE else False
        with ProgressBar(1, wanted, f"eigenvectors of {size} rows"):
            values, vectors = eigh(matrix, overwrite_a=True, check_finite=False)
        kept = values > _ZERO * values[-1]
        return values[kept], vectors[:, kept]

    @cached_property
    def equations(self) -> KernelEquations:
        """The self-consistent equation behind the law."""
        n, d = self.moments.rows.shape
        mu, vectors = self._eigenvectors
        target = vectors[n : n + d]
        if np.abs(target).max(initial=0.0) <= len(vectors) * np.finfo(float).eps:
            target = np.zeros_like(target)  # rounding of unit vectors: the noise is not seen
        return KernelEquations(self.psi_p, mu, target)

    @cached_property
    def fresh(self) -> FreshNeurons:
        """What neurons do on the fresh rows."""
        if self.others is None:
            return FreshNeurons(0.0)
        vectors = self._eigenvectors[1]
        product = np.zeros((vectors.shape[1],) * 2)
        data = np.zeros((vectors.shape[1], self.moments.dimension))
        linear: FloatArray | float = 0.0
        begun = 0
        for means, part in self.moments.fresh(self.others):
            seen = vectors.T @ means
            product += seen @ seen.T
            data += seen @ self.others[begun : begun + means.shape[1]]
            begun += means.shape[1]
            linear = linear + part
        seen = vectors.T @ np.asarray(linear)
        product += seen @ seen.T
        second = float(self.moments.pairs.second_moment(self.others).mean())
        data /= np.sqrt(len(self.others))
        return FreshNeurons(second, product, seen[:, : self.moments.dimension].copy(), data)

    @cached_property
    def data_target(self) -> FloatArray:
        r"""(d, m) rows of the target x.

        :math:`\frac1n\sum E_\xi\sigma x^\top=\sum_\nu(m_\nu/\sqrt n)\,x_\nu^\top/\sqrt n`.
        """
        n = len(self.moments.rows)
        return np.asarray(self.moments.rows.T @ self._eigenvectors[1][:n] / np.sqrt(n))

    @property
    def origin(self) -> float:
        """Distances are measured from s²."""
        return self.s2

    @property
    def outliers(self) -> FloatArray:
        """None: isolated eigenvalues are bulks of mass 1/p."""
        return np.empty(0)

    def spiked(self, z: ComplexArray) -> ComplexArray:
        """Given data have no spikes apart from their own eigenvalues."""
        return np.zeros_like(z)

    def traces(self, found: FeatureSolution, lower: NDArray[np.bool_], rtol: float) -> ComplexArray:
        """Rows q, r, s, k, y, of which r, s and y are NaN.

        They ask for the directions of the data in feature space, which the kernel does not single
        out.
        """
        late = (found.status == Status.CONVERGED) & ~(found.error <= rtol)
        found.status[late] = Status.PRECISION_EXHAUSTED
        good = found.status == Status.CONVERGED
        found.error[~good] = found.y_error[:] = np.inf
        rows = np.full((5, good.size), complex(np.nan, np.nan))
        k = np.where(lower, found.k.conj(), found.k)[good]
        rows[0, good], rows[3, good] = 1.0 / (self.psi_p * k), k
        return rows
