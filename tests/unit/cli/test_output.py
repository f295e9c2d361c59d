"""Text for a reader that left, or that was never there."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rmtspec.cli import output

_PROGRAM = "import sys; from rmtspec.cli.output import say; sys.exit(say('line\\n' * 100_000))"


def _shell(redirection: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'"$0" -c "$1" {redirection}', sys.executable, _PROGRAM],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(output.__file__).parents[2])},
    )


@pytest.mark.parametrize("redirection", ["| head -1", "| true", ">/dev/null"])
def test_a_reader_that_left_is_no_error(redirection):
    done = _shell(redirection)
    assert (done.returncode, done.stderr) == (0, "")


def test_text_is_written_with_a_line_feed(capsys):
    output.say("words")
    assert capsys.readouterr().out == "words\n"


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_missing_or_closed_stream_cannot_be_written(monkeypatch, stream):
    if stream is not None:
        stream.close()
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(OSError, match="standard output is closed"):
        output.say("words")


def test_full_disk_is_not_passed_over(monkeypatch):
    class Full(io.StringIO):
        def flush(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(OSError, match="No space"):
        output.say("words")


def test_letters_that_a_terminal_has_not_are_spelled_out(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    output.say("größe ± 1")
    assert terminal.buffer.getvalue() == b"gr\\xf6\\xdfe \\xb1 1\n"
