"""The table of questions in README.md: every call in it runs as it is written."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rmtspec as rs
import rmtspec.linear.fitted
import rmtspec.plots
import rmtspec.testing.invariants
import rmtspec.testing.strategies

README = Path(__file__).parents[2] / "README.md"


def _rows() -> list[tuple[str, str]]:
    """Question and call of every row of the table below its heading."""
    text = README.read_text().split("## Which question, which call")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    parts = [re.split(r"(?<!\\)\|", line)[1:3] for line in lines[1:]]
    return [(question.strip(), call.strip().replace("\\|", "|")) for question, call in parts]


def _names() -> dict[str, Any]:
    """What the table takes for granted, at sizes that are solved at once."""
    rng = np.random.default_rng(0)
    model = rs.RandomFeatureModel(psi_p=8, psi_n=4, t=0.1)
    tau = np.geomspace(1, 1e4, 5)
    return {
        "law": model.spectrum(),
        "training": model.training(),
        "curves": model.learning_curves(tau),
        "linear": rs.LinearDenoiser(rs.PopulationSpectrum.power_law(1, 20), [0.5, 2, 8]),
        "func": lambda a: {"b": 2.0 * a},
        "dask_client": None,
        "rs": rs,
        "np": np,
        "rmtspec": rmtspec,
        "model": model,
        "x": rng.standard_normal((60, 8)),
        "held_out": rng.standard_normal((20, 8)),
        "eigenvalues": rs.simulate(model, 20, rng=0),
        "start": model,
        "d": 20,
        "rng": 0,
        "size": 5,
        "k": 2,
        "f": np.log1p,
        "z": np.array([1 + 1j, 2 + 1j]),
        "tau": tau,
        "steps": 1000,
        "alpha_bar": 0.9,
        "exponent": 1.0,
        "dimension": 20,
        "eigenvalue": 1.0,
        "population": rs.PopulationSpectrum.power_law(1, 20),
        "load": [0.5, 2, 8],
        "c": 0.0,
        "spikes": [3.0],
        "weights": [0.5, 0.5],
        "covariance": np.eye(8),
        "psi_p": 6,
        "t": 0.1,
        "g": lambda z: model.resolvent(z).q,
        "support": model.spectrum().support,
        "ratio": 0.5,
        "lam": 0.1,
    }


def _run(snippet: str, names: dict[str, Any], last: Any) -> Any:
    """The value of one piece of code; one that begins with a dot asks the value before."""
    for piece in re.split(r"\s+(?=\.)", snippet) if snippet.startswith(".") else [snippet]:
        if piece.startswith("."):
            names["_last"] = last
            eval(f"_last{piece}", names)
            continue
        tree = ast.parse(piece)
        *before, end = tree.body
        exec(compile(ast.Module(before, []), "README.md", "exec"), names)
        if isinstance(end, ast.Expr):
            last = eval(compile(ast.Expression(end.value), "README.md", "eval"), names)
        else:
            exec(compile(ast.Module([end], []), "README.md", "exec"), names)
            if isinstance(end, ast.Assign):
                last = names[end.targets[0].id]
    return last


def _is_code(snippet: str) -> bool:
    """Whether a quoted piece is a call of its own: no option, no shell command, no keyword."""
    option = re.fullmatch(r"\w+=[^=(]*", snippet) and not re.match(r"\w+ = ", snippet)
    shell = snippet.startswith(("rmtspec ", "python -m", "report ", "run ", "-"))
    return not (option or shell) and bool(re.search(r"[.(=]", snippet))


@pytest.mark.filterwarnings("ignore::rmtspec.FewDimensionsWarning")
@pytest.mark.parametrize(("question", "call"), _rows(), ids=lambda text: text[:40])
def test_every_call_of_the_table_of_questions_runs_as_written(
    question, call, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("matplotlib").use("Agg")
    names, last = _names(), None
    for snippet in re.findall(r"`([^`]+)`", call):
        if _is_code(snippet):
            last = _run(snippet, names, last)
    import matplotlib.pyplot as plt

    plt.close("all")
