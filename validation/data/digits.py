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
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm  # type: ignore[import-untyped]

import rmtspec as rs
from rmtspec.inputs.samples import digits
from rmtspec.result import FewDimensionsWarning
from validation.curves.flow import decompose, flow_filters
from validation.curves.fresh_features import data_moments, feature_moments, fresh_moments
from validation.harness.records import read_lines, write_lines
from validation.spectra.draws import gaussian_data, generator
from validation.spectra.run import MEHLER_ORDER

Array = NDArray[np.float64]

PSI_P = 6.0
SETTINGS = ((128, 0.1), (512, 0.1), (128, 0.01), (512, 0.01))
SPLITS = 8
# Ten times a decade: the minimum of the test loss is flat, and found to about 10 % in time.
SCALED_TIMES = np.append(np.logspace(-2.0, 6.0, 81), np.inf)
SOURCES = ("images", "gaussian", "given data")
SUMMARIES = ("best stopping tau", "least test loss", "final train loss", "final test loss")
_BAR = "{desc:30.30} {percentage:3.0f} %|{bar:30}| {elapsed}, {remaining} left"


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
    arguments = {"program": "digits", "seed": seed}
    lines = read_lines(output, arguments) if output else []
    records = {_key(line): line for line in lines if "source" in line}
    started = time.monotonic()
    images = digits()
    jobs = [
        (n, t, source, split) for n, t in SETTINGS for source in SOURCES for split in range(SPLITS)
    ]
    try:
        for job in tqdm(
            [job for job in jobs if job not in records],
            desc="digits",
            leave=False,
            disable=None,
            bar_format=_BAR,
        ):
            records[job] = one_record(images, *job, seed)
    finally:
        if output:
            write_lines(output, arguments, [records[job] for job in jobs if job in records])
    rows, early = [], []
    for n, t in SETTINGS:
        curves = {
            source: np.array([records[n, t, source, i]["curves"] for i in range(SPLITS)])
            for source in SOURCES
        }
        population = _population_curves(images, n, t)
        rows += _rows(n, t, curves, population)
        early.append((n, t, *_until_best(curves, population)))
    if output:
        summary = [vars(row) for row in rows]
        write_lines(output, arguments, [records[job] for job in jobs] + summary)
    _print(rows, early, rs.PopulationSpectrum.from_samples(images).participation_ratio)
    print(f"{SPLITS} splits, {time.monotonic() - started:.0f} s")
    return 0


def _key(line: dict[str, Any]) -> tuple[int, float, str, int]:
    return line["samples"], line["t"], line["source"], line["split"]


def one_record(
    images: Array, samples: int, t: float, source: str, split: int, seed: int
) -> dict[str, Any]:
    """Train and test curve of one split: one network, or the theory given its data."""
    tau = _times(t)
    rng = generator(seed, "split", samples, split)
    order = rng.permutation(len(images))
    x, held_out = images[order[:samples]], images[order[samples:]]
    x, held_out = x - x.mean(axis=0), held_out - x.mean(axis=0)
    if source == "given data":
        with warnings.catch_warnings():
            # How far the theory goes at few effective dimensions is what is measured here.
            warnings.simplefilter("ignore", FewDimensionsWarning)
            model = rs.RandomFeatureModel.from_data(x, PSI_P, t, test=held_out)
        found = model.learning_curves(tau)
        curves = np.array([found.train, found.test])
    else:
        curves = _network(images, x, held_out, t, source, rng)
    return {
        "samples": samples,
        "t": t,
        "source": source,
        "split": split,
        "curves": [[float(f"{value:.10g}") for value in curve] for curve in curves],
    }


def _times(t: float) -> Array:
    return np.asarray(SCALED_TIMES / -np.expm1(-2.0 * t))


def _network(
    images: Array, x: Array, held_out: Array, t: float, source: str, rng: np.random.Generator
) -> Array:
    d = images.shape[1]
    w = rng.standard_normal((round(PSI_P * d), d))
    if source == "images":
        gram, v = data_moments(w, held_out, t, "tanh", MEHLER_ORDER)
        fresh = gram.matrix, v
    else:
        # In its eigenbasis: the weights have no direction of their own.
        covariance = np.linalg.eigvalsh(images.T @ images / len(images)).clip(0.0)
        x = gaussian_data(rng, len(x), covariance)
        fresh = fresh_moments(w, np.zeros((1, d)), covariance, t, "tanh")
    flow = decompose(feature_moments(w, x, fresh, t, "tanh", MEHLER_ORDER)[0])
    delta = -np.expm1(-2.0 * t)
    return np.array(flow.losses(flow_filters(flow.eigenvalues, _times(t), delta, PSI_P)))


def _population_curves(images: Array, samples: int, t: float) -> Array:
    population = rs.PopulationSpectrum.from_samples(images)
    model = rs.RandomFeatureModel(PSI_P, samples / images.shape[1], t, population=population)
    found = model.learning_curves(_times(t))
    return np.array([found.train, found.test])


def _rows(samples: int, t: float, curves: dict[str, Array], population: Array) -> list[DigitsRow]:
    tau = _times(t)
    single = np.array([summarise(curve, tau) for curve in curves["images"]])
    error = single.std(axis=0, ddof=1) / np.sqrt(len(single))
    columns = [summarise(curves[source].mean(axis=0), tau) for source in SOURCES]
    images, gaussian, given = columns
    theory = summarise(population, tau)
    return [
        DigitsRow(samples, t, name, *(float(f"{value:.6g}") for value in values))
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
