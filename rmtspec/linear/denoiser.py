r"""Affine denoisers learned from finite data, averaged over data sets (arXiv 2505.24769).

A denoiser :math:`\varepsilon_\theta(x)=Wx+b` is fitted at one noise level to n samples with
:math:`L=\mathbb E\lVert\varepsilon-\varepsilon_\theta\rVert^2+\gamma\lVert W\rVert_F^2`, where
:math:`x=\sqrt{\bar\alpha}x_0+\sqrt{1-\bar\alpha}\varepsilon`.  Its optimum is a resolvent of the
sample covariance :math:`\hat\Sigma` (factor 1/n),

.. math::  W = \frac{\sqrt{1-\bar\alpha}}{\bar\alpha}(\hat\Sigma+\zeta)^{-1},\qquad
           s = \frac{1-\bar\alpha}{\bar\alpha},\quad c=\frac\gamma{\bar\alpha},\quad \zeta=s+c,

so that losses, distances and the sampled law :math:`\mathcal N(\hat\mu,\hat\Sigma+c)` are traces of
one or two resolvents; :mod:`rmtspec.linear.renormalised_ridge` averages these.  Everything is
counted **per dimension**: losses sum over components and divide by d.

The formulas stand in the methods; :mod:`rmtspec.linear.losses` computes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..inputs.noise import NoiseSchedule, signal
from ..result import draw
from . import divergence, dynamics, losses, sampling
from .losses import noise_to_signal
from .parameters import LARGEST_LOAD, SMALLEST_LOAD
from .results import LinearCurves, OptimalStopping
from .sampling import SamplerNoise
from .summary import LinearSummary
from .two_data_sets import LinearPairs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]


class LinearDenoiser(LinearPairs):
    r"""Denoisers of the form Wx + b, fitted to ψ_n = `load` samples per dimension.

    Parameters
    ----------
    population : PopulationSpectrum
        Eigenvalues l of the data covariance. Spikes have no weight in any average.
    load : array_like
        Samples per dimension, ψ_n = n/d, in [1e-9, 1e12].
    c : array_like
        Ridge added to the sample covariance, variance units, in [0, 1e100]; the penalty at the
        level :math:`\bar\alpha` is :math:`\gamma=c\bar\alpha`.
    dimension : int, optional
        d, for `corrected=True`, 1 to 10,000,000; by default that of the population.
    empirical_mean : bool
        Whether the data are centred with their own mean. It changes averages in relative order
        1/d only, so it counts where `corrected=True` asks for that order.

    Raises
    ------
    ValueError, TypeError
        If an argument is not of its kind or outside its range.

    Notes
    -----
    Averages are over data sets of independent samples :math:`\mu+\Sigma^{1/2}z`, to leading order
    as d and n grow at a fixed load; relative corrections are O(1/d). `corrected=True` adds the
    next order for real Gaussian data. It needs :math:`n/\kappa'\gg1`, and fails near ψ_n = 1 with a
    tiny ridge.

    `load`, `c` and the arguments of every method broadcast. Every method takes `gamma`, the
    penalty itself, in place of :math:`c\bar\alpha`.

    *Accuracy.*  A relative error near 1e-14 for spectra over ten decades, zero eigenvalues, n/d
    from 1e-3 to 1e6, n = d included, ridges from 1e-14 to 1e6 times the scale of the spectrum.

    References
    ----------
    Merger, Goldt (2025), arXiv 2505.24769; Silverstein, Bai (1995), J. Multivariate Anal. 54.

    Examples
    --------
    >>> import numpy as np, rmtspec as rs
    >>> model = rs.LinearDenoiser(rs.PopulationSpectrum.power_law(1.0, 200), load=0.5)
    >>> [float(np.round(f(0.9), 4)) for f in (model.train_loss, model.optimal_loss,
    ...                                       model.test_loss)]
    [0.4131, 0.7687, 2.3734]
    """

    # -- losses ------------------------------------------------------------------------------

    def train_loss(
        self, alpha_bar: ArrayLike, *, gamma: ArrayLike | None = None, corrected: bool = False
    ) -> Any:
        r"""Training loss of the fitted denoiser, **without** the penalty.

        .. math::  R = \frac{c^2}{\zeta^2}
                   +\frac{cs}{\zeta^2}\Bigl(\langle u\rangle+\frac{\kappa'}r\langle ux\rangle\Bigr)
                   +\frac s\zeta\langle u\rangle.

        Parameters, shapes and errors are those of `kappa`; `corrected` adds the O(1/d) term.

        Examples
        --------
        >>> import rmtspec as rs
        >>> model = rs.LinearDenoiser(rs.PopulationSpectrum([1.0] * 200), 0.5)
        >>> round(float(model.train_loss(0.9)), 5)
        0.45384
        """
        level = self._level(alpha_bar, gamma, corrected=corrected)
        return level.shaped(losses.train(level))

    def penalised_loss(
        self, alpha_bar: ArrayLike, *, gamma: ArrayLike | None = None, corrected: bool = False
    ) -> Any:
        r"""Minimum of the training objective, penalty :math:`\gamma\lVert W\rVert_F^2` included.

        .. math::  R_{\rm obj} = \frac{c+s\langle u\rangle}\zeta.
        """
        level = self._level(alpha_bar, gamma, corrected=corrected)
        return level.shaped(losses.objective(level))

    def test_loss(
        self, alpha_bar: ArrayLike, *, gamma: ArrayLike | None = None, corrected: bool = False
    ) -> Any:
        r"""Loss of the fitted denoiser on fresh data.

        .. math::  L_{\rm test} = R+\frac s\zeta\kappa'\langle ux\rangle\,a(r+1).

        Examples
        --------
        >>> import rmtspec as rs
        >>> model = rs.LinearDenoiser(rs.PopulationSpectrum([1.0] * 200), 0.5)
        >>> [round(float(model.test_loss(0.9, corrected=on)), 5) for on in (False, True)]
        [4.98015, 4.98104]
        """
        level = self._level(alpha_bar, gamma, corrected=corrected)
        return level.shaped(losses.test(level))

    def optimal_loss(self, alpha_bar: ArrayLike) -> Any:
        r"""Loss of infinite data without a ridge, :math:`L_\infty=\langle l/(l+s)\rangle`.

        The lowest loss of any affine denoiser; independent of load and c. Shaped like
        `alpha_bar`.
        """
        level = signal("alpha_bar", alpha_bar)
        return self._ridge.optimal(noise_to_signal(level).ravel()).reshape(level.shape)[()]

    # -- distances ---------------------------------------------------------------------------

    def alignment(
        self,
        alpha_bar: ArrayLike,
        *,
        gamma: ArrayLike | None = None,
        reference: Literal["optimal", "regularised"] = "optimal",
        corrected: bool = False,
    ) -> Any:
        r"""Mean squared distance to the map of infinite data, on noised test points.

        The reference is that of infinite data without a ridge ("optimal"), or with the same c
        ("regularised").  The first minimises the quadratic test loss, so for every data set the
        distance *is* test loss minus optimal loss.  In a form without that subtraction,

        .. math::  E = V+s\,r^2\Bigl\langle\frac{(al-c)^2}{(l+\kappa)^2(l+s)}\Bigr\rangle,\qquad
                   E_{\rm reg} = V+s\,r^2a^2\Bigl\langle
                       \frac{l^2(l+s)}{(l+\kappa)^2(l+\zeta)^2}\Bigr\rangle,

        .. math::  V = \frac s\zeta r\kappa'\,\frac{\langle ux\rangle}{\psi_n}
                       \Bigl(\langle u^2\rangle+\frac s\kappa\langle ux\rangle\Bigr),

        with V the variance over data sets.

        Raises
        ------
        ValueError
            Also if `corrected` is asked for with the regularised reference, where the next order
            is not known.
        """
        _checks.choice("reference", reference, ("optimal", "regularised"))
        corrected = _checks.flag("corrected", corrected)
        if corrected and reference != "optimal":
            raise ValueError(f"corrected must be False for reference={reference!r}, got True")
        level = self._level(alpha_bar, gamma, corrected=corrected)
        distance = {
            "optimal": losses.distance_to_optimal,
            "regularised": losses.distance_to_regularised,
        }[reference]
        return level.shaped(distance(level))

    def alignment_pair(
        self,
        alpha_bar: ArrayLike,
        *,
        gamma: ArrayLike | None = None,
        other_load: ArrayLike | None = None,
    ) -> Any:
        r"""Mean squared distance between maps learned from two disjoint data sets.

        With equal sizes it is 2V (see `alignment`); with loads ψ_n and ψ_n',

        .. math::  V+V'+s\,(rr')^2(a-a')^2
                   \Bigl\langle\frac{l^2(l+s)}{(l+\kappa)^2(l+\kappa')^2}\Bigr\rangle.

        Parameters
        ----------
        alpha_bar, gamma :
            As in `kappa`.
        other_load : array_like, optional
            Samples per dimension of the second set; by default the same.
        """
        if other_load is None:
            level = self._level(alpha_bar, gamma)
            return level.shaped(2.0 * losses.variance(level))
        loads = _checks.real_array("other_load", other_load, SMALLEST_LOAD, LARGEST_LOAD)
        mine, other = self._levels(alpha_bar, gamma, (self.load, loads))
        return mine.shaped(losses.distance_of_pair(mine, other))

    def alignment_along(
        self, eigenvalue: ArrayLike, alpha_bar: ArrayLike, *, gamma: ArrayLike | None = None
    ) -> Any:
        r"""Relative squared distance along a population eigendirection of variance l.

        The output component along the direction, against infinite data with the same c, divided
        by the reference's own square :math:`s(l+s)/(l+\zeta)^2`:

        .. math::  \delta(l) = \frac{r^2}{(l+\kappa)^2}\Bigl[a^2l^2+\frac{\kappa'}{\psi_n}
                   \frac{l(l+\zeta)^2}{l+s}
                   \Bigl(\langle u^2\rangle+\frac s\kappa\langle ux\rangle\Bigr)\Bigr],

        squared bias and variance; 0 where l = 0. `eigenvalue`, in [0, 1e100], need not be one of
        the population's: a spike has the same formula. It broadcasts with the rest.
        """
        along = _checks.real_array("eigenvalue", eigenvalue, 0.0, 1e100)
        level = self._level(alpha_bar, gamma, extra=along.shape)
        lam = np.broadcast_to(along, level.shape).ravel()
        return level.shaped(losses.distance_along(level, lam))

    # -- the sampled law ---------------------------------------------------------------------

    def kl(
        self,
        direction: Literal["data||model", "model||data"] = "data||model",
        *,
        corrected: bool = False,
    ) -> Any:
        r"""Kullback-Leibler divergence between the data law and the sampled law, per dimension.

        The two laws are :math:`\mathcal N(\mu,\Sigma)` and
        :math:`\mathcal N(\hat\mu,\hat\Sigma+c)`, what an exact sampler draws with
        :math:`\gamma_t=c\bar\alpha_t`; Gaussian data are assumed.

        .. math::  2D_{\rm data\|model} = r\langle u\rangle-1
                     +\Bigl\langle\ln\Bigl(1+\frac\kappa l\Bigr)\Bigr\rangle
                     +(1-\psi_n)\ln\frac c\kappa-\langle u\rangle,

        .. math::  2D_{\rm model\|data} = c\langle l^{-1}\rangle
                     -\Bigl\langle\ln\Bigl(1+\frac\kappa l\Bigr)\Bigr\rangle
                     -(1-\psi_n)\ln\frac c\kappa+\langle u\rangle,

        with κ at ζ = c.  At c = 0 and ψ_n > 1 both are functions of ψ_n only and about 1/(4ψ_n):
        the law :math:`D\simeq d^2/(4n)` in total.

        Parameters
        ----------
        direction : {"data||model", "model||data"}
            First and second argument of the divergence.
        corrected : bool
            Adds the O(1/d) term; at c = 0 the exact value at n samples (an integer) takes
            its place.

        Returns
        -------
        ndarray of float64, or a scalar
            Shaped like load and c together. `inf` where it is: at c = 0, data||model for ψ_n <= 1
            and model||data for ψ_n < 1; with zero eigenvalues both for c > 0. At c = 0 zero
            eigenvalues only restrict everything to the data's subspace.

        Raises
        ------
        ValueError
            If `direction` is not one of the two, or `corrected` lacks the dimension.

        References
        ----------
        Merger, Goldt (2025), arXiv 2505.24769, section on sampling.

        Examples
        --------
        >>> import rmtspec as rs
        >>> model = rs.LinearDenoiser(rs.PopulationSpectrum.power_law(1.0, 200), load=2.0)
        >>> [round(float(model.kl(d)), 6) for d in ("data||model", "model||data")]
        [0.346574, 0.153426]
        """
        _checks.choice("direction", direction, ("data||model", "model||data"))
        load, c = np.broadcast_arrays(self.load, self.c)
        forward = direction == "data||model"
        mean = self._mean_handling() if _checks.flag("corrected", corrected) else None
        value = divergence.average(self._ridge, load.ravel(), c.ravel(), forward, mean)
        return value.reshape(load.shape)[()]

    def sampled_variance(
        self,
        eigenvalue: ArrayLike,
        steps: int | None = None,
        *,
        noise: SamplerNoise = "beta",
        schedule: NoiseSchedule | None = None,
    ) -> Any:
        r"""Variance of the sampled law along an eigenvector of the sample covariance.

        Continuous time and a fully noised start give :math:`\lambda+c`; T steps give
        :func:`rmtspec.linear.sampling.sampled_variance`.

        Parameters
        ----------
        eigenvalue : array_like
            Eigenvalue λ >= 0 of the **sample** covariance, broadcasting with c.
        steps : int, optional
            Number of steps of the default linear schedule; None is continuous time.
        noise, schedule :
            As in :func:`rmtspec.linear.sampling.sampled_variance`; a given `schedule` takes the
            place of `steps`.

        Examples
        --------
        >>> import rmtspec as rs
        >>> model = rs.LinearDenoiser(rs.PopulationSpectrum.isotropic(), load=0.5)
        >>> [round(float(v), 6) for v in model.sampled_variance([0.0, 1.0], steps=1000)]
        [0.0001, 1.0]
        """
        along = _checks.real_array("eigenvalue", eigenvalue, 0.0, 1e100)
        sampling.check_noise(noise)
        if schedule is None and steps is None:
            return np.asarray(along + self.c)[()]
        if schedule is None:
            schedule = NoiseSchedule.linear(_checks.integer("steps", steps, 1, 1_000_000))
        elif steps is not None:
            raise ValueError(f"steps must be None where a schedule is given, got {steps!r}")
        return sampling.sampled_variance(along + self.c, schedule, noise=noise)

    # -- learning ----------------------------------------------------------------------------

    def training_curves(
        self,
        tau: ArrayLike,
        alpha_bar: ArrayLike,
        *,
        gamma: ArrayLike | None = None,
        initial_scale: float = 0.0,
        corrected: bool = False,
        rtol: float = 1e-10,
    ) -> LinearCurves:
        r"""Training and test loss along gradient flow, averaged over data sets.

        :math:`\tau=2\eta\bar\alpha\cdot` steps, in units of inverse variance, for
        :math:`\dot W=-\eta\,\partial_WL` from W(0) = 0; losses carry no penalty. See
        :func:`rmtspec.linear.dynamics.average_curves` for the contour integral.

        Parameters
        ----------
        tau : array_like
            Training times in [0, inf]. 0 gives 1 for both losses, inf the fitted denoiser's.
        alpha_bar, gamma :
            As in `kappa`; they broadcast with `tau`.
        initial_scale : float
            Weights start as independent numbers of variance initial_scale²/d.
        corrected : bool
            Adds the O(1/d) term, for data of known mean only.
        rtol : float
            Relative change under refinement of the contour at which the integral is accepted.

        Returns
        -------
        LinearCurves
            ``.tau .train .test .error .converged``, all of the broadcast shape.

        Warns
        -----
        ConvergenceWarning
            If some points fail; they hold NaN.

        Examples
        --------
        >>> import rmtspec as rs
        >>> model = rs.LinearDenoiser(rs.PopulationSpectrum([1.0] * 200), 0.5)
        >>> model.training_curves([0.0, 3.0, 10.0], 0.9).test.round(5)
        array([1.     , 1.08454, 2.55798])
        """
        times = _checks.real_array("tau", tau, 0.0, infinite=True)
        start = _checks.real("initial_scale", initial_scale, 0.0, 1e50)
        tolerance = _checks.real("rtol", rtol, 1e-15, 1.0)
        if _checks.flag("corrected", corrected) and self.empirical_mean:
            raise ValueError("corrected must be False for curves with an empirical mean")
        level = self._level(alpha_bar, gamma, extra=times.shape, corrected=corrected)
        points = dynamics.Points(
            np.broadcast_to(times, level.shape).ravel(), level.s, level.c, level.sums.load
        )
        return dynamics.average_curves(
            self._ridge,
            points,
            (losses.train(level), losses.test(level)),
            start,
            None if level.mean is None else level.mean.dimension,
            tolerance,
            level.shape,
        )

    def optimal_stopping(
        self, alpha_bar: ArrayLike, *, gamma: ArrayLike | None = None
    ) -> OptimalStopping:
        r"""Time at which the averaged test loss is lowest, and what stopping there gains.

        Returns
        -------
        OptimalStopping
            ``.tau`` (inf where the loss never turns up by 1e-12 of itself), ``.test`` at that time,
            ``.final`` after infinite training, and ``.gain`` = final − test, all of the broadcast
            shape.

        Examples
        --------
        >>> import rmtspec as rs
        >>> model = rs.LinearDenoiser(rs.PopulationSpectrum.power_law(1.0, 200), load=0.5)
        >>> best = model.optimal_stopping(0.99)
        >>> round(float(best.tau), 1), round(float(best.test), 5), round(float(best.final), 2)
        (2.4, 0.98168, 21.49)
        """
        level = self._level(alpha_bar, gamma)
        return dynamics.optimal_stopping(
            self._ridge,
            level.s,
            level.c,
            level.sums.load,
            losses.test(level),
            level.shape,
        )

    # -- as a whole --------------------------------------------------------------------------

    def summary(
        self,
        alpha_bar: float,
        *,
        corrected: bool = False,
        source: str | None = None,
        errors: Mapping[str, float] | None = None,
    ) -> LinearSummary:
        """Losses, distances and divergences over the loads, as values and as a table.

        Parameters
        ----------
        alpha_bar : float in (0, 1)
            Signal.
        corrected : bool
            Whether averages hold the next order in 1/d.
        source : str, optional
            Where the data behind the population are from.
        errors : mapping from str to float, optional
            Relative errors of numbers, by name, because the population is estimated from samples.

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong kind or out of range, load has more than one dimension,
            or c has any.

        Warns
        -----
        UserWarning
            If the order 1/d exceeds half the limit somewhere.

        Examples
        --------
        >>> import rmtspec as rs
        >>> model = rs.LinearDenoiser(rs.PopulationSpectrum.power_law(1, 100), [1, 2], c=0.01)
        >>> print(model.summary(0.9))  # doctest: +ELLIPSIS
        linear denoiser, alpha_bar = 0.9 (t = 0.0526803), c = 0.01, limit of many dimensions; ...
        """
        level = _checks.real("alpha_bar", alpha_bar, 0.0, 1.0, low_open=True, high_open=True)
        if np.ndim(self.load) > 1 or np.ndim(self.c):
            raise ValueError(
                "load must be a number or a row and c a number for a summary, got shapes "
                f"{np.shape(self.load)} and {np.shape(self.c)}"
            )
        corrected = _checks.flag("corrected", corrected)
        return LinearSummary.of(self, level, corrected, source, errors)

    def plot(
        self, alpha_bar: float, ax: Sequence[Axes] | None = None, **options: Any
    ) -> NDArray[np.object_]:
        """Draw this over the loads; see `rmtspec.plots.linear.plot_against_load`."""
        axes: NDArray[np.object_] = draw(
            "linear", "plot_against_load", self, alpha_bar, ax, **options
        )
        return axes
