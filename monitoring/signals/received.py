"""What the message of an attempt says of it, read when somebody asks: mostly the thread that talks to Sentry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from monitoring.delivery.losses import count_lost
from monitoring.latency import queue_wait_ms
from monitoring.signals import destination, message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitoring.context import TradingContext


class Words(NamedTuple):
    """Say whose work an attempt is and how it ended, by the keys of everything that it produces."""

    task: str
    attempt: str
    bot_id: str | None
    exchange: str | None
    symbol: str | None
    strategy: str | None
    queue: str | None
    redelivered: str | None
    outcome: str | None

    def known(self) -> dict[str, str]:
        """Return the words that there are, by their keys."""
        return {key: word for key, word in zip(self._fields, self, strict=True) if word is not None}


class Received:
    """Hold an attempt's message, as it stands in the task's request, without the task's arguments: it outlives them.

    `found` is the context in those arguments, `inherited` that of whoever calls a task eagerly. `started` is wall
    clock, in seconds. Nothing is read before it is asked for.
    """

    __slots__ = (
        "_carried", "_delivery_info", "_enqueued", "_eta", "_header", "_retries",
        "found", "inherited", "started", "task",
    )  # fmt: skip

    def __init__(
        self, task: Any, request: Mapping[str, Any], found: TradingContext, inherited: TradingContext, started: float
    ) -> None:
        self.task = task
        self.found = found
        self.inherited = inherited
        self.started = started
        get = request.get
        self._header, self._enqueued = get(message.HEADER), get(message.ENQUEUED_TIME)
        if self._header is None:
            self._header = message.header(request, message.HEADER)
            self._enqueued = message.header(request, message.ENQUEUED_TIME)
        self._retries, self._delivery_info, self._eta = get("retries"), get("delivery_info"), get("eta")
        self._carried: message.Carried | None = None

    @property
    def carried(self) -> message.Carried:
        """Return what the message carries for monitoring."""
        if self._carried is None:
            self._carried = _carried(self._header, self._enqueued)
        return self._carried

    @property
    def context(self) -> TradingContext:
        """Return whose work it is: by its arguments, then by its message, then by its caller."""
        return self.found.over(self.carried.context).over(self.inherited)

    @property
    def number(self) -> int:
        """Return the attempt's number, from 1; Celery's `retries` counts from 0."""
        return int(self._retries or 0) + 1

    @property
    def redelivered(self) -> bool:
        """Say whether the broker had delivered the message before."""
        return bool(self._delivery_info and self._delivery_info.get("redelivered"))

    @property
    def queue(self) -> str | None:
        """Return the name of the queue that it came through."""
        return destination.received_from(self.task.app, self._delivery_info)

    @property
    def queue_wait(self) -> float | None:
        """Return the milliseconds that it waited although it was due; None when nobody said since when."""
        return queue_wait_ms(self.started, self.carried.published, self._eta)

    def words(self, outcome: str | None = None) -> Words:
        """Return what everything that the attempt produces is told with."""
        context = self.context
        return Words(
            self.task.name,
            str(self.number),
            context.bot_id,
            context.exchange,
            context.symbol,
            context.strategy,
            self.queue,
            "true" if self.redelivered else None,
            outcome,
        )


def carried_by(request: Any) -> message.Carried:
    """Read what a message says; a header that is not ours is ignored and counted. Never raises."""
    return _carried(message.header(request, message.HEADER), message.header(request, message.ENQUEUED_TIME))


def _carried(text: object, enqueued: object) -> message.Carried:
    if text is not None:
        try:
            return message.decoded(text)
        except message.MalformedHeaderError:
            count_lost("malformed_header")
    published = float(enqueued) if isinstance(enqueued, int | float) else None
    return message.Carried(published, published)
