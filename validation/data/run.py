"""Learning curves on handwritten digits: what theory for Gaussian data gets right on real images.

Networks with true tanh features are trained by exact gradient flow on 8x8 digits (scikit-learn's
1797 images, mean variance 1), their test loss taken on the images left over; and on Gaussian data
with the covariance of all images. Beside them stand two theories: "population", which takes that
covariance for the population, and "given data", which takes the training images as they are and
the second moments of the images left over. Everything is averaged over the same splits.

These are measurements, not tests: nothing here can fail. Theory knows digits by their second
moments alone, and in the limit of many effective dimensions; the participation ratio is 13.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rmtspec as rs
from rmtspec.inputs.samples import digits
from validation.data.draws import draw, population_curves
from validation.data.settings import PSI_P, SETTINGS, SOURCES, SPLITS, plan, times
from validation.harness.draws import Draws, rounded

Array = NDArray[np.float64]

SUMMARIES = ("best stopping tau", "least test loss", "final train loss", "final test loss")


@dataclass(frozen=True)
class DigitsRow:
    """One number of one setting: images (with standard error), Gaussian data, two theories."""

    samples: int
    t: float
    quantity: str
    images: float
    error: float
    gaussian: float
    population: float
    given_data: float


def run_digits(seed: int, output: Path | None) -> int:
    """Measure all settings, print the table and return 0."""
    draws = Draws(plan(), output, {"program": "digits", "seed": seed})
    started = time.monotonic()
    images = digits()
    draws.make(lambda run, i: {"values": rounded(draw(images, run, i, seed), 10)})
    found = {(run.samples, run.t, run.source): draws.values(run) for run in draws.runs}
    rows, early = [], []
    for n, t in SETTINGS:
        curves = {source: found[n, t, source] for source in SOURCES}
        population = population_curves(images, n, t)
        rows += _rows(n, t, curves, population)
        early.append((n, t, *_until_best(curves, population)))
    draws.save(vars(row) for row in rows)
    _print(rows, early, rs.PopulationSpectrum.from_samples(images).participation_ratio)
    print(f"{SPLITS} splits, {time.monotonic() - started:.0f} s")
    return 0


def _rows(samples: int, t: float, curves: dict[str, Array], population: Array) -> list[DigitsRow]:
    tau = times(t)
    single = np.array([summarise(curve, tau) for curve in curves["images"]])
    error = single.std(axis=0, ddof=1) / np.sqrt(len(single))
    columns = [summarise(curves[source].mean(axis=0), tau) for source in SOURCES]
    images, gaussian, given = columns
    theory = summarise(population, tau)
    return [
        DigitsRow(samples, t, name, *rounded(values, 6))
        for name, *values in zip(SUMMARIES, images, error, gaussian, theory, given, strict=True)
    ]


def summarise(curves: Array, tau: Array) -> Array:
    """Best stopping time, test loss there, and the losses at the end, of a (2, times) array."""
    train, test = curves
    best = int(np.argmin(test))
    return np.array([tau[best], test[best], train[-1], test[-1]])


def _until_best(curves: dict[str, Array], population: Array) -> list[float]:
    """Largest relative deviations of both theories, train and test, until the images' best time."""
    images = curves["images"].mean(axis=0)
    until = int(np.argmin(images[1])) + 1
    theories = (population, curves["given data"].mean(axis=0))
    return [
        float(np.max(np.abs(theory[i, :until] / images[i, :until] - 1.0)))
        for theory in theories
        for i in (0, 1)
    ]


def _print(rows: list[DigitsRow], early: list[Any], participation: float) -> None:
    print(
        f"participation ratio {participation:.1f}, psi_p = {PSI_P:g}; % is theory against images\n"
        f"{'n, t':<11} {'':<18} {'images':>9} {'s.e.':>8} {'gaussian':>9} {'population':>10} "
        f"{'%':>6} {'given data':>10} {'%':>6}"
    )
    for row in rows:
        first, second = (
            100.0 * (value / row.images - 1.0) for value in (row.population, row.given_data)
        )
        print(
            f"{f'{row.samples}, {row.t:g}':<11} {row.quantity:<18} {row.images:9.4g} "
            f"{row.error:8.1e} {row.gaussian:9.4g} {row.population:10.4g} {first:+6.1f} "
            f"{row.given_data:10.4g} {second:+6.1f}"
        )
    print("\nlargest deviation until the best stopping time, %: population train, test; given data")
    for n, t, *values in early:
        print(f"{f'{n}, {t:g}':<11} " + " ".join(f"{100.0 * value:6.1f}" for value in values))
