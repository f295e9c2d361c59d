"""What is simulated: a network of each kind, and the model that says what it does in the limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from validation.structured.networks import Data, Network

Array = NDArray[np.float64]

_GAUSS = 5, 3  # nodes of the windows of A and of A + B


@dataclass(frozen=True)
class Member:
    """A model, and how to draw a network of it at a finite size.

    Attributes
    ----------
    name, words : of the table, and for the page
    window : first and last diffusion time, and Gauss-Legendre nodes; one time has no window
    classes : weight, standard deviations along the two groups of directions, mean over √d
    groups : shares of the two groups
    biased : whether neurons have biases N(0, 1)
    skip : β
    """

    name: str
    words: str
    window: tuple[float, float, int]
    classes: tuple[tuple[float, tuple[float, float], float], ...]
    groups: tuple[float, float] = (0.5, 0.5)
    biased: bool = False
    skip: float = 0.0
    psi_p: float = 6.0
    psi_n: float = 3.0

    @cached_property
    def times(self) -> tuple[Array, Array]:
        """Diffusion times and their weights."""
        low, high, count = self.window
        x, w = np.polynomial.legendre.leggauss(count)
        return 0.5 * (low + high) + 0.5 * (high - low) * x, 0.5 * w

    @property
    def holds_means(self) -> bool:
        """Whether the means are part of what the network has to predict."""
        return self.skip != 0.0 and any(mean != 0.0 for *_, mean in self.classes)

    def model(self, nodes: int = 16, dimension: int | None = None) -> Any:
        """The limit, by rules of so many nodes; with means to predict, at a dimension."""
        t, shares = self.times
        classes = [
            rs.DataClass(weight, np.square(deviations), mean)
            for weight, deviations, mean in self.classes
        ]
        if self._one_time:
            return rs.MixtureModel(
                self.psi_p, self.psi_n, float(t[0]), classes, self.groups, nodes=nodes
            )
        # Two sets of nodes, biases and projections: 10 of each are as good as 16 of one.
        both = self.biased and any(mean != 0.0 for *_, mean in self.classes)
        return rs.TimeIntegratedModel(
            self.psi_p,
            self.psi_n,
            t.tolist(),
            weights=shares,
            bias_scale=1.0 if self.biased else 0.0,
            skip=self.skip,
            classes=classes,
            direction_weights=self.groups,
            output="noise",
            nodes=min(nodes, 10) if both else nodes,
            dimension=dimension if self.holds_means else None,
        )

    @property
    def _one_time(self) -> bool:
        """Whether this is the score network of arXiv 2505.17638; the others predict the noise."""
        return self.times[0].size == 1 and not self.biased and self.skip == 0.0

    def data(self, dimension: int) -> Data:
        """The classes in so many dimensions."""
        first = round(self.groups[0] * dimension)
        sizes = first, dimension - first
        variances = [np.repeat(np.square(deviations), sizes) for _, deviations, _ in self.classes]
        means = [np.full(dimension, mean) for *_, mean in self.classes]
        return Data(
            np.array([weight for weight, *_ in self.classes]), np.array(means), np.array(variances)
        )

    def samples(self, dimension: int) -> int:
        """Number of samples n."""
        return round(self.psi_n * dimension)

    def network(self, dimension: int, rng: np.random.Generator) -> Network:
        """Frozen weights of one network."""
        p = round(self.psi_p * dimension)
        w = rng.standard_normal((p, dimension))
        b = rng.standard_normal(p) if self.biased else np.zeros(p)
        t, shares = self.times
        powers = -np.expm1(-2.0 * t) if self._one_time else np.ones_like(t)
        return Network(w, b, t, shares, powers, self.skip, "tanh")


_PLAIN = ((1.0, (1.0, 1.0), 0.0),)
_SEPARATED = ((0.75, (1.0, 1.0), 1.0), (0.25, (0.6, 0.6), -1.0))

MEMBERS = {
    member.name: member
    for member in (
        Member("A", "one network for five times in [0.1, 1.5], biases N(0, 1)",
               (0.1, 1.5, _GAUSS[0]), _PLAIN, biased=True),
        Member("A, skip", "the same with a skip connection of -1",
               (0.1, 1.5, _GAUSS[0]), _PLAIN, biased=True, skip=-1.0),
        Member("B", "two clusters at +-m, |m|^2 = d, weights .75/.25, deviations 1 and .6",
               (0.1, 0.1, 1), _SEPARATED),
        Member("C", "two classes of different covariance around 0, weights .6/.4",
               (0.1, 0.1, 1),
               ((0.6, (math.sqrt(2.0), math.sqrt(0.5)), 0.0),
                (0.4, (math.sqrt(0.3), 1.0), 0.0)), (0.4, 0.6)),
        Member("A+B", "the clusters of B, one network for three times in [0.1, 1.1], biases",
               (0.1, 1.1, _GAUSS[1]), _SEPARATED, biased=True),
        Member("B, skip", "the clusters of B at t = 0.3 with a skip connection of -1",
               (0.3, 0.3, 1), _SEPARATED, skip=-1.0),
        Member("A+B, skip", "A+B with a skip connection of -1",
               (0.1, 1.1, _GAUSS[1]), _SEPARATED, biased=True, skip=-1.0),
    )
}  # fmt: skip
