"""What the operator sees: every line of every process behind its name."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TextIO

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)  # ANSI foregrounds that can be read on black and on white
_RED = 31
OWN_NAME = "system"


class Screen:
    """Write whole lines, one at a time, from any thread; fall silent when nobody reads any more."""

    def __init__(self, stream: TextIO, *, colours: bool = False, width: int = 8) -> None:
        self._stream: TextIO | None = stream
        self._colours = colours
        self._width = width
        self._lock = threading.Lock()
        self._colour_of: dict[str, int] = {}

    @classmethod
    def for_stream(cls, stream: TextIO) -> Screen:
        """Use colours on a terminal, unless NO_COLOR is set (no-color.org)."""
        return cls(stream, colours=stream.isatty() and not os.environ.get("NO_COLOR"))

    def line(self, name: str, text: str) -> None:
        """Show a line that the process called ``name`` wrote."""
        with self._lock:
            colour = self._colour_of.setdefault(name, _COLOURS[len(self._colour_of) % len(_COLOURS)])
            self._write(self._painted(f"{name:<{self._width}} |", colour), text)

    def say(self, text: str, *, bad: bool = False) -> None:
        """Show a message of the runner's own; ``bad`` ones stand out."""
        with self._lock:
            for part in text.splitlines():
                self._write(
                    self._painted(f"{OWN_NAME:<{self._width}} |", 1), self._painted(part, _RED) if bad else part
                )

    def _painted(self, text: str, colour: int) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colours else text

    def _write(self, prefix: str, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(f"{prefix} {text}\n")
            self._stream.flush()
        except (
            OSError,
            ValueError,
        ):  # the reader has gone (`make run | head`); the processes must go on and stop in order
            # Python writes what is still buffered once more as it ends, and would exit with 120.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            self._stream = None
