"""The last step of a command: its text on standard output, if anyone listens."""

from __future__ import annotations

import contextlib
import errno
import os
import sys


def say(text: str) -> None:
    """Print a text and flush it; nobody is told twice that nobody listens.

    Parameters
    ----------
    text : to be printed, with a line feed after it

    A reader that left early (``| head -1``) asked for no more than it took, which is no error.

    Raises
    ------
    OSError
        If standard output cannot be written for another reason: it was closed from the start
        (``>&-``), or the disk is full.
    """
    if sys.stdout is None or sys.stdout.closed:
        raise OSError(errno.EBADF, "standard output is closed")
    # Names of files may hold letters that a terminal of few letters has not.
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard()
    except OSError as problem:
        if problem.errno == errno.EBADF:
            _discard()
        raise


def _discard() -> None:
    """Send what is left in the buffer nowhere, so that it cannot fail again at exit."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
