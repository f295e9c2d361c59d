r"""Few channels for many: a structured ensemble in the directions that its features span.

The equations do not change under rotations of the channels.  Each class keeps the eigenvectors
:math:`E_y` of :math:`\sum_\tau\pi_\tau(K_{\tau y}+C_{\tau y}C_{\tau y}^\top)` above a tolerance,
the same number of them for every class (:math:`D_y` is the identity on the others), and the noise
slopes of all types, as vectors of classes times channels, keep the left singular vectors F above
the root of the tolerance.  Kernels in a smooth parameter have a small numerical rank: 8 channels
stand for a continuum of diffusion times.  Classes, types and joint eigenvalues that are equal are
merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .kernels.equations import Parts

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

_SAME = 1e-14  # relative difference of types, classes and floors that are equal but for rounding


class Target(NamedTuple):
    r"""What a linear readout has to predict, as the slopes of one more neuron, weights absorbed.

    Attributes
    ----------
    data : (Y, T) slopes in the data, :math:`\sqrt{\omega_k}\,a_k`
    noise : (Y, T) slopes in the noise, :math:`\sqrt{\pi_y\omega_k}\,n_k`
    """

    data: FloatArray
    noise: FloatArray


class Arrays(NamedTuple):
    """An ensemble as it is given; the shapes are those of `StructuredEnsemble`."""

    weights: FloatArray
    classes: FloatArray
    data: FloatArray
    noise: FloatArray
    kernels: FloatArray
    floors: FloatArray
    levels: FloatArray
    shares: FloatArray
    target: Target


@dataclass(frozen=True, eq=False)
class Reduced:
    """A reduced ensemble, with Y' merged classes, N' merged types, r channels, m slopes.

    Attributes
    ----------
    parts : the equations' arrays
    origin : the lowest floor
    class_of, type_of : (Y,) and (N,), where each given class and type has gone
    floors : (N', Y') floors by class, not less the origin
    noise : (Y', m, m), matrices of the noise of each class: F_yᵀF_y in the noise block
    target : (m,) u_0
    unseen : (Y',) o_y, the part of the target's data slopes outside the channels, squared
    channels : (Y', T, r) bases E_y
    directions : (Y', T, r_B) basis F of the noise slopes
    """

    parts: Parts
    origin: float
    class_of: IntArray
    type_of: IntArray
    floors: FloatArray
    noise: FloatArray
    target: FloatArray
    unseen: FloatArray
    channels: FloatArray
    directions: FloatArray


def reduce(
    psi_p: float, psi_n: float, given: Arrays, tolerance: float, *, merge: bool = True
) -> Reduced:
    """Merge what is equal, classes if asked for, and project on the channels that matter."""
    merged, class_of = given, np.arange(given.classes.size)
    if merge:
        merged, class_of = _merge_classes(given)
    merged, type_of = _merge_types(merged)
    levels, shares = _merge_levels(merged.levels, merged.shares)
    channels = _channels(merged, tolerance)
    directions = _directions(merged, tolerance)
    classes, _, r = channels.shape
    total = merged.floors @ merged.classes
    total = _leveled(total)
    origin = float(total.min())
    data = np.einsum("nyt,ytr->nyr", merged.data, channels).reshape(len(total), classes * r)
    noise = np.einsum("nyt,ytb->nb", merged.noise, directions)
    slopes = np.ascontiguousarray(np.hstack([data, noise]))
    kernels = np.einsum("nyst,ysa,ytb->nyab", merged.kernels, channels, channels)
    parts = Parts(
        psi_p,
        psi_n,
        np.ascontiguousarray(merged.weights),
        np.ascontiguousarray(merged.classes),
        slopes,
        np.ascontiguousarray(0.5 * (kernels + kernels.swapaxes(2, 3))),
        total - origin,
        np.ascontiguousarray(levels),
        np.ascontiguousarray(shares),
        int(np.linalg.matrix_rank(slopes)),
    )
    seen = np.einsum("yt,ytr->yr", merged.target.data, channels)
    unseen = (merged.target.data**2).sum(1) - (seen**2).sum(1)
    whole = (merged.target.data**2).sum(1)
    target = np.concatenate([seen.ravel(), np.einsum("yt,ytb->b", merged.target.noise, directions)])
    size = target.size
    by_class = np.zeros((classes, size, size))
    by_class[:, classes * r :, classes * r :] = np.einsum("yta,ytb->yab", directions, directions)
    return Reduced(
        parts, origin, class_of, type_of, merged.floors, by_class, target,
        np.where(unseen > 1e-13 * whole, unseen, 0.0), channels, directions,
    )  # fmt: skip


def _groups(rows: FloatArray) -> IntArray:
    """Number of the group of each row; rows that are equal but for rounding share one."""
    scale = np.abs(rows).max(axis=0)
    found: list[FloatArray] = []
    numbers = np.empty(len(rows), dtype=np.intp)
    for i, row in enumerate(rows):
        for number, other in enumerate(found):
            if np.all(np.abs(row - other) <= _SAME * scale):
                numbers[i] = number
                break
        else:
            numbers[i] = len(found)
            found.append(row)
    return numbers


def _firsts(numbers: IntArray) -> IntArray:
    """Place of the first member of every group."""
    return np.unique(numbers, return_index=True)[1]


def _merge_classes(given: Arrays) -> tuple[Arrays, IntArray]:
    """Classes whose features, floors, covariances and targets are the same."""
    count = given.classes.size
    root = np.sqrt(given.classes)
    bare = given.noise / root[:, None]
    rows = [
        given.data.swapaxes(0, 1), bare.swapaxes(0, 1), given.kernels.swapaxes(0, 1),
        given.floors.T, given.levels.T, given.target.data, given.target.noise / root[:, None],
    ]  # fmt: skip
    numbers = _groups(np.hstack([np.reshape(row, (count, -1)) for row in rows]))
    first = _firsts(numbers)
    classes = np.bincount(numbers, weights=given.classes).astype(np.float64)
    grown = np.sqrt(classes)
    target = Target(
        given.target.data[first], (given.target.noise / root[:, None])[first] * grown[:, None]
    )
    return given._replace(
        classes=classes,
        data=given.data[:, first],
        noise=bare[:, first] * grown[:, None],
        kernels=given.kernels[:, first],
        floors=given.floors[:, first],
        levels=given.levels[:, first],
        target=target,
    ), numbers


def _merge_types(given: Arrays) -> tuple[Arrays, IntArray]:
    """Types whose features and floors are the same."""
    count = given.weights.size
    rows = (given.data, given.noise, given.kernels, given.floors)
    numbers = _groups(np.hstack([np.reshape(row, (count, -1)) for row in rows]))
    first = _firsts(numbers)
    return given._replace(
        weights=np.bincount(numbers, weights=given.weights).astype(np.float64),
        data=given.data[first],
        noise=given.noise[first],
        kernels=given.kernels[first],
        floors=given.floors[first],
    ), numbers


def _merge_levels(levels: FloatArray, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Joint eigenvalues that are the same, in ascending order."""
    distinct, numbers = np.unique(levels, axis=0, return_inverse=True)
    return distinct, np.bincount(numbers.ravel(), weights=shares).astype(np.float64)


def _leveled(floors: FloatArray) -> FloatArray:
    """Floors, those that agree but for rounding set equal."""
    order = np.argsort(floors)
    leveled = floors.copy()
    for before, after in pairwise(order):
        if leveled[after] - leveled[before] <= _SAME * leveled[after]:
            leveled[after] = leveled[before]
    return leveled


def _channels(given: Arrays, tolerance: float) -> FloatArray:
    """Bases E_y (Y, T, r)."""
    total = np.einsum("n,nyst->yst", given.weights, given.kernels)
    total = total + np.einsum("n,nys,nyt->yst", given.weights, given.data, given.data)
    values, vectors = np.linalg.eigh(total)
    kept = (values > tolerance * values.max()).sum(1).max() if values.max() > 0.0 else 1
    return np.ascontiguousarray(vectors[:, :, ::-1][:, :, : max(int(kept), 1)])


def _directions(given: Arrays, tolerance: float) -> FloatArray:
    """Basis F (Y, T, r_B) of the noise slopes of types and target."""
    _, classes, channels = given.noise.shape
    columns = (np.sqrt(given.weights)[:, None, None] * given.noise).reshape(-1, classes * channels)
    both = np.vstack([columns, given.target.noise.reshape(1, -1)]).T
    left, sizes, _ = np.linalg.svd(both, full_matrices=False)
    kept = sizes > np.sqrt(tolerance) * sizes.max() if sizes.max() > 0.0 else sizes > 0.0
    return np.ascontiguousarray(left[:, kept].reshape(classes, channels, -1))
