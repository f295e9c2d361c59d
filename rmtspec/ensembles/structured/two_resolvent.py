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
Directions along which classes have means of length √d are not in ρ: see `mean_directions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...result import Status, warn_unconverged
from ...solve.contour import Contour, HalfPlane, half_plane_contour
from .ensemble import StructuredEnsemble
from .kernels.pairs import two_resolvents
from .mean_directions import mean_forms, no_readings
from .points import Roots
from .sample_sets import SampleSets

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
    sets = _sets(ensemble)
    found = ensemble.roots(z - complex(ensemble.origin))
    warn_unconverged("loss_forms", z, found.status)
    forms = _forms(ensemble, sets, found)
    if not np.all(found.status == Status.CONVERGED):
        forms.double[:], forms.mirrored[:] = np.nan, np.nan
    return forms


def final_losses(ensemble: StructuredEnsemble) -> FloatArray:
    """Losses (rows,) of the minimum, f(λ) = 1/λ, from the equations at z = 0.

    NaN where the lowest floor is zero: z = 0 need not lie off the support.

    Raises
    ------
    ValueError
        If the ensemble has no target.
    """
    sets = _sets(ensemble)
    spread = _spread(ensemble.reduced.class_of)
    if not ensemble.origin > 0.0:
        return np.full(spread.size, np.nan)
    found = ensemble.roots(np.array([complex(-ensemble.origin, 0.0)]))
    warn_unconverged("final_losses", np.zeros(1), found.status)
    forms = _forms(ensemble, sets, found)
    unseen = _bulk_share(ensemble) * _unseen(ensemble, sets)[spread]
    return np.asarray(forms.double[:, 0, 0].real + unseen)


def _sets(ensemble: StructuredEnsemble) -> SampleSets:
    if ensemble.target is None:
        raise ValueError("target must be given to the ensemble for losses, got None")
    return SampleSets.of(ensemble.reduced)


def _spread(class_of: NDArray[np.intp]) -> NDArray[np.intp]:
    """Which row of the merged classes each row of the given classes is."""
    count = class_of.max() + 1
    return np.concatenate([[0, 1], 2 + class_of, 2 + count + class_of]).astype(np.intp)


def _forms(ensemble: StructuredEnsemble, sets: SampleSets, found: Roots) -> LossForms:
    """Forms of the bulk, and of the directions that are not the bulk's."""
    reduced, given = ensemble.reduced, ensemble.directions
    beside = None
    if given is not None:
        target, psi_p = ensemble.given.target, ensemble.psi_p
        beside = mean_forms(given, target, reduced, sets, psi_p, found.g, found.d)
    readings = no_readings(*found.d.shape[:3]) if beside is None else beside.readings
    (tables, read), seen = two_resolvents(
        ensemble.parts, _mirrored(found.g), _mirrored(found.d), _mirrored(found.scales),
        reduced.target, sets.floors, sets.data, sets.noise, sets.sources,
        readings._replace(heads=_mirrored(readings.heads), tails=_mirrored(readings.tails)),
    )  # fmt: skip
    parts = [_initial(ensemble, sets), _couplings(ensemble, sets, found.d, seen), *tables]
    if given is not None and beside is not None:
        rest = [beside.initial, beside.single, *(beside.tables + read / given.dimension)]
        parts = [
            _bulk_share(ensemble) * one + other for one, other in zip(parts, rest, strict=True)
        ]
    spread = _spread(reduced.class_of)
    return LossForms(*(part[spread] for part in parts))


def _mirrored(table: NDArray[Any]) -> NDArray[Any]:
    """What is known at some nodes, there and at their conjugates."""
    return np.concatenate([table, table.conj()])


def _bulk_share(ensemble: StructuredEnsemble) -> float:
    """Part of the directions that is the bulk's."""
    return 1.0 if ensemble.directions is None else 1.0 - ensemble.directions.weight


def _couplings(
    ensemble: StructuredEnsemble, sets: SampleSets, d: ComplexArray, seen: ComplexArray
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
    noise = np.einsum("na,mab,b->mn", mean, sets.noise, target)
    data = np.einsum("my,mny->mn", sets.seen, np.where(sets.dressed[:, None, None], dressed, bare))
    return np.asarray((_initial(ensemble, sets) - _unseen(ensemble, sets))[:, None] - data - noise)


def _initial(ensemble: StructuredEnsemble, sets: SampleSets) -> FloatArray:
    """L_0 of every row."""
    parts, target = ensemble.parts, ensemble.reduced.target
    classes, r = parts.kernels.shape[1:3]
    square = (target[: classes * r].reshape(classes, r) ** 2).sum(1)
    data = sets.seen @ (square * (parts.shares @ parts.levels))
    noise = np.einsum("a,mab,b->m", target, sets.noise, target)
    return np.asarray(data + noise + _unseen(ensemble, sets))


def _unseen(ensemble: StructuredEnsemble, sets: SampleSets) -> FloatArray:
    """What the features cannot see of the target in the data, of every row."""
    parts = ensemble.parts
    return np.asarray(sets.seen @ (ensemble.reduced.unseen * (parts.shares @ parts.levels)))


def enclosing(ensemble: StructuredEnsemble, count: int) -> Contour:
    """Contour of `count` nodes on its upper half around the spectrum, where exp(−τz) is bounded.

    It runs from the lowest floor to a bound from norms: the nodes feel the logarithm of their
    ratio only.  The trapezoidal error is about exp(−π²·count/(2 log ratio + 6)).
    """
    top = ensemble.origin + ensemble.bound
    return half_plane_contour(max(ensemble.origin, _TINY * top), top, count, HalfPlane())
