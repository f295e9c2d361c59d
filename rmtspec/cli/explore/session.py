"""One window: what it asks is answered beside the event loop, and only the latest of it."""

from __future__ import annotations

import asyncio
import base64
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from bokeh.document import Document
from bokeh.document.locking import without_document_lock
from bokeh.models import ColumnDataSource

from ...plots.style import colours_of_bulks
from ...result import Summary
from .beside import beside
from .diagram import Map, levels, refine
from .figures import Figures
from .overlay import Overlay
from .page import Context
from .scene import Scene, Stopping, data_of
from .snippet import snippet
from .state import GIVEN, Reading, State, read

_PATIENCE = 20.0  # seconds for an answer: after them it is given up for the next setting
_SLICE = 0.02  # seconds of work on the map before the window is heard again

_Answer = TypeVar("_Answer")


class Session:
    """One document and its state; windows share nothing that changes.

    Parameters
    ----------
    doc : Document
    context : what the command was given
    query : of the address
    """

    def __init__(self, doc: Document, context: Context, query: str) -> None:
        self._doc, self._context = doc, context
        self._overlay = context.overlay
        self._reading = read(query, context.start, context.populations)
        self.figures = Figures()
        self._asked = ColumnDataSource({"query": [""], "number": [0]}, name="asked")
        self._file = ColumnDataSource({"name": [], "content": []}, name="file")
        self._shown = ColumnDataSource({"json": ["{}"]}, name="shown")
        self._number = 0
        self._wanted: Reading | None = self._reading
        self._running = self._ended = self._drawn = False
        self._key: State | None = None  # of the map that is made
        self._mapped: State | None = None  # of the map that is shown
        self._maps: Iterator[Map | None] = iter(())
        self._asked.on_change("data", self._hear)
        self._file.on_change("data", self._receive)
        for root in (*self.figures.panels, self._asked, self._file, self._shown):
            doc.add_root(root)
        doc.on_session_destroyed(self._end)
        self._go()

    def _end(self, _: Any) -> None:
        self._ended = True

    def _hear(self, _attr: str, _old: Any, new: Any) -> None:
        self._number = int(new["number"][0])
        self._reading = read(str(new["query"][0]), self._reading.state, self._context.populations)
        self._wanted = self._reading
        self._go()

    def _receive(self, _attr: str, _old: Any, new: Any) -> None:
        name = str(new["name"][0]) if new["name"] else ""
        refused: dict[str, str] = {}
        try:
            content = base64.b64decode(str(new["content"][0]), validate=True) if name else b""
            self._overlay = Overlay.received(name, content) if name else None
        except (ValueError, TypeError) as problem:
            refused["file"] = str(problem)
        self._wanted = Reading(self._reading.state, refused)
        self._go()

    def _go(self) -> None:
        if not self._running:
            self._running = True
            self._doc.add_next_tick_callback(self._answer)

    @without_document_lock  # type: ignore[untyped-decorator]
    async def _answer(self) -> None:
        """Answer until nothing is wanted, the map last."""
        try:
            while not self._ended:
                if self._wanted is not None:
                    reading, self._wanted = self._wanted, None
                    await self._show_or_say_why_not(reading, self._number)
                elif not await self._go_on_with_map():
                    break
        finally:
            self._running = False

    async def _show_or_say_why_not(self, reading: Reading, number: int) -> None:
        """A fault of the page itself leaves a window that says so, and takes the next setting."""
        try:
            await self._show(reading, number)
        except Exception as problem:
            traceback.print_exc()
            words = f"this page has a fault: {type(problem).__name__}: {problem}"
            answer = self._words(None, reading.state, {"page": words}, number) | {"warnings": []}
            await self._publish(lambda: self._say(answer))

    async def _show(self, reading: Reading, number: int) -> None:
        began = time.perf_counter()
        state, refused = reading.state, dict(reading.refused)
        scene, heard = await self._ask(lambda: Scene.of(state, self._context.rows), refused)
        if scene is None and not self._drawn:
            # Nothing could be seen of what the address asks: the page starts as without it.
            scene, _ = await self._ask(lambda: Scene.of(self._context.start, self._context.rows))
        answer = self._words(scene, state, refused, number)
        answer |= {"warnings": heard, "milliseconds": 1e3 * (time.perf_counter() - began)}
        if scene is None:
            await self._publish(lambda: self._say(answer))
            return
        self._drawn = True
        self._start_map(scene.state)

        def law_and_curves() -> None:
            self.figures.show(scene, self._overlay)
            self.figures.fade(self._mapped != self._key)
            self._say(answer)

        await self._publish(law_and_curves)
        found, more = await self._ask(lambda: Stopping.of(scene), refused)
        answer |= {"refused": refused, "warnings": [*heard, *more], "complete": True}
        if found is not None:
            answer["stopping"] = {
                "best": found.best.tau,
                "test": found.best.test,
                "begin": found.window.tau_gen_loss,
                "end": found.window.tau_mem_loss,
            }

        def stopping() -> None:
            self.figures.show_stopping(found)
            self._say(answer)

        await self._publish(stopping)

    def _words(
        self, scene: Scene | None, state: State, refused: dict[str, str], number: int
    ) -> dict[str, Any]:
        """What stands beside the pictures."""
        answer: dict[str, Any] = {
            "number": number,
            "query": state.query(self._context.start),
            "values": state.values(),
            "refused": refused,
            "complete": scene is None,
            "overlay": self._overlay.name if self._overlay else "",
        }
        if scene is not None:
            colours = colours_of_bulks([family["name"] for family in scene.families])
            families = [{**family, "colour": colours[family["name"]]} for family in scene.families]
            answer |= {
                "snippet": snippet(scene.state, self._context.rows),
                "bulks": scene.legend(),
                "families": families,
                "facts": scene.facts,
                "classes": [
                    {"name": one.name, "colour": one.colour, "share": one.share}
                    for one in scene.classes
                ],
                "given": scene.state.population in GIVEN,
            }
        return answer

    def _start_map(self, state: State) -> None:
        key = state.on_map
        if key == self._key:
            return
        self._key, self._mapped = key, None
        if key in self._context.maps:
            self._maps = iter([self._context.maps[key]])
        else:
            self._maps = refine(key, data_of(key, self._context.rows))

    async def _go_on_with_map(self) -> bool:
        """A slice of work on the map; False once it is finished."""
        maps, until = self._maps, time.perf_counter() + _SLICE

        def some() -> tuple[bool, Map | None]:
            for found in maps:
                if found is not None or time.perf_counter() > until:
                    return True, found
            return False, None

        told, _ = await self._ask(some)
        going, found = told or (False, None)
        if found is not None:
            assert self._key is not None
            self._mapped = self._key
            if found.loads.size == levels(self._key)[-1]:
                self._context.keep(self._key, found)
            await self._publish(lambda: self.figures.show_map(found))
        return going

    async def _ask(
        self, question: Callable[[], _Answer], refused: dict[str, str] | None = None
    ) -> tuple[_Answer | None, list[str]]:
        """The answer, and warnings on the way to it; why there is none goes to `refused`."""
        try:
            answer, problem, heard = await asyncio.wait_for(beside(question), _PATIENCE)
        except TimeoutError:
            words = f"this setting has no answer within {_PATIENCE:g} s: try one beside it"
            if refused is not None:
                refused["patience"] = words
            return None, []
        if problem is not None and refused is not None:
            said = isinstance(problem, (ValueError, TypeError, ImportError))
            words = str(problem) if said else f"{type(problem).__name__}: {problem}"
            refused.setdefault(words.partition(" ")[0], words)
        return answer, heard

    def _say(self, answer: dict[str, Any]) -> None:
        self._shown.data = {"json": [Summary(answer).to_json()]}

    async def _publish(self, change: Callable[[], None]) -> None:
        """Change the document in one message, under its lock, and wait until that is done."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def change_at_once() -> None:
            self._doc.hold("combine")
            try:
                change()
                done.set_result(None)
            except Exception as problem:
                done.set_exception(problem)
            finally:
                self._doc.unhold()

        if not self._ended:
            self._doc.add_next_tick_callback(change_at_once)
            await done
