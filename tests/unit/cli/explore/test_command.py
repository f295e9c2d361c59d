"""`rmtspec explore` before it serves anything, and work beside its loop."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from rmtspec.cli.explore.beside import beside, heard_by_thread, tell
from rmtspec.cli.main import main


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as left:
        main(["explore", *arguments])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_the_extra_is_named_in_one_line_where_bokeh_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "bokeh", None)
    said = refused([], capsys)
    assert said == "rmtspec explore: error: explore needs Bokeh: pip install '.[explore]'\n"


@pytest.mark.parametrize("port", ["-1", "65536", "x", "1.5"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "argument --port: must be an integer" in refused([f"--port={port}"], capsys)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "none.npy"], "none.npy"),
        (["--unit-variance"], "argument --unit-variance: allowed only with --data FILE"),
        (["--observed", "none.npy"], "must be a file that exists"),
    ],
)
def test_files_are_refused_before_anything_is_served(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("bokeh")
    assert words in refused(arguments, capsys)


def test_a_port_that_is_taken_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("bokeh")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as left:
            main(["explore", "--no-browser", "--port", str(port)])
    assert left.value.code == 2
    assert f"argument --port: {port} cannot be had" in capsys.readouterr().err


def test_bokeh_is_loaded_by_the_command_alone() -> None:
    code = (
        "import sys, rmtspec.cli.main; print('matplotlib' in sys.modules);"
        "import rmtspec.cli.explore.scene;"
        "print({'bokeh', 'tornado', 'jinja2', 'playwright'} & {*sys.modules})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\nset()\n"


def test_a_question_is_answered_in_another_thread_while_the_loop_goes_on() -> None:
    going = threading.Event()

    def question() -> str:
        assert going.wait(10.0)
        return threading.current_thread().name

    async def both() -> tuple[str | None, list[int]]:
        steps = []

        async def loop() -> None:
            for step in range(3):
                steps.append(step)
                await asyncio.sleep(0)
            going.set()

        told, _ = await asyncio.gather(beside(question), loop())
        return told.answer, steps

    name, steps = asyncio.run(both())
    assert name is not None
    assert name != threading.main_thread().name
    assert steps == [0, 1, 2]


def test_a_problem_is_told_and_not_raised() -> None:
    told = asyncio.run(beside(lambda: [][0]))
    assert told.answer is None
    assert isinstance(told.problem, IndexError)


def test_every_thread_hears_its_own_warnings() -> None:
    barrier = threading.Barrier(2)

    def question(word: str) -> str:
        for _ in range(20):
            barrier.wait(10.0)
            warnings.warn(f"of {word}", UserWarning, stacklevel=1)
        return word

    async def both() -> list[list[str]]:
        told = await asyncio.gather(*(beside(lambda w=w: question(w)) for w in "ab"))
        return [one.heard for one in told]

    with heard_by_thread():
        assert asyncio.run(both()) == [["of a"], ["of b"]]
        assert tell(lambda: 1).heard == []
    with pytest.warns(UserWarning, match="after"):
        warnings.warn("after", UserWarning, stacklevel=1)
