"""Structured ensembles: what they cost, each figure beside its target."""

from __future__ import annotations

import numpy as np

from rmtspec.ensembles.structured.ensemble import StructuredEnsemble
from rmtspec.ensembles.structured.gaps import find
from rmtspec.ensembles.structured.points import solve
from rmtspec.ensembles.structured.two_resolvent import enclosing, loss_forms
from tests.benchmarks.measuring import Figure, seconds
from validation.certificates.structured_draws import ensemble_of

_POINTS, _TIMES, _NODES = 300, 200, 40


class StructuredWorkload:
    """An ensemble at psi_p, psi_n of about 5, and the work done with it."""

    def __init__(self, types: int, classes: int, channels: int) -> None:
        self.drawn: StructuredEnsemble = ensemble_of(
            0, 3, types=types, classes=classes, channels=channels, ratios=(0.6, 0.8)
        )
        top = self.drawn.gaps.edges[-1, 1]
        self.z = top * (np.linspace(0.01, 1.0, _POINTS) + 0.02j)
        self.tau = np.geomspace(1e-2, 1e5, _TIMES)

    def points(self) -> np.ndarray:
        """Warm points."""
        return solve(self.drawn.parts, self.z).trace(self.drawn.parts)

    def law(self) -> float:
        """Edges, masses and atoms; their sum."""
        found = find(self.drawn.parts, self.drawn.bound)
        return float(found.gaps.above[0] - found.gaps.above[-1])

    def curves(self) -> np.ndarray:
        """All losses at all times."""
        contour = enclosing(self.drawn, _NODES)
        exponent = np.outer(self.tau, contour.points) / self.drawn.psi_p
        f = -np.expm1(-2.0 * exponent) / contour.points * contour.weights
        return loss_forms(self.drawn, contour.points).losses(f)


def structured_figures() -> list[Figure]:
    """Points, laws and curves of two sizes."""
    figures = []
    for name, counts, targets in (
        ("2 classes", (1, 2, 1), (50e-6, 0.05, 0.05)),
        ("16 types, 5 channels", (16, 1, 5), (2e-3, 1.0, 0.5)),
    ):
        work = StructuredWorkload(*counts)
        taken = seconds(work.points, work.law, work.curves, repeats=5)
        taken[0] /= _POINTS
        for what, value, target in zip(
            ("warm point", "edges, masses, atoms", "200 times"), taken, targets, strict=True
        ):
            figures.append(
                Figure(
                    f"{name}: {what}", 1e3 * value, "ms", f"<= {1e3 * target:g}", value <= target
                )
            )
    return figures
