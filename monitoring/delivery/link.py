"""The way to Sentry: a few kept-alive connections, watched by one thread.

One connection carries one envelope per round trip, which at 50 ms is twenty a second. So requests go out on further
connections while answers are awaited: four at once at first, one more for each envelope that Sentry takes, up to
thirty-two, back to one when it fails; and never more than there is to send.
"""

from __future__ import annotations

import selectors
import time
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from monitoring.delivery.answer import Answer, Verdict, verdict_of
from monitoring.delivery.connection import ANSWER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

FIRST_WINDOW: Final = 4
LARGEST_WINDOW: Final = 32


class _Way(Protocol):
    used: int
    deadline: float
    reusable: bool

    def fileno(self) -> int: ...
    def send(self, body: bytes) -> None: ...
    def receive(self) -> Answer | None: ...
    def still_there(self) -> bool: ...
    def close(self) -> None: ...


class Link(Generic[T]):
    """Send bodies and yield their answers, each with what it was sent for. For one thread only."""

    def __init__(self, open_way: Callable[[], _Way], clock: Callable[[], float] = time.monotonic) -> None:
        self._open_way = open_way
        self._clock = clock
        self._idle: list[_Way] = []
        self._busy: dict[_Way, tuple[T, bytes]] = {}
        self._selector = selectors.DefaultSelector()
        self._window = FIRST_WINDOW

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return bool(self._busy)

    @property
    def free(self) -> bool:
        """Whether another request may go out now."""
        return len(self._busy) < self._window

    def send(self, token: T, body: bytes) -> None:
        """Send a body; raise OSError when it cannot be sent."""
        while True:
            way = self._idle.pop() if self._idle else self._open()
            way.deadline = self._clock() + ANSWER_SECONDS
            try:
                way.send(body)
            except OSError:
                self._close(way)
                # A kept connection may have been closed by the other side meanwhile, which says nothing of Sentry.
                if not way.used:
                    self._window = 1
                    raise
            else:
                self._busy[way] = (token, body)
                return

    def answers(self, seconds: float) -> Iterator[tuple[T, Answer | OSError]]:
        """Yield what is answered, or has failed; wait for the first such thing at most `seconds`."""
        ready = [way for way in self._busy if way.fileno() < 0]
        if not ready:
            ready = [key.fileobj for key, _ in self._selector.select(seconds)]  # type: ignore[misc]  # ours, as registered
        for way in ready:
            yield from self._received(way)
        now = self._clock()
        for way in [way for way in self._busy if way.deadline <= now]:
            yield self._failed(way, TimeoutError(f"Sentry did not answer within {ANSWER_SECONDS:g} s"))

    def close(self) -> None:
        """Close every connection; what was under way is forgotten."""
        for way in [*self._idle, *self._busy]:
            way.close()
        self._selector.close()

    def _received(self, way: _Way) -> Iterator[tuple[T, Answer | OSError]]:
        if way not in self._busy:  # an idle one: the other side has closed it, most likely
            if way in self._idle and not way.still_there():
                self._idle.remove(way)
                self._close(way)
            return
        try:
            answer = way.receive()
        except OSError as error:
            token, body = self._busy[way]
            if not way.used or isinstance(error, TimeoutError):
                yield self._failed(way, error)
                return
            self._close(way)  # as in `send`: a kept connection, closed before it saw the request
            try:
                self.send(token, body)
            except OSError as again:
                yield token, again
            return
        if answer is not None:
            token, _ = self._busy.pop(way)
            if way.reusable:
                self._idle.append(way)
            else:
                self._close(way)
            failed = verdict_of(answer) is Verdict.FAILED
            self._window = 1 if failed else min(self._window + 1, LARGEST_WINDOW)
            yield token, answer

    def _failed(self, way: _Way, error: OSError) -> tuple[T, OSError]:
        token, _ = self._busy[way]
        self._close(way)
        self._window = 1
        return token, error

    def _open(self) -> _Way:
        try:
            way = self._open_way()
        except OSError:
            self._window = 1
            raise
        if way.fileno() >= 0:
            self._selector.register(way, selectors.EVENT_READ)
        return way

    def _close(self, way: _Way) -> None:
        self._busy.pop(way, None)
        if way.fileno() >= 0:
            self._selector.unregister(way)
        way.close()
