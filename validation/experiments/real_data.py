r"""Real images: the law of their features, and learning curves by the exact kernel.

The law that `from_data` has of the Gaussian equivalent knows the data only through the eigenvalues
of their covariance; how far true tanh features of few effective dimensions deviate from it is told
here beside the participation ratio, and not judged. Learning curves by the exact kernel are judged:
the program is `validation.data.given_run`; here its table becomes checks, each beside what the
Gaussian equivalent says, and the curves of four settings a drawing.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import rmtspec as rs
from rmtspec.compare.networks.feature_matrices import true_features
from rmtspec.result import FewDimensionsWarning
from validation.data.given_draws import NEVER, unpacked_numbers
from validation.data.given_run import SPLITS, deviation, run_given
from validation.data.settings import SCALED_TIMES
from validation.experiments.programs import Program
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

# --- learning curves of given rows ---------------------------------------------------------------

_DRAWN = (
    ("digits, tanh, n = 128, t = 0.1", "digits, n = 128"),
    ("digits, tanh, n = 512, t = 0.1", "digits, n = 512"),
    ("patches, tanh, n = 128, t = 0.1", "photographs, n = 128"),
    ("patches, tanh, n = 512, t = 0.1", "photographs, n = 512"),
)
_SOURCES = (
    # Open and few, and below the lines, so that the lines are seen.
    (
        "networks, true features",
        {
            "color": "k",
            "lw": 0,
            "marker": "o",
            "ms": 4.5,
            "mfc": "none",
            "mew": 0.7,
            "markevery": 3,
            "zorder": 3,
        },
    ),
    ("exact kernel", {"color": "#0072b2", "lw": 1.5}),
    ("Gaussian equivalent", {"color": "#d55e00", "lw": 1.2, "ls": "--"}),
)


def _run_given(settings: Values, setup: Setup, output: Path) -> None:
    run_given(settings["scale"], setup.seed, output)


def _read_given(file: Path) -> Values:
    """The table, and the curves that are drawn, averaged over splits."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    curves: dict[str, list[Any]] = {}
    for line in lines:
        if "curves" in line:
            curves.setdefault(line["run"], []).append(line["curves"])
    drawn = {key: np.mean(curves[key], axis=0).round(5).tolist() for key, _ in _DRAWN
             if key in curves}  # fmt: skip
    return {"rows": [line for line in lines if "quantity" in line], "curves": drawn}


def _judge_given(outcomes: Sequence[Outcome]) -> list[Check]:
    return [check for row in outcomes[0].values["rows"] for check in _checks(row)]


def _checks(row: Values) -> list[Check]:
    """The exact kernel, with its verdict, and the Gaussian equivalent, measured."""
    name = f"{row['row']}: {row['quantity']}"
    networks, exact, gaussian = unpacked_numbers(
        [row[k] for k in ("networks", "exact", "gaussian")]
    )
    if "undecided" in row:
        allowed = float(row["undecided"])
    else:
        allowed = math.inf if row["limit"] is None else row["limit"] * abs(networks)
    return [
        Check(f"{name}, exact kernel", exact, networks, row["error"], allowed, row["verdict"],
              _note(row, deviation(row, "exact"))),
        measured(f"{name}, Gaussian equivalent", networks, row["error"], gaussian,
                 _note(row, deviation(row, "gaussian"))),
    ]  # fmt: skip


def _note(row: Values, off: float) -> str:
    """How far the theory is off, or who says that the time never comes."""
    if row["quantity"] == SPLITS:
        open_ = row["undecided"]
        return f"a count; undecided by 2 % of the late loss: {open_}" if open_ else "a count, exact"
    if math.isfinite(off):
        limit = "" if row["limit"] is None else f", limit {100 * row['limit']:.0f} %"
        wide = row["quantity"] == "tau_mem" and row["limit"] is not None and row["limit"] > 0.1
        return f"theory {100 * off:+.1f} %" + f"{limit}: a flat crossing" * wide
    never = [kind for kind in ("networks", "exact", "gaussian") if row[kind] == NEVER]
    return f"never: {', '.join(never)}" if never else ""


def _figures_given(outcomes: Sequence[Outcome]) -> list[Figure]:
    curves = outcomes[0].values["curves"]
    return [Figure(
        "Losses of networks with true features on pictures (dots: test above, train below), by the "
        "exact kernel of the same rows, and by their Gaussian equivalent; tanh, t = 0.1, "
        "psi_p = 6, mean of the splits.",
        lambda figure: _draw_given(figure, curves),
    )]  # fmt: skip


def _draw_given(figure: Any, curves: Values) -> None:
    panels = [(key, title) for key, title in _DRAWN if key in curves]
    axes = figure.subplots(-(-len(panels) // 2), 2, sharex=True, sharey=True, squeeze=False)
    inside = np.isfinite(SCALED_TIMES)
    for ax, (key, title) in zip(axes.ravel(), panels, strict=False):
        for (label, look), pair in reversed(list(zip(_SOURCES, curves[key], strict=True))):
            for part, losses in enumerate(pair):
                ax.plot(SCALED_TIMES[inside], np.array(losses)[inside],
                        label=label if part == 1 else None, **look)  # fmt: skip
        ax.set_title(title, fontsize=9)
    first = axes[0, 0]
    first.text(0.97, 0.49, "test", transform=first.transAxes, ha="right", va="center")
    first.text(0.97, 0.27, "train", transform=first.transAxes, ha="right", va="center")
    first.set(xscale="log", xlim=(0.3, 3e5), ylim=(0.2, 1.1))
    for ax in axes[-1]:
        ax.set_xlabel(r"$\Delta_t\tau$")
    for ax in axes[:, 0]:
        ax.set_ylabel("loss")
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper center", ncols=3, frameon=False,
                  fontsize=7.5, columnspacing=1.2, handlelength=1.8)  # fmt: skip


_PICTURES = Program(
    "pictures",
    {
        "smoke": ({"scale": "smoke"}, 8.0),
        "cpu": ({"scale": "cpu"}, 250.0),
        "gpu": ({"scale": "cpu"}, 250.0),
    },
    _run_given,
    _read_given,
)
GIVEN = Experiment(
    name="data",
    claim="The exact kernel of given rows predicts when networks on pictures learn and memorise",
    source="scikit-learn's digits; photographs and faces of scikit-image; held-out rows",
    theory="from_data with its exact kernel; its Gaussian equivalent beside it, not judged",
    statistic="least test loss, final losses, best time and window (test loss within 5 % of its "
    "gain), and quantiles of U at 10, 50 and 90 %, of true features, mean over two splits",
    tolerance="least test 1 %, final train 4 %, final test 7 %, tau_gen 6 %, tau_mem 10 % or, at "
    "flat crossings (noted), what 2 % of the late test loss move it by; other sets: least test "
    "1 %, final losses 5 %; splits without memorisation exact, but for those that 2 % of the late "
    "test loss decide; quantiles of U, floors by neuron: 20 %, 10 %, 6 %",
    plan=_PICTURES.plan,
    measure=_PICTURES.measure,
    judge=_judge_given,
    figures=_figures_given,
    needs=("tqdm", "sklearn", "skimage"),
)
EXPERIMENTS = (REAL, GIVEN)
