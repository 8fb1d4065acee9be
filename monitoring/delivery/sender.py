"""The one thread per process that talks to Sentry. No task ever waits for it, but a flush does, within its bound."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol

from monitoring.delivery import threads
from monitoring.delivery.answer import Verdict, verdict_of
from monitoring.delivery.backoff import Backoff
from monitoring.delivery.waiting import URGENT, Parcel, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitoring.delivery.answer import Answer
    from monitoring.delivery.link import Link

logger = logging.getLogger(__name__)

#: Transactions, metrics and logs are gathered this long, and then sent one after the other: a thread that is woken
#: for each of them takes the interpreter away from a task each time.
GATHER_SECONDS: Final = 0.1
GATHER_ENVELOPES: Final = 100
#: How long the thread waits for an answer before it looks whether there is more to send.
TICK_SECONDS: Final = 0.05
#: How often the thread wakes when there is nothing to do, to fetch metrics and to look after the spool and reports.
CHORE_SECONDS: Final = 5.0
#: What Sentry counts check-ins as.
CHECK_INS: Final = "monitor"


class Post(Protocol):
    """What the sender asks of the transport: what a parcel is on the wire, and what an answer means."""

    def limited(self, category: str) -> bool:
        """Say whether Sentry wants nothing of this category for now."""
        ...

    def pack(self, parcel: Parcel) -> bytes | None:
        """Return the body to send, or None when there is nothing left of it to send."""
        ...

    def settle(self, parcel: Parcel, answer: Answer | OSError) -> bool:
        """Do what an answer asks for; say whether the parcel is to be sent again."""
        ...

    def lose(self, parcel: Parcel, reason: str) -> None:
        """Count a parcel that will not be sent."""
        ...

    def chores(self, *, hurry: bool) -> None:
        """Do what is due from time to time; `hurry` means now, because somebody waits for the end."""
        ...


class Sender:
    """Own what waits, the thread, and the way to Sentry. The thread starts with the first thing to send."""

    def __init__(
        self,
        post: Post,
        new_link: Callable[[], Link[Parcel]],
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._post = post
        self._new_link = new_link
        self._clock = clock
        self._backoff = backoff or Backoff(clock)
        self._changed = threading.Condition()
        self._waiting = Waiting()
        self._thread: threading.Thread | None = None
        self._link: Link[Parcel] | None = None
        self._under_way: set[Parcel] = set()
        self._bulk_since = 0.0
        self._flushing = 0
        self._hurry = False
        self._due = False
        self._failures = 0
        self._chores_at = 0.0
        self._ended = False

    def put(self, parcel: Parcel) -> None:
        """Take a parcel to send; count what has to be dropped for it. Never waits."""
        with self._changed:
            if not self._waiting.bulk:
                # What the thread itself puts was gathered already, and it is awake.
                own = threading.current_thread() is self._thread
                self._bulk_since = -GATHER_SECONDS if own else self._clock()
            dropped = self._waiting.add(parcel)
            if parcel.kind in URGENT or len(self._waiting.bulk) in {1, GATHER_ENVELOPES}:
                self._changed.notify_all()
        if self._thread is None:
            self.start()
        for lost in dropped:
            self._post.lose(lost, "queue_overflow")

    def start(self) -> None:
        """Start the thread, unless it runs or the interpreter is ending."""
        with self._changed:
            if self._thread is not None or self._ended:
                return
            thread = threading.Thread(target=self._run, name="monitoring-delivery", daemon=True)
            if threads.start(thread):
                self._thread = thread

    def rouse(self) -> None:
        """Have the chores done at once."""
        with self._changed:
            self._due = True
            self._changed.notify_all()

    @property
    def has_unspooled(self) -> bool:
        """Whether anything that waits is in memory alone."""
        return bool(self._waiting.bulk or self._waiting.unspooled)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether a transaction put now would push out an older one; the SDK then samples fewer."""
        return self._waiting.full

    def flush(self, seconds: float) -> None:
        """Wait until everything that may be sent is, or one attempt has failed; at most `seconds`."""
        if not self._waiting and not self._under_way and self._thread is None:
            return
        self.start()
        with self._changed:
            failures = self._failures
            self._flushing += 1
            self._hurry = True
            self._backoff.hurry()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._failures != failures or self._done(), seconds)
            self._flushing -= 1

    def set_aside(self, keep: Callable[[Parcel, bool], None]) -> None:
        """Hand over what is in memory alone: what waits, and is forgotten; what is under way, and may yet arrive."""
        with self._changed:
            for parcel in self._waiting.take_unspooled():
                keep(parcel, False)  # noqa: FBT003  # whether it is under way
            for parcel in self._under_way:
                if parcel.file is None and not parcel.answered:
                    keep(parcel, True)  # noqa: FBT003  # as above

    def end(self) -> None:
        """Tell the thread to end; what is under way is left to itself. Returns at once."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def forget(self) -> None:
        """Become as new in a forked child: thread, sockets and what waits are the parent's."""
        if self._link is not None:
            self._link.close()
        self.__init__(self._post, self._new_link, None, self._clock)  # type: ignore[misc]  # every lock must be new

    def _done(self) -> bool:
        return not (
            self._hurry or self._under_way or self._waiting.bulk or self._waiting.has_urgent(self._post.limited)
        )

    def _run(self) -> None:
        while not self._ended:
            self._link = link = self._new_link()
            try:
                while not self._ended:
                    self._turn(link)
            except Exception:
                # A bug of ours, or an interpreter that is ending: what was under way starts again on a new link.
                logger.debug("the sender stumbled", exc_info=True)
                self._recover()
            finally:
                link.close()

    def _turn(self, link: Link[Parcel]) -> None:
        self._dispatch(link)
        if link.busy:
            for parcel, answer in link.answers(TICK_SECONDS):
                self._answered(parcel, answer)
        else:
            self._rest()
        self._look_after()

    def _recover(self) -> None:
        self._backoff.failed()
        with self._changed:
            for parcel in self._under_way:
                parcel.answered = False
                self._waiting.put_back(parcel)
            self._under_way.clear()
            self._failures += 1
            self._changed.notify_all()

    def _dispatch(self, link: Link[Parcel]) -> None:
        while link.free and not self._ended and not self._backoff.left:
            with self._changed:
                parcel = self._waiting.take(self._held_back, bulk=self._gathered())
                if parcel is None:
                    return
                self._under_way.add(parcel)
            body = self._post.pack(parcel)
            if body is None:
                self._finished(parcel)
                continue
            parcel.attempts += 1
            try:
                link.send(parcel, body)
            except OSError as error:
                self._answered(parcel, error)

    def _held_back(self, category: str) -> bool:
        """Say whether nothing of a category may go now.

        Check-ins go one after the other: on two connections the end of a run would overtake its beginning.
        """
        if category == CHECK_INS and any(parcel.category == CHECK_INS for parcel in self._under_way):
            return True
        return self._post.limited(category)

    def _gathered(self) -> bool:
        return (
            self._flushing > 0
            or len(self._waiting.bulk) >= GATHER_ENVELOPES
            or self._clock() - self._bulk_since >= GATHER_SECONDS
        )

    def _answered(self, parcel: Parcel, answer: Answer | OSError) -> None:
        failed = verdict_of(answer) is Verdict.FAILED
        if failed:
            self._backoff.failed()
        else:
            self._backoff.succeeded()
        with self._changed:
            parcel.answered = True  # from here on, nobody else may keep it
        again = self._post.settle(parcel, answer)
        dropped: list[Parcel] = []
        with self._changed:
            parcel.answered = False
            if again:
                dropped = self._waiting.put_back(parcel)
            self._failures += failed
        self._finished(parcel)
        for lost in dropped:
            self._post.lose(lost, "queue_overflow")

    def _finished(self, parcel: Parcel) -> None:
        with self._changed:
            self._under_way.discard(parcel)
            self._changed.notify_all()

    def _rest(self) -> None:
        """Wait until there is something to do."""
        with self._changed:
            self._changed.wait_for(self._roused, self._pause())

    def _roused(self) -> bool:
        if self._ended or self._hurry or self._due:
            return True
        if self._backoff.left:
            return False
        return self._waiting.has_urgent(self._post.limited) or (bool(self._waiting.bulk) and self._gathered())

    def _pause(self) -> float:
        """Return how long nothing will happen by itself."""
        if self._backoff.left:
            return min(self._backoff.left, CHORE_SECONDS)
        if self._waiting.bulk:
            return max(0.0, self._bulk_since + GATHER_SECONDS - self._clock())
        return CHORE_SECONDS if not self._waiting else 1.0

    def _look_after(self) -> None:
        now = self._clock()
        if self._hurry or self._due or now >= self._chores_at:
            self._chores_at = now + CHORE_SECONDS
            self._due = False
            self._post.chores(hurry=self._hurry)
            with self._changed:
                self._hurry = False
                self._changed.notify_all()
