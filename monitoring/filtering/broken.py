"""One byte that a worker's main process and its children share: whether anything is known to be broken."""

from __future__ import annotations

import mmap


class Broken:
    """Say in every process that is forked from this one whether an outage is known to any of them.

    So a task that succeeds asks nobody: it reads one byte. A process that is spawned instead has a byte of its own.
    """

    __slots__ = ("_byte",)

    def __init__(self) -> None:
        # Anonymous and shared: a fork inherits the very memory.
        self._byte = mmap.mmap(-1, 1)

    def __bool__(self) -> bool:
        """Tell whether anything is broken."""
        return self._byte[0] != 0

    def set(self, *, known: bool) -> None:
        """Let every process know that something is broken, or that all works again."""
        self._byte[0] = known
