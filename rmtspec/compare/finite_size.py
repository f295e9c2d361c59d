"""What a model is at a finite dimension: whole numbers of neurons, samples and directions."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..ensembles.sample_covariance import SampleCovariance
from ..inputs.population import PopulationSpectrum
from ..random_features.model import RandomFeatureModel
from ..result import rounded

FloatArray = NDArray[np.float64]
Model: TypeAlias = RandomFeatureModel | SampleCovariance

MOST_ROWS = 30_000
"""Largest p, n or d of a matrix that is drawn: 7 GB, and hours for its eigenvalues."""

_WHOLE = 1e-9  # a count that rounding made of a load times d


class Sizes(NamedTuple):
    """d, n, and the number of eigenvalues: p neurons, or d for a sample covariance."""

    dimension: int
    samples: int
    rows: int


def at_dimension(model: Model, dimension: int | None = None) -> Model:
    r"""The model nearest to a given one that exists at dimension d.

    Loads become :math:`\mathrm{round}(\psi d)/d`, at least 1/d; the population lists d eigenvalues,
    its quantiles at (i - 1/2)/d.  What is drawn at this d should be compared with the law of this
    model: a load that is off by 1/d moves the spectrum by far more than it fluctuates.

    Parameters
    ----------
    model : RandomFeatureModel or SampleCovariance
    dimension : int in [1, 30,000]
        May be omitted where the population knows it.

    Returns
    -------
    RandomFeatureModel or SampleCovariance
        The model itself if it exists at this d.

    Raises
    ------
    TypeError, ValueError
        If model is none of the two, the dimension is no such number, not that of the data that a
        model was given, or makes p or n larger than 30,000.

    Examples
    --------
    >>> import rmtspec as rs
    >>> near = rs.at_dimension(rs.RandomFeatureModel(2.5, 1.0, 0.1), 101)
    >>> near.psi_p == 252 / 101
    True
    """
    d = checked_dimension(model, dimension)
    if misfit(model, d) is None:
        return model
    spectrum = _nearest(model.population, d)
    if isinstance(model, SampleCovariance):
        return SampleCovariance(d / _rounded(d / model.ratio, d), spectrum)
    neurons = _rounded(model.psi_p * d, d) / d
    if model.rows is not None:
        return replace(model, psi_p=neurons)
    if model.conditional and model.population.samples is not None:
        return replace(model, psi_p=neurons)
    return replace(
        model, psi_p=neurons, psi_n=_rounded(model.psi_n * d, d) / d, population=spectrum
    )


def at_whole_loads(model: Model, d: int, size: int) -> Model:
    """The model with the loads of whole numbers; its population stays what it is.

    Parameters
    ----------
    model : RandomFeatureModel or SampleCovariance
    d : dimension
    size : number of eigenvalues, p for random features
    """
    if isinstance(model, SampleCovariance):
        return SampleCovariance(d / _rounded(d / model.ratio, d), model.population)
    if abs(model.psi_p * d - size) > _WHOLE * size:
        model = replace(model, psi_p=size / d)
    samples = _rounded(model.psi_n * d, d)
    if abs(model.psi_n * d - samples) > _WHOLE * samples:
        model = replace(model, psi_n=samples / d)
    return model


def loads_used(asked: Model, used: Model) -> dict[str, dict[str, float]]:
    """Every load as it was asked for and as it is compared with."""
    names = ("ratio",) if isinstance(asked, SampleCovariance) else ("psi_p", "psi_n")
    return {
        name: {"asked": float(getattr(asked, name)), "used": float(getattr(used, name))}
        for name in names
    }


def rounding(loads: dict[str, dict[str, float]], dimension: int | None) -> list[str]:
    """A remark on the loads that were rounded, if any was."""
    moved = [
        f"{'d/n' if name == 'ratio' else name} = {load['asked']:.9g} to {load['used']:.9g}"
        for name, load in loads.items()
        if abs(load["asked"] - load["used"]) > _WHOLE * load["used"]
    ]
    whole = "n" if "ratio" in loads else "p and n"
    return [f"{', '.join(moved)}: rounded to whole {whole} at d = {dimension}"] if moved else []


def named(model: Model) -> str:
    """A model in one line."""
    if isinstance(model, SampleCovariance):
        return f"sample covariance, d/n = {rounded(float(model.ratio))}, {model.population!r}"
    word = model.activation if isinstance(model.activation, str) else "an activation of its own"
    given = " given the data" if model.conditional else ""
    return (
        f"random features{given}, psi_p = {rounded(model.psi_p)}, psi_n = {rounded(model.psi_n)}, "
        f"t = {rounded(model.t)}, {word}"
    )


def sizes(model: Model, dimension: int) -> Sizes:
    """Whole numbers of a model that fits the dimension, rounding apart.

    Raises
    ------
    ValueError
        If it does not fit.
    """
    wrong = misfit(model, dimension)
    if wrong is not None:
        raise ValueError(
            f"dimension must make {wrong}; at_dimension(model, {dimension}) is the nearest model "
            "that does, with the law to compare with"
        )
    if isinstance(model, SampleCovariance):
        return Sizes(dimension, round(dimension / model.ratio), dimension)
    return Sizes(dimension, round(model.psi_n * dimension), round(model.psi_p * dimension))


def misfit(model: Model, dimension: int) -> str | None:
    """What is not whole at a dimension, as a condition on it; None if all is."""
    if isinstance(model, SampleCovariance):
        counts = {"n = d/ratio": dimension / model.ratio}
    else:
        counts = {"p = psi_p d": model.psi_p * dimension, "n = psi_n d": model.psi_n * dimension}
    for name, count in counts.items():
        if abs(count - round(count)) > _WHOLE * count or round(count) < 1:
            return f"{name} a whole number, got {count:.9g} at dimension {dimension}"
    spectrum = model.population
    counts_of_atoms = spectrum.weights * dimension
    off = np.abs(counts_of_atoms - np.rint(counts_of_atoms))
    if np.any(off > _WHOLE * np.maximum(counts_of_atoms, 1.0)):
        worst = int(off.argmax())
        return (
            "d times the weight of every population eigenvalue a whole number, got "
            f"{counts_of_atoms[worst]:.6g} for {spectrum.eigenvalues[worst]:.6g} "
            f"at dimension {dimension}"
        )
    if spectrum.spikes.size >= counts_of_atoms.max():
        return f"d larger than the spikes need, got {spectrum.spikes.size} at dimension {dimension}"
    return None


def directions(population: PopulationSpectrum, dimension: int) -> FloatArray:
    """The d eigenvalues of a population that fits: atoms ascending, and the spikes at the end.

    Spikes take the places of directions of the most frequent atom.
    """
    counts = np.rint(population.weights * dimension).astype(int)
    counts[counts.argmax()] -= population.spikes.size
    return np.concatenate([np.repeat(population.eigenvalues, counts), population.spikes])


def checked_dimension(model: Model, dimension: int | None) -> int:
    """A dimension for a model: the argument, or what the model knows of it.

    Raises
    ------
    TypeError, ValueError
        As `at_dimension`.
    """
    if not isinstance(model, (RandomFeatureModel, SampleCovariance)):
        raise TypeError(
            f"model must be a RandomFeatureModel or a SampleCovariance, got {_checks.shown(model)}"
        )
    known = model.population.dimension
    if dimension is None:
        if known is None:
            raise ValueError("dimension must be given for a population that does not know it")
        dimension = known
    d = _checks.integer("dimension", dimension, 1, MOST_ROWS)
    if isinstance(model, RandomFeatureModel):
        if model.conditional and model.population.samples is not None and d != known:
            raise ValueError(f"dimension must be that of the data given, {known}, got {d}")
        largest, name = max((model.psi_p * d, "p = psi_p d"), (model.psi_n * d, "n = psi_n d"))
    else:
        largest, name = d / model.ratio, "n = d/ratio"
    if largest > MOST_ROWS:
        raise ValueError(
            f"dimension must keep {name} at most {MOST_ROWS:,}, got {largest:.6g} at dimension {d}"
        )
    return d


def _rounded(count: float, dimension: int) -> int:
    return max(round(count), 1)


def _nearest(population: PopulationSpectrum, dimension: int) -> PopulationSpectrum:
    """The quantiles at (i - 1/2)/d, as d eigenvalues."""
    levels = (np.arange(dimension) + 0.5) / dimension
    # A level that is a multiple of the weights, as d = 200 of 400 eigenvalues has it, takes the
    # lower one, whatever the sum of weights rounds to.
    place = np.searchsorted(np.cumsum(population.weights), levels * (1.0 - 1e-12))
    chosen = population.eigenvalues[np.minimum(place, population.eigenvalues.size - 1)]
    if chosen[-1] == 0.0:
        chosen[-1] = population.eigenvalues[-1]
    return PopulationSpectrum(
        chosen, np.ones(dimension), population.spikes, dimension=dimension,
        samples=population.samples,
    )  # fmt: skip
