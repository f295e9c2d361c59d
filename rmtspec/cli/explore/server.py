"""The page's server: on this machine only, and ready when it says so."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from bokeh.events import ConnectionLost, DocumentReady
from bokeh.models import CustomJS
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.web import StaticFileHandler

from .beside import heard_by_thread
from .page import Context
from .session import Session
from .warming import warm

ADDRESS = "127.0.0.1"


def serve(context: Context, port: int, *, browser: bool, say: Callable[[str], Any]) -> None:
    """Serve the page until the program is interrupted.

    Parameters
    ----------
    context : what every window starts with
    port : 0 for any that is free
    browser : whether to open a window
    say : takes one line, where the page is, once it can be used

    Raises
    ------
    OSError
        If the port cannot be had.
    """
    with socket.create_server((ADDRESS, port)) as listening, heard_by_thread():
        warm(with_rows=context.rows is not None)
        _serve_on(listening, context, browser, say)


def _serve_on(
    listening: socket.socket, context: Context, browser: bool, say: Callable[[str], Any]
) -> None:
    listening.setblocking(False)
    port = listening.getsockname()[1]
    origins = {f"{host}:{port}" for host in (ADDRESS, "localhost")}
    loop = IOLoop.current()
    application = Application(FunctionHandler(lambda doc: _window(doc, context)))
    tornado = BokehTornado(
        {"/": application},
        extra_websocket_origins=origins,
        extra_patterns=[(r"/font/(DejaVuSans(?:-Bold)?\.ttf)", StaticFileHandler, _fonts())],
        websocket_max_message_size_bytes=40_000_000,
    )
    http = HTTPServer(tornado)
    http.add_sockets([listening])
    server = BaseServer(loop, tornado, http)
    server.start()
    url = f"http://{ADDRESS}:{port}/"
    say(f"listening at {url} (Ctrl-C ends it)")
    if browser:
        # A browser that writes to this terminal, or takes its time, keeps nobody waiting.
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    _until_interrupted(loop)
    server.stop()


def _until_interrupted(loop: IOLoop) -> None:
    """Run the loop; an interruption ends it between two callbacks, and so leaves no traceback."""
    own: asyncio.AbstractEventLoop = loop.asyncio_loop
    handled = []
    for name in (signal.SIGINT, signal.SIGTERM):
        try:
            own.add_signal_handler(name, loop.stop)
            handled.append(name)
        except (NotImplementedError, RuntimeError, ValueError):  # Windows; not the main thread
            pass
    try:
        loop.start()
    except KeyboardInterrupt:
        pass
    finally:
        for name in handled:
            own.remove_signal_handler(name)


def _window(doc: Document, context: Context) -> None:
    """A document for one more window."""
    request = doc.session_context.request if doc.session_context else None
    session = Session(doc, context, _query_of(request))
    doc.title = "rmtspec explore"
    doc.template = context.template
    doc.template_variables.update(context.variables)
    named = {name: doc.get_model_by_name(name) for name in ("asked", "file", "shown")}
    doc.js_on_event(DocumentReady, CustomJS(args=named, code="rmtspec.start(asked, file, shown)"))
    doc.js_on_event(ConnectionLost, CustomJS(code="rmtspec.lost()"))
    del session  # the document's callbacks hold it


def _query_of(request: Any) -> str:
    if request is None:
        return ""
    pairs = [
        (name, value.decode("utf-8", "replace"))
        for name, values in request.arguments.items()
        for value in values
    ]
    return urlencode(pairs)


def _fonts() -> dict[str, str]:
    """The folder of the font of the pictures."""
    from matplotlib import get_data_path

    return {"path": str(Path(get_data_path()) / "fonts" / "ttf")}


def say(line: str) -> None:
    """Print a line at once."""
    print(line, file=sys.stdout, flush=True)
