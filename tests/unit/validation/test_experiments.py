"""Experiments: checks and their verdicts, result files that survive any interruption, refusals."""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from validation.__main__ import main
from validation.experiments import registry
from validation.harness import runner
from validation.harness.checks import (
    EXCLUDED,
    FAILED,
    MEASURED,
    PASSED,
    Check,
    averaged,
    compared,
    limit,
    measured,
    power,
    refuted,
    within,
)
from validation.harness.experiment import (
    SCALES,
    Experiment,
    Outcome,
    Setup,
    Task,
    Values,
    packed,
    unpacked,
)
from validation.harness.report import report
from validation.harness.result_file import load

ROOT = Path(__file__).parents[3]
# Plans and judgements of these tests stand inside functions, where other processes cannot see them.
ONE = ("--processes", "1")


def _measure(task: Task, setup: Setup) -> Values:
    time.sleep(task.settings.get("sleep", 0.0))
    values = setup.rng("means", task.key).normal(task.settings["mean"], 1.0, 400)
    return {"values": packed(values)}


def _judge(outcomes: Any) -> list[Check]:
    return [averaged(o.task.key, o.task.settings["mean"], o.values["values"]) for o in outcomes]


def _experiment(name: str = "means", tasks: int = 8, **settings: Any) -> Experiment:
    def plan(scale: str) -> list[Task]:
        return [Task(f"task {i}", {"mean": 1.0 * i, **settings}, 1 + i) for i in range(tasks)]

    return Experiment(
        name, "means are means", "none", "mean", "mean", "none", plan, _measure, _judge
    )


@pytest.fixture
def means(monkeypatch: pytest.MonkeyPatch) -> Experiment:
    experiment = _experiment()
    monkeypatch.setattr(registry, "EXPERIMENTS", {"means": experiment})
    return experiment


def _without_clock(path: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row.pop("seconds", None)
    return rows


# --- verdicts ------------------------------------------------------------------------------------


def test_a_right_theory_is_beyond_the_limit_once_in_ten_thousand() -> None:
    from scipy.stats import norm, t

    assert 2.0 * norm.sf(limit()) == pytest.approx(1e-4, rel=1e-9)
    assert 2.0 * t.sf(limit(6), 5) == pytest.approx(1e-4, rel=1e-9)
    assert limit(6) > limit(60) > limit()


@pytest.mark.parametrize(
    ("check", "verdict"),
    [
        (compared("x", 1.0, 1.38, 0.1), PASSED),
        (compared("x", 1.0, 1.40, 0.1), FAILED),
        (compared("x", 1.0, 1.40, 0.1, margin=0.05), PASSED),
        (compared("x", 1.0, 1.40, 0.1, draws=6), PASSED),
        (compared("x", 1.0, math.nan, 0.1), FAILED),
        (compared("x", 1.0, 1.0, math.nan), FAILED),
        (within("x", 0.95, 0.9, 1.1, 5.0), PASSED),
        (within("x", 1.11, 0.9, 1.1, 5.0), FAILED),
        (within("x", 7.0, 3.0, math.inf), PASSED),
        (within("x", 2.0, 3.0, math.inf), FAILED),
        (measured("x", 1e9, 1.0, 0.0), MEASURED),
        (refuted("x", 2.0, [1.0, 1.01, 0.99, 1.0, 1.0, 1.0]), EXCLUDED),
        (refuted("x", 1.001, [1.0, 1.01, 0.99, 1.0, 1.0, 1.0]), FAILED),
    ],
)
def test_a_verdict_follows_from_deviation_error_and_margin(check: Check, verdict: str) -> None:
    assert check.verdict == verdict


def test_a_check_survives_its_record() -> None:
    for check in (
        compared("name", 1.0, 1.25, 0.5, margin=0.25, note="why"),
        measured("open", math.nan),
        within("one-sided", 7.0, 3.0, math.inf, 0.1),
    ):
        record = json.loads(json.dumps(check.record(), allow_nan=False))
        again = Check.from_record(record)
        assert (again.name, again.verdict, again.note) == (check.name, check.verdict, check.note)
        assert record["sigmas"] is None or record["sigmas"] == pytest.approx(check.sigmas)
    assert compared("x", 1.0, 1.25, 0.5).sigmas == 0.5


def test_an_exponent_is_found_with_its_error() -> None:
    x = np.array([1.0, 2.0, 4.0, 8.0])
    slope, error = power(x, 3.0 * x**1.5)
    assert slope == pytest.approx(1.5, abs=1e-12)
    assert error < 1e-12
    # One per cent in each of two points at a factor of two: 0.01 sqrt(2)/log(2).
    slope, error = power([1.0, 2.0], [1.0, 2.0], [0.01, 0.02])
    assert (slope, error) == pytest.approx((1.0, 0.01 * math.sqrt(2.0) / math.log(2.0)))
    assert np.isnan(power([1.0, 2.0], [1.0, 2.0])[1])
    assert np.isnan(power([1.0, 2.0], [0.0, 2.0])[0])


def test_packed_numbers_come_back_with_their_digits_and_holes() -> None:
    table = np.array([[1.0 / 3.0, math.nan], [math.inf, 2.0]])
    back = unpacked(json.loads(json.dumps(packed(table), allow_nan=False)))
    np.testing.assert_allclose(back, [[1.0 / 3.0, math.nan], [math.nan, 2.0]], rtol=1e-9)


# --- runs and their files ------------------------------------------------------------------------


def test_a_run_writes_what_was_asked_what_was_claimed_and_what_was_found(
    means: Experiment, tmp_path: Path
) -> None:
    assert main(["run", *ONE, "--results", str(tmp_path)]) == 0
    found = load(tmp_path / "means.smoke.jsonl")
    assert found.arguments == {"device": "cpu", "experiment": "means", "scale": "smoke", "seed": 0}
    assert found.statement == means.statement
    assert {"python", "numpy", "rmtspec"} <= found.runs[0]["versions"].keys()
    assert found.runs[0]["machine"]["cores"] == str(os.cpu_count())
    assert list(found.tasks) == [f"task {i}" for i in range(8)]
    assert [check.verdict for check in found.checks] == [PASSED] * 8


def test_seeds_differ_between_tasks_and_not_between_runs(means: Experiment, tmp_path: Path) -> None:
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        assert main(["run", *ONE, "--results", str(tmp_path / name), "--seed", seed]) == 0
    a, b, c = (load(tmp_path / name / "means.smoke.jsonl") for name in "abc")
    one, two = a.tasks["task 0"]["values"], a.tasks["task 1"]["values"]
    assert one == b.tasks["task 0"]["values"] != c.tasks["task 0"]["values"]
    assert not np.allclose(unpacked(one["values"]) + 1.0, unpacked(two["values"]))


@pytest.mark.parametrize("stop", range(8))
def test_an_interruption_after_any_task_ends_with_the_same_file(
    means: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    arguments = ["run", "--processes", "1", "--results"]
    assert main([*arguments, str(tmp_path / "whole")]) == 0
    real: Callable[[Any], Any] = runner.one_task
    calls: list[str] = []

    def interrupted(job: runner.Job) -> Any:
        calls.append(job.task.key)
        if len(calls) == stop + 1:
            raise KeyboardInterrupt
        return real(job)

    monkeypatch.setattr(runner, "one_task", interrupted)
    assert main([*arguments, str(tmp_path / "broken")]) == 130
    file = tmp_path / "broken" / "means.smoke.jsonl"
    assert file.exists() == (stop > 0)
    assert main([*arguments, str(tmp_path / "broken")]) == 0
    assert len(calls) == 8 + 1
    assert _without_clock(file) == _without_clock(tmp_path / "whole" / "means.smoke.jsonl")


def test_a_run_killed_without_warning_ends_with_the_same_file(tmp_path: Path) -> None:
    # The real command in a process of its own, on an experiment that takes a second.
    script = tmp_path / "slow.py"
    script.write_text(
        "import sys\n"
        "from validation.harness import runner\n"
        "from validation.__main__ import main\n"
        "from validation.experiments import registry\n"
        "from tests.unit.validation.test_experiments import _experiment\n"
        "runner._SAVE_SECONDS = 0.0\n"
        "registry.EXPERIMENTS = {'means': _experiment(sleep=0.1)}\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def command(folder: str) -> list[str]:
        return [sys.executable, str(script), "run", "--processes", "1", "--results",
                str(tmp_path / folder)]  # fmt: skip

    file = tmp_path / "broken" / "means.smoke.jsonl"
    kills = 0
    for _ in range(2):
        before = len(file.read_text().splitlines()) if file.exists() else 0
        with subprocess.Popen(command("broken"), env=environment, cwd=ROOT) as process:
            deadline = time.monotonic() + 60.0
            while process.poll() is None and time.monotonic() < deadline:
                now = len(file.read_text().splitlines()) if file.exists() else 0
                if now > before + 1:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
                    break
                time.sleep(0.01)
    assert kills >= 1
    for folder in ("broken", "whole"):
        subprocess.run(command(folder), env=environment, cwd=ROOT, check=True, capture_output=True)
    whole = tmp_path / "whole" / "means.smoke.jsonl"
    assert _without_clock(file) == _without_clock(whole)


def test_the_number_of_processes_changes_no_result(tmp_path: Path) -> None:
    for count in ("1", "2"):
        folder = str(tmp_path / count)
        assert main(["run", "kl", "--processes", count, "--results", folder]) == 0
    one, two = (tmp_path / count / "kl.smoke.jsonl" for count in ("1", "2"))
    assert _without_clock(one) == _without_clock(two)


def test_a_finished_run_does_nothing_again(
    means: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["run", *ONE, "--results", str(tmp_path)]) == 0
    before = (tmp_path / "means.smoke.jsonl").read_bytes()
    monkeypatch.setattr(runner, "one_task", lambda job: pytest.fail("a task was done again"))
    assert main(["run", *ONE, "--results", str(tmp_path)]) == 0
    assert (tmp_path / "means.smoke.jsonl").read_bytes() == before


def test_a_failed_check_stays_and_ends_with_status_1(
    means: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    wrong = Experiment(
        **{**vars(means), "judge": lambda outcomes: [compared("wrong", 0.0, 1.0, 0.1)]}
    )
    monkeypatch.setattr(registry, "EXPERIMENTS", {"means": wrong})
    assert main(["run", *ONE, "--results", str(tmp_path)]) == 1
    assert "FAILED" in capsys.readouterr().out
    assert [c.verdict for c in load(tmp_path / "means.smoke.jsonl").checks] == [FAILED]


def test_a_task_that_breaks_leaves_the_others_and_is_told(
    means: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    def broken(task: Task, setup: Setup) -> Values:
        if task.key == "task 3":
            raise ArithmeticError("no such number")
        return _measure(task, setup)

    monkeypatch.setattr(
        registry, "EXPERIMENTS", {"means": Experiment(**{**vars(means), "measure": broken})}
    )
    assert main(["run", *ONE, "--results", str(tmp_path)]) == 1
    assert "no such number" in capsys.readouterr().out
    found = load(tmp_path / "means.smoke.jsonl")
    assert len(found.tasks) == 7
    assert not found.checks
    monkeypatch.setattr(registry, "EXPERIMENTS", {"means": means})
    assert main(["run", *ONE, "--results", str(tmp_path)]) == 0


def test_what_did_not_fit_the_time_is_kept_with_its_reason_and_told(
    means: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[float] = []

    def together(jobs: Any, setup: Any, seconds: float, done: Any, say: Any) -> Any:
        given.append(seconds)
        (name, first), *rest = jobs
        done(name, first.key, means.measure(first, setup), 0.5)
        return {(name, task.key): "left out: no time" for name, task in rest}

    trained = replace(means, together=together)
    everything = {"means": trained}
    runner.run(everything, ["means"], "gpu", "cpu", tmp_path, minutes=0.5)
    assert given == [30.0]
    head, *rows = (tmp_path / "means.gpu.jsonl").read_text().splitlines()
    plan = [task.key for task in means.plan("gpu")]
    assert json.loads(head)["runs"][-1]["left out"] == dict.fromkeys(plan[1:], "left out: no time")
    assert [json.loads(row)["task"] for row in rows if "task" in json.loads(row)] == plan[:1]
    assert f"{len(plan) - 1} of {len(plan)} left out" in capsys.readouterr().out
    report(everything, tmp_path, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert f"{len(plan) - 1} of {len(plan)} tasks are left out" in page
    assert "Unfinished" not in page


def test_kept_results_are_judged_anew_without_a_run(means: Experiment, tmp_path: Path) -> None:
    runner.run({"means": means}, ["means"], "smoke", "cpu", tmp_path)
    file = tmp_path / "means.smoke.jsonl"
    before = file.read_text()

    def broken(task: Task, setup: Any) -> Any:
        raise AssertionError("no task is done again")

    stricter = replace(
        means, measure=broken, judge=lambda outcomes: [within("count", len(outcomes), 0.0, 0.0)]
    )
    assert runner.judge_again({"means": stricter}, ["means"], "smoke", tmp_path) == 1
    assert '"check": "count"' in file.read_text()
    assert runner.judge_again({"means": means}, ["means"], "smoke", tmp_path) == 0
    assert file.read_text() == before


# --- refusals ------------------------------------------------------------------------------------


def _refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return told


def test_bad_requests_end_with_status_2_one_line_and_nothing_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    file = tmp_path / "file"
    file.touch()
    empty = tmp_path / "pictures"
    empty.mkdir()
    asked = ["--results", str(results)]
    assert "no-such" in _refused(["run", "no-such", *asked], capsys)
    assert "huge" in _refused(["run", "--scale", "huge", *asked], capsys)
    assert "--processes" in _refused(["run", "--processes", "0", *asked], capsys)
    for minutes in ("0", "-1", "nan", "inf", "many"):
        assert "--minutes" in _refused(["run", "--minutes", minutes, *asked], capsys)
    assert "no result file" in _refused(["judge", "slips", "--results", str(empty)], capsys)
    assert "--results" in _refused(["run", "slips", "--results", str(file)], capsys)
    assert "--results" in _refused(["run", "slips", "--results", str(file / "below")], capsys)
    assert "--images" in _refused(["run", "--images", str(tmp_path / "none"), *asked], capsys)
    if runner_has_torch():
        assert "--images" in _refused(["run", "unet-folder", *asked], capsys)
        told = _refused(["run", "unet-folder", "--images", str(empty), *asked], capsys)
        assert "at least two images" in told
    assert not list(results.glob("*.jsonl"))


def runner_has_torch() -> bool:
    """Whether PyTorch is installed."""
    try:
        runner.require(("torch",))
    except ModuleNotFoundError:
        return False
    return True


def test_a_gpu_that_is_not_there_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for command in (["run", "slips", "--results", str(tmp_path)], ["simulate"]):
        assert "finds no GPU" in _refused([*command, "--device", "cuda"], capsys)
    assert not list(tmp_path.glob("*.jsonl"))


def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    means: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    needy = Experiment(**{**vars(means), "needs": ("torch",)})
    monkeypatch.setattr(registry, "EXPERIMENTS", {"means": needy})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    told = _refused(["run", "--results", str(tmp_path)], capsys)
    assert ".[torch]" in told


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[1]\n",
        "{}\n",
        '{"arguments": {"experiment": "means"}, "runs": [], "statement": {}}\n',
        '{"arguments": {"experiment": "means", "scale": "smoke", "seed": 0, "device": "cpu"}, '
        '"runs": [], "statement": {}}\n{"task": "task 0"}\n',
        '{"arguments": {"experiment": "means", "scale": "smoke", "seed": 0, "device": "cpu"}, '
        '"runs": [], "statement": {}}\n{"check": "x", "theory": 1, "experiment": 1, "error": 0, '
        '"allowed": 0, "verdict": "fine", "note": ""}\n',
        '{"arguments": {"experiment": "means", "scale": "smoke", "seed": 7, "device": "cpu"}, '
        '"runs": [], "statement": {}}\n',
        '{"arguments": {"experiment": "means", "scale": "smoke", "seed": 0, "device": "cpu"}, '
        '"runs": [], "statement": {}}\n'
        '{"task": "task 0", "settings": {"mean": 5.0}, "values": {}, "seconds": 1.0}\n',
    ],
)
def test_a_broken_or_foreign_result_file_is_refused_and_kept(
    means: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    file = tmp_path / "means.smoke.jsonl"
    file.write_text(content)
    assert "means.smoke.jsonl" in _refused(["run", "--results", str(tmp_path)], capsys)
    assert file.read_text() == content


# --- the experiments there are -------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.EXPERIMENTS)
def test_every_experiment_states_its_claim_and_plans_different_tasks(name: str) -> None:
    experiment = registry.EXPERIMENTS[name]
    assert experiment.name == name
    assert all(experiment.statement.values())
    for scale in SCALES:
        tasks = experiment.planned(scale)
        assert len({task.key for task in tasks}) == len(tasks)
        assert tasks or scale != "cpu"
        for task in tasks:
            assert task.work > 0.0
            json.dumps(task.settings, allow_nan=False)


@pytest.mark.parametrize("name", registry.EXPERIMENTS)
def test_every_task_reaches_another_process_as_it_was_planned(name: str) -> None:
    experiment = registry.EXPERIMENTS[name]
    for task in experiment.plan("gpu"):
        job = runner.Job(experiment, task, Setup(0, "cpu", ROOT))
        sent = pickle.loads(pickle.dumps(job))
        assert sent.task == task
        assert sent.experiment.statement == experiment.statement
        assert sent.experiment.plan("gpu") == experiment.plan("gpu")


def test_the_plan_for_a_cpu_takes_under_an_hour_on_two_cores() -> None:
    works = [
        task.work
        for e in registry.EXPERIMENTS.values()
        if not e.by_request
        for task in e.plan("cpu")
    ]
    assert sum(works) / 2 < 3600.0


def test_the_list_names_every_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    assert all(f"{name}: " in told for name in registry.EXPERIMENTS)


def test_an_unknown_experiment_is_answered_with_those_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = _refused(["run", "gradient descent", "--results", str(tmp_path)], capsys)
    assert "'gradient descent'" in told
    assert "gradient-descent" in told


@pytest.mark.parametrize("name", ["slips", "norm", "kl", "transition"])
def test_fast_experiments_pass_at_the_smallest_scale(name: str, tmp_path: Path) -> None:
    experiment = registry.EXPERIMENTS[name]
    setup = Setup(0, "cpu", tmp_path)
    plan = experiment.plan("smoke")
    outcomes = [
        Outcome(task, json.loads(json.dumps(experiment.measure(task, setup)))) for task in plan
    ]
    checks = experiment.judge(outcomes)
    assert checks
    assert [check.name for check in checks if check.verdict == FAILED] == []
