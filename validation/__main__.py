"""Command line: ``python -m validation run | list | report``, and the programs one by one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from validation.commands import COMMANDS

# Module -> the extra that brings it; anything else is told with the test extra.
_EXTRAS = {"torch": "torch", "sklearn": "data", "skimage": "data"}


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints take one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {' '.join(message.split())}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m validation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.declare(commands.add_parser(command.name, help=command.help))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 passed, 1 failed, 2 wrong arguments."""
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
