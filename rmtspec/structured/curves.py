r"""Learning curves of a structured score network: of all data, and of every class.

With f the filter of a training rule, :math:`a=-V^\top f(U)`, the loss on a set M of samples is

.. math::  L_M=L_{0,M}-2\oint f(z)X_M(z)+\oint\oint f(z_1)f(z_2)T_M(z_1,z_2)

(`ensembles.structured.two_resolvent`).  One contour serves both arguments and all times.  That of
all training samples is known from one resolvent too,
:math:`L_0-\oint(2f-zf^2)X_{train}`: the difference of the two is the error of the quadrature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..ensembles.structured.ensemble import StructuredEnsemble
from ..ensembles.structured.two_resolvent import LossForms, final_losses, loss_forms
from ..random_features.losses.relaxation import Relaxation
from ..random_features.results import LearningCurves
from ..result import draw
from ..solve.contour import half_plane_contour, nodes_needed, slit_ratio

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

DIGITS = 12.0
"""Asked of the quadrature over the contour."""

MOST_NODES = 400
_BATCH = 500  # times evaluated at once
_WIDEST = 1e16  # ratio of the spectrum's ends beyond which the last time sets the lower end
_EPS = float(np.finfo(float).eps)


@dataclass(frozen=True)
class ClassCurves(LearningCurves):
    r"""Losses against training time, of all data and of every class.

    The score error is that to the score of the data themselves, whose classes a sample tells of
    itself; for a network of several times it is the mean over them with the weights ωΔ.

    Attributes
    ----------
    class_train, class_test : (Y,) + tau.shape, losses on the samples of a class, and on fresh ones
    class_weights : (Y,) shares of the classes
    """

    class_train: FloatArray
    class_test: FloatArray
    class_weights: FloatArray

    def plot(self, ax: Axes | Sequence[Axes] | None = None, **options: Any) -> NDArray[np.object_]:
        """Draw them; see `rmtspec.plots.structured.plot_class_curves`."""
        axes: NDArray[np.object_] = draw("structured", "plot_class_curves", self, ax=ax, **options)
        return axes

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a time, one column a loss, those of the classes last; needs pandas.

        Raises
        ------
        ValueError
            If the curves are not over a row of times.
        ImportError
            If pandas is not installed.
        """
        frame = super().to_dataframe()
        for name in ("train", "test"):
            for number, row in enumerate(getattr(self, f"class_{name}")):
                frame[f"{name}_{number}"] = row
        return frame


class ClassLosses(NamedTuple):
    """Flat losses; `rows` (2 + 2Y, times) are test, train, then those of every class.

    `train`, `test` and `error` are multiples of Δ̄ above the loss of A = 0, as
    `random_features.losses.reader` wants them.
    """

    rows: FloatArray
    train: FloatArray
    test: FloatArray
    error: FloatArray


class _Table(NamedTuple):
    """Points λ + γ of the contour, shifted to the right, their weights, and the losses' forms."""

    x: ComplexArray
    weights: ComplexArray
    forms: LossForms


@dataclass(frozen=True, eq=False)
class StructuredLosses:
    """Losses of one ensemble under one training rule, from tables that are made once.

    Parameters
    ----------
    ensemble : with a target
    relaxation : the training rule
    ridge : γ
    scale : Δ̄
    digits : asked of the quadrature
    """

    ensemble: StructuredEnsemble
    relaxation: Relaxation
    ridge: float
    scale: float
    digits: float = DIGITS

    @cached_property
    def ends(self) -> tuple[float, float]:
        """Bounds of λ + γ: the lowest floor, and a bound by norms; only their ratio matters."""
        low = self.ensemble.origin + self.ridge
        high = low + self.ensemble.reach
        return low, high

    @cached_property
    def initial(self) -> FloatArray:
        """(2 + 2Y,) losses of A = 0."""
        return self._table(1.0).forms.initial

    @cached_property
    def _tables(self) -> dict[float, _Table]:
        return {}

    def _table(self, longest: float) -> _Table:
        """Tables for times up to `longest`."""
        low, high = self.ends
        shift = 0.0
        if low < high / _WIDEST:  # before a mode has moved there is nothing to resolve
            shift = 0.5 / max(self.relaxation.rate * longest, 1.0 / high)
            shift = 2.0 ** np.floor(np.log2(shift))
        if shift not in self._tables:
            region = self.relaxation.region
            count = min(
                nodes_needed(slit_ratio(low + shift, high + shift, region), self.digits),
                MOST_NODES,
            )
            contour = half_plane_contour(low + shift, high + shift, count, region)
            x = contour.points - shift
            forms = loss_forms(self.ensemble, x - self.ridge)
            self._tables[shift] = _Table(x, contour.weights, forms)
        return self._tables[shift]

    def losses(self, tau: FloatArray) -> ClassLosses:
        """Losses at flat times, inf included; NaN where the tables could not be made."""
        _, high = self.ends
        last = 1.0 / (1e-30 * self.relaxation.rate * high)
        finite = np.minimum(tau, last)
        longest = float(finite.max(initial=0.0))
        table = self._table(longest)
        rows = np.empty((len(table.forms.initial), tau.size))
        check = np.empty(tau.size)
        for part in np.array_split(np.arange(tau.size), tau.size // _BATCH + 1):
            rows[:, part], check[part] = self._evaluated(table, finite[part])
        ended = np.isinf(tau)
        if ended.any() and self.ridge == 0.0 and self.ensemble.origin > 0.0:
            rows[:, ended] = final_losses(self.ensemble)[:, None]
            check[ended] = rows[1, ended]
        worst = float(np.abs(check - rows[1]).max(initial=0.0))
        error = 4.0 * worst + 64.0 * _EPS * np.abs(rows[:2]).max(axis=0)
        failed = ~np.isfinite(error)
        rows[:, failed], error[failed] = np.nan, np.inf
        start = table.forms.initial
        test, train = ((rows[i] - start[i]) / self.scale for i in (0, 1))
        return ClassLosses(rows, train, test, error / self.scale)

    def _evaluated(self, table: _Table, tau: FloatArray) -> tuple[FloatArray, FloatArray]:
        """All rows by two resolvents, and the train loss by one."""
        bare = self.relaxation.filtered(table.x, tau)
        rows = table.forms.losses(table.weights * bare)
        fit = 2.0 * bare - (table.x - self.ridge) * bare**2
        seen = 2.0 * ((table.weights * fit) @ table.forms.single[1]).real
        return rows, table.forms.initial[1] - seen
