"""Crowds of networks on one GPU: what fits into a given time, and all of them at once.

A small network leaves most of a GPU idle, and a crowd of them waits for its next kernel. So each
crowd has a stream and a thread of its own, and a CUDA graph of one update. Before anything counts,
the time of an update is measured, for each crowd alone and for all at once; from these follow the
updates that are granted to each. What does not get its least number of updates is left out, the
last in the list first.
"""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from validation.networks.diffusion import Levels
from validation.networks.pairs import Course, Crowd, Pair

_TIMED = 20  # updates behind a step time
_TRIAL = 4.0  # seconds of all crowds at once
_PULSE = 0.25  # seconds between looks at the clock
_SPARE = 0.05  # of the time, for examinations and the end

Report = Callable[[str, list[dict[str, Any]], float], None]


@dataclass
class Work:
    """A crowd to be trained, and what became of it.

    Attributes
    ----------
    name, course, pairs, levels, measured, seed
        As in `Crowd`.
    alone : seconds an update, nothing else running
    granted : updates it may count on
    problem : why it was left out or ended early; empty if neither
    """

    name: str
    course: Course
    pairs: list[Pair]
    levels: Callable[[torch.device], Levels]
    measured: int
    seed: int
    crowd: Crowd | None = None
    stream: Any = None
    alone: float = 0.0
    granted: int = 0
    problem: str = ""
    start: dict[str, Any] = field(default_factory=dict)
    records: list[list[dict[str, Any]]] = field(default_factory=list)

    @property
    def networks(self) -> int:
        """Number of networks."""
        return 2 * len(self.pairs)


def run_crowds(
    works: Sequence[Work],
    seconds: float,
    device: str,
    report: Report,
    say: Callable[[str], None] = print,
    began: float | None = None,
) -> None:
    """Train what fits into a time, the first of the list first.

    Parameters
    ----------
    works : sequence of Work
        Their `problem`, `granted` and `records` are filled in.
    seconds : float
        From `began`, a `time.monotonic()` (default: now), to the last examination.
    device : {"cpu", "cuda"}
    report : call of (key, records, seconds)
        After every examination, for every pair. May be called from any thread, one at a time.
    say : call of (text)
        Progress, for people.
    """
    began = time.monotonic() if began is None else began
    deadline = began + seconds
    with _fast_products(device):
        for work in works:
            if time.monotonic() < deadline - 0.5 * seconds:
                _prepare(work, device)
            else:
                work.problem = "left out: half of the time had gone before its first update"
            found = work.problem or f"{1e3 * work.alone:.2f} ms an update"
            left = deadline - time.monotonic()
            say(f"{work.name}: {work.networks} networks, {found}; {left:.0f} s left")
        ready = [work for work in works if not work.problem]
        gain = _gain(ready)
        left = (deadline - time.monotonic()) * (1.0 - _SPARE)
        say(f"all at once {gain:.2f} times as fast as one after the other; {left:.0f} s left")
        grant(ready, gain * left)
        for work in ready:
            wanted = work.course.steps
            say(f"{work.name}: {work.problem or f'{work.granted} of {wanted} updates'}")
        _train_all([work for work in ready if not work.problem], deadline, report, say)


@contextlib.contextmanager
def _fast_products(device: str) -> Iterator[None]:
    """Let a GPU round the factors of single-precision products to 11 bits, for speed."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if device == "cuda" else before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _prepare(work: Work, device: str) -> None:
    """Build a crowd and measure its time an update; the weights are put back after it."""
    place = torch.device(device)
    try:
        crowd = Crowd(work.course, work.pairs, work.levels(place), work.measured, work.seed, place)
        work.crowd = crowd
        work.records = [[] for _ in work.pairs]
        work.start = {k: v.clone() for k, v in crowd.state().items() if isinstance(v, torch.Tensor)}
        if device == "cuda":
            work.stream = torch.cuda.Stream()
            torch.cuda.synchronize()
            try:
                crowd.capture(work.stream)
            except Exception as problem:  # an update can always be done without a graph
                torch.cuda.synchronize()
                crowd.graph = None
                # The old one still belongs to the broken recording.
                crowd.generator = torch.Generator(device=place).manual_seed(work.seed)
                print(f"{work.name}: no CUDA graph ({str(problem)[:300]})", flush=True)
        _advance(work, 2)
        started, count = time.monotonic(), _TIMED if device == "cuda" else 2
        _advance(work, count)
        work.alone = (time.monotonic() - started) / count
        _put_back(work)
    except Exception:  # one crowd too many must not end the others
        work.problem = f"left out: {traceback.format_exc(limit=-3)}"
        work.crowd = None
        if device == "cuda":
            torch.cuda.empty_cache()


def _advance(work: Work, count: int) -> None:
    """Do updates on the stream of the crowd, and wait for them."""
    assert work.crowd is not None
    if work.stream is None:
        work.crowd.advance(count)
        return
    with torch.cuda.stream(work.stream):
        work.crowd.advance(count)
    work.stream.synchronize()


def _put_back(work: Work) -> None:
    """Undo all updates but for the random numbers used."""
    crowd = work.crowd
    assert crowd is not None
    crowd.networks.flat.copy_(work.start["weights"])
    for name in ("first", "second", "done"):
        getattr(crowd, name).copy_(work.start[name])
    crowd.step = 0
    if work.stream is not None:
        torch.cuda.synchronize()


def _gain(works: Sequence[Work]) -> float:
    """Seconds of work done a second when all crowds run at once."""
    if not works:
        return 1.0
    started = time.monotonic()
    seconds = _TRIAL if works[0].stream is not None else 0.0
    done = [0] * len(works)

    def run(i: int) -> None:
        while True:
            count = max(1, round(_PULSE / works[i].alone))
            _advance(works[i], count)
            done[i] += count
            if time.monotonic() - started >= seconds:
                return

    _in_threads([lambda i=i: run(i) for i in range(len(works))])  # type: ignore[misc]
    wall = time.monotonic() - started
    gain = sum(count * work.alone for count, work in zip(done, works, strict=True)) / wall
    for work in works:
        _put_back(work)
    return gain


def grant(works: Sequence[Work], seconds: float) -> None:
    """Grant updates within a time of work: to each its least, then the same share of the rest."""
    admitted: list[Work] = []
    for work in works:
        need = work.alone * min(work.course.least, work.course.steps)
        if need > seconds:
            work.problem = (
                f"left out: its {work.course.least} updates take {need:.0f} s of work, and "
                f"{max(seconds, 0.0):.0f} s are left"
            )
            continue
        seconds -= need
        work.granted = min(work.course.least, work.course.steps)
        admitted.append(work)
    wanted = sum(w.alone * (w.course.steps - w.granted) for w in admitted)
    share = min(1.0, seconds / wanted) if wanted > 0.0 else 1.0
    for work in admitted:
        work.granted += int(share * (work.course.steps - work.granted))


def _train_all(
    works: Sequence[Work], deadline: float, report: Report, say: Callable[[str], None]
) -> None:
    lock, everyone = threading.Lock(), threading.Event()
    waiting = [len(works)]

    def arrived() -> None:
        with lock:
            waiting[0] -= 1
            if waiting[0] == 0:
                everyone.set()

    def run(work: Work) -> None:
        started = time.monotonic()
        counted = False
        try:
            while _stretch(work, deadline, everyone.is_set(), started, report, lock):
                assert work.crowd is not None
                if work.crowd.step >= work.granted and not counted:
                    counted = True
                    arrived()
                    everyone.wait(max(0.0, deadline - time.monotonic()))
        except Exception:  # the others go on
            work.problem = f"ended early: {traceback.format_exc(limit=-3)}"
        finally:
            if not counted:
                arrived()
        step = work.crowd.step if work.crowd is not None else 0
        with lock:
            say(f"{work.name}: {step} updates, {time.monotonic() - started:.0f} s {work.problem}")

    _in_threads([lambda work=work: run(work) for work in works])  # type: ignore[misc]


def _stretch(
    work: Work, deadline: float, free: bool, started: float, report: Report, lock: threading.Lock
) -> bool:
    """Train to the next milestone, grant or look at the clock; say whether there is more to do."""
    crowd, course = work.crowd, work.course
    assert crowd is not None
    stops = course.milestones
    late = time.monotonic() >= deadline
    last = crowd.step >= course.steps or late
    seen = work.records[0][-1]["step"] if work.records[0] else -1
    if (crowd.step in stops or last) and seen != crowd.step:
        with contextlib.nullcontext() if work.stream is None else torch.cuda.stream(work.stream):
            found = crowd.examine()
        with lock:
            for pair, records, record in zip(work.pairs, work.records, found, strict=True):
                records.append(record)
                report(pair.key, records, time.monotonic() - started)
    if last:
        return False
    if crowd.step >= work.granted and not free:
        return True
    end = min(stop for stop in stops if stop > crowd.step)
    end = end if free else min(end, max(work.granted, crowd.step + 1))
    _advance(work, min(end - crowd.step, max(1, round(_PULSE / work.alone))))
    return True


def _in_threads(calls: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
