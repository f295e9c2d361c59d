r"""The random features of a score model: their matrix U, its law, families and training times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..ensembles.conditional_feature import ConditionalFeatureGram
from ..ensembles.exact_kernel import ExactKernelGram
from ..ensembles.feature_gram import Resolvent
from ..ensembles.neuron_floors import NeuronFloorsGram
from ..ensembles.neuron_moments import NeuronMoments
from ..ensembles.random_feature import RandomFeatureGram
from ..inputs.activation import ActivationLike, Coefficients, gaussian_equivalence, resolve
from ..inputs.diffusion.level import LATEST, NoiseLevel, noised
from ..inputs.gaussian.kernels import PairKernels
from ..inputs.held_out import HeldOut
from ..inputs.population import PopulationSpectrum
from ..inputs.rows import GivenRows
from ..law import SpectralLaw
from ..solve.linear_statistics import Fluctuations
from ..solve.pointwise import PointwiseLaw
from .asymptotics import AsymptoticBulks
from .families import Family, Timescales, find_families, names_of_bulks
from .outliers import Outliers

FloatArray = NDArray[np.float64]

_ISOTROPIC = PopulationSpectrum.isotropic()


@dataclass(frozen=True)
class RandomFeatures:
    """Parameters, law and training times of a `RandomFeatureModel`, which documents them."""

    psi_p: float
    psi_n: float
    t: Any  # a time, whatever it was made of
    activation: ActivationLike = "tanh"
    population: PopulationSpectrum = None  # type: ignore[assignment]
    conditional: bool = field(default=False, kw_only=True)
    held_out: HeldOut | None = field(default=None, kw_only=True, repr=False)
    rows: GivenRows | None = field(default=None, kw_only=True, repr=False)
    noise_level: NoiseLevel | None = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        if self.population is None:
            object.__setattr__(self, "population", _ISOTROPIC)
        if not isinstance(self.population, PopulationSpectrum):
            raise TypeError(
                f"population must be a PopulationSpectrum, got {_checks.shown(self.population)}"
            )
        for name in ("psi_p", "psi_n"):
            object.__setattr__(self, name, _checks.real(name, getattr(self, name), 1e-9, 1e9))
        self._place()
        conditional = _checks.flag("conditional", self.conditional)
        object.__setattr__(self, "conditional", conditional)
        if not isinstance(self.held_out, HeldOut | None):
            raise TypeError(f"held_out must be a HeldOut, got {_checks.shown(self.held_out)}")
        if not isinstance(self.rows, GivenRows | None):
            raise TypeError(f"rows must be GivenRows, got {_checks.shown(self.rows)}")
        if self.rows is not None:
            ratio = self.rows.samples / self.rows.train.shape[1]
            if abs(self.psi_n - ratio) > 1e-12 * ratio:
                raise ValueError(
                    f"psi_n must be that of the rows given, {ratio:g}, got {self.psi_n!r}"
                )
        _ = self.coefficients

    def _place(self) -> None:
        """Store t as a time, beside the level that it is on a path of another kind.

        A new time in place of that of the level is one on the same path.
        """
        level = self.t if isinstance(self.t, NoiseLevel) else self.noise_level
        if not isinstance(level, NoiseLevel | None):
            raise TypeError(f"noise_level must be a NoiseLevel, got {_checks.shown(level)}")
        if isinstance(self.t, NoiseLevel) and not 0.0 < self.t.t <= LATEST:
            raise ValueError(
                f"t must be a level at an Ornstein-Uhlenbeck time in (0, {LATEST:g}], got {self.t} "
                f"at {self.t.t:g}"
            )
        t = _checks.positive("t", self.t.t if isinstance(self.t, NoiseLevel) else self.t)
        if level is not None and level.t != t:
            level = level.at_time(t)
        object.__setattr__(self, "t", t)
        object.__setattr__(self, "noise_level", None if level is None or level.is_ou else level)

    @cached_property
    def level(self) -> NoiseLevel:
        """The noise level of the data, and the gain on the input of the network."""
        return NoiseLevel.ou(self.t) if self.noise_level is None else self.noise_level

    @property
    def _shown(self) -> float | NoiseLevel:
        return self.t if self.noise_level is None else self.noise_level

    @cached_property
    def _pairs(self) -> PairKernels:
        """Kernels of the activation between pairs of rows."""
        resolved, shown = resolve(self.activation), noised(self._shown)
        return PairKernels(resolved.function, resolved.pairs, shown.data_square, shown.noise_square)

    @cached_property
    def coefficients(self) -> Coefficients:
        """a_t, b_t, v_t, s_t and what belongs to them, at variance tr Σ/d."""
        return gaussian_equivalence(self.activation, self._shown, self.population.mean)

    @property
    def signal(self) -> float:
        """Square of the amplitude of the data, exp(−2t) (α²)."""
        level = self.noise_level
        return float(np.exp(-2.0 * self.t)) if level is None else level.alpha**2

    @property
    def delta(self) -> float:
        """Noise variance 1 − exp(−2t) (σ²)."""
        return self.coefficients.delta

    @property
    def floor(self) -> float:
        """s_t², below which U has no eigenvalue and at which the atom sits."""
        return self.coefficients.s**2 if self.rows is None else self.ensemble.s2

    @cached_property
    def ensemble(self) -> RandomFeatureGram | ExactKernelGram:
        """The Gaussian equivalent of the feature matrix U, or U by its exact kernel."""
        if self.rows is not None:
            moments = NeuronMoments(self.rows.train, self._pairs)
            return ExactKernelGram(self.psi_p, moments, self.rows.held_out)
        kind = ConditionalFeatureGram if self.conditional else RandomFeatureGram
        at = self.coefficients
        squares = at.c**2, at.b**2, at.v**2, at.s**2
        if not max(squares) <= 1e100:
            raise ValueError(
                f"activation {resolve(self.activation).name!r} has coefficients whose squares are "
                f"too large: at most 1e100, got {max(squares):.6g}"
            )
        return kind(self.psi_p, self.psi_n, self.population, *squares)

    def resolvent(self, z: ArrayLike, *, rtol: float = 1e-8) -> Resolvent:
        r"""Traces q, r, s of :math:`(U-z)^{-1}` (arXiv 2505.17638, Theorem 3.1).

        Parameters
        ----------
        z : array_like, any shape
            Complex, or real off the support.
        rtol : float in [4 eps, 1]
            A point at which the error bound of k, or that of y as far as the data are felt,
            exceeds it (within 1e-12 of an edge, say) counts as not converged.

        Returns
        -------
        Resolvent
            q = Tr R/p, r = Tr(Σ WᵀRW)/(pd), s = Tr(WᵀRW)/(pd), and k, y, error, residual,
            converged, status, y_error, all shaped like z.  For a model made by `from_data`, Σ is
            the sample covariance.

        Raises
        ------
        TypeError, ValueError
            If z is not numeric, not finite, or real and on the support.

        Warns
        -----
        ConvergenceWarning
            Once, if points did not converge; they are NaN and flagged.
        """
        return self.ensemble.solve(z, rtol=rtol)

    def spectrum(self) -> SpectralLaw:
        """Limiting eigenvalue law of U."""
        return self._law

    @cached_property
    def _law(self) -> SpectralLaw:
        return SpectralLaw(self.ensemble)

    def spectrum_by_neuron(self) -> PointwiseLaw:
        r"""Eigenvalue law of U on given rows, every neuron with a floor of its own.

        `spectrum` counts one floor s² for all neurons, so that no eigenvalue lies below it, as
        many of networks do.  This law has the lower half too: see
        `rmtspec.ensembles.neuron_floors`.  It is known point by point, by density, cdf, quantile
        and Stieltjes transform; edges, bulks and atoms, families and training times are those of
        `spectrum`, and learning curves do not need it.

        Returns
        -------
        PointwiseLaw

        Notes
        -----
        *Accuracy.*  Quantiles of true tanh features on 8x8 digits and photographs (n = 128, 512;
        t = 0.1, 0.01; psi_p = 6), less those of the law: at 10 % too high by 6 to 16 % (one floor:
        17 to 62 %), at 45 % by 4 to 7 %, at 75 and 90 % within 6 %.  The 256 neurons behind it add
        an error of 0.4 to 1.3 % at 10 % and of 0.3 % above 45 % (`PointwiseLaw.sampling_error`).

        Raises
        ------
        ValueError
            If the model is not one of given rows with their exact kernel.
        """
        return self._law_by_neuron

    @cached_property
    def _law_by_neuron(self) -> PointwiseLaw:
        gram = self.ensemble
        if not isinstance(gram, ExactKernelGram):
            raise ValueError(
                "rows must be those of from_data with its exact kernel, got none: without them a "
                "neuron has no floor of its own"
            )
        return PointwiseLaw(NeuronFloorsGram.of(gram))

    def fluctuations(
        self,
        f: Callable[[Any], Any],
        *more: Callable[[Any], Any],
        dimension: int | None = None,
        beta: int = 1,
    ) -> Fluctuations:
        """Mean shift and covariance of sums Σf(λ) over the p = psi_p·dimension eigenvalues of U.

        `SpectralLaw.fluctuations` of the Gaussian equivalent, without the eigenvalue that a mean
        feature adds; true features have other shifts.  Means that are estimated and taken off the
        data count as one sample less: psi_n = (n − 1)/d.  For a model made by `from_data` only
        the weights are random, and the dimension is that of the data.
        """
        if dimension is None and self.conditional:
            dimension = self.population.dimension
        if dimension is not None:
            dimension = _checks.integer("dimension", dimension, 1, 10**15)
        size = None if dimension is None else self.psi_p * dimension
        return self._law.fluctuations(f, *more, size=size, beta=beta)

    @cached_property
    def families(self) -> tuple[Family, ...]:
        """Families of eigenvalues with their exact masses, from the top of the spectrum down."""
        at, samples = self.coefficients, self.psi_n
        rank = self.population.positive_atoms.whole
        if not self.conditional:
            rank = min(samples, rank)
        # Centring n <= d data leaves one direction of the samples empty: it holds no sample.
        lone = self.conditional and (samples - rank) * (self.population.dimension or 1) < 1.5
        constant = 0.0
        if self.rows is not None:  # the kernel holds the mean feature; above all others, if strong
            d = self.rows.train.shape[1]
            top = at.c**2 * float(self.population.eigenvalues[-1]) + at.b**2
            constant = 1.0 / d if d * at.mean**2 > top else 0.0
        return find_families(self._law, at, self.psi_p, samples, rank, lone, constant)

    def bulk_names(self) -> tuple[str, ...]:
        """Names of the families that each bulk of the spectrum holds, in ascending order."""
        return names_of_bulks(self._law, self.families)

    def timescales(self) -> Timescales:
        r"""Training times at which the model generalises, memorises, and stops changing.

        :math:`\tau=\psi_p/(\Delta_t\lambda)` (arXiv 2505.17638, Sect. 3.2) with λ the lower end of
        the fast, sample and slow families.  A mode relaxes as
        :math:`e^{-2\Delta_t\lambda\tau'/\psi_p}`, so at τ' = τ it has done two e-folds.

        Returns
        -------
        Timescales
            In units of the gradient-flow time τ = (steps)·(learning rate)/d².
        """
        times = {family.name: family for family in self.families}
        asked = [times.get(name) for name in ("fast", "sample", "slow")]
        gen, mem, slow = (family.tau if family else np.nan for family in asked)
        merged = any(family.merged for family in asked if family)
        return Timescales(gen, mem, slow, merged, self.families)

    def asymptotic_bulks(self) -> AsymptoticBulks:
        r"""Bulks for psi_p, psi_n >> 1 (Theorem 3.2), beside better approximations.

        The theorem gives a first bulk of mass psi_n/psi_p (1 − 1/psi_p in regime II) and the
        second of mass 1/psi_p, the top of the law of the population matrix
        :math:`W(c^2\Sigma+b^2)W^\top/d+v^2+s^2`.  It merges the slow bulk, of mass at most 1/psi_p,
        into the first; the corrected forms keep it apart.  They come from the counting of the
        nested laws: :math:`\psi_n-1` samples see :math:`\psi_p-1` free directions.  The error of
        the theorem's first bulk is of order 1/psi_n, that of the second bulk psi_n^(-1/2).

        Raises
        ------
        ValueError
            If the population holds scales too far apart for the law of the population matrix.
        """
        return AsymptoticBulks.of(self.coefficients, self.psi_p, self.psi_n, self.population)

    def outliers(self) -> Outliers:
        r"""Where the spikes of the population show up in U.

        A spike :math:`l_0` gives an outlier where :math:`k+b^2+c^2y\,l_0=0` off the bulks: up to
        two, one on the fast and one (faint) on the slow side.

        Returns
        -------
        Outliers
            One entry a spike, in their order; empty for a model made by `from_data`, whose
            isolated eigenvalues are bulks of mass 1/p.
        """
        gram = self.ensemble
        if self.conditional or isinstance(gram, ExactKernelGram):
            return Outliers.none()
        return Outliers.of(
            gram.spike_images,
            self.floor,
            self.psi_p,
            self.delta,
            self.coefficients.b**2 * self.psi_p,
        )

    def mean_feature_eigenvalue(self, dimension: int) -> float:
        r"""The eigenvalue of order p that a non-zero mean feature adds, at data dimension d.

        The rank-one term :math:`\alpha_0^2\mathbf 1\mathbf 1^\top` of U gives the real root of
        :math:`D(z)+p\,\alpha_0^2q(z)=0` above the spectrum, close to :math:`p\,\alpha_0^2`.

        Parameters
        ----------
        dimension : int in [1, 1e15]
            d; p = psi_p d.

        Returns
        -------
        float
            NaN if the mean feature vanishes or is too weak to leave the bulk.

        Raises
        ------
        TypeError, ValueError
            If the dimension is no such number, or the law is that of the exact kernel, which holds
            this eigenvalue already.
        """
        d = _checks.integer("dimension", dimension, 1, 10**15)
        if self.rows is not None:
            raise ValueError(
                "mean_feature_eigenvalue adds to the Gaussian equivalent what the exact kernel of "
                'given rows holds: see spectrum().support, or ask from_data for kernel="gaussian"'
            )
        pull = self.psi_p * d * self.coefficients.mean**2
        top = float(self._law.support[-1, 1]) if len(self._law.masses) else self.floor

        def balance(z: float) -> float:
            found = self.ensemble.solve(z, rtol=1.0)  # only the sign matters
            return float((1.0 / found.y + pull * found.q).real)

        from scipy.optimize import brentq

        low, high = top + 1e-9 * (top + pull), 4.0 * (top + pull)
        if pull == 0.0 or balance(low) > 0.0:
            return np.nan
        while balance(high) < 0.0:
            high *= 2.0
        return float(brentq(balance, low, high, xtol=1e-12 * high, rtol=1e-13))
