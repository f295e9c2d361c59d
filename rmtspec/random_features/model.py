r"""The random-feature score model at one diffusion time (arXiv 2505.17638).

A network :math:`A\,\sigma(Wx/\sqrt d)/\sqrt p` with fixed Gaussian W learns the score of data
noised for a time t.  Gradient flow relaxes in the eigenbasis of the feature matrix U: the mode of
eigenvalue λ has the training time :math:`\tau=\psi_p/(\Delta_t\lambda)`, so bulks of U are
stages of training (`families`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..ensembles.neuron_moments import MOST_SIZE
from ..inputs.activation import ActivationLike, resolve
from ..inputs.arrays import as_rows, warn_of
from ..inputs.diffusion.level import NoiseLevel
from ..inputs.diffusion.prediction import Prediction
from ..inputs.held_out import HeldOut
from ..inputs.population import PopulationSpectrum, spectrum_of_rows
from ..inputs.rows import GivenRows
from ..result import FewDimensionsWarning, caller_level
from .features import RandomFeatures
from .losses.sensitivity import Sensitivity, sensitivity
from .results import LearningCurves
from .summaries.model import ModelSummary
from .training import Training

FloatArray = NDArray[np.float64]

TRUSTED_PARTICIPATION = 50.0
"""Below this participation ratio the lowest eigenvalues of real features are smeared."""

MOST_ROWS = 4000
"""The exact kernel of more rows than this is an eigenproblem too large for a desk."""


@dataclass(frozen=True)
class RandomFeatureModel(RandomFeatures):
    r"""Random-feature score model at a fixed diffusion time, in the high-dimensional limit.

    Parameters
    ----------
    psi_p, psi_n : float in [1e-9, 1e9]
        Features per dimension p/d, and samples per dimension n/d.
    t : float > 0 or NoiseLevel
        Diffusion time: data are seen as :math:`e^{-t}x+\sqrt{\Delta_t}\xi`,
        :math:`\Delta_t=1-e^{-2t}`.  A level of another path, :math:`g(\alpha x+\sigma\xi)`, has its
        σ² in the place of Δ_t everywhere; `t` is then the time of the same signal-to-noise ratio.
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
    noise_level : NoiseLevel, optional
        The path on which the time t is taken, where t is a number and the path not that of
        Ornstein and Uhlenbeck; a level given as t is kept here.
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

    @classmethod
    def from_data(
        cls,
        x: ArrayLike,
        psi_p: float,
        t: float | NoiseLevel,
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
            (`rmtspec.ensembles.exact_kernel`), up to 4000 rows, 6000 rows and columns together, and
            for activations that do not jump.  "gaussian" puts Gaussians of the same eigenvalues in
            the place of the rows: right as long as :math:`15n/\mathrm{PR}^3\ll1`, PR the
            participation ratio (15/PR³ is the mean sixth power of the correlation of two rows,
            through which the third Hermite order couples them), and as long as the norms of rows do
            not differ.

        Warns
        -----
        FewDimensionsWarning
            If the participation ratio of the data is below 50, whatever the kernel: with few
            effective dimensions the variance of a pre-activation does not concentrate (relative
            variance 2/PR), and the low eigenvalues of real features are smeared by 4 to 70 %, while
            the fast bulk holds to about 2 % (measured on 8x8 digits, PR = 13).
        DataWarning
            If rows repeat others, also those of x in test, the mean variance is far from 1, or the
            rows of test have four times the mean variance of x, or a quarter, or another mean by
            more than a standard deviation, and sampling does not explain it.
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
        tau_mem and tau_slow; `spectrum_by_neuron` has the lower half to 6 to 16 %.
        """
        _checks.choice("kernel", kernel, ("exact", "gaussian"))
        x = as_rows("x", x)
        test = None if test is None else as_rows("test", test, least=1)
        population = spectrum_of_rows(PopulationSpectrum, x)
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
        rows, columns = self.rows.train.shape
        if rows + columns > MOST_SIZE:
            return f"x has {rows} rows of {columns} numbers, together more than {MOST_SIZE}"
        if self._pairs.jumps(self.rows.train):
            name = resolve(self.activation).name
            return f"activation {name!r} jumps on the scale of x, where its kernel diverges"
        return None

    def learning_curves(
        self,
        tau: ArrayLike,
        directions: ArrayLike | None = None,
        *,
        prediction: str | Prediction | None = None,
        weight: float = 1.0,
    ) -> LearningCurves:
        """Train and test loss, generalisation loss and score error of gradient flow from A = 0.

        See `Training.learning_curves`; `training` gives other rules, stopping times and windows,
        and says what the clock of τ is: with a prediction another one than without.
        """
        if prediction is None and isinstance(weight, float) and weight == 1.0:
            return self._flow.learning_curves(tau, directions)
        asked = self.training(prediction=prediction, weight=weight)
        return asked.learning_curves(tau, directions)

    def training(
        self,
        *,
        step: float = 0.0,
        momentum: float = 0.0,
        ridge: float = 0.0,
        initial: float = 0.0,
        prediction: str | Prediction | None = None,
        weight: float = 1.0,
    ) -> Training:
        r"""Training by gradient flow (step = 0) or descent; see `Training`.

        Parameters
        ----------
        step, momentum, ridge, initial : as for `Training`
        prediction : Prediction or its name, optional
            "noise", "data", "v", "velocity", "edm": what the network is trained to predict.  By
            default it is the score of the noised data.
        weight : float > 0
            Factor ω on the loss.

        Notes
        -----
        *Clock.*  Without a prediction τ is the time of gradient flow on the loss
        :math:`\frac\omega dE|\sigma s+\xi|^2` of a score network, σ² = Δ_t; with one, on
        :math:`\frac\omega dE|N-\zeta|^2`.  Predicting noise is training the score with a clock that
        is faster by 1/σ².  Compare predictions at equal ωτ.
        """
        if prediction is not None:
            prediction = Prediction.named(prediction)
        return Training(self, step, momentum, ridge, initial, prediction, weight)

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
        By implicit differentiation (`ensembles.feature_tangents`): errors are about 1e-12 of
        the derivatives of resolvent and edges, and 1e-12 of the loss over the parameter for those
        of losses, whose small derivatives have fewer digits; along t ten times that.

        Examples
        --------
        >>> import rmtspec as rs
        >>> found = rs.RandomFeatureModel(64, 8, 0.01).sensitivity("psi_n", tau=1e4)
        >>> bool(found.train[0] > 0.0 > found.test[0])  # more data: harder to fit, better learned
        True
        """
        return sensitivity(self, parameters, z=z, tau=tau)
