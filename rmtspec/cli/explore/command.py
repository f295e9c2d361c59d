"""`rmtspec explore`: a page on this machine on which the theory moves with its parameters."""

from __future__ import annotations

import argparse
import sys
import warnings
from typing import Any

from .. import data, options

HELP = "a page on which spectrum, learning curves and times move with the parameters"
DESCRIPTION = (
    "Opens a page in the browser, served on this machine only: the spectrum with all its bulks, "
    "the learning curves with the best stopping time, and a map of psi_n and psi_p, which follow "
    "while parameters are dragged. The address of the page holds what it shows; buttons give the "
    "Python for it, pictures and tables. Ctrl-C ends it."
)
EXAMPLE = "rmtspec explore --data digits"


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Declare the command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "explore", help=HELP, description=DESCRIPTION, epilog=f"example: {EXAMPLE}"
    )
    add = command.add_argument_group("what is yours").add_argument
    add(
        "--data",
        metavar="FILE",
        help="samples, one a row, as of spectrum; a random fifth of them is held out",
    )
    add("--unit-variance", action="store_true", help="scale the file's data to mean variance 1")
    add(
        "--observed",
        metavar="FILE",
        help="eigenvalues or learning curves to be laid over theory, as compare reads them",
    )
    add = command.add_argument_group("server").add_argument
    add("--port", type=_port, default=0, metavar="N", help="default: any that is free")
    add("--no-browser", action="store_true", help="open no window; the address is printed")
    return command


def run(arguments: argparse.Namespace) -> None:
    """Serve the page until it is interrupted."""
    try:
        import bokeh  # noqa: F401
    except ImportError:
        raise ImportError("explore needs Bokeh: pip install '.[explore]'") from None
    from .overlay import Overlay
    from .page import Context
    from .scene import Rows
    from .server import say, serve

    with warnings.catch_warnings(record=True) as caught:
        given = data.read(arguments)
    for one in caught:
        print(f"rmtspec explore: warning: {one.message}", file=sys.stderr)
    rows = None if given is None else Rows(given, arguments.unit_variance)
    if rows is not None:
        _ = rows.parts  # too few rows are refused at once
    observed = None if arguments.observed is None else Overlay.read(arguments.observed)
    print("preparing the page (the first time compiles its kernels)", file=sys.stderr, flush=True)
    try:
        serve(Context(rows, observed), arguments.port, browser=not arguments.no_browser, say=say)
    except OSError as problem:
        raise ValueError(f"argument --port: {arguments.port} cannot be had: {problem}") from None


def _port(text: str) -> int:
    value = options.integer(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"must be an integer in [0, 65535], got {value}")
    return value
