"""One byte that a worker's main process and its children share: whether anything is known to be broken."""

from __future__ import annotations

import mmap


class Broken:
    """Say in every process that is forked from this one whether an outage is known to any of them.

    So a task that succeeds asks nobody: it reads one byte. A process that is spawned instead has a byte of its own.
    """

    __slots__ = ("byte",)

    def __init__(self) -> None:
        # Anonymous and shared: a fork inherits the very memory.
        #: Its first item is not 0 when anything is broken. To be read, where each call counts; `set` writes it.
        self.byte = mmap.mmap(-1, 1)

    def set(self, *, known: bool) -> None:
        """Let every process know that something is broken, or that all works again."""
        self.byte[0] = known
