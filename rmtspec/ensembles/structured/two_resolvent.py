r"""Losses of a linear readout of a structured ensemble: couplings and products of two resolvents.

A readout a of the features, with the quadratic loss

.. math::  L=L_0+\tfrac2d\mathrm{Tr}\,aV+\tfrac1d\mathrm{Tr}\,aUa^\top,\qquad a=-V^\top f(U),

predicts what a linear neuron of vanishing fraction would show, with the slopes :math:`u_0` of the
`Target`.  With f(λ) = ∮f(z)/(λ − z), its loss on a sample set M is

.. math::
    L_M=L_{0,M}-2\oint f(z)X_M(z)+\oint\oint f(z_1)f(z_2)T_M(z_1,z_2),\qquad
    T_M=u_0^\top\!\int\!\rho\,H'u_0,

H' the response of H to a perturbation of U along M: the equations for a resolvent with a 2 x 2
argument, :math:`z_1,z_2` on its diagonal and ε off it, to first order in ε.  M is given by its
floor :math:`S'_\tau`, its :math:`\Theta^M` and a source :math:`E_y` in :math:`D_y`:

* fresh samples: :math:`S'=S_\tau+\sum_y\pi_y\mathrm{Tr}K_{\tau y}`, :math:`\Theta^M` with
  :math:`\pi_y\lambda_y` in the data block of class y and 1 in the noise block, E = 0;
* fresh samples of class c: :math:`S'=S_{\tau c}+\mathrm{Tr}K_{\tau c}`, :math:`\lambda_c` in the
  data block of c alone, :math:`\pi_c^{-1}F_c^\top F_c` in the noise block (F the basis of the noise
  slopes, :math:`F_c` its rows of class c), E = 0;
* training samples: :math:`S'=S_\tau`, nothing in the data blocks, 1 in the noise block, E = −1;
* training samples of class c: :math:`S'=S_{\tau c}`, nothing in the data blocks,
  :math:`\pi_c^{-1}F_c^\top F_c` in the noise block, :math:`E_c=-1/\pi_c`,

and :math:`X_M=u_0^\top\int\rho[\Theta^M_*-L\Theta^M_{**}]u_0`: for fresh samples both are
:math:`\Theta^M`, for training samples the data block of class y is λ in the first and
:math:`\lambda D_y^{-1}` in the second.  The training rows are derivatives with respect to the
weight of a class in the loss.  Terms of T that depend on one argument only integrate to zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...result import Status, warn_unconverged
from ...solve.contour import Contour, HalfPlane, half_plane_contour
from .ensemble import StructuredEnsemble
from .kernels.pairs import two_resolvents

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_TINY = 1e-20  # of the largest eigenvalue: stands for a floor of zero


@dataclass(frozen=True, eq=False)
class LossForms:
    """Losses as forms in the values of f on the upper half of a contour.

    Rows are: test, train, test of each class, train of each class (2 + 2Y).

    Attributes
    ----------
    initial : (rows,) L_0, the loss of a readout of zeros
    single : (rows, n) X_M(z_i)
    double : (rows, n, n) T_M(z_i, z_j)
    mirrored : (rows, n, n) T_M(z_i, conj z_j)
    """

    initial: FloatArray
    single: ComplexArray
    double: ComplexArray
    mirrored: ComplexArray

    def losses(self, f: ComplexArray) -> FloatArray:
        """Losses (rows, times) of f, given as (times, n) values at the nodes times their weights.

        The weights are those of `solve.contour.Contour`, for which a function of U is twice the
        real part of a sum over the nodes.
        """
        single = 2.0 * (self.single @ f.T).real
        inner = f @ self.double + f.conj() @ self.mirrored.swapaxes(1, 2)
        double = 2.0 * (inner * f).sum(2).real
        return np.asarray(self.initial[:, None] - 2.0 * single + double)


@dataclass(frozen=True, eq=False)
class _Rows:
    """The sample sets, one row each; see `two_resolvents`."""

    floors: FloatArray
    data: FloatArray
    noise: FloatArray
    sources: FloatArray
    seen: FloatArray  # (rows, Y) multiples of λ in Θ_*
    dressed: NDArray[np.bool_]  # (rows,) whether Θ_** has λ/D in place of λ


def loss_forms(ensemble: StructuredEnsemble, z: ComplexArray) -> LossForms:
    """Couplings and products of two resolvents at the n nodes z, Im z > 0.

    Classes come in the order in which they were given.

    Raises
    ------
    ValueError
        If the ensemble has no target.

    Warns
    -----
    ConvergenceWarning
        If the equations were not solved at some node; all losses are NaN then.
    """
    rows, spread = _rows(ensemble)
    parts, reduced = ensemble.parts, ensemble.reduced
    found = ensemble.roots(z - complex(ensemble.origin))
    warn_unconverged("loss_forms", z, found.status)
    tables, seen = two_resolvents(
        parts, found.g, found.d, found.scales, reduced.target,
        rows.floors, rows.data, rows.noise, rows.sources,
    )  # fmt: skip
    if not np.all(found.status == Status.CONVERGED):
        tables[:] = np.nan
    single = _couplings(ensemble, rows, found.d, seen)
    initial = _initial(ensemble, rows)
    return LossForms(initial[spread], single[spread], tables[0, spread], tables[1, spread])


def final_losses(ensemble: StructuredEnsemble) -> FloatArray:
    """Losses (rows,) of the minimum, f(λ) = 1/λ, from the equations at z = 0.

    NaN where the lowest floor is zero: z = 0 need not lie off the support.

    Raises
    ------
    ValueError
        If the ensemble has no target.
    """
    rows, spread = _rows(ensemble)
    if not ensemble.origin > 0.0:
        return np.full(spread.size, np.nan)
    found = ensemble.roots(np.array([complex(-ensemble.origin, 0.0)]))
    warn_unconverged("final_losses", np.zeros(1), found.status)
    tables, _ = two_resolvents(
        ensemble.parts, found.g, found.d, found.scales, ensemble.reduced.target,
        rows.floors, rows.data, rows.noise, rows.sources,
    )  # fmt: skip
    losses = tables[0, :, 0, 0].real + _unseen(ensemble, rows)
    return np.asarray(losses[spread])


def _rows(ensemble: StructuredEnsemble) -> tuple[_Rows, NDArray[np.intp]]:
    """The sample sets of merged classes, and which of them each row of the given classes is."""
    if ensemble.target is None:
        raise ValueError("target must be given to the ensemble for losses, got None")
    reduced, parts = ensemble.reduced, ensemble.parts
    count = parts.classes.size
    own = np.einsum("nyaa->ny", parts.kernels)
    floors, share = reduced.floors, parts.classes
    identity = np.eye(count)
    table = np.vstack([(floors + own) @ share, floors @ share, (floors + own).T, floors.T])
    nothing = np.zeros((count, count))
    noise = reduced.noise / share[:, None, None]
    whole = reduced.noise.sum(0)
    rows = _Rows(
        np.ascontiguousarray(table),
        np.vstack([share, 0.0 * share, identity, nothing]),
        np.ascontiguousarray(np.concatenate([[whole, whole], noise, noise])),
        np.vstack([0.0 * share, -np.ones(count), nothing, -identity / share]),
        np.vstack([share, share, identity, identity]),
        np.repeat([False, True, False, True], [1, 1, count, count]),
    )
    place = 2 + reduced.class_of
    return rows, np.concatenate([[0, 1], place, place + count]).astype(np.intp)


def _couplings(
    ensemble: StructuredEnsemble, rows: _Rows, d: ComplexArray, seen: ComplexArray
) -> ComplexArray:
    """X_M at every node, (rows, n)."""
    parts, target = ensemble.parts, ensemble.reduced.target
    classes, r = d.shape[1:3]
    width = classes * r
    block = target[:width].reshape(classes, r)
    turned = np.linalg.solve(d, np.broadcast_to(block[..., None], (*d.shape[:3], 1)))[..., 0]
    left = seen[:, :, :width].reshape(*seen.shape[:2], classes, r)
    bare = np.einsum("j,jy,njyr,yr->ny", parts.shares, parts.levels, left, block)
    dressed = np.einsum("j,jy,njyr,nyr->ny", parts.shares, parts.levels, left, turned)
    mean = np.einsum("j,nja->na", parts.shares, seen)
    noise = np.einsum("na,mab,b->mn", mean, rows.noise, target)
    data = np.einsum("my,mny->mn", rows.seen, np.where(rows.dressed[:, None, None], dressed, bare))
    return np.asarray((_initial(ensemble, rows) - _unseen(ensemble, rows))[:, None] - data - noise)


def _initial(ensemble: StructuredEnsemble, rows: _Rows) -> FloatArray:
    """L_0 of every row."""
    parts, target = ensemble.parts, ensemble.reduced.target
    classes, r = parts.kernels.shape[1:3]
    square = (target[: classes * r].reshape(classes, r) ** 2).sum(1)
    data = rows.seen @ (square * (parts.shares @ parts.levels))
    noise = np.einsum("a,mab,b->m", target, rows.noise, target)
    return np.asarray(data + noise + _unseen(ensemble, rows))


def _unseen(ensemble: StructuredEnsemble, rows: _Rows) -> FloatArray:
    """What the features cannot see of the target in the data, of every row."""
    parts = ensemble.parts
    return np.asarray(rows.seen @ (ensemble.reduced.unseen * (parts.shares @ parts.levels)))


def enclosing(ensemble: StructuredEnsemble, count: int) -> Contour:
    """Contour of `count` nodes on its upper half around the spectrum, where exp(−τz) is bounded.

    It runs from the lowest floor to a bound from norms: the nodes feel the logarithm of their
    ratio only.  The trapezoidal error is about exp(−π²·count/(2 log ratio + 6)).
    """
    top = ensemble.origin + ensemble.bound
    return half_plane_contour(max(ensemble.origin, _TINY * top), top, count, HalfPlane())
