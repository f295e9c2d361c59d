r"""The sweeps known by name: what they compute at a point, in which units, from which arguments.

====================  ==========================================================================
name                  at every point
====================  ==========================================================================
``timescales``        training times τ_gen, τ_mem, τ_slow of `RandomFeatureModel.timescales`
``edges``             edges and masses of the families of eigenvalues, and the gap that separates
                      the fast family from all below it
``learning_curves``   `Training.learning_curves`, at one time or along `tau`
``stopping``          `Training.best_stopping` and `Training.window`
``memorisation``      `Training.memorisation_boundary`
``linear``            losses, distances and divergences of `LinearDenoiser`; its coordinate is
                      ``data["load"]``, as ``data.load`` is a method of the data set
``mixture``           stages of two classes of data, by `MixtureModel`
``time_integrated``   stages of one network for all diffusion times, by `TimeIntegratedModel`
====================  ==========================================================================

Those of random features take `path`, "ou", "ddpm", "edm" or "flow": t is then the time, alpha_bar,
sigma or s of that path.  Curves and stopping take `prediction`, a name, and `weight`: training
times are then those of the loss :math:`w|N-\zeta|^2/d` of weight w, losses those of the target ζ.

Each is a plain function of numbers: call it to see what a single point gives.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import _checks
from ..inputs.activation import ActivationLike, resolve
from ..inputs.diffusion.level import PATHS, NoiseLevel
from ..inputs.diffusion.prediction import Prediction
from ..inputs.noise import signal
from ..inputs.population import PopulationSpectrum
from ..linear.denoiser import LinearDenoiser
from ..linear.parameters import LARGEST_LOAD, SMALLEST_LOAD
from ..random_features.model import RandomFeatureModel
from ..random_features.predictions.questions import memorised_at
from . import structured
from .together import FAMILIES as FAMILIES
from .together import Result, Together, edges_together, times_together


class Quantity(NamedTuple):
    """Name for an axis of a picture, and units."""

    long_name: str
    units: str


@dataclass(frozen=True)
class Problem:
    """A function with what a sweep must know about it.

    Attributes
    ----------
    name : as the user writes it
    function : keyword arguments in, dict of scalars or arrays out
    whole : arguments that the function takes as whole arrays
    checks : what refuses wrong values of an argument before any work
    quantities : of arguments and results
    together : the same function for many points at once, if there is one
    """

    name: str
    function: Callable[..., Mapping[str, Any]]
    whole: frozenset[str] = frozenset()
    checks: Mapping[str, Callable[[str, Any], Any]] | None = None
    quantities: Mapping[str, Quantity] | None = None
    together: Together | None = None

    @classmethod
    def of(cls, func: Any) -> Problem:
        """The problem of that name, or any callable as a problem.

        Raises
        ------
        TypeError, ValueError
            If func is neither callable nor one of the names.
        """
        if callable(func):
            name = getattr(func, "__qualname__", None) or repr(func)
            return cls(name, func)
        if not isinstance(func, str):
            raise TypeError(
                f"func must be callable or one of {', '.join(BUILT_IN)}, got {_checks.shown(func)}"
            )
        _checks.choice("func", func, tuple(BUILT_IN))
        return BUILT_IN[func]

    def check_names(self, coords: Mapping[str, Any]) -> None:
        """Raise TypeError if the function cannot be called with these names."""
        try:
            signature = inspect.signature(self.function)
        except (TypeError, ValueError):  # some callables of C have none
            return
        try:
            signature.bind(**dict(coords))
        except TypeError as problem:
            bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
            names = ", ".join(map(str, bare))
            strange = [name for name in coords if name not in signature.parameters]
            hint = _checks.did_you_mean(strange[0], [*signature.parameters]) if strange else ""
            raise TypeError(
                f"coords must be the arguments of {self.name}({names}): {problem}{hint}"
            ) from None

    def check_values(self, coords: Mapping[str, Any]) -> None:
        """Raise TypeError or ValueError, with the name, for a value that no point could take."""
        for name, values in coords.items():
            if self.checks and name in self.checks:
                self.checks[name](name, values)


def timescales(
    psi_p: float,
    psi_n: float,
    t: float,
    activation: ActivationLike = "tanh",
    population: PopulationSpectrum | None = None,
    path: str = "ou",
) -> Result:
    """Training times by the spectrum, and their ratio."""
    times = _model(psi_p, psi_n, t, activation, population, path).timescales()
    return {
        "tau_gen": times.tau_gen,
        "tau_mem": times.tau_mem,
        "tau_slow": times.tau_slow,
        "ratio": times.tau_mem / times.tau_gen,
        "merged": times.merged,
    }


def edges(
    psi_p: float,
    psi_n: float,
    t: float,
    activation: ActivationLike = "tanh",
    population: PopulationSpectrum | None = None,
    path: str = "ou",
) -> Result:
    """Families of eigenvalues by name, and the relative gap below the fast one.

    `lower` and `upper` are edges where the bulks are separate, quantiles where they have merged,
    and NaN for a family that is empty.  `gap` is 1 − (upper edge of what lies below)/(lower edge of
    the fast family): 0 where the two have merged, NaN without a fast family or with nothing below.
    """
    model = _model(psi_p, psi_n, t, activation, population, path)
    table = np.full((3, len(FAMILIES)), np.nan)
    for family in model.families:
        if family.name in FAMILIES:
            table[:, FAMILIES.index(family.name)] = family.lower, family.upper, family.mass
    law = model.spectrum()
    atom = float(law.atoms[:, 1].sum())
    gap = np.nan
    fast = model.families[0] if model.families else None
    if fast is not None and fast.name == "fast" and fast.mass < 1.0 - 1e-10:
        ends = np.append(law.support[:, 1], law.atoms[:, 0])
        below = ends[ends < fast.lower]
        gap = 0.0 if fast.merged else 1.0 - float(below.max()) / fast.lower
    return {
        "family": ("family", FAMILIES),
        "lower": ("family", table[0]),
        "upper": ("family", table[1]),
        "mass": ("family", table[2]),
        "atom": atom,
        "bulks": len(law.masses),
        "gap": gap,
    }


def learning_curves(
    psi_p: float,
    psi_n: float,
    t: float,
    tau: Any,
    activation: ActivationLike = "tanh",
    population: PopulationSpectrum | None = None,
    step: float = 0.0,
    momentum: float = 0.0,
    ridge: float = 0.0,
    initial: float = 0.0,
    path: str = "ou",
    prediction: str = "score",
    weight: float = 1.0,
) -> Result:
    """Losses and score error at the training times."""
    training = _model(psi_p, psi_n, t, activation, population, path).training(
        step=step, momentum=momentum, ridge=ridge, initial=initial,
        prediction=_prediction(prediction), weight=weight,
    )  # fmt: skip
    curves = training.learning_curves(tau)
    dims = ("tau",) * np.ndim(tau)
    names = ("train", "test", "generalization", "score_error", "error")
    return {name: (dims, getattr(curves, name)) for name in names}


def stopping(
    psi_p: float,
    psi_n: float,
    t: float,
    activation: ActivationLike = "tanh",
    population: PopulationSpectrum | None = None,
    step: float = 0.0,
    momentum: float = 0.0,
    ridge: float = 0.0,
    initial: float = 0.0,
    path: str = "ou",
    prediction: str = "score",
    weight: float = 1.0,
) -> Result:
    """Best time to stop, the losses and the memorised fraction there, and the window by curves."""
    training = _model(psi_p, psi_n, t, activation, population, path).training(
        step=step, momentum=momentum, ridge=ridge, initial=initial,
        prediction=_prediction(prediction), weight=weight,
    )  # fmt: skip
    best, window = training.best_stopping(), training.window()
    return {
        "tau": best.tau,
        "train": best.train,
        "test": best.test,
        "generalization": best.generalization,
        "score_error": best.score_error,
        "memorised_fraction": memorised_at(training, best.tau),
        "tau_gen_curve": window.tau_gen_curve,
        "tau_mem_curve": window.tau_mem_curve,
    }


def memorisation(
    psi_p: float,
    t: float,
    tau: float,
    gap: float = 0.1,
    activation: ActivationLike = "tanh",
    population: PopulationSpectrum | None = None,
    path: str = "ou",
) -> Result:
    """Samples per dimension below which the model has memorised by the time tau."""
    training = _model(psi_p, 1.0, t, activation, population, path).training()
    return {"boundary": training.memorisation_boundary(tau, gap=gap)}


def linear(
    load: float,
    c: float = 0.0,
    alpha_bar: Any = None,
    population: PopulationSpectrum | None = None,
) -> Result:
    """Losses and distances of linear denoisers at alpha_bar (if given), and both divergences."""
    population = PopulationSpectrum.isotropic() if population is None else population
    model = LinearDenoiser(population, load, c)
    found: Result = {
        "kl_data_model": model.kl("data||model"),
        "kl_model_data": model.kl("model||data"),
    }
    if alpha_bar is not None:
        dims = ("alpha_bar",) * np.ndim(alpha_bar)
        for name in ("train_loss", "test_loss", "optimal_loss", "alignment", "alignment_pair"):
            found[name] = dims, getattr(model, name)(alpha_bar)
    return found


def _model(
    psi_p: float,
    psi_n: float,
    t: float,
    activation: ActivationLike,
    population: PopulationSpectrum | None,
    path: str,
) -> RandomFeatureModel:
    level = t if path == "ou" else NoiseLevel.named(path, t)
    return RandomFeatureModel(psi_p, psi_n, level, activation, population)  # type: ignore[arg-type]


def _prediction(name: str) -> Prediction | None:
    return None if name == "score" else Prediction.named(name)


def _within(low: float, high: float, *, infinite: bool = False) -> Callable[[str, Any], Any]:
    return lambda name, values: _checks.real_array(name, values, low, high, infinite=infinite)


def _positive(name: str, values: Any) -> None:
    if np.any(_checks.real_array(name, values) <= 0.0):
        raise ValueError(f"{name} must hold numbers > 0, got {np.min(values).item()!r}")


def _activation(_: str, values: Any) -> None:
    for value in values.tolist() if isinstance(values, np.ndarray) else [values]:
        resolve(value)


def _population(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, PopulationSpectrum):
        raise TypeError(f"{name} must be a PopulationSpectrum, got {_checks.shown(value)}")


def _paths(name: str, values: Any) -> None:
    for value in np.atleast_1d(np.asarray(values, dtype=object)):
        _checks.choice(name, value, PATHS)


def _predictions(_: str, values: Any) -> None:
    for value in np.atleast_1d(np.asarray(values, dtype=object)):
        if not (isinstance(value, str) and value == "score"):
            Prediction.named(value)


_TAU = "gradient-flow time, (steps)(learning rate)/d^2"
_ARGUMENTS = {
    "psi_p": Quantity("features per dimension p/d", "1"),
    "psi_n": Quantity("samples per dimension n/d", "1"),
    "t": Quantity("diffusion time, or the level of another path", "1"),
    "tau": Quantity("training time", _TAU),
    "step": Quantity("increment of the training time in one step", _TAU),
    "momentum": Quantity("momentum of the heavy ball", "1"),
    "ridge": Quantity("ridge added to the eigenvalues of U", "1"),
    "initial": Quantity("standard deviation of the first weights", "1"),
    "path": Quantity("path of the noise level t", ""),
    "prediction": Quantity("what the network predicts", ""),
    "weight": Quantity("factor on the loss", "1"),
    "gap": Quantity("generalisation loss that counts as memorisation", "1"),
    "load": Quantity("samples per dimension n/d", "1"),
    "c": Quantity("ridge added to the sample covariance", "variance of the data"),
    "alpha_bar": Quantity("signal level", "1"),
    "share": Quantity("share of the first class", "1"),
    "variance": Quantity("variance of the first class", "1"),
    "other_variance": Quantity("variance of the second class", "1"),
    "mean": Quantity("distance of the means from 0", "sqrt(d)"),
    "t_min": Quantity("first diffusion time", "1"),
    "t_max": Quantity("last diffusion time", "1"),
    "bias_scale": Quantity("standard deviation of the biases", "1"),
    "skip": Quantity("coefficient of the skip connection", "1"),
}
_STAGES = {
    "tau_gen": Quantity("90 % of the gain of the test loss", _TAU),
    "tau_mem": Quantity("half of the rise of the test loss", _TAU),
    "tau_gap": Quantity("half of the final gap of test and train loss", _TAU),
    "best_tau": Quantity("best time to stop", _TAU),
    "best_test": Quantity("least test loss", "per dimension"),
    "final_train": Quantity("train loss at the end", "per dimension"),
    "final_test": Quantity("test loss at the end", "per dimension"),
}
_CLASS_STAGES = {
    f"class_{name}": Quantity(f"{_STAGES[f'tau_{name}'].long_name}, of a class", _TAU)
    for name in ("gen", "mem", "gap")
}
_LOSSES = {
    "train": Quantity("train loss", "per dimension, 1 before training"),
    "test": Quantity("test loss", "per dimension, 1 before training"),
    "generalization": Quantity("test loss - train loss", "per dimension"),
    "score_error": Quantity("mean squared error of the score", "per dimension"),
}
_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "psi_p": _within(1e-9, 1e9),
    "psi_n": _within(1e-9, 1e9),
    "t": _positive,
    "activation": _activation,
    "population": _population,
    "tau": _within(0.0, np.inf, infinite=True),
    "step": _within(0.0, 1e100),
    "momentum": _within(0.0, np.nextafter(1.0, 0.0)),
    "ridge": _within(0.0, 1e100),
    "initial": _within(0.0, 1e100),
    "gap": _positive,
    "path": _paths,
    "prediction": _predictions,
    "weight": _within(1e-100, 1e100),
    "load": _within(SMALLEST_LOAD, LARGEST_LOAD),
    "c": _within(0.0, 1e100),
    "alpha_bar": signal,
    "share": _within(1e-6, 1.0 - 1e-6),
    "variance": _positive,
    "other_variance": _positive,
    "mean": _within(-1e6, 1e6),
    "t_min": _positive,
    "t_max": _positive,
    "bias_scale": _within(0.0, 1e6),
    "skip": _within(-1e6, 1e6),
}


def _problem(
    function: Callable[..., Result],
    results: Mapping[str, Quantity],
    *whole: str,
    together: Together | None = None,
) -> Problem:
    quantities = {
        name: _ARGUMENTS[name]
        for name in inspect.signature(function).parameters
        if name in _ARGUMENTS
    }
    return Problem(
        function.__name__, function, frozenset(whole), _CHECKS, {**quantities, **results}, together
    )


BUILT_IN: dict[str, Problem] = {
    problem.name: problem
    for problem in (
        _problem(
            timescales,
            {
                "tau_gen": Quantity("time at which the model generalises", _TAU),
                "tau_mem": Quantity("time at which the model memorises", _TAU),
                "tau_slow": Quantity("time at which training ends", _TAU),
                "ratio": Quantity("tau_mem / tau_gen", "1"),
                "merged": Quantity("whether a mass quantile stands in for an edge", "0 or 1"),
            },
            together=times_together,
        ),
        _problem(
            edges,
            {
                "lower": Quantity("lower end of the family", "eigenvalue of U"),
                "upper": Quantity("upper end of the family", "eigenvalue of U"),
                "mass": Quantity("share of the eigenvalues", "1"),
                "atom": Quantity("mass of the atom at s^2", "1"),
                "bulks": Quantity("number of bulks", "1"),
                "gap": Quantity("relative gap below the fast family", "1"),
            },
            together=edges_together,
        ),
        _problem(
            learning_curves,
            {**_LOSSES, "error": Quantity("bound on the error of the losses", "per dimension")},
            "tau",
        ),
        _problem(
            stopping,
            {
                "tau": Quantity("best time to stop", _TAU),
                **_LOSSES,
                "memorised_fraction": Quantity("memorised fraction at that time", "1"),
                "tau_gen_curve": Quantity("score error first within 10 % of its minimum", _TAU),
                "tau_mem_curve": Quantity("half of the final generalisation loss reached", _TAU),
            },
        ),
        _problem(
            memorisation,
            {"boundary": Quantity("samples per dimension where memorisation ends", "1")},
        ),
        _problem(
            linear,
            {
                "kl_data_model": Quantity("divergence D(data || model)", "nats per dimension"),
                "kl_model_data": Quantity("divergence D(model || data)", "nats per dimension"),
                "train_loss": Quantity("train loss", "per dimension"),
                "test_loss": Quantity("test loss", "per dimension"),
                "optimal_loss": Quantity("loss of infinite data", "per dimension"),
                "alignment": Quantity("distance to the map of infinite data", "per dimension"),
                "alignment_pair": Quantity("distance of maps from disjoint data", "per dimension"),
            },
            "alpha_bar",
        ),
        _problem(structured.mixture, {**_STAGES, **_CLASS_STAGES}),
        _problem(structured.time_integrated, _STAGES),
    )
}
