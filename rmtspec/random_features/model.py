r"""The random-feature score model at one diffusion time (arXiv 2505.17638).

A network :math:`A\,\sigma(Wx/\sqrt d)/\sqrt p` with fixed Gaussian W learns the score of data
noised for a time t.  Gradient flow relaxes in the eigenbasis of the feature matrix U: the mode of
eigenvalue λ has the training time :math:`\tau=\psi_p/(\Delta_t\lambda)`, so bulks of U are
stages of training (`families`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..ensembles.conditional_feature import ConditionalFeatureGram
from ..ensembles.exact_kernel import ExactKernelGram
from ..ensembles.neuron_moments import NeuronMoments
from ..ensembles.random_feature import RandomFeatureGram, Resolvent
from ..inputs.activation import ActivationLike, Coefficients, gaussian_equivalence, resolve
from ..inputs.arrays import as_rows, warn_of
from ..inputs.gaussian.kernels import PairKernels
from ..inputs.held_out import HeldOut
from ..inputs.population import PopulationSpectrum
from ..inputs.rows import GivenRows
from ..law import SpectralLaw
from ..result import FewDimensionsWarning, caller_level
from ..solve.linear_statistics import Fluctuations
from .asymptotics import AsymptoticBulks
from .families import Family, Timescales, find_families, names_of_bulks
from .outliers import Outliers
from .results import LearningCurves
from .sensitivity import Sensitivity, sensitivity
from .summaries.model import ModelSummary
from .training import Training

FloatArray = NDArray[np.float64]

TRUSTED_PARTICIPATION = 50.0
"""Below this participation ratio the lowest eigenvalues of real features are smeared."""

MOST_ROWS = 4000
"""The exact kernel of more rows than this is an eigenproblem too large for a desk."""


@dataclass(frozen=True)
class RandomFeatureModel:
    r"""Random-feature score model at a fixed diffusion time, in the high-dimensional limit.

    Parameters
    ----------
    psi_p, psi_n : float in [1e-9, 1e9]
        Features per dimension p/d, and samples per dimension n/d.
    t : float > 0
        Diffusion time: data are seen as :math:`e^{-t}x+\sqrt{\Delta_t}\xi`,
        :math:`\Delta_t=1-e^{-2t}`.
    activation : str, callable or sequence
        See `rmtspec.inputs.activation.resolve`.  A non-zero Gaussian mean α_0 adds α_0²·11ᵀ to U:
        one eigenvalue of order p (see `mean_feature_eigenvalue`); bulks and atom do not change.
    population : PopulationSpectrum, optional
        Spectrum of the data covariance, isotropic with variance 1 if omitted.  For a two-cluster
        mixture with means ±m of length O(1) and cluster variance σ², give a spike at σ² + m·m.
    conditional : bool
        Whether `population` is the spectrum of the given data themselves, psi_n d in number, and
        not of the law they were drawn from; `from_data` sets it.
    held_out : HeldOut, optional
        What fresh data do along the directions of the given ones; `from_data` measures it.
    rows : GivenRows, optional
        The given rows themselves, psi_n d in number: U is then taken by the exact kernel of its
        neurons on them; `from_data` sets it.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.

    References
    ----------
    Bonnaire, Urfin, Biroli, Mézard, arXiv 2505.17638, Theorems 3.1 and 3.2.

    Examples
    --------
    >>> import rmtspec as rs
    >>> model = rs.RandomFeatureModel(psi_p=64, psi_n=8, t=0.01)
    >>> times = model.timescales()
    >>> times.tau_gen < times.tau_mem < times.tau_slow
    True
    """

    psi_p: float
    psi_n: float
    t: float
    activation: ActivationLike = "tanh"
    population: PopulationSpectrum = None  # type: ignore[assignment]
    conditional: bool = field(default=False, kw_only=True)
    held_out: HeldOut | None = field(default=None, kw_only=True, repr=False)
    rows: GivenRows | None = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        if self.population is None:
            object.__setattr__(self, "population", PopulationSpectrum.isotropic())
        if not isinstance(self.population, PopulationSpectrum):
            raise TypeError(
                f"population must be a PopulationSpectrum, got {_checks.shown(self.population)}"
            )
        for name in ("psi_p", "psi_n"):
            object.__setattr__(self, name, _checks.real(name, getattr(self, name), 1e-9, 1e9))
        object.__setattr__(self, "t", _checks.positive("t", self.t))
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

    @classmethod
    def from_data(
        cls,
        x: ArrayLike,
        psi_p: float,
        t: float,
        activation: ActivationLike = "tanh",
        *,
        test: ArrayLike | None = None,
        kernel: str = "exact",
    ) -> Self:
        r"""Law of U given this very data set: no population has to be guessed.

        The rows are centred; psi_n = n/d.  The eigenvalues of :math:`x^\top x/n` become the
        `population`.

        Parameters
        ----------
        x : array_like, shape (n, d), real and finite, n >= 2
            Every row counts as a sample of its own: drop copies, turned and mirrored ones too.
        psi_p, t, activation : as for `RandomFeatureModel`
        test : array_like, shape (rows, d), optional
            Held-out rows, which give the test loss and the score error of the learning curves;
            without them only the train loss is known.  The test loss needs a few dozen rows.  The
            score error inverts their covariance and is corrected for their number; with too few it
            is NaN, with a warning.
        kernel : "exact" or "gaussian"
            How neurons see the rows.  "exact" takes their second moments between all samples
            (`rmtspec.ensembles.exact_kernel`), up to 4000 rows and for activations that do not
            jump.  "gaussian" puts Gaussians of the same eigenvalues in the place of the rows: right
            as long as :math:`15n/\mathrm{PR}^3\ll1`, PR the participation ratio (15/PR³ is the mean
            sixth power of the correlation of two rows, through which the third Hermite order
            couples them), and as long as the norms of rows do not differ.

        Warns
        -----
        FewDimensionsWarning
            If the participation ratio of the data is below 50, whatever the kernel: with few
            effective dimensions the variance of a pre-activation does not concentrate (relative
            variance 2/PR), and the low eigenvalues of real features are smeared by 4 to 70 %, while
            the fast bulk holds to about 2 % (measured on 8x8 digits, PR = 13).
        DataWarning
            If rows repeat others, also those of x in test, or the mean variance is far from 1.
        UserWarning
            If the Gaussian equivalent has to stand in for the exact kernel.

        Raises
        ------
        TypeError, ValueError
            If x is not a finite real matrix with at least two different rows, test has other
            columns, or another argument is out of range.

        Notes
        -----
        *Accuracy.*  Against networks of true tanh, erf, relu and silu features on 8x8 digits and
        photographs (n = 128 and 512, t = 0.1 and 0.01, psi_p = 6) the exact kernel gives the least
        test loss to 1.1 %, the final train and test losses to 3 %; the Gaussian equivalent misses
        them by up to 31, 36 and 98 %.  On Gaussian data both are off by some 1/d.  The law counts
        one floor s² for all neurons: its lower half is too narrow (quantiles up to 60 % above it
        are off by 10 to 60 % of their distance from s², measured on the same data), and with it
        tau_mem and tau_slow.
        """
        _checks.choice("kernel", kernel, ("exact", "gaussian"))
        x = as_rows("x", x)
        test = None if test is None else as_rows("test", test, least=1)
        population = PopulationSpectrum._of_rows(x)
        assert population.samples is not None and population.dimension is not None  # noqa: PT018
        model = cls(
            psi_p,
            population.samples / population.dimension,
            t,
            activation,
            population,
            conditional=True,
            held_out=None if test is None else HeldOut.measure(test, x, population),
        )
        warn_of(x, test)
        few = population.participation_ratio < TRUSTED_PARTICIPATION
        if kernel == "exact":
            exact = replace(model, rows=GivenRows.of(x, test))
            reason = exact._against_exact_kernel()
            if reason is None:
                model = exact
            else:
                coupling = 15.0 * population.samples / population.participation_ratio**3
                warnings.warn(
                    f"{reason}: the Gaussian equivalent is used, which needs 15 n/PR^3 << 1 "
                    f'(here {coupling:.2g}); kernel="gaussian" asks for it without this warning',
                    UserWarning,
                    stacklevel=caller_level(),
                )
        if few:
            warnings.warn(
                f"the data have a participation ratio of {population.participation_ratio:.1f}, "
                f"below {TRUSTED_PARTICIPATION:g}: the fast bulk can be trusted to some per cent, "
                "the lowest eigenvalues (tau_mem, tau_slow) cannot",
                FewDimensionsWarning,
                stacklevel=caller_level(),
            )
        return model

    def _against_exact_kernel(self) -> str | None:
        """Why the exact kernel cannot be had, if so."""
        assert self.rows is not None
        if self.rows.samples > MOST_ROWS:
            return f"x has {self.rows.samples} rows, more than {MOST_ROWS}"
        if self._pairs.jumps(self.rows.train):
            name = resolve(self.activation).name
            return f"activation {name!r} jumps on the scale of x, where its kernel diverges"
        return None

    @cached_property
    def _pairs(self) -> PairKernels:
        """Kernels of the activation between pairs of rows."""
        resolved, signal = resolve(self.activation), float(np.exp(-2.0 * self.t))
        return PairKernels(resolved.function, resolved.pairs, signal, self.delta)

    @cached_property
    def coefficients(self) -> Coefficients:
        """a_t, b_t, v_t, s_t and what belongs to them, at variance tr Σ/d."""
        return gaussian_equivalence(self.activation, self.t, self.population.mean)

    @property
    def delta(self) -> float:
        """Noise variance 1 − exp(−2t)."""
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
        return kind(self.psi_p, self.psi_n, self.population, at.c**2, at.b**2, at.v**2, at.s**2)

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

    def sensitivity(
        self,
        parameters: str | Sequence[str] = ("psi_p", "psi_n", "t"),
        *,
        z: ArrayLike | None = None,
        tau: ArrayLike | None = None,
    ) -> Sensitivity:
        r"""Derivatives of resolvent, edges and learning curves with respect to parameters.

        Parameters
        ----------
        parameters : str or sequence of str
            Of "psi_p", "psi_n", "t" (whose change moves all coefficients and Δ_t) and the scalars
            "c2", "b2", "v2", "s2" of the law, each with all others kept.
        z : array_like of complex, optional
            Points off the support, for q.
        tau : array_like >= 0, optional
            Times of gradient flow, inf allowed, for the losses.

        Returns
        -------
        Sensitivity

        Raises
        ------
        TypeError, ValueError
            If the model is one of given data, a parameter is none of these, or z or tau are not as
            for `resolvent` and `learning_curves`.

        Warns
        -----
        ConvergenceWarning
            Once, if an edge could not be solved; its derivatives are NaN.

        Notes
        -----
        By implicit differentiation (`ensembles.feature_tangents`): relative errors are about 1e-12,
        those of a derivative along t 1e-11.

        Examples
        --------
        >>> import rmtspec as rs
        >>> found = rs.RandomFeatureModel(64, 8, 0.01).sensitivity("psi_n", tau=1e4)
        >>> bool(found.train[0] > 0.0 > found.test[0])  # more data: harder to fit, better learned
        True
        """
        return sensitivity(self, parameters, z=z, tau=tau)

    @cached_property
    def families(self) -> tuple[Family, ...]:
        """Families of eigenvalues with their exact masses, from the top of the spectrum down."""
        at, samples = self.coefficients, self.psi_n
        rank = float(self.population.weights[self.population.eigenvalues > 0.0].sum())
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

    def learning_curves(
        self, tau: ArrayLike, directions: ArrayLike | None = None
    ) -> LearningCurves:
        """Train and test loss, generalisation loss and score error of gradient flow from A = 0.

        See `Training.learning_curves`; `training` gives other rules, stopping times and windows.
        """
        return self._flow.learning_curves(tau, directions)

    def training(
        self,
        *,
        step: float = 0.0,
        momentum: float = 0.0,
        ridge: float = 0.0,
        initial: float = 0.0,
    ) -> Training:
        """Training by gradient flow (step = 0) or descent; see `Training`."""
        return Training(self, step, momentum, ridge, initial)

    def summary(
        self,
        *,
        source: str | None = None,
        held_out: str | None = None,
        brief: bool = False,
        errors: Mapping[str, float] | None = None,
    ) -> ModelSummary:
        """Everything the model says of itself without training curves, as values and as tables.

        Parameters
        ----------
        source, held_out : str, optional
            Where the data behind the population, and the rows kept from them, are from.
        brief : bool
            Show training times only; the values are the same.
        errors : mapping from str to float, optional
            Relative errors of numbers, by name, because the population is estimated from samples.

        Examples
        --------
        >>> import rmtspec as rs
        >>> print(rs.RandomFeatureModel(64, 8, 0.01).summary(brief=True))  # doctest: +ELLIPSIS
        random-feature score model, psi_p = 64, psi_n = 8, t = 0.01, tanh
        ...
        """
        return ModelSummary.of(self, source, held_out, brief, errors)

    @cached_property
    def _flow(self) -> Training:
        return self.training()

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
