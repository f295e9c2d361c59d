"""Results on disk: written whole or not at all, and read back to resume an interrupted run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class ForeignRecordsError(Exception):
    """The file on disk belongs to a run with other arguments, or is not a record at all."""


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step: a reader sees the old file or the new, never half."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with scratch.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write one JSON object with sorted keys, so that equal results are equal files."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def read_json(path: Path, arguments: dict[str, Any]) -> dict[str, Any] | None:
    """Return what an earlier run with the same `arguments` saved, or None if there is no file.

    Raises
    ------
    ForeignRecordsError
        If the file is not JSON or was written by a run with other arguments.
    """
    if not path.exists():
        return None
    return _same_run(path, _parse(path, path.read_text(encoding="utf-8")), arguments)


def write_lines(path: Path, arguments: dict[str, Any], lines: Iterable[dict[str, Any]]) -> None:
    """Write a header with the run's arguments, then one JSON object a line."""
    rows = [{"arguments": arguments}, *lines]
    write_text(path, "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows))


def read_lines(path: Path, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records below the header; an absent file holds none.

    Raises
    ------
    ForeignRecordsError
        If a line is not JSON or the header names other arguments.
    """
    if not path.exists():
        return []
    rows = [_parse(path, line) for line in path.read_text(encoding="utf-8").splitlines()]
    if not rows:
        raise ForeignRecordsError(f"{path} is empty: remove it to start afresh")
    _same_run(path, rows[0], arguments)
    return rows[1:]


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as problem:
        raise ForeignRecordsError(f"{path} is not JSON ({problem}): remove it first") from None
    if not isinstance(content, dict):
        raise ForeignRecordsError(f"{path} does not hold records: remove it first")
    return content


def _same_run(path: Path, content: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    # Through JSON and back, so that tuples and lists compare equal.
    if content.get("arguments") != json.loads(json.dumps(arguments)):
        raise ForeignRecordsError(
            f"{path} was written with {content.get('arguments')}, not {arguments}: "
            "choose another file or remove it"
        )
    return content
