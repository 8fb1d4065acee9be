"""Signals that end a task or its process wait until a report is whole.

They come as an exception, wherever the main thread happens to be. Out of a hook or out of the SDK's own code it takes
them for a mistake of its own: the event is dropped, and so is the end, so that the child lives on and a cold shutdown
waits for it for ever. Out of the spool they would leave an error on disk that is in memory as well, and sent twice.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: billiard's end of a child (also where `REMAP_SIGTERM` is set), and Celery's soft time limit.
HELD: Final = (signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1)
#: Whose handlers raise.
_POOLS: Final = "billiard."


class Undisturbed:
    """Hold back these signals in a `with` block, then let them strike. Costs a fraction of a microsecond.

    Only in a process of the pool, and in its main thread, because nowhere else an exception comes of them: Celery's own
    handlers in a worker's main process do not raise, and there greenlets may take turns within the block. The first
    block of a process puts a switch in front of the pool's handlers; one that the application sets later is its own.
    """

    __slots__ = ("_blocks", "_came", "_main_thread", "_switched")

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin anew, in a forked child: its handlers are yet to come."""
        self._main_thread = get_ident()
        self._switched = False
        self._blocks = 0
        self._came: list[int] = []

    def __enter__(self) -> None:
        if get_ident() == self._main_thread:
            if not self._switched:
                self._switch()
            self._blocks += 1

    def __exit__(self, *_: object) -> None:
        if get_ident() == self._main_thread:
            if self._blocks:  # none, in a child that was forked within
                self._blocks -= 1
            while self._came and not self._blocks:
                signal.raise_signal(self._came.pop())

    def _switch(self) -> None:
        for number in HELD:
            handler = signal.getsignal(number)
            if callable(handler) and str(getattr(handler, "__module__", "")).startswith(_POOLS):
                signal.signal(number, partial(self._strike, handler))
        self._switched = True

    def _strike(self, handler: Callable[[int, Any], Any], number: int, frame: Any) -> None:
        if self._blocks:
            self._came.append(number)
        else:
            handler(number, frame)


undisturbed: Final = Undisturbed()
os.register_at_fork(after_in_child=undisturbed.renew)
