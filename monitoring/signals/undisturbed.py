"""Signals that end a task or its process wait until a report is whole.

They come as an exception, wherever the main thread happens to be. Out of a hook or out of the SDK's own code it takes
them for a mistake of its own: the event is dropped, and so is the end, so that the child lives on and a cold shutdown
waits for it for ever. Out of the spool they would leave an error on disk that is in memory as well, and sent twice.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: billiard's end of a child (also where `REMAP_SIGTERM` is set), and Celery's soft time limit.
HELD: Final = (signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1)
#: Whose handlers raise.
_POOLS: Final = "billiard."


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold back these signals until the block ends, then let them strike. Costs a few microseconds: for failures.

    Only in a process of the pool, and in its main thread, because nowhere else an exception comes of them: Celery's own
    handlers in a worker's main process do not raise, and there greenlets may take turns within the block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, _: Any) -> None:
        came.append(number)

    held: dict[signal.Signals, Any] = {}
    try:
        for number in HELD:
            handler = signal.getsignal(number)
            if callable(handler) and str(getattr(handler, "__module__", "")).startswith(_POOLS):
                held[number] = handler
                signal.signal(number, note)
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)
