"""How envelopes leave: the SDK's transport, with a queue, a thread and a connection of each process's own."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

import urllib3
from sentry_sdk.consts import EndpointType
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import HttpTransport

from monitoring.delivery import wire
from monitoring.delivery.connection import Address, Answer, Connection
from monitoring.delivery.link import Link
from monitoring.delivery.losses import TOLD_BY_SENTRY, report_of
from monitoring.delivery.pooled import PooledConnection
from monitoring.delivery.sender import Sender
from monitoring.delivery.waiting import Parcel, parcel_of
from monitoring.forks import call_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentry_sdk.envelope import Item

logger = logging.getLogger(__name__)

REPORT_SECONDS: Final = 30.0
#: How often a transaction, metric or log is offered to a Sentry that answers but fails.
MAX_ATTEMPTS: Final = 5
#: What Sentry recognises when it comes twice. The rest is not repeated after a time-out: it would be counted twice.
RECOGNISED: Final = frozenset({"event", "transaction", "check_in"})
_TOO_MANY: Final = 429
_PASSING: Final = frozenset({408, 425})


class WorkerTransport(HttpTransport):
    """Send envelopes without ever making a task wait.

    What the SDK knows of rate limits, client reports, proxies and certificates is used as it is. The worker thread, the
    queue and the connection are ours: see `sender`, `waiting` and `link`.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        self._losses_lock = threading.RLock()
        self._reported_at = time.monotonic()
        self._sender = Sender(self, lambda: Link[Parcel](self._open))
        self._worker = _Worker(self._sender)  # type: ignore[assignment]  # what the SDK asks of its own
        self._address = self._address_of()
        call_after_fork(self._forget_parent)

    def capture_envelope(self, envelope: Envelope) -> None:
        """Take an envelope to send."""
        if envelope.items:
            self._sender.put(parcel_of(envelope))

    def flush(self, timeout: float, callback: Callable[[int, float], None] | None = None) -> None:  # noqa: ARG002  # the SDK's signature
        """Wait at most `timeout` seconds until all is sent that can be."""
        if timeout > 0:
            self.chores(hurry=True)
            self._sender.flush(timeout)

    def kill(self) -> None:
        """End for good."""
        self._sender.end()

    def record_lost_event(
        self, reason: str, data_category: Any = None, item: Item | None = None, *, quantity: int = 1
    ) -> None:
        """Count a loss, to be told in the next report."""
        with self._losses_lock:  # the SDK counts from every thread, and calls itself
            super().record_lost_event(reason, data_category, item, quantity=quantity)

    def limited(self, category: str) -> bool:
        """Say whether Sentry wants nothing of this category for now."""
        return bool(self._disabled_until) and self._check_disabled(category)

    def pack(self, parcel: Parcel) -> bytes | None:
        """Return the body of a request; leave out what a rate limit has forbidden meanwhile, and count it."""
        envelope = cast("Envelope", parcel.envelope)
        if self._disabled_until and parcel.losses is None:
            kept = []
            for item in envelope.items:
                if self._check_disabled(item.data_category):
                    self.record_lost_event("ratelimit_backoff", item=item)
                else:
                    kept.append(item)
            if not kept:
                return None
            envelope = parcel.envelope = Envelope(headers=envelope.headers, items=kept)
        try:
            return wire.packed(wire.plain(envelope))
        except Exception:
            # As the SDK does: what cannot be written as JSON is nobody's to send.
            logger.debug("an envelope could not be written", exc_info=True)
            self.lose(parcel, "internal_sdk_error")
            return None

    def settle(self, parcel: Parcel, answer: Answer | OSError) -> bool:
        """Do what an answer asks for; say whether the parcel is to be sent again."""
        if isinstance(answer, OSError):
            if isinstance(answer, TimeoutError) and parcel.kind not in RECOGNISED:
                self.lose(parcel, "network_error")
                return False
            return self._again(parcel, "network_error")
        if answer.limits:
            self._limit(answer)
        if 200 <= answer.status < 300:  # noqa: PLR2004  # accepted
            return False
        if answer.status == _TOO_MANY:
            self.lose(parcel, TOLD_BY_SENTRY)
            return False
        if answer.status in _PASSING or not 400 <= answer.status < 500:  # noqa: PLR2004  # refused for good
            return self._again(parcel, "network_error")
        self.lose(parcel, "send_error")
        return False

    def lose(self, parcel: Parcel, reason: str) -> None:
        """Count a parcel that will not be sent. What a lost report told is told by the next one."""
        if parcel.losses is not None:
            with self._losses_lock:
                for key, quantity in parcel.losses.items():
                    self._discarded_events[key] += quantity
        elif parcel.envelope is not None:
            for item in parcel.envelope.items:
                self.record_lost_event(reason, item=item)

    def chores(self, *, hurry: bool) -> None:
        """Tell what was lost, every thirty seconds and when somebody waits for the end."""
        now = time.monotonic()
        if self._discarded_events and (hurry or now - self._reported_at >= REPORT_SECONDS):
            self._reported_at = now
            self._report()

    def _report(self) -> None:
        with self._losses_lock:
            losses, self._discarded_events = dict(self._discarded_events), defaultdict(int)
        if self.options["send_client_reports"]:
            envelope = report_of(losses, self.options)
            if envelope.items:
                parcel = Parcel("client_report", "internal", 1, envelope, losses=losses)
                self._sender.put(parcel)

    def _again(self, parcel: Parcel, reason: str) -> bool:
        if parcel.attempts < MAX_ATTEMPTS:
            return True
        self.lose(parcel, reason)
        return False

    def _limit(self, answer: Answer) -> None:
        self._update_rate_limits(cast("urllib3.BaseHTTPResponse", answer))

    def _open(self) -> Connection | PooledConnection:
        # A proxy or SOCKS manager is a subclass, and knows what we do not.
        if type(self._pool) is urllib3.PoolManager:
            return self._address.open()
        return PooledConnection(self._pool, self._address.url, self._address.headers)

    def _address_of(self) -> Address:
        pool = self._get_pool_options()
        return Address(
            url=self._auth.get_api_url(EndpointType.ENVELOPE),
            headers={
                "User-Agent": str(self._auth.client),
                "X-Sentry-Auth": self._auth.to_header(),
                "Content-Type": "application/x-sentry-envelope",
                "Content-Encoding": wire.ENCODING,
            },
            socket_options=pool.get("socket_options") or (),
            ca_certs=pool.get("ca_certs"),
            cert_file=pool.get("cert_file"),
            key_file=pool.get("key_file"),
        )

    def _forget_parent(self) -> None:
        """Become as new in a forked child: no copy of what the parent has queued or counted, no shared socket."""
        self._losses_lock = threading.RLock()
        self._discarded_events = defaultdict(int)
        self._reported_at = time.monotonic()
        with suppress(Exception):
            self._sender.forget()
        self._pool = self._make_pool()


class _Worker:
    """Answer what the SDK asks of its own background worker."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def full(self) -> bool:
        """Whether the queue is full; then the SDK samples fewer transactions."""
        return self._sender.full

    def kill(self) -> None:
        """End the thread."""
        self._sender.end()
