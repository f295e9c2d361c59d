r"""True features of real images against the law given these very data: deviations, measured.

The law of `from_data` knows the data only through the eigenvalues of their covariance; how far
true tanh features of few effective dimensions deviate from it is told here beside the
participation ratio, and not judged.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

import rmtspec as rs
from rmtspec.compare.networks.feature_matrices import true_features
from rmtspec.result import FewDimensionsWarning
from validation.harness.checks import Check, mean_and_error, measured
from validation.harness.experiment import (
    Experiment,
    Figure,
    Outcome,
    Setup,
    Task,
    Values,
    packed,
)

_SETS = ("digits", "patches", "gaussian")
_SIZES = {"smoke": (128, 2, 2), "cpu": (512, 4, 6), "gpu": (1500, 8, 12)}
_TIME = 0.1
_QUANTILES = (0.2, 0.5, 0.8, 0.95, 0.99)


def _plan(scale: str) -> list[Task]:
    n, psi_p, draws = _SIZES[scale]
    settings = {"n": n, "psi_p": psi_p, "draws": draws}
    return [Task(name, settings, 0.3 * draws * (n / 512)) for name in _SETS]


def _data(name: str, n: int, setup: Setup) -> Any:
    rng = setup.rng("real data", name)
    if name == "digits":
        from sklearn.datasets import load_digits

        x = load_digits().data
    elif name == "patches":
        from rmtspec.inputs.samples import photographs

        x = photographs(8, patch_mean=False)
    else:
        x = rng.standard_normal((n, 64))
    x = x[rng.permutation(len(x))[:n]]
    x = x - x.mean(axis=0)
    return x / np.sqrt(np.mean(x**2))


def _model(name: str, settings: Values, setup: Setup) -> tuple[Any, rs.RandomFeatureModel]:
    x = _data(name, settings["n"], setup)
    with warnings.catch_warnings():
        # How far few dimensions can be trusted is what is measured.
        warnings.simplefilter("ignore", FewDimensionsWarning)
        return x, rs.RandomFeatureModel.from_data(x, settings["psi_p"], _TIME, kernel="gaussian")


def _measure(task: Task, setup: Setup) -> Values:
    s = task.settings
    x, model = _model(task.key, s, setup)
    d = x.shape[1]
    rows = []
    for i in range(s["draws"]):
        w = setup.rng("real data", task.key, i).standard_normal((s["psi_p"] * d, d))
        values = np.linalg.eigvalsh(true_features(w, x, _TIME, "tanh").matrix)
        rows.append(np.quantile(values, _QUANTILES))
    law = model.spectrum()
    return {
        "participation": packed(model.population.participation_ratio),
        "theory": packed(law.quantile(np.array(_QUANTILES))),
        "features": packed(rows),
    }


def _judge(outcomes: Sequence[Outcome]) -> list[Check]:
    checks = []
    for task, values in outcomes:
        ratio = values["participation"]
        for j, level in enumerate(_QUANTILES):
            relative = np.array(values["features"])[:, j] / values["theory"][j] - 1.0
            value, error, _ = mean_and_error(relative)
            checks.append(
                measured(f"{task.key}: {100 * level:g} % quantile of U, relative deviation", value,
                         error, 0.0, f"participation ratio {ratio:.1f}")
            )  # fmt: skip
    return checks


def _figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for task, values in outcomes:
            table = np.array(values["features"]) / np.array(values["theory"]) - 1.0
            error = table.std(axis=0, ddof=1) / np.sqrt(len(table))
            label = f"{task.key}, PR {values['participation']:.0f}"
            axes.errorbar(100 * np.array(_QUANTILES), 100 * table.mean(axis=0), 100 * error,
                          fmt="o-", ms=4, lw=0.8, label=label)  # fmt: skip
        axes.axhline(0.0, color="k", lw=0.8)
        axes.set(xlabel="quantile level, %", ylabel="features against law, %")
        axes.legend(frameon=False)

    return [Figure("Quantiles of U: true features of real images against the law.", draw)]


REAL = Experiment(
    name="real-data",
    claim="How far real images are from their Gaussian equivalent",
    source="scikit-learn's digits, patches of scikit-image's photographs without their mean",
    theory="from_data: the law given the data's eigenvalues",
    statistic="quantiles of the eigenvalues of true tanh features, relative deviation",
    tolerance="none: measured, with the participation ratio",
    plan=_plan,
    measure=_measure,
    judge=_judge,
    figures=_figures,
    needs=("sklearn", "skimage"),
)
EXPERIMENTS = (REAL,)
