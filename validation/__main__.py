"""Command line of the validation programs: ``python -m validation COMMAND --help``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints take one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _count(low: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if number < low:
            raise argparse.ArgumentTypeError(f"must be an integer >= {low}, got {text!r}")
        return number

    return parse


def _file(text: str) -> Path:
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"must be a file, got the directory {text!r}")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"must lie in an existing directory, got {text!r}")
    if not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"must be writable, got {text!r}")
    return path


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m validation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    certify = commands.add_parser(
        "certify", help="random points solved, certified, and compared with 50 digits"
    )
    certify.add_argument("--draws", type=_count(1), default=100_000, help="points (ten a set)")
    certify.add_argument(
        "--reference", type=_count(0), help="points compared with 50 digits (1000, at most draws)"
    )
    certify.add_argument("--processes", type=_count(1), default=2)
    law = commands.add_parser("law", help="masses, moments, quantiles and edges of random laws")
    law.add_argument("--draws", type=_count(1), default=300, help="random parameter sets")
    simulate = commands.add_parser("simulate", help="theory against sampled matrices")
    simulate.add_argument(
        "--scale", choices=("smoke", "cpu"), default="smoke", help="under a minute, or 15 minutes"
    )
    linear = commands.add_parser("linear", help="affine denoisers against sampled data sets")
    linear.add_argument(
        "--scale", choices=("smoke", "cpu"), default="smoke", help="under 40 s, or ten minutes"
    )
    curves = commands.add_parser("curves", help="learning curves against networks of finite size")
    curves.add_argument(
        "--scale", choices=("smoke", "cpu"), default="smoke", help="under 40 s, or 15 minutes"
    )
    digits = commands.add_parser("digits", help="learning curves on handwritten digits, measured")
    scaling = commands.add_parser("scaling", help="exponents of least score error and times")
    scaling.add_argument("--plot", type=_file, help="picture of the least score error")
    scaling.add_argument("--output", type=_file, help="results as JSON")
    for command in (certify, law, simulate, linear, curves, digits):
        command.add_argument("--seed", type=_count(0), default=0)
        command.add_argument(
            "--output", type=_file, help="results as JSON; an interrupted run resumes from it"
        )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 passed, 1 failed, 2 wrong arguments."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command == "certify":
        if arguments.reference is None:
            arguments.reference = min(1_000, arguments.draws)
        if arguments.reference > arguments.draws:
            parser.error(
                f"argument --reference: must be at most --draws = {arguments.draws}, "
                f"got {arguments.reference}"
            )
    # Imported here: a wrong argument is reported without waiting for the compiled kernels.
    from validation.records import ForeignRecordsError

    try:
        return _run(arguments)
    except ForeignRecordsError as problem:
        parser.error(f"argument --output: {problem}")
    except ModuleNotFoundError as problem:
        parser.error(f"{problem.name} is missing: pip install -e '.[test]' brings it")
    except KeyboardInterrupt:
        kept = f"run again to resume from {arguments.output}" if arguments.output else "not saved"
        print(f"\ninterrupted: {kept}", file=sys.stderr)
        return 130


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == "certify":
        from validation.certify import certify

        return certify(
            arguments.draws,
            arguments.reference,
            arguments.seed,
            arguments.processes,
            arguments.output,
        )
    if arguments.command == "law":
        from validation.law import check_laws

        return check_laws(arguments.draws, arguments.seed, arguments.output)
    if arguments.command == "linear":
        from validation.linear import run_linear

        return run_linear(arguments.scale, arguments.seed, arguments.output)
    if arguments.command == "curves":
        from validation.curves import run_curves

        return run_curves(arguments.scale, arguments.seed, arguments.output)
    if arguments.command == "digits":
        from validation.digits import run_digits

        return run_digits(arguments.seed, arguments.output)
    if arguments.command == "scaling":
        from validation.scaling import run_scaling

        return run_scaling(arguments.output, arguments.plot)
    from validation.simulate import simulate

    return simulate(arguments.scale, arguments.seed, arguments.output)


if __name__ == "__main__":
    sys.exit(main())
