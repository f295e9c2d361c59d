"""Random parameter sets of the random-feature ensemble, and points of evaluation for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

POINTS_PER_SET = 10
EQUAL = ("psi_p = psi_n", "psi_p = 1 + psi_n", "psi_p = 1", "psi_n = 1")
NEAR = tuple(f"{name}, nearly" for name in EQUAL)
RATIOS = ("general", "far apart", *EQUAL, *NEAR)
SHARES = (0.4, 0.2, *(0.05,) * 8)
ACTIVATIONS = ("erf", "sign", "relu", "centred_relu", "gelu", "softplus", "linear", "tanh", "sine",
               "hermite2", "hermite3", "hermite5")  # fmt: skip
GIVEN_SHARE = 0.25
_SMALLEST, _LARGEST = 0.05, 1000.0
_FAR_SMALLEST, _FAR_LARGEST = 1e-6, 1e9
_MOST_DIRECTIONS = 50


@dataclass(frozen=True)
class ParameterSet:
    """One random-feature ensemble, as a user would describe it.

    `given` says that the eigenvalues are those of a data set of psi_n d samples.
    """

    index: int
    ratio: str
    psi_p: float
    psi_n: float
    t: float
    activation: str
    eigenvalues: Array
    weights: Array
    given: bool = False


@dataclass(frozen=True)
class Point:
    """A point of evaluation as its distance z - s^2 from the floor, and where it lies."""

    place: str
    distance: complex

    @property
    def outside(self) -> bool:
        """Whether the point is real and outside the support."""
        return self.place.startswith("real") and self.place != "real, in a bulk"


def parameter_set(seed: int, index: int) -> ParameterSet:
    """Return set `index`: `SHARES` of the relations between ratios in `RATIOS`.

    Ratios are log-uniform in [0.05, 1000], or in [1e-6, 1e9] where far apart; those nearly equal
    differ by 1e-14 to 1e-3. Times are log-uniform in [1e-6, 10]. Populations have 1 to 50 atoms
    over up to six decades (half of them at most 4), mean variance between 0.1 and 10; a quarter has
    an atom at zero and a fifth an atom twice. A quarter of the sets are given data, of fewer, as
    many or more samples than directions.
    """
    rng = np.random.default_rng([seed, index])
    ratio = str(rng.choice(RATIOS, p=SHARES))
    given = bool(rng.random() < GIVEN_SHARE)
    far = ratio == "far apart"
    low, high = (_FAR_SMALLEST, _FAR_LARGEST) if far else (_SMALLEST, _LARGEST)
    psi_p, psi_n = _log_uniform(rng, low, high), _log_uniform(rng, low, high)
    t = _log_uniform(rng, 1e-6, 10.0)
    activation = ACTIVATIONS[int(rng.integers(len(ACTIVATIONS)))]
    relation = ratio.removesuffix(", nearly")
    if given:
        psi_n, eigenvalues, weights = _data(rng, equal=relation == "psi_n = 1", far=far)
    else:
        eigenvalues, weights = _population(rng)
    offset = 0.0
    if ratio in NEAR:
        offset = _log_uniform(rng, 1e-14, 1e-3) * (1.0 if rng.random() < 0.5 else -1.0)
    if relation == "psi_n = 1" and not given:
        psi_n = 1.0 + offset
    equal = {"psi_p = psi_n": psi_n, "psi_p = 1 + psi_n": 1.0 + psi_n, "psi_p = 1": 1.0}
    if relation in equal:
        psi_p = equal[relation] * (1.0 + offset)
    return ParameterSet(index, ratio, psi_p, psi_n, t, activation, eigenvalues, weights, given)


def _data(rng: np.random.Generator, *, equal: bool, far: bool) -> tuple[float, Array, Array]:
    """n/d and the spectrum of n samples in d directions, n of them non-zero at most."""
    directions = int(rng.integers(1, _MOST_DIRECTIONS))
    samples = max(1, round(directions * _log_uniform(rng, 0.1, 1e6 if far else 30.0)))
    if equal or rng.random() < 0.2:
        samples = directions
    eigenvalues = 10.0 ** rng.uniform(-rng.uniform(0.0, 6.0), 0.0, directions)
    eigenvalues[samples:] = 0.0
    eigenvalues *= _log_uniform(rng, 0.1, 10.0) / eigenvalues.mean()
    return samples / directions, eigenvalues, np.full(directions, 1.0 / directions)


def _population(rng: np.random.Generator) -> tuple[Array, Array]:
    atoms = int(rng.integers(1, 51) if rng.random() < 0.5 else rng.integers(1, 5))
    eigenvalues = 10.0 ** rng.uniform(-rng.uniform(0.0, 6.0), 0.0, atoms)
    if atoms > 1 and rng.random() < 0.25:
        eigenvalues[0] = 0.0
    if atoms > 2 and rng.random() < 0.2:
        eigenvalues[-1] = eigenvalues[-2]
    weights = rng.dirichlet(np.ones(atoms))
    weights = np.maximum(weights, 1e-6)
    weights /= weights.sum()
    mean = float(weights @ eigenvalues)
    return eigenvalues * (_log_uniform(rng, 0.1, 10.0) / mean), weights


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def points(seed: int, index: int, edges: Array, atom: bool) -> list[Point]:
    """Return ten points for a law with these bulk edges, measured from the floor.

    Four have an imaginary part in [1e-12, 10]: real part inside a bulk, beside an edge, and
    anywhere; three are real and inside bulks; three are real and outside: left of the spectrum,
    right of it, and in a gap (if there is one; the gap above the atom counts).
    """
    rng = np.random.default_rng([seed, index, 1])
    gaps = [
        (float(low), float(high)) for low, high in zip(edges[:-1, 1], edges[1:, 0], strict=True)
    ]
    if atom:
        gaps.append((0.0, float(edges[0, 0])))
    top = float(edges[-1, 1])
    chosen = [
        Point("upper half plane, in a bulk", complex(_inside(rng, edges), _height(rng))),
        Point("upper half plane, in a bulk", complex(_inside(rng, edges), _height(rng))),
        Point("upper half plane, at an edge", complex(_beside(rng, edges), _height(rng))),
        Point("upper half plane, anywhere", complex(_anywhere(rng, edges), _height(rng))),
        *(Point("real, in a bulk", complex(_inside(rng, edges))) for _ in range(3)),
        Point("real, right of the spectrum", complex(top * (1.0 + _log_uniform(rng, 1e-6, 1e3)))),
        Point("real, left of the spectrum", complex(_left(rng, edges, atom))),
    ]
    if gaps:
        chosen.append(Point("real, in a gap", complex(_in_gap(rng, gaps))))
    else:
        right = top * (1.0 + _log_uniform(rng, 1e-6, 1e3))
        chosen.append(Point("real, right of the spectrum", complex(right)))
    return chosen


def _height(rng: np.random.Generator) -> float:
    return _log_uniform(rng, 1e-12, 10.0)


def _inside(rng: np.random.Generator, edges: Array) -> float:
    """Uniform in the angle of a random bulk, or in the angle of its logarithm if it is wide."""
    low, high = edges[int(rng.integers(len(edges)))]
    cosine = 0.5 * (1.0 - np.cos(np.pi * rng.uniform(1e-3, 1.0 - 1e-3)))
    if low > 0.0 and high > 30.0 * low:
        return float(low * (high / low) ** cosine)
    return float(low + (high - low) * cosine)


def _beside(rng: np.random.Generator, edges: Array) -> float:
    # Not nearer: q has a square root at an edge, so that the rounding of z alone moves it by
    # 1e-16/sqrt(relative distance); the solver then refuses with PRECISION_EXHAUSTED.
    edge = float(rng.choice(edges[edges > 0.0]))
    sign = 1.0 if rng.random() < 0.5 else -1.0
    return edge * (1.0 + sign * _log_uniform(rng, 1e-7, 1e-1))


def _anywhere(rng: np.random.Generator, edges: Array) -> float:
    size = _log_uniform(rng, 1e-2 * float(edges[edges > 0.0].min()), 1e2 * float(edges.max()))
    return size if rng.random() < 0.75 else -size


def _left(rng: np.random.Generator, edges: Array, atom: bool) -> float:
    low = float(edges[0, 0])
    if not atom and low > 0.0 and rng.random() < 0.5:
        return low * (1.0 - _log_uniform(rng, 1e-6, 1.0))
    return -_log_uniform(rng, 1e-2 * float(edges[edges > 0.0].min()), 1e2 * float(edges.max()))


def _in_gap(rng: np.random.Generator, gaps: list[tuple[float, float]]) -> float:
    low, high = gaps[int(rng.integers(len(gaps)))]
    share = 0.5 * (1.0 - np.cos(np.pi * rng.uniform(1e-3, 1.0 - 1e-3)))
    if low > 0.0:
        return float(low * (high / low) ** share)
    return float(high * _log_uniform(rng, 1e-3, 0.999))
