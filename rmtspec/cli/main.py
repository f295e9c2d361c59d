"""The shell: one command a file, each of which asks a public function and prints its summary."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import gc
import os
import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, NoReturn

from .._checks import did_you_mean
from ..inputs.diffusion.level import NoiseLevel
from ..result import DataWarning, Summary
from ..solve.kernel import interpreted
from ..sweeps.execution import open_descriptors
from . import compare, curves, linear, spectrum, stop, sweep, timescales
from .explore import command as explore
from .groups import Outcome, is_small
from .output import say
from .structured import mixture, time_integrated

COMMANDS = {
    "spectrum": spectrum,
    "timescales": timescales,
    "curves": curves,
    "compare": compare,
    "stop": stop,
    "linear": linear,
    "mixture": mixture,
    "time-integrated": time_integrated,
    "sweep": sweep,
    "explore": explore,
}

_OFTEN_SMALL = ("spectrum", "timescales", "curves", "linear")

_OTHER_OPTIONS = {
    "x": "--data",
    "observed": "FILE",
    "observed:": "FILE",
    "classes": "--class",
    "weights": "--time-weights",
}
"""Options and operands by the parameters they give, where the names differ."""

_BAD_INPUT, _FAILED, _INTERRUPTED, _TERMINATED = 2, 1, 130, 143


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; by default those of the process.

    Returns
    -------
    int
        0, or 1 if the output cannot be written or a sweep failed. Bad input ends the process with
        status 2 and one line on standard error.

    Examples
    --------
    >>> from rmtspec.cli.main import main
    >>> main(["timescales", "--psi-p", "8", "--psi-n", "4"])  # doctest: +ELLIPSIS
    random-feature score model...
    0
    """
    open_descriptors()
    if sys.stderr is None:  # closed (``2>&-``): what goes there is lost, and nothing else
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            return main(argv)
    atexit.register(gc.freeze)  # what compiling left goes with the process: no need to search it
    parser = _parser()
    arguments = argparse.Namespace()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            arguments = parser.parse_args(argv, arguments)
            summary = _summary(arguments)
            if summary is None:  # it has said all it had to say
                return 0
        said = _said_once(caught)
        for line in said:
            print(f"{parser.prog}: warning: {line}", file=sys.stderr)
        say(summary.to_json(warnings=said) if arguments.json else str(summary))
    except OSError as error:
        print(f"{parser.prog}: error: cannot write: {error}", file=sys.stderr)
        return _FAILED
    except sweep.SweepError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt as ended:
        if hasattr(arguments, "store"):
            print(f"\n{parser.prog}: interrupted: {_kept(arguments.store)}", file=sys.stderr)
        return _TERMINATED if isinstance(ended, sweep.Terminated) else _INTERRUPTED
    return 0


def _said_once(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """Lines to print: a command and the functions it calls may look at the same data.

    What is odd about a file is said of all its rows first, and not again, with other numbers, of
    the part that is left after some are held out.
    """
    lines: dict[str, str] = {}
    for one in caught:
        line = " ".join(str(one.message).split())
        of_data = issubclass(one.category, DataWarning)
        lines.setdefault(re.sub(r"[-+\d.]+(e[-+]\d+)?", "#", line) if of_data else line, line)
    return list(lines.values())


def _kept(store: str | None) -> str:
    """What is left of a sweep that was ended, and how to go on."""
    if store is None:
        return "nothing is kept without --store PATH"
    return f"finished blocks are kept in {store}; the same command goes on from there"


def _summary(arguments: argparse.Namespace) -> Summary | None:
    """What a command says, its pictures drawn; without compiled kernels where that is quicker."""
    if arguments.command in _OFTEN_SMALL and is_small(arguments):
        with contextlib.suppress(ZeroDivisionError), interpreted():
            return _with_pictures(arguments)
    return _with_pictures(arguments)


def _with_pictures(arguments: argparse.Namespace) -> Summary | None:
    outcome = _run(arguments)
    if outcome is None:
        return None
    for option, draw in outcome.pictures.items():
        target = getattr(arguments, option)
        if target is not None:
            draw(target)
    return outcome.summary


def _run(arguments: argparse.Namespace) -> Outcome | None:
    try:
        outcome: Outcome | None = arguments.run(arguments)
    except (TypeError, ValueError, ImportError) as error:
        arguments.error(_as_option(str(error), vars(arguments)))
    return outcome


def _as_option(complaint: str, known: Mapping[str, Any]) -> str:
    """A complaint about a parameter that an option gave, with the name of the option."""
    name = complaint.partition(" ")[0]
    if name == "argument":
        return complaint
    option = _OTHER_OPTIONS.get(name)
    if name == "t" and isinstance(known.get("t"), NoiseLevel):
        option = "--path"
    elif name == "times" and known.get("times") is None:
        option = "--window"
    elif option is None:
        found = [one for one in (name, name.removesuffix("s")) if one in known]
        option = f"--{found[0].replace('_', '-')}" if found else None
    return f"argument {option}: {complaint}" if option else complaint


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints take one line, and name what may have been meant."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings
        )
        if self.description:
            import textwrap

            self.description = textwrap.fill(self.description, 79)

    def error(self, message: str) -> NoReturn:
        """Leave with status 2 and one line: the usage stands in --help."""
        self.exit(_BAD_INPUT, f"{self.prog}: error: {' '.join(message.split())}\n")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            name = rest[0].partition("=")[0]
            hint = did_you_mean(name, [*self._option_string_actions])
            self.error(f"unrecognized argument {rest[0]}{hint}")
        return found, rest

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        known = [] if action.choices is None else list(action.choices)
        if known and value not in known:
            raise argparse.ArgumentError(
                action,
                f"must be one of {', '.join(map(repr, known))}, got {value!r}"
                f"{did_you_mean(value, known)}",
            )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rmtspec",
        description="Random-matrix theory of diffusion models: spectra, edges, training times.",
        epilog=f"example: {spectrum.EXAMPLE}",
    )
    parser.add_argument("--version", action="version", version=f"rmtspec {version('rmtspec')}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=_Parser
    )
    for module in COMMANDS.values():
        command = module.add_parser(commands)
        command.set_defaults(run=module.run, error=command.error)
    return parser
