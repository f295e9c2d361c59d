"""The result file of one experiment: JSON lines, written whole, resumed, and read by the report.

The first line is the head: what was asked (`arguments`), what is claimed (`statement`), and every
machine with its versions that took part (`runs`). Then one line a task (its settings, the values
it measured, and `seconds`, the only clock in the file), in the order of the plan whatever order
they were done in; at the end, once all tasks are done, one line a check.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from validation.harness.checks import Check
from validation.harness.experiment import Experiment, Outcome, Task
from validation.harness.machine import RequestError
from validation.harness.records import write_text

_NOT_OURS = "move it away or give another --results"


@dataclass
class ResultFile:
    """What is known of one experiment at one scale; `save` writes it, `load` reads it."""

    path: Path
    arguments: dict[str, Any]
    statement: dict[str, str] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    @property
    def experiment(self) -> str:
        """Name of the experiment."""
        return str(self.arguments["experiment"])

    @property
    def scale(self) -> str:
        """Scale of the run."""
        return str(self.arguments["scale"])

    @property
    def seconds(self) -> float:
        """Time that the tasks took, one after the other."""
        return sum(float(task["seconds"]) for task in self.tasks.values())

    def outcomes(self, plan: Sequence[Task]) -> list[Outcome]:
        """Return the plan's tasks that are done, in its order."""
        return [
            Outcome(task, self.tasks[task.key]["values"]) for task in plan if task.key in self.tasks
        ]

    def accept(self, plan: Sequence[Task]) -> None:
        """Raise RequestError if a task on file was made with other settings, or is not planned."""
        wanted = {task.key: json.loads(json.dumps(task.settings)) for task in plan}
        for key, record in self.tasks.items():
            if wanted.get(key) != record["settings"]:
                raise RequestError(
                    f"{self.path} holds the task {key!r} of another plan: {_NOT_OURS}"
                )

    def save(self, plan: Sequence[Task]) -> None:
        """Write the file in one step: a reader sees the old or the new, never half."""
        rows: list[dict[str, Any]] = [
            {"arguments": self.arguments, "runs": self.runs, "statement": self.statement}
        ]
        rows += [self.tasks[task.key] for task in plan if task.key in self.tasks]
        rows += [check.record() for check in self.checks]
        lines = (json.dumps(row, sort_keys=True, allow_nan=False) for row in rows)
        write_text(self.path, "".join(line + "\n" for line in lines))


def path_of(results: Path, name: str, scale: str) -> Path:
    """Return where the results of an experiment lie."""
    return results / f"{name}.{scale}.jsonl"


def resume(
    results: Path, experiment: Experiment, arguments: dict[str, Any], plan: Sequence[Task]
) -> ResultFile:
    """Return what an earlier run of the same kind left, or an empty result.

    Raises
    ------
    RequestError
        If the file is broken, or belongs to a run with other arguments or another plan.
    """
    path = path_of(results, experiment.name, arguments["scale"])
    if not path.exists():
        return ResultFile(path, arguments, experiment.statement)
    found = load(path)
    if found.arguments != json.loads(json.dumps(arguments)):
        raise RequestError(
            f"{path} was written with {_plain(found.arguments)}, not {_plain(arguments)}: "
            f"{_NOT_OURS}"
        )
    found.accept(plan)
    found.statement = experiment.statement
    found.checks = []
    return found


def _plain(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted(arguments.items()))


def load(path: Path) -> ResultFile:
    """Read a result file.

    Raises
    ------
    RequestError
        If it is not one, in one line that says where it breaks.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise RequestError(f"{path} cannot be read ({problem})") from None
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise TypeError("not an object")
        except (json.JSONDecodeError, TypeError) as problem:
            raise _broken(path, number, problem) from None
        rows.append(row)
    if not rows:
        raise RequestError(f"{path} is no result file (it is empty): {_NOT_OURS}")
    try:
        head = rows[0]
        arguments, statement, runs = head["arguments"], head["statement"], head["runs"]
        _ = arguments["experiment"], arguments["scale"], arguments["seed"], arguments["device"]
        for run in runs:
            _ = run["machine"].items(), run["versions"].items()
    except (KeyError, TypeError, AttributeError) as problem:
        raise _broken(path, 1, problem) from None
    found = ResultFile(path, arguments, statement, runs)
    for number, row in enumerate(rows[1:], 2):
        try:
            if "check" in row:
                found.checks.append(Check.from_record(row))
            else:
                _ = row["settings"], row["values"], float(row["seconds"])
                found.tasks[row["task"]] = row
        except (KeyError, TypeError, ValueError) as problem:
            raise _broken(path, number, problem) from None
    return found


def _broken(path: Path, number: int, problem: Exception) -> RequestError:
    reason = f"no {problem}" if isinstance(problem, KeyError) else str(problem)
    return RequestError(f"{path} is no result file (line {number}: {reason}): {_NOT_OURS}")
