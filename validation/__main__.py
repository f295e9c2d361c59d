"""Command line: ``python -m validation run | list | report``, and the programs one by one."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, TextIO

from validation.commands import COMMANDS

# Module -> the extra that brings it; anything else is told with the test extra.
_EXTRAS = {"torch": "torch", "sklearn": "data", "skimage": "data"}


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints take one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {' '.join(message.split())}\n")


class _Output(io.TextIOBase):
    """Standard output whose reader may leave before the end, as `head` does.

    The rest is then written to nobody: a command goes on, for its files and its exit status.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._forget_reader()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._forget_reader()

    def _forget_reader(self) -> None:
        nobody = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nobody, self._stream.fileno())
        os.close(nobody)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m validation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.declare(commands.add_parser(command.name, help=command.help))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 passed, 1 failed, 2 wrong arguments."""
    output = _Output(sys.stdout)
    with contextlib.redirect_stdout(output):
        try:
            return _run(argv)
        finally:
            output.flush()


def _run(argv: Sequence[str] | None) -> int:
    parser = _parser()
    arguments = parser.parse_args(argv)
    command = next(command for command in COMMANDS if command.name == arguments.command)
    if complaint := command.complaint(arguments):
        parser.error(complaint)
    # Imported here: a wrong argument is reported without waiting for the compiled kernels.
    from validation.harness.machine import RequestError
    from validation.harness.records import ForeignRecordsError

    try:
        return command.run(arguments)
    except ForeignRecordsError as problem:
        parser.error(f"argument --output: {problem}")
    except RequestError as problem:
        parser.error(str(problem))
    except ModuleNotFoundError as problem:
        extra = _EXTRAS.get(problem.name or "", "test")
        parser.error(f"{problem.name} is missing: pip install -e '.[{extra}]' brings it")
    except KeyboardInterrupt:
        print(f"\ninterrupted: {command.kept(arguments)}", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
