"""Which bots have had a successful task: from the processes that run tasks to the worker's main process, by a pipe.

A task pays for a look into a dictionary, and at most once a second and bot for one write that cannot block. No network,
no lock, no thread: the pipe is made before the pool forks, and the kernel keeps lines of many writers apart.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: A bot's success is told this often at most. Seconds.
EVERY_SECONDS: Final = 1.0
#: Bots that one process remembers; more are told more often.
_MAX_REMEMBERED: Final = 10_000
_MAX_READ: Final = 1 << 20
_SUCCESS, _SEEN = "+", "-"


class Pulse:
    """Carry bot ids over a pipe. When it is full, because nobody reads, a success is told by the bot's next one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._clock = clock
        self._told: dict[str, float] = {}

    def ended(self, bot: str, *, success: bool) -> None:
        """Note the end of a bot's task. Without success it only counts as seen: its budget begins."""
        now = self._clock()
        told = self._told.get(bot)
        if told is not None and (not success or now - told < EVERY_SECONDS):
            return
        try:
            os.write(self._writer, f"{_SUCCESS if success else _SEEN}{bot}\n".encode())
        except OSError:  # full, or closed at shutdown
            return
        if len(self._told) >= _MAX_REMEMBERED:
            self._told.clear()
        self._told[bot] = now if success else now - EVERY_SECONDS

    def drain(self) -> tuple[set[str], set[str]]:
        """Return the bots that succeeded since the last call, and those that were only seen."""
        succeeded: set[str] = set()
        seen: set[str] = set()
        try:
            text = os.read(self._reader, _MAX_READ)
        except OSError:  # empty
            return succeeded, seen
        for line in text.decode(errors="replace").splitlines():
            (succeeded if line[:1] == _SUCCESS else seen).add(line[1:])
        return succeeded, seen - succeeded

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._reader)
        os.close(self._writer)
