"""Questions beside the event loop, and what becomes of those that nobody waits for."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from functools import partial

import pytest

from rmtspec.cli.explore.beside import beside


def test_answers_given_up_leave_no_thread_at_work() -> None:
    at_work = threading.active_count()
    steps = [0] * 5

    def endless(number: int) -> None:
        while True:
            with suppress(Exception):  # as a solver that tries its next method
                steps[number] += 1

    async def ask() -> int:
        for number in range(5):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(beside(partial(endless, number)), 0.05)
        told = await asyncio.wait_for(beside(lambda: 7), 5.0)
        assert told.answer is not None
        return told.answer

    assert asyncio.run(ask()) == 7
    assert all(steps)
    until = time.monotonic() + 5.0
    while threading.active_count() > at_work and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() == at_work


def test_an_answer_that_comes_too_late_is_dropped() -> None:
    gate = threading.Event()

    async def ask() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(beside(lambda: gate.wait(5.0)), 0.05)
        gate.set()
        assert (await beside(lambda: 1)).answer == 1

    asyncio.run(ask())
