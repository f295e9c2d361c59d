"""Run experiments: tasks in any order and on any number of processes, results always the same.

A task's values depend on the seed, the experiment and the task alone, and every file is written
whole, so that a run that was killed and started again ends with the same files (but for the
seconds that tasks took).
"""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm  # type: ignore[import-untyped]

from validation.harness.checks import FAILED, FOLDED, Check
from validation.harness.experiment import Experiment, Setup, Task, Together, Values
from validation.harness.machine import (
    RequestError,
    machine,
    one_thread,
    require,
    require_device,
    versions,
)
from validation.harness.records import ForeignRecordsError
from validation.harness.result_file import ResultFile, load, path_of, resume

_SAVE_SECONDS = 2.0
_BAR = "{desc:44.44} {percentage:3.0f} %|{bar:24}| {elapsed}, {remaining} left"


_Done = tuple[str, str, dict[str, Any] | str]


@dataclass(frozen=True)
class Job:
    """One task of one experiment, as it is sent to another process."""

    experiment: Experiment
    task: Task
    setup: Setup


@dataclass
class _Unfinished:
    """An experiment under way."""

    experiment: Experiment
    plan: list[Task]
    result: ResultFile
    errors: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    saved: float = 0.0

    @property
    def missing(self) -> list[Task]:
        known = {*self.result.tasks, *self.left_out}
        return [task for task in self.plan if task.key not in known]

    def save(self) -> None:
        self.result.save(self.plan)
        self.saved = time.monotonic()


def run(
    experiments: Mapping[str, Experiment],
    names: Sequence[str],
    scale: str,
    device: str,
    results: Path,
    seed: int = 0,
    processes: int = 1,
    images: Path | None = None,
    minutes: float = 9.0,
) -> int:
    """Run experiments, print their checks and return the exit status: 0 passed, 1 failed.

    Parameters
    ----------
    experiments :
        All there are, by name.
    names :
        What is run of them; by default everything that needs no more than a scale and a device.
    scale, device, results, seed, processes, images, minutes :
        As on the command line.

    Raises
    ------
    RequestError
        Before any work, if something that was asked for cannot be done.
    """
    chosen = [_find(experiments, name) for name in names]
    chosen = chosen or [each for each in experiments.values() if not each.by_request]
    require_device(device)
    for experiment in chosen:
        require(experiment.needs)
    folder = _folder(results)
    setup = Setup(seed, device, folder, images)
    under_way = [_begin(experiment, scale, results, setup) for experiment in chosen]
    here = {"machine": machine(device), "versions": versions()}
    for entry in under_way:
        if entry.missing and here not in entry.result.runs:
            entry.result.runs.append(here)
    started = time.monotonic()
    if scale == "gpu":
        _work_together(under_way, setup, 60.0 * minutes)
    _work(under_way, setup, 1 if device == "cuda" else processes)
    failures = sum(_conclude(entry) for entry in under_way if entry.plan)
    checks = sum(len(entry.result.checks) for entry in under_way)
    print(f"\n{checks} checks, {failures} failed, {time.monotonic() - started:.0f} s")
    return 1 if failures else 0


def judge_again(
    experiments: Mapping[str, Experiment], names: Sequence[str], scale: str, results: Path
) -> int:
    """Judge what is on file anew, without a run; return the exit status.

    Raises
    ------
    RequestError
        If a file that is named is missing, broken or without a task that is done.
    """
    failures = 0
    for name in names:
        experiment = _find(experiments, name)
        path = path_of(results, name, scale)
        if not path.exists():
            raise RequestError(f"argument NAMES: no result file {path}")
        plan, result = experiment.planned(scale), load(path)
        result.accept(plan)
        if not result.tasks:
            raise RequestError(f"argument NAMES: {path} holds no task that is done")
        result.statement = experiment.statement
        result.checks = experiment.judge(result.outcomes(plan))
        result.save(plan)
        print_checks(experiment, result.checks, every=True)
        failures += sum(check.verdict == FAILED for check in result.checks)
    return 1 if failures else 0


def _find(experiments: Mapping[str, Experiment], name: str) -> Experiment:
    if name not in experiments:
        raise RequestError(
            f"argument NAMES: unknown experiment {name!r}; there are {', '.join(experiments)}"
        )
    return experiments[name]


def _folder(results: Path) -> Path:
    folder = results / "work"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise RequestError(f"argument --results: cannot be a folder ({problem})") from None
    return folder


def _begin(experiment: Experiment, scale: str, results: Path, setup: Setup) -> _Unfinished:
    if experiment.by_request and setup.images is None:
        raise RequestError(f"argument --images: {experiment.name} needs a folder of images")
    plan = experiment.planned(scale)
    arguments: dict[str, Any] = {
        "device": setup.device,
        "experiment": experiment.name,
        "scale": scale,
        "seed": setup.seed,
    }
    if experiment.by_request:
        arguments["images"] = str(setup.images)
    if experiment.prepare is not None:
        experiment.prepare(setup)
    return _Unfinished(experiment, plan, resume(results, experiment, arguments, plan))


def _work(under_way: list[_Unfinished], setup: Setup, processes: int) -> None:
    entries = {entry.experiment.name: entry for entry in under_way}
    tasks = [(entry, task) for entry in under_way for task in entry.missing]
    if processes > 1:
        # Long tasks first, or one of them would run alone at the end.
        tasks.sort(key=lambda pair: -pair[1].work)
    jobs = [Job(entry.experiment, task, setup) for entry, task in tasks]
    works = {(entry.experiment.name, task.key): task.work for entry, task in tasks}
    with tqdm(
        total=sum(works.values()), leave=False, disable=None, bar_format=_BAR, mininterval=0.5
    ) as bar:
        try:
            for name, key, record in _in_parallel(jobs, processes):
                entry = entries[name]
                if isinstance(record, str):
                    entry.errors.append(f"{key}: {record}")
                else:
                    entry.result.tasks[key] = record
                bar.set_description(f"{name}: {key}", refresh=False)
                bar.update(works[name, key])
                if time.monotonic() - entry.saved > _SAVE_SECONDS or not entry.missing:
                    entry.save()
        finally:
            for entry in under_way:
                if entry.result.tasks:
                    entry.save()


def _work_together(under_way: list[_Unfinished], setup: Setup, seconds: float) -> None:
    """Do what can be trained at once within a time; what was left out is kept with its reason."""
    one_thread()
    sharing: dict[Together, list[_Unfinished]] = {}
    for entry in under_way:
        if entry.experiment.together is not None:
            sharing.setdefault(entry.experiment.together, []).append(entry)
    for together, entries in sharing.items():
        _share(together, entries, setup, seconds / len(sharing))


def _share(together: Together, entries: list[_Unfinished], setup: Setup, seconds: float) -> None:
    by_name = {entry.experiment.name: entry for entry in entries}
    tasks = {(e.experiment.name, t.key): t for e in entries for t in e.missing}

    def done(name: str, key: str, values: Values, spent: float) -> None:
        entry, task = by_name[name], tasks[name, key]
        entry.result.tasks[key] = _record(task, values, spent)
        if time.monotonic() - entry.saved > _SAVE_SECONDS:
            entry.save()

    try:
        left_out = together([(name, task) for (name, _), task in tasks.items()], setup, seconds,
                            done, _say)  # fmt: skip
    finally:
        for entry in entries:
            entry.save()
    for (name, key), reason in left_out.items():
        by_name[name].left_out[key] = reason


def _say(text: str) -> None:
    print(text, flush=True)


def _in_parallel(jobs: list[Job], processes: int) -> Iterable[_Done]:
    if processes == 1 or len(jobs) < 2:
        one_thread()
        yield from map(one_task, jobs)
        return
    # Fresh interpreters: the compiled kernels come from the disk cache, and no thread is forked.
    with multiprocessing.get_context("spawn").Pool(processes, initializer=one_thread) as pool:
        yield from pool.imap_unordered(one_task, jobs)


def one_task(job: Job) -> _Done:
    """Do one task and return its record, or the error that ended it as text."""
    experiment, task = job.experiment, job.task
    started = time.monotonic()
    try:
        values = experiment.measure(task, job.setup)
    except (ForeignRecordsError, RequestError):
        raise
    except Exception:  # one broken task must not end a run of many
        return experiment.name, task.key, traceback.format_exc()
    return experiment.name, task.key, _record(task, values, time.monotonic() - started)


def _record(task: Task, values: Values, seconds: float) -> dict[str, Any]:
    return {
        "task": task.key,
        "settings": task.settings,
        "values": values,
        "seconds": round(seconds, 2),
    }


def _conclude(entry: _Unfinished) -> int:
    """Judge a finished experiment, write and print its checks; return how many failed."""
    if entry.missing:
        print(f"\n{entry.experiment.name}: {len(entry.errors)} tasks ended with an error")
        for error in entry.errors:
            print(error)
        return len(entry.errors)
    if entry.left_out:
        print(f"\n{entry.experiment.name}: {len(entry.left_out)} of {len(entry.plan)} left out")
        entry.result.runs[-1]["left out"] = entry.left_out
        entry.save()
    outcomes = entry.result.outcomes(entry.plan)
    if not outcomes:
        return 0
    checks = entry.experiment.judge(outcomes)
    entry.result.checks = checks
    entry.save()
    print_checks(entry.experiment, checks)
    return sum(check.verdict == FAILED for check in checks)


def print_checks(experiment: Experiment, checks: Sequence[Check], *, every: bool = False) -> None:
    """Print one line a check; of long lists those that did not fail are counted, unless `every`."""
    print(f"\n{experiment.name}: {experiment.claim}")
    shown = checks if every or len(checks) <= FOLDED else [c for c in checks if c.verdict == FAILED]
    print(f"  {'check':<62} {'theory':>11} {'experiment':>11} {'s.e.':>8} {'sigma':>7}  verdict")
    for check in shown:
        theory = "" if check.theory is None else f"{check.theory:.5g}"
        sigmas = f"{check.sigmas:+.1f}" if check.sigmas == check.sigmas else ""
        verdict = "FAILED" if check.verdict == FAILED else check.verdict
        print(
            f"  {check.name:<62.62} {theory:>11} {check.experiment:>11.5g} {check.error:>8.1e} "
            f"{sigmas:>7}  {verdict}"
        )
    if len(shown) < len(checks):
        print(f"  {len(checks) - len(shown)} more that did not fail")


def print_list(experiments: Mapping[str, Experiment], scale: str) -> int:
    """Print every experiment with its claim, source, tolerance and tasks at a scale."""
    for experiment in experiments.values():
        tasks = experiment.planned(scale)
        minutes = sum(task.work for task in tasks) / 60.0
        print(f"{experiment.name}: {experiment.claim}")
        print(f"    source     {experiment.source}")
        print(f"    theory     {experiment.theory}")
        print(f"    statistic  {experiment.statistic}")
        print(f"    tolerance  {experiment.tolerance}")
        print(f"    {scale:<10} {len(tasks)} tasks, about {minutes:.1f} minutes of one core")
    return 0
