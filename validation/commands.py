"""The commands of ``python -m validation``: a table of names, arguments and what they run.

What a command runs is imported when it runs.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
_SCALES = ("smoke", "cpu", "gpu")
_RUN_SCALES = ("smoke", "cpu", "long", "gpu")


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


def _minutes(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text!r}")
    return number


def _file(text: str) -> Path:
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"must be a file, got the directory {text!r}")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"must lie in an existing directory, got {text!r}")
    if not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"must be writable, got {text!r}")
    return path


def _folder(text: str) -> Path:
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"must be a folder, got the file {text!r}")
    return path


def _existing_folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"must be an existing folder, got {text!r}")
    return path


def _nothing_wrong(arguments: argparse.Namespace) -> str:
    return ""


def _kept_in_output(arguments: argparse.Namespace) -> str:
    return f"run again to resume from {arguments.output}" if arguments.output else "not saved"


@dataclass(frozen=True)
class Command:
    """One command; `complaint` says what is wrong with arguments that parse, or nothing."""

    name: str
    help: str
    declare: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    complaint: Callable[[argparse.Namespace], str] = _nothing_wrong
    kept: Callable[[argparse.Namespace], str] = _kept_in_output


def _seed_and_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=_count(0), default=0)
    parser.add_argument(
        "--output", type=_file, help="results as JSON; an interrupted run resumes from it"
    )


def _declare_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAMES", help="experiments (default: all; see `list`)"
    )
    parser.add_argument(
        "--scale",
        choices=_RUN_SCALES,
        default="smoke",
        help="a minute, under an hour, hours of pairs of networks, or a GPU",
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), help="default: cuda at the scale gpu, cpu otherwise"
    )
    parser.add_argument(
        "--minutes",
        type=_minutes,
        default=9.0,
        help="at the scale gpu: networks are planned to be trained in this time (default: 9)",
    )
    parser.add_argument(
        "--results", type=_folder, default=RESULTS, help="folder; a run that was ended resumes"
    )
    parser.add_argument("--seed", type=_count(0), default=0)
    parser.add_argument("--processes", type=_count(1), default=2, help="on the CPU")
    parser.add_argument("--images", type=_existing_folder, help="folder of pictures to train on")


def _run(arguments: argparse.Namespace) -> int:
    from validation.experiments.registry import EXPERIMENTS
    from validation.harness.runner import run

    return run(
        EXPERIMENTS,
        arguments.names,
        arguments.scale,
        arguments.device or ("cuda" if arguments.scale == "gpu" else "cpu"),
        arguments.results,
        arguments.seed,
        arguments.processes,
        arguments.images,
        arguments.minutes,
    )


def _declare_judge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAMES", help="experiments (see `list`)")
    parser.add_argument("--scale", choices=_RUN_SCALES, default="gpu")
    parser.add_argument("--results", type=_existing_folder, default=RESULTS)


def _judge(arguments: argparse.Namespace) -> int:
    from validation.experiments.registry import EXPERIMENTS
    from validation.harness.runner import judge_again

    return judge_again(EXPERIMENTS, arguments.names, arguments.scale, arguments.results)


def _declare_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scale", choices=_RUN_SCALES, default="cpu")


def _list(arguments: argparse.Namespace) -> int:
    from validation.experiments.registry import EXPERIMENTS
    from validation.harness.runner import print_list

    return print_list(EXPERIMENTS, arguments.scale)


def _declare_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=_existing_folder, default=RESULTS)
    parser.add_argument("--output", type=_file, required=True, help="one HTML file")


def _report(arguments: argparse.Namespace) -> int:
    from validation.experiments.registry import EXPERIMENTS
    from validation.harness.report import report

    return report(EXPERIMENTS, arguments.results, arguments.output)


def _declare_certify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--draws", type=_count(1), default=100_000, help="points (ten a set)")
    parser.add_argument(
        "--reference", type=_count(0), help="points compared with 50 digits (1000, at most draws)"
    )
    parser.add_argument("--processes", type=_count(1), default=2)
    _seed_and_output(parser)


def _wrong_certify(arguments: argparse.Namespace) -> str:
    if arguments.reference is None:
        arguments.reference = min(1_000, arguments.draws)
    if arguments.reference > arguments.draws:
        return (
            f"argument --reference: must be at most --draws = {arguments.draws}, "
            f"got {arguments.reference}"
        )
    return ""


def _certify(arguments: argparse.Namespace) -> int:
    from validation.certificates.certify import certify

    return certify(
        arguments.draws,
        arguments.reference,
        arguments.seed,
        arguments.processes,
        arguments.output,
    )


def _declare_law(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--draws", type=_count(1), default=300, help="random parameter sets")
    _seed_and_output(parser)


def _law(arguments: argparse.Namespace) -> int:
    from validation.certificates.law import check_laws

    return check_laws(arguments.draws, arguments.seed, arguments.output)


def _declare_certify_structured(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--draws", type=_count(0), default=1_000, help="ensembles, 20 points each")
    parser.add_argument(
        "--laws", type=_count(0), default=200, help="ensembles whose law is scanned"
    )
    _seed_and_output(parser)


def _certify_structured(arguments: argparse.Namespace) -> int:
    from validation.certificates.structured import certify_structured

    return certify_structured(arguments.draws, arguments.laws, arguments.seed, arguments.output)


def _declare_simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scale",
        choices=_SCALES,
        default="smoke",
        help="under a minute, 15 minutes, or matrices up to p = 20,000 on a GPU",
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="where matrices are diagonalised"
    )
    _seed_and_output(parser)


def _simulate(arguments: argparse.Namespace) -> int:
    from validation.harness.machine import require_device
    from validation.spectra.run import simulate

    require_device(arguments.device)
    return simulate(arguments.scale, arguments.seed, arguments.output, arguments.device)


def _declare_linear(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scale", choices=("smoke", "cpu"), default="smoke", help="under 40 s, or ten minutes"
    )
    _seed_and_output(parser)


def _linear(arguments: argparse.Namespace) -> int:
    from validation.linear.run import run_linear

    return run_linear(arguments.scale, arguments.seed, arguments.output)


def _declare_curves(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scale", choices=("smoke", "cpu"), default="smoke", help="under 40 s, or 15 minutes"
    )
    _seed_and_output(parser)


def _curves(arguments: argparse.Namespace) -> int:
    from validation.curves.run import run_curves

    return run_curves(arguments.scale, arguments.seed, arguments.output)


def _declare_structured(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scale", choices=_SCALES, default="smoke", help="a minute, five minutes, or larger sizes"
    )
    parser.add_argument(
        "--results", type=_folder, default=RESULTS, help="folder; a run that was ended resumes"
    )
    parser.add_argument("--seed", type=_count(0), default=0)
    parser.add_argument("--processes", type=_count(1), default=1)


def _structured(arguments: argparse.Namespace) -> int:
    from validation.structured.run import run_structured

    return run_structured(arguments.scale, arguments.results, arguments.seed, arguments.processes)


def _digits(arguments: argparse.Namespace) -> int:
    from validation.data.run import run_digits

    return run_digits(arguments.seed, arguments.output)


def _declare_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scale", choices=("smoke", "cpu"), default="smoke", help="seconds, or five minutes"
    )
    _seed_and_output(parser)


def _data(arguments: argparse.Namespace) -> int:
    from validation.data.given_run import run_given

    return run_given(arguments.scale, arguments.seed, arguments.output)


def _declare_scaling(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plot", type=_file, help="picture of the least score error")
    parser.add_argument("--output", type=_file, help="results as JSON")


def _scaling(arguments: argparse.Namespace) -> int:
    from validation.curves.scaling import run_scaling

    return run_scaling(arguments.output, arguments.plot)


def _declare_parametrisations(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scale", choices=("smoke", "cpu"), default="smoke", help="a minute, or four"
    )
    parser.add_argument(
        "--results", type=_folder, default=RESULTS, help="folder; a run that was ended resumes"
    )
    parser.add_argument("--seed", type=_count(0), default=0)


def _parametrisations(arguments: argparse.Namespace) -> int:
    from validation.experiments.registry import EXPERIMENTS
    from validation.harness.runner import run
    from validation.parametrisations.experiment import NAME

    return run(EXPERIMENTS, [NAME], arguments.scale, "cpu", arguments.results, arguments.seed)


def _kept_in_results(arguments: argparse.Namespace) -> str:
    return f"run again to resume from {arguments.results}"


COMMANDS = (
    Command("run", "experiments on claims of the papers; results as JSON lines", _declare_run,
            _run, kept=_kept_in_results),
    Command("judge", "kept results judged anew, without a run; every check is printed",
            _declare_judge, _judge, kept=lambda arguments: "files are written whole"),
    Command("list", "the experiments, their claims and tolerances", _declare_list, _list,
            kept=lambda arguments: "nothing was under way"),
    Command("report", "one HTML page of all results", _declare_report, _report,
            kept=lambda arguments: "nothing was written"),
    Command("certify", "random points solved, certified, and compared with 50 digits",
            _declare_certify, _certify, _wrong_certify),
    Command("law", "masses, moments, quantiles and edges of random laws", _declare_law, _law),
    Command("certify-structured", "types, classes and channels: random points and laws",
            _declare_certify_structured, _certify_structured),
    Command("simulate", "theory against sampled matrices", _declare_simulate, _simulate),
    Command("linear", "affine denoisers against sampled data sets", _declare_linear, _linear),
    Command("curves", "learning curves against networks of finite size", _declare_curves, _curves),
    Command("parametrisations", "predictions on any path: tables, and networks of finite size",
            _declare_parametrisations, _parametrisations, kept=_kept_in_results),
    Command("structured", "networks and data with structure: spectra, curves of classes, times",
            _declare_structured, _structured, kept=_kept_in_results),
    Command("scaling", "exponents of least score error and times", _declare_scaling, _scaling),
    Command("data", "the exact kernel of given pictures against networks", _declare_data, _data),
    Command("digits", "learning curves on handwritten digits, measured", _seed_and_output, _digits),
)  # fmt: skip
