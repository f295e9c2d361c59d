"""A real browser, and the page in a process of its own.

Without a browser these tests are skipped with the reason; with RMTSPEC_BROWSER=required they fail.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def missing() -> str:
    """Why there is no browser, or nothing."""
    for package in ("bokeh", "playwright"):
        try:
            __import__(package)
        except ImportError:
            return f"{package} is not installed: pip install -e '.[browser]'"
    if not any(map(shutil.which, _NAMES)):
        return f"no browser: none of {', '.join(_NAMES)} is on the path (apt-get install chromium)"
    return ""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One thread of BLAS as on the page: several add in another order."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    if reason := missing():
        if os.environ.get("RMTSPEC_BROWSER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    path = next(found for name in _NAMES if (found := shutil.which(name)))
    with sync_playwright() as playwright:
        # Continuous integration often runs as root, whom Chromium gives no sandbox.
        made = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        made.close()


class Server:
    """The command as its user starts it.

    Parameters
    ----------
    options : of the command
    program : that takes them, as Python's arguments

    Attributes
    ----------
    url : where the page is
    process : that serves it
    """

    def __init__(self, *options: str, program: tuple[str, ...] = ("-m", "rmtspec")) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *program, "explore", "--no-browser", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening at (http://127\.0\.0\.1:\d+/) \(Ctrl-C ends it\)\n", line)
        if not found:
            self.process.kill()
            pytest.fail(f"no address but {line!r}: {self.process.communicate()[1]}")
        self.url = found[1]

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C; exit status and what was said on standard error."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=20.0)
        return self.process.returncode, said


@contextmanager
def serving(*options: str, program: tuple[str, ...] = ("-m", "rmtspec")) -> Iterator[Server]:
    """A server that is ended, whatever happens."""
    server = Server(*options, program=program)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()


@pytest.fixture(scope="session")
def server(browser: Any) -> Iterator[Server]:
    """A server without anything of one's own."""
    with serving() as found:
        yield found
