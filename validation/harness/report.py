"""One HTML page of all results: every check with its verdict, figures beside, nothing to load.

The page is made from the result files alone: checks stand there as the runs judged them, figures
are drawn from the recorded values. Failed checks are red, and repeated at the top.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from validation.harness.checks import EXCLUDED, FAILED, FOLDED, MEASURED, PASSED, Check
from validation.harness.experiment import SCALES, Experiment, Figure
from validation.harness.machine import RequestError
from validation.harness.records import write_text
from validation.harness.result_file import ResultFile, load

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1280px; padding: 0 1em;
       color: #1b1b1f; background: #fff; }
h1 { font-size: 1.6em; } h2 { font-size: 1.4em; margin: 2em 0 .3em; }
h3 { font-size: 1.15em; margin: 2.2em 0 .3em; } p { max-width: 46em; }
table { border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto; }
th, td { padding: .22em .6em; text-align: left; border-bottom: 1px solid #e3e3e8;
         vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.failed td { background: #fdd9d7; color: #8c0f0a; font-weight: 600; }
tr.measured td.v { color: #666; } tr.passed td.v, tr.excluded td.v { color: #18703a; }
td.note { color: #555; max-width: 26em; } tr.failed td.note { color: #8c0f0a; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1em 1em; margin: .4em 0 1em;
     font-size: 14px; } dt { color: #666; } dd { margin: 0; }
.beside { display: flex; flex-wrap: wrap; gap: 1.5em; align-items: flex-start; }
.beside > div { max-width: 100%; } dd { overflow-wrap: anywhere; }
figure { margin: 0; } figure img { width: 460px; max-width: 100%; }
figcaption { font-size: 13px; color: #555; max-width: 460px; }
details summary { cursor: pointer; color: #245; }
.bad { color: #8c0f0a; font-weight: 600; }
"""
_INTRODUCTION = (
    "What the theory of diffusion models claims, held against sampled matrices, networks of finite "
    "size solved exactly, and networks trained with PyTorch. Each experiment states its claim, "
    "what it measures and how far it may be off before it runs. A check shows theory, experiment, "
    "standard error, their distance in standard errors, and a verdict.",
    "Read the claims first: the table below has one line for each experiment, and leads to its "
    "settings, figures and every single check. What failed stands above it, in red. Misprints of "
    "the papers, which samples exclude, come last.",
)
_EXPONENTS = (
    "An onset that is proportional to n has exponent 1, one that does not depend on n has 0. A "
    "size enters where every network got there. The last column is the theory of random features "
    "at the same sizes, with the same definition of the onset: beside networks with one fitted "
    "number, psi_p by the window at the largest n. The exponent depends on the definition; what "
    "one may conclude for a network, and what not, stands at its experiment."
)
_WORDS = {PASSED: "passed", EXCLUDED: "excluded", FAILED: "FAILED", MEASURED: "measured"}


def report(experiments: Mapping[str, Experiment], results: Path, output: Path) -> int:
    """Write the page and return the exit status: 0, or 1 if a check failed.

    `experiments` are all there are, by name and in the order of the page.

    Raises
    ------
    RequestError
        If the folder holds no result file, or one is broken; nothing is written then.
    """
    files = sorted(results.glob("*.jsonl"))
    if not files:
        raise RequestError(f"argument --results: no result file (*.jsonl) in {results}")
    found = [load(path) for path in files]
    for result in found:
        if result.experiment not in experiments:
            raise RequestError(
                f"{result.path} is of an unknown experiment {result.experiment!r}: move it away"
            )
    order = list(experiments)
    found.sort(key=lambda r: (SCALES.index(r.scale), order.index(r.experiment)))
    write_text(output, page(experiments, found))
    checks = [check for result in found for check in result.checks]
    failed = sum(check.verdict == FAILED for check in checks)
    print(f"{output}: {len(checks)} checks of {len(found)} result files, {failed} failed")
    return 1 if failed else 0


def page(experiments: Mapping[str, Experiment], results: Sequence[ResultFile]) -> str:
    """Return the HTML text."""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>rmtspec: theory and experiment</title><style>{_STYLE}</style></head><body>",
        "<h1>rmtspec: theory and experiment</h1>",
        *(f"<p>{paragraph}</p>" for paragraph in _INTRODUCTION),
        *_summary(results),
        *_growths(experiments, results),
    ]
    for scale in SCALES:
        group = [result for result in results if result.scale == scale]
        if group:
            parts.append(f"<h2>Scale {scale}</h2>")
        for result in group:
            parts += _section(experiments[result.experiment], result)
    parts += ["</body></html>", ""]
    return "\n".join(parts)


def _summary(results: Sequence[ResultFile]) -> list[str]:
    checks = [check for result in results for check in result.checks]
    count = {word: sum(check.verdict == word for check in checks) for word in _WORDS}
    finite = _judged_sigmas(checks)
    parts = [
        f"<p>{len(checks)} checks: {count[PASSED]} passed, {count[EXCLUDED]} misprints excluded, "
        f'<span class="{"bad" if count[FAILED] else ""}">{count[FAILED]} failed</span>, '
        f"{count[MEASURED]} measured and not judged. A comparison fails where theory and "
        "experiment differ by more than the margin of its experiment plus the number of standard "
        "errors that a right theory exceeds with probability 1e-4 (the programs simulate and "
        "linear have their own rule, given there). Nothing is left out of the tables.</p>",
    ]
    failed = [(r, check) for r in results for check in r.checks if check.verdict == FAILED]
    if failed:
        parts.append("<h2>Failed</h2>")
        parts += _table([check for _, check in failed], [_link(r) for r, _ in failed])
    rows = [
        f"<tr><td>{_link(r)}</td><td>{_text(r.scale)}</td><td>{_text(r.statement['claim'])}</td>"
        + "".join(
            f'<td class="n">{sum(check.verdict == word for check in r.checks)}</td>'
            for word in _WORDS
        )
        + f'<td class="n">{_duration(r.seconds)}</td></tr>'
        for r in results
    ]
    parts += [
        "<h2>Experiments</h2><table><tr><th>experiment</th><th>scale</th><th>claim</th>"
        + "".join(f'<th class="n">{word}</th>' for word in _WORDS)
        + '<th class="n">time</th></tr>',
        *rows,
        "</table>",
    ]
    if finite:
        parts.append(_picture(_all_deviations(finite)))
    return parts + _machines(results)


def _machines(results: Sequence[ResultFile]) -> list[str]:
    seen: dict[str, None] = {}
    for result in results:
        for run in result.runs:
            where = ", ".join(f"{key}: {value}" for key, value in run["machine"].items())
            using = ", ".join(f"{key} {value}" for key, value in run["versions"].items())
            seen[f"<li>{_text(where)}<br>{_text(using)}</li>"] = None
    return ["<h2>Machines and versions</h2><ul>", *seen, "</ul>"]


def _growths(experiments: Mapping[str, Experiment], results: Sequence[ResultFile]) -> list[str]:
    """Return the table of exponents in n, made from the recorded values."""
    rows = []
    for result in results:
        experiment = experiments[result.experiment]
        # A file without checks was not judged.
        outcomes = result.outcomes(experiment.planned(result.scale)) if result.checks else []
        for row in experiment.growth(outcomes) if outcomes else []:
            first, last = min(row.sizes), max(row.sizes)
            known = math.isfinite(row.low)
            cells = (
                f"{round(row.value, 2) + 0.0:.2f}",
                f"[{row.low:.2f}, {row.high:.2f}]" if known else "–",
                f"{len(row.sizes)}: {first:g} to {last:g}",
                f"{round(row.theory, 2) + 0.0:.2f}" if math.isfinite(row.theory) else "–",
            )
            numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells)
            rows.append(
                f'<tr><td><a href="#{_anchor(result)}">{_text(row.network)}</a></td>'
                f"<td>{_text(result.scale)}</td><td>{_text(row.onset)}</td>{numbers}</tr>"
            )
    if not rows:
        return []
    head = "<th>network</th><th>scale</th><th>onset</th>" + "".join(
        f'<th class="n">{name}</th>'
        for name in ("exponent", "68 % interval", "sizes", "random features")
    )
    return [
        '<h2 id="exponents">Exponents in n</h2>',
        f"<p>{_text(_EXPONENTS)}</p>",
        f"<table><tr>{head}</tr>",
        *rows,
        "</table>",
    ]


def _left_out(reasons: dict[str, str], planned: int) -> list[str]:
    if not reasons:
        return []
    rows = [f"<li>{_text(key)}: {_text(why)}</li>" for key, why in reasons.items()]
    return [
        f"<details><summary>{len(reasons)} of {planned} tasks are left out</summary><ul>",
        *rows,
        "</ul></details>",
    ]


def _section(experiment: Experiment, result: ResultFile) -> list[str]:
    plan = experiment.planned(result.scale)
    command = (
        f"python -m validation run {result.experiment} --scale {result.scale} "
        f"--device {result.arguments['device']} --seed {result.arguments['seed']}"
    )
    told = [
        f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>"
        for name, value in {**result.statement, "command": command}.items()
    ]
    parts = [
        f'<h3 id="{_anchor(result)}">{_text(result.experiment)}</h3>',
        f"<dl>{''.join(told)}</dl>",
    ]
    if experiment.reading and result.scale != "smoke":
        parts += [f"<p>{_text(line)}</p>" for line in experiment.reading.splitlines()]
    left_out = {
        task.key: str(why)
        for run in result.runs
        for task in plan
        if task.key not in result.tasks and (why := run.get("left out", {}).get(task.key))
    }
    done = sum(task.key in result.tasks for task in plan)
    if result.checks:
        # A run that was ended, and judged for what it had.
        waiting = [task.key for task in plan if task.key not in {*result.tasks, *left_out}]
        left_out |= dict.fromkeys(waiting, "the run was ended before it")
    else:
        parts.append(f'<p class="bad">Unfinished: {done} of {len(plan)} tasks are done.</p>')
    parts += _left_out(left_out, len(plan))
    table = _table(result.checks)
    if len(result.checks) > FOLDED:
        failed = [check for check in result.checks if check.verdict == FAILED]
        parts += _table(failed) if failed else []
        table = [
            f"<details><summary>all {len(result.checks)} checks</summary>",
            *table,
            "</details>",
        ]
    pictures = []
    if result.checks and done:
        result.accept(plan)
        pictures = [_picture(figure) for figure in experiment.figures(result.outcomes(plan))]
    sigmas = _judged_sigmas(result.checks)
    if not pictures and len(sigmas) > 3:
        pictures = [_picture(_all_deviations(sigmas))]
    parts += ['<div class="beside"><div>', *table, "</div><div>", *pictures, "</div></div>"]
    return parts


def _judged_sigmas(checks: Sequence[Check]) -> list[float]:
    judged = [check.sigmas for check in checks if check.verdict in (PASSED, FAILED)]
    return [sigma for sigma in judged if math.isfinite(sigma)]


def _table(checks: Sequence[Check], first: Sequence[str] = ()) -> list[str]:
    if not checks:
        return []
    head = ["check", "theory", "experiment", "s.e.", "deviation / s.e.", "allowed", "verdict"]
    cells = "".join(
        f"<th{'' if name in ('check', 'verdict') else ' class=n'}>{name}</th>" for name in head
    )
    extra = "<th>experiment</th>" if first else ""
    rows = [f"<table><tr>{extra}{cells}<th>note</th></tr>"]
    for i, check in enumerate(checks):
        where = f"<td>{first[i]}</td>" if first else ""
        rows.append(
            f'<tr class="{check.verdict}">{where}<td>{_text(check.name)}</td>'
            f'<td class="n">{_number(check.theory)}</td>'
            f'<td class="n">{_number(check.experiment)}</td>'
            f'<td class="n">{_error(check.error)}</td>'
            f'<td class="n">{_sigmas(check.sigmas)}</td>'
            f'<td class="n">{_error(check.allowed)}</td>'
            f'<td class="v">{_WORDS[check.verdict]}</td>'
            f'<td class="note">{_text(check.note)}</td></tr>'
        )
    return [*rows, "</table>"]


def _text(value: object) -> str:
    return html.escape(str(value))


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.5g}" if math.isfinite(value) else "not finite"


def _error(value: float) -> str:
    return f"{value:.2g}" if value > 0.0 and math.isfinite(value) else "–"


def _sigmas(value: float) -> str:
    return f"{value:+.2f}" if math.isfinite(value) else "–"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120.0 else f"{seconds / 60.0:.0f} min"


def _anchor(result: ResultFile) -> str:
    return f"{result.experiment}-{result.scale}"


def _link(result: ResultFile) -> str:
    return f'<a href="#{_anchor(result)}">{_text(result.experiment)}</a>'


def _all_deviations(sigmas: Sequence[float]) -> Figure:
    def draw(figure: object) -> None:
        import numpy as np

        axes = figure.subplots()  # type: ignore[attr-defined]
        edges = np.linspace(-6.0, 6.0, 49)
        inside = np.clip(sigmas, -6.0, 6.0)
        axes.hist(inside, edges, color="#7aa6c2", label="checks with an error bar")
        middle = 0.5 * (edges[1:] + edges[:-1])
        normal = np.exp(-0.5 * middle**2) / np.sqrt(2.0 * np.pi) * (edges[1] - edges[0])
        axes.plot(middle, len(sigmas) * normal, "k", lw=1, label="normal law")
        axes.set_xlabel("deviation / standard error (beyond 6: in the last bin)")
        axes.legend(frameon=False)

    return Figure("Deviations from theory; margins for finite size are not taken off.", draw)


def _picture(figure: Figure) -> str:
    """Return a drawing as an SVG inside the page (as an image, so that names cannot clash)."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    # Equal results give equal pages: no clock, and names from a fixed salt.
    with mpl.rc_context({"svg.hashsalt": "rmtspec", "svg.fonttype": "none", "font.size": 9}):
        canvas = Canvas(figsize=(5.4, 3.6), layout="constrained")
        figure.draw(canvas)
        stream = io.BytesIO()
        canvas.savefig(stream, format="svg", metadata={"Date": None})
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    caption = _text(figure.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )
