"""The report: every check of every file, failures red and first, nothing loaded from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from validation.__main__ import main
from validation.experiments import registry
from validation.harness.checks import compared, measured, within
from validation.harness.experiment import Experiment, Figure, Growth, Task

HARMLESS = "a < b & 'c'"


def _figure(figure: Any) -> None:
    figure.subplots().plot([0.0, 1.0], [0.0, 1.0])


def _experiment(name: str, checks: list[Any]) -> Experiment:
    return Experiment(
        name,
        f"claim of {name}: {HARMLESS}",
        "source",
        "theory",
        "statistic",
        "tolerance",
        plan=lambda scale: [Task("only", {})],
        measure=lambda task, setup: {"value": 1.0},
        judge=lambda outcomes: checks,
        figures=lambda outcomes: [Figure("caption of the figure", _figure)],
    )


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    good = [compared(f"good {i}", 1.0, 1.0 + 0.001 * i, 0.1) for i in range(60)]
    bad = [
        compared("bad one", 1.0, 3.5, 0.5, note=HARMLESS),
        measured("just measured", 2.0, 0.1),
        within("exact count", 4, 4, 4),
    ]
    table = {"first": _experiment("first", good), "second": _experiment("second", bad)}
    monkeypatch.setattr(registry, "EXPERIMENTS", table)
    folder = tmp_path / "results"
    assert main(["run", "--results", str(folder), "--processes", "1"]) == 1
    return folder


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.rows: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        self.sources += [values[name] or "" for name in ("src", "href") if name in values]
        if tag == "tr" and values.get("class"):
            self.rows.append(str(values["class"]))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open[-1] in ("dt", "li") and tag != self.open[-1]:
            self.open.pop()
        assert self.open.pop() == tag


def test_every_check_stands_in_a_page_that_needs_nothing_else(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "report.html"
    assert main(["report", "--results", str(results), "--output", str(output)]) == 1
    assert "63 checks of 2 result files, 1 failed" in capsys.readouterr().out
    text = output.read_text(encoding="utf-8")
    reader = _Reader()
    reader.feed(text)
    assert reader.open == []
    assert all(s.startswith(("#", "data:image/svg+xml;base64,")) for s in reader.sources)
    assert "<script" not in text
    # 60 good ones, three of the second, and the failed one again at the top.
    assert len(reader.rows) == 64
    assert reader.rows[0] == "failed"
    assert reader.rows.count("failed") == 2
    assert reader.rows.count("measured") == 1
    for i in range(60):
        assert f"<td>good {i}</td>" in text


def test_a_failed_check_is_red_with_theory_experiment_error_and_deviation(
    results: Path, tmp_path: Path
) -> None:
    output = tmp_path / "report.html"
    main(["report", "--results", str(results), "--output", str(output)])
    text = output.read_text(encoding="utf-8")
    row = re.search(r'<tr class="failed">.*?</tr>', text, re.DOTALL)
    assert row
    for cell in (">1<", ">3.5<", ">0.5<", ">+5.00<", ">FAILED<"):
        assert cell in row.group()
    assert re.search(r"tr\.failed td \{ background: #f", text)
    assert "a &lt; b &amp; &#x27;c&#x27;" in text
    assert HARMLESS not in text


def test_the_page_tells_machine_versions_commands_and_figures(
    results: Path, tmp_path: Path
) -> None:
    output = tmp_path / "report.html"
    main(["report", "--results", str(results), "--output", str(output)])
    text = output.read_text(encoding="utf-8")
    assert "processor" in text
    assert "numpy 2." in text
    assert "python -m validation run first --scale smoke --device cpu --seed 0" in text
    assert text.count("caption of the figure") == 4  # beside the image and as its alternative


def test_equal_results_give_equal_pages(results: Path, tmp_path: Path) -> None:
    pages = []
    for name in ("a.html", "b.html"):
        main(["report", "--results", str(results), "--output", str(tmp_path / name)])
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


def test_an_unfinished_experiment_is_told_and_not_hidden(results: Path, tmp_path: Path) -> None:
    file = results / "first.smoke.jsonl"
    file.write_text(file.read_text().splitlines()[0] + "\n")
    output = tmp_path / "report.html"
    main(["report", "--results", str(results), "--output", str(output)])
    assert "Unfinished: 0 of 1 tasks" in output.read_text(encoding="utf-8")


def test_a_run_that_was_ended_and_judged_shows_what_it_has_and_what_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        Growth("a network", "an onset", 1.25, 1.0, 1.5, (8.0, 16.0, 32.0)),
        Growth("a network", "another", -0.001, float("nan"), float("nan"), (8.0, 16.0), 1.5),
    ]
    experiment = replace(
        _experiment("first", [measured("number", 1.0)]),
        plan=lambda scale: [Task("done", {}), Task("waiting", {})],
        growth=lambda outcomes: rows * len(outcomes),
    )
    monkeypatch.setattr(registry, "EXPERIMENTS", {"first": experiment})
    folder, output = tmp_path / "results", tmp_path / "report.html"
    assert main(["run", "--results", str(folder), "--processes", "1"]) == 0
    file = folder / "first.smoke.jsonl"
    lines = [line for line in file.read_text().splitlines() if '"check"' not in line]
    head, task = lines[0], next(line for line in lines if '"task": "done"' in line)
    file.write_text(head + "\n" + task + "\n")
    assert main(["judge", "--scale", "smoke", "--results", str(folder), "first"]) == 0
    assert main(["report", "--results", str(folder), "--output", str(output)]) == 0
    text = output.read_text(encoding="utf-8")
    assert "Unfinished" not in text
    assert "1 of 2 tasks are left out" in text
    assert "<li>waiting: the run was ended before it</li>" in text
    assert text.count("caption of the figure") == 2
    assert text.count('<td class="n">1.25</td><td class="n">[1.00, 1.50]</td>') == 1
    # No minus before a zero, no interval where there is none.
    assert '<td class="n">0.00</td><td class="n">–</td><td class="n">2: 8 to 16</td>' in text
    file.write_text(head + "\n")
    with pytest.raises(SystemExit) as stop:
        main(["judge", "--scale", "smoke", "--results", str(folder), "first"])
    assert stop.value.code == 2
    assert "no task that is done" in capsys.readouterr().err


def test_exponents_in_the_documentation_are_those_of_the_page() -> None:
    root = Path(__file__).parents[3]
    page = (root / "validation/results/report.html").read_text(encoding="utf-8")
    rows = [
        [re.sub("<[^>]*>", "", cell) for cell in row.split("</td>")[:-1]]
        for row in page.split('id="exponents"')[1].split("</table>")[0].split("<tr>")[2:]
    ]
    lines = (root / "docs/validation.md").read_text(encoding="utf-8").splitlines()
    told = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines
            if line.startswith("| ") and not line.startswith("| network")]  # fmt: skip
    assert rows
    assert told == rows


def test_a_broken_file_or_an_empty_folder_leaves_the_old_page(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "report.html"
    output.write_text("old")
    (tmp_path / "empty").mkdir()
    (results / "first.smoke.jsonl").write_text('{"half": ')
    unknown = results / "second.smoke.jsonl"
    cases = [str(results), str(tmp_path / "empty"), str(tmp_path / "none")]
    for folder in cases:
        with pytest.raises(SystemExit) as stop:
            main(["report", "--results", folder, "--output", str(output)])
        assert stop.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
    (results / "first.smoke.jsonl").unlink()
    unknown.write_text(unknown.read_text().replace('"experiment": "second"', '"experiment": "x"'))
    with pytest.raises(SystemExit):
        main(["report", "--results", str(results), "--output", str(output)])
    assert "unknown experiment" in capsys.readouterr().err
    assert output.read_text() == "old"
