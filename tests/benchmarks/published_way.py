r"""One point of Theorem 3.1 of arXiv 2505.17638 the way the paper's authors solved it.

The three complex equations are split into real and imaginary parts and handed to
``scipy.optimize.root(method="lm")``, a solve for each height of a geometric ladder from far above
the real axis down to z, each started from the solution above it.  In the variables of the theorem,
with :math:`\hat s=\psi_pb^2+1/q`, :math:`\hat r=\psi_pc^2/D`,
:math:`D=1+\frac{\psi_p}{\psi_n}(c^2r+v^2q)`,

.. math::  0 &= \psi_p(s^2-z)+\frac{\psi_pv^2}{D}+\frac{1-\psi_p}{q}-\frac{s}{q^2}, \\
           s &= \int\frac{d\rho(l)}{\hat s+\hat rl},\qquad r=\int\frac{l\,d\rho(l)}{\hat s+\hat rl}.

Speed is measured against this, and its solution is a check that both solve the same problem.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import root

SOLVES = 114
"""Solves a point."""

_TOP = 1e3  # height of the first solve, in units of |z|: there q = −1/z is a good start


@dataclass(frozen=True)
class TheoremEquations:
    """Equations for (q, r, s) as six real unknowns."""

    psi_p: float
    psi_n: float
    eigenvalues: NDArray[np.float64]
    weights: NDArray[np.float64]
    c2: float
    b2: float
    v2: float
    s2: float

    def residual(self, unknowns: NDArray[np.float64], z: complex) -> NDArray[np.float64]:
        """Real and imaginary parts of the three equations."""
        q, r, s = unknowns[:3] + 1j * unknowns[3:]
        d = 1.0 + self.psi_p / self.psi_n * (self.c2 * r + self.v2 * q)
        g = self.psi_p * self.b2 + 1.0 / q + self.psi_p * self.c2 / d * self.eigenvalues
        level = (
            self.psi_p * (self.s2 - z)
            + self.psi_p * self.v2 / d
            + (1.0 - self.psi_p) / q
            - s / q**2
        )
        equations = np.array(
            [level, s - np.sum(self.weights / g), r - np.sum(self.weights * self.eigenvalues / g)]
        )
        return np.concatenate([equations.real, equations.imag])

    def solve(self, z: complex, solves: int = SOLVES) -> tuple[complex, complex, complex]:
        """q, r and s at z, Im z > 0."""
        mean = np.sum(self.weights * self.eigenvalues)
        top = complex(z.real, z.imag + _TOP * abs(z))
        start = -np.array([1.0, mean, 1.0]) / top
        unknowns = np.concatenate([start.real, start.imag])
        for height in np.geomspace(top.imag, z.imag, solves):
            found = root(self.residual, unknowns, args=(complex(z.real, height),), method="lm")
            unknowns = found.x
        q, r, s = unknowns[:3] + 1j * unknowns[3:]
        return complex(q), complex(r), complex(s)
