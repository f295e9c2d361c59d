r"""An affine denoiser fitted to one given data set: exact at any dimension, nothing averaged.

With :math:`\hat\Sigma=\sum_\nu\lambda_\nu v_\nu v_\nu^{\mathsf T}` (factor 1/n), :math:`\hat\mu`,
the population's :math:`\Sigma,\mu`, :math:`\Delta=\mu-\hat\mu`, and
:math:`\Sigma_{\nu\nu}=v_\nu^{\mathsf T}\Sigma v_\nu`, the minimum of

.. math::  L(W,b)+\gamma\lVert W\rVert_F^2,\qquad
           L = \lVert\sqrt{1-\bar\alpha}\,W-I\rVert_F^2+\bar\alpha\,\mathrm{tr}\,W\hat\Sigma
               W^{\mathsf T}+\lVert\sqrt{\bar\alpha}\,W\hat\mu+b\rVert^2,

is :math:`W=\frac{\sqrt{1-\bar\alpha}}{\bar\alpha}(\hat\Sigma+\zeta)^{-1}`,
:math:`b=-\sqrt{\bar\alpha}\,W\hat\mu`, with :math:`s=(1-\bar\alpha)/\bar\alpha` and
:math:`\zeta=s+c,\ c=\gamma/\bar\alpha`.  Everything is divided by d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..inputs.noise import NoiseSchedule, signal
from ..inputs.population import RANK_TOLERANCE
from . import divergence, dynamics, sampling
from .results import Affine, GivenCurves, GivenStopping
from .sampling import SamplerNoise

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FittedDenoiser:
    r"""Affine denoiser of one data set, judged by the population it came from.

    Build it with `from_data` or `from_covariance`.

    Attributes
    ----------
    eigenvalues : ndarray, shape (d,)
        :math:`\lambda_\nu`, ascending; exact zeros where the rank of the data ends.
    vectors : ndarray, shape (d, d)
        Eigenvectors, one a column.
    mean, population_mean : ndarray, shape (d,)
        :math:`\hat\mu` (the population's where that was known) and :math:`\mu`.
    covariance : ndarray, shape (d, d)
        :math:`\Sigma`.
    c : float
        Ridge, variance units.

    References
    ----------
    Merger, Goldt (2025), arXiv 2505.24769.

    Examples
    --------
    >>> import numpy as np
    >>> from rmtspec.linear.fitted import FittedDenoiser
    >>> x = np.random.default_rng(0).normal(size=(50, 100))
    >>> fit = FittedDenoiser.from_data(x, np.eye(100), center=False)
    >>> round(fit.train_loss(0.9), 3), round(fit.test_loss(0.9), 3)
    (0.451, 4.989)
    """

    eigenvalues: FloatArray
    vectors: FloatArray
    mean: FloatArray
    population_mean: FloatArray
    covariance: FloatArray
    c: float

    @classmethod
    def from_data(
        cls,
        x: ArrayLike,
        covariance: ArrayLike,
        c: float = 0.0,
        *,
        population_mean: ArrayLike | None = None,
        center: bool = True,
    ) -> Self:
        """Fit to samples.

        Parameters
        ----------
        x : array_like, shape (n, d)
            One sample a row.
        covariance : array_like, shape (d, d)
            Population covariance: symmetric, no negative eigenvalues.
        c : float
            Ridge, >= 0.
        population_mean : array_like, shape (d,), optional
            By default 0.
        center : bool
            Whether the sample mean is estimated from x; if not, the population mean is known.

        Raises
        ------
        ValueError, TypeError
            If shapes disagree, or an argument is not of its kind.

        Notes
        -----
        The spectrum is that of the singular values of the data, never of a product, and ends at
        the rank min(n, d), or min(n − 1, d) after centring: zeros are zeros by count.
        """
        center = _checks.flag("center", center)
        data = _checks.real_array("x", x, -1e40, 1e40)
        if data.ndim != 2 or data.shape[0] < 1 + center or data.shape[1] < 1:
            raise ValueError(f"x must have shape (samples, dimension), got {data.shape}")
        samples, size = data.shape
        mu = _vector("population_mean", population_mean, size)
        mean = data.mean(axis=0) if center else mu
        _, singular, rows = np.linalg.svd(
            (data - mean) / np.sqrt(samples), full_matrices=samples < size
        )
        squared = np.zeros(size)
        squared[: singular.size] = singular**2
        squared[samples - 1 if center else samples :] = 0.0
        return cls._checked(squared[::-1], rows[::-1].T, mean, mu, covariance, c)

    @classmethod
    def from_covariance(
        cls,
        sample_covariance: ArrayLike,
        covariance: ArrayLike,
        c: float = 0.0,
        *,
        mean: ArrayLike | None = None,
        population_mean: ArrayLike | None = None,
    ) -> Self:
        """Fit to a sample covariance and mean; eigenvalues below 1e-12 of the largest are zeros.

        Parameters are those of `from_data`; `mean` is the sample mean, by default the
        population's (that is, the mean is known).
        """
        sample = _symmetric("sample_covariance", sample_covariance)
        size = sample.shape[0]
        mu = _vector("population_mean", population_mean, size)
        centre = mu if mean is None else _vector("mean", mean, size)
        eigenvalues, vectors = np.linalg.eigh(sample)
        eigenvalues[eigenvalues < RANK_TOLERANCE * eigenvalues[-1]] = 0.0
        return cls._checked(eigenvalues, vectors, centre, mu, covariance, c)

    @classmethod
    def _checked(
        cls,
        eigenvalues: FloatArray,
        vectors: FloatArray,
        mean: FloatArray,
        population_mean: FloatArray,
        covariance: ArrayLike,
        c: float,
    ) -> Self:
        population = _symmetric("covariance", covariance)
        if population.shape[0] != eigenvalues.size:
            raise ValueError(
                f"covariance must have shape {(eigenvalues.size,) * 2}, the dimension of x or "
                f"sample_covariance, got {population.shape}"
            )
        ridge = _checks.real("c", c, 0.0, 1e100)
        return cls(eigenvalues, vectors, mean, population_mean, population, ridge)

    @property
    def dimension(self) -> int:
        """Number d of components."""
        return int(self.eigenvalues.size)

    @property
    def overlaps(self) -> FloatArray:
        r"""Population variance along each sample eigenvector, :math:`\Sigma_{\nu\nu}`."""
        return np.asarray(np.sum(self.vectors * (self.covariance @ self.vectors), axis=0))

    @property
    def offsets(self) -> FloatArray:
        r"""Squared error of the mean along each eigenvector, :math:`(v_\nu\cdot\Delta)^2`."""
        return np.asarray((self.vectors.T @ (self.population_mean - self.mean)) ** 2)

    # -- the optimum ---------------------------------------------------------------------------

    def optimum(self, alpha_bar: float, *, gamma: float | None = None) -> Affine:
        """Weights and bias of the fitted denoiser at one noise level."""
        level, s, c = self._level(alpha_bar, gamma)
        gain = np.sqrt(1.0 - level) / level / (self.eigenvalues + s + c)
        weights = (self.vectors * gain) @ self.vectors.T
        return Affine(weights, -np.sqrt(level) * weights @ self.mean)

    def losses(self, fitted: Affine, alpha_bar: float) -> tuple[float, float]:
        """Training and test loss of any affine denoiser, without penalty.

        Raises
        ------
        ValueError, TypeError
            If `fitted` is no pair of weights (d, d) and bias (d,), or `alpha_bar` is not in (0, 1).
        """
        level, _, _ = self._level(alpha_bar, None)
        weights, bias = self._affine(fitted)
        base = np.sum((np.sqrt(1.0 - level) * weights - np.eye(self.dimension)) ** 2)
        spread = self.eigenvalues @ np.sum((weights @ self.vectors) ** 2, axis=0)
        train = base + level * spread + np.sum((np.sqrt(level) * weights @ self.mean + bias) ** 2)
        test = base + level * np.sum((weights @ self.covariance) * weights)
        test += np.sum((np.sqrt(level) * weights @ self.population_mean + bias) ** 2)
        return float(train / self.dimension), float(test / self.dimension)

    def train_loss(self, alpha_bar: float, *, gamma: float | None = None) -> float:
        r"""Training loss of the optimum, without penalty:
        :math:`\frac1d\sum_\nu\frac{(\lambda_\nu+c)^2+s\lambda_\nu}{(\lambda_\nu+\zeta)^2}`."""
        _, s, c = self._level(alpha_bar, gamma)
        lam, zeta = self.eigenvalues, self.eigenvalues + s + c
        return float(np.mean(((lam + c) / zeta) ** 2 + s / zeta * (lam / zeta)))

    def penalised_loss(self, alpha_bar: float, *, gamma: float | None = None) -> float:
        r"""Minimum of the objective, penalty included:
        :math:`\frac1d\sum_\nu\frac{\lambda_\nu+c}{\lambda_\nu+\zeta}`."""
        _, s, c = self._level(alpha_bar, gamma)
        return float(np.mean((self.eigenvalues + c) / (self.eigenvalues + s + c)))

    def test_loss(self, alpha_bar: float, *, gamma: float | None = None) -> float:
        r"""Loss of the optimum on fresh data:
        :math:`\frac1d\sum_\nu\frac{(\lambda_\nu+c)^2+s[\Sigma_{\nu\nu}+(v_\nu\cdot\Delta)^2]}
        {(\lambda_\nu+\zeta)^2}`."""
        _, s, c = self._level(alpha_bar, gamma)
        lam, zeta = self.eigenvalues, self.eigenvalues + s + c
        fresh = self.overlaps + self.offsets
        return float(np.mean(((lam + c) / zeta) ** 2 + s / zeta * (fresh / zeta)))

    def optimal_loss(self, alpha_bar: float) -> float:
        """Loss of infinite data without a ridge."""
        _, s, _ = self._level(alpha_bar, None)
        population = self._population[0]
        return float(np.mean(population / (population + s)))

    def alignment(self, alpha_bar: float, *, gamma: float | None = None) -> float:
        r"""Squared distance to the map of infinite data without a ridge, on noised test points.

        .. math::  \frac1d\bigl[\mathrm{tr}\,(W-W_\infty)(\bar\alpha\Sigma+1-\bar\alpha)
                   (W-W_\infty)^{\mathsf T}+\bar\alpha\lVert W\Delta\rVert^2\bigr].
        """
        level, s, _ = self._level(alpha_bar, None)
        variances, basis = self._population
        gain = np.sqrt(1.0 - level) / level / (variances + s)
        best = (basis * gain) @ basis.T
        ideal = Affine(best, -np.sqrt(level) * best @ self.population_mean)
        return self._distance(self.optimum(alpha_bar, gamma=gamma), ideal, level)

    def distance(self, other: FittedDenoiser, alpha_bar: float) -> float:
        """Squared distance to the map of another fit, on noised points of this population.

        Raises
        ------
        ValueError
            If the dimensions differ.
        TypeError
            If `other` is no fitted denoiser.
        """
        if not isinstance(other, FittedDenoiser):
            raise TypeError(f"other must be a FittedDenoiser, got {_checks.shown(other)}")
        if other.dimension != self.dimension:
            raise ValueError(f"other must have dimension {self.dimension}, got {other.dimension}")
        level, _, _ = self._level(alpha_bar, None)
        return self._distance(self.optimum(alpha_bar), other.optimum(alpha_bar), level)

    # -- the sampled law -------------------------------------------------------------------------

    def kl(self, direction: Literal["data||model", "model||data"] = "data||model") -> float:
        r"""Divergence between the data law and :math:`\mathcal N(\hat\mu,\hat\Sigma+c)`.

        With h the eigenvalues of :math:`\Sigma^{-1/2}(\hat\Sigma+c)\Sigma^{-1/2}`,

        .. math::  2dD_{\rm fwd} = \sum(h^{-1}-1+\ln h)
                       +\Delta^{\mathsf T}(\hat\Sigma+c)^{-1}\Delta,\qquad
                   2dD_{\rm rev} = \sum(h-1-\ln h)+\Delta^{\mathsf T}\Sigma^{-1}\Delta .

        Directions without population variance make both infinite for c > 0; at c = 0 they are
        left out, as both laws live on the rest. Other null directions of the sample make both
        infinite at c = 0.

        Raises
        ------
        ValueError
            If `direction` is not one of the two.
        """
        _checks.choice("direction", direction, ("data||model", "model||data"))
        return divergence.of_data_set(
            self.eigenvalues,
            self.vectors,
            self.c,
            self.covariance,
            self.population_mean - self.mean,
            forward=direction == "data||model",
        )

    def sampled_law(
        self, schedule: NoiseSchedule | None = None, *, noise: SamplerNoise = "beta"
    ) -> tuple[FloatArray, FloatArray]:
        """Mean (d,) and covariance (d, d) of what the sampler draws.

        Parameters
        ----------
        schedule : NoiseSchedule, optional
            Steps of the sampler; None is continuous time from a fully noised start, which draws
            the sample mean and covariance (plus the ridge) themselves.
        noise : as in :func:`rmtspec.linear.sampling.sampled_variance`.
        """
        sampling.check_noise(noise)
        lam = self.eigenvalues + self.c
        if schedule is None:
            return self.mean.copy(), (self.vectors * lam) @ self.vectors.T
        path = sampling.discrete_path(lam, schedule, mean=1.0, noise=noise)
        mean = self.vectors @ (path.mean[:, 0] * (self.vectors.T @ self.mean))
        return mean, (self.vectors * path.variance[:, 0]) @ self.vectors.T

    # -- learning --------------------------------------------------------------------------------

    def flow(
        self,
        tau: float,
        alpha_bar: float,
        *,
        gamma: float | None = None,
        initial: ArrayLike | None = None,
    ) -> Affine:
        r"""Weights after gradient flow for a time :math:`\tau=2\eta\bar\alpha\cdot` steps.

        In the eigenbasis :math:`W_{\nu\rho}=W^*_{\nu\rho}+(W_{\nu\rho}(0)-W^*_{\nu\rho})
        e^{-\tau(\lambda_\rho+\zeta)}`: every entry relaxes at the rate of its column. The bias is
        at its optimum :math:`-\sqrt{\bar\alpha}\,W\hat\mu` throughout (known mean: 0 in centred
        data). `initial` is W(0), by default 0.
        """
        times = _checks.real_array("tau", tau, 0.0, infinite=True)
        if times.ndim:
            raise ValueError(f"tau must be one number, got shape {times.shape}")
        time = float(times)
        _, s, c = self._level(alpha_bar, gamma)
        with np.errstate(over="ignore"):
            decay = np.exp(-time * (self.eigenvalues + s + c))
        return self._relaxed(decay, alpha_bar, gamma, initial)

    def gradient_descent(
        self,
        steps: int,
        rate: float,
        alpha_bar: float,
        *,
        gamma: float | None = None,
        initial: ArrayLike | None = None,
    ) -> Affine:
        r"""Weights after plain gradient descent, :math:`W\leftarrow W-\eta\,\partial_W L`.

        Exact: :math:`e^{-\tau(\lambda+\zeta)}` becomes
        :math:`(1-2\eta\bar\alpha(\lambda+\zeta))^{\rm steps}`. Stable for
        :math:`\eta\bar\alpha(\lambda_{\max}+\zeta)<1`.

        Raises
        ------
        ValueError
            Also if the rate is so far from stable that the weights overflow.
        """
        count = _checks.integer("steps", steps, 0, 10**15)
        step = _checks.positive("rate", rate, 1e100)
        level, s, c = self._level(alpha_bar, gamma)
        with np.errstate(over="ignore"):
            decay = (1.0 - 2.0 * step * level * (self.eigenvalues + s + c)) ** count
        if np.any(np.abs(decay) > 1e100):
            raise ValueError(
                f"rate must keep the weights below 1e100 for {count} steps "
                f"with gamma={gamma!r}, got {rate!r}"
            )
        return self._relaxed(decay, alpha_bar, gamma, initial)

    def training_curves(
        self, tau: ArrayLike, alpha_bar: float, *, gamma: float | None = None
    ) -> GivenCurves:
        r"""Training and test loss along gradient flow from W(0) = 0.

        :math:`\frac1d\sum_\nu[m_\tau^2+s\,q_\tau^2\lambda_\nu]`, and with
        :math:`\Sigma_{\nu\nu}+(v_\nu\cdot\Delta)^2` in the place of :math:`\lambda_\nu` for the
        test loss; q and m are those of :mod:`rmtspec.linear.dynamics`.
        """
        times = _checks.real_array("tau", tau, 0.0, infinite=True)
        _, s, c = self._level(alpha_bar, gamma)
        zeta = self.eigenvalues + s + c
        with np.errstate(over="ignore"):
            exponent = -times[..., None] * zeta
        q = -np.expm1(exponent) / zeta
        m = (self.eigenvalues + c + s * np.exp(exponent)) / zeta
        train = np.mean(m**2 + s * q**2 * self.eigenvalues, axis=-1)
        test = np.mean(m**2 + s * q**2 * (self.overlaps + self.offsets), axis=-1)
        return GivenCurves(times, train, test)

    def optimal_stopping(self, alpha_bar: float, *, gamma: float | None = None) -> GivenStopping:
        r"""Best stopping time, for all directions together and for each by itself.

        Direction ν overfits only if its test variance exceeds :math:`\lambda_\nu+c`, and is best at
        :math:`e^{-\tau_\nu(\lambda_\nu+\zeta)}=(\Sigma_{\nu\nu}-\lambda_\nu-c)/(\Sigma_{\nu\nu}+s)`.
        """
        _, s, c = self._level(alpha_bar, gamma)
        zeta = self.eigenvalues + s + c
        fresh = self.overlaps + self.offsets
        excess = (fresh - self.eigenvalues - c) / (fresh + s)
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.where(excess > 0.0, -np.log(excess) / zeta, np.inf)
        final = self.test_loss(alpha_bar, gamma=gamma)

        def loss(log_tau: float) -> float:
            return float(self.training_curves(np.exp(log_tau), alpha_bar, gamma=gamma).test)

        grid = np.log(np.geomspace(1e-2 / zeta.max(), 40.0 / zeta.min(), 400))
        losses = self.training_curves(np.exp(grid), alpha_bar, gamma=gamma).test
        best = int(np.argmin(losses))
        if not losses[best] < final * (1.0 - dynamics.LEAST_GAIN):
            return GivenStopping(np.inf, final, 0.0, each)
        low = grid[best - 1] if best > 0 else grid[0] + np.log(dynamics.BELOW)
        from scipy.optimize import minimize_scalar

        bounds = (low, grid[min(best + 1, grid.size - 1)])
        at = float(minimize_scalar(loss, bounds=bounds, method="bounded").x)
        lowest, first = loss(at), float(self.training_curves(0.0, alpha_bar, gamma=gamma).test)
        if best == 0 and first <= lowest:  # training only does harm
            return GivenStopping(0.0, first, final - first, each)
        return GivenStopping(float(np.exp(at)), lowest, final - lowest, each)

    # -- shared ----------------------------------------------------------------------------------

    @property
    def _population(self) -> tuple[FloatArray, FloatArray]:
        """Eigenvalues and eigenvectors of the covariance; what is rounding of a zero is one."""
        variances, basis = np.linalg.eigh(self.covariance)
        rounding = variances.size * np.finfo(float).eps * variances[-1]
        return np.where(variances > rounding, variances, 0.0), basis

    def _level(self, alpha_bar: float, gamma: float | None) -> tuple[float, float, float]:
        level = float(signal("alpha_bar", _checks.real("alpha_bar", alpha_bar)))
        c = self.c if gamma is None else _checks.real("gamma", gamma, 0.0, 1e100) / level
        if c > 1e100:
            raise ValueError(f"gamma must be at most 1e+100 alpha_bar, got {gamma!r}")
        return level, (1.0 - level) / level, c

    def _affine(self, fitted: Affine) -> Affine:
        if not isinstance(fitted, tuple) or len(fitted) != 2:
            raise TypeError(
                f"fitted must be a pair of weights and bias, got {_checks.shown(fitted)}"
            )
        size = self.dimension
        weights, bias = (
            _checks.real_array(name, value, -1e100, 1e100)
            for name, value in zip(("fitted weights", "fitted bias"), fitted, strict=True)
        )
        if weights.shape != (size, size) or bias.shape != (size,):
            raise ValueError(
                f"fitted must hold weights {(size, size)} and bias {(size,)}, "
                f"got shapes {weights.shape} and {bias.shape}"
            )
        return Affine(weights, bias)

    def _distance(self, one: Affine, other: Affine, level: float) -> float:
        weights = one.weights - other.weights
        bias = one.bias - other.bias + np.sqrt(level) * weights @ self.population_mean
        spread = level * np.sum((weights @ self.covariance) * weights)
        total = spread + (1.0 - level) * np.sum(weights**2) + bias @ bias
        return float(total / self.dimension)

    def _relaxed(
        self, decay: FloatArray, alpha_bar: float, gamma: float | None, initial: ArrayLike | None
    ) -> Affine:
        size = self.dimension
        start = np.zeros((size, size))
        if initial is not None:
            start = _checks.real_array("initial", initial, -1e100, 1e100)
            if start.shape != (size, size):
                raise ValueError(f"initial must have shape {(size, size)}, got {start.shape}")
        level = float(alpha_bar)
        goal = self.optimum(alpha_bar, gamma=gamma).weights
        weights = goal + ((start - goal) @ self.vectors * decay) @ self.vectors.T
        return Affine(weights, -np.sqrt(level) * weights @ self.mean)


def _symmetric(name: str, value: ArrayLike) -> FloatArray:
    matrix = _checks.real_array(name, value, -1e100, 1e100)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(f"{name} must be a square matrix, got shape {matrix.shape}")
    scale = float(np.abs(matrix).max())
    if np.abs(matrix - matrix.T).max() > 1e-10 * scale:
        raise ValueError(f"{name} must be symmetric, got entries {scale:g} apart at most")
    matrix = 0.5 * (matrix + matrix.T)
    lowest = float(np.linalg.eigvalsh(matrix)[0])
    if lowest < -1e-10 * scale * matrix.shape[0]:
        raise ValueError(f"{name} must have no negative eigenvalues, got {lowest:g}")
    return matrix


def _vector(name: str, value: ArrayLike | None, size: int) -> FloatArray:
    if value is None:
        return np.zeros(size)
    vector = _checks.real_array(name, value, -1e100, 1e100)
    if vector.shape != (size,):
        raise ValueError(f"{name} must have shape ({size},), got {vector.shape}")
    return vector
