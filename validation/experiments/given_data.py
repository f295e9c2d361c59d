r"""Learning curves on pictures by the exact kernel of given rows: judged, the Gaussian law beside.

The comparison is the program `validation.data.given_run`; here its table becomes checks, each
beside what the Gaussian equivalent says, and the curves of four settings a drawing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from validation.data.given_draws import NEVER, unpacked_numbers
from validation.data.given_run import SPLITS, deviation, run_given
from validation.data.settings import SCALED_TIMES
from validation.experiments.programs import Program
from validation.harness.checks import Check, measured
from validation.harness.experiment import Experiment, Figure, Outcome, Setup, Values

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


def _run(settings: Values, setup: Setup, output: Path) -> None:
    run_given(settings["scale"], setup.seed, output)


def _read(file: Path) -> Values:
    """The table, and the curves that are drawn, averaged over splits."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    curves: dict[str, list[Any]] = {}
    for line in lines:
        if "curves" in line:
            curves.setdefault(line["run"], []).append(line["curves"])
    drawn = {key: np.mean(curves[key], axis=0).round(5).tolist() for key, _ in _DRAWN
             if key in curves}  # fmt: skip
    return {"rows": [line for line in lines if "quantity" in line], "curves": drawn}


def _judge(outcomes: Sequence[Outcome]) -> list[Check]:
    return [check for row in outcomes[0].values["rows"] for check in _checks(row)]


def _checks(row: Values) -> list[Check]:
    """The exact kernel, with its verdict, and the Gaussian equivalent, measured."""
    name = f"{row['row']}: {row['quantity']}"
    networks, exact, gaussian = unpacked_numbers(
        [row[k] for k in ("networks", "exact", "gaussian")]
    )
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
        return "a count, exact"
    if math.isfinite(off):
        return f"theory {100 * off:+.1f} %"
    never = [kind for kind in ("networks", "exact", "gaussian") if row[kind] == NEVER]
    return f"never: {', '.join(never)}" if never else ""


def _figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    curves = outcomes[0].values["curves"]
    return [Figure(
        "Losses of networks with true features on pictures (dots: test above, train below), by the "
        "exact kernel of the same rows, and by their Gaussian equivalent; tanh, t = 0.1, "
        "psi_p = 6, mean of the splits.",
        lambda figure: _draw(figure, curves),
    )]  # fmt: skip


def _draw(figure: Any, curves: Values) -> None:
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
    _run,
    _read,
)
GIVEN = Experiment(
    name="data",
    claim="The exact kernel of given rows predicts when networks on pictures learn and memorise",
    source="scikit-learn's digits; photographs and faces of scikit-image; held-out rows",
    theory="from_data with its exact kernel; its Gaussian equivalent beside it, not judged",
    statistic="least test loss, final losses, best time and window (test loss within 5 % of its "
    "gain) of true features, mean over two splits",
    tolerance="least test 1 %, final train 4 %, final test 7 %, tau_gen 6 %, tau_mem 10 %; other "
    "sets and activations: least test 1 %, final losses 5 %; splits without memorisation exact",
    plan=_PICTURES.plan,
    measure=_PICTURES.measure,
    judge=_judge,
    figures=_figures,
    needs=("tqdm", "sklearn", "skimage"),
)
EXPERIMENTS = (GIVEN,)
