"""From a drawn parameter set to the solver under test.

The equations depend on z - s^2 alone. Sets with an even index are asked as a user asks, by z
itself: then z = s^2 + distance is rounded, which may move a point off a bulk thinner than the
spacing of floats at s^2; such points are left out and counted. Sets with an odd index put s^2 = 0,
so that every distance is exact and the thinnest bulks are reached.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.ensembles.conditional_feature import ConditionalFeatureGram
from rmtspec.ensembles.random_feature import RandomFeatureGram
from rmtspec.inputs.activation import gaussian_equivalence
from rmtspec.result import Status
from validation.certificates.draws import ParameterSet, Point
from validation.certificates.equations import Parameters

# A rounded point this close to an edge, relative to it, is not told from the edge itself.
_EDGE_MARGIN = 1e-9
_EDGE_BLUR = 1e-4


@dataclass(frozen=True)
class Solved:
    """Answers, their relative error bounds, and whether each converged.

    `values` has three rows: the traces q, r, s, or q, D and q again at real points inside a bulk,
    where the solver bounds the errors of k and y alone.  `bound` has a row for each.
    """

    values: NDArray[np.complex128]
    k: NDArray[np.complex128]
    y: NDArray[np.complex128]
    bound: NDArray[np.float64]
    converged: NDArray[np.bool_]


@dataclass(frozen=True)
class System:
    """A random-feature Gram matrix under test, with its parameters as plain numbers."""

    parameters: Parameters
    gram: RandomFeatureGram

    @property
    def edges(self) -> NDArray[np.float64]:
        """(k, 2) bulk edges, measured from s^2."""
        return self.gram.gaps.edges

    @property
    def atom(self) -> bool:
        """Whether there is an atom at s^2."""
        return len(self.gram.atoms) > 0

    def z(self, point: Point) -> complex:
        """Return z as a double, rounded from s^2 + distance."""
        return complex(self.parameters.s2 + point.distance.real, point.distance.imag)

    def rounded(self, point: Point) -> Point | None:
        """Return the point with the distance that the double z has; None if it lost its place."""
        z = self.z(point)
        distance = complex(z.real - self.parameters.s2, z.imag)
        moved = replace(point, distance=distance)
        if distance.imag > 0.0 or distance == point.distance:
            return moved
        x = distance.real
        edges = self.edges.ravel()
        at_edge = bool(np.any(np.abs(x - edges) <= _EDGE_MARGIN * edges))
        # A reported edge counts as support, s² itself does not.
        at_edge |= x != 0.0 and bool(np.any(self.parameters.s2 + edges == z.real))
        inside = bool(np.any((self.edges[:, 0] < x) & (x < self.edges[:, 1])))
        on_atom = x == 0.0 and self.atom
        return None if at_edge or on_atom or inside is point.outside else moved

    def beside_edge(self, point: Point) -> bool:
        """Whether the point is so close to an edge that rounding may exceed the tolerance.

        Beside a nearly hard edge z is made of terms up to 1e6 times as large; at a relative
        distance of 1e-4, whose root divides the loss, that leaves the solver's 1e-8.
        """
        edges = self.edges.ravel()
        return bool(np.any(np.abs(point.distance - edges) <= _EDGE_BLUR * edges))

    def solve(self, chosen: list[Point]) -> Solved:
        """Solve at all points: `solve`, and the boundary value on the real axis inside bulks.

        The latter is what densities are made of; `solve` refuses real points of the support.
        """
        on_bulk = np.array([point.place == "real, in a bulk" for point in chosen], dtype=np.bool_)
        z = np.array([self.z(point) for point in chosen])
        off = self.gram.solve(z[~on_bulk])
        distance = np.array([point.distance for point in chosen])
        on = self.gram.equations.solve(distance[on_bulk])
        q = reciprocal(self.parameters.psi_p * on.k)

        def joined(first: Any, second: Any) -> Any:
            whole = np.empty((*np.shape(first)[:-1], len(z)), dtype=np.asarray(first).dtype)
            whole[..., ~on_bulk], whole[..., on_bulk] = first, second
            return whole

        return Solved(
            joined(np.array([off.q, off.r, off.s]), np.array([q, reciprocal(on.y), q])),
            joined(off.k, on.k),
            joined(off.y, on.y),
            joined(np.array([off.error] * 3), np.array([on.error, on.y_error, on.error])),
            joined(off.converged, on.status == Status.CONVERGED),
        )


def reciprocal(x: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return 1/x, quietly NaN where a solve failed."""
    with np.errstate(invalid="ignore"):
        return np.asarray(1.0 / x)


def ensemble(drawn: ParameterSet) -> System:
    """Return the matrix under test: coefficients by Gaussian equivalence, s^2 = 0 for odd sets."""
    population = rs.PopulationSpectrum(drawn.eigenvalues, drawn.weights)
    at = gaussian_equivalence(drawn.activation, drawn.t, population.mean)
    floor = at.s**2 if drawn.index % 2 == 0 else 0.0
    parameters = Parameters(
        drawn.psi_p,
        drawn.psi_n,
        at.c**2,
        at.b**2,
        at.v**2,
        floor,
        population.eigenvalues,
        population.weights,
        drawn.given,
    )
    p = parameters
    kind = ConditionalFeatureGram if drawn.given else RandomFeatureGram
    gram = kind(p.psi_p, p.psi_n, population, p.c2, p.b2, p.v2, p.s2)
    return System(parameters, gram)
