"""How envelopes leave: the SDK's transport, with a queue, a thread and a connection of each process's own."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

import urllib3
from sentry_sdk.consts import EndpointType
from sentry_sdk.envelope import Envelope

from monitoring.delivery import wire
from monitoring.delivery.answer import Answer, Verdict, verdict_of
from monitoring.delivery.connection import Address, Connection
from monitoring.delivery.link import Link
from monitoring.delivery.losses import TOLD_BY_SENTRY, report_of
from monitoring.delivery.pooled import PooledConnection
from monitoring.delivery.sender import Sender
from monitoring.delivery.spooling import DURABLE, SpoolingTransport, parcels_of
from monitoring.delivery.waiting import RECOGNISED, Parcel, parcel_of
from monitoring.forks import call_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


logger = logging.getLogger(__name__)

REPORT_SECONDS: Final = 30.0
#: How often it is looked whether another process has died and left something.
ADOPT_SECONDS: Final = 10.0
#: How long a stopping process may spend on writing what is left, beside the time that it waits for Sentry.
SET_ASIDE_SECONDS: Final = 0.5
#: Errors that wait with their text in memory; of further ones the spool's copy is read when their turn comes.
TEXTS_IN_MEMORY: Final = 100
#: How often a transaction, metric or log is offered to a Sentry that answers but fails.
MAX_ATTEMPTS: Final = 5
LOST_BECAUSE: Final = {
    Verdict.LIMITED: TOLD_BY_SENTRY,
    Verdict.REFUSED: "send_error",
    Verdict.FAILED: "network_error",
}


def _as_it_is(_: Envelope) -> None:
    """Leave an envelope alone."""


class WorkerTransport(SpoolingTransport):
    """Send envelopes without ever making a task wait.

    What the SDK knows of rate limits, client reports, proxies and certificates is used as it is. The worker thread, the
    queue and the connection are ours: see `sender`, `waiting` and `link`.
    """

    #: Hands over, by `capture_envelope`, what is gathered elsewhere: metrics.
    fetch: Callable[[], None] = staticmethod(lambda: None)
    #: Takes secrets out of what no hook of the SDK's sees; set by `transport_for` too.
    scrub: Callable[[Envelope], None] = staticmethod(_as_it_is)

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        self._reported_at = time.monotonic()
        self._adopted_at = -ADOPT_SECONDS
        self._failing = False
        self._finished = False
        self._sender = Sender(self, lambda: Link[Parcel](self._open))
        self._worker = _Worker(self._sender)  # type: ignore[assignment]  # what the SDK asks of its own
        self._encoding = wire.encoding_for(self._compression_algo)
        self._address = self._address_of()
        call_after_fork(self._forget_parent)

    def capture_envelope(self, envelope: Envelope) -> None:
        """Take an envelope to send. An error's is on disk when this returns, on the thread that captured it."""
        self.scrub(envelope)
        if not envelope.items:
            return
        parcel = parcel_of(envelope)
        try:
            if parcel.kind in DURABLE and self.spool is not None:
                self._finished = False
                self.make_durable(parcel, self.spool, keep_text=len(self._sender) < TEXTS_IN_MEMORY)
        finally:  # what ends the task or its process may strike at any point
            self._sender.put(parcel)

    def flush(self, timeout: float, callback: Callable[[int, float], None] | None = None) -> None:  # noqa: ARG002  # the SDK's signature
        """Wait at most `timeout` seconds until all is sent that can be."""
        # After `finish` only what came since is worth a wait: the SDK flushes once more at exit.
        if timeout > 0 and not (self._finished and not self._sender.has_unspooled):
            self.chores(hurry=True)
            self._sender.flush(timeout)

    def finish(self) -> None:
        """After a flush: put what is left into the spool, because the process may end at any moment.

        Whatever is captured afterwards still goes its way.
        """
        self._set_aside()
        self._finished = True
        if self.spool is not None:
            self.spool.leave()

    def kill(self) -> None:
        """End for good: what is left goes to the spool, which another process may take over."""
        self._sender.end()
        self._set_aside()
        if self.spool is not None:
            self.spool.leave(for_good=True)

    def watch(self) -> None:
        """Look after the spool from now on, also before there is anything to send."""
        if self.spool is not None:
            self._sender.start()

    def fetch_soon(self, *, now: bool) -> None:
        """Have `fetch` called from time to time from now on, and at once if it is to be `now`."""
        self._sender.start()
        if now:
            self._sender.rouse()

    def readmit(self, names: Iterable[str]) -> None:
        """Try again what Sentry refused once."""
        if self.spool is not None:
            self._put_all(name for name in names if self.spool.readmit(name))

    def _put_all(self, names: Iterable[str]) -> None:
        for parcel in parcels_of(names):
            self._sender.put(parcel)

    def _set_aside(self) -> None:
        deadline = time.monotonic() + SET_ASIDE_SECONDS
        self._sender.set_aside(lambda parcel, sent: self.keep(parcel, deadline, under_way=sent))
        self.keep_report()

    def pack(self, parcel: Parcel) -> bytes | None:
        """Return the body of a request; leave out what a rate limit has forbidden meanwhile, and count it."""
        if parcel.file is not None:
            text = self.kept_text(parcel, parcel.file, fresh=not self._failing)
            return wire.packed(text, self._encoding) if text is not None else None
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
            self.fit(envelope)
            return wire.packed(wire.spelled(envelope), self._encoding)
        except Exception:
            # As the SDK does: what cannot be written as JSON is nobody's to send.
            logger.debug("an envelope could not be written", exc_info=True)
            self.lose(parcel, "internal_sdk_error")
            return None

    def settle(self, parcel: Parcel, answer: Answer | OSError) -> bool:
        """Do what an answer asks for; say whether the parcel is to be sent again."""
        verdict = verdict_of(answer)
        self._tell_change(answer, failed=verdict is Verdict.FAILED)
        if not isinstance(answer, OSError) and answer.limits:
            self.limit(parcel.category, answer)
        if parcel.file is not None and self.spool is not None:
            return self.settle_kept(verdict, parcel.file, self.spool, answer)
        if verdict is Verdict.FAILED:
            unclear = isinstance(answer, TimeoutError) and parcel.kind not in RECOGNISED
            if parcel.attempts < MAX_ATTEMPTS and not unclear:
                return True
        if reason := LOST_BECAUSE.get(verdict):
            self.lose(parcel, reason)
        return False

    def _tell_change(self, answer: Answer | OSError, *, failed: bool) -> None:
        if failed == self._failing:
            return
        self._failing = failed
        if failed:
            why = answer if isinstance(answer, OSError) else answer.text
            kept = f"kept in {self.spool.root}" if self.spool is not None else "kept in memory"
            logger.warning("Sentry cannot be reached (%s); errors are %s until it can", why, kept)
        else:
            logger.warning("Sentry can be reached again")

    def chores(self, *, hurry: bool) -> None:
        """Fetch what was gathered, tell what was lost, take over what dead processes have left.

        All of it now, if somebody waits for the end.
        """
        self.fetch()
        now = time.monotonic()
        if self.spool is not None and (hurry or now - self._adopted_at >= ADOPT_SECONDS):
            self._adopted_at = now
            self._put_all(self.spool.adopt())
        self.add_unsampled()
        if self._discarded_events and (hurry or now - self._reported_at >= REPORT_SECONDS):
            self._reported_at = now
            self._report()

    def _report(self) -> None:
        losses = self.take_losses()
        report = report_of(losses, self.options)
        if report.items and self.options["send_client_reports"]:
            self._sender.put(Parcel("client_report", "internal", 1, report, losses=losses))

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
                "Content-Encoding": self._encoding,
            },
            socket_options=pool.get("socket_options") or (),
            ca_certs=pool.get("ca_certs"),
            cert_file=pool.get("cert_file"),
            key_file=pool.get("key_file"),
        )

    def _forget_parent(self) -> None:
        """Become as new in a forked child: no copy of what the parent has queued or counted, no shared socket."""
        self.forget_losses()
        self.forget_kept()
        self._reported_at = time.monotonic()
        self._failing = self._finished = False
        with suppress(Exception):
            self._sender.forget()
        self._pool = self._make_pool()


def transport_for(
    place: Path | None, spool_bytes: int, scrub: Callable[[Envelope], None] = _as_it_is
) -> type[WorkerTransport]:
    """Return the transport with its spool: the SDK makes the instance, and passes it its own options only."""
    parts = {"place": place, "spool_bytes": spool_bytes, "scrub": staticmethod(scrub)}
    return type("WorkerTransport", (WorkerTransport,), parts)


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
