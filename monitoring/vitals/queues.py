"""How many messages wait, by the broker's own answer: every priority of a Redis queue, whatever RabbitMQ has ready."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from celery import Celery

#: For each of connecting and answering. Seconds.
BUDGET_SECONDS: Final = 2.0
#: An exclusive queue belongs to one connection, and goes with it: that is RabbitMQ's own lease.
_SEAT: Final = "worker-monitoring.sampler"


class Queues:
    """Ask the broker over one channel of our own, which is opened when first needed and after each failure.

    Kept open, because to open it costs ten times what the questions do. For one thread only.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._connection: Any | None = None
        self._channel: Any | None = None

    def depths(self, names: Iterable[str]) -> dict[str, int]:
        """Return the messages that wait in each queue. One that does not exist has none: Redis deletes empty ones."""
        found = {}
        for name in names:
            with self._asking() as channel:
                try:
                    found[name] = int(channel.queue_declare(queue=name, passive=True).message_count)
                except self._open().channel_errors:
                    found[name] = 0
                    if not _is_redis(self._open()):
                        self._channel = None  # RabbitMQ has closed it
        return found

    def unacknowledged(self) -> int | None:
        """Return the messages that workers hold, as the broker counts them; None where it does not say."""
        if not _is_redis(self._open()):
            return None
        with self._asking() as channel:
            return int(channel.client.hlen(channel.unacked_key))

    def take_seat(self) -> bool:
        """Say whether this connection is the elected one, where there is no Redis to say it. For RabbitMQ."""
        try:
            with self._open().channel() as channel:
                channel.queue_declare(queue=_SEAT, exclusive=True, durable=False, auto_delete=False)
        except self._open().channel_errors:
            return False
        return True

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        try:
            if self._channel is None:
                self._channel = self._open().channel()
            yield self._channel
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection back; the next question opens another."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            connection.release()

    def _open(self) -> Any:
        if self._connection is None:
            budget = {"socket_timeout": BUDGET_SECONDS, "socket_connect_timeout": BUDGET_SECONDS}
            options = budget if _is_redis(self._app.connection_for_read()) else {}
            self._connection = self._app.connection_for_read(connect_timeout=BUDGET_SECONDS, transport_options=options)
        return self._connection


def _is_redis(connection: Any) -> bool:
    return bool(connection.transport.driver_type == "redis")
