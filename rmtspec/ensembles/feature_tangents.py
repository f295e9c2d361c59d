r"""How the law of the random-feature matrix U moves with its parameters.

The equations :math:`F_1=F_2=0` of `feature_equations` hold at every value of
:math:`\theta=(\psi_p,\psi_n,c^2,b^2,v^2,s^2)`, so along a change of θ at fixed z

.. math::  \begin{pmatrix}\partial_kF_1&\partial_yF_1\\\partial_kF_2&\partial_yF_2\end{pmatrix}
           \binom{dk}{dy}=-\binom{\partial_\theta F_1}{\partial_\theta F_2}d\theta .

With :math:`g_l=k+b^2+c^2yl` and :math:`T_j=\int l^jd\rho/g_l^2` the matrix is

.. math::  \begin{pmatrix}-(\psi_p-1)-2kS_0+k^2T_0&v^2+c^2k^2T_1\\
           v^2/k^2+c^2T_1&-\psi_n/y^2+c^4T_2\end{pmatrix}.

At an edge it is singular.  With its left null vector w, :math:`w\cdot\partial_\theta F\,d\theta
+w\cdot\partial_zF\,dz=0`, and :math:`\partial_zF=(-1,0)` gives the motion of the edge,

.. math::  dE=\frac{w\cdot\partial_\theta F}{w_1}\,d\theta .
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .feature_equations import FeatureEquations
from .two_point import Points

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_STEPS = 2
_STEP = 1e-30  # of a complex step, which cancels nothing


@dataclass(frozen=True)
class FeatureTangents:
    """Tangents of the solutions of one set of equations.

    Parameters
    ----------
    equations : FeatureEquations
    """

    equations: FeatureEquations

    def matrix(self, k: ComplexArray, y: ComplexArray) -> ComplexArray:
        """Derivatives of F with respect to (k, y), shape (..., 2, 2)."""
        at = self.equations
        s0, _, t0, t1, t2 = self._sums(k, y)
        rows = [
            [-(at.psi_p - 1.0) - 2.0 * k * s0 + k**2 * t0, at.v2 + at.c2 * k**2 * t1],
            [at.v2 / k**2 + at.c2 * t1, -at.psi_n / y**2 + at.c2**2 * t2],
        ]
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    def forces(self, k: ComplexArray, y: ComplexArray, change: Mapping[str, float]) -> ComplexArray:
        """Derivative of F along a change of the parameters at fixed z, shape (..., 2)."""
        at = self.equations
        _, s1, t0, t1, t2 = self._sums(k, y)
        one = np.ones_like(k)
        columns = {
            "psi_p": (-k, 0.0 * one),
            "psi_n": (0.0 * one, 1.0 / y - 1.0),
            "c2": (k**2 * y * t1, at.c2 * y * t2 - s1),
            "b2": (k**2 * t0, at.c2 * t1),
            "v2": (y, -1.0 / k),
            "s2": (one, 0.0 * one),
        }
        return np.stack(
            [
                sum(rate * columns[name][row] for name, rate in change.items()) + 0.0 * k
                for row in (0, 1)
            ],
            axis=-1,
        )

    def move(
        self, k: ComplexArray, y: ComplexArray, change: Mapping[str, float]
    ) -> tuple[ComplexArray, ComplexArray]:
        """How (k, y) move at fixed z along a change of the parameters."""
        moved = np.linalg.solve(self.matrix(k, y), -self.forces(k, y, change)[..., None])
        return np.asarray(moved[..., 0, 0]), np.asarray(moved[..., 1, 0])

    def critical(self, k: float, y: float) -> ComplexArray:
        """(k, y) at an edge, where the matrix is singular, by Newton steps from next to it.

        An edge is stationary, so that the search for it stops at a relative error of 1e-11 in k.
        """
        at = self.equations

        def defect(x: ComplexArray) -> ComplexArray:
            _, s1, *_ = self._sums(*x)
            second = at.psi_n * (1.0 / x[1] - 1.0) - at.v2 / x[0] - at.c2 * s1
            (a, b), (c, d) = self.matrix(*x)
            # Of the size of its terms, but for a constant: they vanish with c² at the edge.
            size = at.psi_p * at.psi_n / abs(x[1]) ** 2
            return np.array([second / at.psi_n, (a * d - b * c) / size])

        x = np.array([k, y], dtype=np.complex128)
        for _ in range(_STEPS):
            (a, c), (b, d) = (defect(x + 1j * _STEP * row).imag / _STEP for row in np.diag(x))
            first, second = defect(x).real
            move = np.array([d * first - b * second, a * second - c * first])
            x = x * (1.0 - move / (a * d - b * c))
        return x

    def edge_motion(self, k: complex, y: complex, change: Mapping[str, float]) -> float:
        """How the edge with the real solution (k, y) moves along a change of the parameters."""
        at = np.array(k), np.array(y)
        (a, _), (c, _) = self.matrix(*at)
        null = np.array([c, -a])  # times the first column it is 0, so times the second as well
        return float((null @ self.forces(*at, change) / null[0]).real)

    def _sums(self, k: ComplexArray, y: ComplexArray) -> tuple[ComplexArray, ...]:
        """S_0, S_1, T_0, T_1, T_2."""
        at = self.equations
        levels, weights = at.directions_from(Points(np.ravel(k), np.ravel(y)))
        h = 1.0 / (np.asarray(k + at.b2)[..., None] + np.asarray(at.c2 * y)[..., None] * levels)
        return (
            h @ weights,
            h @ (weights * levels),
            h**2 @ weights,
            h**2 @ (weights * levels),
            h**2 @ (weights * levels**2),
        )
