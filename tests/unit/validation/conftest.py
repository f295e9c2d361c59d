"""What tests of the programs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from validation.__main__ import main


@pytest.fixture
def resumes_to_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, ModuleType], bool]:
    """Whether a command that is ended at its fifth draw and run again leaves what it leaves whole.

    The module is the one whose `one_draw` the command calls.
    """

    def compared(command: str, module: ModuleType) -> bool:
        whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
        assert main([command, "--output", str(whole)]) == 0
        real = module.one_draw
        calls: list[int] = []

        def interrupted(*job: Any) -> Any:
            calls.append(job[-1])
            if len(calls) == 5:
                raise KeyboardInterrupt
            return real(*job)

        monkeypatch.setattr(module, "one_draw", interrupted)
        assert main([command, "--output", str(broken)]) == 130
        assert len(broken.read_text().splitlines()) == 1 + 4
        assert main([command, "--output", str(broken)]) == 0
        return broken.read_bytes() == whole.read_bytes()

    return compared
