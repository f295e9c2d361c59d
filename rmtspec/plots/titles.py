"""Titles of pictures: the parameters of what is shown, in a line or two."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import numpy as np

from ..inputs.population import PopulationSpectrum
from ..linear.denoiser import LinearDenoiser
from ..random_features.summaries.training import differing
from ..random_features.training import Training
from ..structured.training import StructuredTraining

_LINE = 84  # letters of a line in small print over the narrowest figure that is made here
_IN_WORDS = {
    r"^(\d+) atoms in \[(.*?), (.*?)\]": r"\1 variances from \2 to \3",
    r"^\[(.*?)\], weights=\[(.*?)\]": r"variances \1 in shares \2",
    r"^variances ([^,]*) in shares 1(?=,|$)": r"variance \1",
    r"spikes=\[(.*?)\]": r"spikes \1",
    r", (mean|dimension)=[^,]*": "",
    r", samples=(\d+), fitted": r", fitted to \1 samples",
    r", samples=(\d+)": r", from \1 samples",
}  # parts of the ``repr`` of a population
_RATIOS = {"psi_p": r"\psi_p", "psi_n": r"\psi_n", "ratio": "d/n"}


def new_axes(
    size: tuple[float, float], title: str, rows: int = 1, columns: int = 1, **options: Any
) -> Any:
    """Axes of a new figure with a title; axes that a caller gives are for the caller to name.

    Parameters
    ----------
    size : width and height of the figure in inches
    title : that ``figure.suptitle`` replaces
    rows, columns, options : of ``figure.subplots``
    """
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=size, layout="constrained")
    if title:
        put(figure, title)
    return figure.subplots(rows, columns, **options)


def put(figure: Any, title: str) -> None:
    """Write a title over all axes of a figure."""
    figure.suptitle(textwrap.fill(title, _LINE), fontsize="small")


def with_symbols(line: str) -> str:
    r"""A line of a summary with its ratios as formulas.

    Examples
    --------
    >>> from rmtspec.plots.titles import with_symbols
    >>> with_symbols("random features, psi_p = 8")
    'random features, $\\psi_p$ = 8'
    """
    return re.sub(r"\bpsi_([pn])\b", r"$\\psi_\1$", line)


def parameters(of: Any, *, psi_n: bool = True) -> str:
    r"""The parameters of a model, of its training or of an ensemble, in one line.

    Parameters
    ----------
    of : Training, RandomFeatureModel, MixtureModel, TimeIntegratedModel, LinearDenoiser or Ensemble
    psi_n : bool
        Whether the samples per dimension are told.

    Examples
    --------
    >>> import rmtspec as rs
    >>> from rmtspec.plots.titles import parameters
    >>> parameters(rs.RandomFeatureModel(64, 8, 0.1).training(ridge=0.01))
    '$\\psi_p = 64$, $\\psi_n = 8$, $t = 0.1$, tanh, ridge 0.01'
    """
    training = of if isinstance(of, Training | StructuredTraining) else None
    model: Any = of if training is None else training.model
    ratios = {name: getattr(model, name, None) for name in _RATIOS}
    parts = [
        f"${_RATIOS[name]} = {value:.4g}$"
        for name, value in ratios.items()
        if value is not None and (psi_n or name != "psi_n")
    ]
    parts += _time(model)
    activation = getattr(model, "activation", None)
    if activation is not None:
        named = isinstance(activation, str)
        parts.append(activation if named else getattr(activation, "__name__", "own activation"))
    if hasattr(model, "class_weights") and len(model.class_weights) > 1:
        weights = ", ".join(f"{weight:.3g}" for weight in model.class_weights)
        parts.append(f"classes of weights {weights}")
    if isinstance(getattr(model, "population", None), PopulationSpectrum):
        parts += _population(model.population)
    if isinstance(model, LinearDenoiser) and np.ndim(model.c) == 0 and model.c:
        parts.append(f"$c = {model.c:g}$")
    if isinstance(training, Training):
        if training.prediction is not None:
            parts.append(f"prediction {training.prediction.name}")
        parts += [f"{name} {value:g}" for name, value in differing(training)]
    elif training is not None:
        settings = {name: getattr(training, name) for name in ("step", "momentum", "ridge")}
        parts += [f"{name} {value:g}" for name, value in settings.items() if value]
    return ", ".join(parts)


def of_linear(model: LinearDenoiser, level: float) -> str:
    r"""The same of a linear denoiser, which is drawn at one level :math:`\bar\alpha`."""
    return ", ".join(filter(None, [rf"$\bar\alpha = {level:.4g}$", parameters(model)]))


def _time(model: Any) -> list[str]:
    """The diffusion time, or the first and the last."""
    if getattr(model, "noise_level", None) is not None:
        return [str(model.noise_level)]
    if hasattr(model, "t"):
        return [f"$t = {model.t:g}$"]
    if hasattr(model, "setting"):
        times = model.setting.times.t
        return [f"$t$ from {times[0]:.3g} to {times[-1]:.3g}"]
    return []


def _population(population: PopulationSpectrum) -> list[str]:
    """The population, unless it is the plain one."""
    if population == PopulationSpectrum.isotropic():
        return []
    return [in_words(repr(population))]


def in_words(population: str) -> str:
    """A population in words, from its ``repr``, which is all that a stored sweep keeps of it.

    Examples
    --------
    >>> import rmtspec as rs
    >>> from rmtspec.plots.titles import in_words
    >>> in_words(repr(rs.PopulationSpectrum.power_law(1.0, 300)))
    '300 variances from 0.159 to 47.8'
    """
    words = population.removeprefix("PopulationSpectrum(").removesuffix(")")
    for form, told in _IN_WORDS.items():
        words = re.sub(form, told, words)
    return words
