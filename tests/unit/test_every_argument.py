"""Odd values at every argument of every public signature, found by introspection.

Only a TypeError or ValueError that names the argument, or an answer without a NumPy warning within
a second.  RMTSPEC_ODD_CALLS=50000 draws that many calls, two odd arguments at a time:

    RMTSPEC_ODD_CALLS=50000 python -m pytest -s tests/unit/test_every_argument.py
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import re
import time
import warnings
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pytest

import rmtspec as rs
from rmtspec.linear.fitted import FittedDenoiser
from rmtspec.random_features.training import Training
from rmtspec.solve.pointwise import PointwiseLaw

CALLS = int(os.environ.get("RMTSPEC_ODD_CALLS", "0"))
SECONDS = 1.0
MODULES = (
    "rmtspec.plots",
    "rmtspec.inputs",
    "rmtspec.linear",
    "rmtspec.sweeps.sweep",
    "rmtspec.compare.simulate",
    "rmtspec.compare.finite_size",
    "rmtspec.compare.comparison",
)

ODD = {
    "a string": "False", "empty string": "", "none": None, "bytes": b"12",
    "bytearray": bytearray(b"12"), "memoryview": memoryview(b"12"),
    "duration": np.timedelta64(3, "s"), "durations": np.array([1, 2], dtype="m8[s]"),
    "date": np.datetime64("2020-01-01"), "masked": np.ma.masked,
    "masked array": np.ma.array([1.0, 2.0], mask=[0, 1]), "unmasked": np.ma.array([0.5]),
    "masked entry": [1.0, np.ma.masked], "huge": 10**400, "huger": 10**5000,
    "minus huge": -(10**400),
    "list of huge": [10**400], "long double": np.longdouble("1e4000"), "many": 10**30,
    "70 dimensions": (1,) * 70, "zero": 0, "minus one": -1, "tiny": 5e-324, "small": 1e-300,
    "large": 1e300, "nan": np.nan, "inf": np.inf, "complex": 1j, "true": True, "np.true": np.True_,
    "fraction": Fraction(1, 2), "int8": np.int8(3), "0-d": np.array(0.5),
    "float32": np.float32(0.5),
    "list": [], "nested": [[1.0], [1.0, 2.0]], "strings": ["a"], "nones": [None], "dict": {},
    "object": object(), "set": {1.0}, "lambda": len, "class": int, "cube": np.ones((2, 2, 2)),
    "record": np.zeros(2, dtype=[("a", "f8")]), "objects": np.array([1.0, None], dtype=object),
}  # fmt: skip

POPULATION = rs.PopulationSpectrum([0.5, 1.5], [0.5, 0.5], dimension=10)
MODEL = rs.RandomFeatureModel(8.0, 4.0, 0.1, "erf", POPULATION)
ROWS = np.random.default_rng(0).normal(size=(12, 3))
LINEAR = rs.LinearDenoiser(POPULATION, 2.0, 0.1)
CURVES = MODEL.learning_curves([0.1, 1.0, 10.0])
with warnings.catch_warnings():
    warnings.simplefilter("ignore", rs.FewDimensionsWarning)
    BY_NEURON = rs.RandomFeatureModel.from_data(ROWS, 8.0, 0.1).spectrum_by_neuron()
MIXTURE = rs.MixtureModel(4.0, 2.0, 0.1, [rs.DataClass(0.6, 1.0), rs.DataClass(0.4, 0.5)])
CLASS_CURVES = MIXTURE.learning_curves([0.1, 1.0, 10.0])
OBJECTS = {
    rs.PopulationSpectrum: POPULATION, rs.RandomFeatureModel: MODEL,
    rs.SampleCovariance: rs.SampleCovariance(0.5, POPULATION), rs.SpectralLaw: MODEL.spectrum(),
    rs.LinearDenoiser: LINEAR,
    rs.NoiseSchedule: rs.NoiseSchedule.linear(20),
    Training: MODEL.training(), type(CURVES): CURVES, type(MODEL.timescales()): MODEL.timescales(),
    FittedDenoiser: FittedDenoiser.from_data(ROWS, np.eye(3), 0.1),
    PointwiseLaw: BY_NEURON,
    rs.NoiseLevel: rs.NoiseLevel.flow(0.4), rs.Prediction: rs.Prediction.velocity(),
    rs.DataClass: rs.DataClass(0.5, 1.0), rs.MixtureModel: MIXTURE,
    rs.TimeIntegratedModel: rs.TimeIntegratedModel(4.0, 2.0, [0.1, 0.5], nodes=4),
    type(MIXTURE.training()): MIXTURE.training(), type(CLASS_CURVES): CLASS_CURVES,
}  # fmt: skip
LEVEL = rs.NoiseLevel.flow(0.4)
COMPARED = MODEL.training().compare(["noise", "data"], flips=False)
OBSERVED = rs.simulate(MODEL, 10, 0)
EXTRA = {
    "psi_p": 8.0, "psi_n": 4.0, "t": 0.1, "load": 2.0, "alpha_bar": 0.5, "tau": 1.0, "x": ROWS,
    "covariance": np.eye(3), "sample_covariance": np.eye(3), "eigenvalues": [0.5, 1.5], "k": 2,
    "u": 0.5, "z": 1j, "f": np.sin, "size": 3, "samples": 20, "dimension": 10, "exponent": 1.0,
    "beta": [0.01, 0.02], "eigenvalue": 1.0, "ratio": 0.5, "population": POPULATION,
    "variance": 1.0, "schedule": rs.NoiseSchedule.linear(20), "activation": "tanh",
    "report": rs.stopping_report(np.random.default_rng(1).normal(size=(30, 3))),
    "func": "timescales", "coords": {"psi_p": [8.0], "psi_n": 4.0, "t": 0.1},
    "progress": False, "law": MODEL.spectrum(), "curves": CURVES, "model": LINEAR,
    "direction": "data||model", "other": OBJECTS[FittedDenoiser], "rng": 0, "ax": None, "steps": 10,
    "rate": 0.1, "noise": "beta", "alpha": 0.5, "sigma": 0.5, "s": 0.5, "level": LEVEL,
    "path": "flow", "value": 0.5, "source": "noise", "prediction": "velocity",
    "weight": 0.5, "times": [0.1, 0.5],
    "classes": [rs.DataClass(1.0, 1.0)],
}  # fmt: skip
# Good values that only one signature takes.
OWN = {
    ("density", "x"): 1.0, ("cdf", "x"): 1.0, ("pdf", "x"): 1.0, ("to_dataframe", "x"): [1.0],
    ("to_xarray", "x"): [1.0], ("plot_collapse", "curves"): {4.0: CURVES},
    ("plot_against_load", "model"): rs.LinearDenoiser(POPULATION, [1.0, 2.0], 0.1),
    ("plot_pointwise", "law"): BY_NEURON,
    ("plot_directions", "eigenvalues"): [0.5, 1.5],
    ("plot_directions", "curves"): MODEL.learning_curves([0.1, 1.0], directions=[0.5, 1.5]),
    ("finite_sample", "samples"): 40,
    ("Training", "model"): MODEL,
    ("Prediction", "noise"): 1.0, ("Prediction", "data"): 1.0, ("ddpm", "alpha_bar"): 0.5,
    ("time_at_fraction", "beta"): 0.1,
    ("StructuredTraining", "model"): MIXTURE,
    ("plot_class_curves", "curves"): CLASS_CURVES, ("DataClass", "eigenvalues"): 1.0,
    **{(name, "model"): MODEL for name in ("simulate", "simulate_curves", "draws", "at_dimension")},
    ("simulate_curves", "dimension"): None,
    ("compare", "model"): MODEL, ("compare", "observed"): OBSERVED,
    ("plot_comparison", "comparison"): rs.compare(OBSERVED, MODEL),
    ("plot_predictions", "comparison"): COMPARED,
    ("estimate_population", "x"): np.random.default_rng(1).normal(size=(24, 3)),
}  # fmt: skip
# What is not called here, and why.
LEFT = {
    "check_off_support": "takes an array that stieltjes has checked",
    "sizes": "takes a model and a dimension that are checked", "checked_dimension": "the same",
    "panels": "of an ensemble: edges that a law has found",
    "boundary": "of an ensemble: arrays that a law has checked",
    "transform": "of an ensemble: arrays that a law has checked",
    "determinant": "of an ensemble: points of a contour", "spiked": "of an ensemble: the same",
    "digits": "no argument", "headline": "text of a summary", "describe": "text of a summary",
    "losses": "takes an optimum of its own",
    "read_text_table": "files are tested with their readers",
    "to_json": "any keyword is an entry", "read_samples": "files are tested with their readers",
    "photographs": "a data set, tested with its reader", "plot_map": "tested with its data sets",
    "plot_diagram": "tested with its data sets", "figure_size": "tested with its data sets",
    "save": "files are tested with the plots", "check_target": "files are tested with the plots",
    "mark_timescales": "draws into an axis of the caller", "signal": "takes the name as well",
    "as_rows": "takes the name as well", "refuse_row_numbers": "takes the name as well",
    "forms": "takes flat times of best_skip", "sketched_forms": "the same",
    "measure": "rows that from_data has checked", "learning_curves": "",
}  # fmt: skip
LEFT.pop("learning_curves")


KNOWN = {
    ("plot_against_load", "alpha_bar", "small"): "matplotlib's own warning: nothing is above 0",
    ("Training.summary", "directions", "tiny"): "named as a spike",
    ("Training.summary", "directions", "small"): "named as a spike",
    ("TimeIntegratedModel", "activation", "class"): "int jumps at every number that biases reach",
    ("sweep", "func", "lambda"): "coords are not what the function takes: they are named",
    ("RandomFeatureModel.from_data", "activation", "class"): "int jumps: said as documented",
    ("sweep", "func", "class"): "RuntimeError, as documented: no point could be computed",
}
# Work in proportion to the entries, of which one odd value has 70, or to what f asks for.
SLOW = ("Training.kl_bound", "Training.summary", "Training.compare", "SpectralLaw.integrate")


def public_signatures():
    """(name, callable, owner) of what is exported, what it returns, and documented functions."""
    for kind, instance in OBJECTS.items():
        yield kind.__name__, kind, None
        for name, member in inspect.getmembers(kind):
            if not name.startswith("_") and callable(member) and name not in LEFT:
                yield f"{kind.__name__}.{name}", getattr(instance, name), instance
    for found in pkgutil.walk_packages(rs.__path__, "rmtspec."):
        if not found.name.startswith(MODULES) or "gaussian" in found.name:
            continue
        module = importlib.import_module(found.name)
        for name, member in vars(module).items():
            documented = inspect.isfunction(member) and "Raises\n" in (member.__doc__ or "")
            own = documented and member.__module__ == module.__name__
            if own and not name.startswith("_") and name not in LEFT:
                yield name, member, None


def cases():
    for name, call, _ in public_signatures():
        if name in (
            "LearningCurves",
            "ClassCurves",
            "Timescales",
            "FittedDenoiser",
            "SpectralLaw",
            "PointwiseLaw",
        ):
            continue  # made by the package, not by users
        if name == "LinearDenoiser.plot":
            continue  # plot_against_load, for a row of loads
        parameters = inspect.signature(call).parameters.values()
        named = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        if named:
            yield name, call, named


def good(name, parameter):
    last = name.rpartition(".")[2]
    if (last, parameter.name) in OWN:
        return OWN[last, parameter.name]
    if parameter.default is not parameter.empty:
        return EXTRA["progress"] if parameter.name == "progress" else parameter.default
    return EXTRA[parameter.name]


def fault(name, call, arguments, odd):
    """What is wrong with a call, or nothing."""
    names = "|".join(re.escape(n) for n in odd)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.process_time()
        try:
            call(**arguments)
        except (TypeError, ValueError) as problem:
            if not re.search(rf"\b({names})\b", str(problem)):
                return f"names no argument: {problem!r:.150}"
        except Exception as problem:
            return f"raises {problem!r:.150}"
        finally:
            plt.close("all")
        took = time.process_time() - start
    kinds = {warning.category for warning in caught} - {
        rs.ConvergenceWarning, rs.FewDimensionsWarning, rs.DataWarning,
    }  # fmt: skip
    if kinds:
        return f"leaks {caught[0].message!r:.150}"
    return f"takes {took:.1f} s" if took > SECONDS and name not in SLOW else ""


def lasting(*of):
    """A fault that is still there the second time, if it is one of time: kernels are compiled."""
    said = fault(*of)
    return fault(*of) if said.startswith("takes") else said


def warmed(name, call, parameters):
    arguments = {p.name: good(name, p) for p in parameters}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call(**arguments)
    plt.close("all")
    return arguments


CASES = list(cases())


@pytest.mark.parametrize(("name", "call", "parameters"), CASES, ids=[name for name, *_ in CASES])
def test_odd_values_are_refused_by_name_or_answered(name, call, parameters, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a string is a path to some
    arguments = warmed(name, call, parameters)
    wrong = [
        f"{name}({parameter.name}={kind}) {said}"
        for parameter in parameters
        for kind, value in ODD.items()
        if (name, parameter.name, kind) not in KNOWN
        and (said := lasting(name, call, {**arguments, parameter.name: value}, [parameter.name]))
    ]
    assert not wrong, "\n".join(wrong)


def test_walk_meets_every_exported_class():
    met = {name.partition(".")[0] for name, *_ in public_signatures()}
    exported = {n for n in rs.__all__ if inspect.isclass(getattr(rs, n))}
    assert exported - met <= {
        "ConvergenceWarning", "DataWarning", "FewDimensionsWarning", "Status",
    }  # fmt: skip
    assert {"sweep", "plot_spectrum", "finite_sample"} <= met


@pytest.mark.skipif(not CALLS, reason="many calls: set RMTSPEC_ODD_CALLS")
def test_many_odd_calls(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng, wrong = np.random.default_rng(0), {}
    kinds = list(ODD)
    ready = [(name, call, ps, warmed(name, call, ps)) for name, call, ps in CASES]
    for _ in range(CALLS):
        name, call, parameters, arguments = ready[rng.integers(len(ready))]
        count = min(len(parameters), int(rng.integers(1, 3)))
        odd = [parameters[i].name for i in rng.choice(len(parameters), count, replace=False)]
        drawn = {key: kinds[rng.integers(len(kinds))] for key in odd}
        said = fault(name, call, {**arguments, **{k: ODD[v] for k, v in drawn.items()}}, odd)
        if said and not any((name, key, kind) in KNOWN for key, kind in drawn.items()):
            wrong[f"{name}({drawn})"] = said
    print(f"{CALLS} odd calls, {len(wrong)} faults")
    assert not wrong, "\n".join(f"{call} {said}" for call, said in wrong.items())
